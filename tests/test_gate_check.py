# SPDX-License-Identifier: Apache-2.0
"""A whole check on a machine of which all is known: the way from the arms to the outcome, whichever way it goes."""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import gate_machine
from benchlib.errors import Refused
from benchlib.gate import check, report_words
from benchlib.gate.gate_file import Gate
from benchlib.gate.model import Arm, Block, Count, Outcome, Phase, Report, Thresholds
from benchlib.interrupt import Interrupt
from gate_machine import CELLS, TESTS, Machine


@dataclass
class Bench:
    """What a check is given in place of programs, and what it did. `slower`: HEAD by so many per cent, by phase."""

    machine: Machine
    slower: dict[Phase, float] = field(default_factory=dict)
    relinked: tuple[Arm, Arm] | str | BaseException = (
        gate_machine.arm("BASE", "relinked"),
        gate_machine.arm("HEAD", "so too"),
    )
    counts: list[Count] = field(default_factory=list)
    stop_after: int = 10**9
    give_up_in: Phase | None = None
    vetoed_in: Phase | None = None  # half of its blocks
    fails_in: Phase | None = None  # HEAD does, at the end of it
    measured: list[Block] = field(default_factory=list)
    signal_while_counting: bool = False
    most_vetoed: float | None = None  # as the measurement was told
    phases: list[tuple[Phase, int, str, str]] = field(default_factory=list)
    closed: bool = False
    earlier: list[tuple[Phase, int]] = field(default_factory=list)
    given_up: str | None = None

    def __post_init__(self) -> None:
        self.vetoes = self.machine.vetoes

    def measurement(self, *_: object, most_vetoed: float = -1.0) -> "Bench":
        """In place of that of benchlib.gate.measure."""
        self.most_vetoed = most_vetoed
        return self

    def counted(self, *_: object) -> tuple[list[Count], list[str]]:
        """In place of benchlib.gate.counts."""
        if self.signal_while_counting:
            signal.raise_signal(signal.SIGINT)
        return self.counts, ["what was not counted"]

    @property
    def interrupted(self) -> bool:
        return sum(count for _, count, _, _ in self.phases) >= self.stop_after

    def blocks(
        self, phase: Phase, count: int, arms: tuple[Arm, Arm] | None = None, earlier: Sequence[Block] = ()
    ) -> list[Block]:
        self.earlier.append((phase, len(earlier)))
        arms = arms or (BASE, HEAD)
        self.phases.append((phase, count, arms[0].sha256, arms[1].sha256))
        self.machine.bias = self.slower.get(phase, self.slower.get(Phase.FIRST, 0.0))
        self.machine.vetoes = 0.5 if phase is self.vetoed_in else self.vetoes
        self.given_up = "the machine is too noisy" if phase is self.give_up_in else None
        measured = [self.machine.block(phase, arms, {}) for _ in range(count)]
        found = [replace(block, phase=phase, number=number) for number, block in enumerate(measured, 1)]
        self.measured += found
        if phase is self.fails_in:
            raise Refused("HEAD fails cell one: incorrect")
        return found

    def close(self) -> None:
        self.closed = True


BASE, HEAD = gate_machine.arm("BASE", "old"), gate_machine.arm("HEAD", "new")
Checked = Callable[..., Report]


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Checked:
    """Carries out a check on a bench."""

    def carry_out(
        bench: Bench, base: Arm = BASE, head: Arm = HEAD, count: str = "report", budget_s: float | None = None,
        **more: Any,
    ) -> Report:  # fmt: skip
        monkeypatch.setattr(check, "Measurement", bench.measurement)
        monkeypatch.setattr(check.alike, "unlike", lambda *_: ["how the arms are unlike"])
        monkeypatch.setattr(check.counts, "counts", bench.counted)
        monkeypatch.setattr(check.relink, "relinked", lambda *_: relinked(bench))
        gate = Gate("fake", Thresholds(**more), CELLS, TESTS)
        question = check.Question(gate, base, head, tmp_path, tmp_path, 1, "fake-2cpu", budget_s, count)
        with Interrupt(lambda _: None) as interrupt:
            checking = check.Check(question, interrupt, lambda _: None)
            try:
                return checking.run()
            except Refused as refusal:
                if not checking.measured:
                    raise
                return checking.so_far(2, str(refusal))
            except check.Interrupted:
                return checking.so_far(130)

    return carry_out


def relinked(bench: Bench) -> tuple[Arm, Arm] | str:
    if isinstance(bench.relinked, BaseException):
        raise bench.relinked
    return bench.relinked


def named(bench: Bench) -> list[Phase]:
    return [phase for phase, _, _, _ in bench.phases]


def test_identical_programs_are_not_measured(checked: Checked) -> None:
    bench = Bench(Machine())
    report = checked(bench, head=replace(BASE, label="HEAD"))
    assert report.outcome is Outcome.IDENTICAL
    assert not bench.phases


