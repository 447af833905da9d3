# SPDX-License-Identifier: Apache-2.0
"""The kinds of calibration: what A and B are, and what goes on beside them."""

import contextlib
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from benchlib.errors import Refused, os_reason
from benchlib.gate import arms, relink
from benchlib.gate.model import Arm, Cell
from benchlib.gate.neighbour import Neighbour
from benchlib.gate.one_run import Failed
from benchlib.gate.veto import Rules
from benchlib.interrupt import Interrupt
from benchlib.program import Program

VARIABLE = "READYQ_INJECT"
INJECTED = ("-DREADYQ_INJECT=ON",)
MARK = "+inject"  # in the build that a program says it is
SEED_BITS = 31
ONE_TRY = Rules(blocks_least=1)  # a vetoed block is ours to count, and not redone unseen
Say = Callable[[str], None]
Pair = tuple[Arm, Arm]


@dataclass(frozen=True)
class Kind:
    """`inject`: the part of READYQ_INJECT that B gets, with how the cells share it; "" where nothing is injected."""

    name: str
    about: str
    inject: str = ""
    level: float | None = None  # the default, in per cent
    together: bool = False  # one amount for all cells

    def folder(self, level: float | None) -> str:
        """The name of the stream's folder."""
        return f"{self.name}-{level:g}" if self.name == "power" else self.name

    @property
    def is_alike(self) -> bool:
        """Whether A and B are equally fast, so that a regression is a false alarm."""
        return not self.inject


KINDS = {
    kind.name: kind
    for kind in (
        Kind("same", "the same program twice"),
        Kind("builds", "two builds of one commit, their objects linked in different orders"),
        Kind("neighbour", "the same program twice, beside a busy loop that comes and goes on one CPU"),
        Kind("power", "every dequeue slowed down", "spin", 5.0),
        Kind("tail", "rare dequeues delayed by much, which move the mean by the level", "tail", 1.0),
        Kind("contention", "more read-modify-writes of a line that all threads share, one number for all cells",
             "contend", 10.0, True),
    )
}  # fmt: skip


class Arms:
    """Gives the arms of each layout. Only `builds` has more than one; the last one's programs are thrown away."""

    def __init__(self, kind: Kind, given: str, seed: int, work: Path, say: Say, interrupt: Interrupt) -> None:
        self._kind, self._given, self._seed = kind, given, seed
        self._work, self._say, self._interrupt = work, say, interrupt
        options = INJECTED if kind.inject else ()
        base = arms.one(given, arms.LABELS[0], work=work, say=say, interrupt=interrupt, options=options)
        self.base = base
        self._twice = (base, replace(base, label=arms.LABELS[1]))
        self._linked: tuple[int, Pair] | None = None

    def check(self, cells: tuple[Cell, ...]) -> str:
        """Refuses a program that cannot run the cells or, where something is to be injected, cannot inject.

        Returns the machine's name.
        """
        arms.preflight(self.base, cells)
        record = Program(self.base.program).resolve(arms.words(self.base, cells[0]))
        if self._kind.inject and MARK not in record["build"]:
            raise Refused(
                f"{self._given} is a build that injects nothing (its build is {record['build']}); name a commit or "
                "sources, or a program built with -DREADYQ_INJECT=ON"
            )
        return str(record["machine"])

    def of(self, layout: int) -> Pair:
        """A and B."""
        if self._kind.name != "builds":
            return self._twice
        if not self._linked or self._linked[0] != layout:
            self.drop()
            drawn = random.Random(f"{self._seed}:{layout}")
            seeds = drawn.getrandbits(SEED_BITS), drawn.getrandbits(SEED_BITS)
            pair = relink.two_orders(self.base, seeds, self._work, self._interrupt)
            self._linked = (layout, pair)
        return self._linked[1]

    def drop(self) -> None:
        """Throws away what was linked last: each layout is used once."""
        for arm in self._linked[1] if self._linked else ():
            if arm.program.is_relative_to(self._work.resolve() / relink.FOLDER):
                shutil.rmtree(arm.program.parent, ignore_errors=True)
        self._linked = None


def environments(texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """For Measurement.blocks: what B's processes have in their environment, by cell."""
    return {f"B:{cell}": {VARIABLE: text} for cell, text in texts.items() if text}


@contextlib.contextmanager
def scratch(work: Path, prefix: str) -> Iterator[Path]:
    """A folder to measure in. It stays if a run failed, with what that printed; its blocks are elsewhere by then."""
    try:
        work.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=work, prefix=prefix))
    except OSError as error:
        raise Refused(f"cannot make a folder in {work}: {os_reason(error)}") from error
    try:
        yield folder
    except Failed:
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def beside(kind: Kind, seed: int) -> AbstractContextManager[object]:
    """What goes on while blocks are measured."""
    return Neighbour(seed) if kind.name == "neighbour" else contextlib.nullcontext()
