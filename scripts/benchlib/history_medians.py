# SPDX-License-Identifier: Apache-2.0
"""What a check says for the long run: the medians of both arms, with the frozen sentinels around the same runs.

Where CPUs exchange cache lines, a virtual machine has several speeds (benchlib/regimes.py), and the median of runs from
two of them is that of neither. So a cell of several threads gets a line for each regime that has enough of its runs;
blocks that straddle two regimes count for none.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from statistics import median, quantiles

import pandas

from benchlib import history_line, regimes
from benchlib.gate.model import Arm, Block, Cell, Phase, Report, Test
from benchlib.history_line import Line

LEAST_RUNS = 4  # of a regime that is not the commonest: fewer say too little for a line of their own
COMPARING = (Phase.FIRST, Phase.SECOND)  # the pilot has no HEAD, and what confirms is linked in another order
NO_SETTINGS = "unknown"


def lines(report: Report) -> list[Line]:
    """A line for each test, arm and regime; none where HEAD and BASE were not measured against each other."""
    cells = {cell.name: cell for cell in report.cells}
    sound = [block for block in report.blocks if block.phase in COMPARING and not block.vetoed]
    parted = _by_regime(sound)
    found = []
    for test in dict.fromkeys(one.test for one in (*report.judged, *report.advisory)):
        cell = cells.get(test.cell)
        parts = [sound] if one_thread(cell) else parted
        for arm in (report.base, report.head):
            settings = settings_hash(cell, arm)
            found += _of_arm(report, arm, test, parts, settings, one_thread(cell))
    return found


def one_thread(cell: Cell | None) -> bool:
    """Whether a cell is known to have one thread only, so that no cache line moves in it."""
    return cell is not None and cell.settings.get("workload.threads") == 1


def settings_hash(cell: Cell | None, arm: Arm) -> str:
    """By which one notices that a cell of this name once meant something else."""
    if cell is None:
        return NO_SETTINGS
    asked = cell.settings | ({"plugin": arm.plugin.name} if arm.plugin else {})
    if cell.runs > 1:
        asked |= {"runs": cell.runs}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def _by_regime(blocks: Sequence[Block]) -> list[list[Block]]:
    """The blocks of each regime; all in one where the sentinels know of none."""
    table = pandas.DataFrame({
        regimes.BEFORE: [block.before.round_trip_ns for block in blocks],
        regimes.AFTER: [block.after.round_trip_ns for block in blocks],
    }, dtype=float)  # fmt: skip
    known = regimes.find(table)
    if not known:
        return [list(blocks)]
    labels = list(regimes.label(table, known))
    return [[block for block, label in zip(blocks, labels, strict=True) if label == regime.name] for regime in known]


def _of_arm(
    report: Report, arm: Arm, test: Test, parts: Sequence[Sequence[Block]], settings: str, alone: bool
) -> Iterator[Line]:
    values = [_values(part, test, arm) for part in parts]
    most = max(map(len, values), default=0)
    for part, mine in zip(parts, values, strict=True):
        if mine and len(mine) >= min(LEAST_RUNS, most):
            yield Line(
                schema_version=history_line.SCHEMA_VERSION,
                recorded=report.started,
                machine=report.machine,
                arm=arm.label,
                commit=arm.commit,
                sha256=arm.file_sha256,
                cell=test.cell,
                metric=test.metric.label,
                settings=settings,
                one_thread=alone,
                n=len(mine),
                median=median(mine),
                spread=_spread(mine),
                spin_ns=_sentinel(part, "spin_ns"),
                round_trip_ns=_sentinel(part, "round_trip_ns"),
                seed=report.seed,
            )


def _values(blocks: Sequence[Block], test: Test, arm: Arm) -> list[float]:
    """What the arm's runs measured, one value a pair; a run without the metric says nothing."""
    measured = [pair.head if arm.label == "HEAD" else pair.base
                for block in blocks for pair in block.pairs if pair.cell == test.cell]  # fmt: skip
    values = [runs[test.metric] for runs in measured if test.metric in runs]
    return [value for value in values if math.isfinite(value) and value > 0]


def _spread(values: Sequence[float]) -> float | None:
    if len(values) < LEAST_RUNS:
        return None
    low, _, high = quantiles(values, n=4)
    return high - low


def _sentinel(blocks: Sequence[Block], name: str) -> float | None:
    values = [getattr(sentinels, name) for block in blocks for sentinels in (block.before, block.after)]
    known = [value for value in values if math.isfinite(value)]
    return median(known) if known else None
