# SPDX-License-Identifier: Apache-2.0
"""The ready-lock ablation: does a lock in front of a ready queue pay, and what does it cost in CPU time?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas

from benchlib import footer, frame, marks, series, style
from benchlib.series import LINE, VALUE, Panel
from benchlib.style import Look

OPTION = "pool.ready_lock"
CPU = "cpu_ns_per_operation"
WORKERS_A_FIGURE = 4


def plan(runs: pandas.DataFrame, looks: dict[str, Look]) -> list["ReadyLock"]:
    """One figure for each workload that was run with several kinds of ready lock, and each of its other settings."""
    found = []
    if OPTION not in runs.columns:
        return found
    for workload, group in runs[runs[OPTION].notna()].groupby("workload"):
        # A setting that was run with one kind only compares nothing.
        panels = [panel for panel in series.panels(group, series.panel_columns(group, [LINE, OPTION, "workers"]))
                  if panel.runs[OPTION].nunique() > 1]
        for panel in panels:
            name = series.slug("ready-lock", str(workload), panel.heading)
            found.append(ReadyLock(name, f"{workload}: the lock in front of the ready queue", panel, looks))
    return found


def cpu_per_operation(runs: pandas.DataFrame) -> pandas.Series:
    """CPU time of all threads, in user and system mode, for each operation counted."""
    return (runs["cpu_user_ns"] + runs["cpu_system_ns"]) / runs["operations"].where(runs["operations"] > 0)


class ReadyLock:
    """One figure: throughput above, CPU time a job below, a column for each number of workers."""

    def __init__(self, name: str, title: str, panel: Panel, looks: dict[str, Look]) -> None:
        self.name, self.title = name, title
        self.runs = panel.runs.assign(**{CPU: cpu_per_operation(panel.runs)})
        self.kinds = sorted(set(self.runs[OPTION]), key=lambda kind: series.rank(OPTION, kind))
        self.workers = sorted(self.runs["workers"].unique())
        lines = set(self.runs[LINE])
        self.looks = {line: look for line, look in looks.items() if line in lines}
        alike = [] if series.varies(self.runs["schedulers"]) else [self.runs["schedulers"].iloc[0]]
        schedulers = [series.setting("schedulers", count) for count in alike]
        parts = [panel.heading, *schedulers, *series.constants(self.runs, "workload")]
        self.subtitle = ", ".join(part for part in parts if part)

    def draw(self, folder: Path, formats: Sequence[str]) -> list[Path]:
        """Draws the figure and returns the paths."""
        rows = [(VALUE, 1e-6, "million jobs a second"), (CPU, 1e-3, "CPU time a job, in \u00b5s,\nof all threads")]
        rows = [row for row in rows if self.runs[row[0]].notna().any()]
        shape = (len(rows), len(self.workers))
        panel = {1: (7.6, 3.1), 2: (4.8, 3.0)}.get(shape[1], (4.0, 2.9))
        texts = series.legend(self.runs, self.looks)
        notes = footer.lines(self.runs, self._points(VALUE), [OPTION, "workers"])
        layout = frame.Layout(self.title, self.subtitle, notes, texts, shape, panel)
        canvas = frame.Canvas(layout, shape, self.looks.values(), texts, lines=False)
        canvas.label(canvas.axes.size, "kind of ready lock", "")
        for line, (column, scale, label) in zip(canvas.axes, rows, strict=True):
            line[0].set_ylabel(label + self._row(line, column, scale))
        for axes, workers in zip(canvas.axes[0], self.workers, strict=True):
            axes.set_title(series.setting("workers", workers))
        return canvas.save(folder, self.name, formats)

    def _points(self, column: str) -> pandas.DataFrame:
        return series.medians(self.runs, [LINE, OPTION, "workers"], column)

    def _row(self, line: Any, column: str, scale: float) -> str:
        """Draws one measure for every number of workers; returns what the label must add."""
        points, runs = self._points(column), series.ok(self.runs)
        values = runs[column].dropna() * scale
        added = ""
        for axes, workers in zip(line, self.workers, strict=True):
            added = style.value_axis(axes, values.min(), values.max()) if len(values) else ""
            axes.set_xticks(range(len(self.kinds)), self.kinds)
            axes.set_xlim(-0.6, len(self.kinds) - 0.4)
            axes.grid(False, axis="x")
            for (name, look), place in zip(self.looks.items(), style.places(len(self.looks)), strict=True):
                mine = (rows[(rows[LINE] == name) & (rows["workers"] == workers)] for rows in (points, runs))
                self._draw_line(axes, look, 0.7 * place, *mine, column, scale)
        return added

    def _draw_line(
        self, axes: Any, look: Look, beside: float, points: pandas.DataFrame, runs: pandas.DataFrame, column: str,
        scale: float,
    ) -> None:
        at = points[OPTION].map(self.kinds.index) + beside
        marks.bars(axes, look, at, points["low"] * scale, points["high"] * scale)
        marks.dots(axes, look, runs[OPTION].map(self.kinds.index) + beside + 0.08, runs[column] * scale)
        marks.medians(axes, look, at, points["median"] * scale)
        marks.lost(axes, look, at[points["n"] == 0])
