# SPDX-License-Identifier: Apache-2.0
"""The figures that a plan names: what stands on which line, in which panel, at which place, and what is said of it."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from result_folder import ResultFolder

from benchlib import asked, figures, grid, grid_gnuplot, plan, plot_cli, series, table
from benchlib.errors import Refused

SIX = (1e6, 2e6, 3e6, 4e6, 5e6, 6e6)
DRIFT = (1, 5, 2, 40, 3, 7)  # of the machine, from block to block: it falls out of every ratio


def text(figure: str, part: str = "p") -> str:
    """A plan of one part with a figure; what it measures does not matter here."""
    return f'name = "made-up"\nrepeats = 6\n[[part]]\nname = "{part}"\n[[part.figure]]\n{figure}'


def grids(made: ResultFolder, figure: str) -> list[grid.Grid]:
    made.manifest["plan"] = {"text": text(figure)}
    results = table.load(made.write())
    return asked.grids(results, series.prepare(results), asked.find(results))


def thinking(folder: Path, **more: Any) -> ResultFolder:
    """Two queues under three think times."""
    made = ResultFolder(folder)
    for (i, queue), think in itertools.product(enumerate(("a", "b"), 1), (0, 100, 1000)):
        params = {"workload_params": f"think_ns={think}", "run_length_mean": 1000 / (think + 1), "part": "p"}
        made.queue(queue, 1, 1, [value * i / (think + 1) for value in SIX], **params | more)
    return made


def rows_of(one: grid.Grid, row: int = 0, column: int = 0) -> dict[tuple[str, float], tuple[float, float, float]]:
    points = one.points[(one.points["row"] == row) & (one.points["column"] == column)]
    return {(point["line"], point["at"]): (point["median"], point["low"], point["high"])
            for point in points.to_dict("records")}  # fmt: skip


def test_a_measure_over_a_setting_has_a_line_a_queue_and_a_row_a_measure(tmp_path: Path) -> None:
    figure = 'over = "workload.think_ns"\nmeasures = ["throughput_ops_per_s", "run_length_mean"]'
    (one,) = grids(thinking(tmp_path), figure)
    assert one.shape == (2, 1) and one.legend == ["a", "b"]
    assert one.axis.texts == ["0 ns", "100 ns", "1 \u00b5s"] and "not to scale" in one.axis.label
    assert rows_of(one)["a", 0.0] == (3.5, 1, 6) and rows_of(one)["b", 0.0] == (7, 2, 12)
    assert rows_of(one, 1)["b", 1.0][0] == pytest.approx(1000 / 101)
    assert len(rows_of(one)) == 6 and len(one.dots) == 2 * 36
    assert one.name == "p" and any(note.startswith("n = 6 runs a point") for note in one.notes)


def test_what_else_varies_makes_panels_and_many_of_them_pages(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for window, burst in itertools.product(range(1, 7), (1, 10)):
        params = {"workload_params": f"window={window};burst={burst}", "part": "p"}
        made.queue("a", 1, 1, [value * window for value in SIX], **params)
    first, second = grids(made, 'over = "workload.burst"')
    assert first.columns == [f"window {i}" for i in range(1, 5)] and second.columns == ["window 5", "window 6"]
    assert (first.name, second.name) == ("p-1", "p-2")
    assert rows_of(second, column=1)["a", 0.0][0] == 21


def test_queues_along_the_axis_have_measures_as_lines(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for i, queue in enumerate(("a", "b"), 1):
        stages = {"round_trip": [100 * i] * 6, "one_way": [60 * i] * 6}
        made.queue(queue, 1, 1, SIX, p99=stages, part="p", stopped_enqueue_share=0.025)
    measures = '[["round_trip.p99", "one_way.p99"], "stopped_enqueue_share", "ns_per_operation"]'
    (one,) = grids(made, f'over = "queue"\nmeasures = {measures}\nlabels = {{ stopped_enqueue_share = "kept, in %" }}')
    assert one.legend == ["round trip", "one way"] and one.axis.texts == ["a", "b"]
    assert [row.label for row in one.rows] == ["p99", "kept, in %", "a thread's time\nfor one operation"]
    assert rows_of(one)["one way", 1.0][0] == 120 and rows_of(one, 1)["", 0.0][0] == 2.5
    assert rows_of(one, 2)["", 0.0][0] == pytest.approx(2e9 * (1 / 3e6 + 1 / 4e6) / 2)


def test_a_word_stands_beside_each_point(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for prefill, regime in ((0, "empty"), (1000, "deep")):
        made.queue("a", 1, 1, SIX, workload_params=f"prefill={prefill}", queue_regime=regime, part="p")
    (one,) = grids(made, 'over = "workload.prefill"\nbeside = "queue_regime"')
    assert one.points["beside"].to_list() == ["empty", "deep"]


def test_words_stand_off_the_other_lines_of_their_row(tmp_path: Path) -> None:
    figure = 'over = "workload.think_ns"\nmeasures = ["throughput_ops_per_s", "run_length_mean"]'
    (one,) = grids(thinking(tmp_path), figure)
    medians = {("a", 0): 1e6, ("b", 0): 2e6, ("a", 1): 2.0, ("b", 1): 1.0}
    one = replace(one, points=one.points.assign(
        median=[medians[line, row] for line, row in zip(one.points["line"], one.points["row"], strict=True)]))
    assert [[one.above(line, row) for line in "ab"] for row in (0, 1)] == [[False, True], [True, False]]
    same = replace(one, points=one.points.assign(median=1.0))
    assert [same.above(line, 0) for line in "ab"] == [True, False]


def test_runs_that_lack_a_percentile_or_a_sound_environment_are_counted(tmp_path: Path) -> None:
    made = thinking(tmp_path, p99={"total": [100] * 5 + [""]})
    for row in made.rows[:3]:
        row |= {"environment_verdict": "invalid", "environment_reasons": "other processes took 1.50 of a CPU"}
    for row in made.rows[3:]:
        row["environment_verdict"] = "valid"
    (one,) = grids(made, 'over = "workload.think_ns"\nmeasures = ["total.p99"]')
    notes = " ".join(one.notes)
    assert "6 of 36 runs have too few samples for a p99." in notes
    assert "Environment: 3 of 36 runs invalid." in notes and "other processes took N of a CPU" in notes


def pools(folder: Path) -> ResultFolder:
    """Ours in two settings beside two others, by window and in bursts; `fast` is the best other for windows of 1."""
    made = ResultFolder(folder)
    speeds = {"tuned": 6, "erts": 7, "fast": 3, "slow": 2}
    for (pool, speed), window in itertools.product(speeds.items(), (1, 16, None)):
        speed = 4 if pool == "slow" and window == 16 else speed
        params = {"workload_params": f"service_ns=0;window={window}", "workload": "closed_loop"}
        if window is None:
            params = {"workload_params": "service_ns=0;jobs=1000", "workload": "blast"}
        counts = {"schedulers": 1, "workers": 1, "threads": 2}
        made.cell([1e6 * speed * drift for drift in DRIFT], pool=pool, part="p", **counts, **params)
    made.manifest["pools"] = {"slow": {"lacks": ["keys", "order"]}, "tuned": {"lacks": []}}
    return made


POOLS = 'over = "workload.window"\nlines = "pool"\nrows = "workload.service_ns"\nours = ["tuned", "erts"]\n'


def test_pools_are_lines_ours_first_and_bursts_stand_apart(tmp_path: Path) -> None:
    (one,) = grids(pools(tmp_path), POOLS)
    assert one.legend == ["tuned", "erts", "fast", "slow"] and one.ours == ("tuned", "erts")
    assert one.axis.texts == ["1", "16", "blast"] and one.axis.joined == 1.0
    assert rows_of(one)["slow", 1.0][0] == 16 and rows_of(one)["slow", 2.0][0] == 8
    assert [row.heading for row in one.rows] == ["service 0 ns"]
    assert "What pools lack that this load does not need: slow keys, order." in one.notes


def test_ratios_are_taken_in_blocks_and_to_the_best_other_pool(tmp_path: Path) -> None:
    (one,) = grids(pools(tmp_path), POOLS + 'ratio_of = "tuned"\nratio_to = ["best", "slow"]')
    found = rows_of(one)
    assert found["tuned / best other", 0.0] == (2, 2, 2) and found["tuned / best other", 1.0] == (1.5, 1.5, 1.5)
    assert found["tuned / slow", 2.0] == (3, 3, 3) and len(found) == 6
    assert one.points["beside"].to_list() == ["fast", "slow", "fast", "", "", ""]
    assert [one.above(line, 0) for line in one.lines(0)] == [False, True]  # the lower line's words stand below it
    script = grid_gnuplot.draw(one, tmp_path, ["svg"])[1].read_text()
    labels = [line for line in script.splitlines() if line.startswith("set label 'fast'")]
    assert len(labels) == 2 and all("offset 0,-0.9 " in line for line in labels)
    assert one.level == 1 and any(note.startswith("n = 6 pairs of runs a point") for note in one.notes)
    assert ("service 0 ns: tuned / best other is 2.00 in the median of 3 cells; the whole interval is below 1 in 0 of "
            "them.") in one.notes  # fmt: skip


def test_figures_are_drawn_and_those_of_other_kinds_only_when_asked_for(tmp_path: Path) -> None:
    made = thinking(tmp_path, bins=[("enqueue", 10, 11, 100)])
    made.queue("c", 1, 1, SIX, part="other")
    made.manifest["plan"] = {"text": text('over = "workload.think_ns"\nbeside = "queue_regime"')}
    every = figures.of(table.load(made.write()))
    assert [one.name for one in figures.chosen(every, None) if one.kind == "plan"] == ["p"]
    assert "latency-producer_consumer-think-0-ns" not in {one.name for one in figures.chosen(every, None)}
    assert figures.chosen(every, "latency")
    drawn = figures.draw(figures.chosen(every, "plan"), tmp_path / "out", ["svg", "png"])
    assert [path.name for path in drawn] == ["p.svg", "p.png"] and all(path.stat().st_size > 5000 for path in drawn)


def test_every_line_of_every_panel_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its medians, in a row where numbers are, and by a band that is its interval."""
    drawn, bands = [], []
    monkeypatch.setattr(grid.marks, "medians", lambda axes, look, x, y: drawn.append((look.colour, len(x), list(y))))
    monkeypatch.setattr(grid.marks, "band", lambda axes, look, x, low, high: bands.append((look.colour, list(low))))
    (one,) = grids(pools(tmp_path), POOLS)
    grid.draw(one, tmp_path, ["svg"])
    colours = [look.colour for look in one.looks.values()]
    assert sorted(drawn) == sorted(zip(colours, [3] * 4, [[24] * 3, [28] * 3, [12] * 3, [8, 16, 8]], strict=True))
    assert sorted(bands) == sorted(zip(colours, [[6] * 2, [7] * 2, [3] * 2, [2, 4]], strict=True))


