# SPDX-License-Identifier: Apache-2.0
"""What tests of the calibration share: streams that are measured on a machine of which all is known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from gate_machine import CELLS, TESTS, Arms, Machine, arm

from benchlib.gate import calibration_session
from benchlib.gate.calibration_cut import Cutter, Sizes, Whole
from benchlib.gate.calibration_kinds import KINDS
from benchlib.gate.calibration_session import Question, Session
from benchlib.gate.calibration_stream import Stream
from benchlib.gate.gate_file import Gate
from benchlib.gate.model import Block, Outcome, Thresholds
from benchlib.interrupt import Interrupt

THRESHOLDS = Thresholds(first_pairs=24, second_pairs=24)
SIZES = Sizes(12, 12)
GATED = tuple(test for test in TESTS if test.gated)


@pytest.fixture(autouse=True)
def known_arms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is built."""
    monkeypatch.setattr(calibration_session, "Arms", Arms)


def feed(cutter: Cutter, machine: Machine, checks: int) -> list[Block]:
    """Measures as the cutter wants, until it has so many whole checks; all blocks."""
    arms, blocks = Arms(KINDS["builds"]), []
    while len(cutter.finished) < checks:
        block = machine.block(cutter.want.phase, arms.of(cutter.want.layout), {})
        cutter.feed(block)
        blocks.append(block)
    return blocks


def question(kind: str, level: float | None = None, **more: Any) -> Question:
    gate = Gate("test", THRESHOLDS, CELLS, TESTS)
    known = {"given_thresholds": {}, "commit": None, "seed": 5, "budget_s": None}
    return Question(kind=KINDS[kind], level=level, gate=gate, **(known | more))


def measure(folder: Path, asked: Question, machine: Machine, blocks: int) -> Stream:
    """A session that ends when the machine has measured so many blocks."""
    said: list[str] = []
    with Interrupt(said.append) as interrupt:
        stream = Stream(folder)
        session = Session(asked, stream, interrupt, said.append, machine.measurement)
        session._goes_on = lambda deadline: machine.measured < blocks  # type: ignore[method-assign]
        try:
            session.run(0.0)
        finally:
            stream.close()
    return stream


def outcomes(checks: Sequence[Whole]) -> list[Outcome]:
    return [check.outcome for check in checks]


class OtherArms(Arms):
    """On another machine, of another program."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.base = arm("BASE", "another")

    def check(self, cells: Any) -> str:
        return "other-2cpu"
