# SPDX-License-Identifier: Apache-2.0
"""The lines of a history as series: only what may be compared stands in one, corrected by a frozen sentinel.

The machine may be faster this week: the spin, a fixed amount of arithmetic, then takes less time. A throughput is
multiplied, and a time divided, by how much longer the spin took than in the median of the series. That is sound as far
as a cell is bound by the clock of a CPU. The round trip of a cache line is no such measure even where threads share
lines: it has regimes far apart, and a cell follows them by less than in proportion, so that dividing by it would make a
step out of every move of the machine. So series of cells of several threads are parted by its regimes instead.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

import pandas

from benchlib import regimes
from benchlib.gate.model import Metric
from benchlib.history_line import Line

SPIN, ROUND_TRIP, NONE = "spin", "round-trip", "none"
METRICS = {metric.label: metric for metric in Metric}
UNTIMED = ("memory",)  # no sentinel has anything to say of it


@dataclass(frozen=True)
class Point:
    """A median, corrected, and the line that it is from."""

    value: float
    spread: float  # NaN: unknown
    line: Line


@dataclass(frozen=True)
class Series:
    """What may be compared over time: one test with one meaning on one machine, in one regime of it."""

    machine: str
    test: str
    metric: Metric
    marks: tuple[str, ...]  # what tells it from others of the same test
    corrected_by: str
    points: list[Point]

    @property
    def name(self) -> str:
        """`pool/cpu, round trip around 80 ns`."""
        return ", ".join([self.test, *self.marks])


@dataclass(frozen=True)
class Asked:
    """How the lines are to be read."""

    arm: str = "HEAD"
    by: str = SPIN
    any_regime: bool = False


def find(lines: Sequence[Line], asked: Asked) -> tuple[list[Series], list[str]]:
    """The series, and sentences on what was kept apart or left out."""
    mine = [line for line in lines if line.arm == asked.arm]
    mine.sort(key=lambda line: datetime.fromisoformat(line.recorded))
    series, notes = [], _kept_apart(mine)
    for machine, its_lines in _grouped(mine, lambda line: line.machine).items():
        labels = _regimes(its_lines)
        for (cell, metric), of_test in _grouped(its_lines, lambda line: (line.cell, line.metric)).items():
            meanings = _grouped(of_test, lambda line: line.settings)
            for settings, alike in meanings.items():
                marks = [f"settings {settings[:6]}"] if len(meanings) > 1 else []
                for regime, part in _parts(alike, labels, asked).items():
                    name = (*marks, *([f"round trip {regime}"] if regime else []))
                    series.append(_corrected(machine, f"{cell}/{metric}", METRICS[metric], name, part, asked, notes))
    return [one for one in series if one.points], notes


def _grouped(lines: Sequence[Line], key: Callable[[Line], object]) -> dict:
    groups = defaultdict(list)
    for line in lines:
        groups[key(line)].append(line)
    return groups


def _kept_apart(lines: Sequence[Line]) -> list[str]:
    notes = []
    machines = sorted({line.machine for line in lines})
    if len(machines) > 1:
        notes.append(f"kept apart: the machines {', '.join(machines)}")
    for (machine, cell), of_cell in _grouped(lines, lambda line: (line.machine, line.cell)).items():
        meanings = dict.fromkeys(line.settings for line in of_cell)
        if len(meanings) > 1:
            since = next(line.recorded for line in of_cell if line.settings == list(meanings)[-1])
            notes.append(f"kept apart: cell {cell} had {len(meanings)} settings on {machine}, the last since {since}")
    return notes


def _regimes(lines: Sequence[Line]) -> dict[float, str]:
    """The regime of each round trip that the machine had, where there are several."""
    trips = [line.round_trip_ns for line in lines if line.round_trip_ns and not line.one_thread]
    table = pandas.DataFrame({regimes.BEFORE: trips, regimes.AFTER: trips}, dtype=float)
    known = regimes.find(table)
    return dict(zip(trips, regimes.label(table, known), strict=True)) if len(known) > 1 else {}


def _parts(lines: Sequence[Line], labels: dict[float, str], asked: Asked) -> dict[str, list[Line]]:
    """The lines by regime, where that matters."""
    if asked.any_regime or asked.by == ROUND_TRIP or not labels or any(line.one_thread for line in lines):
        return {"": list(lines)}
    return _grouped(lines, lambda line: labels.get(line.round_trip_ns, "unknown"))


def _corrected(
    machine: str, test: str, metric: Metric, marks: tuple[str, ...], lines: Sequence[Line], asked: Asked,
    notes: list[str],
) -> Series:  # fmt: skip
    """The series, by the sentinel asked for; points without one are left out, unless none has it."""
    by = NONE if metric.label in UNTIMED else SPIN if asked.by == ROUND_TRIP and lines[0].one_thread else asked.by
    times = [_sentinel(line, by) for line in lines]
    usual = [time for time in times if time]
    if by != NONE and not usual:
        notes.append(f"{test}: no line has the sentinel {by}, so it is shown as measured")
        by, times = NONE, [1.0] * len(lines)
    if len(usual) < len(lines) and by != NONE:
        notes.append(f"{test}: {len(lines) - len(usual)} of {len(lines)} lines lack the sentinel {by}; left out")
    middle = median(usual) if by != NONE else 1.0
    points = [_point(line, metric, time / middle) for line, time in zip(lines, times, strict=True) if time]
    return Series(machine, test, metric, marks, by, points)


def _sentinel(line: Line, by: str) -> float | None:
    return {SPIN: line.spin_ns, ROUND_TRIP: line.round_trip_ns}.get(by, 1.0)


def _point(line: Line, metric: Metric, slower: float) -> Point:
    """`slower`: by which factor the machine was slower than usual."""
    factor = slower if metric.more_is_better else 1 / slower
    return Point(line.median * factor, math.nan if line.spread is None else line.spread * factor, line)
