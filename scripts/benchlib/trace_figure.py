# SPDX-License-Identifier: Apache-2.0
"""The figure of a trace: a panel a stage of a job's way, and a panel a queue for its lengths."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pandas
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from benchlib import footer, frame, marks, params, style, trace_bins, trace_text
from benchlib.style import Look
from benchlib.trace_events import STAGES, Jobs

SHAPE = (2, 3)
PANEL = (4.0, 3.0)  # inches
LENGTH_BINS = 48  # at most, all equally wide
TICK_WIDTH = 0.55
HEADINGS = {
    "job_queue": "waiting in the job queue",
    "service": "service",
    "ready_queue": "waiting in the ready queue",
    "total": "the whole way",
}
LOOKS = {
    "time of a job": Look(style.COLOURS[0], style.MARKERS[0], False),
    "length when a job was put in (put, reply)": Look(style.COLOURS[1], style.MARKERS[1], False),
    "length when one was taken out (get, ready)": Look(style.COLOURS[2], style.MARKERS[2], False),
}
TIME, PUT_IN, TAKEN_OUT = LOOKS.values()
FILL = 0.35
MARKER_HEIGHT = 0.04  # of the highest bar: whole above the axis


class TraceFigure:
    """One figure."""

    def __init__(self, jobs: Jobs, record: dict[str, Any]) -> None:
        self.jobs, self.record = jobs, record

    def draw(self, folder: Path, formats: Sequence[str]) -> list[Path]:
        """Draws the figure and returns the paths."""
        texts = list(LOOKS)
        title = f"{self.record['workload']}: the way of every job, traced"
        layout = frame.Layout(title, self._subtitle(), self._notes(), texts, SHAPE, PANEL)
        canvas = frame.Canvas(layout, SHAPE, LOOKS.values(), texts)
        panels = iter(canvas.axes.flat)
        for stage in STAGES:
            self._times(next(panels), stage)
        self._lengths(next(panels), "job queue", {"put": PUT_IN, "get": TAKEN_OUT})
        self._lengths(next(panels), "ready queue", {"reply": PUT_IN, "ready": TAKEN_OUT})
        return canvas.save(folder, "trace", formats)

    def _subtitle(self) -> str:
        record = self.record
        queues = dict.fromkeys([record["job_queue"], record["ready_queue"]]) if "job_queue" in record else {}
        chosen = [f"{name}={value}" for name, value in params.split(record["workload_params"]).items()]
        return ", ".join([f"pool {record['pool']}", *(f"queue {name}" for name in queues), *chosen])

    def _notes(self) -> list[str]:
        about = "All jobs of one run, those of its warm-up too. Marker: the median."
        known = {name: [self.record.get(name)] for name in ("machine", "commit", "build", "compiler", "plan_hash")}
        run = pandas.DataFrame(known | {"cpus_allowed": [self.record.get("cpus_allowed")]})
        doubts = list(trace_text.doubts(self.jobs))
        return [f"{trace_text.recorded(self.jobs)}. {about}", *doubts, footer.provenance(run)]

    def _times(self, axes: Any, stage: str) -> None:
        """Bars on a logarithmic axis. A time of 0 ns stands at half a nanosecond."""
        axes.set_title(HEADINGS[stage])
        values = self.jobs.times[stage]
        if not len(values):
            _nothing(axes, "no job has both events")
            return
        bins = trace_bins.of_times(values)
        low = numpy.maximum(bins["low"].to_numpy(dtype=float), 0.5)
        width = bins["high"].to_numpy(dtype=float) + 1 - low
        axes.bar(low, bins["count"], width, align="edge", color=TIME.colour, alpha=FILL, linewidth=0)
        limits = (low.min() / 1.5, (low + width).max() * 1.5)
        axes.set_xscale("log")
        axes.set_xlim(*limits)
        ticks = style.fitting(style.log_steps(*limits), limits, PANEL[0], TICK_WIDTH)
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.nanoseconds(value)))
        _finish(axes, bins["count"].max(), "time (log scale)", "jobs a bin")
        marks.medians(axes, TIME, [max(float(numpy.median(values)), 0.5)], [bins["count"].max() * MARKER_HEIGHT])

    def _lengths(self, axes: Any, queue: str, events: dict[str, Look]) -> None:
        axes.set_title(f"length of the {queue}")
        told = {kind: self.jobs.lengths[kind] for kind in events if len(self.jobs.lengths[kind])}
        if not told:
            _nothing(axes, "not known: no queue tells it")
            return
        longest = max(int(values.max()) for values in told.values())
        width = -(-(longest + 1) // LENGTH_BINS)
        edges = numpy.arange(0, longest + 1 + width, width) - 0.5
        most = 0
        for kind, values in told.items():
            counts = numpy.histogram(values, edges)[0]
            axes.stairs(counts, edges, fill=True, color=events[kind].colour, alpha=FILL)
            most = max(most, counts.max())
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.plain(value)))
        _finish(axes, most, "items", "events a bin")
        for kind, values in told.items():
            marks.medians(axes, events[kind], [float(numpy.median(values))], [most * MARKER_HEIGHT])


def _finish(axes: Any, most: float, below: str, left: str) -> None:
    style.value_axis(axes, 0, most)
    axes.set_xlabel(below)
    axes.set_ylabel(left)


def _nothing(axes: Any, why: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=style.FAINT)
