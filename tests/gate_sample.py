# SPDX-License-Identifier: Apache-2.0
"""Reports of the regression gate made up by hand, for the tests of what is written from them."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchlib.gate.model import (
    Arm, Block, Cell, Count, Judged, Metric, Outcome, Pair, Phase, Report, Sentinels, Test, Thresholds,
)  # fmt: skip

PAIRS = Test("pairs", Metric.THROUGHPUT)
ONE_TO_ONE = Test("one-to-one", Metric.THROUGHPUT)
CPU = Test("pool", Metric.CPU)
P99 = Test("pool", Metric.P99, gated=False)
TESTS = (PAIRS, ONE_TO_ONE, CPU, P99)
CELLS = (
    Cell("pairs", {"workload": "pairs", "workload.threads": 1, "queue": "erts_mpsc"}, ("--workload", "pairs"), 0.5),
    Cell("one-to-one", {"workload": "producer_consumer", "queue": "erts_mpsc"}, ("--workload", "x"), 0.5, 12),
    Cell("pool", {"workload": "closed_loop", "pool": "erts"}, ("--workload", "closed_loop"), 0.5),
)
QUIET = Sentinels(1000.0, 80.0)
DISTURBED = Sentinels(9000.0, 900.0)
STEAL = "the hypervisor kept back 3.10 % of the CPUs' time (more than 1 %)"


def arm(label: str, **more: Any) -> Arm:
    """An arm that was built from a commit."""
    same = {"given": "main" if label == "BASE" else "HEAD", "commit": ("b" if label == "BASE" else "a") * 40,
            "program": Path(f"/elsewhere/{label}/readyq"), "tree": Path(f"/elsewhere/{label}")}  # fmt: skip
    hashes = {"sha256": ("1" if label == "BASE" else "2") * 64, "code_sha256": ("3" if label == "BASE" else "4") * 64}
    return Arm(label, **(same | hashes | more))


def judged(test: Test, outcome: Outcome, percent: float, low: float, high: float, **more: Any) -> Judged:
    same = {"pairs": 40, "look": 1, "p_value": 0.5, "level": 0.0005, "detectable_percent": 3.5}
    return Judged(test, outcome, percent=percent, low_percent=low, high_percent=high, **(same | more))


def pair(cell: str, base: dict[Metric, float], head: dict[Metric, float], order: str = "AB") -> Pair:
    return Pair(cell, order, base, head, "base-run", "head-run")


def block(phase: Phase, number: int, pairs: Sequence[Pair] = (), **more: Any) -> Block:
    """A block in which the machine kept quiet."""
    same = {"attempt": 1, "before": QUIET, "after": QUIET, "wall_s": 5.0, "started": "2026-01-02T03:04:05Z"}
    return Block(phase, number, pairs=tuple(pairs), **(same | more))


def blocks() -> list[Block]:
    """Two of the pilot, four that count, and one that was vetoed and made again."""
    runs = [pair("pairs", {Metric.THROUGHPUT: 100e6}, {Metric.THROUGHPUT: 99e6}, order) for order in ("AB", "BA")]
    found = [block(Phase.PILOT, number, runs) for number in (1, 2)]
    found += [block(Phase.FIRST, number, runs) for number in (1, 2, 3, 4)]
    spoilt = block(Phase.FIRST, 5, runs, evidence=(STEAL,), before=DISTURBED, after=DISTURBED)
    return [*found, spoilt, block(Phase.FIRST, 5, runs, attempt=2)]


def passed() -> Report:
    """Nothing is slower."""
    return Report(
        outcome=Outcome.PASS, reason="no gated test is slower by 5 %", base=arm("BASE"), head=arm("HEAD"),
        thresholds=Thresholds(),
        judged=(
            judged(PAIRS, Outcome.PASS, 0.31, -0.4, 1.21), judged(ONE_TO_ONE, Outcome.PASS, -1.5, -3.25, 2.0),
            judged(CPU, Outcome.PASS, 0.0, -0.5, 0.5, level=0.002),
        ),
        confirmed=(),
        advisory=(judged(P99, Outcome.INCONCLUSIVE, 7.5, -math.inf, 160.0, warnings=("few pairs",)),),
        counts=(Count("pairs erts_mpsc: instructions an operation", 57.0, 57.0),
                Count("pool erts: wakes", 3.0, 3.0)),
        blocks=blocks(), seed=42, machine="made-up-2cpu", started="2026-01-02T03:04:05Z", wall_s=372.0,
        notes=("planned for 10 min: 40 pairs",), cells=CELLS,
    )  # fmt: skip


def regressed() -> Report:
    """One test is slower, and was so again; another had only looked so."""
    suspects = (judged(PAIRS, Outcome.REGRESSION, 6.3, 4.4, 8.1, p_value=1e-9),
                judged(ONE_TO_ONE, Outcome.REGRESSION, 5.0, 2.1, 9.0), judged(CPU, Outcome.PASS, 0.0, -0.5, 0.5))
    again = (judged(PAIRS, Outcome.REGRESSION, 5.9, 3.8, 7.7), judged(ONE_TO_ONE, Outcome.PASS, 0.2, -1.0, 1.5))
    counts = (Count("pairs erts_mpsc: instructions an operation", 57.0, 61.0, "callgrind"),
              Count("pool erts: wakes", 3.0, 3.0), Count("pool erts: allocations", None, 0.0))  # fmt: skip
    reason = "pairs/throughput became slower, and again in a second measurement"
    return replace(passed(), outcome=Outcome.REGRESSION, reason=reason, judged=suspects, confirmed=again, counts=counts)


def undecided() -> Report:
    found = (judged(PAIRS, Outcome.INCONCLUSIVE, 3.0, -1.0, 7.0, look=2), judged(CPU, Outcome.PASS, 0.0, -0.5, 0.5))
    return replace(passed(), outcome=Outcome.INCONCLUSIVE, reason="pairs/throughput may be slower or not", judged=found)


def invalid() -> Report:
    """Nothing could be measured."""
    vetoed = [block(Phase.PILOT, 1, attempt=attempt, evidence=(STEAL, "load")) for attempt in (1, 2)]
    return replace(passed(), outcome=Outcome.INVALID, reason="2 of 2 blocks were vetoed", judged=(), advisory=(),
                   counts=(), blocks=vetoed)  # fmt: skip


def identical() -> Report:
    same = "both arms have the same machine code, so nothing was measured"
    return replace(invalid(), outcome=Outcome.IDENTICAL, reason=same, blocks=(), notes=())


ALL = (passed, regressed, undecided, invalid, identical)
