# SPDX-License-Identifier: Apache-2.0
"""The command line of scripts/gate: what it refuses, in one sentence and with exit code 2, leaving nothing behind."""

import signal
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchlib import command, paths
from benchlib.errors import Refused
from benchlib.gate import check, cli
from benchlib.gate.model import Outcome
from benchlib.interrupt import Interrupt
from gate_sample import passed

GATE = paths.ROOT / "scripts" / "gate"


def gate(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GATE, *map(str, words)], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "two versions are compared: give BASE and HEAD"),
        (["HEAD~1"], "two versions are compared: give BASE and HEAD"),
        (["--queue", "a.so"], "--queue is given once, but two versions are compared"),
        (["--queue", "a.so", "--queue", "b.so", "--queue", "c.so"], "--queue is given 3 times"),
        (["HEAD~1", "HEAD", "--queue", "a.so", "--queue", "b.so"], "not both"),
        (["HEAD", "HEAD", "--self-test"], "there is no BASE and HEAD to compare"),
        (["--self-test", "--calibrate"], "ask for one"),
        (["HEAD~1", "HEAD", "--for", "10m"], "--for is an option of --calibrate, which is not given"),
        (["--report"], "--report is an option of --calibrate"),
        (["--self-test", "--level", "5"], "--level is an option of --calibrate"),
        (["--self-test", "--pass-alpha", "0.05"], "--self-test judges by its own thresholds, so that --pass-alpha would"),
        (["--self-test", "--budget", "5m"], "--budget is an option of a check, and would do nothing with --self-test"),
        (["--self-test", "--seed", "0"], "--seed is an option of a check"),
        (["--self-test", "--counts", "fail"], "--counts is an option of a check"),
        (["--calibrate", "--report", "--out", "x"], "--out is an option of a check, and would do nothing"),
        (["--calibrate", "--report", "--for", "1h"], "--for is about measuring, and would do nothing with --report"),
        (["--calibrate", "--report", "--alpha", "0.02"], "--alpha is about measuring"),
        (["--calibrate", "--kind", "same", "--record", "x"], "--record is an option of a check"),
        (["HEAD~1", "HEAD", "--replay-only"], "--replay-only is an option of --self-test"),
        (["HEAD", "HEAD", "--budget", "soon"], "a duration is a number with one of"),
        (["HEAD", "HEAD", "--alpha", "2"], "alpha is 2"),
        (["HEAD", "HEAD", "--alpha", "nan"], "alpha is nan, but must be a finite number"),
        (["HEAD", "HEAD", "--pass-percent", "inf"], "pass_percent is inf, but must be a finite number"),
        (["HEAD", "HEAD", "--cells", "/nowhere/cells.toml"], "No such file"),
        (["HEAD", "HEAD", "--out", "/proc/gate"], "cannot make the folder"),
        (["no-such-commit", "HEAD"], "no-such-commit"),
        (["HEAD", "/nowhere/readyq"], "/nowhere/readyq"),
    ],
)
def test_bad_input_is_one_sentence(words: list[str], sentence: str, tmp_path: Path) -> None:
    out = [] if "--out" in words or not words or words[0].startswith("--") else ["--out", tmp_path / "out"]
    finished = gate(*words, *out)
    assert finished.returncode == 2, finished.stderr
    assert sentence in finished.stderr
    assert finished.stderr.startswith("gate: ")
    assert not (tmp_path / "out").exists()


def test_too_few_pairs_are_refused(readyq: Path, tmp_path: Path) -> None:
    finished = gate(readyq, readyq, "--first-pairs", 4, "--out", tmp_path / "out")
    assert finished.returncode == 2
    assert "cannot detect anything" in finished.stderr
    assert not (tmp_path / "out").exists()


def test_a_program_and_itself_are_identical(readyq: Path, tmp_path: Path) -> None:
    finished = gate(readyq, readyq, "--out", tmp_path / "out")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("IDENTICAL")
    assert (tmp_path / "out" / "gate.json").exists()


def test_a_folder_with_a_result_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "gate.json").write_text("{}")
    finished = gate("HEAD", "HEAD", "--out", tmp_path)
    assert finished.returncode == 2
    assert "is not empty" in finished.stderr
    assert (tmp_path / "gate.json").read_text() == "{}"


def test_the_help_names_every_exit_code() -> None:
    finished = gate("--help")
    assert finished.returncode == 0
    for words in ("0 pass", "1 regression", "2 usage", "3 inconclusive", "4 the environment"):
        assert words in finished.stdout


def test_a_fault_of_the_gate_is_no_regression(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: Sequence[str]) -> int:
        raise KeyError("machine")

    monkeypatch.setattr(cli, "_gate", broken)
    assert cli.main([]) == 2
    assert "gate: the gate itself failed, and says nothing of HEAD: KeyError: 'machine'" in capsys.readouterr().err


