#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Torture: the same runs for the same seed, nobody left out, and a failure that tells how to see it again."""

import json
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from benchlib import torture

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "torture"


@pytest.fixture(scope="session")
def listing(readyq: Path) -> dict[str, list[dict[str, Any]]]:
    done = subprocess.run([readyq, "list", "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def readyq_broken(readyq: Path) -> Path:
    return readyq.parent / "tests" / "readyq_broken"


def call(program: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, "--program", program, *words], capture_output=True, text=True, timeout=300, check=False
    )


def everything(words: list[str]) -> bool:
    return True


def subject_and_load(words: list[str]) -> tuple[str, str]:
    named = dict(zip(words[::2], words[1::2], strict=True))
    subject = named.get("--queue") or named["--pool"]
    return subject.partition(":")[0], named["--workload"].partition(":")[0]


def test_a_round_leaves_nobody_out(listing: dict[str, list[dict[str, Any]]]) -> None:
    deck = torture.Deck(listing, everything)
    first, second = (
        [subject_and_load(deck.case(5, number).words) for number in numbers]
        for numbers in (range(1, deck.round_size + 1), range(deck.round_size + 1, 2 * deck.round_size + 1))
    )
    assert len(set(first)) == deck.round_size
    assert sorted(first) == sorted(second)
    assert first != second, "each round is shuffled anew"
    queues = {queue["name"] for queue in listing["queues"]
              if queue["built"] and not queue["package"] and not queue["traits"]["baseline"]}
    assert queues <= {subject for subject, _ in first}
    assert {load for _, load in first} == {load["name"] for load in listing["workloads"]}


def test_a_seed_gives_the_same_runs_in_any_order(listing: dict[str, list[dict[str, Any]]]) -> None:
    deck = torture.Deck(listing, everything)
    forwards = [deck.case(7, number).words for number in range(1, 41)]
    backwards = [torture.Deck(listing, everything).case(7, number).words for number in range(40, 0, -1)]
    assert forwards == backwards[::-1]
    assert forwards != [deck.case(8, number).words for number in range(1, 41)]
    assert len({tuple(words) for words in forwards}) == 40


def test_what_the_program_refuses_is_drawn_again(listing: dict[str, list[dict[str, Any]]]) -> None:
    def small(words: list[str]) -> bool:
        return not re.search(r"=(300|1000)\b", " ".join(words))

    drawn = [torture.Deck(listing, everything).case(1, number).words for number in range(1, 60)]
    assert not all(map(small, drawn)), "there was nothing to refuse"
    assert all(small(torture.Deck(listing, small).case(1, number).words) for number in range(1, 60))


def test_a_subject_that_can_not_bear_a_load_is_not_dealt(listing: dict[str, list[dict[str, Any]]]) -> None:
    def no_pairs(words: list[str]) -> bool:
        return not any(word.startswith("pairs") for word in words)

    deck = torture.Deck(listing, no_pairs)
    assert deck.round_size < torture.Deck(listing, everything).round_size
    assert all(no_pairs(deck.case(2, number).words) for number in range(1, 2 * deck.round_size))


def test_good_queues_and_pools_survive(readyq: Path) -> None:
    done = call(readyq, "--runs", "6", "--seed", "11")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"6 of 6 runs correct; histories: .*full; \d{3,} operations judged", done.stdout), done.stdout


def test_several_at_once_are_the_same_runs(readyq: Path, readyq_broken: Path, tmp_path: Path) -> None:
    done = call(readyq, "--runs", "6", "--seed", "11", "--jobs", "3")
    assert done.returncode == 0 and "6 of 6 runs correct" in done.stdout, done.stdout + done.stderr
    program = few(tmp_path / "few", readyq_broken, queues={"broken_duplicates"}, pools=set(),
                  workloads={"producer_consumer"})  # fmt: skip
    done = call(program, "--runs", "4", "--jobs", "4")
    failed = re.findall(r"^run (\d+) FAILED: incorrect", done.stderr, re.M)
    assert done.returncode == 1 and f"{4 - len(failed)} of 4 runs correct" in done.stdout
    assert failed and failed == sorted(failed)


