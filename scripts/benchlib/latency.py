# SPDX-License-Identifier: Apache-2.0
"""Latency percentile curves: the whole distribution from the bins, far into the tail, at one number of threads."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pandas
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchlib import footer, frame, marks, promise, series, style
from benchlib.derived import KEY, with_key
from benchlib.series import LINE, THREADS, Panel
from benchlib.style import Look
from benchlib.table import Results

STAGES = ("enqueue", "dequeue", "job_queue", "service", "ready_queue", "total")  # in the order of a job's way
SAMPLES_BEYOND = 10  # a percentile is drawn only if this many samples lie beyond it
POINTS_A_DECADE = 60
Curve = tuple[numpy.ndarray, numpy.ndarray]
FIRST = 0.1  # below it a curve only falls to the smallest sample
TICK_WIDTH = 0.62  # inches that the number of a tick needs
PANEL = {1: (7.6, 4.4), 2: (4.9, 3.5)}  # inches, by columns
TICKS = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999)


def plan(results: Results, runs: pandas.DataFrame, looks: dict[str, Look]) -> list["Percentiles"]:
    """The latency figures that the runs give: one a workload and setting, with a panel a stage."""
    found = []
    runs, bins = with_key(runs), with_key(results.histogram)
    with_bins = series.ok(runs[runs[KEY].isin(bins[KEY])])
    for workload, group in with_bins.groupby("workload"):
        threads = choose_threads(group)
        there = runs[(runs["workload"] == workload) & (runs[THREADS] == threads)]
        title = f"{workload}: latency at {threads} threads"
        for kind, part, its_looks in promise.separate(there, looks):
            part, its_looks = series.pool_option_as_lines(part, its_looks)
            for panel in series.panels(part, series.panel_columns(part, [LINE, THREADS])):
                drawn = panel.runs[panel.runs[KEY].isin(with_bins[KEY])]
                if len(drawn):
                    name = series.slug("latency", str(workload), kind, panel.heading)
                    whole = f"{title} ({kind})" if kind else title
                    found.append(Percentiles(name, whole, panel, drawn, bins, its_looks))
    return found


def choose_threads(runs: pandas.DataFrame) -> int:
    """Of the thread counts that most lines have, the greatest that the CPUs can carry, else the smallest.

    Beyond that one measures the operating system's scheduler.
    """
    lines = runs.groupby(THREADS)[LINE].nunique()
    common = [int(count) for count in lines.index[lines == lines.max()]]
    return max((count for count in common if count <= runs["cpus_allowed"].min()), default=min(common))


def merge(bins: pandas.DataFrame) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """The bins of several runs as one histogram: low, high, count, ascending."""
    merged = bins.groupby(["bin_low_ns", "bin_high_ns"])["count"].sum().reset_index()
    low, high, count = (merged[name].to_numpy(dtype=float) for name in ("bin_low_ns", "bin_high_ns", "count"))
    return low, high, count


def percentile_curve(low: numpy.ndarray, high: numpy.ndarray, count: numpy.ndarray) -> Curve:
    """1 / (1 - p), and the latency that a share p of the samples doesn't exceed, while SAMPLES_BEYOND lie beyond."""
    total = count.sum()
    first, last = 1 / (1 - FIRST), total / SAMPLES_BEYOND
    if last < first:
        return numpy.array([]), numpy.array([])
    beyond = numpy.geomspace(first, last, 2 + int(math.log10(last) * POINTS_A_DECADE))
    beyond = numpy.union1d(beyond, [tick for tick in tick_places() if tick <= beyond[-1]])
    rank = numpy.ceil((1 - 1 / beyond) * total - 1e-6).clip(1)
    which = numpy.searchsorted(numpy.cumsum(count), rank)
    # The bin of 0 ns has no place on a logarithmic axis.
    return beyond, numpy.maximum((low + high)[which] / 2, 0.5)


def tick_places() -> list[float]:
    """Where on the axis the percentiles stand that have a name."""
    return [1 / (1 - p) for p in TICKS]


