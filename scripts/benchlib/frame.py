# SPDX-License-Identifier: Apache-2.0
"""What surrounds the panels of a figure: title, subtitle, legend and footer, each given the room that it needs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from benchlib import marks, style

MARGIN = 0.16  # inches, as all lengths here
LEAST_WIDTH = 7.6
LINE_SPACING = 1.4
SAMPLE = 0.36  # a legend's sample of a line
DPI = 200


def text_width(text: str, size: float, weight: str = "normal") -> float:
    """In inches."""
    font = FontProperties(family=style.FONT, size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72


def wrap(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """The text in lines no wider than `width`, unless a single word is."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size, weight) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [line for line in lines if line]


@dataclass(frozen=True)
class Block:
    """Lines of text of one size, their top edge `y` below the figure's."""

    lines: list[str]
    size: float
    colour: str
    weight: str
    y: float

    @property
    def height(self) -> float:
        return len(self.lines) * self.size * LINE_SPACING / 72


class Layout:
    """Where everything stands, in inches from the upper left corner, whoever draws it."""

    def __init__(
        self, title: str, subtitle: str, footer: list[str], legend: list[str], shape: tuple[int, int],
        panel: tuple[float, float],
    ) -> None:
        """`legend` are texts; `shape` is (rows, columns); `panel` (width, height)."""
        rows, columns = shape
        self.width = max(LEAST_WIDTH, columns * panel[0])
        inner = self.width - 2 * MARGIN
        self.title = Block(wrap(title, inner, style.TITLE_SIZE, "bold"), style.TITLE_SIZE, style.INK, "bold", MARGIN)
        self.subtitle = Block(wrap(subtitle, inner, style.SMALL_SIZE), style.SMALL_SIZE, style.FAINT, "normal",
                              MARGIN + self.title.height)
        legend_top = self.subtitle.y + self.subtitle.height + 0.08
        self.row = style.SMALL_SIZE * LINE_SPACING * 1.1 / 72
        self.legend = _place(legend, inner, legend_top, self.row)
        self.top = (self.legend[-1][1] if self.legend else legend_top) + self.row + 0.04
        notes = [line for text in footer for line in wrap(text, inner, style.FOOTER_SIZE)]
        bottom = self.top + rows * panel[1]
        self.footer = Block(notes, style.FOOTER_SIZE, style.FAINT, "normal", bottom + 0.1)
        self.bottom = bottom

    @property
    def height(self) -> float:
        return self.footer.y + self.footer.height + MARGIN

    def lower(self, by: float) -> None:
        """Makes more room for the panels, by that many inches."""
        self.bottom += by
        self.footer = replace(self.footer, y=self.footer.y + by)


def _place(texts: list[str], width: float, y: float, row: float) -> list[tuple[float, float]]:
    """The upper left corner of each entry of the legend."""
    places, x = [], 0.0
    for text in texts:
        need = SAMPLE + 0.1 + text_width(text, style.SMALL_SIZE) + 0.28
        if x and x + need > width:
            x, y = 0.0, y + row
        places.append((MARGIN + x, y))
        x += need
    return places


class Canvas:
    """A layout drawn with matplotlib, its panels as `axes[row][column]`."""

    def __init__(
        self, layout: Layout, shape: tuple[int, int], looks: Iterable[style.Look], texts: list[str], lines: bool = True,
        edge: str | None = None,
    ) -> None:
        """`texts` are the legend's, one a look; `lines`: whether there are lines between the markers; `edge`: what is
        drawn around the legend's samples if that isn't what is drawn around markers."""
        self.layout, self.lines, self.edge = layout, lines, edge
        self.figure, self.axes = plt.subplots(*shape, figsize=(layout.width, layout.height), squeeze=False)
        rect = (0, 1 - layout.bottom / layout.height, 1, (layout.bottom - layout.top) / layout.height)
        self.figure.set_layout_engine("constrained", w_pad=MARGIN, h_pad=0.08, rect=rect)
        for block in (layout.title, layout.subtitle, layout.footer):
            self.figure.text(*self._at(MARGIN, block.y), "\n".join(block.lines), size=block.size, color=block.colour,
                             weight=block.weight, va="top", linespacing=LINE_SPACING / 1.17)
        for look, text, (x, y) in zip(looks, texts, layout.legend, strict=True):
            self._entry(look, text, x, y + layout.row / 2)

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return x / self.layout.width, 1 - y / self.layout.height

    def _entry(self, look: style.Look, text: str, x: float, y: float) -> None:
        (left, height), (right, _) = self._at(x, y), self._at(x + SAMPLE, y)
        sample = marks.sample(look, [left, (left + right) / 2, right], [height] * 3, self.lines, self.edge)
        sample.set_transform(self.figure.transFigure)
        self.figure.add_artist(sample)
        self.figure.text(*self._at(x + SAMPLE + 0.1, y), text, size=style.SMALL_SIZE, va="center")

    def label(self, used: int, below: str, left: str) -> None:
        """Labels the outer axes of the first `used` panels and hides the rest."""
        cells, columns = list(self.axes.flat), self.axes.shape[1]
        for i, axes in enumerate(cells):
            axes.set_visible(i < used)
            axes.set_xlabel(below if i + columns >= used else "")
            axes.set_ylabel(left if i % columns == 0 else "")

    def save(self, folder: Path, name: str, formats: Sequence[str]) -> list[Path]:
        """Writes the figure in each format and returns the paths."""
        paths = [folder / f"{name}.{suffix}" for suffix in formats]
        for path in paths:
            # Neither a date nor a version: the same data gives the same file.
            metadata = {"Date": None, "Creator": None} if path.suffix == ".svg" else {"Software": None}
            self.figure.savefig(path, dpi=DPI, facecolor="white", metadata=metadata)
        plt.close(self.figure)
        return paths
