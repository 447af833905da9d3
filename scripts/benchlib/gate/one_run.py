# SPDX-License-Identifier: Apache-2.0
"""One run of one arm: a fresh process, and from its record what the gate compares.

A run that fails, or does nothing, is no event of the environment but a finding about the arm: there is nothing to
compare it with, and it is told as what it is.
"""

import os
import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchlib import runner
from benchlib.errors import Refused, os_reason
from benchlib.gate.model import Arm, Cell, Metric
from benchlib.gate.veto import Surroundings
from benchlib.interrupt import Interrupt
from benchlib.runner import Outcome

PADDING = "READYQ_GATE_PADDING"  # read by nobody: it moves the stack
SCRATCH = "scratch"  # below the check's folder: what the present run prints
TIMEOUT_FREE_S, TIMEOUT_FACTOR = 30.0, 10.0  # beyond what a run takes; it gives up by itself long before


STUCK = "stuck"  # the record's exit reason: nothing moved for long


class Failed(Refused):
    """An arm does not do its work in a cell. `stuck`: it stood still, which a starved machine can do to it."""

    def __init__(self, sentence: str, arm: Arm, cell: Cell, stuck: bool) -> None:
        super().__init__(sentence)
        self.arm, self.cell, self.stuck = arm, cell, stuck


@dataclass(frozen=True)
class Order:
    """What is to be run, and how."""

    arm: Arm
    cell: Cell
    run_id: str
    seed: int
    padding: int
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self) -> list[str]:
        """All words of it."""
        words = [*with_plugin(self.cell.arguments, self.arm.plugin), "--run-id", self.run_id]
        if "--seed" not in self.cell.arguments:
            words += ["--seed", str(self.seed)]
        return [str(self.arm.program), "run", "--quiet", *words]


@dataclass(frozen=True)
class Run:
    """What is kept of it."""

    run_id: str
    values: dict[Metric, float]
    surroundings: Surroundings


def with_plugin(arguments: tuple[str, ...], plugin: Path | None) -> list[str]:
    """The cell's words with the arm's queue in place of its own, whose parameters it is given."""
    words = list(arguments)
    if plugin is None:
        return words
    if "--queue" not in words:
        return [*words, "--queue", str(plugin)]
    place = words.index("--queue") + 1
    words[place] = str(plugin) + "".join(words[place].partition(":")[1:])
    return words


def run(order: Order, folder: Path, interrupt: Interrupt) -> Run | None:
    """Runs it; None: it was broken off by the user. Raises Failed, with all it printed kept in the folder."""
    out, err = folder / SCRATCH / "run.out", folder / SCRATCH / "run.err"
    timeout_s = TIMEOUT_FREE_S + TIMEOUT_FACTOR * order.cell.run_s
    surrounding = {**os.environ, **order.environment, PADDING: "x" * order.padding}
    outcome = runner.execute(order.command(), out, err, timeout_s, interrupt, surrounding)
    if outcome.exit_reason == runner.INTERRUPTED:
        return None
    why = _fault(outcome, order, err, timeout_s)
    if why:
        kept = _kept(out, err, folder / f"failed-{order.run_id}")
        stuck = outcome.exit_reason in (STUCK, runner.TIMEOUT)
        raise Failed(f"{order.arm.label} {why}{kept}", order.arm, order.cell, stuck)
    record = outcome.record or {}
    return Run(order.run_id, values_of(record), surroundings_of(record))


def _kept(out: Path, err: Path, name: Path) -> str:
    """Keeps what a run printed, and says so."""
    try:
        shutil.copyfile(out, name.with_suffix(".out"))
        shutil.copyfile(err, name.with_suffix(".err"))
    except OSError as error:
        return f"; what it printed could not be kept: {os_reason(error)}"
    return f"; what it printed is kept as {name}.*"


def together(runs: Sequence[Run], name: str) -> Run:
    """Several runs of an arm as one: their typical values, of what all of them have."""
    if len(runs) == 1:
        return runs[0]
    common = set.intersection(*(set(run.values) for run in runs))
    kept = {metric: [run.values[metric] for run in runs] for metric in runs[0].values if metric in common}
    around = [run.surroundings for run in runs]
    return Run(
        name,
        {metric: typical(values) for metric, values in kept.items()},
        Surroundings(
            typical([one.before_ns for one in around]),
            typical([one.after_ns for one in around]),
            any(one.crowded for one in around),
        ),
    )


def typical(values: Sequence[float]) -> float:
    """The geometric mean of the middle half: one run in four may be hit by something, and hardly moves it.

    Of fewer than four values it is the mean of all. NaN, or 0, if one of them is: what a run does not say, the others
    do not cover up.
    """
    if not all(value > 0 for value in values):
        return min(values, key=lambda value: value > 0)
    cut = len(values) // 4
    return statistics.geometric_mean(sorted(values)[cut : len(values) - cut])


def values_of(record: dict[str, Any]) -> dict[Metric, float]:
    """All metrics that a record has."""
    found = {metric: _value(record, metric.column) for metric in Metric}
    return {metric: value for metric, value in found.items() if value is not None}


def surroundings_of(record: dict[str, Any]) -> Surroundings:
    """What it says of the machine."""
    before, after = (_value(record, f"sentinel_{edge}_ns") for edge in ("before", "after"))
    threads, cpus = _value(record, "threads") or 0, _value(record, "cpus_allowed") or 0
    known = {name: value for name, value in (("before_ns", before), ("after_ns", after)) if value is not None}
    return Surroundings(**known, crowded=bool(record.get("keep_awake")) or threads > cpus)


def _value(record: dict[str, Any], column: str) -> float | None:
    """A number of the record; "total.latency_p50_ns" is one of its latencies."""
    stage, _, name = column.rpartition(".")
    holder = (record.get("latency") or {}).get(stage) if stage else record
    value = holder.get(name) if holder else None
    return float(value) if isinstance(value, (int, float)) else None


def _fault(outcome: Outcome, order: Order, err: Path, timeout_s: float) -> str | None:
    """What is wrong with it, to stand behind the arm's name."""
    cell, reason, record = f"cell {order.cell.name}", outcome.exit_reason, outcome.record or {}
    if reason == runner.OK and record.get("run_id") != order.run_id:
        return f"fails {cell}: what it printed is no record of this run"
    if reason == runner.OK:
        return None if record.get("operations") else f"did nothing in {cell}: 0 operations"
    if reason == runner.REFUSED:
        return f"refuses {cell}: {_last_word(err)}"
    if reason == runner.TIMEOUT:
        return f"fails {cell}: it did not end within {timeout_s:.0f} s"
    detail = record.get("verdict_detail") or _last_word(err)
    return f"fails {cell}: {reason}{f', {detail}' if detail else ''}"


def _last_word(err: Path) -> str:
    """The program's sentence on standard error."""
    lines = err.read_text(encoding="utf-8", errors="replace").splitlines()
    named = [line.partition(": ")[2] for line in lines if line.startswith("readyq")]
    return named[0] if named else (lines[-1] if lines else "")