class Percentiles:
    """One figure. `panel` has all runs that belong in it, `drawn` are those of them that have latencies."""

    def __init__(
        self, name: str, title: str, panel: Panel, drawn: pandas.DataFrame, bins: pandas.DataFrame,
        looks: dict[str, Look],
    ) -> None:
        self.name, self.title, self.runs, self.drawn = name, title, panel.runs, drawn
        settings = [panel.heading, *series.roles(drawn), *series.constants(drawn, "workload")]
        self.subtitle = ", ".join(text for text in dict.fromkeys(settings) if text)
        self.bins = bins[bins[KEY].isin(drawn[KEY])]
        present = set(self.bins["stage"])
        self.stages = [stage for stage in STAGES if stage in present] + sorted(present - set(STAGES))
        lines = set(drawn[LINE])
        self.looks = {line: look for line, look in looks.items() if line in lines}

    def draw(self, folder: Path, formats: Sequence[str]) -> list[Path]:
        """Draws the figure and returns the paths."""
        columns = min(len(self.stages), 2)
        shape = (-(-len(self.stages) // columns), columns)
        texts = series.legend(self.runs, self.looks)
        layout = frame.Layout(self.title, self.subtitle, self._notes(), texts, shape, PANEL[columns])
        canvas = frame.Canvas(layout, shape, self.looks.values(), texts)
        curves = [curve for axes, stage in zip(canvas.axes.flat, self.stages) for curve in self._panel(axes, stage)]
        _scale(canvas.axes.flat, layout.width / columns, [curve for curve in curves if len(curve[0])])
        canvas.label(len(self.stages), "percentile of the samples", "latency (log scale)")
        return canvas.save(folder, self.name, formats)

    def _panel(self, axes: Any, stage: str) -> list[Curve]:
        """Draws one stage and returns its curves."""
        axes.set_title(stage.replace("_", " "))
        bins = self.bins[self.bins["stage"] == stage]
        curves = []
        for line, look in self.looks.items():
            mine = bins[bins[KEY].isin(self.drawn.loc[self.drawn[LINE] == line, KEY])]
            for _, one in mine.groupby(KEY):
                axes.plot(*percentile_curve(*merge(one)), color=look.colour, linewidth=0.8, alpha=0.35, zorder=2)
            x, y = percentile_curve(*merge(mine))
            axes.plot(x, y, color=look.colour, linestyle=look.dashes, linewidth=2.2, zorder=3)
            at = numpy.isin(x, tick_places())
            marks.medians(axes, look, x[at], y[at])
            curves.append((x, y))
        return curves

    def _notes(self) -> list[str]:
        n = footer.span(self.drawn.groupby("cell_id")[KEY].size())
        samples = self.bins.groupby(["cell_id", "stage"])["count"].sum()
        about = (f"n = {n} runs a line. Thick: the samples of all of them together, {_span(samples)} a "
                 f"line; thin: each run by itself. A line ends where fewer than "
                 f"{SAMPLES_BEYOND} samples lie beyond.")
        return [about, *footer.promises(self.drawn), *footer.checks(self.runs), *footer.around(self.runs),
                footer.provenance(self.runs)]


def _scale(panels: Any, width: float, curves: list[Curve]) -> None:
    """One scale for all panels: they are stages of one way. Ticks as far as their numbers fit."""
    right = max((x[-1] for x, _ in curves), default=12) * 1.2
    limits = (1 / (1 - FIRST), right)
    ticks = style.fitting([tick for tick in tick_places() if tick <= right], limits, width, TICK_WIDTH)
    low, high = min((y.min() for _, y in curves), default=1), max((y.max() for _, y in curves), default=10)
    for axes in panels:
        axes.set_xscale("log")
        axes.set_xlim(*limits)
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * (1 - 1 / value):.6g} %"))
        style.log_axis(axes, low / 1.5, high * 1.5, style.nanoseconds)


def _span(counts: pandas.Series) -> str:
    few, most = _many(counts.min()), _many(counts.max())
    return few if few == most else f"{few} to {most}"


def _many(count: float) -> str:
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if count >= size:
            return f"{count / size:.3g} {word}"
    return f"{count:,.0f}"
