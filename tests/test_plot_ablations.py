# SPDX-License-Identifier: Apache-2.0
"""A figure for each option that a part varies alone: the right runs, the right numbers, and nothing drawn twice."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from result_folder import INCORRECT, ResultFolder
from test_plot import SIX, plot, texts_of

from benchlib import ablation, figures, footer, frame, options, plot_cli, series, style, summary, table
from benchlib.ablation import Ablation

DEFAULTS = {"ready_limit": 20, "batch": 1, "worker_spin_ns": 0, "elements": "prepared"}


def pool_params(**changed: Any) -> str:
    return ";".join(f"{name}={value}" for name, value in (DEFAULTS | changed).items())


def point(made: ResultFolder, part: str, value: float = 1.0, **settings: Any) -> None:
    """A cell of closed_loop whose runs are `value` times SIX, and whose p99 latencies are as many nanoseconds."""
    workers = settings.pop("workers", 1)
    p99 = {stage: [factor * run * value / 1e3 for run in SIX] for stage, factor in (("total", 1), ("pass", 10))}
    known = {"workload": "closed_loop", "pool_params": pool_params(), "p99": p99, "part": part}
    made.pool("q", 1, workers, [run * value for run in SIX], **known | settings)


def plan_of_all(folder: Path) -> ResultFolder:
    """A result with a part for each kind of ablation; the default cell is measured once and belongs to several."""
    made = ResultFolder(folder)
    point(made, "batch", also_in=["worker spin", "elements", "workers"])
    for i, batch in enumerate((64, 4), 2):
        point(made, "batch", i, pool_params=pool_params(batch=batch))
    for i, spin in enumerate((2000, 200000), 2):
        point(made, "worker spin", i, pool_params=pool_params(worker_spin_ns=spin))
    point(made, "elements", 3, pool_params=pool_params(elements="worker"))
    for limit in (1, 20, 1000):
        given = pool_params(ready_limit=limit)
        point(made, "ready limit", limit, pool_params=given, workload_params="other_work_ns=20000")
    for keys, window in itertools.product((0, 16), (16, 256)):
        point(made, "routing", 1 + keys, workload_params=f"keys={keys};window={window}")
    for workers in (0, 2):
        point(made, "workers", 1 + workers, workers=workers, workload_params=f"workers={workers}")
    for lock, workers in itertools.product(("none", "mutex"), (2, 4)):
        point(made, "ready lock", workers, workers=workers, workload="blast", pool_params=f"ready_lock={lock}")
    return made


def planned(made: ResultFolder) -> dict[str, Ablation]:
    results = table.load(made.write())
    runs = series.prepare(results)
    looks = style.looks(sorted(set(runs[series.LINE])), [])
    return {one.name: one for one in ablation.plan(results, ablation.find(runs, results.manifest), looks)}


def test_every_part_that_varies_one_option_has_a_figure_of_it(tmp_path: Path) -> None:
    found = planned(plan_of_all(tmp_path))
    assert {name: (one.option, one.across, one.values, one.columns) for name, one in found.items()} == {
        "ablation-batch-closed_loop": ("pool.batch", "workers", [1, 4, 64], [1]),
        "ablation-worker-spin-closed_loop": ("pool.worker_spin_ns", "workers", [0, 2000, 200000], [1]),
        "ablation-elements-closed_loop": ("pool.elements", "workers", ["prepared", "worker"], [1]),
        "ablation-ready-limit-closed_loop": ("pool.ready_limit", "workers", [1, 20, 1000], [1]),
        "ablation-keys-closed_loop": ("workload.keys", "workload.window", [0, 16], [16, 256]),
        "ablation-workers-closed_loop": ("workers", "schedulers", [0, 1, 2], [1]),
        "ready-lock-blast": ("pool.ready_lock", "workers", ["none", "mutex"], [2, 4]),
    }


def test_a_cell_that_parts_share_stands_in_the_figure_of_each_and_no_other_does(tmp_path: Path) -> None:
    found = planned(plan_of_all(tmp_path))
    assert set(found["ablation-batch-closed_loop"].runs["cell_id"]) == {"cell0001", "cell0002", "cell0003"}
    assert set(found["ablation-elements-closed_loop"].runs["cell_id"]) == {"cell0001", "cell0006"}


def test_points_are_medians_of_throughput_and_of_the_latencies_of_each_run(tmp_path: Path) -> None:
    made = plan_of_all(tmp_path)
    lost = [row for row in made.rows if row["cell_id"] == "cell0003" and row["block"] in (0, 1)]
    for row in lost:
        row.update(INCORRECT)
    one = planned(made)["ablation-batch-closed_loop"]
    for measure, factor in ((options.THROUGHPUT, 1), (options.LATENCY, 1e-3), (options.PASS, 1e-2)):
        rows = {row["pool.batch"]: row for row in one.points(measure).to_dict("records")}
        assert [rows[batch]["median"] for batch in (1, 64)] == pytest.approx([3.5e6 * factor, 7e6 * factor])
        assert (rows[1]["low"], rows[1]["high"]) == pytest.approx((1e6 * factor, 6e6 * factor))
        assert (rows[4]["n"], rows[4]["failed"]) == (4, 2)
        assert rows[4]["median"] == pytest.approx(3 * 4.5e6 * factor)


def test_two_options_that_vary_together_are_no_ablation_but_beside_the_ready_lock_they_are_columns(
    tmp_path: Path,
) -> None:
    made = ResultFolder(tmp_path / "two")
    for batch, limit in itertools.product((1, 4), (1, 20)):
        point(made, "both", pool_params=pool_params(batch=batch, ready_limit=limit))
    assert not planned(made)
    made = ResultFolder(tmp_path / "lock")
    for lock, batch in itertools.product(("none", "mcs"), (1, 16)):
        point(made, "both", pool_params=f"ready_lock={lock};batch={batch}")
    (one,) = planned(made).values()
    assert (one.option, one.across, one.columns) == ("pool.ready_lock", "pool.batch", [1, 16])


def test_one_option_ablated_twice_gives_two_files(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for part, batch in itertools.product(("calm", "storm"), (1, 4)):
        point(made, part, pool_params=pool_params(batch=batch), workload_params=f"window={len(part)}")
    assert sorted(planned(made)) == ["ablation-batch-closed_loop", "ablation-batch-closed_loop-storm"]


def test_builds_are_compared_in_a_figure_of_their_own(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for arm in ("release", "bare"):
        made.pool("q", 1, 1, SIX, workload="closed_loop", arm=arm, build=f"{arm}, gnu")
    found = planned(made)
    assert [(one.option, one.values) for one in found.values()] == [("arm", ["bare", "release"])]


def test_numbers_stand_on_a_logarithmic_axis_unless_one_is_zero(tmp_path: Path) -> None:
    assert options.positions([1, 10, 100]) == pytest.approx({1: 0, 10: 1, 100: 2})
    assert options.positions([1, 4, 1024]) == pytest.approx({1: 0, 4: 0.4, 1024: 2})
    assert options.positions([0, 10, 100]) == {0: 0, 10: 1, 100: 2}
    assert options.positions([1, 1000]) == {1: 0, 1000: 1}
    assert options.positions(["a", "b", "c"]) == {"a": 0, "b": 1, "c": 2}
    found = planned(plan_of_all(tmp_path))
    assert found["ablation-batch-closed_loop"].joined and not found["ablation-worker-spin-closed_loop"].joined


def test_values_are_said_with_their_units(tmp_path: Path) -> None:
    said = [options.value_text(*pair) for pair in (
        ("pool.worker_spin_ns", 20000), ("workload.keys", 0), ("workload.keys", 16), ("workers", 0), ("workers", 2.0),
        ("pool.batch", 64.0), ("pool.smp", "no"),
    )]  # fmt: skip
    assert said == ["20 µs", "round robin", "16 keys", "0: in the submitter", "2", "64", "no"]


def test_what_an_ablation_shows_is_not_drawn_again_as_a_curve_of_one_thread_count(tmp_path: Path) -> None:
    made = plan_of_all(tmp_path)
    kinds = {one.name: one.kind for one in figures.of(table.load(made.write()))}
    assert {name for name, kind in kinds.items() if kind == "contention"} == {
        "contention-blast", "contention-closed_loop"
    }  # fmt: skip
    results = table.load(tmp_path)
    runs = series.prepare(results)
    found = ablation.find(runs, results.manifest)
    kept = ablation.others(runs, results.manifest, found)
    assert set(kept[kept["workload"] == "closed_loop"]["workers"]) == {0, 1, 2}
    assert kept[kept["workload"] == "closed_loop"]["cell_id"].nunique() == 3
    assert len(kept[kept["workload"] == "blast"]) == 24


def test_runs_of_no_sweep_are_ablated_too_and_drawn_as_before(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for batch in (1, 4):
        point(made, "", pool_params=pool_params(batch=batch))
    assert made.manifest == {}
    names = [one.name for one in figures.of(table.load(made.write()))]
    assert names == ["contention-closed_loop", "ablation-batch-closed_loop", "contention-closed_loop-gnuplot"]


@pytest.fixture(scope="module")
def canvases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, frame.Canvas]:
    """Every ablation's figure, by name, kept instead of saved."""
    kept: dict[str, frame.Canvas] = {}

    def keep(canvas: frame.Canvas, _: Path, name: str, __: Any) -> list[Path]:
        canvas.figure.canvas.draw()
        kept[name] = canvas
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame.Canvas, "save", keep)
        folder = tmp_path_factory.mktemp("all")
        every = figures.of(table.load(plan_of_all(folder).write()))
        figures.draw([one for one in every if one.kind == "ablation"], folder, ["png"])
    return kept


