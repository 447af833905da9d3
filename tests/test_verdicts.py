#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`readyq check`: its verdicts, its formats, its refusals; and README's table of queues against what it says."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHECKS = ("model loops capacity length batches prepared no_memory reuse garbage notify sleep delivery crowds churn stalls "
          "nonempty history").split()


@pytest.fixture(scope="session")
def readyq_broken(readyq: Path) -> Path:
    """The program that knows the broken queues too, from the same build."""
    path = readyq.parent / "tests" / "readyq_broken"
    assert path.exists(), f"{path} is not built"
    return path


def check(program: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, "check", *words], capture_output=True, text=True, timeout=1800, check=False)


def documented_table() -> str:
    text = (ROOT / "README.md").read_text()
    section = text.split("## Queues and their verdicts", 1)[1].split("\n## ", 1)[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    assert len(table) > 2
    return "\n".join(table) + "\n"


@pytest.fixture(scope="session")
def table(readyq: Path) -> subprocess.CompletedProcess[str]:
    """The command that README shows; with as many rounds as there is time for."""
    words = re.search(r"`readyq check ([-a-z ]+)`", (ROOT / "README.md").read_text())
    assert words
    quick = ["--quick"] if os.environ.get("READYQ_CONFORMANCE_PERCENT", "100") != "100" else []
    return check(readyq, *words.group(1).split(), *quick)


def test_readme_shows_the_verdicts_that_the_command_gives(
    readyq: Path, table: subprocess.CompletedProcess[str]
) -> None:
    """Word for word; of a queue that is known to be broken some run finds it, and the next may not."""
    broken = {queue["name"] for queue in listed_queues(readyq) if queue.get("broken")}
    told, documented = (text.splitlines() for text in (table.stdout, documented_table()))
    assert len(told) == len(documented)
    for line, shown in zip(told, documented, strict=True):
        name = re.match(r"\| `(\w+)`", line)
        if name and name.group(1) in broken:
            assert line.split("|")[1:8] == shown.split("|")[1:8]
        else:
            assert line == shown
    assert table.returncode == int("VIOLATED" in table.stdout), table.stderr


def test_what_is_said_to_be_broken_is(readyq: Path) -> None:
    """The command in the list shows it, so that nobody is slandered, and a mended version is noticed."""
    for queue in listed_queues(readyq):
        if queue["built"] and queue["broken"]:
            command = re.search(r"readyq check (.+)", queue["broken"])
            assert command, queue
            done = check(readyq, *command.group(1).split())
            assert done.returncode == 1 and "VIOLATED" in done.stdout, done.stdout + done.stderr


def listed_queues(readyq: Path) -> list[dict[str, Any]]:
    told = subprocess.run([readyq, "list", "queues", "--json"], capture_output=True, check=True).stdout
    return json.loads(told)["queues"]


def test_the_table_has_every_listed_queue(readyq: Path, table: subprocess.CompletedProcess[str]) -> None:
    rows = [re.match(r"\| `(\w+)`", line) for line in table.stdout.splitlines()[2:]]
    assert [row.group(1) for row in rows if row] == [queue["name"] for queue in listed_queues(readyq)]


def test_a_line_a_check_and_a_verdict_at_the_end(readyq: Path) -> None:
    done = check(readyq, "list:capacity=8", "--only", "capacity")
    first, line, last = done.stdout.splitlines()
    assert done.returncode == 0
    assert first.startswith("seed 1, ")
    assert re.fullmatch(r"list:capacity=8 +capacity +ok +\d+\.\d\d s", line)
    assert last == "verdict: ok, 1 check of 1 queue, seed 1"


def test_what_does_not_apply_says_why(readyq: Path) -> None:
    done = check(readyq, "null", "list", "--only", "garbage", "--seed", "7")
    assert "not applicable: a baseline is no queue" in done.stdout
    assert "not applicable: it hands no garbage over" in done.stdout
    assert done.stdout.endswith("verdict: ok, 0 checks of 0 queues, seed 7\n")
    assert done.returncode == 0


def test_a_broken_queue_is_named_with_the_timeline_of_a_witness(readyq_broken: Path) -> None:
    done = check(readyq_broken, "list", "broken_reorders", "--only", "history")
    assert done.returncode == 1
    assert re.search(r"^list +history +ok", done.stdout, re.M)
    assert re.search(r"^broken_reorders +history +VIOLATED: .* was overtaken", done.stdout, re.M)
    assert len(re.findall(r"^(producer|consumer) \d+ (?:enqueue|dequeue) .*\|", done.stdout, re.M)) >= 4
    assert done.stdout.endswith("verdict: VIOLATED by broken_reorders, seed 1\n")


def test_a_hang_ends_its_check_and_not_the_program(readyq_broken: Path) -> None:
    start = time.monotonic()
    done = check(readyq_broken, "broken_sticks", "--only", "model", "--stuck", "1s", "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 1
    assert said["verdict"] == said["queues"][0]["verdict"] == "violated"
    assert said["queues"][0]["checks"][0]["sentence"] == "nothing has moved for 1 s"
    assert time.monotonic() - start < 60


def test_a_crash_ends_its_check_and_not_the_program(readyq_broken: Path) -> None:
    """The other checks go on, each with an answer of its own."""
    done = check(readyq_broken, "broken_crashes", "--json")
    verdicts = {one["check"]: one for one in json.loads(done.stdout)["queues"][0]["checks"]}
    assert list(verdicts) == CHECKS
    assert done.returncode == 1
    assert verdicts["model"]["verdict"] == "violated"
    assert verdicts["model"]["sentence"].startswith("it ended the process")
    assert verdicts["no_memory"]["verdict"] == "ok"


def test_the_same_words_say_the_same(readyq_broken: Path) -> None:
    """One thread, one seed: the same item in the same place; another seed, another."""
    words = ("broken_reorders", "--only", "model", "--json", "--seed")
    said = [check(readyq_broken, *words, seed).stdout for seed in "334"]
    sentences = [json.loads(text)["queues"][0]["checks"][0]["sentence"] for text in said]
    assert sentences[0] == sentences[1] != sentences[2]


def test_thorough_does_more(readyq: Path) -> None:
    assert json.loads(check(readyq, "list", "--only", "reuse", "--json").stdout)["rounds_percent"] == 100
    assert json.loads(check(readyq, "list", "--only", "reuse", "--thorough", "--json").stdout)["rounds_percent"] == 1000
    assert json.loads(check(readyq, "list", "--only", "reuse", "--quick", "--json").stdout)["rounds_percent"] == 25


@pytest.mark.parametrize(("words", "sentence"), [
    ([], "a QUEUE is missing"),
    (["--all", "list"], "--all means every queue"),
    (["nosuch"], "there is no queue 'nosuch'; known are"),
    (["list", "nosuch"], "there is no queue 'nosuch'; known are"),
    (["list:capacity=x"], "capacity"),
    (["list", "--only", "nosuch"], "there is no check 'nosuch'; known are " + ", ".join(CHECKS)),
    (["list", "--seed", "-1"], "--seed: '-1' is no number"),
    (["list", "--stuck", "soon"], "--stuck: 'soon' is no time from 1s to 3600s"),
    (["list", "--json", "--table"], "one at a time"),
    (["list", "--quick", "--thorough"], "--quick and --thorough are two things; one at a time"),
    (["list", "--only", "model", "--only", "reuse"], "--only is given twice"),
    (["list", "--only", "model", "--table"], "--table tells of all checks"),
])
def test_bad_words_are_refused_before_anything_runs(readyq: Path, words: list[str], sentence: str) -> None:
    done = check(readyq, *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("group", [False, True])
def test_it_can_be_interrupted(readyq_broken: Path, group: bool) -> None:
    """As by Ctrl-C, which the whole group gets, and as by kill: nobody is left behind."""
    with subprocess.Popen([readyq_broken, "check", "broken_sticks", "--only", "model", "--stuck", "300s"],
                          stdout=subprocess.PIPE, start_new_session=True) as running:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        while not children.read_text():
            time.sleep(0.01)
        child = int(children.read_text().split()[0])
        time.sleep(0.3)
        os.killpg(running.pid, signal.SIGINT) if group else os.kill(running.pid, signal.SIGINT)
        try:
            assert running.wait(timeout=30) == -signal.SIGINT
        finally:
            running.kill()  # or leaving the block would wait for it
    deadline = time.monotonic() + 30
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().split(")")[1][:3]:
        assert time.monotonic() < deadline, "the check's process is still there"
        time.sleep(0.01)


@pytest.mark.parametrize("words", [["null"], ["list", "--only", "model"], ["null", "--table"], ["null", "--json"]])
def test_output_that_can_not_be_written_is_an_error(readyq: Path, words: list[str]) -> None:
    """And none of the queue's, whose check inherits it."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([readyq, "check", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "can't be written" in done.stderr and "VIOLATED" not in done.stderr


def test_a_check_that_is_killed_from_outside_accuses_nobody(readyq_broken: Path) -> None:
    with subprocess.Popen([readyq_broken, "check", "broken_sticks", "--only", "model", "--stuck", "300s"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        while not children.read_text():
            time.sleep(0.01)
        os.kill(int(children.read_text()), signal.SIGKILL)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 2
    assert "VIOLATED" not in out
    assert err == "readyq: model: its process was killed from outside; too little memory?\n"


def test_the_help_names_each_check_beside_its_kind(readyq: Path) -> None:
    said = check(readyq, "--help").stdout
    answers = json.loads(check(readyq, "null", "--json").stdout)["queues"][0]["checks"]
    for kind in {one["group"] for one in answers}:
        names = ", ".join(one["check"] for one in answers if one["group"] == kind)
        assert re.search(rf"^  {kind} +{names}$", said, re.M), kind
