# SPDX-License-Identifier: Apache-2.0
"""The gate's self-test: it is silent about a gate that works, and fails one that was broken on purpose."""

import argparse
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gate_machine import CELLS, TESTS, Arms, Machine

from benchlib.gate import decide, pairs_file, replay, self_test
from benchlib.gate.calibration_kinds import KINDS
from benchlib.gate.gate_file import Gate
from benchlib.gate.model import Block, Cell, Outcome, Phase, Thresholds
from benchlib.gate.self_test import Finding, Live
from benchlib.interrupt import Interrupt

GATE = self_test.quick(Gate("test", Thresholds(), CELLS, TESTS))
BROKEN = {
    "blind": {"regression_percent": 1000.0, "pass_percent": 2000.0},
    "nervous": {"regression_percent": -50.0},
    "lenient": {"pass_percent": 1000.0},
    "never invalid": {"most_vetoed": 0.99},
}


def test_the_live_part_has_no_long_runs_and_half_as_many() -> None:
    words = ("--duration", "300ms", "--workload", "w")
    short = Cell("short", {}, ("--duration", "60ms"), 0.1, runs=5)
    gate = self_test.quick(Gate("test", Thresholds(), (Cell("long", {}, words, 0.4), short), TESTS))
    assert [(cell.arguments, cell.runs) for cell in gate.cells] == [
        (("--duration", "200ms", "--workload", "w"), 1), (("--duration", "60ms"), 3),
    ]  # fmt: skip


def live(machine: Machine) -> list[Finding]:
    """Both live parts on a known machine."""
    said: list[str] = []
    with Interrupt(said.append) as interrupt:
        bench = Live(GATE, Arms(KINDS["power"]), 1, Path("/nowhere"), interrupt, said.append, machine.measurement)
        return self_test.judged(bench, GATE)


def states(findings: list[Finding]) -> list[str]:
    return [finding.told().split()[0] for finding in findings]


def test_the_committed_pairs_give_0_1_3_and_4() -> None:
    findings = self_test.replayed(self_test.PAIRS)
    assert states(findings) == ["ok"] * 4, findings
    assert [finding.said[0] for finding in findings] == ["0", "1", "3", "4"]


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_decision_is_found(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = replay.replay
    monkeypatch.setattr(replay, "replay", lambda path, _: real(path, Thresholds(**BROKEN[how])))
    assert "FAILED" in states(self_test.replayed(self_test.PAIRS))


def test_a_decision_turned_round_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = decide.values
    monkeypatch.setattr(decide, "values", lambda blocks, test: [-value for value in real(blocks, test)])
    assert "FAILED" in states(self_test.replayed(self_test.PAIRS))


def test_the_command_fails_with_the_decision(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = argparse.Namespace(replay_only=True)
    assert self_test.run(words) == 0
    real = replay.replay
    monkeypatch.setattr(replay, "replay", lambda path, _: real(path, Thresholds(**BROKEN["blind"])))
    assert self_test.run(words) == 1
    told = capsys.readouterr().out
    assert "FAILED  replay of regression.csv: 0, but must be 1" in told


@pytest.mark.parametrize("seed", range(5))
def test_a_working_gate_sees_a_fifth_and_nothing_else(seed: int) -> None:
    findings = live(Machine(seed=seed, noise=0.015, hidden={"one": 20.0, "two": 3000.0}))
    assert states(findings) in (["ok", "ok"], ["ok", "skipped"]), findings
    assert findings[0].said[0] == "1" and findings[1].said[0] in "03"


def test_a_gate_that_misses_what_is_injected_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The injected program is slow, but who measures mixes the arms up."""
    real = decide.look

    def blind(tests: Any, blocks: Any, thresholds: Any, number: int) -> Any:
        return real(tests, [_equal(block) for block in blocks], thresholds, number)

    monkeypatch.setattr(decide, "look", blind)
    findings = live(Machine(noise=0.01))
    assert states(findings) == ["FAILED", "ok"], findings
    assert findings[0].said.startswith("0 (")


def _equal(block: Block) -> Block:
    pairs = tuple(type(one)(one.cell, one.order, one.base, one.base, "", "") for one in block.pairs)
    return type(block)(block.phase, block.number, block.attempt, pairs, block.before, block.after, block.evidence)


def test_a_gate_that_cries_wolf_fails() -> None:
    findings = live(Machine(noise=0.01, bias=15.0))
    assert states(findings) == ["ok", "FAILED"], findings


@pytest.mark.parametrize("machine", [Machine(noise=0.5), Machine(vetoes=1.0)], ids=["restless", "disturbed"])
def test_what_cannot_be_told_is_skipped(machine: Machine) -> None:
    findings = live(machine)
    assert set(states(findings)) == {"skipped"}, findings
    assert all(len(finding.said) > 20 for finding in findings)


def test_a_machine_on_which_nothing_can_be_injected_is_skipped() -> None:
    findings = live(Machine(noise=0.01, per_step={"one": 0.0, "two": 0.0}))
    assert states(findings) == ["skipped", "ok"], findings
    assert "does not become slower" in findings[0].said


def test_runs_are_shorter_than_a_gates() -> None:
    assert all(cell.arguments[-1] == self_test.DURATION for cell in GATE.cells)
    assert all(test.gated for test in GATE.tests)


@pytest.mark.parametrize(
    ("again", "outcome", "said"),
    [
        (lambda _: (), Outcome.REGRESSION, "the file has no pairs that could confirm it"),
        (lambda block: (replace(block, evidence=("a neighbour",)),), Outcome.INVALID, "could not be confirmed"),
    ],
    ids=["none", "disturbed"],
)
def test_a_replay_confirms_only_with_pairs_that_can(
    monkeypatch: pytest.MonkeyPatch, again: Callable[[Block], tuple[Block, ...]], outcome: Outcome, said: str
) -> None:
    tests, blocks = pairs_file.read(self_test.PAIRS / "regression.csv")
    kept = [one for block in blocks for one in (again(block) if block.phase is Phase.CONFIRM else (block,))]
    monkeypatch.setattr(pairs_file, "read", lambda _: (tests, kept))
    found, reason, judged = replay.replay(Path("/nowhere"), Thresholds())
    assert found is outcome and said in reason and judged


@pytest.mark.parametrize(("number", "building", "code"), [
    (signal.SIGINT, False, 130), (signal.SIGTERM, False, 143), (signal.SIGTERM, True, 143),
])  # fmt: skip
def test_an_interrupted_self_test_is_no_success(
    monkeypatch: pytest.MonkeyPatch, number: int, building: bool, code: int
) -> None:
    def stopped(*_: object) -> list[Finding]:
        signal.raise_signal(number)
        if building:
            raise KeyboardInterrupt
        return []

    monkeypatch.setattr(self_test, "_live", stopped)
    assert self_test.run(argparse.Namespace(replay_only=False)) == code


def test_what_is_vetoed_while_an_injection_is_sized_is_used_all_the_same() -> None:
    with Interrupt(lambda _: None) as interrupt:
        machine = Machine(noise=0.01, vetoes=1.0)
        bench = Live(GATE, Arms(KINDS["power"]), 1, Path("/nowhere"), interrupt, lambda _: None, machine.measurement)
        assert bench.texts()
