# SPDX-License-Identifier: Apache-2.0
"""The marks that all figures share: a dot a run, a marker for the median, a band or a bar for its interval."""

from collections.abc import Sequence
from typing import Any

import numpy
from matplotlib.lines import Line2D

from benchlib.style import Look

DOT_ALPHA, BAND_ALPHA, BAR_ALPHA = 0.5, 0.16, 0.3
MARKER = {"markersize": 8, "markeredgecolor": "white", "markeredgewidth": 0.9}


def sample(look: Look, x: Sequence[float], y: Sequence[float], line: bool, edge: str | None = None) -> Line2D:
    """A marker in the middle of three points, with or without a line, for the legend; `edge`: its other colour."""
    dashes = look.dashes if line else "none"
    marker = MARKER | ({"markeredgecolor": edge} if edge else {})
    return Line2D(x, y, color=look.colour, linestyle=dashes, marker=look.marker, linewidth=2, markevery=[1], **marker)


def dots(axes: Any, look: Look, x: Any, y: Any) -> None:
    """Every run."""
    axes.plot(x, y, linestyle="none", marker="o", markersize=4, color=look.colour, alpha=DOT_ALPHA, markeredgewidth=0,
              zorder=2)


def medians(axes: Any, look: Look, x: Any, y: Any) -> None:
    """The medians, above everything else."""
    axes.plot(x, y, linestyle="none", marker=look.marker, color=look.colour, zorder=4, **MARKER)


def band(axes: Any, look: Look, x: numpy.ndarray, low: numpy.ndarray, high: numpy.ndarray) -> None:
    """Intervals of points in a row, where they have one; a bar at a point that stands alone with its interval."""
    have = ~numpy.isnan(low)
    axes.fill_between(x, low, high, where=have, color=look.colour, alpha=BAND_ALPHA, linewidth=0, zorder=1.5)
    alone = have & ~numpy.r_[False, have[:-1]] & ~numpy.r_[have[1:], False]
    bars(axes, look, x[alone], low[alone], high[alone])


def bars(axes: Any, look: Look, x: numpy.ndarray, low: numpy.ndarray, high: numpy.ndarray) -> None:
    """Intervals of points that are not in a row, where they have one."""
    have = ~numpy.isnan(low)
    axes.vlines(x[have], low[have], high[have], color=look.colour, alpha=BAR_ALPHA, linewidth=7, zorder=1.5)


def lost(axes: Any, look: Look, x: Any) -> None:
    """Points of which no run is left: a cross on the axis."""
    axes.plot(x, numpy.full(len(x), 0.03), linestyle="none", marker="x", markersize=8, markeredgewidth=2,
              color=look.colour, transform=axes.get_xaxis_transform(), zorder=4)
