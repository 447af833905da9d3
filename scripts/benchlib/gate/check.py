# SPDX-License-Identifier: Apache-2.0
"""One whole check: build both arms, count, measure, decide, confirm, report.

    arms, identical? - counts - pilot - first look - second, if undecided - confirmation, if suspected - reports

Whatever was measured when it is interrupted, or cannot go on, is in the folder.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from benchlib.errors import Refused
from benchlib.gate import alike, counts, decide, planning, relink, reports
from benchlib.gate.gate_file import Gate
from benchlib.gate.measure import Measurement
from benchlib.gate.model import Arm, Block, Count, Judged, Outcome, Phase, Report, Test
from benchlib.interrupt import Interrupt

PILOT_BLOCKS = 8  # 16 pairs of each cell: the spread to within some 30 %
Say = Callable[[str], None]


@dataclass(frozen=True)
class Question:
    """What is asked of a check."""

    gate: Gate
    base: Arm
    head: Arm
    folder: Path
    work: Path
    seed: int
    machine: str
    budget_s: float | None
    count: str  # "report", "fail" or "no"


class Interrupted(Exception):
    """By a signal. What was measured is in the folder."""


class _Restless(Exception):
    """The environment does not let a phase come to its end; the text says why."""


@dataclass
class _Findings:
    """What is known so far."""

    blocks: list[Block] = field(default_factory=list)
    judged: tuple[Judged, ...] = ()
    confirmed: tuple[Judged, ...] = ()
    counts: list[Count] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Check:
    """A check under way."""

    def __init__(self, question: Question, interrupt: Interrupt, say: Say) -> None:
        self._question = question
        self._interrupt = interrupt
        self._say = say
        self._found = _Findings()
        self._began = time.monotonic()
        self._started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._gated = [test for test in question.gate.tests if test.gated]

    def run(self) -> Report:
        """The whole of it. Raises Interrupted; Refused if an arm fails its own checks."""
        asked = self._question
        planning.refuse_too_few(asked.gate.thresholds, asked.gate.tests)
        if asked.base.code_sha256 == asked.head.code_sha256:
            return self._report(Outcome.IDENTICAL, "both arms have the same machine code, so nothing was measured")
        self._found.notes += alike.unlike(asked.base, asked.head, asked.gate.cells)
        self._count()
        measurement = self._measurement()
        try:
            outcome, reason = self._measure(measurement)
            if outcome is Outcome.REGRESSION:
                outcome, reason = self._confirm(measurement)
        except _Restless as restless:
            outcome, reason = Outcome.INVALID, f"the environment is invalid: {restless}"
        finally:
            measurement.close()
        return self._with_counts(self._report(outcome, reason))

    @property
    def measured(self) -> bool:
        """Whether there is any block to keep."""
        return bool(self._found.blocks)

    def so_far(self, exit_code: int, why: str = "interrupted before anything was decided") -> Report:
        """What a check that was broken off can tell: no verdict."""
        return replace(self._report(Outcome.INVALID, why), broken_off=exit_code)

    def _measurement(self) -> Measurement:
        asked = self._question
        return Measurement(
            (asked.base, asked.head),
            asked.gate.cells,
            asked.gate.tests,
            asked.seed,
            asked.folder,
            self._interrupt,
            self._say,
            most_vetoed=asked.gate.thresholds.most_vetoed,
        )

    def _count(self) -> None:
        asked = self._question
        if asked.count == "no":
            return
        self._say("counting what needs no clock")
        try:
            found, notes = counts.counts(
                asked.base, asked.head, asked.gate.cells, asked.work, self._say, self._interrupt
            )
        except KeyboardInterrupt as signal:
            raise Interrupted from signal
        self._found.counts += found
        self._found.notes += notes
        if self._interrupt.requested:
            raise Interrupted

    def _blocks(self, measurement: Measurement, phase: Phase, count: int, **more: object) -> list[Block]:
        """Measures blocks and keeps them; all of that phase."""
        try:
            measured = measurement.blocks(phase, count, **more)
        except Refused:
            self._found.blocks = list(measurement.measured)
            raise
        self._found.blocks += measured
        if measurement.interrupted:
            raise Interrupted
        if measurement.given_up:
            raise _Restless(measurement.given_up)
        return measured

    def _measure(self, measurement: Measurement) -> tuple[Outcome, str]:
        """The pilot and one or two looks."""
        asked, thresholds = self._question, self._question.gate.thresholds
        base_twice = (asked.base, asked.base)
        pilot = self._blocks(measurement, Phase.PILOT, PILOT_BLOCKS, arms=base_twice)
        try:
            plan = planning.plan(self._gated, pilot, thresholds, _pair_s(pilot), self._budget_left())
        except planning.TooNoisy as reason:
            advice = "--budget, or --first-pairs, measures all the same, and says what it can detect"
            raise _Restless(f"{reason}; {advice}") from reason
        self._found.notes += plan.sentences
        for sentence in plan.sentences:
            self._say(sentence)
        looked: list[Block] = []
        for number, phase, pairs in ((1, Phase.FIRST, plan.first_pairs), (2, Phase.SECOND, plan.second_pairs)):
            looked += self._blocks(measurement, phase, pairs // 2, earlier=(*pilot, *looked))
            self._found.judged = decide.look(self._gated, looked, thresholds, number)
            decided = decide.overall(self._found.judged, [*pilot, *looked], thresholds, number == 2)
            if decided:
                return decided
            self._say("the first look leaves a doubt: measuring what was planned for the second")
        raise AssertionError("the last look decides")

    def _confirm(self, measurement: Measurement) -> tuple[Outcome, str]:
        """A suspected regression is measured afresh, on arms linked in another order where they can be."""
        asked, thresholds = self._question, self._question.gate.thresholds
        suspects = [judged.test for judged in self._found.judged if judged.outcome is Outcome.REGRESSION]
        self._say(f"suspected: {_names(suspects)}; linking both anew to confirm")
        try:
            pair = relink.relinked(asked.base, asked.head, asked.seed, asked.work, self._say, self._interrupt)
        except KeyboardInterrupt as signal:
            raise Interrupted from signal
        how = "of the same programs"
        if isinstance(pair, str):
            self._found.notes.append(f"the confirmation could not use newly linked programs: {pair}")
        else:
            how = "of both programs linked anew, their objects in another order"
            if asked.head.plugin:
                how = "with readyq linked anew, its objects in another order, and the queues as they are"
        fresh = (asked.base, asked.head) if isinstance(pair, str) else pair
        pairs = max(judged.pairs for judged in self._found.judged)
        try:
            blocks = self._blocks(measurement, Phase.CONFIRM, (pairs + 1) // 2, arms=fresh)
        except _Restless as reason:
            blocks, restless = [], f"the environment is invalid: {reason}"
        else:
            restless = decide.disturbed(blocks, thresholds)
        if restless:
            return Outcome.INVALID, f"{restless}; {_names(suspects)} looked slower, and could not be confirmed"
        self._found.confirmed = decide.confirm(suspects, blocks, thresholds)
        return decide.settled(self._found.judged, self._found.confirmed, how)

    def _budget_left(self) -> float | None:
        if self._question.budget_s is None:
            return None
        return self._question.budget_s - (time.monotonic() - self._began)

    def _with_counts(self, report: Report) -> Report:
        """Exact counts that rose fail a check that asks for it, and without counts it cannot pass."""
        if self._question.count != "fail":
            return report
        worse = counts.worse(report.counts)
        if worse:
            names = ", ".join(count.name for count in worse)
            return replace(report, outcome=Outcome.REGRESSION, reason=f"exact counts rose: {names}; {report.reason}")
        why = counts.untold(report.counts)
        if why and report.outcome is Outcome.PASS:
            reason = f"{why}, as --counts fail asks; {report.reason}"
            return replace(report, outcome=Outcome.INCONCLUSIVE, reason=reason)
        return report

    def _report(self, outcome: Outcome, reason: str) -> Report:
        asked, found = self._question, self._found
        looked = [block for block in found.blocks if block.phase in (Phase.FIRST, Phase.SECOND)]
        advisory = [test for test in asked.gate.tests if not test.gated]
        return Report(
            outcome=outcome,
            reason=reason,
            base=asked.base,
            head=asked.head,
            thresholds=asked.gate.thresholds,
            judged=found.judged,
            confirmed=found.confirmed,
            advisory=decide.advise(advisory, looked, asked.gate.thresholds) if looked else (),
            counts=found.counts,
            blocks=found.blocks,
            seed=asked.seed,
            machine=asked.machine,
            started=self._started,
            wall_s=time.monotonic() - self._began,
            notes=found.notes,
            cells=asked.gate.cells,
        )


def _pair_s(blocks: Sequence[Block]) -> float:
    """How long one pair of every cell takes: half a block."""
    return sum(block.wall_s for block in blocks) / len(blocks) / 2


def _names(tests: Sequence[Test]) -> str:
    return ", ".join(test.name for test in tests)


def write(report: Report, folder: Path, tests: Sequence[Test]) -> None:
    """All files of a check."""
    try:
        reports.write_all(report, folder, tests)
    except OSError as error:
        raise Refused(f"cannot write {folder}: {error.strerror or error}") from error