def test_the_commands_can_be_seen_and_one_run_again(readyq: Path) -> None:
    listed = call(readyq, "--list", "--runs", "5", "--seed", "3").stdout.splitlines()
    only = call(readyq, "--list", "--only", "4", "--seed", "3").stdout.splitlines()
    assert len(listed) == 5 and only == [listed[3]]
    done = subprocess.run([*shlex.split(listed[0])], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["history_scope"] == "full"


def few(path: Path, real: Path, **kept: set[str]) -> Path:
    """A program that lists only the plug-ins of these names, and is the real one but for that."""
    answered = subprocess.run([real, "list", "--json"], capture_output=True, text=True, check=True)
    listed = {kind: [entry for entry in entries if entry["name"] in kept.get(kind, {entry["name"]})]
              for kind, entries in json.loads(answered.stdout).items()}
    path.with_suffix(".json").write_text(json.dumps(listed))
    path.write_text(f"""#!/bin/sh
[ "$1 $2" = "list --json" ] && exec cat '{path.with_suffix(".json")}'
exec '{real}' "$@"
""")
    path.chmod(0o755)
    return path


def test_every_load_is_dealt_and_passes(readyq: Path, tmp_path: Path, listing: dict[str, list[dict[str, Any]]]) -> None:
    """Of the real program, those too that need something, as a directory; here on one queue and one pool."""
    first = {kind: {listing[kind][0]["name"]} for kind in ("queues", "pools")}
    program = few(tmp_path / "few", readyq, **first)
    loads = [load["name"] for load in listing["workloads"]]
    listed = call(program, "--list", "--runs", str(len(loads))).stdout
    assert sorted(re.findall(r"--workload (\w+)", listed)) == sorted(loads)
    done = call(program, "--runs", str(len(loads)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(loads)} of {len(loads)} runs correct" in done.stdout


def test_a_broken_queue_is_caught_and_told(readyq_broken: Path, tmp_path: Path) -> None:
    """Under a load that takes items out: whoever only polls it gets none twice."""
    program = few(tmp_path / "few", readyq_broken, queues={"broken_duplicates"}, pools=set(),
                  workloads={"producer_consumer", "pairs"})  # fmt: skip
    done = call(program, "--only", "3", "--keep", str(tmp_path / "kept"))
    assert done.returncode == 1
    assert "run 3 FAILED: incorrect" in done.stderr
    assert "--seed 1 --only 3" in done.stderr, "how to see it again"
    assert "--queue broken_duplicates" in done.stderr
    assert "0 of 1 runs correct" in done.stdout
    assert {path.suffix for path in (tmp_path / "kept").iterdir()} >= {".json", ".err", ".history"}


def test_ctrl_c_ends_it_in_order(readyq: Path) -> None:
    with subprocess.Popen(
        [SCRIPT, "--program", readyq, "--runs", "5000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and "torture: seed 1, 5000 runs" in process.stdout.readline()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "runs correct" in out


def program(path: Path, listing: str, dry_run: str, run: str) -> Path:
    """A program that is asked what it lists and what it would run; then it does `run`, in shell."""
    path.write_text(f"""#!/bin/sh
case "$1 $2" in
    "list --json") echo '{listing}' ;;
    "run --dry-run") {dry_run} ;;
    *) {run} ;;
esac
""")
    path.chmod(0o755)
    return path


ONE = json.dumps({
    "queues": [{"name": "q", "built": True, "package": None, "traits": {"baseline": False}}],
    "pools": [],
    "workloads": [{"name": "w", "subject": "queue"}],
})
NONE = json.dumps({"queues": [], "pools": [], "workloads": []})


@pytest.mark.parametrize(
    ("script", "counted"),
    [("exit 1", "0 of 1 runs correct"), ("echo '{\"schema_version\": 5, \"status\": \"ok\"}'", "1 of 1 runs correct")],
)
def test_a_run_that_ends_after_ctrl_c_counts(tmp_path: Path, script: str, counted: str) -> None:
    begun = tmp_path / "begun"
    fake = program(tmp_path / "fake", ONE, "echo {}", f"touch {begun}; sleep 1; {script}")
    with subprocess.Popen(
        [SCRIPT, "--program", fake, "--runs", "3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while not begun.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert f"torture: {counted}; " in out, out + err
    assert process.returncode == (1 if counted.startswith("0") else 130)


@pytest.mark.parametrize("twice", [False, True])
def test_a_run_that_is_cut_short_does_not_count_and_leaves_nothing(tmp_path: Path, twice: bool) -> None:
    """By a second Ctrl-C, or by a signal that means now."""
    begun, kept = tmp_path / "begun", tmp_path / "kept"
    fake = program(tmp_path / "fake", ONE, "echo {}", f"touch {begun}; sleep 60")
    with subprocess.Popen(
        [SCRIPT, "--program", fake, "--keep", kept], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while not begun.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT if twice else signal.SIGTERM)
        if twice:
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert "torture: 0 of 0 runs correct; histories: none; " in out, out + err
    assert process.returncode == 130 and not list(kept.iterdir())


@pytest.mark.parametrize(
    ("listing", "dry_run", "sentence"),
    [
        (NONE, "echo {}", "the program lists no queue and no pool that could be run"),
        (ONE, "echo 'readyq: not today' >&2; exit 2",
         "the program lists no queue and no pool that could be run; the last that it refused was: not today"),
    ],
)  # fmt: skip
def test_a_program_with_nothing_to_run_is_refused(tmp_path: Path, listing: str, dry_run: str, sentence: str) -> None:
    done = call(program(tmp_path / "fake", listing, dry_run, "exit 3"))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"torture: {sentence}\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--runs", "0"), "between 1 and 1000000"),
        (("--runs", "many"), "no whole number"),
        (("--seed", "-1"), "no whole number"),
        (("--only", "0"), "between 1 and 1000000"),
        (("--keep", "/dev/null/x"), "cannot make the folder"),
        (("--program", "/nowhere"), "no program at"),
        (("--program", "/bin/true"), "list --json printed no JSON; is it readyq?\n"),
        (("--speed", "1"), "unrecognized arguments"),
    ],
)
def test_bad_words_are_refused(readyq: Path, words: tuple[str, ...], sentence: str) -> None:
    done = call(readyq, *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
