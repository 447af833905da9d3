# SPDX-License-Identifier: Apache-2.0
"""Measures blocks until there are enough that the environment does not veto, and keeps each in the folder's journal.

A vetoed block is measured again as a whole, with another order. That has an end: once more blocks are vetoed than may
be, however good all others became, no further one is begun.
"""

import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchlib.errors import Refused
from benchlib.gate import accounts, veto
from benchlib.gate.accounts import Accounts
from benchlib.gate.block_journal import BlockJournal, made, number_line, pair_line, read_blocks
from benchlib.gate.model import Arm, Block, Cell, Phase, Sentinels, Test, Thresholds
from benchlib.gate.one_block import Attempt, Environments, Means, Name
from benchlib.gate.one_run import SCRATCH
from benchlib.gate.sentinels import SILENT, Frozen
from benchlib.gate.veto import Rules
from benchlib.interrupt import Interrupt

__all__ = ["Measurement", "read_blocks", "told"]


class Measurement:
    """The measuring side of a check. With `resume` it goes on after the last block of the folder.

    `interrupted`: the user wants no more; `given_up`: why no further block was tried. What was measured until then is
    returned as ever.
    """

    def __init__(
        self,
        arms: tuple[Arm, Arm],
        cells: Sequence[Cell],
        tests: Sequence[Test],
        seed: int,
        folder: Path,
        interrupt: Interrupt,
        say: Callable[[str], None],
        *,
        resume: bool = False,
        rules: Rules | None = None,
        most_vetoed: float = Thresholds.most_vetoed,
        on_block: Callable[[Block], None] | None = None,
        take_sentinel: Callable[[], Sentinels] | None = None,
        read_accounts: Callable[[], Accounts] = accounts.read,
    ) -> None:
        check = {
            "seed": seed,
            "cells": {cell.name: told(cell) for cell in cells},
            "arms": [arm.sha256 for arm in arms],
        }
        self._journal = BlockJournal(folder, check, resume)
        self._arms, self._tests, self._say = arms, tests, say
        self._most_vetoed, self._on_block = most_vetoed, on_block
        self._interrupt = interrupt
        self._scratch = folder / SCRATCH
        self.given_up: str | None = None
        try:
            made(self._scratch)
            take = take_sentinel or Frozen(self._scratch, interrupt).take
        except BaseException:
            self.close()
            raise
        self._means = Means(cells, seed, folder, interrupt, rules or Rules(), take, read_accounts)

    @property
    def measured(self) -> Sequence[Block]:
        """All blocks of the folder."""
        return self._journal.blocks

    @property
    def interrupted(self) -> bool:
        """Whether the user asked to stop."""
        return self._interrupt.requested

    def close(self) -> None:
        """Gives the folder free, with what is to be kept in it."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._journal.close()

    def blocks(
        self,
        phase: Phase,
        count: int,
        arms: tuple[Arm, Arm] | None = None,
        environments: Environments | None = None,
        earlier: Sequence[Block] = (),
    ) -> list[Block]:
        """Measures until `count` more blocks of that phase count; every attempt. Raises one_run.Failed.

        `earlier`: blocks whose vetoes are judged together with those of these, as a second look's with the first's.
        """
        done: list[Block] = []
        self.given_up = None
        name = self._next(phase)
        while self._short_of(done, count, earlier) and not self.interrupted:
            block = self._block(name, arms or self._arms, environments or {})
            if block is None:
                break
            done.append(block)
            if self._on_block:
                self._on_block(block)
            name = _after(block)
            if block.vetoed:
                self._say(f"{phase.value} block {block.number} is vetoed: {'; '.join(block.evidence)}")
        return done

    def _short_of(self, done: Sequence[Block], count: int, earlier: Sequence[Block]) -> bool:
        """Whether more are to be tried for."""
        if sum(not block.vetoed for block in done) >= count:
            return False
        tried = [*earlier, *done]
        vetoed = sum(block.vetoed for block in tried)
        wanted = count + sum(not block.vetoed for block in earlier)
        self.given_up = veto.hopeless(vetoed, len(tried), wanted, self._most_vetoed, self._means.rules)
        return self.given_up is None

    def _next(self, phase: Phase) -> Name:
        """The first that is not in the journal."""
        earlier = [block for block in self.measured if block.phase is phase]
        return _after(earlier[-1]) if earlier else Name(phase, 1, 1)

    def _block(self, name: Name, arms: tuple[Arm, Arm], environments: Environments) -> Block | None:
        attempt = Attempt(self._means, name, arms, environments)
        try:
            measured = attempt.measure(self._spins())
        except Refused as refusal:
            self._journal.append_unfinished(attempt.block(SILENT), str(refusal))
            raise
        if measured is None:
            self._journal.append_unfinished(attempt.block(SILENT), "interrupted")
            return None
        block, passed = measured
        more = {
            "arms": [arm.sha256 for arm in arms],
            "again": [pair_line(pair) for pair in attempt.again],
            "runs": {run: [number_line(value) for value in around] for run, around in attempt.runs.items()},
        }
        self._journal.append(block, passed, more)
        self._check_gated(block)
        return block

    def _spins(self) -> list[float]:
        """What the frozen spin took until now in this check."""
        taken = [edge.spin_ns for block in self.measured for edge in (block.before, block.after)]
        return [value for value in taken if not math.isnan(value)]

    def _check_gated(self, block: Block) -> None:
        """Refuses a gated metric that no pair of a whole block has: the check could never judge it."""
        for test in () if block.vetoed else self._tests:
            pairs = [pair for pair in block.pairs if pair.cell == test.cell]
            if test.gated and not any(test.metric in pair.base for pair in pairs):
                raise Refused(
                    f'cell "{test.cell}" has no {test.metric.label} in the records of both arms, so that it cannot be '
                    "gated; take it out of the gate's file"
                )


def told(cell: Cell) -> dict[str, Any]:
    """By what a journal knows a cell again."""
    return {"runs": cell.runs, "arguments": list(cell.arguments)}


def _after(block: Block) -> Name:
    """A vetoed block is tried again."""
    if block.vetoed:
        return Name(block.phase, block.number, block.attempt + 1)
    return Name(block.phase, block.number + 1, 1)

