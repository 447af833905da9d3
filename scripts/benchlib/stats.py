# SPDX-License-Identifier: Apache-2.0
"""The statistics of runs: each names its assumption and returns its warnings as values.

The unit is the run (one process) or a pair of runs: samples inside one process are not independent. Runs are skewed
and often have two modes, so what is decided assumes no shape, and nothing is dropped. Only planning and descriptions
assume more, and say so. The standard library is enough for all of it, so that a gate decides wherever Python runs.

`confidence` is of an interval with two ends; `level` is the chance that one end, or one test, may be wrong.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

CONFIDENCE = 0.95
INDEPENDENT = "the runs are independent draws from one distribution of any shape"
PAIRED = "the ratios of the blocks are independent draws from one distribution of any shape"
TRIALS = "the trials are independent and succeed with one and the same chance"
SYMMETRIC = "the values are independent draws from one distribution that is symmetric about its median"
EXCHANGEABLE = "under independence every order of the values is as likely as any other"
NORMAL = "the values are independent draws from a normal distribution of the given spread"
NEGLIGIBLE = 1e-18
DEVIATION_PER_MAD = 1 / statistics.NormalDist().inv_cdf(0.75)  # of a normal distribution


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


@dataclass(frozen=True)
class Tested:
    """A hypothesis and how the data fit it: a small p-value says that they fit badly."""

    n: int
    p_value: float
    assumption: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One hypothesis of a family. It is rejected where its p-value is at most `level`."""

    adjusted: float  # the least chance of error for the family at which it would be rejected
    level: float
    rejected: bool


@dataclass(frozen=True)
class Alike:
    """How much each value resembles the one before it. Above `bound` that is hardly chance."""

    n: int
    value: float  # NaN where it cannot be said
    bound: float
    assumption: str
    warnings: tuple[str, ...] = ()


# The median, by its order statistics.


def runs_needed(confidence: float = CONFIDENCE) -> int:
    """The fewest runs that can carry an exact interval of the median: their range misses it once in 2^(n-1)."""
    return math.ceil(1 - math.log2(1 - confidence))


def fewest(level: float) -> int:
    """The fewest values with which a sign test at that level can reject anything: they all lie on one side."""
    n = max(0, math.ceil(-math.log2(level)))
    return n if 0.5**n <= level else n + 1


@lru_cache(maxsize=4096)
def median_rank(n: int, level: float) -> tuple[int, float]:
    """(k, chance): the k-th smallest of n values lies above the median with at most that level, and really `chance`.

    The number of values below the median is binomial(n, 1/2), whatever the distribution; k is the greatest with
    P(fewer than k below) at most the level. k = 0: no such k. Assumes independent draws.
    """
    allowed = math.floor(Fraction(level) * 2**n)
    ways, term, k = 0, 1, 0
    while k < n and ways + term <= allowed:
        ways += term
        term = term * (n - k) // (k + 1)
        k += 1
    return k, ways / 2**n


def sign_rank(n: int, confidence: float = CONFIDENCE) -> tuple[int, float]:
    """Which order statistics bound the median at both ends: (k, coverage) for the k-th smallest and k-th largest."""
    k, missed = median_rank(n, (1 - confidence) / 2)
    return k, (1 - 2 * missed if k else 0.0)


def median(values: Sequence[float], confidence: float = CONFIDENCE, assumption: str = INDEPENDENT) -> Estimate:
    """The median with the exact interval of the sign test (order statistics)."""
    ordered = sorted(map(float, values))
    n = len(ordered)
    if n == 0:
        return Estimate(0, math.nan, math.nan, math.nan, 0.0, assumption, ("no run to take a median of",))
    k, coverage = sign_rank(n, confidence)
    centre = statistics.median(ordered)
    if k == 0:
        warning = (
            f"{n} runs are too few for a {confidence:.0%} interval of the median, {runs_needed(confidence)} needed"
        )
        return Estimate(n, centre, math.nan, math.nan, 0.0, assumption, (warning,))
    return Estimate(n, centre, ordered[k - 1], ordered[n - k], coverage, assumption)


