# SPDX-License-Identifier: Apache-2.0
"""A figure of panels in rows and columns that share their axis: all that it shows, and its drawing by matplotlib."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas
from matplotlib import patheffects

from benchlib import frame, marks, style
from benchlib.axis import Axis
from benchlib.style import Look

HALO = patheffects.withStroke(linewidth=2.5, foreground="white")  # of words among dots
WIDTHS = {1: 7.6, 2: 4.9, 3: 4.0}  # inches of a panel, by columns
NARROW, HEIGHT, HEADING = 3.4, 2.7, 0.22
SLANT = 30  # degrees, where the texts of an axis do not fit beside each other
NUMBERS_APART, NAMES_APART = 0.12, 0.7  # how far the lines of one value stand apart, in places
DOT_BESIDE = 0.06
OURS_WIDTH, USUAL_WIDTH, OTHERS_WIDTH = 3.0, 2.0, 1.3  # of lines


@dataclass(frozen=True)
class Row:
    """One row of panels: a measure, perhaps of one value of a setting."""

    label: str
    text: Callable[[float], str]
    heading: str = ""


@dataclass(frozen=True)
class Grid:
    """`points` have row, column, line, at, n, failed, median, low, high and beside; `dots` row, column, line, at and
    value. Both are in the unit of their row."""

    name: str
    title: str
    subtitle: str
    notes: list[str]
    axis: Axis
    rows: list[Row]
    columns: list[str]
    looks: dict[str, Look]
    texts: dict[str, str]  # of lines in the legend; a line without is told by its row alone
    points: pandas.DataFrame
    dots: pandas.DataFrame
    ours: tuple[str, ...] = ()
    level: float | None = None  # a line across all panels

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.columns)

    @property
    def legend(self) -> list[str]:
        return list(self.texts.values())

    @property
    def panel_width(self) -> float:
        return WIDTHS.get(len(self.columns), NARROW)

    def heading(self, row: int, column: int) -> list[str]:
        """Of a panel, in lines."""
        words = ", ".join(text for text in (self.rows[row].heading, self.columns[column]) if text)
        return frame.wrap(words, self.panel_width - style.BESIDE_AXES, style.TEXT_SIZE, "bold")

    @property
    def label(self) -> list[str]:
        """Of the axis, in lines; what is in brackets stays together."""
        room = self.panel_width - style.BESIDE_AXES
        words, bracket, note = self.axis.label.partition(" (")
        if frame.text_width(self.axis.label, style.TEXT_SIZE) <= room:
            return [self.axis.label]
        return [*frame.wrap(words, room, style.TEXT_SIZE), *([f"({note}"] if bracket else [])]

    @property
    def slanted(self) -> bool:
        """Whether the axis' texts are too wide to stand beside each other."""
        room = (self.panel_width - style.BESIDE_AXES) / (self.axis.end + 1)
        places = sorted(self.axis.places.values())
        least = min((b - a for a, b in zip(places, places[1:])), default=1.0)
        return max(frame.text_width(text, style.SMALL_SIZE) for text in self.axis.texts) + 0.08 > room * least

    @property
    def heading_lines(self) -> int:
        """Of the longest heading."""
        rows, columns = self.shape
        return max(len(self.heading(row, column)) for row in range(rows) for column in range(columns))

    @property
    def slant_height(self) -> float:
        """How much higher the axis' texts are where they are slanted."""
        widest = max(frame.text_width(text, style.SMALL_SIZE) for text in self.axis.texts)
        return widest * math.sin(math.radians(SLANT)) if self.slanted else 0.0

    def layout(self) -> frame.Layout:
        panel = (self.panel_width, HEIGHT + HEADING * self.heading_lines)
        layout = frame.Layout(self.title, self.subtitle, self.notes, self.legend, self.shape, panel)
        layout.lower(self.slant_height)  # only the lowest panels have texts
        return layout

    def limits(self, row: int) -> tuple[float, float]:
        """The least and the greatest value of a row, whose panels share one scale."""
        values = self.dots.loc[self.dots["row"] == row, "value"].dropna()
        if self.level is not None:
            values = pandas.concat([values, pandas.Series([self.level])])
        return (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)

    def lines(self, row: int) -> list[str]:
        """The lines of a row of panels, in the legend's order."""
        present = set(self.points.loc[self.points["row"] == row, "line"])
        return [line for line in self.looks if line in present]

    def line_width(self, line: str) -> float:
        return USUAL_WIDTH if not self.ours else OURS_WIDTH if line in self.ours else OTHERS_WIDTH

    def above(self, line: str, row: int) -> bool:
        """Whether a word beside its points stands above them: those of the lower half of the row's lines stand below."""
        here = self.points[self.points["row"] == row]
        medians = here.groupby("line")["median"].median().reindex(self.lines(row))
        return bool(medians.rank(method="first", ascending=False)[line] <= (len(medians) + 1) / 2)

    def beside(self, line: str, row: int) -> float:
        """By how much a line stands beside the place of its values."""
        names = self.lines(row)
        apart = NUMBERS_APART if self.axis.joined >= 0 else NAMES_APART
        return apart * style.places(len(names))[names.index(line)]


