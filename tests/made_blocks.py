# SPDX-License-Identifier: Apache-2.0
"""Blocks of pairs that were made, not measured: with the log ratios that a test wants them to have."""

import math
from collections.abc import Collection, Mapping, Sequence

from benchlib.gate.model import Block, Metric, Pair, Phase, Sentinels, Test

BASE = {Metric.THROUGHPUT: 2e7, Metric.CPU: 800.0, Metric.P50: 5e4, Metric.P99: 9e4, Metric.MEMORY: 8e6}
STOLEN = "1.3 % of the CPU time was stolen"
QUIET = Sentinels(1_000_000.0, 120.0)


def head_value(metric: Metric, base: float, log_ratio: float) -> float:
    """What HEAD measures beside BASE, for that logarithm of its cost over BASE's."""
    return base * math.exp(-log_ratio if metric.more_is_better else log_ratio)


def blocks(
    ratios: Mapping[Test, Sequence[float]], phase: Phase = Phase.FIRST, vetoed: Collection[int] = (), first: int = 1
) -> list[Block]:
    """Blocks of two pairs of each cell, numbered from `first`; NaN: the pair lacks that metric.

    A block whose number is in `vetoed` comes twice, the first attempt with evidence against it.
    """
    count = min(len(values) for values in ratios.values()) // 2
    made = []
    for index in range(count):
        number = first + index
        cells = dict.fromkeys(test.cell for test in ratios)
        pairs = tuple(_pair(ratios, cell, 2 * index + half, f"{phase}-{number}") for cell in cells for half in (0, 1))
        for attempt in (1, 2) if number in vetoed else (1,):
            evidence = (STOLEN,) if number in vetoed and attempt == 1 else ()
            began = f"2026-01-01T00:{number % 60:02}:{attempt:02}Z"
            made.append(Block(phase, number, attempt, pairs, QUIET, QUIET, evidence, began, 3.5))
    return made


def _pair(ratios: Mapping[Test, Sequence[float]], cell: str, index: int, where: str) -> Pair:
    base: dict[Metric, float] = {}
    head: dict[Metric, float] = {}
    for test, values in ratios.items():
        if test.cell == cell and not math.isnan(values[index]):
            base[test.metric] = BASE[test.metric]
            head[test.metric] = float(f"{head_value(test.metric, BASE[test.metric], values[index]):.12g}")
    order = "AB" if index % 2 == 0 else "BA"
    name = f"{where}-{cell}-{order}"
    return Pair(cell, order, base, head, f"{name}-A", f"{name}-B")
