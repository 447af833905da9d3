# SPDX-License-Identifier: Apache-2.0
"""The CSV files, made from the records. Their columns are the program's own; absent values are empty, never 0."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchlib.files import replacing

Row = dict[str, Any]


def write(folder: Path, fields: dict[str, list[dict[str, Any]]], records: Iterable[dict[str, Any]]) -> None:
    """Writes all files anew, in one pass over the records. Each takes the place of its old self at the end."""
    with ExitStack() as stack:
        writers = {}
        for name, columns in fields.items():
            file = stack.enter_context(replacing(folder / name))
            header = [column["name"] for column in columns]
            writers[name] = csv.DictWriter(file, header, restval="", extrasaction="ignore", lineterminator="\n")
            writers[name].writeheader()
        for record in records:
            rows = _rows(record)
            for name, writer in writers.items():
                writer.writerows(rows.get(name, ()))


def _rows(record: dict[str, Any]) -> dict[str, Iterator[Row]]:
    """What one record gives to each file. A failed run without measurements has only its own row."""
    return {
        "throughput.csv": iter([record]),
        "latency.csv": _latency_rows(record),
        "histogram.csv": _histogram_rows(record),
        "accounting.csv": _thread_rows(record, "accounting"),
        "timeline.csv": _timeline_rows(record),
        "threads.csv": _thread_rows(record, "per_thread"),
    }


def _latency_rows(record: Row) -> Iterator[Row]:
    for stage, summary in record.get("latency", {}).items():
        yield _identity(record) | {"stage": stage} | summary


def _histogram_rows(record: Row) -> Iterator[Row]:
    for stage, summary in record.get("latency", {}).items():
        identity = _identity(record) | {"stage": stage}
        for low_ns, high_ns, count in summary["bins"]:
            yield identity | {"bin_low_ns": low_ns, "bin_high_ns": high_ns, "count": count}


def _thread_rows(record: Row, member: str) -> Iterator[Row]:
    for thread in record.get(member, []):
        yield _identity(record) | thread


def _timeline_rows(record: Row) -> Iterator[Row]:
    for start_ns, length_ns, operations in record.get("timeline", []):
        yield _identity(record) | {"interval_start_ns": start_ns, "interval_ns": length_ns, "operations": operations}


def _identity(record: Row) -> Row:
    """What joins a row to its run."""
    names = ("schema_version", "plan_hash", "cell_id", "run_id")
    return {name: record[name] for name in names if name in record}