def test_no_slowdown_passes_at_the_first_look(checked: Checked) -> None:
    bench = Bench(Machine())
    report = checked(bench)
    assert report.outcome is Outcome.PASS
    assert named(bench) == [Phase.PILOT, Phase.FIRST]
    assert bench.phases[0][2:] == ("old", "old"), "the pilot compares BASE with itself"
    assert bench.phases[1][2:] == ("old", "new")
    assert bench.closed
    assert len(report.blocks) == sum(count for _, count, _, _ in bench.phases)
    assert [judged.test.name for judged in report.advisory] == ["one/memory"]


def test_a_slowdown_is_confirmed_on_programs_linked_anew(checked: Checked) -> None:
    bench = Bench(Machine(), {Phase.FIRST: 10.0})
    report = checked(bench)
    assert report.outcome is Outcome.REGRESSION
    assert named(bench) == [Phase.PILOT, Phase.FIRST, Phase.CONFIRM]
    assert bench.phases[2][2:] == ("relinked", "so too")
    assert "of both programs linked anew" in report.reason
    assert {judged.outcome for judged in report.confirmed} == {Outcome.REGRESSION}


def test_what_the_confirmation_clears_has_passed(checked: Checked) -> None:
    report = checked(Bench(Machine(), {Phase.FIRST: 10.0, Phase.CONFIRM: 0.0}))
    assert report.outcome is Outcome.PASS
    assert "looked worse at first" in report.reason


def test_what_cannot_be_linked_anew_is_measured_again_as_it_is(checked: Checked) -> None:
    bench = Bench(Machine(), {Phase.FIRST: 10.0}, relinked="they are programs without their objects")
    report = checked(bench)
    assert report.outcome is Outcome.REGRESSION
    assert bench.phases[2][2:] == ("old", "new")
    assert "of the same programs" in report.reason
    assert any("without their objects" in note for note in report.notes)


def test_a_doubt_gets_a_second_look_and_no_third(checked: Checked) -> None:
    bench = Bench(Machine(noise=0.2), {Phase.FIRST: 3.5})
    report = checked(bench, first_pairs=14, second_pairs=14)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert bench.phases[1:] == [(Phase.FIRST, 7, "old", "new"), (Phase.SECOND, 7, "old", "new")]
    assert {(judged.look, judged.pairs) for judged in report.judged} == {(2, 28)}, "of both looks' pairs"


def test_vetoes_are_judged_over_the_pilot_and_both_looks(checked: Checked) -> None:
    """What the outcome is judged by is also what decides whether to go on: few vetoes late are not many."""
    bench = Bench(Machine(noise=0.2), {Phase.FIRST: 3.5})
    checked(bench, first_pairs=14, second_pairs=14)
    assert bench.earlier == [(Phase.PILOT, 0), (Phase.FIRST, 8), (Phase.SECOND, 8 + 7)]


def test_a_machine_too_noisy_for_any_number_of_pairs_is_invalid(checked: Checked) -> None:
    bench = Bench(Machine(noise=0.5))
    report = checked(bench)
    assert report.outcome is Outcome.INVALID and named(bench) == [Phase.PILOT]
    assert "the machine is too noisy: pairs of one/throughput, two/throughput, two/cpu vary by" in report.reason
    assert "more than 2000 a look would be needed to catch 5 %; --budget, or --first-pairs," in report.reason
    asked = Bench(Machine(noise=0.5))
    assert checked(asked, first_pairs=20).outcome is Outcome.INCONCLUSIVE, "who asks for pairs gets them"


def test_too_few_pairs_are_refused_before_anything_is_measured(checked: Checked) -> None:
    bench = Bench(Machine())
    with pytest.raises(Refused, match="cannot detect anything"):
        checked(bench, first_pairs=4)
    assert not bench.phases


def test_a_restless_machine_is_invalid_with_the_evidence(checked: Checked) -> None:
    report = checked(Bench(Machine(vetoes=0.5)))
    assert report.outcome is Outcome.INVALID
    assert "a neighbour" in report.reason


@pytest.mark.parametrize("phase", [Phase.PILOT, Phase.FIRST, Phase.CONFIRM])
def test_a_machine_that_is_given_up_is_invalid(checked: Checked, phase: Phase) -> None:
    report = checked(Bench(Machine(), {Phase.FIRST: 10.0}, give_up_in=phase))
    assert report.outcome is Outcome.INVALID
    assert "the machine is too noisy" in report.reason
    suspected = phase is Phase.CONFIRM
    told = "one/throughput, two/throughput, two/cpu looked slower, and could not be confirmed"
    assert (told in report.reason) == suspected
    verdicts = {report_words.verdict(report, judged)[1] for judged in report.judged}
    assert verdicts == ({"invalid: suspected, but not confirmed"} if suspected else set())


