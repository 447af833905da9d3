#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the tables of pairs in this folder, of which the gate must say what their names say.

These pairs are made, not measured: their log ratios are drawn from a seeded generator around a slowdown that is known.
Run it to make them anew; a test holds the files against it.
"""

import random
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

from benchlib.gate import decide, pairs_file  # noqa: E402
from benchlib.gate.model import Block, Metric, Phase, Test  # noqa: E402
from made_blocks import blocks  # noqa: E402

GATED = (
    Test("pairs", Metric.THROUGHPUT),
    Test("one-to-one", Metric.THROUGHPUT),
    Test("pool", Metric.THROUGHPUT),
    Test("pool", Metric.CPU),
)
ADVISORY = (Test("pool", Metric.P99, gated=False),)
PAIRS = 20
SPREAD = 0.015


def drawn(chance: random.Random, percent: float, spread: float, pairs: int = PAIRS) -> list[float]:
    """Log ratios around a slowdown, skewed as runs are: now and then one that takes much longer."""
    centre = decide.logarithm(percent)
    return [centre + chance.gauss(0, spread) + (5 * spread if chance.random() < 0.03 else 0) for _ in range(pairs)]


def phase_of(
    chance: random.Random, phase: Phase, slower: dict[str, float], spread: float = SPREAD, vetoed: Sequence[int] = ()
) -> list[Block]:
    """One phase; `slower`: in per cent by the test's name, else not at all."""
    ratios = {test: drawn(chance, slower.get(test.name, 0.0), spread) for test in GATED}
    ratios |= {test: drawn(chance, 0.0, 4 * spread) for test in ADVISORY}
    return blocks(ratios, phase, vetoed)


def everything() -> dict[str, list[Block]]:
    """The blocks of each file."""
    slow = {"one-to-one/throughput": 8.0}
    doubtful = {"pool/cpu": 3.5}
    chance = random.Random(7)
    return {
        "pass": phase_of(chance, Phase.FIRST, {}),
        "regression": phase_of(chance, Phase.FIRST, slow) + phase_of(chance, Phase.CONFIRM, slow),
        "inconclusive": phase_of(chance, Phase.FIRST, doubtful, 0.06) + phase_of(chance, Phase.SECOND, doubtful, 0.06),
        "invalid": phase_of(chance, Phase.FIRST, {}, vetoed=(2, 7, 9)),
    }


def main(folder: Path = HERE) -> None:
    """Writes them."""
    for name, made in everything().items():
        pairs_file.write(folder / f"{name}.csv", GATED + ADVISORY, made)


if __name__ == "__main__":
    main()
