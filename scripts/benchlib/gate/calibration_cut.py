# SPDX-License-Identifier: Apache-2.0
"""Cuts a long stream of blocks into whole checks, each decided as the gate decides.

A check takes the blocks that follow the last one's, in the order in which they were measured: those of a first look, of
a second only if that is not decided, and of a confirmation if a regression is suspected. No block is used twice, left
out or moved, so that a machine that drifts or jumps does to these checks what it does to real ones.

What the next block is for follows from the blocks so far, so that the stream can be measured as it is cut. That is
needed where the arms are two builds of one commit: there each check, and each confirmation, has a layout of its own, as
it would have in use. Were a layout kept for several checks, these would fail together or not at all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchlib.errors import Refused
from benchlib.gate import decide
from benchlib.gate.model import Block, Judged, Outcome, Phase, Test, Thresholds


@dataclass(frozen=True)
class Sizes:
    """Blocks of each look; the second's come on top."""

    first: int
    second: int


@dataclass(frozen=True)
class Want:
    """What the next block is for. `layout` counts the pairs of arms that were needed before."""

    check: int  # from 1
    phase: Phase
    layout: int  # from 0


@dataclass(frozen=True)
class Whole:
    """A check that is done. `began` and `ended`: its first and last block, counted from 0 in the stream."""

    number: int
    outcome: Outcome
    reason: str
    began: int
    ended: int
    judged: tuple[Judged, ...]
    confirmed: tuple[Judged, ...]
    advisory: tuple[Judged, ...]

    @property
    def suspected(self) -> bool:
        """Whether it came to a confirmation."""
        return any(judged.outcome is Outcome.REGRESSION for judged in self.judged)


class Cutter:
    """Takes block after block. `finished` are the checks so far, `want` is what the next block is for."""

    def __init__(self, tests: Sequence[Test], thresholds: Thresholds, sizes: Sizes) -> None:
        self._gated = [test for test in tests if test.gated]
        self._advisory = [test for test in tests if not test.gated]
        self._thresholds = thresholds
        self._sizes = sizes
        self._place = 0
        self.finished: list[Whole] = []
        self.want = Want(1, Phase.FIRST, 0)
        self._begin()

    def _begin(self) -> None:
        self._began = self._place
        self._looked: list[Block] = []
        self._part: list[Block] = []
        self._judged: tuple[Judged, ...] = ()
        self._needed = self._sizes.first

    def feed(self, block: Block) -> Whole | None:
        """The next block of the stream. Returns the check that it ends, if it does."""
        if block.phase is not self.want.phase:
            raise Refused(
                f"block {self._place + 1} is of the phase {block.phase.value}, but by the blocks before it one of the "
                f"phase {self.want.phase.value} was due: something was changed since it was measured"
            )
        self._place += 1
        self._part.append(block)
        count = len(self.finished)
        if self._too_noisy():
            self._finish(Outcome.INVALID, decide.disturbed((*self._earlier, *self._part), self._thresholds))
        elif sum(not one.vetoed for one in self._part) >= self._needed:
            self._confirmed() if self.want.phase is Phase.CONFIRM else self._look()
        return self.finished[-1] if len(self.finished) > count else None

    def _too_noisy(self) -> bool:
        """Whether the share of vetoed blocks will be too large, however the rest of this part turns out."""
        vetoed = sum(one.vetoed for one in (*self._earlier, *self._part))
        usable = sum(not one.vetoed for one in self._earlier) + self._needed
        return vetoed > self._thresholds.most_vetoed * (vetoed + usable)

    @property
    def _earlier(self) -> list[Block]:
        """Blocks that count together with this part's."""
        return [] if self.want.phase is Phase.CONFIRM else self._looked

    def _look(self) -> None:
        second = self.want.phase is Phase.SECOND
        self._looked += self._part
        self._part = []
        self._judged = decide.look(self._gated, self._looked, self._thresholds, 2 if second else 1)
        last = second or self._sizes.second == 0
        decided = decide.overall(self._judged, self._looked, self._thresholds, last)
        if not decided:
            self._needed = self._sizes.second
            self.want = Want(self.want.check, Phase.SECOND, self.want.layout)
        elif decided[0] is Outcome.REGRESSION:
            self._needed = (max(judged.pairs for judged in self._judged) + 1) // 2
            self.want = Want(self.want.check, Phase.CONFIRM, self.want.layout + 1)
        else:
            self._finish(*decided)

    def _confirmed(self) -> None:
        suspects = [judged.test for judged in self._judged if judged.outcome is Outcome.REGRESSION]
        confirmed = decide.confirm(suspects, self._part, self._thresholds)
        self._finish(*decide.settled(self._judged, confirmed, "of the blocks that followed"), confirmed)

    def _finish(self, outcome: Outcome, reason: str, confirmed: tuple[Judged, ...] = ()) -> None:
        looked = self._looked or self._part
        usable = any(not block.vetoed for block in looked)
        advisory = decide.advise(self._advisory, looked, self._thresholds) if self._advisory and usable else ()
        number = self.want.check
        self.finished.append(
            Whole(number, outcome, reason, self._began, self._place - 1, self._judged, confirmed, tuple(advisory))
        )
        self.want = Want(number + 1, Phase.FIRST, self.want.layout + 1)
        self._begin()


def cut(blocks: Iterable[Block], tests: Sequence[Test], thresholds: Thresholds, sizes: Sizes) -> Cutter:
    """A Cutter that has taken these blocks."""
    cutter = Cutter(tests, thresholds, sizes)
    for block in blocks:
        cutter.feed(block)
    return cutter
