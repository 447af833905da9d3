# SPDX-License-Identifier: Apache-2.0
"""A machine of which all is known: it gives blocks of pairs with the noise and the slowdown that a test asks for."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchlib.gate.model import Arm, Block, Cell, Metric, Pair, Phase, Sentinels, Test

CELLS = tuple(Cell(name, {}, ("--workload", name, "--duration", "300ms"), 0.5) for name in ("one", "two"))
TESTS = (
    Test("one", Metric.THROUGHPUT),
    Test("two", Metric.THROUGHPUT),
    Test("two", Metric.CPU),
    Test("one", Metric.MEMORY, False),
)
RATE = {"one": 100e6, "two": 1e6}  # operations a second of A
CALM = Sentinels(1000.0, 80.0)
BLOCK_S = 6.0


def arm(label: str, sha: str) -> Arm:
    """One that nobody runs."""
    return Arm(label, "HEAD", Path("/nowhere"), "0123456789ab", sha, sha)


@dataclass
class Machine:
    """`per_step`: slowdown in per cent by a step of spin, in each cell, after the `hidden` ones."""

    seed: int = 1
    noise: float = 0.02  # standard deviation of a pair's log ratio
    bias: float = 0.0  # of B, in per cent, without any injection
    layouts: float = 0.0  # standard deviation of the log ratio of two builds, drawn anew for each
    vetoes: float = 0.0  # chance that a block is vetoed
    per_step: Mapping[str, float] = field(default_factory=lambda: {"one": 0.02, "two": 0.001})
    hidden: Mapping[str, float] = field(default_factory=lambda: {"one": 0.0, "two": 0.0})
    measured: int = 0
    injected: list[Mapping[str, str]] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)  # that the orders of runs were drawn from, one a measurement

    def block(self, phase: Phase, arms: tuple[Arm, Arm], environments: Mapping[str, Mapping[str, str]]) -> Block:
        """The next one. It depends on the seed and on how many were before, and on nothing else that is random."""
        self.measured += 1
        chance = random.Random(f"{self.seed}:{self.measured}")
        evidence = ("a neighbour",) if chance.random() < self.vetoes else ()
        texts = {cell.name: environments.get(f"B:{cell.name}", {}).get("READYQ_INJECT", "") for cell in CELLS}
        self.injected.append(texts)
        pairs = tuple(
            self._pair(cell, order, self._slower(cell, texts[cell], arms), chance)
            for order in ("AB", "BA")
            for cell in RATE
        )
        return Block(phase, 1, 1, pairs, CALM, CALM, evidence, "2026-01-01T00:00:00Z", BLOCK_S)

    def _slower(self, cell: str, text: str, arms: tuple[Arm, Arm]) -> float:
        """The log ratio that is true."""
        steps = float(text.removeprefix("spin=")) if text.startswith("spin=") else 0.0
        percent = self.per_step[cell] * max(0.0, steps - self.hidden[cell])
        drawn = random.Random(f"{arms[0].sha256}:{arms[1].sha256}:{cell}").gauss(0, self.layouts)
        bias = math.log1p(self.bias / 100) if arms[0].label != arms[1].label else 0.0
        return math.log1p(percent / 100) + drawn * (arms[0].sha256 != arms[1].sha256) + bias

    def _pair(self, cell: str, order: str, true: float, chance: random.Random) -> Pair:
        ratio = math.exp(true + chance.gauss(0, self.noise))
        rate = RATE[cell] * math.exp(chance.gauss(0, 0.1))
        base, head = (
            {Metric.THROUGHPUT: value, Metric.CPU: 1e9 / value, Metric.MEMORY: 1e6} for value in (rate, rate / ratio)
        )
        return Pair(cell, order, base, head, "a", "b")

    def measurement(self, *given: Any, **__: Any) -> "Measurement":
        """In place of that of benchlib.gate.measure."""
        self.seeds.append(given[3])
        return Measurement(self)


class Measurement:
    """Measures on a known machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def blocks(
        self, phase: Phase, count: int, *, arms: tuple[Arm, Arm], environments: Mapping[str, Mapping[str, str]]
    ) -> list[Block]:
        """One attempt at each."""
        return [self._machine.block(phase, arms, environments) for _ in range(count)]

    def close(self) -> None:
        """Nothing is open."""


class Arms:
    """In place of that of benchlib.gate.calibration_kinds."""

    def __init__(self, kind: Any, *_: Any) -> None:
        self._kind = kind
        self.base = arm("BASE", "program")
        self.asked: list[int] = []

    def check(self, cells: Any) -> str:
        """The machine's name."""
        return "fake-2cpu"

    def drop(self) -> None:
        """Nothing was linked."""

    def of(self, layout: int) -> tuple[Arm, Arm]:
        """Two builds differ by layout; else the arms are one program."""
        self.asked.append(layout)
        if self._kind.name == "builds":
            return arm("BASE", f"a{layout}"), arm("HEAD", f"b{layout}")
        return arm("BASE", "program"), arm("HEAD", "program")
