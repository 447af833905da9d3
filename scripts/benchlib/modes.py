# SPDX-License-Identifier: Apache-2.0
"""Several modes where one number would be told: runs of a cell that fall into groups, latencies around several values.

The throughputs of a cell's runs are looked at as the program looks at the intervals of one run
(core/measure/timeline.c): through a Gaussian kernel density whose bandwidth is two thirds of Silverman's rule of thumb
(B. W. Silverman, Density Estimation for Statistics and Data Analysis, 1986, section 3.4), and at least 2 % of the
median. A group holds a tenth of the runs or more, and five of them, and between it and the next one the density falls
below a quarter of the lower of their peaks. With less than MINIMUM runs nothing is said: few values gather by chance.

Latencies are looked at in their bins, put together to four a doubling, all runs of a cell in one. A mode is a peak
(scipy.signal.find_peaks) that stands above the higher of the valleys beside it by half its height at least, and
between its valleys there is a twentieth of all samples or more: one pause makes many jobs late at once, but not so
many. What is shorter than SHORTEST_NS is one bin, for there the steps of a clock stand out.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy
import pandas
from scipy import signal

from benchlib import latency, series
from benchlib.series import LINE, THREADS, VALUE
from benchlib.table import Results

MINIMUM = 30
LEAST_SHARE, LEAST_RUNS = 0.1, 5
VALLEY = 0.25
BANDWIDTH_FACTOR, LEAST_BANDWIDTH = 0.6, 0.02

SHORTEST_NS = 32
BINS_A_DOUBLING = 4
LEAST_SAMPLES = 10_000
LEAST_SHARE_OF_SAMPLES = 0.05
PROMINENCE = 0.5

LISTED = 3
MILLION = 1e6
CELL = ["cell_id", "arm"]
TIME_UNITS = ("ns", "us", "ms", "s")


@dataclass(frozen=True)
class Mode:
    """One group of values: what it gathers around, and its share of all."""

    value: float
    share: float


def of_values(values: Sequence[float]) -> list[Mode]:
    """The groups of the values from low to high; none where there are too few to say."""
    ordered = numpy.sort(numpy.asarray(values, dtype=float))
    if len(ordered) < MINIMUM:
        return []
    groups = numpy.split(ordered, _cuts(ordered, _bandwidth(ordered)))
    least = max(LEAST_SHARE * len(ordered), LEAST_RUNS)
    return [Mode(float(numpy.median(group)), len(group) / len(ordered)) for group in groups if len(group) >= least]


def of_bins(low: numpy.ndarray, count: numpy.ndarray) -> list[Mode]:
    """The modes of a histogram of latencies in ns, as the record has it; none where there are too few samples."""
    total = count.sum()
    if total < LEAST_SAMPLES:
        return []
    longer = low >= SHORTEST_NS
    places = numpy.zeros(len(low), dtype=int)
    places[longer] = 1 + numpy.floor(BINS_A_DOUBLING * numpy.log2(low[longer] / SHORTEST_NS))
    heights = numpy.concatenate([[0], numpy.bincount(places, weights=count), [0]])
    heights[1] /= BINS_A_DOUBLING * numpy.log2(SHORTEST_NS)  # it is as wide as so many others
    peaks, found = signal.find_peaks(heights, prominence=0)
    peaks = peaks[found["prominences"] >= PROMINENCE * heights[peaks]]
    valleys = [a + int(heights[a:b].argmin()) for a, b in zip(peaks[:-1], peaks[1:], strict=True)]
    group = numpy.searchsorted(valleys, places + 1, side="right")
    counts = numpy.bincount(group, weights=count)
    return [
        Mode(_median(low[group == one], count[group == one]), float(held / total))
        for one, held in enumerate(counts)
        if held >= LEAST_SHARE_OF_SAMPLES * total
    ]


def of_runs(runs: pandas.DataFrame) -> list[str]:
    """One sentence where the runs of a cell fall into groups, for a median then stands for none of them."""
    found = []
    cells = 0
    for _, cell in series.ok(runs).groupby(CELL, dropna=False):
        modes = of_values(cell[VALUE].dropna().to_numpy())
        cells += bool(modes)
        if len(modes) > 1:
            around = _joined(f"{mode.value / MILLION:.3g} ({mode.share:.0%})" for mode in modes)
            found.append(f"{_name(cell)}: {len(modes)} groups, around {around} million operations a second")
    what = f"Runs fall into groups in {len(found)} of {cells} cells with {MINIMUM} runs or more"
    return [f"{what}: {_listed(found)}."] if found else []


def of_latencies(results: Results, runs: pandas.DataFrame) -> list[str]:
    """The same of latencies: a percentile may then lie in a gap."""
    good = latency.with_key(series.ok(runs))
    bins = latency.with_key(results.histogram).merge(
        good[[latency.KEY, LINE, THREADS, "arm"]], on=latency.KEY, suffixes=("", "_of_run")
    )
    found = []
    histograms = bins.groupby([*CELL, "stage"], dropna=False)
    for (_, _, stage), cell in histograms:
        low, _, count = latency.merge(cell)
        modes = of_bins(low, count)
        if len(modes) > 1:
            around = _joined(f"{_time(mode.value)} ({mode.share:.0%})" for mode in modes)
            found.append(f"{_name(cell)}, {stage}: around {around}")
    what = f"Latencies have several modes in {len(found)} of {len(histograms)} histograms"
    return [f"{what}: {_listed(found)}."] if found else []


def _median(ordered: numpy.ndarray, count: numpy.ndarray) -> float:
    sums = numpy.cumsum(count)
    return float(ordered[numpy.searchsorted(sums, sums[-1] / 2)])


def _bandwidth(ordered: numpy.ndarray) -> float:
    quarters = numpy.percentile(ordered, [25, 75])
    spread = min(ordered.std(ddof=1), (quarters[1] - quarters[0]) / 1.349)
    least = max(LEAST_BANDWIDTH * float(numpy.median(ordered)), numpy.finfo(float).tiny)
    return max(BANDWIDTH_FACTOR * float(spread) * len(ordered) ** -0.2, least)


def _cuts(ordered: numpy.ndarray, bandwidth: float) -> list[int]:
    """Where to cut sorted values: at the lowest place of each valley of the density that is deep enough."""
    places = numpy.empty(2 * len(ordered) - 1)
    places[0::2], places[1::2] = ordered, (ordered[:-1] + ordered[1:]) / 2
    density = numpy.exp(-0.5 * ((places[:, None] - ordered[None, :]) / bandwidth) ** 2).sum(axis=1)
    cuts: list[int] = []
    falling, peak, valley, lowest = False, 0.0, 0.0, 0
    for place, height in enumerate(density):
        if not falling:
            peak = max(peak, height)
            falling, valley, lowest = height < VALLEY * peak, height, place
        elif height < valley:
            valley, lowest = height, place
        elif height * VALLEY > valley:
            cuts.append(lowest // 2 + 1)
            falling, peak = False, height
    return cuts


def _name(cell: pandas.DataFrame) -> str:
    first = cell.iloc[0]
    return f"{first[LINE]} at {first[THREADS]} threads"


def _listed(found: list[str]) -> str:
    rest = len(found) - LISTED
    return "; ".join(found[:LISTED]) + (f"; and {rest} more" if rest > 0 else "")


def _joined(texts: Iterable[str]) -> str:
    return " and ".join(texts)


def _time(ns: float) -> str:
    power = min(int(math.log10(ns) // 3), len(TIME_UNITS) - 1)
    return f"{ns / 1000**power:.3g} {TIME_UNITS[power]}"
