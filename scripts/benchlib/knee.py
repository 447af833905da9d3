# SPDX-License-Identifier: Apache-2.0
"""The knee of a load-latency curve: up to which rate a pool does what is asked of it, without jobs piling up.

It is the highest rate of which at least SHARE was completed, and at which the 99th percentile of the latency was at
most FACTOR times that at the lowest rate; both are medians over the runs at that rate. It can only be one of the rates
that were measured: between it and the next higher one nothing is known.

The interval is that of resampling: the runs at each rate are drawn anew, with replacement, and the knee is sought
again.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from benchlib import stats
from benchlib.bootstrap import NDArray

SHARE, FACTOR = 0.98, 10.0
RESAMPLES = 2000


@dataclass(frozen=True)
class Load:
    """The runs at one rate: of each, which share of what was offered it completed, and its 99th percentile in ns.

    NaN: it has too few samples for one, and counts for the share alone.
    """

    rate: float
    shares: Sequence[float]
    p99s: Sequence[float]


@dataclass(frozen=True)
class Knee:
    """`rate` is NaN where already the lowest rate was too much. `low` and `high` bound it, NaN where they can't."""

    rate: float
    low: float
    high: float
    beyond: bool  # the highest rate measured was not too much either: the knee lies there or higher
    n: int  # fewest runs at a rate
    warnings: tuple[str, ...] = ()


def find(loads: Sequence[Load], share: float = SHARE, factor: float = FACTOR, seed: int = 1) -> Knee:
    """The knee of one line. Loads without runs are left out."""
    loads = sorted((load for load in loads if len(load.shares)), key=lambda load: load.rate)
    if len(loads) < 2:
        return Knee(math.nan, math.nan, math.nan, False, 0, ("a knee needs two rates at least",))
    rates = numpy.array([load.rate for load in loads])
    if numpy.isnan(loads[0].p99s).all():
        return Knee(math.nan, math.nan, math.nan, False, 0, ("the runs at the lowest rate are too short for a p99",))
    n = min(len(load.shares) for load in loads)
    whole = [numpy.arange(len(load.shares))[None, :] for load in loads]
    at = float(_knees(loads, rates, whole, share, factor)[0])
    beyond = at == rates[-1]
    if n < stats.runs_needed():
        warning = f"{n} runs a rate are too few for an interval of the knee, {stats.runs_needed()} needed"
        return Knee(at, math.nan, math.nan, beyond, n, (warning,))
    generator = numpy.random.default_rng(seed)
    drawn = [generator.integers(len(load.shares), size=(RESAMPLES, len(load.shares))) for load in loads]
    found = numpy.sort(_knees(loads, rates, drawn, share, factor))  # NaN come last: they are the lowest
    lowest = numpy.where(numpy.isnan(found), -math.inf, found)
    tail = (1 - stats.CONFIDENCE) / 2
    low, high = numpy.quantile(lowest, [tail, 1 - tail], method="inverted_cdf")
    return Knee(at, _finite(low), _finite(high), beyond, n)


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else math.nan


def _knees(loads: Sequence[Load], rates: NDArray, drawn: Sequence[NDArray], share: float, factor: float) -> NDArray:
    """The knee for each row of the draws; `drawn` has the numbers of the runs drawn at each rate."""
    shares = _medians([load.shares for load in loads], drawn)
    p99s = _medians([load.p99s for load in loads], drawn)
    good = (shares >= share) & (p99s <= factor * p99s[:1])
    last = len(rates) - 1 - numpy.argmax(good[::-1], axis=0)
    return numpy.where(good.any(axis=0), rates[last], math.nan)


def _medians(values: Sequence[Sequence[float]], drawn: Sequence[NDArray]) -> NDArray:
    """One row a rate, one column a draw. NaN where all that was drawn is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of such draws
        return numpy.array([numpy.nanmedian(numpy.asarray(one, dtype=float)[rows], axis=1)
                            for one, rows in zip(values, drawn, strict=True)])


def rule(share: float = SHARE, factor: float = FACTOR) -> str:
    """The rule in a sentence."""
    return (f"Knee: the highest rate measured of which {100 * share:g} % was completed, with a p99 of at most "
            f"{factor:g} times that at the lowest rate (medians over the runs).")


def in_words(knee: Knee) -> str:
    """`knee 200 thousand/s (100 to 200)`, as far as it is known."""
    if knee.n == 0:
        return "no knee"
    if math.isnan(knee.rate):
        return "knee below the lowest rate"
    text = f"knee {'at least ' if knee.beyond else ''}{thousands(knee.rate)} thousand/s"
    if math.isnan(knee.high):
        return text
    low = "less" if math.isnan(knee.low) else thousands(knee.low)
    return f"{text} ({low} to {thousands(knee.high)})"


def thousands(rate: float) -> str:
    return f"{rate / 1000:,.4g}" if rate < 1e7 else f"{rate / 1000:,.0f}"
