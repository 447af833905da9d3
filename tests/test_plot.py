# SPDX-License-Identifier: Apache-2.0
"""Figures show the right numbers, mix nothing, hide nothing and say what they are; bad input gets one sentence."""

import itertools
import json
import math
import os
import shutil
import statistics
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.collections
import matplotlib.text
import numpy
import pytest
from conftest import ROOT, SweepRunner
from result_folder import INCORRECT, ResultFolder, throughput_columns

from benchlib import (
    ablation, curves, figures, frame, gnuplot, latency, options, plot_cli, series, style, summary, table,
)  # fmt: skip

SIX = (1e6, 2e6, 3e6, 4e6, 5e6, 6e6)
PLOT = ROOT / "scripts" / "plot"


def plot(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PLOT, *map(str, words)], capture_output=True, text=True, check=False, timeout=120, **options)


def of(folder: ResultFolder) -> list[figures.Figure]:
    return figures.of(table.load(folder.write()))


def planned(folder: ResultFolder) -> list[curves.Curves]:
    runs = series.prepare(table.load(folder.write()))
    return curves.plan(runs, style.looks(sorted(set(runs[series.LINE])), series.baselines(runs)))


def busy(folder: Path) -> ResultFolder:
    """A result with something of everything that a figure must cope with."""
    made = ResultFolder(folder, cpus_allowed=8)
    bins = [(stage, 2**i, 2 ** (i + 1) - 1, 4000 >> i) for stage in ("enqueue", "dequeue", "total") for i in range(11)]
    queues = ["erts_mpsc", "mutex_list", "ticket_list", "a_queue_with_a_long_name", "lcrq", "scq", "wcq", "ymc", "toy"]
    for (i, queue), producers in itertools.product(enumerate(queues, 1), (1, 2, 3, 7, 15, 62, 63)):
        fate = INCORRECT if queue == "toy" and producers > 3 else {}
        made.queue(queue, producers, 1, [value * i / producers for value in SIX], bins=bins, **fate)
    made.queue("null", 1, 1, [9e8] * 6, verdict="baseline")
    for window, workers, (i, lock) in itertools.product((1, 16), (1, 4), enumerate(("none", "mutex", "mcs"))):
        more = {"workload_params": f"window={window};workers={workers}", "pool_params": f"ready_lock={lock}"}
        more["bins"] = [("total", 900, 1100, 5000)]
        made.pool("erts_mpsc", 1, workers, [value / (i + 1) for value in SIX], **more)
    return made


# The numbers


def test_the_columns_of_the_tests_are_those_of_the_program(readyq: Path) -> None:
    header = subprocess.run([readyq, "fields", "--json"], capture_output=True, text=True, check=True).stdout
    assert [column["name"] for column in json.loads(header)["throughput.csv"]] == throughput_columns()


