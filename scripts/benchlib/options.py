# SPDX-License-Identifier: Apache-2.0
"""The options that are ablated: how figures call them and their values, and what they are judged by."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas

from benchlib import series, style
from benchlib.series import VALUE

READY_LOCK, ARM, KEYS, WORKERS = "pool.ready_lock", "arm", "workload.keys", "workers"
CPU, TOTAL_P99, PASS_P99 = "cpu_ns_per_operation", "total_p99_ns", "pass_p99_ns"
LOG_FROM_VALUES = 3  # numbers on a logarithmic axis; two of them are just two things


@dataclass(frozen=True)
class Measure:
    """A column of the runs as a row of a figure."""

    column: str
    scale: float
    label: str
    text: Callable[[float], str] = style.plain  # of a value on its axis


THROUGHPUT = Measure(VALUE, 1e-6, "million jobs a second")
CPU_A_JOB = Measure(CPU, 1e-3, "CPU time a job, in \u00b5s,\nof all threads")
LATENCY = Measure(TOTAL_P99, 1, "p99 latency of a job", style.nanoseconds)
PASS = Measure(PASS_P99, 1, "p99 time of a pass", style.nanoseconds)

# What an option may cost or bring beside throughput. A lock and a spin show in CPU time; how much a scheduler
# completes at once, in the time for which its other work must wait: the fairness of a pass.
MEASURES = {
    READY_LOCK: (THROUGHPUT, CPU_A_JOB),
    "pool.ready_limit": (THROUGHPUT, LATENCY, PASS),
    "pool.worker_spin_ns": (THROUGHPUT, LATENCY, CPU_A_JOB),
    "pool.scheduler_spin_ns": (THROUGHPUT, LATENCY, CPU_A_JOB),
}
LABELS = {
    READY_LOCK: "kind of ready lock",
    ARM: "program",
    KEYS: "routing of jobs",
    WORKERS: "workers",
    "pool.accounting": "accounting",
    "pool.batch": "most jobs taken and sent home at once",
    "pool.completion": "where a finished job completes",
    "pool.elements": "who allocates a ready queue's element",
    "pool.freeing": "when a job queue's elements are freed",
    "pool.ready_limit": "most completions in a pass",
    "pool.scheduler_spin_ns": "time that a scheduler spins before it sleeps",
    "pool.smp": "thread progress",
    "pool.stop": "how workers are stopped",
    "pool.worker_spin_ns": "time that a worker spins before it sleeps",
}
TITLES = {
    READY_LOCK: "the lock in front of the ready queue", ARM: "builds compared", KEYS: "routing of jobs",
    WORKERS: "with and without workers", "pool.worker_spin_ns": "spinning workers",
    "pool.scheduler_spin_ns": "spinning schedulers",
}  # fmt: skip


def measures(option: str) -> tuple[Measure, ...]:
    return MEASURES.get(option, (THROUGHPUT, LATENCY))


def name(option: str) -> str:
    """`ready lock`, as in a file's name or a sentence."""
    return option.split(".")[-1].removesuffix("_ns").replace("_", " ")


def label(option: str) -> str:
    """What stands below its axis."""
    return LABELS.get(option, name(option))


def title(option: str) -> str:
    """What a figure of it is about."""
    called, explained = name(option), LABELS.get(option)
    return TITLES.get(option) or (called if explained in (None, called) else f"{called} ({explained})")


def value_text(option: str, value: Any) -> str:
    """A value as the tick of an axis."""
    if option == KEYS:
        return series.setting(KEYS, value).replace("keys ", "") + " keys" if value else "round robin"
    if option == WORKERS and not value:
        return "0: in the submitter"
    return style.nanoseconds(value) if option.endswith("_ns") else series.text(value)


def of_run(option: str, runs: pandas.DataFrame) -> list[Any]:
    """The values in their order."""
    return sorted(runs[option].dropna().unique(), key=lambda value: series.rank(option, value))


def logarithmic(values: Sequence[Any]) -> bool:
    """Whether they are numbers that a logarithmic axis can carry."""
    numbers = all(not isinstance(value, str) and value > 0 for value in values)
    return numbers and len(values) >= LOG_FROM_VALUES


def positions(values: Sequence[Any]) -> dict[Any, float]:
    """Where each value stands on an axis from 0 to their number less one: by its logarithm, or one beside the other."""
    if not logarithmic(values):
        return {value: float(i) for i, value in enumerate(values)}
    span = math.log(values[-1] / values[0])
    return {value: (len(values) - 1) * math.log(value / values[0]) / span for value in values}