def test_no_text_of_an_ablation_is_clipped_or_overlaps_another(canvases: dict[str, frame.Canvas]) -> None:
    assert len(canvases) == 6
    for name, canvas in canvases.items():
        whole = canvas.figure.bbox
        boxes = [(text.get_text(), text.get_window_extent().padded(-1)) for text in texts_of(canvas)]
        assert len(boxes) > 10
        for text, box in boxes:
            assert whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1, (name, text)
        for (text, box), (other, other_box) in itertools.combinations(boxes, 2):
            assert not box.overlaps(other_box), (name, text, other)


def test_an_ablation_shows_throughput_latency_and_what_else_its_option_is_about(
    canvases: dict[str, frame.Canvas],
) -> None:
    rows = {
        name: [line[0].get_ylabel().split("\n")[0].split(",")[0] for line in canvas.axes]
        for name, canvas in canvases.items()
    }
    both = ["million jobs a second", "p99 latency of a job"]
    assert rows["ablation-batch-closed_loop"] == rows["ablation-keys-closed_loop"] == both
    assert rows["ablation-ready-limit-closed_loop"] == [*both, "p99 time of a pass"]
    assert rows["ablation-worker-spin-closed_loop"] == [*both, "CPU time a job"]


def test_an_ablation_has_a_dot_a_run_and_says_where_its_numbers_are_from(canvases: dict[str, frame.Canvas]) -> None:
    canvas = canvases["ablation-ready-limit-closed_loop"]
    for ((axes,), factor) in zip(canvas.axes, (1e-6, 1e-3, 1e-2), strict=True):
        dots = [line for line in axes.lines if line.get_marker() == "o" and line.get_markersize() == 4]
        drawn = sorted(value for line in dots for value in line.get_ydata())
        assert drawn == pytest.approx(sorted(run * limit * factor for run in SIX for limit in (1, 20, 1000)))
        assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "20", "1000"]
    for name, one in canvases.items():
        notes = " ".join(one.layout.footer.lines)
        for said in ("n = 6 runs", "95 % interval of the median", "made-up-2cpu", "0123456789ab", "5d41402abc4b2a76"):
            assert said in notes, (name, said)


