# SPDX-License-Identifier: Apache-2.0
"""Result folders made up for the tests of the figures, with the columns that core/measure/record.h declares."""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from conftest import ROOT

HISTOGRAM = "schema_version plan_hash cell_id run_id stage bin_low_ns bin_high_ns count".split()
LATENCY = "schema_version plan_hash cell_id run_id stage samples latency_p50_ns latency_p99_ns".split()
STATES = "port_ns ready_ns clean_ns check_ns other_ns sleep_ns".split()
TIMELINE = "schema_version plan_hash cell_id run_id interval_start_ns interval_ns operations".split()
ACCOUNTING = ["schema_version", "plan_hash", "cell_id", "run_id", "thread_kind", "thread_number", "wall_ns", *STATES]
SAME = {
    "schema_version": 5, "plan_hash": "5d41402abc4b2a76", "status": "ok", "exit_reason": "ok", "verdict": "ok",
    "machine": "made-up-2cpu", "commit": "0123456789ab", "build": "release", "compiler": "gnu 12.2.0",
    "dispatch": "direct", "allocator": "jemalloc", "pin": "compact", "cpus_allowed": 2, "warmup_ns": 10**8,
    "duration_ns": 3 * 10**8, "operations": 1000, "cpu_user_ns": 4 * 10**6, "cpu_system_ns": 10**6,
}  # fmt: skip
INCORRECT = {"status": "failed", "exit_reason": "incorrect", "verdict": "violated"}
Bins = Iterable[tuple[str, int, int, int]]
Accounts = Iterable[tuple[str, int, Sequence[int]]]


def throughput_columns() -> list[str]:
    """The members of struct record, of which each is a column."""
    text = (ROOT / "core/measure/record.h").read_text()
    text = text[text.index("struct record {") : text.index("// Not columns of throughput.csv")]
    members = re.sub(r"//.*", "", text).partition("{")[2].split(";")[:-1]
    bare = [re.sub(r"\bconst char\b|\w+_t\b|\bdouble\b|\*", "", member) for member in members]
    names = [name for member in bare for name in member.split(",")]
    return ["schema_version", *(name.strip() for name in names)]


class ResultFolder:
    """A result folder in the making. Every cell gets one run for each value of throughput."""

    def __init__(self, folder: Path, **same: Any) -> None:
        self.folder, self.same = folder, SAME | same
        self.rows: list[dict[str, Any]] = []
        self.bins: list[dict[str, Any]] = []
        self.latencies: list[dict[str, Any]] = []
        self.accounts: list[dict[str, Any]] = []
        self.timelines: list[dict[str, Any]] = []
        self.cells = 0
        self.manifest: dict[str, Any] = {}

    def cell(
        self, values: Sequence[float], bins: Bins = (), p99: Mapping[str, Sequence[float]] | None = None,
        accounts: Accounts = (), part: str | None = None, also_in: Sequence[str] = (), timeline: Sequence[int] = (),
        **settings: Any,
    ) -> None:
        """`bins` are (stage, low, high, count), `accounts` (kind, number, time in each state): every run has them.
        `p99` has a latency for each run by stage, `timeline` the operations in each ms of every run; `part` and
        `also_in` are what a sweep's manifest would say."""
        self.cells += 1
        if part:
            named = {"cell_id": f"cell{self.cells:04}", "part": part, "also_in": list(also_in)}
            self.manifest.setdefault("cells", []).append(named)
        for block, value in enumerate(values):
            name = {"cell_id": f"cell{self.cells:04}", "run_id": f"run-{block:03}-{self.cells:04}", "block": block}
            row = self.same | name | {"throughput_ops_per_s": value} | settings
            self.rows.append(row)
            self.bins += [row | dict(zip(HISTOGRAM[4:], one, strict=True)) for one in bins]
            self.latencies += [
                row | {"stage": stage, "samples": 5000, "latency_p99_ns": every[block]}
                for stage, every in (p99 or {}).items()
            ]
            self.timelines += [
                row | {"interval_start_ns": i * 10**6, "interval_ns": 10**6, "operations": count}
                for i, count in enumerate(timeline)
            ]
            self.accounts += [
                row | {"thread_kind": kind, "thread_number": number, "wall_ns": sum(times)}
                | dict(zip(STATES, times, strict=True))
                for kind, number, times in accounts
            ]  # fmt: skip

    def queue(self, queue: str, producers: int, consumers: int, values: Sequence[float], **settings: Any) -> None:
        """A cell of a workload on a queue."""
        counts = {"producers": producers, "consumers": consumers, "threads": producers + consumers}
        self.cell(values, **{"workload": "producer_consumer", "queue": queue} | counts | settings)

    def pool(self, queue: str, schedulers: int, workers: int, values: Sequence[float], **settings: Any) -> None:
        """A cell of a workload on a pool whose two queues are alike."""
        counts = {"schedulers": schedulers, "workers": workers, "threads": schedulers + workers}
        queues = {"pool": "ours", "job_queue": queue, "ready_queue": queue}
        self.cell(values, **{"workload": "blast"} | queues | counts | settings)

    def write(self) -> Path:
        """The files. Returns the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tables = [("throughput.csv", throughput_columns(), self.rows), ("latency.csv", LATENCY, self.latencies),
                  ("histogram.csv", HISTOGRAM, self.bins), ("accounting.csv", ACCOUNTING, self.accounts)]  # fmt: skip
        tables += [("timeline.csv", TIMELINE, self.timelines)] if self.timelines else []
        for name, columns, rows in tables:
            with open(self.folder / name, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
        (self.folder / "manifest.json").write_text(json.dumps(self.manifest))
        return self.folder
