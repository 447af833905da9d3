# SPDX-License-Identifier: Apache-2.0
"""Load-latency curves: how long jobs take at each rate asked for, and at which rate a pool no longer keeps up."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from benchlib import footer, frame, knee, latency, marks, series, style
from benchlib.knee import Knee, Load
from benchlib.latency import KEY
from benchlib.series import LINE, VALUE
from benchlib.style import Look
from benchlib.table import Results

RATE, OFFERED, STAGE = "workload.rate", "offered_ops_per_s", "total"
# What is compared at one load, and so is in a line's name; any other parameter of a workload asks another question.
COMPARED = "workload.keyed"
PERCENTILES = {"latency_p50_ns": "p50", "latency_p99_ns": "p99", "latency_p999_ns": "p99.9"}
P99 = "latency_p99_ns"
THOUSAND = 1000.0
SLACK = 0.06  # of the axis, beside the first and the last rate
RATE_LABEL = "rate asked for, in thousand jobs a second"
VALUE_LABEL = "latency from when a job was due (log scale)"
PANEL = {1: (7.6, 4.4), 2: (5.0, 4.0), 3: (4.3, 3.9)}  # inches, by columns
TICK_WIDTH = 0.45  # inches that the number of a tick needs


def swept(runs: pandas.DataFrame) -> pandas.Series:
    """Which of the runs belong to a sweep of the rate: those of workloads with more than one."""
    if RATE not in runs.columns:
        return pandas.Series(False, index=runs.index)
    return runs.groupby("workload")[RATE].transform("nunique") > 1


@dataclass(frozen=True)
class Curve:
    """One line: its points for each percentile, and its knee."""

    look: Look
    points: dict[str, pandas.DataFrame]
    knee: Knee


def plan(results: Results, runs: pandas.DataFrame) -> list["LoadLatency"]:
    """The figures: one a workload and setting, with a panel a percentile."""
    found = []
    mine = runs[swept(runs)]
    for workload, group in with_latencies(results, mine).groupby("workload"):
        named = group.assign(**{LINE: line_names(group)})
        for panel in series.panels(named, series.panel_columns(named, [LINE, RATE])):
            if panel.runs[RATE].nunique() > 1 and series.ok(panel.runs)[P99].notna().any():
                found.append(LoadLatency(str(workload), panel.heading, panel.runs))
    return found


def with_latencies(results: Results, runs: pandas.DataFrame) -> pandas.DataFrame:
    """The runs with the percentiles of their total latency; NaN where too few samples lie beyond one."""
    totals = latency.with_key(results.latency[results.latency["stage"] == STAGE])
    percentiles = totals.reindex(columns=[KEY, *PERCENTILES]).drop_duplicates(KEY)
    return latency.with_key(runs).merge(percentiles, on=KEY, how="left", validate="many_to_one")


def line_names(runs: pandas.DataFrame) -> pandas.Series:
    """The queues, with the pool where there are several, and with what else is compared at one load."""
    pool, line = runs["pool"], runs[LINE]
    names = line.where(line.str.startswith("pool "), pool + ": " + line) if series.varies(pool) else line
    options = [name for name in runs.columns if name.startswith("pool.")]
    for name in [*options, COMPARED]:
        if name in runs.columns and (runs.groupby(names)[name].nunique() > 1).any():
            names = names + runs[name].map(lambda value, name=name: _option(name, value))
    return names


def _option(name: str, value: Any) -> str:
    if pandas.isna(value):
        return ""
    if name == COMPARED:
        return ", with keys" if value == "yes" else ", without keys"
    return f", {series.setting(name, value)}"


def loads(runs: pandas.DataFrame) -> list[Load]:
    """The runs of one line by rate, for its knee. Failed ones are not in it."""
    found = []
    for rate, group in series.ok(runs).groupby(RATE):
        shares = group[VALUE] / group[OFFERED].fillna(group[RATE])
        found.append(Load(float(rate), shares.to_list(), group[P99].to_list()))
    return found


class LoadLatency:
    """One figure, whoever draws it."""

    def __init__(self, workload: str, heading: str, runs: pandas.DataFrame) -> None:
        self.name = series.slug("load-latency", workload, heading)
        self.title = f"{workload}: latency by the rate asked for"
        self.subtitle = ", ".join(text for text in dict.fromkeys(
            [*heading.split(", "), *_counts(runs), *series.constants(runs, "workload")]) if text)
        self.runs = runs
        self.percentiles = [name for name in PERCENTILES if series.ok(runs)[name].notna().any()]
        looks = style.looks(sorted(runs[LINE].unique()), [])
        self.curves = {line: self._curve(look, runs[runs[LINE] == line]) for line, look in looks.items()}
        self.looks = looks
        texts = series.legend(runs, looks)
        self.legend = [f"{text}: {knee.in_words(one.knee)}" for text, one in
                       zip(texts, self.curves.values(), strict=True)]
        self.notes = self._notes()

    def _curve(self, look: Look, runs: pandas.DataFrame) -> Curve:
        points = {name: _measured(series.medians(runs, [LINE, RATE], name)) for name in self.percentiles}
        return Curve(look, points, knee.find(loads(runs)))

    @property
    def shape(self) -> tuple[int, int]:
        return 1, len(self.percentiles)

    def layout(self) -> frame.Layout:
        panel = PANEL[len(self.percentiles)]
        return frame.Layout(self.title, self.subtitle, self.notes, self.legend, self.shape, panel)

    def rates(self) -> list[float]:
        """In thousands, ascending."""
        return sorted(rate / THOUSAND for rate in self.runs[RATE].unique())

    def rate_limits(self) -> tuple[float, float, bool]:
        """The ends of the axis of rates, and whether it is logarithmic."""
        rates = self.rates()
        if rates[-1] / rates[0] >= style.LOG_FROM_RATIO:
            slack = (rates[-1] / rates[0]) ** SLACK
            return rates[0] / slack, rates[-1] * slack, True
        return 0.0, rates[-1] * (1 + SLACK), False

    def rate_ticks(self, panel_width: float) -> list[float]:
        """Of a logarithmic axis: those of the rates whose numbers fit beside each other."""
        low, high, _ = self.rate_limits()
        return style.fitting(self.rates(), (low, high), panel_width, TICK_WIDTH)

    def value_limits(self) -> tuple[float, float]:
        """In ns; all panels share one scale."""
        values = series.ok(self.runs)[self.percentiles].stack()
        return values.min() / 1.5, values.max() * 1.5

    def draw(self, folder: Path, formats: Sequence[str]) -> list[Path]:
        """Draws the figure with matplotlib and returns the paths."""
        layout = self.layout()
        canvas = frame.Canvas(layout, self.shape, self.looks.values(), self.legend)
        for axes, name in zip(canvas.axes.flat, self.percentiles):
            axes.set_title(PERCENTILES[name])
            self._rate_axis(axes, layout.width / len(self.percentiles))
            style.log_axis(axes, *self.value_limits(), style.nanoseconds)
            for line, curve in self.curves.items():
                _draw_curve(axes, curve, name, series.ok(self.runs[self.runs[LINE] == line]))
        canvas.label(len(self.percentiles), RATE_LABEL, VALUE_LABEL)
        return canvas.save(folder, self.name, formats)

    def _rate_axis(self, axes: Any, panel_width: float) -> None:
        low, high, log = self.rate_limits()
        if log:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(FixedLocator(self.rate_ticks(panel_width)))
            axes.xaxis.set_minor_locator(FixedLocator(self.rates()))
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(low, high)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.plain(value)))

    def _notes(self) -> list[str]:
        shown = pandas.concat([points for curve in self.curves.values() for points in curve.points.values()])
        about = footer.lines(self.runs, shown, [LINE, RATE])
        few = {warning for curve in self.curves.values() for warning in curve.knee.warnings}
        said = [text for text in about if not text.startswith("Besides threads")]
        return [said[0], f"{knee.rule()} Dotted lines stand at the knees.", *(f"Knees: {one}." for one in sorted(few)),
                *said[1:]]


def _measured(points: pandas.DataFrame) -> pandas.DataFrame:
    """Those that have the percentile, or whose runs failed; the others were too short for it."""
    return points[(points["n"] > 0) | (points["failed"] > 0)]


def _counts(runs: pandas.DataFrame) -> list[str]:
    return [series.setting(name, runs[name].iloc[0]) for name in ("schedulers", "workers")
            if runs[name].notna().all() and not series.varies(runs[name])]


def _draw_curve(axes: Any, curve: Curve, name: str, runs: pandas.DataFrame) -> None:
    points = curve.points[name]
    drawn = points[points["n"] > 0]
    x, y, low, high = (drawn[column].to_numpy(dtype=float) for column in (RATE, "median", "low", "high"))
    axes.plot(x / THOUSAND, y, color=curve.look.colour, linestyle=curve.look.dashes, linewidth=2, zorder=3)
    marks.band(axes, curve.look, x / THOUSAND, low, high)
    marks.dots(axes, curve.look, runs[RATE] / THOUSAND, runs[name])
    marks.medians(axes, curve.look, x / THOUSAND, y)
    marks.lost(axes, curve.look, points[points["n"] == 0][RATE] / THOUSAND)
    if curve.knee.rate > 0:
        axes.axvline(curve.knee.rate / THOUSAND, color=curve.look.colour, linewidth=1.4, linestyle=":", zorder=1)
