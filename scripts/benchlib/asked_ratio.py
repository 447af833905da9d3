# SPDX-License-Identifier: Apache-2.0
"""Ratios of one line to others, block by block, as a grid: where it is faster than they are, and how surely."""

from collections.abc import Sequence
from typing import Any

import pandas

from benchlib import asked, footer, ratios, regimes, series, style
from benchlib.axis import Axis
from benchlib.grid import Grid, Row
from benchlib.plan_figures import Asked
from benchlib.ratios import REGIME, Ratio
from benchlib.series import LINE

AT, LABEL = "at", "throughput as a multiple"


def grid(
    manifest: dict[str, Any], one: Asked, panels: Sequence[series.Panel], place: Axis, kept: list[str], page: str
) -> Grid:
    """One page: a line for each of those that the line is compared with."""
    runs = pandas.concat([panel.runs for panel in panels])
    known = regimes.find(runs)
    rows, points, dots, said = [], [], [], []
    for number, value in enumerate(asked.rows_of(one, runs)):
        of_row: dict[str, list[Ratio]] = {}
        for column, panel in enumerate(panels):
            mine = asked.of_row(one, panel.runs, value)
            mine = mine.assign(**{AT: place.at(mine), REGIME: regimes.label(mine, known)})
            for base in one.ratio_to:
                found = _to(one, mine, base)
                of_row.setdefault(base, []).extend(found)
                points.append(_points(one, found, base).assign(row=number, column=column))
                dots.append(_dots(one, found, base).assign(row=number, column=column))
        rows.append(Row(LABEL, style.plain, asked.heading(one, value)))
        said += [_middle(one, base, found, rows[-1].heading) for base, found in of_row.items() if found]
    points, dots = pandas.concat(points), pandas.concat(dots)
    return asked.assemble(manifest, one, panels, place, kept, page, rows, points, dots, 1.0, said, _about(points))


def _to(one: Asked, runs: pandas.DataFrame, base: str) -> list[Ratio]:
    leave_out = [name for name in one.ours if name != one.ratio_of]
    return ratios.ratios(runs, "of", base, [AT], ratios.THROUGHPUT, one.ratio_of, leave_out)


def name(one: Asked, base: str) -> str:
    """`tuned / best other`."""
    return f"{one.ratio_of} / {'best other' if base == ratios.BEST else base}"


def _points(one: Asked, found: Sequence[Ratio], base: str) -> pandas.DataFrame:
    rows = [
        {LINE: name(one, base), AT: ratio.group[AT], "n": ratio.estimate.n, "failed": 0, "median": ratio.estimate.value,
         "low": ratio.estimate.low, "high": ratio.estimate.high, "warnings": (),
         "beside": ratio.base if base == ratios.BEST else ""}
        for ratio in found if ratio.pairs
    ]  # fmt: skip
    return pandas.DataFrame(rows, columns=[LINE, AT, "n", "failed", "median", "low", "high", "warnings", "beside"])


def _dots(one: Asked, found: Sequence[Ratio], base: str) -> pandas.DataFrame:
    rows = [{LINE: name(one, base), AT: ratio.group[AT], "value": pair} for ratio in found for pair in ratio.pairs]
    return pandas.DataFrame(rows, columns=[LINE, AT, "value"])


def _about(points: pandas.DataFrame) -> str:
    """What n is here."""
    return (f"n = {footer.span(points['n'])} pairs of runs a point, each of one block of the sweep and a dot. Marker: "
            f"the median of their ratios. {footer.band(points)} Beside it: which pool is the best other.")


def _middle(one: Asked, base: str, found: Sequence[Ratio], heading: str) -> str:
    """What the targets are about: the median over the cells, and the cells that are surely below 1."""
    measured = sum(bool(ratio.pairs) for ratio in found)
    below = sum(ratio.estimate.high < 1 for ratio in found)
    apart = sum(ratio.apart for ratio in found)
    where = f"{heading}: " if heading else ""
    return (f"{where}{name(one, base)} is {ratios.middle(found):.2f} in the median of {measured} cells; "
            f"the whole interval is below 1 in {below} of them"
            + (f"; {apart} pairs of different regimes are left out." if apart else "."))