def test_gnuplot_has_the_same_numbers(tmp_path: Path) -> None:
    figure = 'over = "workload.think_ns"\nmeasures = ["throughput_ops_per_s", ["total.p99", "wait.p99"]]'
    (one,) = grids(thinking(tmp_path, p99={"total": [7] * 6, "wait": [9] * 6}), figure)
    drawn = grid_gnuplot.draw(one, tmp_path, ["svg", "png"])
    assert [path.name for path in drawn] == [f"p-gnuplot.{suffix}" for suffix in ("svg", "png", "gp", "dat")]
    blocks = drawn[-1].read_text().split("\n\n\n")
    assert len(blocks) == (2 + 4) * grid_gnuplot.BLOCKS and all(path.stat().st_size > 1000 for path in drawn)
    first = blocks[0].splitlines()
    assert first[0] == "# a, million operations a second: place on the axis, median, runs, of points in a row"
    numbers = [tuple(float(word) for word in line.split()[1:]) for line in first[1:]]
    assert numbers == [(3.5, 6), (pytest.approx(3.5 / 101), 6), (pytest.approx(3.5 / 1001), 6)]
    assert blocks[3].count("\n") == 18
    script = drawn[2].read_text()
    assert script.count("plot data index") == 2 and all(text in script for text in ("'a, total'", "'b, wait'"))


