# SPDX-License-Identifier: Apache-2.0
"""What the change points of a series mean: between which versions, by how much, and for better or worse."""

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from benchlib import change_points
from benchlib.change_points import Search
from benchlib.history_line import Line
from benchlib.history_series import Series


@dataclass(frozen=True)
class Change:
    """One change point."""

    index: int  # of the first point of what follows
    before: Line  # the last of what went before
    after: Line
    percent: float  # by how much more it costs since then; below 0 it became faster or smaller
    p_value: float
    points: tuple[int, int]  # in the stretches on both sides


@dataclass(frozen=True)
class Stretch:
    """Points between two change points: series.points[first:last]."""

    first: int
    last: int
    middle: float  # median


def find(series: Series, search: Search) -> tuple[list[Change], list[Stretch]]:
    """The change points and the stretches that they part. Sought in logarithms, as changes are ratios."""
    values = [point.value for point in series.points]
    found = change_points.find([math.log(value) for value in values], search)
    edges = [0, *(point.index for point in found), len(values)]
    stretches = [Stretch(first, last, median(values[first:last])) for first, last in pairwise(edges)]
    changes = [
        Change(
            index=point.index,
            before=series.points[point.index - 1].line,
            after=series.points[point.index].line,
            percent=100 * math.expm1(series.metric.log_ratio(left.middle, right.middle)),
            p_value=point.p_value,
            points=(left.last - left.first, right.last - right.first),
        )
        for point, (left, right) in zip(found, pairwise(stretches), strict=True)
    ]
    return changes, stretches