def test_points_are_medians_with_exact_intervals_and_failed_runs_stand_in_none(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    made.queue("a", 1, 1, SIX)
    made.queue("a", 3, 1, [7e6, 1e6, 2e6])
    made.queue("a", 3, 1, [99e6, 98e6], **INCORRECT)
    (one,) = planned(made)
    ((_, points),) = one.panels
    two, four = points.sort_values("threads").to_dict("records")
    assert (two["threads"], two["n"], two["median"], two["low"], two["high"]) == (2, 6, 3.5e6, 1e6, 6e6)
    assert (four["threads"], four["n"], four["failed"], four["median"]) == (4, 3, 2, 2e6)
    assert math.isnan(four["low"]) and math.isnan(four["high"])
    notes = " ".join(one.notes)
    assert "n = 3 to 6 runs" in notes and "an interval needs 6 runs" in notes
    assert "2 of 11 runs failed and stand in no median: a violated at 4 threads." in notes


@pytest.mark.parametrize("setting", ["dispatch", "allocator", "pin", "optional_ops", "commit", "workload_params"])
def test_what_was_run_differently_is_never_in_one_median(tmp_path: Path, setting: str) -> None:
    made = ResultFolder(tmp_path)
    for value, first in (("x=1", 1e6), ("x=2", 100e6)):
        for producers in (1, 2):
            made.queue("a", producers, 1, [first * (1 + i) for i in range(6)], **{setting: value})
    (one,) = planned(made)
    assert len(one.panels) == 2 and all("1" in panel.heading or "2" in panel.heading for panel, _ in one.panels)
    assert sorted(points["median"].max() for _, points in one.panels) == [3.5e6, 350e6]
    assert all(not any("mixes" in text for text in found) for _, points in one.panels for found in points["warnings"])


def checked(folder: Path, **more: Any) -> ResultFolder:
    """Six runs a cell, with and without a check, at two thread counts."""
    made = ResultFolder(folder)
    for (scale, check), producers in itertools.product(enumerate(CHECKS, 1), (1, 2)):
        made.queue("a", producers, 1, [value / scale for value in SIX], **CHECKS[check] | more)
    return made


CHECKS = {
    "none": {"check": "none", "history_scope": "none"},
    "sampled 16": {"check": "sampled", "history_scope": "sampled", "check_every": 16, "check_memory_mib": 64},
    "sampled 99": {"check": "sampled", "history_scope": "sampled", "check_every": 99, "check_memory_mib": 64},
    "full": {"check": "full", "history_scope": "full", "check_memory_mib": 64},
    "full, cut": {"check": "full", "history_scope": "sampled", "check_memory_mib": 1},
}
HEADINGS = [
    "check none",
    "check sampled, check every 16, check memory 64 MiB",
    "check sampled, check every 99, check memory 64 MiB",
    "check full, check memory 1 MiB",
    "check full, check memory 64 MiB",
]


def test_runs_with_and_without_a_check_are_never_in_one_median(tmp_path: Path) -> None:
    (one,) = planned(checked(tmp_path))
    assert [panel.heading for panel, _ in one.panels] == HEADINGS
    medians = [points["median"].tolist() for _, points in one.panels]
    assert medians == [pytest.approx([3.5e6 / scale] * 2) for scale in (1, 2, 3, 5, 4)]
    assert all(points["n"].tolist() == [6, 6] and not any(points["warnings"]) for _, points in one.panels)
    assert not any("varies" in note for note in one.notes)


def test_how_many_histories_were_judged_is_said_where_any_was(tmp_path: Path) -> None:
    (one,) = planned(checked(tmp_path / "some"))
    assert "Histories judged: 12 in full, 36 sampled, of 60 runs." in one.notes
    said = [line for line in summary.lines(table.load(tmp_path / "some")) if "runs" in line]
    assert said[-1] == "All 60 runs passed their checks (histories judged: 12 in full, 36 sampled)."
    (one,) = planned(checked(tmp_path / "violated", **INCORRECT))
    assert "Histories judged: 12 in full, 36 sampled, of 60 runs." in one.notes
    made = checked(tmp_path / "none", check="none", history_scope="none", check_every="", check_memory_mib="")
    (one,) = planned(made)
    assert not any("istories" in note for note in one.notes)
    assert "All 60 runs passed their checks." in summary.lines(table.load(tmp_path / "none"))


def test_a_violated_run_among_judged_ones_is_said_beside_them(tmp_path: Path) -> None:
    made = checked(tmp_path)
    made.queue("a", 1, 1, [1.0], **CHECKS["full"] | INCORRECT)
    said = list(summary.lines(table.load(made.write())))
    assert said[-3:-1] == [
        "1 of 61 runs failed and stand in no median: a violated at 2 threads.",
        "Histories judged: 13 in full, 36 sampled, of 61 runs.",
    ]


def test_gnuplot_draws_checked_runs_in_panels_of_their_own(tmp_path: Path) -> None:
    (one,) = planned(checked(tmp_path))
    gnuplot.draw(one, tmp_path, ["svg"])
    blocks = (tmp_path / "contention-producer_consumer-gnuplot.dat").read_text().split("\n\n\n")[::3]
    for heading, scale, block in zip(HEADINGS, (1, 2, 3, 5, 4), blocks, strict=True):
        assert block.startswith(f"# a, {heading}: ")
        assert numbers(block) == [pytest.approx([threads, 3.5e6 / scale, 6]) for threads in (2, 3)]


def test_latencies_of_checked_runs_are_another_figure(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for check in ("none", "full"):
        made.queue("a", 1, 1, SIX, bins=[("total", 900, 1100, 5000)], **CHECKS[check])
    runs = series.prepare(table.load(made.write()))
    found = latency.plan(table.load(tmp_path), runs, style.looks(["a"], set()))
    assert [one.name for one in found] == [
        "latency-producer_consumer-check-none", "latency-producer_consumer-check-full"
    ]  # fmt: skip
    none, full = ([note for note in one._notes() if "istories" in note] for one in found)
    assert none == [] and full == ["Histories judged: 6 in full, of 6 runs."]


def test_as_many_threads_in_other_roles_are_another_panel(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for producers, consumers in itertools.product((1, 2, 4), (1, 2)):
        made.queue("a", producers, consumers, SIX)
    (one,) = planned(made)
    assert [panel.heading for panel, _ in one.panels] == ["1 consumer", "2 consumers"]
    assert [sorted(points["threads"]) for _, points in one.panels] == [[2, 3, 5], [3, 4, 6]]


def test_what_varies_along_a_line_is_said(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for producers in (1, 2):
        made.queue("a", producers, 1, SIX, workload_params=f"window={16 * producers};producers={producers}")
    (one,) = planned(made)
    assert "Besides threads, there varies along a line: workload.window." in one.notes


def test_settings_without_a_curve_give_way_to_those_with_one_and_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = ResultFolder(tmp_path)
    for window, producers in ((1, 1), (16, 1), (16, 2)):
        made.queue("a", producers, 1, SIX, workload_params=f"window={window}")
    (one,) = planned(made)
    assert [panel.heading for panel, _ in one.panels] == ["window 16"]
    assert "Not drawn, being measured at one thread count only: window 1." in one.notes


def test_many_settings_go_on_further_pages(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for window, producers in itertools.product(range(1, 12), (1, 2)):
        made.queue("a", producers, 1, SIX, workload_params=f"window={window}")
    found = planned(made)
    assert [one.name for one in found] == ["contention-producer_consumer-1", "contention-producer_consumer-2"]
    assert [panel.heading for one in found for panel, _ in one.panels] == [f"window {i}" for i in range(1, 12)]


# Names and colours


def test_lines_are_named_by_queue_pool_and_what_tells_two_apart(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    made.queue("list", 1, 1, SIX, queue_params="capacity=0;lock=mcs")
    made.queue("list", 1, 1, SIX, queue_params="capacity=0;lock=ticket")
    made.pool("list", 1, 1, SIX)
    made.pool("list", 1, 1, SIX, ready_queue="other")
    made.cell(SIX, workload="blast", pool="uv", schedulers=1, workers=1, threads=2)
    runs = series.prepare(table.load(made.write()))
    names = list(dict.fromkeys(runs[series.LINE]))
    assert names == ["list lock=mcs", "list lock=ticket", "list", "list \u2192 other", "pool uv"]


def test_a_queue_looks_the_same_in_every_figure(tmp_path: Path) -> None:
    looks: dict[str, set[style.Look]] = {}
    results = table.load(busy(tmp_path).write())
    runs = series.prepare(results)
    shared = style.looks(sorted(set(runs[series.LINE])), series.baselines(runs))
    every = [*curves.plan(runs, shared), *latency.plan(results, runs, shared),
             *ablation.plan(results, ablation.find(runs, {}), shared)]  # fmt: skip
    for one in every:
        for line, look in one.looks.items():
            looks.setdefault(line, set()).add(look)
    assert len(looks) == 10 and all(len(found) == 1 for found in looks.values())
    assert len({look for found in looks.values() for look in found}) == 10
    assert looks["null"] == {style.Look(style.BASELINE_COLOUR, style.BASELINE_MARKER, True)}


def test_a_baseline_is_a_ceiling_and_stands_last(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for producers in (1, 2):
        made.queue("aaa", producers, 1, [9e8] * 6, verdict="baseline")
        made.queue("queue", producers, 1, SIX)
    (one,) = planned(made)
    assert one.legend == ["queue", "ceiling (aaa)"] and list(one.looks) == ["queue", "aaa"]
    rows = [line.split("  ")[1] for line in summary.lines(table.load(tmp_path)) if line.startswith("  ")]
    assert rows[1:] == ["queue", "ceiling (aaa)"]


def test_another_verdict_is_said_in_words_where_the_line_is_named(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    made.queue("good", 1, 1, SIX)
    made.queue("bad", 1, 1, SIX[:2], **INCORRECT)
    made.queue("late", 1, 1, ["", ""], status="failed", exit_reason="timeout", verdict="")
    (one,) = planned(made)
    assert one.legend == ["bad: violated in 2 of 2 runs", "good", "late: timeout in 2 of 2 runs"]
    assert any("every run of that point failed" in note for note in one.notes)


def test_queues_of_unlike_promises_are_marked(tmp_path: Path) -> None:
    fifo = {"order": "fifo", "capacity": None, "enqueue": "lock-free", "dequeue": "lock-free"}
    made = ResultFolder(tmp_path)
    made.queue("a", 1, 1, SIX)
    made.queue("b", 1, 1, SIX)
    made.manifest = {"queues": {"a": fifo, "b": fifo | {"order": "relaxed", "capacity": 8, "dequeue": "blocking"}}}
    (one,) = planned(made)
    assert one.legend == ["a [FIFO, lock-free]", "b [relaxed, bounded, lock-free in, blocking out]"]
    assert any("not ranked" in note for note in one.notes)
    made.manifest["queues"]["b"] = fifo
    (one,) = planned(made)
    assert one.legend == ["a", "b"] and not any("ranked" in note for note in one.notes)


def test_many_queues_of_unlike_promises_get_figures_of_their_own(tmp_path: Path) -> None:
    """With the ceiling in each; a few stand together (the test above)."""
    fifo = {"order": "fifo", "capacity": None, "enqueue": "lock-free", "dequeue": "lock-free"}
    made = ResultFolder(tmp_path)
    traits = {f"f{i}": fifo for i in range(5)} | {f"b{i}": fifo | {"capacity": 4, "dequeue": "blocking"} for i in range(4)}
    for name in traits:
        made.queue(name, 1, 1, SIX)
        made.queue(name, 2, 1, SIX)
    made.queue("null", 1, 1, SIX, verdict="baseline")
    made.queue("other.so", 1, 1, SIX)
    made.manifest = {"queues": traits}
    figures = {one.name: one for one in planned(made)}
    assert list(figures) == ["contention-producer_consumer-FIFO-bounded-blocking",
                             "contention-producer_consumer-FIFO-unbounded-lock-free-or-wait-free",
                             "contention-producer_consumer-promises-not-known"]  # fmt: skip
    bounded, free, unknown = figures.values()
    assert bounded.legend == ["b0", "b1", "b2", "b3", "ceiling (null)"]
    assert free.legend == [*(f"f{i}" for i in range(5)), "ceiling (null)"]
    assert unknown.legend == ["other.so", "ceiling (null)"]
    assert bounded.title == "producer_consumer: throughput by number of threads (FIFO, bounded, blocking)"
    assert len({look.colour for look in free.looks.values()}) == 6


def test_promises_that_are_not_known_are_said_to_be(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    made.queue("a", 1, 1, SIX)
    (one,) = planned(made)
    assert any("What the queues promise is not known" in note for note in one.notes)
    traits = {"order": "fifo", "capacity": None, "enqueue": "wait-free", "dequeue": "blocking"}
    made.manifest = {"queues": {"a": traits}}
    (one,) = planned(made)
    assert not any("not known" in note for note in one.notes)
    made = ResultFolder(tmp_path)
    made.cell(SIX, workload="blast", pool="uv", schedulers=1, workers=1, threads=2)
    (one,) = planned(made)
    assert not any("not known" in note for note in one.notes)


def test_the_option_of_a_pool_that_alone_varies_makes_lines_instead_of_panels_and_files(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path, cpus_allowed=8)
    for workers, (i, lock) in itertools.product((1, 3), enumerate(("mcs", "none", "mutex"), 1)):
        params = {"pool_params": f"ready_lock={lock};elements=worker", "bins": [("total", 10 * i, 10 * i, 100)]}
        made.pool("q", 1, workers, [i * value for value in SIX], **params)
    results = table.load(made.write())
    runs = series.prepare(results)
    looks = style.looks(["q"], [])
    names = ["q, ready lock none", "q, ready lock mutex", "q, ready lock mcs"]
    (one,) = curves.plan(runs, looks)
    ((panel, points),) = one.panels
    assert (panel.heading, one.legend, list(one.looks)) == ("", names, names)
    assert len({look.colour for look in one.looks.values()}) == 3
    medians = {(row[series.LINE], row["threads"]): row["median"] for row in points.to_dict("records")}
    factors = dict(zip(names, (2, 3, 1), strict=True))
    assert medians == {(name, threads): factors[name] * 3.5e6 for name in names for threads in (2, 4)}
    (percentiles,) = latency.plan(results, runs, looks)
    assert (percentiles.name, list(percentiles.looks)) == ("latency-blast", names)
    keys = {name: set(percentiles.drawn.loc[percentiles.drawn[series.LINE] == name, latency.KEY]) for name in names}
    bins = {name: set(percentiles.bins[percentiles.bins[latency.KEY].isin(keys[name])]["bin_low_ns"]) for name in names}
    assert bins == {name: {10 * factors[name]} for name in names}


# The figures as they are drawn


@pytest.fixture(scope="module")
def canvases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, frame.Canvas]:
    """Every figure of a busy result that matplotlib draws, by name, kept instead of saved."""
    kept: dict[str, frame.Canvas] = {}

    def keep(canvas: frame.Canvas, _: Path, name: str, __: Any) -> list[Path]:
        canvas.figure.canvas.draw()
        kept[name] = canvas
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame.Canvas, "save", keep)
        folder = tmp_path_factory.mktemp("busy")
        figures.draw([one for one in of(busy(folder)) if one.kind != "gnuplot"], folder, ["png"])
    return kept


def texts_of(canvas: frame.Canvas) -> list[matplotlib.text.Text]:
    """All that can be read in a figure."""
    found = canvas.figure.findobj(lambda artist: isinstance(artist, matplotlib.text.Text) and artist.get_visible())
    unused = [axes for axes in canvas.figure.axes if not axes.get_visible()]
    hidden = {text for axes in unused for text in axes.findobj(matplotlib.text.Text)}
    shown = [text for text in found if text.get_text().strip() and text not in hidden]
    return [text for text in shown if on_axis(text)]


def on_axis(text: matplotlib.text.Text) -> bool:
    """matplotlib keeps labels of ticks outside of the axis, and does not draw them."""
    axes = text.axes
    if axes is None or text not in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        return True
    x, y = text.get_position()
    left, right, low, high = *axes.get_xlim(), *axes.get_ylim()
    return left <= x <= right if text in axes.get_xticklabels() else low <= y <= high


def test_the_figures_are_those_that_the_result_gives(canvases: dict[str, frame.Canvas]) -> None:
    both = itertools.product(("none", "mutex", "mcs"), (1, 16))
    settings = [f"ready-lock-{lock}-window-{window}" for lock, window in both]
    assert sorted(canvases) == sorted([
        "contention-blast", "contention-producer_consumer", "latency-producer_consumer", "ready-lock-blast-window-1",
        "ready-lock-blast-window-16", *(f"latency-blast-{setting}" for setting in settings),
    ])  # fmt: skip


def test_no_text_is_clipped_or_overlaps_another(canvases: dict[str, frame.Canvas]) -> None:
    for name, canvas in canvases.items():
        whole = canvas.figure.bbox
        boxes = [(text.get_text(), text.get_window_extent().padded(-1)) for text in texts_of(canvas)]
        assert len(boxes) > 10
        for text, box in boxes:
            assert whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1, (name, text)
        for (text, box), (other, other_box) in itertools.combinations(boxes, 2):
            assert not box.overlaps(other_box), (name, text, other)


def test_every_figure_says_where_its_numbers_are_from(canvases: dict[str, frame.Canvas]) -> None:
    for name, canvas in canvases.items():
        footer = " ".join(canvas.layout.footer.lines)
        for said in ("n = 6 runs", "machine made-up-2cpu", "commit 0123456789ab", "plan 5d41402abc4b2a76", "8 CPUs"):
            assert said in footer, (name, said)
        assert name.startswith("latency") or "95 % interval of the median" in footer


def test_a_contention_curve_has_all_dots_medians_a_band_and_the_border_of_the_cpus(
    canvases: dict[str, frame.Canvas], tmp_path: Path
) -> None:
    made = busy(tmp_path)
    ((axes,),) = canvases["contention-producer_consumer"].axes
    dots = sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == "o" and line.get_markersize() == 4)
    assert dots == sum(row["workload"] == "producer_consumer" and row["status"] == "ok" for row in made.rows)
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert sum(len(line.get_xdata()) for line in crosses) == 4  # the broken queue at its four greatest thread counts
    (border,) = [line.get_xdata()[0] for line in axes.lines if list(line.get_ydata()) == [0, 1]]
    assert 8 < border < 9
    assert "more threads than CPUs" in [text.get_text() for text in axes.texts]
    assert axes.get_xscale() == "log" and "million operations a second" in axes.get_ylabel()
    filled = [one for one in axes.collections if isinstance(one, matplotlib.collections.PolyCollection)]
    widths = [numpy.ptp(path.vertices[:, 0]) for one in filled for path in one.get_paths()]
    assert sum(width > 0 for width in widths) == 9  # the ceiling has but one point, whose interval is a bar


def test_curves_of_one_scale_share_it_and_wide_ranges_are_logarithmic_and_say_so(tmp_path: Path) -> None:
    assert style.value_limits(1, 10) == (0, pytest.approx(11.6), False)
    low, high, log = style.value_limits(1, 100)
    assert log and low < 1 and high > 100
    assert style.value_limits(0, 5)[2] is False


# Latencies


def test_percentiles_come_from_the_bins_of_all_runs_and_end_ten_samples_before_the_last() -> None:
    samples = numpy.sort(numpy.random.default_rng(1).integers(100, 100_000, 20_000))
    values, counts = numpy.unique(samples, return_counts=True)
    beyond, latencies = latency.percentile_curve(values, values, counts)
    assert beyond[-1] == pytest.approx(2000) and beyond[0] == pytest.approx(1 / 0.9)
    for place, value in zip(beyond, latencies, strict=True):
        assert value == samples[max(math.ceil((1 - 1 / place) * 20_000 - 1e-6), 1) - 1]
    assert {2, 10, 100, 1000} <= set(numpy.round(beyond, 9))
    nothing, none = latency.percentile_curve(values[:9], values[:9], numpy.ones(9))
    assert len(nothing) == len(none) == 0


def test_bins_are_merged_over_the_runs_that_passed(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    made.queue("a", 1, 1, SIX, bins=[("enqueue", 10, 11, 100), ("enqueue", 20, 23, 50)])
    made.queue("a", 1, 1, [1e6], bins=[("enqueue", 10**6, 10**6, 10**6)], **INCORRECT)
    results = table.load(made.write())
    runs = series.prepare(results)
    (one,) = latency.plan(results, runs, style.looks(["a"], []))
    low, high, count = latency.merge(one.bins)
    assert (low.tolist(), high.tolist(), count.tolist()) == ([10, 20], [11, 23], [600, 300])


def test_runs_without_a_name_are_joined_with_the_bins_of_their_cell_only(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    made.queue("a", 1, 1, [1e6], bins=[("enqueue", 10, 11, 100)])
    made.queue("b", 1, 1, [1e6], bins=[("enqueue", 70, 71, 100)])
    for row in [*made.rows, *made.bins]:
        row["run_id"] = ""
    results = table.load(made.write())
    (one,) = latency.plan(results, series.prepare(results), style.looks(["a", "b"], []))
    keys = {line: set(one.drawn.loc[one.drawn[series.LINE] == line, latency.KEY]) for line in "ab"}
    assert [one.bins[one.bins[latency.KEY].isin(keys[line])]["bin_low_ns"].tolist() for line in "ab"] == [[10], [70]]


def test_latencies_are_shown_at_the_most_threads_that_the_cpus_carry(tmp_path: Path) -> None:
    def chosen(*threads: int) -> int:
        made = ResultFolder(tmp_path, cpus_allowed=4)
        for count in threads:
            made.queue("a", count - 1, 1, [1e6])
        return latency.choose_threads(series.prepare(table.load(made.write())))

    assert chosen(2, 3, 4, 5, 9) == 4
    assert chosen(6, 9) == 6


# The ready lock


def test_the_ablation_has_a_column_a_number_of_workers_and_cpu_time_a_job(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for workers, (i, lock) in itertools.product((1, 4), enumerate(("mcs", "none", "ticket", "mutex"), 1)):
        made.pool("q", 1, workers, [i * value for value in SIX], pool_params=f"ready_lock={lock}", operations=500)
    results = table.load(made.write())
    (one,) = ablation.plan(results, ablation.find(series.prepare(results), {}), style.looks(["q"], []))
    assert (one.name, one.values, one.columns) == ("ready-lock-blast", ["none", "mutex", "ticket", "mcs"], [1, 4])
    assert set(one.runs[options.CPU]) == {10_000}


def test_one_kind_of_ready_lock_is_no_ablation(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    made.pool("q", 1, 1, SIX, pool_params="ready_lock=mutex")
    assert ablation.find(series.prepare(table.load(made.write())), {}) == []


# gnuplot


def numbers(block: str) -> list[list[float]]:
    return [[float(word) for word in line.split()] for line in block.splitlines() if line[0] != "#"]


def test_gnuplot_draws_the_same_medians_and_its_script_can_be_run_again(tmp_path: Path) -> None:
    made = busy(tmp_path / "result")
    done = plot(made.write(), "--only", "gnuplot", "--format", "svg", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    name = "contention-producer_consumer-gnuplot"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for suffix in ("gp", "dat"):
        shutil.copy(tmp_path / "out" / f"{name}.{suffix}", elsewhere)
    subprocess.run(["gnuplot", "-c", f"{name}.gp", "svg"], cwd=elsewhere, check=True, timeout=60)
    assert (elsewhere / f"{name}.svg").read_bytes() == (tmp_path / "out" / f"{name}.svg").read_bytes()
    assert str(tmp_path) not in (elsewhere / f"{name}.gp").read_text()

    blocks = (elsewhere / f"{name}.dat").read_text().split("\n\n\n")
    expected: dict[int, list[float]] = {}
    for row in made.rows:
        if row.get("queue") == "toy" and row["status"] == "ok":
            expected.setdefault(row["threads"], []).append(row["throughput_ops_per_s"])
    (medians,) = [numbers(block) for block in blocks if block.startswith("# toy: threads, median")]
    assert medians == [[threads, pytest.approx(statistics.median(every)), 6] for threads, every in expected.items()]
    (runs,) = [numbers(block) for block in blocks if block.startswith("# toy: threads, operations")]
    assert sorted(runs) == sorted([threads, value] for threads, every in expected.items() for value in every)
    for said in ("n = 6 runs", "made-up-2cpu", "0123456789ab", "5d41402abc4b2a76", "more threads than CPUs"):
        assert said in (elsewhere / f"{name}.gp").read_text()


# The command


def test_it_draws_everything_in_both_formats_and_prints_the_paths(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path / "result")
    for producers in (1, 2, 4):
        made.queue("a", producers, 1, SIX, bins=[("enqueue", 10, 11, 100)])
    done = plot(made.write())
    assert done.returncode == 0, done.stderr
    written = sorted(path.name for path in (made.folder / "figures").iterdir())
    assert written == sorted(Path(line).name for line in done.stdout.splitlines()) == [
        "contention-producer_consumer-gnuplot.dat", "contention-producer_consumer-gnuplot.gp",
        "contention-producer_consumer-gnuplot.png", "contention-producer_consumer-gnuplot.svg",
        "contention-producer_consumer.png", "contention-producer_consumer.svg",
        "latency-producer_consumer.png", "latency-producer_consumer.svg",
    ]  # fmt: skip
    before = {path.name: path.read_bytes() for path in (made.folder / "figures").iterdir()}
    assert plot(made.folder).returncode == 0
    assert before == {path.name: path.read_bytes() for path in (made.folder / "figures").iterdir()}


def test_one_figure_or_one_kind_can_be_drawn(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path / "result")
    made.queue("a", 1, 1, SIX, bins=[("enqueue", 10, 11, 100)])
    words = [str(made.write()), "--out", str(tmp_path / "out"), "--format"]
    assert plot_cli.main([*words, "svg", "--only", "contention-producer_consumer"]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["contention-producer_consumer.svg"]
    assert plot_cli.main([*words, "png", "--only", "latency"]) == 0
    assert {path.suffix for path in (tmp_path / "out").glob("latency*")} == {".png"}


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Asserts that a command line is answered with exit code 2 and one sentence that has certain words in it."""

    def check(words: Sequence[object], *said: str) -> None:
        assert plot_cli.main([*map(str, words)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and len(err.splitlines()) == 1 and err.startswith("plot: ")
        for part in said:
            assert part in err

    return check


def test_a_refusal_is_the_exit_code_of_the_command(tmp_path: Path) -> None:
    done = plot(tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("plot: ") and done.stderr.count("\n") == 1


def test_bad_input_is_refused_in_one_sentence_and_nothing_is_written(
    refused: Callable[..., None], tmp_path: Path
) -> None:
    refused([tmp_path / "nowhere"], "nowhere", "no such result folder")
    made = ResultFolder(tmp_path / "result")
    refused([made.write()], "holds no run")
    made.queue("a", 1, 1, SIX, **INCORRECT)
    refused([made.write()], "all of its 6 runs failed")
    made.queue("a", 1, 1, SIX)
    made.write()
    refused([made.folder, "--only", "pie"], "'pie'", "contention-producer_consumer", "gnuplot")
    text = (made.folder / "throughput.csv").read_text()
    (made.folder / "throughput.csv").write_text(text.replace("\n5,", "\n6,"))
    refused([made.folder], "schema version 6", "versions 1, 2, 3, 4 and 5")
    (made.folder / "throughput.csv").write_text(text.replace(",cpus_allowed,", ",cpus,", 1))
    refused([made.folder], "has no column cpus_allowed")
    (made.folder / "throughput.csv").write_text(text)
    (made.folder / "histogram.csv").unlink()
    refused([made.folder], "histogram.csv")
    assert not (made.folder / "figures").exists()


def test_a_format_it_does_not_know_is_refused_and_the_known_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as left:
        plot_cli.main([str(tmp_path), "--format", "svg,gif"])
    said = capsys.readouterr().err
    assert left.value.code == 2 and "'gif'" in said and "svg, png" in said


def test_a_place_that_cannot_be_written_is_refused(refused: Callable[..., None], tmp_path: Path) -> None:
    made = ResultFolder(tmp_path / "result")
    made.queue("a", 1, 1, SIX)
    (tmp_path / "file").write_text("")
    refused([made.write(), "--out", tmp_path / "file"], "cannot write figures", "file")


def test_a_home_that_cannot_be_written_brings_no_advice(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path / "result")
    made.queue("a", 1, 1, SIX)
    unset = ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    known = {name: value for name, value in os.environ.items() if name not in unset}
    (tmp_path / "tmp").mkdir()
    places = {"HOME": "/dev/null", "TMPDIR": str(tmp_path / "tmp")}
    done = plot(made.write(), "--only", "contention", "--format", "svg", env=known | places)
    assert (done.returncode, done.stderr) == (0, "")
    assert not list((tmp_path / "tmp").iterdir())


def test_an_output_that_cannot_be_written_is_one_sentence_and_a_reader_that_leaves_none(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path / "result")
    made.queue("a", 1, 1, SIX)
    words = [PLOT, made.write(), "--table"]
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (2, "plot: cannot write to standard output: No space left on device\n")
    ours, its = os.pipe()
    os.close(ours)
    done = subprocess.run(words, stdout=its, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(its)
    assert (done.returncode, done.stderr) == (141, "")


def test_without_gnuplot_the_other_figures_are_there_and_what_to_install_is_said(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path / "result")
    made.queue("a", 1, 1, SIX)
    done = plot(made.write(), env=os.environ | {"PATH": str(tmp_path)})
    assert done.returncode == 2 and "gnuplot cannot be run" in done.stderr and "scripts/setup base" in done.stderr
    assert sorted(path.name for path in (made.folder / "figures").iterdir()) == [
        "contention-producer_consumer.png", "contention-producer_consumer.svg"
    ]  # fmt: skip


def test_the_table_has_every_median_and_says_what_failed(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for producers, window in itertools.product((1, 3), (1, 16)):
        made.queue("a", producers, 1, [value * window for value in (*SIX[:5], 60e6)], workload_params=f"window={window}")
        made.queue("bb", producers, 1, [250e6] * 3, workload_params=f"window={window}")
    made.queue("bb", 3, 1, [1e6], workload_params="window=16", **INCORRECT)
    done = plot(made.write(), "--table")
    assert done.returncode == 0 and not (tmp_path / "figures").exists()
    assert done.stdout.replace("\u00b7", "|").splitlines() == [
        "producer_consumer: million operations a second, medians of 3 to 6 runs",
        "  window 1                           2        4  threads",
        "  a                               3.50     3.50",
        "  bb                               250      250",
        "  window 16                          2        4  threads",
        "  a                               56.0     56.0",
        "  bb: violated in 1 of 7 runs      250      250",
        "",
        "1 of 37 runs failed and stand in no median: bb violated at 4 threads.",
        "machine made-up-2cpu | 2 CPUs | commit 0123456789ab | release, gnu 12.2.0 | plan 5d41402abc4b2a76",
    ]


def test_a_real_sweep_marks_what_its_queues_promise(real_sweep: SweepRunner) -> None:
    plan = """
        name = "promises"
        repeats = 1
        [base]
        workload = "producer_consumer"
        warmup = "1ms"
        duration = "5ms"
        [axes]
        queue = ["erts_mpsc", "mutex_list", "null"]
    """
    done = real_sweep.run(plan)
    assert done.returncode == 0, done.stderr
    runs = series.prepare(table.load(real_sweep.out))
    (one,) = curves.plan(runs, style.looks(sorted(set(runs[series.LINE])), series.baselines(runs)))
    assert one.legend == ["erts_mpsc [FIFO, lock-free]", "mutex_list [FIFO, blocking]", "ceiling (null)"]


def test_a_real_run_is_drawn(readyq: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    short = ["--warmup", "1ms", "--duration", "20ms"]
    words = [readyq, "run", "--quiet", "--workload", "closed_loop", *short, "--csv", out]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    assert plot_cli.main([str(out), "--format", "svg"]) == 0
    drawn = {path.name for path in (out / "figures").iterdir()}
    assert {"contention-closed_loop.svg", "latency-closed_loop.svg", "contention-closed_loop-gnuplot.svg"} <= drawn
