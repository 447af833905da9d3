# SPDX-License-Identifier: Apache-2.0
"""How much to inject so that a cell becomes slower by a given share: found by measuring, for the processor hides part.

It overlaps added arithmetic with what it waits for anyway, a consumer that is faster than its producer has time to
spare, and a read-modify-write costs what other threads make it cost. So nothing is computed from a nominal cost. The
amount grows until the slowdown is more than wanted; then halves of the way show where it begins to be felt; then
secants lead to the level. All rounds near the last amount count together, each moved along the secant to it, until the
level is known to LEVEL_POINTS or time is up.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchlib import stats
from benchlib.errors import Refused
from benchlib.gate import decide
from benchlib.gate.model import Block, Metric, Test

LEVEL_POINTS = 0.3
ENOUGH_PERCENT = 10.0  # coarse steps go at least as far, or their noise would be taken for a slope
MOST = 64_000_000
FINE_BLOCKS, FINE_ROUNDS = 10, 8
FARTHEST = 3  # factor of a correction
WIDE_PERCENT, HALVINGS = 20.0, 4  # a secant over more than that is none
NEAR = 1.15  # factor between amounts that are counted together
TAIL_NS = 100_000  # a delay that a thread which lost its CPU would have
MILLION = 1_000_000

Measure = Callable[[Mapping[str, str], int], Sequence[Block]]  # what READYQ_INJECT is for each cell; blocks
Say = Callable[[str], None]


class Unsized(Refused):
    """This machine does not show, now, how much to inject."""


@dataclass(frozen=True)
class Steps:
    """How the amount grows, and how many blocks a step takes."""

    start: int
    growth: int
    blocks: int


CAREFUL, QUICK = Steps(16, 4, 2), Steps(4096, 8, 1)


@dataclass(frozen=True)
class Achieved:
    """Median slowdown of a test in per cent, with its interval of 95 %."""

    percent: float
    low: float
    high: float
    pairs: int

    @property
    def uncertain(self) -> float:
        """Half of the interval, in points; NaN where there is none."""
        return (self.high - self.low) / 2

    def told(self) -> dict[str, Any]:
        """As stream.json has it; nothing where it has no interval."""
        known = {"percent": self.percent, "low": self.low, "high": self.high}
        shown = {name: round(value, 3) for name, value in known.items() if math.isfinite(value)}
        return {"percent": None, "pairs": self.pairs} | shown


def achieved(blocks: Sequence[Block], test: Test) -> Achieved:
    """By how much B was slower than A."""
    found = stats.median(decide.values(blocks, test))
    return Achieved(*(decide.in_percent(value) for value in (found.value, found.low, found.high)), found.n)


@dataclass
class _Group:
    """Cells that are given one amount. Its slowdown is that of the cell which suffers most."""

    tests: tuple[Test, ...]  # the first gated one of each of its cells
    amount: int
    low: tuple[int, float] = (0, 0.0)  # the greatest amount that is known to be too little, and its slowdown
    high: tuple[int, float] | None = None  # the least that is known to be too much
    halvings: int = 0
    near: dict[Test, list[tuple[int, float]]] = field(default_factory=dict)  # pairs near the level: amount, slowdown
    rounds: list[dict[str, Any]] = field(default_factory=list)

    @property
    def cells(self) -> tuple[str, ...]:
        return tuple(test.cell for test in self.tests)

    def worst(self, blocks: Sequence[Block]) -> Achieved:
        """What was achieved, which is kept too."""
        found = max((achieved(blocks, test) for test in self.tests), key=lambda one: one.percent)
        self.rounds.append({"amount": self.amount} | found.told())
        return found

    def grow(self, blocks: Sequence[Block], level: float, growth: int) -> None:
        """One more step; after the last, the amount is the first guess."""
        found = self.worst(blocks)
        if math.isnan(found.percent):
            raise Unsized(f"cell {self.cells[0]} gave no pair to size the injection by")
        if found.percent >= (level if self.high else max(level, ENOUGH_PERCENT)):
            self.high = (self.amount, found.percent)
        elif found.percent < level and self.amount > self.low[0]:
            self.low = (self.amount, found.percent)
        if not self.high:
            self.amount *= growth
        elif self.is_wide(level):
            self.halvings += 1
            self.amount = (self.low[0] + self.high[0]) // 2
        else:
            self.amount = max(1, round(self.low[0] + (level - self.low[1]) / self._slope()))
        if self.amount > MOST:
            raise Unsized(f"cell {self.cells[0]} does not become slower by {level:g} %, whatever is injected")

    def is_wide(self, level: float) -> bool:
        """Whether too little and too much are too far apart for a line between them."""
        if not self.high:
            return True
        return self.high[1] - self.low[1] > max(WIDE_PERCENT, 2 * level) and self.halvings < HALVINGS

    def refine(self, blocks: Sequence[Block], level: float) -> Achieved:
        """Another amount, after one more round. Returns what all rounds together say of the one before."""
        found = self.worst(blocks)
        self._narrow(found, level)
        slope = self._slope()
        for test in self.tests:
            percents = [decide.in_percent(value) for value in decide.values(blocks, test)]
            self.near.setdefault(test, []).extend((self.amount, percent) for percent in percents)
        together = max((self._together(test, slope) for test in self.tests), key=lambda one: one.percent)
        if not math.isnan(together.percent):
            wanted = self.amount + (level - together.percent) / slope
            if self.high and found.high < level / 2:  # where nothing is felt yet a secant creeps
                wanted = max(wanted, (self.low[0] + self.high[0]) / 2)
            self.amount = max(1, round(min(max(wanted, self.amount / FARTHEST), self.amount * FARTHEST)))
        return together

    def _narrow(self, found: Achieved, level: float) -> None:
        """Notes what is surely too little or too much, by more than a round's noise."""
        assert self.high
        if self.low[0] < self.amount < self.high[0]:
            if found.high < level:
                self.low = (self.amount, found.percent)
            elif found.low > level:
                self.high = (self.amount, found.percent)

    def _together(self, test: Test, slope: float) -> Achieved:
        moved = [
            percent + slope * (self.amount - amount)
            for amount, percent in self.near[test]
            if self.amount / NEAR <= amount <= self.amount * NEAR  # farther off, no line is straight
        ]
        all_rounds = stats.median(moved)
        return Achieved(all_rounds.value, all_rounds.low, all_rounds.high, all_rounds.n)

    def _slope(self) -> float:
        """In per cent a unit, between too little and too much."""
        assert self.high
        return (self.high[1] - self.low[1]) / (self.high[0] - self.low[0])