def one_sided(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """What the median is at least, and what it is at most, each with that confidence; NaN: too few runs to say.

    They are the ends of the two-sided interval that misses as much at one end alone.
    """
    both = median(values, 2 * confidence - 1)
    return both.low, both.high


def bounds(values: Sequence[float], level: float) -> Estimate:
    """The median's exact bounds, each by itself wrong with at most that level; infinite where values are too few.

    `low` lies above a margin exactly if `sign_test` has a p-value of at most the level. Assumes independent draws
    from one distribution of any shape; `coverage` is that of one end.
    """
    ordered = sorted(map(float, values))
    n = len(ordered)
    centre = statistics.median(ordered) if ordered else math.nan
    k, missed = median_rank(n, level)
    if k == 0:
        warning = f"{n} pairs bound no median at a level of {level:.2g}, {fewest(level)} are needed"
        return Estimate(n, centre, -math.inf, math.inf, 1.0, PAIRED, (warning,))
    return Estimate(n, centre, ordered[k - 1], ordered[n - k], 1 - missed, PAIRED)


@lru_cache(maxsize=4096)
def _half_tail(n: int, most: int) -> float:
    """P(at most `most` of n fair coins show heads), exactly."""
    return sum(math.comb(n, heads) for heads in range(most + 1)) / 2**n


def sign_test(values: Sequence[float], margin: float) -> Tested:
    """The exact one-sided test of "the median is at most `margin`". Values equal to it count as not above.

    Assumes independent draws from one distribution of any shape.
    """
    n, above = len(values), sum(value > margin for value in values)
    ties = sum(value == margin for value in values)
    warning = f"{ties} values equal the margin and count as not above it"
    return Tested(n, _half_tail(n, n - above), PAIRED, (warning,) if ties else ())


def paired_ratio(above: dict[int, float], below: dict[int, float], confidence: float = CONFIDENCE) -> Estimate:
    """The median over the blocks of above / below, each pair from one block and so from one state of the machine."""
    blocks = sorted(above.keys() & below.keys())
    estimate = median([above[block] / below[block] for block in blocks], confidence, PAIRED)
    alone = len(above.keys() ^ below.keys())
    if not alone:
        return estimate
    warning = f"{alone} runs have no partner in their block and are left out"
    return replace(estimate, warnings=(*estimate.warnings, warning))


# Families of hypotheses.


def holm(p_values: Sequence[float], alpha: float) -> tuple[Step, ...]:
    """Holm's step-down: with at most chance alpha any true hypothesis is rejected. In the order given.

    Assumes that each p-value is valid by itself, and nothing of how they depend on each other. The level of a
    hypothesis after the first that stands is the level which that one failed.
    """
    left, running, stands = len(p_values), 0.0, False
    steps: dict[int, Step] = {}
    level = alpha
    for index in sorted(range(left), key=lambda one: p_values[one]):
        level = level if stands else alpha / left
        running = max(running, min(1.0, p_values[index] * left))
        stands = stands or p_values[index] > level
        steps[index] = Step(running, level, not stands)
        left -= 1
    return tuple(steps[index] for index in range(len(p_values)))


def benjamini_hochberg(p_values: Sequence[float], rate: float) -> tuple[Step, ...]:
    """Benjamini and Hochberg's step-up: of those rejected, at most that share is expected to be true.

    Assumes valid p-values that are independent, or depend on each other positively only. In the order given.
    """
    count = len(p_values)
    order = sorted(range(count), key=lambda one: p_values[one])
    rejected = max((rank for rank, index in enumerate(order, 1) if p_values[index] <= rate * rank / count), default=0)
    steps: dict[int, Step] = {}
    running = 1.0
    for rank, index in reversed(list(enumerate(order, 1))):
        running = min(running, p_values[index] * count / rank)
        steps[index] = Step(running, rate * max(1, rejected) / count, rank <= rejected)
    return tuple(steps[index] for index in range(count))


# Shares.


def at_most(hits: int, n: int, chance: float) -> float:
    """P(at most `hits` of n trials succeed). Assumes independent trials of one chance."""
    if hits < 0 or hits >= n:
        return float(hits >= n)
    if chance <= 0 or chance >= 1:
        return float(chance <= 0)
    start = min(hits, int((n + 1) * chance))  # the greatest term; from there both ways until nothing is added
    log_ways = math.lgamma(n + 1) - math.lgamma(start + 1) - math.lgamma(n - start + 1)
    greatest = math.exp(log_ways + start * math.log(chance) + (n - start) * math.log1p(-chance))
    odds = chance / (1 - chance)
    total = term = greatest
    for k in range(start, 0, -1):
        term *= k / (n - k + 1) / odds
        total += term
        if term < total * NEGLIGIBLE:
            break
    term = greatest
    for k in range(start, hits):
        term *= (n - k) / (k + 1) * odds
        total += term
        if term < total * NEGLIGIBLE:
            break
    return min(1.0, total)


def _where(falling: Callable[[float], float], target: float) -> float:
    """The place between 0 and 1 where a falling function has that value, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > target else (low, middle)
    return (low + high) / 2


def share(hits: int, n: int, level: float = (1 - CONFIDENCE) / 2) -> Estimate:
    """A share with the exact bounds of Clopper and Pearson, each by itself wrong with at most that level.

    Both at once are wrong with at most twice that. Assumes independent trials of one chance.
    """
    if n == 0:
        return Estimate(0, math.nan, 0.0, 1.0, 1.0, TRIALS, ("no trial to take a share of",))
    low = 0.0 if hits == 0 else _where(lambda chance: at_most(hits - 1, n, chance), 1 - level)
    high = 1.0 if hits == n else _where(lambda chance: at_most(hits, n, chance), level)
    return Estimate(n, hits / n, low, high, 1 - 2 * level, TRIALS)


# Descriptions.


def hodges_lehmann(values: Sequence[float]) -> Estimate:
    """The median of the means of all pairs of values, each with itself too. For description: it has no interval here.

    Assumes independent draws from a symmetric distribution; of a skewed one it is not the median.
    """
    n = len(values)
    if n == 0:
        return Estimate(0, math.nan, math.nan, math.nan, 0.0, SYMMETRIC, ("no run to take an estimate of",))
    means = [(one + other) / 2 for index, one in enumerate(values) for other in values[index:]]
    return Estimate(n, statistics.median(means), math.nan, math.nan, 0.0, SYMMETRIC)


def spread(values: Sequence[float]) -> Estimate:
    """The standard deviation, from the median distance to the median, which a few wild values do not move.

    Assumes that the values' middle half is spread as a normal distribution's is; it has no interval here.
    """
    n = len(values)
    if n < 2:
        return Estimate(n, math.nan, math.nan, math.nan, 0.0, NORMAL, ("fewer than two values have no spread",))
    centre = statistics.median(values)
    found = DEVIATION_PER_MAD * statistics.median(abs(value - centre) for value in values)
    warnings = () if found else ("half of the values are equal, so that their spread counts as none",)
    return Estimate(n, found, math.nan, math.nan, 0.0, NORMAL, warnings)


def autocorrelation(values: Sequence[float], level: float = 0.05) -> Alike:
    """The correlation of each value's rank with the next one's, and what chance exceeds with that level only.

    By ranks, so that a few wild values neither make nor hide it. Assumes for its bound, which is approximate, that
    under independence every order of the values is as likely.
    """
    n = len(values)
    ranks = _ranks(values)
    squares = sum(rank * rank for rank in ranks)
    if n < 4 or not squares:
        return Alike(n, math.nan, math.inf, EXCHANGEABLE, ("too few different values to tell whether they are alike",))
    found = sum(one * after for one, after in zip(ranks, ranks[1:], strict=False))
    bound = normal_quantile(1 - level) / math.sqrt(n) - 1 / n
    return Alike(n, found / squares, bound, EXCHANGEABLE)


def _ranks(values: Sequence[float]) -> list[float]:
    """Each value's rank, less the mean rank; equal values share theirs."""
    ordered = sorted(values)
    first = {value: index for index, value in reversed(list(enumerate(ordered)))}
    last = {value: index for index, value in enumerate(ordered)}
    return [(first[value] + last[value] - (len(ordered) - 1)) / 2 for value in values]


def normal_quantile(chance: float) -> float:
    """Below which a standard normal variable lies with that chance."""
    return statistics.NormalDist().inv_cdf(chance)


# Planning: what a sign test against a margin can see.


def sign_power(n: int, level: float, effect: float, deviation: float, margin: float) -> float:
    """The chance that `bounds(...).low` lies above the margin, if the true median is `effect`.

    Assumes independent draws from a normal distribution of that deviation.
    """
    k, _ = median_rank(n, level)
    if deviation <= 0:
        return float(k > 0 and effect > margin)
    return at_most(k - 1, n, statistics.NormalDist(effect, deviation).cdf(margin))


@lru_cache(maxsize=4096)
def _share_that_fires(n: int, level: float, power: float) -> float:
    """The greatest share of values below the margin with which a sign test still rejects with that power."""
    k, _ = median_rank(n, level)
    return _where(lambda chance: at_most(k - 1, n, chance), power) if k else 0.0


def detectable(n: int, level: float, power: float, deviation: float, margin: float) -> float:
    """The least effect above the margin that a sign test at that level finds with that power; inf: none.

    Assumes independent draws from a normal distribution of that deviation.
    """
    below = _share_that_fires(n, level, power)
    if below <= 0:
        return math.inf
    return margin + deviation * normal_quantile(1 - below)


def pairs_needed(
    level: float, power: float, effect: float, deviation: float, margin: float, most: int, step: int = 1
) -> int | None:
    """The fewest pairs, in steps, with which `sign_power` reaches that power; None: more than `most`.

    Assumes independent draws from a normal distribution of that deviation.
    """
    first = math.ceil(fewest(level) / step) * step
    numbers = range(first, most + 1, step)
    return next((n for n in numbers if sign_power(n, level, effect, deviation, margin) >= power), None)
