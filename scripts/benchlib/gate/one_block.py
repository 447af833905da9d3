# SPDX-License-Identifier: Apache-2.0
"""One attempt at a block: sentinel, every pair in its order, sentinel; and whether the environment vetoes it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchlib.gate import accounts, one_run, veto
from benchlib.gate.accounts import Accounts, Passed
from benchlib.gate.block_order import Chance, Slot, block_order, in_turn, pair_chances
from benchlib.gate.model import Arm, Block, Cell, Pair, Phase, Sentinels
from benchlib.gate.one_run import Order, Run
from benchlib.gate.veto import Facts, Rules
from benchlib.interrupt import Interrupt

Environments = Mapping[str, Mapping[str, str]]  # by arm, and by arm and cell: "B", "B:pairs"


@dataclass(frozen=True)
class Means:
    """With what blocks are measured, the same for all of a measurement."""

    cells: Sequence[Cell]
    seed: int
    folder: Path
    interrupt: Interrupt
    rules: Rules
    take_sentinel: Callable[[], Sentinels]
    read_accounts: Callable[[], Accounts]


@dataclass(frozen=True)
class Name:
    """Which attempt at which block."""

    phase: Phase
    number: int
    attempt: int

    def __str__(self) -> str:
        return f"{self.phase.value}-{self.number:03}-{self.attempt}"


@dataclass
class Attempt:
    """A block under way. `pairs` are those that stand, `again` those that straddled two regimes."""

    means: Means
    name: Name
    arms: tuple[Arm, Arm]
    environments: Environments
    pairs: list[Pair] = field(default_factory=list)
    again: list[Pair] = field(default_factory=list)
    runs: dict[str, list[float]] = field(default_factory=dict)  # the sentinels of each run
    crowded: bool = False
    started: str = ""
    before: Sentinels | None = None

    def measure(self, spins: Sequence[float]) -> tuple[Block, Passed] | None:
        """All of it; None: broken off by the user. Raises one_run.Failed. `spins` are the check's until now."""
        means = self.means
        self.started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        began = time.monotonic()
        self.before = means.take_sentinel()
        opened = means.read_accounts()
        try:
            for slot in block_order(means.seed, str(self.name), [cell.name for cell in means.cells]):
                if not self._slot(slot):
                    return None
                if self._unsettled():
                    break
        except one_run.Failed as failure:
            return self._starved(failure, accounts.between(opened, means.read_accounts()), time.monotonic() - began)
        passed = accounts.between(opened, means.read_accounts())
        after = means.take_sentinel()
        if means.interrupt.at_once:
            return None
        facts = Facts(self.before, after, spins, passed, len(self.again), self.crowded)
        return self.block(after, veto.judge(facts, means.rules), time.monotonic() - began), passed

    def _starved(self, failure: one_run.Failed, passed: Passed, wall_s: float) -> tuple[Block, Passed]:
        """Vetoed, where a run stood still while others had the CPUs; every other failure is the arm's own."""
        before = self.before or self.means.take_sentinel()
        facts = Facts(before, before, [], passed, 0, self.crowded)
        evidence = veto.judge(facts, self.means.rules) if failure.stuck else ()
        if not evidence:
            raise failure
        return self.block(before, (*evidence, str(failure)), wall_s), passed

    def block(self, after: Sentinels, evidence: tuple[str, ...] = (), wall_s: float = 0.0) -> Block:
        """What is there of it."""
        return Block(
            self.name.phase,
            self.name.number,
            self.name.attempt,
            tuple(self.pairs),
            self.before or after,
            after,
            evidence,
            self.started,
            wall_s,
        )

    def _unsettled(self) -> bool:
        """More pairs straddled than may be measured again: the block is vetoed, so its rest need not be measured."""
        return len(self.again) > self.means.rules.pairs_again

    def _slot(self, slot: Slot) -> bool:
        """One pair, measured again when it straddles. Whether the user lets us go on."""
        place = len(self.pairs) + 1
        runs_wanted = self._cell(slot).runs
        for tried, chances in enumerate(pair_chances(self.means.seed, str(self.name), slot, runs_wanted), 1):
            runs = self._runs(slot, chances, f"{self.name}-{place:02}-{tried}")
            if runs is None:
                return False
            pair = _pair(slot, runs)
            if not veto.straddle(runs["A"].surroundings, runs["B"].surroundings, self.means.rules.regime_factor):
                self.pairs.append(pair)
                return True
            self.again.append(pair)
            if self._unsettled():
                return True
        raise AssertionError("chances do not end")

    def _runs(self, slot: Slot, chances: Sequence[Chance], stem: str) -> dict[str, Run] | None:
        """A's runs and B's, as one each; None: broken off by the user."""
        made: dict[str, list[Run]] = {"A": [], "B": []}
        for letter in in_turn(slot.order, len(chances)):
            number = len(made[letter])
            name = f"{stem}{letter}{number + 1 if len(chances) > 1 else ''}"
            run = self._run(self._order(slot, chances[number], letter, name))
            if run is None:
                return None
            made[letter].append(run)
        return {letter: one_run.together(runs, f"{stem}{letter}") for letter, runs in made.items()}

    def _run(self, order: Order) -> Run | None:
        if self.means.interrupt.requested:
            return None
        made = one_run.run(order, self.means.folder, self.means.interrupt)
        if made:
            around = made.surroundings
            self.runs[order.run_id] = [around.before_ns, around.after_ns]
            self.crowded |= around.crowded
        return made

    def _cell(self, slot: Slot) -> Cell:
        return next(cell for cell in self.means.cells if cell.name == slot.cell)

    def _order(self, slot: Slot, chance: Chance, letter: str, run_id: str) -> Order:
        arm, cell = self.arms["AB".index(letter)], self._cell(slot)
        mine = (self.environments.get(name, {}) for name in (letter, f"{letter}:{cell.name}"))
        environment = {name: value for part in mine for name, value in part.items()}
        return Order(arm, cell, run_id, chance.seed, chance.padding[letter], environment)


def _pair(slot: Slot, runs: Mapping[str, Run]) -> Pair:
    base, head = runs["A"], runs["B"]
    both = base.values.keys() & head.values.keys()
    kept = [{metric: value for metric, value in run.values.items() if metric in both} for run in (base, head)]
    return Pair(slot.cell, slot.order, kept[0], kept[1], base.run_id, head.run_id)
