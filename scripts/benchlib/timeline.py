# SPDX-License-Identifier: Apache-2.0
"""Throughput over time: one line a run, in the cells whose runs drift or have several modes, else in the first ones.

A window's number is a mean. Here one sees whether it was warm, even, or alternated between two speeds
(core/measure/timeline.h has the rules by which a run says that it drifts or has modes).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy
import pandas

from benchlib import footer, frame, latency, series, style
from benchlib.latency import KEY
from benchlib.series import LINE, Panel
from benchlib.table import Results

CELLS_A_FIGURE, COLUMNS = 6, 3
PANEL = (4.0, 2.3)  # inches
DRIFT, MODES = "throughput_drift", "throughput_modes"
DRIFTS_BEYOND = 0.1  # the summary of a run speaks of it from there on
START, LENGTH, OPERATIONS = "interval_start_ns", "interval_ns", "operations"
MILLION, SECOND = 1e6, 1e9
COLOUR, MIDDLE = style.COLOURS[0], style.INK
HEADING_LINES = 2


def plan(results: Results, runs: pandas.DataFrame) -> list["Timeline"]:
    """A figure for each workload of which timelines were kept."""
    if results.timeline.empty:
        return []
    intervals = latency.with_key(results.timeline)
    passed = latency.with_key(series.ok(runs))
    passed = passed[passed[KEY].isin(intervals[KEY])]
    return [Timeline(str(workload), group, intervals) for workload, group in passed.groupby("workload")]


def remarkable(runs: pandas.DataFrame) -> bool:
    """Whether the runs of a cell drift in the median, or half of them have several modes."""
    drift, modes = runs[DRIFT].median(), runs[MODES].dropna()
    return bool(abs(drift - 1) > DRIFTS_BEYOND) or (len(modes) > 0 and bool((modes > 1).mean() >= 0.5))


def _drift(runs: pandas.DataFrame) -> float:
    """How far the median drift is from none, either way."""
    drift = runs[DRIFT].median()
    return abs(float(numpy.log(drift))) if drift > 0 else 0.0


class Timeline:
    """One figure."""

    def __init__(self, workload: str, runs: pandas.DataFrame, intervals: pandas.DataFrame) -> None:
        self.name, self.title = series.slug("timeline", workload), f"{workload}: throughput over time"
        cells = _cells(runs)
        odd = sorted((cell for cell in cells if remarkable(cell.runs)), key=lambda cell: -_drift(cell.runs))
        self.remarkable = bool(odd)
        self.cells, self.count, self.odd = (odd or cells)[:CELLS_A_FIGURE], len(cells), len(odd)
        self.runs = pandas.concat([cell.runs for cell in self.cells])
        self.intervals = intervals[intervals[KEY].isin(self.runs[KEY])]

    def draw(self, folder: Path, formats: Sequence[str]) -> list[Path]:
        """Draws the figure and returns the paths."""
        columns = min(len(self.cells), COLUMNS)
        shape = (-(-len(self.cells) // columns), columns)
        layout = frame.Layout(self.title, ", ".join(series.constants(self.runs, "workload")), self._notes(), [], shape,
                              PANEL if columns > 1 else (frame.LEAST_WIDTH, 3.2))
        canvas = frame.Canvas(layout, shape, [], [])
        for axes, cell in zip(canvas.axes.flat, self.cells):
            lines = [_rates(one) for _, one in self.intervals[self.intervals[KEY].isin(cell.runs[KEY])].groupby(KEY)]
            for at, rate in lines:
                axes.plot(at, rate, color=COLOUR, linewidth=0.8, alpha=0.45, zorder=2)
            axes.plot(*_middle(lines), color=MIDDLE, linewidth=1.6, zorder=3)
            axes.set_ylim(0, max(rate.max() for _, rate in lines) * 1.1 or 1)
            axes.set_xlim(left=0)
            width = layout.width / columns - style.BESIDE_AXES
            axes.set_title("\n".join(_short(cell.heading, width)), size=style.SMALL_SIZE)
        canvas.label(len(self.cells), "time in the window, in s", "million operations\na second")
        return canvas.save(folder, self.name, formats)

    def _notes(self) -> list[str]:
        n = footer.span(self.runs.groupby(["cell_id", "arm"], dropna=False).size())
        drifting = (f"{self.odd} of {self.count} cells have runs that drift (the last third of the window against the "
                    f"first, by more than {100 * DRIFTS_BEYOND:.0f} % in the median) or several modes in half of their "
                    "runs or more")
        some = "those that drift most" if self.odd else "the first"
        shown = f"; {some} are shown." if len(self.cells) < (self.odd or self.count) else "."
        about = f"n = {n} runs a panel, each a thin line; dark: their median in each interval. {drifting}{shown}"
        return [about, *footer.around(self.runs), footer.provenance(self.runs)]


def _cells(runs: pandas.DataFrame) -> list[Panel]:
    """The runs of each cell, and what tells it from others."""
    found = []
    for panel in series.panels(runs, series.panel_columns(runs, [LINE, "pool"])):
        for (line, pool), group in panel.runs.groupby([LINE, "pool"], dropna=False):
            words = [series.setting("pool", pool)] if series.varies(runs["pool"]) else []
            words += [str(line)] if series.varies(runs[LINE]) and str(line) not in words else []
            found.append(Panel(", ".join([*words, *([panel.heading] if panel.heading else [])]), group))
    return found


def _rates(intervals: pandas.DataFrame) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The middle of each interval in seconds, and its million operations a second."""
    ordered = intervals.sort_values(START)
    start, length, operations = (ordered[name].to_numpy(dtype=float) for name in (START, LENGTH, OPERATIONS))
    return (start + length / 2) / SECOND, operations / length * (SECOND / MILLION)


def _middle(lines: Sequence[tuple[numpy.ndarray, numpy.ndarray]]) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The median of the runs in each interval that all of them have."""
    least = min(len(at) for at, _ in lines)
    return tuple(numpy.median([table[i][:least] for table in lines], axis=0) for i in (0, 1))


def _short(heading: str, width: float) -> list[str]:
    lines = frame.wrap(heading, width, style.SMALL_SIZE, "bold")
    return lines if len(lines) <= HEADING_LINES else [*lines[: HEADING_LINES - 1], f"{lines[HEADING_LINES - 1]} ..."]
