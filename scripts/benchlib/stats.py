# SPDX-License-Identifier: Apache-2.0
"""Medians with intervals, each with its assumption and its warnings as values.

The unit is the run (one process): samples inside one process are not independent. Runs are skewed and often
have two modes, so nothing here assumes a shape, and nothing is dropped.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy
import numpy.typing

NDArray = numpy.typing.NDArray[numpy.float64]

CONFIDENCE = 0.95
INDEPENDENT = "the runs are independent draws from one distribution of any shape"
PAIRED = "the ratios of the blocks are independent draws from one distribution of any shape"
BOOTSTRAP = "the runs are independent, and enough of them that resampling them resembles drawing new ones"
BOOTSTRAP_MIN_RUNS = 10


@dataclass(frozen=True)
class Estimate:
    """A central value and what is known of it. `low` and `high` are NaN where no interval can be given."""

    n: int
    value: float
    low: float
    high: float
    coverage: float  # what the interval really covers; exact ones cannot hit 95 % on the nose
    assumption: str
    warnings: tuple[str, ...] = ()


def runs_needed(confidence: float = CONFIDENCE) -> int:
    """The fewest runs that can carry an exact interval of the median: their range misses it once in 2^(n-1)."""
    return math.ceil(1 - math.log2(1 - confidence))


def sign_rank(n: int, confidence: float = CONFIDENCE) -> tuple[int, float]:
    """Which order statistics bound the median: (k, coverage) for the k-th smallest and the k-th largest of n.

    The number of runs below the median is binomial(n, 1/2), whatever the distribution; k is the greatest
    with P(fewer than k below) at most half of what may be missed. k = 0: no such k.
    """
    tail, term, k = 0.0, 0.5**n, 0
    while tail + term <= (1 - confidence) / 2:
        tail += term
        term *= (n - k) / (k + 1)
        k += 1
    return k, (1 - 2 * tail if k else 0.0)


def median(values: Sequence[float], confidence: float = CONFIDENCE, assumption: str = INDEPENDENT) -> Estimate:
    """The median with the exact interval of the sign test (order statistics)."""
    ordered = numpy.sort(numpy.asarray(values, dtype=float))
    n = len(ordered)
    if n == 0:
        return Estimate(0, math.nan, math.nan, math.nan, 0.0, assumption, ("no run to take a median of",))
    k, coverage = sign_rank(n, confidence)
    centre = float(numpy.median(ordered))
    if k == 0:
        warning = (
            f"{n} runs are too few for a {confidence:.0%} interval of the median, {runs_needed(confidence)} needed"
        )
        return Estimate(n, centre, math.nan, math.nan, 0.0, assumption, (warning,))
    return Estimate(n, centre, float(ordered[k - 1]), float(ordered[n - k]), coverage, assumption)


def one_sided(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """What the median is at least, and what it is at most, each with that confidence; NaN: too few runs to say.

    They are the ends of the two-sided interval that misses as much at one end alone.
    """
    both = median(values, 2 * confidence - 1)
    return both.low, both.high


def bootstrap(
    samples: Sequence[Sequence[float]],
    statistic: Callable[..., NDArray],
    confidence: float = CONFIDENCE,
    resamples: int = 10_000,
    seed: int = 1,
) -> Estimate:
    """A percentile bootstrap interval of `statistic(*samples, axis=-1)`, for what has no exact one.

    The samples are independent, and each is resampled by itself. The seed is fixed, so that the same runs always
    give the same figure.
    """
    arrays = [numpy.asarray(sample, dtype=float) for sample in samples]
    n = min(len(array) for array in arrays)
    if n == 0:
        return Estimate(0, math.nan, math.nan, math.nan, 0.0, BOOTSTRAP, ("a sample has no run",))
    value = float(statistic(*arrays, axis=-1))
    if n == 1:
        warning = "one run says nothing of its spread"
        return Estimate(1, value, math.nan, math.nan, 0.0, BOOTSTRAP, (warning,))
    generator = numpy.random.default_rng(seed)
    drawn = [array[generator.integers(len(array), size=(resamples, len(array)))] for array in arrays]
    tail = (1 - confidence) / 2
    low, high = numpy.quantile(statistic(*drawn, axis=-1), [tail, 1 - tail])
    few = f"{n} runs are few for a bootstrap: its interval is too narrow below {BOOTSTRAP_MIN_RUNS}"
    return Estimate(n, value, float(low), float(high), confidence, BOOTSTRAP, (few,) if n < BOOTSTRAP_MIN_RUNS else ())


def ratio_of_medians(above: Sequence[float], below: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """median(above) / median(below) of two independent samples, by bootstrap; with blocks, prefer `paired_ratio`."""

    def ratio(first: NDArray, second: NDArray, axis: int) -> NDArray:
        return numpy.median(first, axis=axis) / numpy.median(second, axis=axis)

    return bootstrap([above, below], ratio, confidence)


def paired_ratio(above: dict[int, float], below: dict[int, float], confidence: float = CONFIDENCE) -> Estimate:
    """The median over the blocks of above / below, each pair from one block and so from one state of the machine."""
    blocks = sorted(above.keys() & below.keys())
    estimate = median([above[block] / below[block] for block in blocks], confidence, PAIRED)
    alone = len(above.keys() ^ below.keys())
    if not alone:
        return estimate
    warning = f"{alone} runs have no partner in their block and are left out"
    return replace(estimate, warnings=(*estimate.warnings, warning))