def test_a_verdict_is_told_though_its_files_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise Refused("cannot write gate.json: No space left on device")

    monkeypatch.setattr(check, "write", full)
    monkeypatch.setattr(cli.report_markdown, "text_plain", lambda _: "REGRESSION: told")
    question = SimpleNamespace(folder=tmp_path, gate=SimpleNamespace(tests=()))
    checking = SimpleNamespace(run=lambda: SimpleNamespace(outcome="regression", exit_code=1))
    with Interrupt(print) as interrupt:
        told = command.carry_out("gate", lambda _: cli._carry_out(checking, question, interrupt, None), [])
    assert told == 2
    finished = capsys.readouterr()
    assert "REGRESSION: told" in finished.out
    assert "No space left" in finished.err


@pytest.mark.parametrize(("outcome", "code"), [("pass", 0), ("regression", 1), ("inconclusive", 3), ("invalid", 4)])
def test_a_check_is_written_told_and_recorded_whatever_it_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, outcome: str, code: int
) -> None:
    done: list[object] = []
    monkeypatch.setattr(check, "write", lambda *_: done.append("written"))
    monkeypatch.setattr(cli.report_markdown, "text_plain", lambda _: done.append("told") or "told")
    monkeypatch.setattr(cli.history_file, "record", lambda report, path: done.append(path) or ["recorded"])
    question: Any = SimpleNamespace(folder=tmp_path, gate=SimpleNamespace(tests=()))
    checking: Any = SimpleNamespace(run=lambda: replace(passed(), outcome=Outcome(outcome)))
    with Interrupt(print) as interrupt:
        assert cli._carry_out(checking, question, interrupt, tmp_path / "history") == code
        assert done == ["written", "told", tmp_path / "history"]
        assert cli._carry_out(checking, question, interrupt, None) == code
        assert done[3:] == ["written", "told"]


def test_an_interrupted_check_is_written_and_not_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written: list[object] = []
    monkeypatch.setattr(check, "write", lambda report, *_: written.append(report))
    monkeypatch.setattr(cli.history_file, "record", lambda *_: pytest.fail("nothing was decided"))

    def stopped() -> None:
        signal.raise_signal(signal.SIGINT)
        raise check.Interrupted

    question: Any = SimpleNamespace(folder=tmp_path, gate=SimpleNamespace(tests=()))
    checking: Any = SimpleNamespace(run=stopped, so_far=lambda code: f"so far, {code}")
    with Interrupt(print) as interrupt:
        assert cli._carry_out(checking, question, interrupt, tmp_path / "history") == 130
    assert written == ["so far, 130"]


def test_what_broke_a_check_off_is_told_though_nothing_can_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise Refused("cannot write gate.json: No space left on device")

    def failed() -> None:
        raise Refused("HEAD fails cell pairs: incorrect")

    monkeypatch.setattr(check, "write", full)
    question: Any = SimpleNamespace(folder=tmp_path, gate=SimpleNamespace(tests=()))
    checking: Any = SimpleNamespace(run=failed, measured=True, so_far=lambda *_: "so far")
    with Interrupt(print) as interrupt:
        told = command.carry_out("gate", lambda _: cli._carry_out(checking, question, interrupt, None), [])
    said = capsys.readouterr().err
    assert told == 2 and "HEAD fails cell pairs: incorrect" in said
    assert "No space left on device; the blocks that were measured are in journal.jsonl there" in said


def test_a_check_that_is_refused_begins_no_history(tmp_path: Path) -> None:
    history = tmp_path / "gate.history"
    finished = gate("no-such-commit", "HEAD", "--out", tmp_path / "out", "--record", history)
    assert finished.returncode == 2 and "no-such-commit" in finished.stderr
    assert not history.exists()


def test_the_words_reach_the_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[check.Question] = []
    arms = tuple(SimpleNamespace(program=tmp_path / name) for name in ("old", "new"))
    preflighted: list[object] = []
    monkeypatch.setattr(cli.arms, "resolve", lambda *_, **__: arms)
    monkeypatch.setattr(cli.arms, "preflight", lambda arm, _: preflighted.append(arm))
    monkeypatch.setattr(cli.arms, "words", lambda *_: [])
    monkeypatch.setattr(cli, "Program", lambda _: SimpleNamespace(resolve=lambda _: {"machine": "fake-2cpu"}))
    monkeypatch.setattr(check, "Check", lambda question, *_: asked.append(question))
    monkeypatch.setattr(cli, "_carry_out", lambda checking, question, interrupt, record: 7 if record else 0)
    history = tmp_path / "history"
    words = ["--seed", 5, "--counts", "fail", "--budget", "10m", "--alpha", "0.02", "--record", history]
    assert cli.main(["old", "new", "--out", str(tmp_path / "out"), *map(str, words)]) == 7
    [question] = asked
    assert (question.base, question.head) == arms and preflighted == [*arms]
    assert (question.seed, question.count, question.budget_s) == (5, "fail", 600.0)
    assert question.gate.thresholds.alpha == 0.02
    assert (question.folder, question.machine) == (tmp_path / "out", "fake-2cpu")


def test_what_cannot_be_recorded_to_is_refused_before_a_check(tmp_path: Path) -> None:
    (tmp_path / "history").write_text("no history\n")
    with pytest.raises(Refused, match="history"):
        cli._gate(["HEAD", "HEAD", "--out", str(tmp_path / "out"), "--record", str(tmp_path / "history")])
    assert not (tmp_path / "out").exists()
