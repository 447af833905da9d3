# SPDX-License-Identifier: Apache-2.0
"""Contention curves: what a queue or a pool delivers as threads are added, one figure a workload."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas

from benchlib import footer, frame, marks, promise, series, style
from benchlib.series import LINE, THREADS, VALUE, Panel
from benchlib.style import Look

PANELS_A_FIGURE = 9
MILLION = 1e6
DOTS_BESIDE = 0.009  # of the axis; the medians would hide them
THREADS_LABEL = "threads (log scale)"
VALUE_LABEL = "million operations a second"
OVERSUBSCRIBED = "more threads than CPUs"


@dataclass(frozen=True)
class Curves:
    """All that one contention figure shows, whoever draws it."""

    name: str
    title: str
    subtitle: str
    notes: list[str]
    panels: list[tuple[Panel, pandas.DataFrame]]  # with the points of each
    looks: dict[str, Look]  # of the lines that occur, in the legend's order
    legend: list[str]
    cpus: int

    @property
    def columns(self) -> int:
        return {1: 1, 2: 2, 4: 2}.get(len(self.panels), 3)

    @property
    def shape(self) -> tuple[int, int]:
        return -(-len(self.panels) // self.columns), self.columns

    def layout(self) -> frame.Layout:
        panel = {1: (7.6, 4.4), 2: (5.2, 3.7), 3: (4.4, 3.4)}[self.columns]
        return frame.Layout(self.title, self.subtitle, self.notes, self.legend, self.shape, panel)

    def values(self) -> tuple[float, float]:
        """The lowest and the highest run in millions: all panels share one scale."""
        values = series.ok(pandas.concat([panel.runs for panel, _ in self.panels]))[VALUE].dropna() / MILLION
        return (values.min(), values.max()) if len(values) else (0.0, 1.0)

    def threads(self) -> list[int]:
        return sorted({int(threads) for _, points in self.panels for threads in points[THREADS]})

    def factors(self) -> list[float]:
        return style.factors(self.threads(), len(self.looks))

    def dots_beside(self) -> float:
        return style.shift(self.threads(), DOTS_BESIDE)

    def border(self) -> float | None:
        """Where on the axis the CPUs end: between the last thread count that they can carry and the next."""
        left, right = style.thread_limits(self.threads())
        border = (self.cpus * (self.cpus + 1)) ** 0.5
        return max(border, left) if border < right else None


def plan(runs: pandas.DataFrame, looks: dict[str, Look]) -> list[Curves]:
    """The contention figures that the runs give."""
    found = []
    for workload, group in runs.groupby("workload"):
        for heading, part, its_looks in promise.separate(group, looks):
            found += _pages(series.slug("contention", str(workload), heading), str(workload), heading, part, its_looks)
    return found


def _pages(name: str, workload: str, kind: str, runs: pandas.DataFrame, looks: dict[str, Look]) -> list[Curves]:
    """A figure, or more where there are many panels. `kind` is what all its queues promise, where that was asked."""
    runs, looks = series.pool_option_as_lines(runs, looks)
    kept = series.panel_columns(runs, [LINE, THREADS])
    panels, left_out = _with_curves(series.panels(runs, kept))
    pages = [panels[i : i + PANELS_A_FIGURE] for i in range(0, len(panels), PANELS_A_FIGURE)]
    title = f"{workload}: throughput by number of threads" + (f" ({kind})" if kind else "")
    return [
        _curves(name + (f"-{page}" if len(pages) > 1 else ""), title, shown, left_out, kept, looks)
        for page, shown in enumerate(pages, 1)
    ]


def _with_curves(panels: list[Panel]) -> tuple[list[Panel], list[Panel]]:
    """Panels with more than one thread count, and those without: these only stay when there is no other."""
    curved = [panel for panel in panels if panel.runs[THREADS].nunique() > 1]
    if not curved:
        return panels, []
    return curved, [panel for panel in panels if panel.runs[THREADS].nunique() == 1]


def _curves(
    name: str, title: str, panels: list[Panel], left_out: list[Panel], kept: list[str], looks: dict[str, Look]
) -> Curves:
    runs = pandas.concat([panel.runs for panel in panels])
    with_points = [(panel, series.medians(panel.runs, [LINE, THREADS])) for panel in panels]
    notes = footer.lines(runs, pandas.concat([points for _, points in with_points]), kept)
    if left_out:
        headings = "; ".join(panel.heading for panel in left_out)
        notes.insert(1, f"Not drawn, being measured at one thread count only: {headings}.")
    lines = set(runs[LINE])
    return Curves(
        name=name,
        title=title,
        subtitle=", ".join([*series.roles(runs), *series.constants(runs, "workload")]),
        notes=notes,
        panels=with_points,
        looks={line: look for line, look in looks.items() if line in lines},
        legend=series.legend(runs, looks),
        cpus=int(runs["cpus_allowed"].max()),
    )


def draw(curves: Curves, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Draws one figure with matplotlib and returns the paths."""
    layout = curves.layout()
    canvas = frame.Canvas(layout, curves.shape, curves.looks.values(), curves.legend)
    for axes, (panel, points) in zip(canvas.axes.flat, curves.panels):
        scale = style.value_axis(axes, *curves.values())
        style.thread_axis(axes, curves.threads(), layout.width / curves.columns)
        _mark_oversubscription(axes, curves.border())
        for (line, look), factor in zip(curves.looks.items(), curves.factors(), strict=True):
            mine = [table[table[LINE] == line] for table in (points, panel.runs)]
            _draw_line(axes, look, *(table.assign(at=table[THREADS] * factor) for table in mine), curves.dots_beside())
        axes.set_title(panel.heading)
    canvas.label(len(curves.panels), THREADS_LABEL, VALUE_LABEL + scale)
    return canvas.save(folder, curves.name, formats)


def _mark_oversubscription(axes: Any, border: float | None) -> None:
    if border is None:
        return
    axes.axvline(border, color=style.AXIS, linewidth=1.2, linestyle=(0, (2, 2)), zorder=1)
    axes.axvspan(border, axes.get_xlim()[1], color=style.SHADE, zorder=0, linewidth=0)
    axes.annotate(OVERSUBSCRIBED, (border, 1), xycoords=("data", "axes fraction"), xytext=(5, -4), va="top",
                  textcoords="offset points", size=style.FOOTER_SIZE + 0.5, color=style.FAINT)


def _draw_line(axes: Any, look: Look, points: pandas.DataFrame, runs: pandas.DataFrame, dots_beside: float) -> None:
    points = points.sort_values("at")
    drawn = points[points["n"] > 0]
    x, y, low, high = (drawn[name].to_numpy(dtype=float) for name in ("at", "median", "low", "high"))
    axes.plot(x, y / MILLION, color=look.colour, linestyle=look.dashes, linewidth=2, zorder=3)
    marks.band(axes, look, x, low / MILLION, high / MILLION)
    passed = series.ok(runs)
    marks.dots(axes, look, passed["at"] * dots_beside, passed[VALUE] / MILLION)
    marks.medians(axes, look, x, y / MILLION)
    marks.lost(axes, look, points[points["n"] == 0]["at"])
