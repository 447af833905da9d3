# SPDX-License-Identifier: Apache-2.0
"""Groups of runs and of latencies: made-up ones are found, and noise is not taken for them."""

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from benchlib import footer, modes, series, summary, table
from result_folder import ResultFolder

Draw = Callable[[numpy.random.Generator, int], numpy.ndarray]
ONE: dict[str, Draw] = {
    "normal": lambda random, n: random.normal(1e6, 3e4, n),
    "wide": lambda random, n: random.normal(1e6, 2e5, n),
    "even": lambda random, n: random.uniform(5e5, 15e5, n),
    "skewed": lambda random, n: 1e6 + random.exponential(2e5, n),
    "outliers": lambda random, n: numpy.where(numpy.arange(n) % 12 == 5, 1e5, random.normal(1e6, 2e4, n)),
    "equal": lambda random, n: numpy.full(n, 1e6),
    "nothing": lambda random, n: numpy.zeros(n),
}
TWO: dict[str, Draw] = {
    "halves": lambda random, n: random.normal(numpy.where(numpy.arange(n) % 2, 1e6, 2e6), 5e4),
    "a quarter": lambda random, n: random.normal(numpy.where(numpy.arange(n) % 4, 1e6, 13e5), 2e4),
    "stalls": lambda random, n: numpy.where(numpy.arange(n) % 5, 1e6, 0),
}


def share_with(draw: Draw, n: int, count: int) -> float:
    random = numpy.random.default_rng(1)
    return float(numpy.mean([len(modes.of_values(draw(random, n))) == count for _ in range(50)]))


@pytest.mark.parametrize("name", ONE)
def test_noise_of_any_shape_is_one_group(name: str) -> None:
    assert share_with(ONE[name], modes.MINIMUM, 1) >= 0.94
    assert share_with(ONE[name], 100, 1) >= 0.98


@pytest.mark.parametrize("name", TWO)
def test_two_regimes_are_two_groups(name: str) -> None:
    assert share_with(TWO[name], modes.MINIMUM, 2) >= 0.94
    assert share_with(TWO[name], 100, 2) >= 0.98


def test_a_group_says_what_it_gathers_around_and_how_many_it_holds() -> None:
    values = [1.0, 1.01, 0.99] * 10 + [3.0, 3.02, 2.98] * 5
    low, high = modes.of_values(values)
    assert low.value == pytest.approx(1.0) and low.share == pytest.approx(2 / 3)
    assert high.value == pytest.approx(3.0) and high.share == pytest.approx(1 / 3)


def test_of_few_runs_nothing_is_said() -> None:
    assert modes.of_values([]) == []
    assert modes.of_values([1.0, 2.0] * 14 + [1.0]) == []
    assert len(modes.of_values([1.0, 2.0] * 15)) == 2


def histogram(*groups: tuple[float, float, int]) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Latencies drawn around medians, (median, spread of the logarithm, samples) each, as the record counts them."""
    random = numpy.random.default_rng(1)
    values = numpy.concatenate([median * numpy.exp(random.normal(0, spread, n)) for median, spread, n in groups])
    return numpy.unique(values.astype(int).astype(float), return_counts=True)


@pytest.mark.parametrize(
    ("groups", "around"),
    [
        ([(500, 0.3, 20_000)], [500]),
        ([(500, 0.05, 20_000)], [500]),
        ([(500, 1.5, 20_000)], [500]),
        ([(5, 0.3, 20_000)], [5]),  # all in the shortest bin
        ([(5, 0.3, 20_000), (300, 0.3, 20_000)], [5, 300]),
        ([(40, 0.3, 20_000)], [40]),
        ([(500, 0.2, 20_000), (9_000, 0.2, 2_000)], [500, 9_000]),
        ([(500, 0.2, 20_000), (9_000, 0.2, 100)], [500]),  # a tail is no mode
        ([(500, 0.2, 9_000), (4_000, 0.2, 9_000), (1e6, 0.2, 9_000)], [500, 4_000, 1e6]),
        ([(500, 0.2, 4_000), (9_000, 0.2, 4_000)], []),  # too few to say
    ],
)
def test_modes_of_latencies(groups: list[tuple[float, float, int]], around: list[float]) -> None:
    found = [mode.value for mode in modes.of_bins(*histogram(*groups))]
    assert found == pytest.approx(around, rel=0.25)


def split(n: int) -> list[float]:
    return [1e6 + 1e3 * (i % 7) if i % 3 else 2e6 + 1e3 * (i % 5) for i in range(n)]


def test_summary_and_figures_say_so(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path / "made")
    made.queue("list", 1, 1, split(30))
    made.queue("ring", 1, 1, [1e6 + 1e3 * i for i in range(30)])
    made.queue("list", 2, 2, split(12))
    results = table.load(made.write())
    (said,) = [line for line in summary.lines(results) if line.startswith("Runs fall into groups")]
    assert said.startswith("Runs fall into groups in 1 of 2 cells with 30 runs or more: list at 2 threads: 2 groups, ")
    assert "around 1 (67%) and 2 (33%) million operations a second." in said
    runs = series.prepare(results)
    points = series.medians(runs, [series.LINE, series.THREADS])
    assert said in footer.lines(runs, points, [])
    alike = runs[runs["queue"] == "ring"]
    assert not any("groups" in line for line in footer.lines(alike, points, []))


def test_failed_runs_make_no_group(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path / "made")
    made.queue("list", 1, 1, split(30))
    results = table.load(made.write())
    results.throughput.loc[results.throughput["throughput_ops_per_s"] > 1.5e6, "status"] = "failed"
    assert modes.of_runs(series.prepare(results)) == []


def test_latencies_of_a_cell_are_looked_at_together(tmp_path: Path) -> None:
    """Half of the runs are slow throughout, so that no run by itself has two modes."""
    made = ResultFolder(tmp_path / "made")
    made.queue("list", 1, 1, [1e6] * 4, bins=[("enqueue", 100, 101, 5_000), ("dequeue", 100, 101, 5_000)])
    results = table.load(made.write())
    runs = series.prepare(results)
    assert modes.of_latencies(results, runs) == []
    slow = (results.histogram["run_id"].isin(runs["run_id"][:2])) & (results.histogram["stage"] == "dequeue")
    results.histogram.loc[slow, ["bin_low_ns", "bin_high_ns"]] = (6400, 6447)
    (said,) = modes.of_latencies(results, runs)
    assert said == (
        "Latencies have several modes in 1 of 2 histograms: "
        "list at 2 threads, dequeue: around 100 ns (50%) and 6.4 us (50%)."
    )
    assert said in summary.lines(results)