def test_runs_with_too_few_samples_for_a_percentile_are_counted(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for batch in (1, 4):
        point(made, "batch", pool_params=pool_params(batch=batch))
    for row in made.latencies[:4]:
        row["latency_p99_ns"] = ""
    (one,) = planned(made).values()
    assert one._lacking(options.measures("pool.batch")) == [
        "2 of 12 runs have too few samples for a p99 latency of a job."
    ]


def test_points_without_intervals_are_drawn_without_bars_and_without_a_word(tmp_path: Path) -> None:
    """Most runs had too few samples for a percentile, so that those which had enough give a median alone."""
    made = ResultFolder(tmp_path / "result")
    for elements in ("prepared", "worker"):
        point(made, "elements", pool_params=pool_params(elements=elements))
    for row in made.latencies:
        row["latency_p99_ns"] = row["latency_p99_ns"] if row["block"] == 0 else ""
    done = plot(made.write(), "--only", "ablation", "--format", "svg")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("workers", [(2,), (2, 4)])
def test_runs_with_and_without_a_check_stand_in_other_columns_or_figures(
    tmp_path: Path, workers: tuple[int, ...]
) -> None:
    made = ResultFolder(tmp_path)
    checks = ("full", "none", "sampled")
    for (scale, check), count, lock in itertools.product(enumerate(checks, 1), workers, ("none", "mcs")):
        given = {"workload": "blast", "pool_params": f"ready_lock={lock}"}
        judged = {"check": check, "history_scope": check, "check_memory_mib": "" if check == "none" else 64}
        point(made, "lock", scale, workers=count, **given, **judged)
    found = planned(made)
    medians = {name: one.points(options.THROUGHPUT).groupby(one.across)["median"] for name, one in found.items()}
    if len(workers) == 1:
        (one,) = found.values()
        assert (one.across, one.columns) == ("check", ["none", "sampled", "full"])
        assert {check: set(values) for check, values in medians["ready-lock-blast"]} == {
            check: {scale * 3.5e6} for scale, check in enumerate(checks, 1)
        }
    else:
        assert list(found) == [f"ready-lock-blast-check-{check}" for check in ("none", "sampled", "full")]
        for scale, check in enumerate(checks, 1):
            values = medians[f"ready-lock-blast-check-{check}"]
            assert {workers: set(of) for workers, of in values} == {2: {scale * 3.5e6}, 4: {scale * 3.5e6}}
    notes = [note for one in found.values() for note in footer.checks(one.runs)]
    assert notes == (["Histories judged: 12 in full, 12 sampled, of 36 runs."] if len(workers) == 1 else [
        "Histories judged: 24 sampled, of 24 runs.", "Histories judged: 24 in full, of 24 runs."])  # fmt: skip


def test_without_latencies_the_other_measures_are_drawn(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for batch in (1, 4):
        point(made, "batch", pool_params=pool_params(batch=batch), p99={})
    made.write()
    assert plot_cli.main([str(tmp_path), "--only", "ablation", "--format", "svg"]) == 0
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["ablation-batch-closed_loop.svg"]


def test_the_table_has_the_values_of_an_ablated_option_as_columns(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for i, spin in enumerate((0, 2000, 20000), 1):
        point(made, "spin", i, pool_params=pool_params(worker_spin_ns=spin))
    lines = list(summary.lines(table.load(made.write())))
    assert lines[:3] == [
        "closed_loop, worker spin: million operations a second, medians of 6 runs",
        "        0 ns     2 µs    20 µs  worker spin",
        "  q     3.50     7.00     10.5",
    ]


@pytest.mark.parametrize("cells", [[{"part": "a"}], ["a"], [{"cell_id": "x"}], 5])
def test_a_damaged_manifest_is_refused_in_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, cells: Any
) -> None:
    made = ResultFolder(tmp_path)
    made.pool("q", 1, 1, SIX)
    made.manifest = {"cells": cells}
    assert plot_cli.main([str(made.write())]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("plot: ") and "list of cells is damaged" in err and err.count("\n") == 1


def test_the_reference_has_the_figures_that_it_always_had() -> None:
    folder = ROOT / "results" / "reference"
    names = [one.name for one in figures.of(table.load(folder))]
    drawn = {path.stem for path in (folder / "figures").glob("*.svg")}
    assert set(names) == drawn


def test_only_ablations_can_be_asked_for(tmp_path: Path) -> None:
    made = plan_of_all(tmp_path / "result")
    done = plot(made.write(), "--only", "ablation", "--format", "svg", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_a_median_over_two_builds_is_warned_of(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for arm in ("bare", "release"):
        made.pool("q", 1, 1, SIX, arm=arm)
    for row in made.rows:
        row["cell_id"] = "cell0001"
    runs = table.load(made.write()).throughput
    (mixed,) = table.summarise(runs, ["workload"], series.VALUE)["warnings"]
    assert "mixes different cells: arm varies" in mixed
    assert list(table.summarise(runs, ["workload", "arm"], series.VALUE)["warnings"]) == [(), ()]
