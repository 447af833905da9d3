# SPDX-License-Identifier: Apache-2.0
"""The history of a machine: a panel for each series, its change points, and the median of each stretch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from matplotlib.ticker import FuncFormatter, MaxNLocator

from benchlib import frame, series as naming, style
from benchlib.change_points import Search
from benchlib.gate.model import Metric
from benchlib.history_changes import Change, Stretch
from benchlib.history_series import NONE, Series

COLUMNS, PANEL = 2, {1: (8.6, 3.2), 2: (5.4, 2.9)}  # inches, by columns
HASH_SHOWN, HASH_WIDTH = 7, 0.75  # characters of a version below the axis, and the inches that it needs
POINT, STRETCH, CHANGE = style.COLOURS[0], style.INK, style.COLOURS[1]
UNITS = {
    Metric.THROUGHPUT: (1e-6, "million operations a second"),
    Metric.CPU: (1.0, "ns of CPU an operation"),
    Metric.P50: (1e-3, "\u00b5s"),
    Metric.P99: (1e-3, "\u00b5s"),
    Metric.MEMORY: (2.0**-20, "MiB"),
}


@dataclass(frozen=True)
class Panel:
    """A series with what was found in it."""

    series: Series
    changes: Sequence[Change]
    stretches: Sequence[Stretch]


def draw(machine: str, panels: Sequence[Panel], search: Search, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Draws the figure of one machine and returns the paths."""
    columns = min(COLUMNS, len(panels))
    shape = (-(-len(panels) // columns), columns)
    found = sum(len(panel.changes) for panel in panels)
    subtitle = f"machine {machine}; {found or 'no'} change {'point' if found == 1 else 'points'}"
    layout = frame.Layout("History of the gate's medians", subtitle, _notes(panels, search), [], shape, PANEL[columns])
    canvas = frame.Canvas(layout, shape, [], [])
    for axes, panel in zip(canvas.axes.flat, panels):
        _draw_panel(axes, panel, layout.width / columns - style.BESIDE_AXES)
    canvas.label(len(panels), "checks in the order of their dates, by version", "")
    return canvas.save(folder, naming.slug("history", machine), formats)


def _draw_panel(axes: Any, panel: Panel, width: float) -> None:
    points, (scale, unit) = panel.series.points, UNITS[panel.series.metric]
    title = f"{panel.series.name}: {unit}"
    axes.set_title("\n".join(frame.wrap(title, width, style.SMALL_SIZE, "bold")), size=style.SMALL_SIZE)
    at = numpy.arange(len(points))
    values, spreads = (numpy.array([getattr(point, name) for point in points]) * scale for name in ("value", "spread"))
    known = ~numpy.isnan(spreads)
    axes.vlines(at[known], (values - spreads / 2)[known], (values + spreads / 2)[known], color=POINT, alpha=0.25,
                linewidth=3, zorder=1.5)
    axes.plot(at, values, linestyle="none", marker="o", markersize=4.5, color=POINT, markeredgewidth=0, zorder=3)
    for stretch in panel.stretches:
        axes.hlines(stretch.middle * scale, stretch.first - 0.4, stretch.last - 0.6, color=STRETCH, linewidth=1.6,
                    zorder=2.5)
    axes.margins(y=0.22)
    for change in panel.changes:
        axes.axvline(change.index - 0.5, color=CHANGE, linewidth=1.4, linestyle=(0, (4, 2)), zorder=2)
        axes.text(change.index - 0.5, 0.98, f" {in_words(change.percent)}", transform=axes.get_xaxis_transform(),
                  va="top", size=style.SMALL_SIZE, color=CHANGE)
    _version_axis(axes, panel.series, width)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.plain(value)))


def _version_axis(axes: Any, series: Series, width: float) -> None:
    """As many versions as fit, the last one always."""
    count = len(series.points)
    step = max(1, -(-count // max(1, int(width / HASH_WIDTH))))
    ticks = list(range(count - 1, -1, -step))[::-1]
    axes.set_xticks(ticks, [series.points[i].line.version[:HASH_SHOWN] for i in ticks], size=style.FOOTER_SIZE)
    axes.set_xlim(-0.8, count - 0.2)


def in_words(percent: float) -> str:
    """`5.1 % worse`."""
    return f"{abs(percent):.1f} % {'worse' if percent > 0 else 'better'}"


def _notes(panels: Sequence[Panel], search: Search) -> list[str]:
    by = sorted({panel.series.corrected_by for panel in panels} - {NONE})
    corrected = "As measured, not corrected by a sentinel."
    if by:
        corrected = (f"Corrected by the frozen sentinel {' or '.join(by)}: times are divided, throughputs multiplied, "
                     "by how much longer it took than in the median of the panel; memory is as measured.")  # fmt: skip
    chance = f"{100 * search.significance:g} %"
    return [
        "Point: median of the runs of one check; bar: as long as their interquartile range. Line: median of a stretch. "
        f"The axes do not begin at 0. {corrected}",
        f"Dashed: change points by E-divisive, in logarithms, with stretches of {search.least} points at least; chance "
        f"of any in a panel that has none: {chance} at most ({search.permutations} permutations, seed {search.seed}). "
        "They advise; the gate never asks them.",
    ]
