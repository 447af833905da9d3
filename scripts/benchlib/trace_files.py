# SPDX-License-Identifier: Apache-2.0
"""A trace as files: the figure, the bins as CSV, and what was recorded of which run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas

from benchlib import trace_bins
from benchlib.errors import Refused, os_reason
from benchlib.figures import FORMATS, Figure, draw
from benchlib.files import write_whole
from benchlib.trace_events import KINDS, QUEUES, STAGES, Jobs
from benchlib.trace_figure import TraceFigure

SCHEMA_VERSION = 1


def write(folder: Path, jobs: Jobs, record: dict[str, Any]) -> list[Path]:
    """Writes all of them and returns their paths."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"cannot make the folder {folder}: {os_reason(error)}") from error
    texts = {
        "times.csv": times(jobs).to_csv(index=False, lineterminator="\n"),
        "lengths.csv": lengths(jobs).to_csv(index=False, lineterminator="\n"),
        "trace.json": json.dumps(summary(jobs) | {"record": record}, indent=2) + "\n",
    }
    for name, text in texts.items():
        write_whole(folder / name, text)
    drawn = draw([Figure("trace", "trace", TraceFigure(jobs, record).draw)], folder, FORMATS)
    return [*(folder / name for name in texts), *drawn]


def times(jobs: Jobs) -> pandas.DataFrame:
    """Row by row: a bin of a stage."""
    return _rows(
        ["stage", "bin_low_ns", "bin_high_ns", "count"],
        ([stage, *row] for stage in STAGES for row in trace_bins.of_times(jobs.times[stage]).itertuples(index=False)),
    )


def lengths(jobs: Jobs) -> pandas.DataFrame:
    """Row by row: a length of a queue, as told at an event."""
    return _rows(
        ["queue", "event", "length_items", "count"],
        (
            [QUEUES[kind], kind, *row]
            for kind in KINDS
            for row in trace_bins.of_lengths(jobs.lengths[kind]).itertuples(index=False)
        ),
    )


def _rows(columns: list[str], rows: Iterator[list[Any]]) -> pandas.DataFrame:
    return pandas.DataFrame([[SCHEMA_VERSION, *row] for row in rows], columns=["schema_version", *columns])


def summary(jobs: Jobs) -> dict[str, Any]:
    """What was recorded, in numbers."""
    return {
        "schema_version": SCHEMA_VERSION,
        "tracer": jobs.recording.tracer,
        "events": len(jobs.events),
        "events_of_no_job": jobs.others,
        "events_lost": jobs.recording.lost,
        "events_by_kind": jobs.counts,
        "events_repeated": sum(jobs.repeated.values()),
        "jobs": jobs.count,
        "jobs_whole": jobs.whole,
        "times_overtaken": jobs.overtaken,
    }
