# SPDX-License-Identifier: Apache-2.0
"""The axis of a figure that a plan names: values of a setting, or queues side by side."""

from dataclasses import dataclass
from typing import Any

import pandas

from benchlib import options, series, style
from benchlib.plan_figures import QUEUE
from benchlib.series import LINE

LABELS = {
    "workload.batch": "items in a call",
    "workload.burst": "items of a burst",
    "workload.interval_ns": "time between two jobs",
    "workload.operations": "items between leaving and coming back",
    "workload.prefill": "items in the queue beforehand",
    "workload.rate": "jobs asked for a second",
    "workload.sample_every": "one job of so many is timed (0: none is)",
    "workload.think_ns": "mean time that a thread thinks between two operations",
    "workload.window": "jobs under way",
}


@dataclass(frozen=True)
class Axis:
    """Where each value stands, from 0 on, and what it is called."""

    label: str
    places: dict[Any, float]
    texts: list[str]
    joined: float  # places up to this one are numbers with something between them; -1: none are
    column: str

    @property
    def end(self) -> float:
        return max(self.places.values())

    def at(self, runs: pandas.DataFrame) -> pandas.Series:
        """The place of each run."""
        return runs[self.column].map(lambda value: self.places[None if pandas.isna(value) else value]).astype(float)


def of(over: str, runs: pandas.DataFrame) -> Axis:
    """The axis of the runs; those that do not have the setting stand last, under their workload's name."""
    if over == QUEUE:
        below = series.baselines(runs)
        lines = sorted(set(runs[LINE]), key=lambda line: (line in below, line))
        texts = [f"ceiling ({line})" if line in below else line for line in lines]
        return Axis("", {line: float(i) for i, line in enumerate(lines)}, texts, -1, LINE)
    values = options.of_run(over, runs)
    numbers = len(values) > 1 and all(not isinstance(value, str) for value in values)
    places: dict[Any, float] = dict(options.positions(values))
    texts = [_text(over, value) for value in values]
    joined = max(places.values()) if numbers else -1
    absent = runs[runs[over].isna()]
    if len(absent):
        places[None] = float(len(values))
        texts.append(" and ".join(sorted(set(absent["workload"]))))
    note = "" if not numbers else " (log scale)" if options.logarithmic(values) else " (not to scale)"
    return Axis(_name(over) + note, places, texts, joined, over)


def _text(over: str, value: Any) -> str:
    return style.plain(value) if _is_plain(over, value) else options.value_text(over, value)


def _is_plain(over: str, value: Any) -> bool:
    return not isinstance(value, str) and not over.endswith("_ns") and over not in (options.WORKERS, options.KEYS)


def _name(over: str) -> str:
    usual = options.LABELS.get(over) or over.split(".")[-1].removesuffix("_ns").replace("_", " ")
    return LABELS.get(over, usual)