def draw(grid: Grid, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Draws one figure with matplotlib and returns the paths."""
    looks = [grid.looks[line] for line in grid.texts]
    canvas = frame.Canvas(grid.layout(), grid.shape, looks, grid.legend, lines=grid.axis.joined >= 0)
    canvas.label(canvas.axes.size, "\n".join(grid.label), "")
    for number, (line, row) in enumerate(zip(canvas.axes, grid.rows, strict=True)):
        added = ""
        for column, axes in enumerate(line):
            added = style.value_axis(axes, *grid.limits(number), row.text)
            _axis(axes, grid, last=number == len(grid.rows) - 1)
            for name in reversed(grid.lines(number)):
                mine = (table[(table["row"] == number) & (table["column"] == column) & (table["line"] == name)]
                        for table in (grid.points, grid.dots))
                _draw_line(axes, grid, number, name, *mine)
            axes.set_title("\n".join(grid.heading(number, column)))
        line[0].set_ylabel(row.label + added)
    return canvas.save(folder, grid.name, formats)


def _axis(axes: Any, grid: Grid, last: bool) -> None:
    """Where the values stand; in words below the last row."""
    places = list(grid.axis.places.values())
    axes.set_xticks(places, grid.axis.texts if last else [""] * len(places))
    axes.set_xlim(-0.5, grid.axis.end + 0.5)
    axes.grid(False, axis="x")
    if grid.slanted and last:
        for label in axes.get_xticklabels():
            label.set(rotation=SLANT, ha="right", rotation_mode="anchor")
    if grid.level is not None:
        axes.axhline(grid.level, color=style.FAINT, linewidth=1.2, zorder=1)


def _draw_line(
    axes: Any, grid: Grid, row: int, name: str, points: pandas.DataFrame, dots: pandas.DataFrame
) -> None:
    look, points, shift = grid.looks[name], points.sort_values("at"), grid.beside(name, row)
    drawn = points[points["n"] > 0]
    x, y, low, high = (drawn[column].to_numpy(dtype=float) for column in ("at", "median", "low", "high"))
    numbers = x <= grid.axis.joined
    width = grid.line_width(name)
    axes.plot(x[numbers] + shift, y[numbers], color=look.colour, linestyle=look.dashes, linewidth=width, zorder=3)
    marks.band(axes, look, x[numbers] + shift, low[numbers], high[numbers])
    marks.bars(axes, look, x[~numbers] + shift, low[~numbers], high[~numbers])
    marks.dots(axes, look, dots["at"] + shift + DOT_BESIDE, dots["value"])
    marks.medians(axes, look, x + shift, y)
    marks.lost(axes, look, points.loc[(points["n"] == 0) & (points["failed"] > 0), "at"] + shift)
    up = 1 if grid.above(name, row) else -1
    for at, value, said in zip(x, y, drawn["beside"], strict=True):
        axes.annotate(said, (at + shift, value), (0, up * 8), textcoords="offset points", ha="center",
                      va="bottom" if up > 0 else "top", size=style.FOOTER_SIZE, color=look.colour, zorder=5,
                      path_effects=[HALO])
