#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`readyq run --check`: what a history adds to a run's verdict, for right and for wrong queues, and what is refused."""

import csv
import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

# Long enough for some operations in the window, on a busy machine too: without any a run counts as stuck.
SHORT = ["--warmup", "1ms", "--duration", "100ms"]
# All that the fastest queue does fits into the memory for a history.
BRIEF = ["--warmup", "1ms", "--duration", "20ms"]
# An hour of measuring: whatever must be refused beforehand would run into the test's time limit.
LONG = ["--warmup", "3600s", "--duration", "3600s"]
MEMORY = ["--check-memory", "256"]  # of any machine that tests are run on
FULL, SAMPLED = ["--check", "full", *MEMORY], ["--check", "sampled", "--check-every", "8", *MEMORY]
CHECKS = pytest.mark.parametrize("check", [FULL, SAMPLED], ids=["full", "sampled"])
POOL_LOADS = [
    "closed_loop", "closed_loop:keys=3", "closed_loop:workers=0", "closed_loop:schedulers=2,workers=2", "blast",
    "port_churn", "stall",
]  # fmt: skip


def ask(program: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """`readyq run` with these words, until it ends."""
    typed = [str(program), "run", *map(str, words)]
    return subprocess.run(typed, capture_output=True, text=True, timeout=120, check=False)


def record_of(text: str) -> dict[str, Any]:
    """The one line of JSON on standard output."""
    assert text.count("\n") == 1, text
    record = json.loads(text)
    assert isinstance(record, dict)
    return record


def good(program: Path, *words: object) -> dict[str, Any]:
    """The record of a run that must be correct."""
    done = ask(program, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    record = record_of(done.stdout)
    assert (record["status"], record["verdict"]) == ("ok", "ok") and "verdict_detail" not in record
    return record


def refusal(program: Path, *words: object) -> str:
    """Its one sentence, when it must refuse; nothing else may be printed."""
    done = ask(program, *words)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert done.stderr.startswith("readyq: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("readyq: ").rstrip("\n")


def listed(program: Path, kind: str) -> list[dict[str, Any]]:
    told = subprocess.run([program, "list", "--json", kind], capture_output=True, text=True, check=True).stdout
    return [entry for entry in json.loads(told)[kind] if entry["built"] and not entry.get("broken")]


def loads(queue: dict[str, Any]) -> list[str]:
    """The workloads on a queue, with as many threads as it allows, and not so much in flight that a bounded one is full."""
    traits = queue["traits"]
    producers, consumers = (2 if traits[side] == "many" else 1 for side in ("producers", "consumers"))
    both = min(producers, consumers)
    return [f"producer_consumer:producers={producers},consumers={consumers},window=100", f"pairs:threads={both}"]


def assert_judged(record: dict[str, Any], check: list[str]) -> None:
    """A correct run, of which so much was judged."""
    assert record["check"] == record["history_scope"] == check[1]
    assert record["history_fault"] == "ok"
    assert record["history_operations"] > 0 and record["history_cost_ns"] > 0
    assert "history of " in record["checks"]
    assert "history_cut_ns" not in record
    assert record["check_memory_mib"] == 256
    assert record.get("check_every") == (8 if check is SAMPLED else None)


@pytest.fixture(scope="session")
def readyq_broken(readyq: Path) -> Path:
    """The program that knows the broken queues too, from the same build."""
    path = readyq.parent / "tests" / "readyq_broken"
    assert path.exists(), f"{path} is not built"
    return path


# ---------------------------------------------------------------- what is right


@CHECKS
def test_the_history_of_every_listed_queue_is_right(readyq: Path, check: list[str]) -> None:
    queues = [queue for queue in listed(readyq, "queues") if not queue["traits"]["baseline"]]
    assert queues
    for queue in queues:
        for load in loads(queue):
            record = good(readyq, "--workload", load, "--queue", queue["name"], *check, *BRIEF)
            assert_judged(record, check)
            whole = 2 * record["items_total"] + record["history_empties"]
            # Whatever the workload counted is in it: each item twice, and nothing but EMPTYs beside.
            if check is FULL:
                assert record["history_operations"] == whole, queue["name"]
            else:
                assert record["history_empties"] < record["history_operations"] < whole


@CHECKS
@pytest.mark.parametrize("load", POOL_LOADS)
def test_the_history_of_a_pool_is_right(readyq: Path, load: str, check: list[str]) -> None:
    record = good(readyq, "--workload", load, *check, *SHORT)
    assert_judged(record, check)
    assert "history_empties" not in record
    if check is FULL:  # submitted, invoked, and completed or freed
        assert record["history_operations"] >= 3 * record["items_total"] > 0


@CHECKS
def test_the_history_of_every_listed_pool_is_right(readyq: Path, check: list[str]) -> None:
    pools = [pool["name"] for pool in listed(readyq, "pools")]
    assert pools
    for pool in pools:
        assert_judged(good(readyq, "--workload", "closed_loop:workers=2", "--pool", pool, *check, *SHORT), check)


def test_without_a_check_there_is_no_history(readyq: Path) -> None:
    record = good(readyq, "--workload", "pairs", *SHORT)
    assert (record["check"], record["history_scope"]) == ("none", "none")
    assert not [name for name in record if name.startswith(("history_", "check_")) and name != "history_scope"]
    assert "history" not in record["checks"]


def test_one_in_one_is_every_item_and_is_a_sample_still(readyq: Path) -> None:
    words = ["--check", "sampled", "--check-every", "1", *MEMORY]
    record = good(readyq, "--workload", "pairs", "--queue", "mutex_list", *words, *SHORT)
    assert record["history_scope"] == "sampled" and record["check_every"] == 1
    assert record["history_operations"] == 2 * record["items_total"] + record["history_empties"]


def test_a_history_that_does_not_fit_is_a_sample(readyq: Path) -> None:
    words = ["--warmup", "1ms", "--duration", "1s", "--check", "full", "--check-memory", "1"]
    done = ask(readyq, "--workload", "pairs", "--queue", "mutex_list", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    record = record_of(done.stdout)
    assert (record["verdict"], record["history_scope"], record["history_fault"]) == ("ok", "sampled", "ok")
    assert record["check"] == "full" and 0 < record["history_cut_ns"]
    assert 0 < record["history_operations"] <= 2**20 / 24 < 2 * record["items_total"]
    assert "history     sampled (its memory was full after " in done.stderr


def test_the_summary_says_what_was_judged(readyq: Path) -> None:
    words = ["--workload", "pairs", "--queue", "mutex_list", *SHORT]
    done = ask(readyq, *words, *FULL)
    operations = record_of(done.stdout)["history_operations"]
    assert f"\n  history     full, {operations} operations, ok (recorded at " in done.stderr
    assert "\n  history     sampled (1 in 8), " in ask(readyq, *words, *SAMPLED).stderr
    assert "history" not in ask(readyq, *words).stderr
    assert ask(readyq, *words, *FULL, "--quiet").stderr == ""


def test_a_terminal_is_told_that_judging_goes_on(readyq: Path) -> None:
    ours, theirs = pty.openpty()
    words = [str(readyq), "run", "--workload", "pairs", *FULL, *SHORT]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 4096):
            seen += part
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    assert process.wait(timeout=60) == 0
    before, _, after = seen.decode().partition("judging ")
    assert after.split(" operations\r\033[K")[0].isdigit() and "pairs on queue" not in before


# ---------------------------------------------------------------- what is wrong

# What hides in the end, when consumers leave after EMPTY, is lost, which is named first.
HIDDEN = "false_empty or lost"
BROKEN = [
    ("broken_loses", "producer_consumer", "lost"),
    ("broken_loses", "pairs", "lost"),
    ("broken_duplicates", "producer_consumer", "duplicated"),
    ("broken_duplicates", "pairs", "duplicated"),
    ("broken_swaps", "producer_consumer", "duplicated"),
    ("broken_reorders", "producer_consumer", "reordered"),
    ("broken_hides", "producer_consumer", HIDDEN),
    ("broken_hides", "pairs", HIDDEN),
]


@CHECKS
@pytest.mark.parametrize(("queue", "load", "fault"), BROKEN)
def test_the_history_of_a_broken_queue_names_the_fault(
    readyq_broken: Path, queue: str, load: str, fault: str, check: list[str]
) -> None:
    words = ["--workload", load, "--queue", queue, "--warmup", "20ms", "--duration", "200ms", "--quiet"]
    done = ask(readyq_broken, *words, *check)
    assert done.returncode == 1
    record = record_of(done.stdout)
    assert (record["status"], record["exit_reason"], record["verdict"]) == ("failed", "incorrect", "violated")
    assert record["history_scope"] == check[1]
    assert record["history_fault"] in fault.split(" or "), record["verdict_detail"]
    assert f"history: {record['history_fault']}: " in record["verdict_detail"]
    # It can't be had again, so it is there although the rest is quiet.
    sentence, *lines = done.stderr.splitlines()
    assert sentence == f"{load} on queue {queue}: violated ({record['verdict_detail']})"
    assert lines[0] == "what in the history shows it:" and len(lines) >= 4
    roles = ("thread 0 ",) if load == "pairs" else ("producer 0 ", "consumer 0 ")
    drawn = [line for line in lines[1:] if "|" in line]
    assert drawn and all(line.startswith(roles) for line in drawn), done.stderr


def test_a_history_sees_what_no_count_of_items_can(readyq_broken: Path) -> None:
    """One item too many: all are delivered once and in order, and the workload finds nothing."""
    words = ["--workload", "producer_consumer", "--queue", "broken_overfills", "--duration", "200ms"]
    good(readyq_broken, *words)
    done = ask(readyq_broken, *words, *FULL)
    record = record_of(done.stdout)
    assert (done.returncode, record["status"], record["exit_reason"]) == (1, "failed", "incorrect")
    assert (record["verdict"], record["history_fault"]) == ("violated", "overfull")
    assert record["verdict_detail"].startswith("history: overfull: 9 items were inside at once")
    assert "producer_consumer on queue broken_overfills: violated (history: overfull: " in done.stderr
    assert ", overfull (recorded at " in done.stderr


def test_a_stuck_run_has_no_verdict_of_its_history(readyq_broken: Path, tmp_path: Path) -> None:
    words = ["--workload", "producer_consumer", "--queue", "broken_sticks", "--stuck", "1s", *SHORT, *FULL]
    done = ask(readyq_broken, *words, "--history", tmp_path / "h")
    assert done.returncode == 1
    record = record_of(done.stdout)
    assert (record["verdict"], record["history_scope"]) == ("stuck", "none") and "history_fault" not in record
    assert record["verdict_detail"].endswith("; the history was neither judged nor written")
    assert not list(tmp_path.iterdir())
    detail = record_of(ask(readyq_broken, *words).stdout)["verdict_detail"]
    assert detail.endswith("; the history was not judged")


# ---------------------------------------------------------------- its file


def judged(program: Path, path: Path) -> tuple[int, dict[str, Any]]:
    done = subprocess.run([program, "history", "--json", path], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout, done.stderr
    return done.returncode, record_of(done.stdout)


@CHECKS
@pytest.mark.parametrize("load", ["producer_consumer", "closed_loop:keys=3", "port_churn"])
def test_the_file_of_a_right_history_is_judged_alike(
    readyq: Path, tmp_path: Path, load: str, check: list[str]
) -> None:
    path = tmp_path / "run.history"
    path.write_text("what was there before")
    record = good(readyq, "--workload", load, *check, *SHORT, "--history", path)
    code, verdict = judged(readyq, path)
    assert code == 0
    assert [verdict[name] for name in ("verdict", "fault", "scope", "drained")] == ["ok", "ok", check[1], True]
    assert verdict["counts"]["operations"] == record["history_operations"]
    assert verdict["counts"]["empties"] == record.get("history_empties", 0)
    assert verdict["name"].startswith(record.get("queue") or record["pool"])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("queue", "load", "fault"), BROKEN[::3])
def test_the_file_of_a_wrong_history_is_judged_alike(
    readyq_broken: Path, tmp_path: Path, queue: str, load: str, fault: str
) -> None:
    path = tmp_path / "run.history"
    words = ["--workload", load, "--queue", queue, "--warmup", "20ms", "--duration", "100ms"]
    record = record_of(ask(readyq_broken, *words, *FULL, "--history", path).stdout)
    code, verdict = judged(readyq_broken, path)
    assert (code, verdict["verdict"], verdict["fault"]) == (1, "violated", record["history_fault"])
    assert verdict["fault"] in fault.split(" or ")
    assert record["verdict_detail"].endswith(f"history: {verdict['fault']}: {verdict['sentence']}")


def test_what_a_pool_leaves_behind_is_not_lost(readyq: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.history"
    words = ["--workload", "closed_loop:drain=no", "--pool", "erts:stop=flush", *FULL, *SHORT, "--history", path]
    record = good(readyq, *words)
    code, verdict = judged(readyq, path)
    assert (code, verdict["fault"], record["history_fault"]) == (0, "ok", "ok")
    assert (verdict["drained"], verdict["unrun"]) == (True, record["jobs_unrun"])
    assert verdict["workers"] == record["workers"] > 0
    assert record["jobs_unrun"] > 0, "nothing was left, so that this shows nothing"


def test_a_file_that_cannot_be_written_is_refused_before_measuring(readyq: Path, tmp_path: Path) -> None:
    words = ["--workload", "pairs", "--queue", "mutex_list", *LONG]
    (tmp_path / "file").write_text("")
    for path, said in [
        (tmp_path / "nowhere" / "h", ": its folder: No such file or directory"),
        (tmp_path / "file" / "h", ": its folder: Not a directory"),
        (tmp_path, ", which is no plain file"),
        (f"{tmp_path}/new/", ", which names a folder"),
    ]:
        sentence = refusal(readyq, *words, *FULL, "--history", path)
        assert sentence == f"the history can't be written to '{path}'{said}"
    assert refusal(readyq, *words, *FULL, "--history", "") == "--history needs the name of a file"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_cannot_be_written_after_all_costs_no_record(readyq: Path) -> None:
    """The record is all that is left of the run, so it must be there."""
    done = ask(readyq, "--workload", "pairs", *FULL, *SHORT, "--quiet", "--history", "/proc/readyq-history")
    assert done.returncode == 2
    assert done.stderr.startswith("readyq: ") and "/proc/readyq-history" in done.stderr
    if done.stdout:  # without the rights of the superuser it is refused before measuring
        record = record_of(done.stdout)
        assert (record["status"], record["history_fault"]) == ("ok", "ok")


def test_a_dry_run_writes_no_history(readyq: Path, tmp_path: Path) -> None:
    words = ["--workload", "pairs", *FULL, *LONG, "--dry-run", "--history", tmp_path / "h"]
    done = ask(readyq, *words)
    record = record_of(done.stdout)
    assert (done.returncode, record["check"]) == (0, "full") and "history_scope" not in record
    assert not list(tmp_path.iterdir())


def test_the_columns_of_a_history_are_in_the_table(readyq: Path, tmp_path: Path) -> None:
    record = good(readyq, "--workload", "producer_consumer", *SAMPLED, *SHORT, "--csv", tmp_path)
    good(readyq, "--workload", "producer_consumer", *SHORT, "--csv", tmp_path)
    with open(tmp_path / "throughput.csv", newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    names = [name for name in first if name.startswith(("check", "history_"))]
    assert {name: first[name] for name in names} == {name: str(record.get(name, "")) for name in names}
    assert (second["check"], second["history_scope"], second["history_operations"]) == ("none", "none", "")


def test_nothing_is_appended_to_results_of_the_version_before(readyq: Path, tmp_path: Path) -> None:
    before = ROOT / "results" / "reference-ablations" / "throughput.csv"
    (tmp_path / "throughput.csv").write_bytes(before.read_bytes())
    sentence = refusal(readyq, "--workload", "pairs", *LONG, "--csv", tmp_path)
    assert "has schema version 2 and this program writes version 5: choose another folder" in sentence
    assert (tmp_path / "throughput.csv").read_bytes() == before.read_bytes()


def test_an_option_without_effect_is_said_to_be_so(readyq: Path) -> None:
    def said(*words: str) -> list[str]:
        done = ask(readyq, "--workload", "pairs", *SHORT, "--check-every", "8", *words)
        return [line.strip() for line in done.stderr.splitlines() if "no effect" in line]

    assert said() == ["no check was asked for: --check-every has no effect"]
    assert said("--check-memory", "9")[1:] == ["no check was asked for: --check-memory has no effect"]
    assert said("--check", "full") == ["--check full records every item or job: --check-every has no effect"]
    assert said("--check", "sampled", "--check-memory", "9") == []
    assert said("--quiet") == []


def test_a_history_that_was_being_written_leaves_nothing_behind(readyq: Path, tmp_path: Path) -> None:
    try:
        os.close(os.open(tmp_path, os.O_TMPFILE | os.O_WRONLY))
    except OSError:
        pytest.skip("this file system has no files without a name")
    command = [readyq, "run", "--workload", "pairs", *FULL, "--duration", "500ms", "--history", tmp_path / "h"]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:

        def is_writing() -> bool:
            try:
                files = [os.readlink(name) for name in Path(f"/proc/{running.pid}/fd").iterdir()]
            except FileNotFoundError:  # one was closed meanwhile
                return False
            return any(name.startswith(str(tmp_path)) for name in files)

        while running.poll() is None and not is_writing():
            time.sleep(0.001)
        running.kill()
        assert running.wait() == -signal.SIGKILL, "it had ended before it was seen to write"
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- bad words


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--check", "half"], "--check must be one of none, sampled, full, not 'half'"),
        (["--check", ""], "--check must be one of none, sampled, full, not ''"),
        (["--check", "sampled", "--check-every", "0"], "--check-every must be between 1 and 4294967295 items, not 0"),
        (["--check", "sampled", "--check-every", "many"], "--check-every must be a whole number"),
        (["--check", "full", "--check-memory", "0"], "--check-memory must be between 1 and 1048576 MiB, not 0"),
        (["--check", "full", "--check-memory", "2M"], "--check-memory must be between 1 and 1048576 MiB, not 2M"),
        (["--check", "full", "--check-memory", "1048576"], "--check-memory must be at most "),
        (["--check", "full", "--dispatch", "direct"], "so that with --check full dispatch can only be vtable"),
        (["--check", "full", "--queue", "null"], "so that --check can only be none"),
        (["--history", "h"], "--history has nothing to write: add --check full or --check sampled"),
        (["--check", "none", "--history", "h"], "--history has nothing to write"),
        (["--check", "full", "--history", "h" * 241], "its name is too long"),
    ],
)
def test_bad_words_are_refused_in_one_sentence(readyq: Path, words: list[str], sentence: str) -> None:
    assert sentence in refusal(readyq, "--workload", "pairs", *LONG, *words)


def test_what_has_no_meaning_without_a_check_changes_no_cell(readyq: Path) -> None:
    def cell(*words: str) -> str:
        return str(record_of(ask(readyq, "--workload", "pairs", "--dry-run", *words).stdout)["cell_id"])

    plain = cell()
    assert cell("--check", "none", "--check-every", "3", "--check-memory", "7") == plain
    checked = [cell("--check", "full"), cell("--check", "sampled"), cell("--check", "sampled", "--check-every", "3")]
    assert len({plain, *checked}) == 4
