# SPDX-License-Identifier: Apache-2.0
"""forest.svg and .png: the slowdown of every test with its bounds, between the margins that decide."""

import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.ticker import FuncFormatter, MaxNLocator

from benchlib import frame, marks, style
from benchlib.errors import Refused, os_reason
from benchlib.gate import report_words as words
from benchlib.gate.model import Judged, Outcome, Report
from benchlib.style import Look

NAME, FORMATS = "forest", ("svg", "png")
LOOKS = {
    Outcome.PASS: Look(style.COLOURS[0], "o", False),
    Outcome.REGRESSION: Look(style.COLOURS[1], "X", False),
    Outcome.INCONCLUSIVE: Look(style.COLOURS[4], "^", False),
    Outcome.INVALID: Look(style.COLOURS[6], "s", False),
}
ADVISORY, AGAIN = Look(style.BASELINE_COLOUR, style.BASELINE_MARKER, False), "D"
BESIDE = 0.36  # of a row, between a test and its confirmation
ROW, AROUND_ROWS, PANEL_WIDTH = 0.46, 1.15, 9.4  # inches
CAP = 0.13  # of a row: half the height of an interval's end
TICKS = 7
FARTHEST = 3  # times the pass margin, beyond which there are only arrows


@dataclass(frozen=True)
class Row:
    """A median with its bounds, `y` rows below the top."""

    name: str  # empty beside another
    judged: Judged
    look: Look
    y: float
    said: str