def test_an_interrupted_check_keeps_its_blocks_and_decides_nothing(checked: Checked) -> None:
    bench = Bench(Machine(), {Phase.FIRST: 10.0}, stop_after=9)
    report = checked(bench)
    assert report.outcome is Outcome.INVALID
    assert named(bench) == [Phase.PILOT, Phase.FIRST]
    assert len(report.blocks) == sum(count for _, count, _, _ in bench.phases)
    assert bench.closed
    assert report.exit_code == 130, "what was broken off is no invalid environment"


@pytest.mark.parametrize(
    ("count", "outcome"), [("report", Outcome.PASS), ("fail", Outcome.REGRESSION), ("no", Outcome.PASS)]
)
def test_counts_that_rose_fail_only_if_asked(checked: Checked, count: str, outcome: Outcome) -> None:
    bench = Bench(Machine(), counts=[Count("pairs: allocations an operation", 0.0, 1.0)])
    report = checked(bench, count=count)
    assert report.outcome is outcome
    assert bool(report.counts) is (count != "no")


def test_ctrl_c_while_linking_anew_keeps_what_was_measured(checked: Checked) -> None:
    bench = Bench(Machine(), {Phase.FIRST: 10.0}, relinked=KeyboardInterrupt())
    report = checked(bench)
    assert report.outcome is Outcome.INVALID and "interrupted" in report.reason
    assert len(report.blocks) == sum(count for _, count, _, _ in bench.phases)
    assert bench.closed


@pytest.mark.parametrize("counts", [[], [Count("a", 1.0, 1.0), Count("b", 1.0, None)], [Count("a", None, 1.0)]])
def test_who_asks_for_counts_gets_no_pass_without_them(checked: Checked, counts: list[Count]) -> None:
    assert checked(Bench(Machine(), counts=counts), count="fail").outcome is Outcome.INCONCLUSIVE
    assert checked(Bench(Machine(), counts=counts), count="report").outcome is Outcome.PASS
    slow = Bench(Machine(), {Phase.FIRST: 10.0}, counts=counts)
    assert checked(slow, count="fail").outcome is Outcome.REGRESSION


def test_counts_that_only_base_lacks_do_not_matter(checked: Checked) -> None:
    counts = [Count("a", 1.0, 1.0), Count("b", None, 1.0)]
    assert checked(Bench(Machine(), counts=counts), count="fail").outcome is Outcome.PASS


def test_vetoes_of_the_pilot_count(checked: Checked) -> None:
    report = checked(Bench(Machine(), vetoed_in=Phase.PILOT), first_pairs=14)
    assert report.outcome is Outcome.INVALID and "a neighbour" in report.reason


def test_a_restless_confirmation_confirms_and_clears_nothing(checked: Checked) -> None:
    for again in (0.0, 10.0):
        slower = {Phase.FIRST: 10.0, Phase.CONFIRM: again}
        report = checked(Bench(Machine(), slower, vetoed_in=Phase.CONFIRM))
        assert report.outcome is Outcome.INVALID and "could not be confirmed" in report.reason
        assert not report.confirmed


def test_ctrl_c_while_counting_measures_nothing_and_keeps_the_counts(checked: Checked) -> None:
    bench = Bench(Machine(), counts=[Count("a", 1.0, 1.0)], signal_while_counting=True)
    report = checked(bench)
    assert report.outcome is Outcome.INVALID and "interrupted" in report.reason
    assert not bench.phases and report.counts


def test_the_notes_tell_of_the_arms_the_counts_and_the_plan(checked: Checked) -> None:
    notes = "\n".join(checked(Bench(Machine())).notes)
    assert "how the arms are unlike" in notes
    assert "what was not counted" in notes
    assert "pairs" in notes.replace("how the arms are unlike", "").replace("what was not counted", "")


def test_a_budget_is_what_is_left_of_it_for_both_looks_and_the_confirmation(checked: Checked) -> None:
    bench = Bench(Machine())
    checked(bench, budget_s=24 * gate_machine.BLOCK_S * 2)  # 2 x 24 pairs twice, but for the moments until now
    assert bench.phases[1][:2] == (Phase.FIRST, 11)


def test_the_measurement_and_the_report_are_told_what_they_need(checked: Checked) -> None:
    bench = Bench(Machine())
    assert checked(bench, most_vetoed=0.3).cells == CELLS
    assert bench.most_vetoed == 0.3


def test_advice_is_of_the_looks_alone(checked: Checked) -> None:
    report = checked(Bench(Machine(), {Phase.FIRST: 10.0}))
    assert report.confirmed
    assert {judged.pairs for judged in report.advisory} == {judged.pairs for judged in report.judged}


def test_a_failing_arm_ends_the_check_and_keeps_every_block(checked: Checked) -> None:
    bench = Bench(Machine(), fails_in=Phase.FIRST)
    report = checked(bench)
    assert report.outcome is Outcome.INVALID
    assert report.reason == "HEAD fails cell one: incorrect"
    assert report.exit_code == 2
    assert [block.phase for block in report.blocks[:9]] == [Phase.PILOT] * 8 + [Phase.FIRST]
    assert len(report.blocks) == sum(count for _, count, _, _ in bench.phases)
    assert bench.closed
