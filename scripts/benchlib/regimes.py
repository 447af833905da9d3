# SPDX-License-Identifier: Apache-2.0
"""In which regime of the machine each run was, by the sentinel: the round trip of a cache line before and after it.

A virtual machine's CPUs are siblings on one core in one minute and lie apart in the next, and with them a result
halves or doubles. So runs compare only within a regime. The rule is the one that `readyq doctor` uses: of all
sentinels in order, the greatest gap between neighbours parts two regimes if it is a factor of FACTOR at least, with
enough values on both sides (a tenth of all, and LEAST); here each side is looked at again by the same rule. A run whose
two sentinels lie in different regimes, or differ by that factor, straddles them: it is of neither.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import pandas

FACTOR = 1.5  # within one regime round trips vary by less
LEAST = 2  # values that make a regime
SHARE = 0.1  # of all values
BEFORE, AFTER = "sentinel_before_ns", "sentinel_after_ns"
STRADDLING = "straddling"


@dataclass(frozen=True)
class Regime:
    """One cluster of sentinels."""

    name: str  # "around 80 ns"
    low: float
    high: float
    count: int


def _split(ordered: Sequence[float]) -> int:
    """How many values lie below the gap that parts them; 0: none does."""
    least = max(LEAST, math.ceil(SHARE * len(ordered)))
    gaps = [
        (ordered[place] / ordered[place - 1], -place)
        for place in range(least, len(ordered) - least + 1)
        if ordered[place] >= FACTOR * ordered[place - 1]
    ]
    return -max(gaps)[1] if gaps else 0


def _clusters(ordered: Sequence[float]) -> list[Sequence[float]]:
    place = _split(ordered)
    return [*_clusters(ordered[:place]), *_clusters(ordered[place:])] if place else [ordered]


def find(runs: pandas.DataFrame) -> list[Regime]:
    """The regimes of a result, the fastest first; none where no run has a sentinel."""
    known = [runs[name].dropna().to_numpy(dtype=float) for name in (BEFORE, AFTER) if name in runs.columns]
    values = sorted(float(value) for column in known for value in column if value > 0)
    if not values:
        return []
    return [
        Regime(f"around {float(numpy.median(part)):.0f} ns", part[0], part[-1], len(part)) for part in _clusters(values)
    ]


def _regime_of(value: float, regimes: Sequence[Regime]) -> str | None:
    return next((regime.name for regime in regimes if regime.low <= value <= regime.high), None)


def _factor(before: pandas.Series, after: pandas.Series) -> pandas.Series:
    return numpy.maximum(before / after, after / before)


def label(runs: pandas.DataFrame, regimes: Sequence[Regime]) -> pandas.Series:
    """For each run the name of its regime, STRADDLING, or nothing where it has not both sentinels."""
    if not regimes:
        return pandas.Series(None, index=runs.index, dtype=object)
    before = [_regime_of(value, regimes) for value in runs[BEFORE]]
    after = [_regime_of(value, regimes) for value in runs[AFTER]]
    moved = _factor(runs[BEFORE], runs[AFTER]) >= FACTOR
    labels = [
        None if first is None or last is None else STRADDLING if far or first != last else first
        for first, last, far in zip(before, after, moved, strict=True)
    ]
    return pandas.Series(labels, index=runs.index, dtype=object)


def alike(first: object, second: object) -> bool:
    """Whether two runs of these labels may be compared: both of one regime, or one of them unknown."""
    if STRADDLING in (first, second):
        return False
    return _unknown(first) or _unknown(second) or first == second


def _unknown(label_: object) -> bool:
    return label_ is None or (isinstance(label_, float) and math.isnan(label_))
