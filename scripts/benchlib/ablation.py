# SPDX-License-Identifier: Apache-2.0
"""Ablations: what one option is worth, all else being equal. Throughput above, below it what it may cost or bring."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas

from benchlib import footer, frame, latency, marks, options, parts, series, style
from benchlib.options import ARM, CPU, KEYS, PASS_P99, READY_LOCK, TOTAL_P99, WORKERS, Measure
from benchlib.series import LINE, THREADS, Panel
from benchlib.style import Look
from benchlib.table import Results

COLUMNS_A_FIGURE = 4
P99 = "latency_p99_ns"
STAGES = {"total": TOTAL_P99, "pass": PASS_P99}
SIZES = {1: (7.6, 3.1), 2: (4.8, 3.0)}  # of a panel, by columns


@dataclass(frozen=True)
class Ablated:
    """The runs of one workload, in one part of the plan if parts are known, between which an option varies."""

    part: str
    workload: str
    option: str
    runs: pandas.DataFrame


def find(runs: pandas.DataFrame, manifest: dict[str, Any]) -> list[Ablated]:
    """The ablations among the runs."""
    found = []
    for part, group in (parts.split(runs, manifest) or {"": runs}).items():
        for workload, its_runs in group.groupby("workload"):
            option = _option(its_runs)
            if option:
                found.append(Ablated(part, str(workload), option, its_runs[its_runs[option].notna()]))
    return found


def _option(runs: pandas.DataFrame) -> str | None:
    """The option that is ablated: the only one of the pool that varies, else the build, the routing, or no workers.

    Beside others the ready lock counts all the same: it gets a figure for each setting of theirs.
    """
    varying = {name for name in runs.columns if runs[name].nunique() > 1}
    of_pool = [name for name in sorted(varying) if name.startswith("pool.")]
    if of_pool:
        return of_pool[0] if len(of_pool) == 1 else READY_LOCK if READY_LOCK in of_pool else None
    for option in (ARM, KEYS):
        if option in varying:
            return option
    return WORKERS if WORKERS in varying and (runs[WORKERS] == 0).any() else None


def others(runs: pandas.DataFrame, manifest: dict[str, Any], found: Sequence[Ablated]) -> pandas.DataFrame:
    """The runs that are more than points of an ablation: such a part says nothing of threads if they never vary."""
    alone = {one.part for one in found if one.part and one.runs[THREADS].nunique() == 1}
    kept = [group.index for part, group in parts.split(runs, manifest).items() if part not in alone]
    if not alone:
        return runs
    return runs[runs.index.isin([row for index in kept for row in index])]


def plan(results: Results, found: Sequence[Ablated], looks: dict[str, Look]) -> list["Ablation"]:
    """The figures of the ablations: one for each set of other settings that stays the same, and each workload."""
    figures: dict[str, Ablation] = {}
    for one in found:
        for panel, across in _panels(one):
            whole = Panel(panel.heading, with_measures(panel.runs, results.latency))
            prefix = ("ready-lock",) if one.option == READY_LOCK else ("ablation", options.name(one.option))
            name = series.slug(*prefix, one.workload, panel.heading)
            name = series.slug(name, one.part) if name in figures else name
            figures[name] = Ablation(name, one, whole, across, looks)
    return list(figures.values())


def _panels(one: Ablated) -> list[tuple[Panel, str]]:
    """The runs split by what else varies, and the setting that makes the columns of a figure."""
    across = "schedulers" if one.option == WORKERS else WORKERS
    others = series.panel_columns(one.runs, [LINE, one.option, across])
    if not series.varies(one.runs[across]) and len(others) == 1:
        if one.runs[others[0]].nunique(dropna=False) <= COLUMNS_A_FIGURE:
            across, others = others[0], []
    panels = series.panels(one.runs, others)
    # A setting that was run with one value only compares nothing.
    return [(panel, across) for panel in panels if panel.runs[one.option].nunique() > 1]


def with_measures(runs: pandas.DataFrame, latencies: pandas.DataFrame) -> pandas.DataFrame:
    """Adds what figures of options show beside throughput: CPU time an operation, the p99 of some stages."""
    cpu = (runs["cpu_user_ns"] + runs["cpu_system_ns"]) / runs["operations"].where(runs["operations"] > 0)
    added = {CPU: cpu}
    keys = latency.with_key(runs)[latency.KEY]
    for stage, column in STAGES.items():
        rows = latency.with_key(latencies[latencies["stage"] == stage])
        values = rows.drop_duplicates(latency.KEY).set_index(latency.KEY)[P99] if P99 in rows else {}
        added[column] = keys.map(values).astype(float)
    return runs.assign(**added)


class Ablation:
    """One figure: a row a measure, a column for each number of workers, or of another setting."""

    def __init__(self, name: str, one: Ablated, panel: Panel, across: str, looks: dict[str, Look]) -> None:
        self.name, self.option, self.across, self.runs = name, one.option, across, panel.runs
        self.title = f"{one.workload}: {options.title(one.option)}"
        self.values = options.of_run(one.option, self.runs)
        self.columns = options.of_run(across, self.runs)
        self.place = options.positions(self.values)
        lines = set(self.runs[LINE])
        self.looks = {line: look for line, look in looks.items() if line in lines}
        kept = [column for column in ("schedulers", WORKERS) if column not in (one.option, across)]
        counts = [series.setting(column, self.runs[column].iloc[0]) for column in kept
                  if not series.varies(self.runs[column])]
        words = [panel.heading, *counts, *series.constants(self.runs, "workload")]
        self.subtitle = ", ".join(word for word in dict.fromkeys(words) if word)

    @property
    def kind(self) -> str:
        """As one asks for it with --only."""
        return "ready-lock" if self.option == READY_LOCK else "ablation"

    @property
    def joined(self) -> bool:
        """Whether the values are numbers with something between them."""
        return options.logarithmic(self.values)

    def draw(self, folder: Path, formats: Sequence[str]) -> list[Path]:
        """Draws the figure and returns the paths."""
        rows = [one for one in options.measures(self.option) if series.ok(self.runs)[one.column].notna().any()]
        shape = (len(rows), len(self.columns))
        panel = SIZES.get(shape[1], (4.0, 2.9))
        texts = series.legend(self.runs, self.looks)
        notes = footer.lines(self.runs, self.points(options.THROUGHPUT), [self.option, self.across])
        notes[1:1] = self._lacking(rows)
        layout = frame.Layout(self.title, self.subtitle, notes, texts, shape, panel)
        canvas = frame.Canvas(layout, shape, self.looks.values(), texts, lines=self.joined)
        canvas.label(canvas.axes.size, options.label(self.option) + (" (log scale)" if self.joined else ""), "")
        for line, measure in zip(canvas.axes, rows, strict=True):
            line[0].set_ylabel(measure.label + self._row(line, measure))
        for axes, value in zip(canvas.axes[0], self.columns, strict=True):
            axes.set_title(series.setting(self.across, value))
        return canvas.save(folder, self.name, formats)

    def _lacking(self, rows: Sequence[Measure]) -> list[str]:
        """Runs of few samples have no percentile: fewer dots than n says must be explained."""
        passed = series.ok(self.runs)
        lacking = {one.label: int(passed[one.column].isna().sum()) for one in rows}
        return [f"{count} of {len(passed)} runs have too few samples for a {label}."
                for label, count in lacking.items() if count]

    def points(self, measure: Measure) -> pandas.DataFrame:
        """The medians of a measure."""
        return series.medians(self.runs, [LINE, self.option, self.across], measure.column)

    def _row(self, line: Any, measure: Measure) -> str:
        """Draws one measure in every column; returns what the label must add."""
        points, runs = self.points(measure), series.ok(self.runs)
        values = runs[measure.column].dropna() * measure.scale
        added = ""
        for axes, column in zip(line, self.columns, strict=True):
            added = style.value_axis(axes, values.min(), values.max(), measure.text) if len(values) else ""
            axes.set_xticks(list(self.place.values()), [options.value_text(self.option, one) for one in self.values])
            axes.set_xlim(-0.6, len(self.values) - 0.4)
            axes.grid(False, axis="x")
            for (name, look), beside in zip(self.looks.items(), style.places(len(self.looks)), strict=True):
                mine = (rows[(rows[LINE] == name) & (rows[self.across] == column)] for rows in (points, runs))
                self._draw_line(axes, look, (0.2 if self.joined else 0.7) * beside, *mine, measure)
        return added

    def _draw_line(
        self, axes: Any, look: Look, beside: float, points: pandas.DataFrame, runs: pandas.DataFrame, measure: Measure
    ) -> None:
        points = points.assign(at=points[self.option].map(self.place) + beside)
        points = points.sort_values("at") if self.joined else points
        x, y, low, high = (points[name].to_numpy(dtype=float) for name in ("at", "median", "low", "high"))
        y, low, high = (ends * measure.scale for ends in (y, low, high))
        if self.joined:
            axes.plot(x, y, color=look.colour, linestyle=look.dashes, linewidth=2, zorder=3)
            marks.band(axes, look, x, low, high)
        else:
            marks.bars(axes, look, x, low, high)
        marks.dots(axes, look, runs[self.option].map(self.place) + beside + 0.08, runs[measure.column] * measure.scale)
        marks.medians(axes, look, x, y)
        marks.lost(axes, look, points.loc[(points["n"] == 0) & (points["failed"] > 0), "at"])
