# SPDX-License-Identifier: Apache-2.0
"""Ratios between the values of one axis, each pair of runs from one block of a sweep and from one regime.

Absolute times of two sweeps, or of two halves of one, compare the weather of the machine as much as the
programs. Inside a block every cell ran once, close together and in random order; so the ratio is taken there,
and the blocks' ratios are summarised by their median with an exact interval.
"""

import math
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pandas

from benchlib import regimes, stats
from benchlib.errors import Refused
from benchlib.stats import Estimate

REGIME = "sentinel_regime"  # of a run, as benchlib.regimes labels it
BEST = "best"  # as a base: of the other values, that of the highest median throughput in the group
THROUGHPUT = "throughput_ops_per_s"


@dataclass(frozen=True)
class Ratio:
    """One value of the axis over the base, in one group."""

    group: dict[str, Any]
    value: str
    base: str
    pairs: list[float]
    estimate: Estimate
    apart: int = 0  # pairs left out, whose runs were not of one regime


def per_block(runs: pandas.DataFrame, metric: str, what: str) -> dict[int, float]:
    """One value a block; more than one run of a group in a block means that the groups mix cells."""
    counts = runs["block"].value_counts()
    if (counts > 1).any():
        raise Refused(
            f"{what} has {counts.max()} runs in one block, so the groups mix different cells; add columns to --by"
        )
    return dict(zip(runs["block"].astype(int), runs[metric], strict=True))


def parted(above: pandas.DataFrame, below: pandas.DataFrame) -> set[int]:
    """The blocks whose two runs were not in one regime of the machine."""
    labels = [dict(zip(runs["block"].astype(int), runs[REGIME], strict=True)) for runs in (above, below)]
    both = labels[0].keys() & labels[1].keys()
    return {block for block in both if not regimes.alike(labels[0][block], labels[1][block])}


def ratios(
    runs: pandas.DataFrame, axis: str, base: str, by: Sequence[str], metric: str, of: str | None = None,
    leave_out: Collection[str] = (),
) -> list[Ratio]:
    """One per group and value of the axis other than `base`, or for the value `of` alone.

    `base` may be BEST; neither that nor a value above may be one of `leave_out`.
    """
    good = runs[(runs["status"] == "ok") & runs[axis].notna() & runs[metric].notna()]
    found = []
    for key, group in good.groupby(list(by) if len(by) > 1 else by[0], dropna=False, sort=True):
        values = {str(value): part for value, part in group.groupby(axis, sort=False)}
        keys = zip(by, key if isinstance(key, tuple) else (key,), strict=True)
        name = {column: "-" if pandas.isna(value) else value for column, value in keys}
        for value in values:
            under = best({one: part for one, part in values.items() if one not in (value, *leave_out)}, base)
            if under in values and value != under and value not in leave_out and of in (None, value):
                found.append(_ratio(name, axis, value, under, values, metric))
    return found


def best(values: dict[str, pandas.DataFrame], base: str) -> str | None:
    """The base itself or, if it is BEST, the value of the highest median throughput."""
    if base != BEST:
        return base
    return max(values, key=lambda value: values[value][THROUGHPUT].median(), default=None)


def _ratio(
    name: dict[str, Any], axis: str, value: str, base: str, values: dict[str, pandas.DataFrame], metric: str
) -> Ratio:
    part, under = values[value], values[base]
    below = per_block(under, metric, f"{axis} {base}")
    if 0 in below.values():
        raise Refused(f"{metric} of {axis} {base} is 0 in a run, and there is no ratio to that")
    apart = parted(part, under) if REGIME in part.columns else set()
    above = per_block(part, metric, f"{axis} {value}")
    above, below = ({block: one[block] for block in one if block not in apart} for one in (above, below))
    pairs = [above[block] / below[block] for block in sorted(above.keys() & below.keys())]
    return Ratio(name, value, base, pairs, stats.paired_ratio(above, below), len(apart))


def middle(found: Sequence[Ratio]) -> float:
    """The median over the groups of the ratios, each the median of its blocks."""
    values = [one.estimate.value for one in found if one.pairs]
    return statistics.median(values) if values else math.nan