def primary(tests: Sequence[Test]) -> dict[str, Test]:
    """Of each cell the test that is sized: its first gated one."""
    first: dict[str, Test] = {}
    for test in tests:
        if test.gated:
            first.setdefault(test.cell, test)
    return first


def size(
    word: str, tests: Sequence[Test], level: float, together: bool, measure: Measure, say: Say
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """What to inject into each cell for a slowdown of `level` per cent, and how it was found.

    `word` is the part of READYQ_INJECT that is sized. `together`: one amount for all cells, by the one that suffers
    most; else each cell has its own.
    """
    if level == 0:
        return dict.fromkeys(primary(tests), ""), []
    groups = _grown(word, tests, level, together, CAREFUL, measure, say)
    _refine(groups, word, level, measure, say)
    return _texts(groups, word), [{"cells": list(group.cells), "rounds": group.rounds} for group in groups]


def rough(word: str, tests: Sequence[Test], level: float, measure: Measure, say: Say) -> dict[str, str]:
    """About the same in less than a minute, without a promise; each cell has its own amount."""
    groups = _grown(word, tests, level, False, QUICK, measure, say)
    blocks = measure(_texts(groups, word), 2 * QUICK.blocks)
    for group in groups:
        group.refine(blocks, level)
    return _texts(groups, word)


def _grown(
    word: str, tests: Sequence[Test], level: float, together: bool, steps: Steps, measure: Measure, say: Say
) -> list[_Group]:
    """The groups, each with a first guess of its amount."""
    first = primary(tests)
    cells = [tuple(first)] if together else [(cell,) for cell in first]
    groups = [_Group(tuple(first[cell] for cell in of_one), steps.start) for of_one in cells]
    while any(group.is_wide(level) for group in groups):
        blocks = measure(_texts(groups, word), steps.blocks)
        for group in [group for group in groups if group.is_wide(level)]:
            group.grow(blocks, level, steps.growth)
        say(f"sizing: {_progress(groups)}")
    return groups


def _texts(groups: Sequence[_Group], word: str) -> dict[str, str]:
    return {cell: f"{word}={group.amount}" for group in groups for cell in group.cells}


def _refine(groups: Sequence[_Group], word: str, level: float, measure: Measure, say: Say) -> None:
    """Comes nearer, all groups at a time."""
    for _ in range(FINE_ROUNDS):
        blocks = measure(_texts(groups, word), FINE_BLOCKS)
        found = [group.refine(blocks, level) for group in groups]
        say(f"sizing for {level:g} %: {_progress(groups)}")
        if all(one.uncertain <= LEVEL_POINTS for one in found):
            return


def _progress(groups: Sequence[_Group]) -> str:
    last = [(", ".join(group.cells), group.rounds[-1]) for group in groups]
    return "; ".join(f"{cells}: {found['amount']} gives {found['percent']:+.1f} %" for cells, found in last)


def tail(tests: Sequence[Test], percent: float, blocks: Sequence[Block]) -> dict[str, str]:
    """Rare delays of TAIL_NS, as many as move the mean by `percent`; from what an operation takes without them."""
    texts = {}
    for cell, test in primary(tests).items():
        rates = [pair.base[Metric.THROUGHPUT] for block in blocks for pair in block.pairs
                 if pair.cell == cell and Metric.THROUGHPUT in pair.base]  # fmt: skip
        if not rates:
            raise Unsized(f"cell {test.cell} has no throughput, by which rare delays are sized")
        operation_ns = 1e9 / stats.median(rates).value
        often = round(MILLION * percent / 100 * operation_ns / TAIL_NS)
        texts[cell] = f"tail={min(MILLION, max(1, often))},{TAIL_NS}"
    return texts
