# SPDX-License-Identifier: Apache-2.0
"""Where a series of numbers begins to be drawn from another distribution: E-divisive.

D. S. Matteson and N. A. James, "A Nonparametric Approach for Multiple Change Point Analysis of Multivariate Data",
Journal of the American Statistical Association 109 (2014), sections 2 and 3. Two neighbouring stretches differ by their
energy distance, scaled by their lengths; the pair of stretches that differs most gives a candidate, and it counts if
few shuffles of the segments found so far differ as much anywhere. Then the parts are looked at in the same way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy
import numpy.typing

NDArray = numpy.typing.NDArray[numpy.float64]

SAME = 1e-9  # relative: statistics that differ by less are equal but for rounding


@dataclass(frozen=True)
class Search:
    """The parameters. The chance of any change point in a series that has none is `significance` at most."""

    least: int = 5  # points between two change points, at least 2
    significance: float = 0.01
    permutations: int = 499
    seed: int = 1


@dataclass(frozen=True)
class ChangePoint:
    """`index`: of the first value that belongs to what follows."""

    index: int
    p_value: float


@dataclass(frozen=True)
class _Split:
    """The best split of one segment: at `index` of the series."""

    statistic: float
    index: int


def find(values: Sequence[float], search: Search = Search()) -> list[ChangePoint]:
    """All change points, the earliest first; none where the values are too few for two stretches."""
    series = numpy.asarray(values, dtype=float)
    generator = numpy.random.default_rng(search.seed)
    edges, found = [0, len(series)], []
    while True:
        segments = [(low, high) for low, high in pairwise(edges) if high - low >= 2 * search.least]
        if not segments:
            break
        best = max((_split(series, low, high, search.least) for low, high in segments), key=lambda one: one.statistic)
        p_value = _p_value(series, segments, best.statistic, search, generator)
        if p_value > search.significance:
            break
        found.append(ChangePoint(best.index, p_value))
        edges = sorted([*edges, best.index])
    return sorted(found, key=lambda one: one.index)


def least_permutations(significance: float) -> int:
    """Fewer shuffles than this can never show anything at that significance."""
    return int(numpy.ceil(1 / significance - SAME)) - 1


def _split(series: NDArray, low: int, high: int, least: int) -> _Split:
    statistic, at = _best(series[low:high], least)
    return _Split(statistic, low + at)


def _best(values: NDArray, least: int) -> tuple[float, int]:
    """The greatest scaled energy distance between values[:at] and a stretch that begins there, and its `at`.

    The stretch may end before the values do: what follows may be as what went before.
    """
    n = len(values)
    sums = numpy.zeros((n + 1, n + 1))
    sums[1:, 1:] = numpy.abs(values[:, None] - values[None, :]).cumsum(0).cumsum(1)
    at, end = numpy.arange(least, n - least + 1)[:, None], numpy.arange(2 * least, n + 1)[None, :]
    before, after = at, numpy.maximum(end - at, least)
    corner = sums[at, at]
    between = sums[at, end] - corner
    inside_before = corner / (before * (before - 1))
    inside_after = (sums[end, end] - 2 * sums[at, end] + corner) / (after * (after - 1))
    energy = 2 * between / (before * after) - inside_before - inside_after
    statistic = numpy.where(end - at >= least, energy * before * after / (before + after), -numpy.inf)
    place = numpy.unravel_index(numpy.argmax(statistic), statistic.shape)
    return float(statistic[place]), int(at[place[0], 0])


def _p_value(
    series: NDArray, segments: Sequence[tuple[int, int]], observed: float, search: Search,
    generator: numpy.random.Generator,
) -> float:
    """The share of shuffles, the series itself among them, that differ as much; once it is too great, no more."""
    as_much = 1
    for shuffled in _shuffles(series, segments, search, generator):
        as_much += shuffled >= observed - SAME * abs(observed)
        if as_much > search.significance * (search.permutations + 1):
            break
    return as_much / (search.permutations + 1)


def _shuffles(
    series: NDArray, segments: Sequence[tuple[int, int]], search: Search, generator: numpy.random.Generator
) -> Iterator[float]:
    """The statistic of the series with the values of each segment in a random order."""
    for _ in range(search.permutations):
        yield max(_best(generator.permutation(series[low:high]), search.least)[0] for low, high in segments)