@pytest.mark.parametrize("more", ["", 'ratio_of = "tuned"'])
def test_both_figures_of_pools_are_drawn(tmp_path: Path, more: str) -> None:
    (one,) = grids(pools(tmp_path), POOLS + more)
    (path,) = grid.draw(one, tmp_path, ["svg"])
    assert path.stat().st_size > 10000


def test_figures_do_not_change_what_a_plan_measures() -> None:
    with_figure, other = (plan.parse(text(f'over = "{over}"'), "") for over in ("queue", "threads"))
    assert with_figure.hash == other.hash == plan.parse(text("").replace("[[part.figure]]", ""), "").hash


def test_another_plan_may_name_the_figures_if_it_measures_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = thinking(tmp_path / "made")
    bare = text("").replace("[[part.figure]]", "")
    made.manifest["plan"] = {"text": bare, "hash": plan.parse(bare, "").hash}
    made.write()
    better = tmp_path / "better.toml"
    better.write_text(text('over = "workload.think_ns"\nname = "better"'))
    words = [str(made.folder), "--format", "svg", "--only", "plan", "--out", str(tmp_path / "out"), "--plan"]
    assert plot_cli.main([*words, str(better)]) == 0
    assert capsys.readouterr().out.endswith("better.svg\n")
    better.write_text(better.read_text().replace("repeats = 6", "repeats = 7"))
    assert plot_cli.main([*words, str(better)]) == 2
    assert "its figures are of something else" in capsys.readouterr().err


@pytest.mark.parametrize(("figure", "said"), [
    ('over = "workload.thnk_ns"', "no run has such a setting"),
    ('over = "workload.think_ns"\nmeasures = ["total.p42"]', "wants a figure of 'total.p42'"),
    ('over = "workload.think_ns"\nmeasures = ["verdict"]', "wants a figure of 'verdict'"),
])  # fmt: skip
def test_what_the_runs_do_not_have_is_refused_in_a_sentence(tmp_path: Path, figure: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        grids(thinking(tmp_path), figure)


@pytest.mark.parametrize(("figure", "said"), [
    ('title = "no axis"', 'lacks the key "over"'),
    ('over = "queue"\ncolour = "red"', 'unknown key "colour"'),
    ('over = "queue"\n[[part.figure]]\nover = "threads"\nname = "p"', 'two figures have the name "p"'),
])  # fmt: skip
def test_a_figure_of_another_form_is_refused(figure: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        plan.parse(text(figure), "plan.toml")