def write(report: Report, folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Draws the figure and returns its paths; none where nothing was judged, so that there is nothing to draw."""
    found = rows(report)
    if not found:
        return []
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".drawing-") as place:
            drawn = draw(report, found, Path(place), formats)
            for path in drawn:
                os.replace(path, folder / path.name)
    except OSError as error:
        raise Refused(f"cannot write {folder / NAME}.svg: {os_reason(error)}") from error
    return [folder / path.name for path in drawn]


def rows(report: Report) -> list[Row]:
    """Gated tests, each with its confirmation beside it, and below them the advisory ones."""
    again = {one.test: one for one in report.confirmed}
    found, y = [], 0.0
    for one in report.judged:
        outcome, verdict = words.verdict(report, one)
        found.append(Row(one.test.name, one, LOOKS[outcome], y, verdict))
        if one.test in again:
            y += BESIDE
            confirmed = again[one.test]
            look = Look(LOOKS[confirmed.outcome].colour, AGAIN, False)
            found.append(Row("", confirmed, look, y, f"measured again: {confirmed.outcome}"))
        y += 1
    for one in report.advisory:
        found.append(Row(one.test.name, one, ADVISORY, y, f"advisory: {one.outcome}"))
        y += 1
    return found


def draw(report: Report, found: Sequence[Row], folder: Path, formats: Sequence[str]) -> list[Path]:
    """Draws into a folder and returns the paths."""
    legend = _legend(report, found)
    height = ROW * (found[-1].y + 1) + AROUND_ROWS
    title = f"Regression gate: {str(report.outcome).upper()}"
    layout = frame.Layout(title, report.reason, _notes(report), list(legend), (1, 1), (PANEL_WIDTH, height))
    canvas = frame.Canvas(layout, (1, 1), legend.values(), list(legend), lines=True)
    axes = canvas.axes[0][0]
    low, high = limits(report, found)
    axes.set_xlim(low, high)
    axes.set_ylim(found[-1].y + 0.6, -0.6)
    axes.set_yticks([row.y for row in found if row.name], [row.name for row in found if row.name])
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(TICKS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g} %" if value else "0"))
    _margins(axes, report)
    for row in found:
        _draw_row(axes, row, low, high)
    canvas.label(1, "slowdown: by how much more HEAD costs than BASE, in the median over the pairs", "")
    return canvas.save(folder, NAME, formats)


def limits(report: Report, found: Sequence[Row]) -> tuple[float, float]:
    """The ends of the axis: the margins, and what is not too far out of all medians and of the gated tests' bounds."""
    margin = report.thresholds.pass_percent
    ends = [0.0, report.thresholds.regression_percent, margin, *(row.judged.percent for row in found)]
    ends += [bound for row in found if row.judged.test.gated
             for bound in (row.judged.low_percent, row.judged.high_percent)]  # fmt: skip
    known = [min(max(end, -FARTHEST * margin), FARTHEST * margin) for end in ends if math.isfinite(end)]
    slack = 0.06 * ((max(known) - min(known)) or 1.0)
    return min(known) - slack, max(known) + slack


def _margins(axes: Any, report: Report) -> None:
    """Equality, and the two margins with what they decide."""
    axes.axvline(0, color=style.AXIS, linewidth=1.2, zorder=1)
    thresholds = report.thresholds
    for at, outcome, align, said in (
        (thresholds.regression_percent, Outcome.REGRESSION, "right", "regression: bar right of {} "),
        (thresholds.pass_percent, Outcome.PASS, "left", " pass: bar left of {}"),
    ):
        colour = LOOKS[outcome].colour
        axes.axvline(at, color=colour, linewidth=1.4, linestyle=(0, (5, 3)), zorder=1.2)
        axes.text(at, 1.01, said.format(f"{at:+g} %"), transform=axes.get_xaxis_transform(), ha=align, va="bottom",
                  size=style.FOOTER_SIZE, color=colour)


def _draw_row(axes: Any, row: Row, low: float, high: float) -> None:
    """The bar from bound to bound with a cap at each that is in sight, an arrow else, the median and the numbers."""
    judged, look = row.judged, row.look
    measured = math.isfinite(judged.percent)
    numbers = f"{words.percent(judged.percent)}, {judged.pairs} pairs: {row.said}" if measured else "not measured"
    axes.text(1.02, row.y, numbers, transform=axes.get_yaxis_transform(), va="center", size=style.FOOTER_SIZE,
              color=style.INK if judged.test.gated else style.FAINT)
    if not measured:
        return
    ends = [_bound(judged.low_percent, low, high, low), _bound(judged.high_percent, low, high, high)]
    axes.plot(ends, [row.y, row.y], color=look.colour, linewidth=2, zorder=3)
    for end, bound, arrow in ((ends[0], judged.low_percent, "<"), (ends[1], judged.high_percent, ">")):
        if end == bound:
            axes.vlines(end, row.y - CAP, row.y + CAP, color=look.colour, linewidth=2, zorder=3)
        else:
            axes.plot([end], [row.y], linestyle="none", marker=arrow, markersize=7, color=look.colour, clip_on=False,
                      zorder=3)
    if low <= judged.percent <= high:
        marks.medians(axes, look, [judged.percent], [row.y])


def _bound(value: float, low: float, high: float, otherwise: float) -> float:
    """Where a bound is drawn: at the edge if there is none, or if it is farther out."""
    return min(max(value, low), high) if math.isfinite(value) else otherwise


def _legend(report: Report, found: Sequence[Row]) -> dict[str, Look]:
    """A sample of every kind of row that there is."""
    looks = {row.look: row for row in found}
    legend = {f"{outcome}": look for outcome, look in LOOKS.items() if look in looks}
    if report.confirmed:
        legend["measured again"] = Look(style.INK, AGAIN, False)
    if report.advisory:
        legend["advisory: decides nothing"] = ADVISORY
    return legend


def _notes(report: Report) -> list[str]:
    gated = (*report.judged, *report.confirmed)
    spent = words.confidences(one.level for one in gated)
    above = words.confidences(words.high_level(report, one) for one in gated)
    advised = " Bars of advisory tests likewise, at the level that Benjamini and Hochberg's procedure left." * bool(
        report.advisory
    )
    return [
        "Marker: median. Bar: from a one-sided lower bound, with the confidence that Holm's procedure left for the test"
        f" ({spent}), to a one-sided upper bound with {above}; both exact, by the sign test. An arrow: there is no bound, or it is farther out than the axis.{advised}",
        f"HEAD: {words.name(report.head)}, BASE: {words.name(report.base)}. Machine {report.machine}, seed "
        f"{report.seed}, {report.started}.",
    ]
