#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The program as its users type it: what each command prints, what it refuses, with which sentence, and exit codes."""

import csv
import ctypes.util
import itertools
import json
import os
import pty
import re
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from command_line import KINDS, Plugins, answer, ask, real_queue, record_of, refusal

COMMANDS = ["list", "describe", "topology", "fields", "run", "check", "history", "doctor", "cost", "steps"]
SHORT = ["--warmup", "1ms", "--duration", "20ms"]
# An hour of measuring: whatever must be refused beforehand would run into the test's time limit.
LONG = ["--warmup", "3600s", "--duration", "3600s"]


# ---------------------------------------------------------------- the program and its commands


def test_version(readyq: Path) -> None:
    assert re.fullmatch(r"readyq, commit \S+ \(.+\), schema version of records \d+\n", answer(readyq, "--version"))


def test_no_command(readyq: Path) -> None:
    assert refusal(readyq) == "a command is missing; known are " + ", ".join(COMMANDS)


def test_unknown_command(readyq: Path) -> None:
    assert refusal(readyq, "start") == "there is no command 'start'; known are " + ", ".join(COMMANDS)


def test_help(readyq: Path) -> None:
    text = answer(readyq, "--help")
    for command in COMMANDS:
        assert f"\n  {command} " in text
    assert "\nExamples:\n  readyq list\n" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(readyq: Path, command: str) -> None:
    text = answer(readyq, command, "--help")
    assert text.startswith(f"Usage: readyq {command}")
    assert re.search(rf"\nExamples?:\n  readyq {command} ?", text)


def examples(text: str) -> list[str]:
    """The commands that a help shows as examples."""
    return re.findall(r"^  (readyq .*)$", text.partition("Example")[2], re.M)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_examples_work(readyq: Path, on_queue: str, command: str, tmp_path: Path) -> None:
    if command == "history":  # of which it shows the reading alone
        ask(readyq, "run", "--workload", on_queue, *SHORT, "--check", "full", "--history", tmp_path / "run.history")
    shown = examples(answer(readyq, *command.split(), "--help"))
    assert shown
    for line in shown:
        finished = ask(readyq, *shlex.split(line)[1:], cwd=tmp_path)
        assert finished.returncode == 0, line + finished.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_words_that_nobody_expects(readyq: Path, command: str) -> None:
    assert refusal(readyq, command, "--no-such-option") == "unrecognized option '--no-such-option'"
    if command not in ("describe", "history"):
        assert "'no-such-word'" in refusal(readyq, command, "no-such-word")


def refused_by_full_output(program: Path, *words: object) -> None:
    """It must say so in one sentence when standard output takes nothing."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        typed = [str(program), *map(str, words)]
        finished = subprocess.run(typed, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert finished.returncode == 2, words
    assert re.fullmatch(r"readyq: .+: No space left on device\n", finished.stderr), finished.stderr


def test_standard_output_that_is_full(readyq: Path, on_queue: str) -> None:
    for words in (
        *(["--version"], ["--help"], ["cost", "--help"]),
        *(["list"], ["list", "--json"], ["fields"], ["fields", "--json"]),
        ["run", "--dry-run", "--workload", on_queue],
    ):
        refused_by_full_output(readyq, *words)


def test_record_that_cannot_be_written(readyq: Path, on_queue: str, on_pool: str, tmp_path: Path) -> None:
    """Nothing may be appended then: the exit code says that nothing was written."""
    folder = tmp_path / "results"
    refused_by_full_output(readyq, "run", "--workload", on_queue, *SHORT, "--csv", folder)
    stuck = ["--workload", f"{on_pool}:service_ns=1s,window=1", "--stuck", "20ms"]
    refused_by_full_output(readyq, "run", *stuck, *SHORT, "--csv", folder)
    assert not folder.exists()


# ---------------------------------------------------------------- fields


def test_fields(readyq: Path) -> None:
    fields = json.loads(answer(readyq, "fields", "--json"))
    assert list(fields) == ["throughput.csv", "latency.csv", "histogram.csv", "accounting.csv", "timeline.csv", "threads.csv"]
    text = answer(readyq, "fields")
    for name, columns in fields.items():
        assert name in text
        assert columns[0]["name"] == "schema_version"
        for column in columns:
            assert column["name"] in text
            assert column["help"]


def test_fields_of_a_sweep(readyq: Path) -> None:
    """A sweep counts blocks from 1, and the place of a run anew in each block."""
    fields = json.loads(answer(readyq, "fields", "--json"))["throughput.csv"]
    meaning = {column["name"]: column["help"] for column in fields}
    assert "block that the run belongs to, from 1:" in meaning["block"]
    assert "Place of the run within its block, from 1," in meaning["order"]


# ---------------------------------------------------------------- run


def test_dry_run(readyq: Path, on_queue: str, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    words = ["--workload", on_queue, "--seed", "77", "--duration", "1.5ms", "--stuck", "2s", "--csv", folder]
    record = record_of(answer(readyq, "run", "--dry-run", *words))
    assert record["workload"] == on_queue
    assert (record["seed"], record["duration_ns"]) == (77, 1500000)
    assert re.fullmatch(r"[0-9a-f]{16}", record["cell_id"])
    for measured in ("throughput_ops_per_s", "verdict", "status", "operations", "window_ns"):
        assert measured not in record
    assert record["environment"]
    assert not folder.exists()


def with_library(folder: Path, code: str) -> dict[str, str]:
    """An environment in which this C code is loaded into the program."""
    source, library = folder / "code.c", folder / "code.so"
    source.write_text(code)
    subprocess.run(["cc", "-w", "-shared", "-fPIC", source, "-o", library], check=True, timeout=60)
    return os.environ | {"LD_PRELOAD": str(library)}


def test_dry_run_starts_no_thread(readyq: Path, on_queue: str, sanitized: bool, tmp_path: Path) -> None:
    if sanitized:
        pytest.skip("a sanitizer puts its own pthread_create before ours")
    forbidding = with_library(tmp_path, "void abort(void); int pthread_create(void) { abort(); }")
    words = ["--workload", on_queue, "--allocator", "libc", *SHORT]
    record_of(answer(readyq, "run", "--dry-run", *words, env=forbidding))
    assert ask(readyq, "run", *words, env=forbidding).returncode == -signal.SIGABRT


REFUSING = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument)
{
    static int left = -1;
    if (left < 0)
        left = atoi(getenv("THREADS_ALLOWED"));
    if (left == 0)
        return EAGAIN;
    left--;
    int (*real)() = (int (*)())dlsym(RTLD_NEXT, "pthread_create");
    return real(thread, attributes, body, argument);
}
"""


def test_threads_that_cannot_be_had(readyq: Path, on_queue: str, on_pool: str, sanitized: bool, tmp_path: Path) -> None:
    if sanitized:
        pytest.skip("a sanitizer puts its own pthread_create before ours")
    environment = with_library(tmp_path, REFUSING)
    met: set[str] = set()
    for load, allowed in itertools.product((on_queue, on_pool), range(12)):
        words = ["--quiet", "--workload", load, "--allocator", "libc", *SHORT]
        finished = ask(readyq, "run", *words, env=environment | {"THREADS_ALLOWED": str(allowed)})
        if finished.returncode == 0:
            continue
        what, _, why = finished.stderr.removeprefix("readyq: ").partition(": ")
        assert why == "the machine or a limit (ulimit -u or -v, pids.max of a control group) allows no more threads\n"
        met.add(re.sub(r"\d+", "N", what))
    parts = {"worker N of N cannot be started", "thread N of N cannot be started", "thread progress cannot be set up"}
    assert met == parts


def test_every_workload_runs(readyq: Path, known: Plugins, tmp_path: Path) -> None:
    for load in known["workloads"]:
        # A text without a default must be given; it names a directory.
        places = [f":{one['name']}={tmp_path}" for one in load["params"] if (one["type"], one["default"]) == ("text", "")]
        finished = ask(readyq, "run", "--workload", load["name"] + "".join(places), *SHORT)
        assert finished.returncode == 0, finished.stderr
        record = record_of(finished.stdout)
        assert (record["status"], record["exit_reason"], record["verdict"]) == ("ok", "ok", "ok")
        assert record["operations"] > 0
        assert record["throughput_ops_per_s"] > 0
        assert record["window_ns"] >= 20_000_000
        assert set(record["latency"]) <= set(load["stages"])
        for word in (load["name"], ": ok\n", "throughput", load["operation"]):
            assert word in finished.stderr
        assert "\x1b" not in finished.stderr


def test_quiet(readyq: Path, on_queue: str) -> None:
    assert record_of(answer(readyq, "run", "--quiet", "--workload", on_queue, *SHORT))["status"] == "ok"


def test_the_first_listed_are_the_defaults(
    readyq: Path, on_queue: str, on_pool: str, known: Plugins
) -> None:
    queue, pool = known["queues"][0]["name"], known["pools"][0]["name"]
    assert record_of(answer(readyq, "run", "--dry-run", "--workload", on_queue))["queue"] == queue
    record = record_of(answer(readyq, "run", "--dry-run", "--workload", on_pool))
    assert (record["pool"], record["job_queue"], record["ready_queue"]) == (pool, queue, queue)
    assert "queue" not in record


def test_demands_on_a_pool(readyq: Path, on_pool: str, known: Plugins) -> None:
    """No workers, and threads that are no schedulers, where the pool allows them, and only there."""
    pools = [entry for entry in known["pools"] if entry["built"]]
    for pool in pools:
        def run(params: str) -> list[str]:
            return ["run", "--dry-run", "--workload", f"{on_pool}:{params}", "--pool", pool["name"]]
        if pool["traits"]["synchronous"]:
            record = record_of(answer(readyq, *run("workers=0,schedulers=2")))
            assert (record["threads"], record["schedulers"], record["workers"]) == (2, 2, 0)
        else:
            assert refusal(readyq, *run("workers=0"), lacks="runs without workers") == (
                f"workload {on_pool} is asked for no workers, but pool {pool['name']} needs at least one"
            )
        if pool["traits"]["externals"]:
            record = record_of(answer(readyq, *run("externals=3")))
            assert (record["threads"], record["schedulers"], record["workers"]) == (5, 1, 1)
        else:
            assert refusal(readyq, *run("externals=3"), lacks="externals") == (
                f"workload {on_pool} is asked for 3 threads that only submit, but in pool {pool['name']} only "
                "schedulers may"
            )
    assert pools


def test_queues_of_a_pool(readyq: Path, on_pool: str, known: Plugins) -> None:
    first, other = known["queues"][0]["name"], real_queue(known)
    assert first != other

    def queues(*words: str) -> tuple[str, str]:
        record = record_of(answer(readyq, "run", "--dry-run", "--workload", on_pool, *words))
        return record["job_queue"], record["ready_queue"]

    assert queues("--queue", other) == (other, other)
    assert queues("--job-queue", other) == (other, first)
    assert queues("--ready-queue", other) == (first, other)
    assert queues("--queue", other, "--ready-queue", first) == (other, first)
    assert queues("--job-queue", other, "--ready-queue", first) == (other, first)


def test_tags(readyq: Path, on_queue: str) -> None:
    tags = {"plan_hash": "ab12", "run_id": "r-7", "arm": "old", "block": 3, "order": 12, "attempt": 2}
    words = [word for name, value in tags.items() for word in ("--" + name.replace("_", "-"), value)]
    record = record_of(answer(readyq, "run", "--dry-run", "--workload", on_queue, *words))
    assert {name: record[name] for name in tags} == tags
    record = record_of(answer(readyq, "run", "--dry-run", "--workload", on_queue))
    assert not {"plan_hash", "arm", "block", "order", "attempt"} & set(record)


def test_stuck_run(readyq: Path, on_pool: str, tmp_path: Path) -> None:
    """Threads that will not come back must neither be waited for nor keep the record from being written."""
    load = f"{on_pool}:service_ns=1s,window=1"
    finished = ask(readyq, "run", "--workload", load, "--stuck", "20ms", *SHORT, "--csv", tmp_path)
    assert finished.returncode == 1
    record = record_of(finished.stdout)
    assert (record["status"], record["exit_reason"], record["verdict"]) == ("failed", "stuck", "stuck")
    assert "stuck" in finished.stderr
    rows = list(csv.DictReader((tmp_path / "throughput.csv").open(encoding="utf-8")))
    assert [row["exit_reason"] for row in rows] == ["stuck"]


def test_stuck_run_leaves_at_once(readyq: Path, on_pool: str, sanitized: bool, tmp_path: Path) -> None:
    """Nothing may be torn down under threads that are still running: not even what exit() does."""
    if sanitized:
        pytest.skip("a sanitizer must be loaded before anything else")
    telling = with_library(tmp_path, 'int puts(); __attribute__((destructor)) void end(void) { puts("torn down"); }')
    words = ["--allocator", "libc", *SHORT]
    finished = ask(readyq, "run", "--workload", on_pool, *words, env=telling)
    assert (finished.returncode, "torn down" in finished.stdout) == (0, True)
    stuck = f"{on_pool}:service_ns=1s,window=1"
    finished = ask(readyq, "run", "--workload", stuck, "--stuck", "20ms", *words, env=telling)
    assert (finished.returncode, "torn down" in finished.stdout) == (1, False)


def on_terminal(program: Path, *words: str) -> str:
    """What a person at a terminal sees on standard error."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, stderr=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 4096):
            seen += part
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    assert process.wait(timeout=60) == 0
    return seen.decode()


def test_progress_line_on_a_terminal_only(readyq: Path, on_queue: str) -> None:
    words = ["run", "--workload", on_queue, "--warmup", "1ms", "--duration", "500ms"]
    assert "operations/s" in on_terminal(readyq, *words).partition(f"{on_queue} on ")[0]
    assert on_terminal(readyq, *words, "--quiet") == ""
    assert "\r" not in ask(readyq, *words).stderr


# ---------------------------------------------------------------- CSV


def header(path: Path) -> list[str]:
    return path.read_text().splitlines()[0].split(",")


def test_csv(readyq: Path, on_queue: str, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "results"
    fields = json.loads(answer(readyq, "fields", "--json"))
    records = []
    for seed in (1, 2):
        finished = ask(readyq, "run", "--workload", on_queue, *SHORT, "--seed", seed, "--csv", folder)
        assert finished.returncode == 0, finished.stderr
        assert str(folder) in finished.stderr
        records.append(record_of(finished.stdout))
    for name, columns in fields.items():
        assert header(folder / name) == [column["name"] for column in columns]
    rows = list(csv.DictReader((folder / "throughput.csv").open(encoding="utf-8")))
    assert [row["seed"] for row in rows] == ["1", "2"]
    assert [int(row["operations"]) for row in rows] == [record["operations"] for record in records]


def test_csv_of_another_version_is_refused_before_measuring(readyq: Path, on_queue: str, tmp_path: Path) -> None:
    old = "schema_version,throughput\n999,1\n"
    (tmp_path / "throughput.csv").write_text(old)
    sentence = refusal(readyq, "run", "--workload", on_queue, *LONG, "--csv", tmp_path)
    assert "throughput.csv" in sentence and "999" in sentence
    assert (tmp_path / "throughput.csv").read_text() == old
    assert [path.name for path in tmp_path.iterdir()] == ["throughput.csv"]


def test_csv_folder_that_cannot_be_written_is_refused_before_measuring(
    readyq: Path, on_queue: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        sentence = refusal(readyq, "run", "--workload", on_queue, *LONG, "--csv", folder)
        assert f"'{folder}'" in sentence
    assert refusal(readyq, "run", "--workload", on_queue, *LONG, "--csv", "") == "--csv needs the name of a folder"


def test_csv_folder_that_cannot_be_made_after_all(readyq: Path, on_queue: str) -> None:
    """The record is all that is left of the run, so it must be there."""
    finished = ask(readyq, "run", "--quiet", "--workload", on_queue, *SHORT, "--csv", "/proc/readyq-results")
    assert finished.returncode == 2
    assert finished.stderr.startswith("readyq: cannot make the results folder '/proc/readyq-results': ")
    if finished.stdout:  # without the rights of the superuser it is refused before measuring
        assert record_of(finished.stdout)["status"] == "ok"


def test_interrupted_run_leaves_no_folder(readyq: Path, on_queue: str, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "results"
    words = [readyq, "run", "--workload", on_queue, *LONG, "--csv", folder]
    with pytest.raises(subprocess.TimeoutExpired):  # which kills it
        subprocess.run(words, capture_output=True, timeout=1, check=False)
    assert not folder.parent.exists()


# ---------------------------------------------------------------- refusals


def test_workload_is_required(readyq: Path) -> None:
    assert refusal(readyq, "run") == "--workload is missing; 'readyq list workloads' shows what there is"


def test_unknown_plugins(readyq: Path, on_queue: str, on_pool: str, known: Plugins) -> None:
    queues, loads, pools = (", ".join(entry["name"] for entry in known[kind]) for kind in KINDS)
    assert refusal(readyq, "run", "--workload", "x") == f"there is no workload 'x'; known are {loads}"
    sentence = refusal(readyq, "run", "--workload", on_queue, "--queue", "x")
    assert sentence == f"there is no queue 'x'; known are {queues}"
    assert refusal(readyq, "run", "--workload", on_pool, "--pool", "x") == f"there is no pool 'x'; known are {pools}"
    for option in ("--queue", "--job-queue", "--ready-queue"):
        assert f"known are {queues}" in refusal(readyq, "run", "--workload", on_pool, option, "x:a=1")
    assert "names nothing" in refusal(readyq, "run", "--workload", ":a=1")
    for words in (["--workload", f"{on_queue}:"], ["--workload", on_queue, "--queue", f"{real_queue(known)}:"]):
        sentence = refusal(readyq, "run", *words)
        assert sentence == f"'{words[-1]}' has no parameter after its colon; write NAME or NAME:parameter=value,..."


def test_options_that_contradict(
    readyq: Path, on_queue: str, on_pool: str, known: Plugins
) -> None:
    queue = real_queue(known)
    pool = known["pools"][0]["name"]
    for option, value in (("--pool", pool), ("--job-queue", queue), ("--ready-queue", queue)):
        assert refusal(readyq, "run", "--workload", on_queue, option, value) == (
            f"{option} makes no sense here: workload {on_queue} runs on a queue, which --queue names"
        )
    three = ["--queue", queue, "--job-queue", queue, "--ready-queue", queue]
    assert refusal(readyq, "run", "--workload", on_pool, *three) == (
        "--queue makes no sense here: --job-queue and --ready-queue already name both queues of the pool"
    )
    closed = [entry["name"] for entry in known["pools"] if entry["built"] and not entry["traits"]["takes_queues"]]
    for pool, option in itertools.product(closed, ("--queue", "--job-queue", "--ready-queue")):
        assert refusal(readyq, "run", "--workload", on_pool, "--pool", pool, option, queue) == (
            f"{option} makes no sense here: pool {pool} takes no queues"
        )
    twice = ["--queue", queue, "--queue", queue]
    assert refusal(readyq, "run", "--workload", on_queue, *twice) == "--queue is given twice"
    assert refusal(readyq, "run", "--workload", on_queue, "--seed", 1, "--seed", 1) == "--seed is given twice"


NO_TIME = "must be a time in whole nanoseconds, such as 250ns, 1.5us, 10ms or 2s, not"
OUT_OF_RANGE = [
    ("--duration", "10", "--duration must be between 1ms and 3600s, not 10"),
    ("--duration", "-1s", "--duration must be between 1ms and 3600s, not -1s"),
    ("--warmup", "2h", f"--warmup {NO_TIME} '2h'"),
    ("--stuck", "0.5ns", f"--stuck {NO_TIME} '0.5ns'"),
    ("--seed", "many", "--seed must be a whole number, such as 64, 4k, 2M or 1G, not 'many'"),
    (
        "--seed",
        "18446744073709551616",
        "--seed must be at least 0 and fit into 64 bits, not 18446744073709551616",
    ),
    ("--dispatch", "magic", "--dispatch must be one of vtable, direct, not 'magic'"),
    ("--allocator", "tcmalloc", "--allocator: there is no allocator 'tcmalloc'; known are jemalloc, libc"),
    ("--block", "first", "--block must be a whole number, not 'first'"),
    ("--attempt", "18446744073709551615", "--attempt must be a whole number, not '18446744073709551615'"),
    ("--arm", "", "--arm must be a text of printable ASCII characters"),
    ("--run-id", "caf\u00e9", "--run-id must be a text of printable ASCII characters"),
]


@pytest.mark.parametrize(("option", "value", "sentence"), OUT_OF_RANGE, ids=lambda text: text or "empty")
def test_settings_out_of_range(readyq: Path, on_queue: str, option: str, value: str, sentence: str) -> None:
    assert refusal(readyq, "run", "--workload", on_queue, option, value) == sentence


def test_pin_to_what_is_not_allowed(readyq: Path, on_queue: str) -> None:
    absent = max(os.sched_getaffinity(0)) + 1000
    assert str(absent) in refusal(readyq, "run", "--workload", on_queue, "--pin", absent)
    assert "'everywhere'" in refusal(readyq, "run", "--workload", on_queue, "--pin", "everywhere")


def specs_of(known: Plugins) -> list[tuple[str, dict[str, Any], list[str]]]:
    """Every built plug-in with the words that choose it, but for its parameters."""
    on_queue = next(load["name"] for load in known["workloads"] if load["subject"] == "queue")
    on_pool = next(load["name"] for load in known["workloads"] if load["subject"] == "pool")
    chosen = [("workload", load, ["--workload"]) for load in known["workloads"]]
    chosen += [("queue", queue, ["--workload", on_queue, "--queue"]) for queue in known["queues"] if queue["built"]]
    chosen += [("pool", pool, ["--workload", on_pool, "--pool"]) for pool in known["pools"] if pool["built"]]
    return chosen


def test_every_range_is_enforced(readyq: Path, known: Plugins) -> None:
    tried = 0
    for kind, entry, words in specs_of(known):
        preset = {pair.partition("=")[0] for pair in (entry.get("presets") or "").split(",")}
        for param in entry["params"]:
            begin = f"{kind} {entry['name']}: {param['name']} must be "
            if param["name"] in preset:
                continue
            if "max" in param:
                sentence = refusal(readyq, "run", *words, f"{entry['name']}:{param['name']}={param['max'] + 1}")
                assert sentence.startswith(begin + "between "), sentence
                tried += 1
            if param.get("min", 0) > 0:
                sentence = refusal(readyq, "run", *words, f"{entry['name']}:{param['name']}={param['min'] - 1}")
                assert sentence.startswith(begin), sentence
            if param["type"] == "choice":
                sentence = refusal(readyq, "run", *words, f"{entry['name']}:{param['name']}=none-of-these")
                assert sentence == begin + f"one of {', '.join(param['choices'])}, not 'none-of-these'"
        sentence = refusal(readyq, "run", *words, f"{entry['name']}:no_such=1")
        assert sentence.startswith(f"{kind} {entry['name']}: there is no parameter 'no_such'; ")
        assert all(param["name"] in sentence for param in entry["params"])
    assert tried > 10


def test_presets_of_a_pools_alias_stay(readyq: Path, on_pool: str, known: Plugins) -> None:
    """None of them can be set again; of the queues that it names, each can be another one."""
    other = real_queue(known)
    for alias in (pool for pool in known["pools"] if pool["alias_of"] and pool["built"]):
        words = ["run", "--dry-run", "--workload", on_pool, "--pool"]
        presets = re.sub(r"=(\d+)us\b", r"=\g<1>000", alias["presets"]).split(",")
        for preset in presets:
            sentence = refusal(readyq, *words, f"{alias['name']}:{preset}")
            assert sentence == f"pool {alias['name']}: this name stands for {preset}, which can't be set again"
        record = record_of(answer(readyq, *words, alias["name"]))
        assert set(presets) <= set(record["pool_params"].split(";"))
        assert record["job_queue"] == alias["job_queue"].partition(":")[0]
        record = record_of(answer(readyq, *words, alias["name"], "--ready-queue", other))
        assert (record["job_queue"], record["ready_queue"]) == (alias["job_queue"].partition(":")[0], other)


def test_presets_of_an_alias_stay(readyq: Path, on_queue: str, known: Plugins) -> None:
    for alias in (queue for queue in known["queues"] if queue["alias_of"] and queue["built"]):
        sentence = refusal(readyq, "run", "--workload", on_queue, "--queue", f"{alias['name']}:{alias['presets']}")
        assert sentence == f"queue {alias['name']}: this name stands for {alias['presets']}, which can't be set again"
        record = record_of(answer(readyq, "run", "--dry-run", "--workload", on_queue, "--queue", alias["name"]))
        assert record["queue"] == alias["name"]
        assert alias["presets"] in record["queue_params"].split(";")


# ---------------------------------------------------------------- allocator


def allocator_of(program: Path, load: str, *words: str, **variables: str) -> str:
    text = answer(program, "run", "--dry-run", "--workload", load, *words, env=os.environ | variables)
    for name in ("READYQ_STARTED_AGAIN", "LD_PRELOAD", "libjemalloc"):
        assert name not in text
    return str(record_of(text)["allocator"])


def test_allocator(readyq: Path, on_queue: str, sanitized: bool) -> None:
    asked = ["run", "--workload", on_queue, "--allocator", "jemalloc"]
    if sanitized:
        assert "sanitizer" in allocator_of(readyq, on_queue)
        assert "sanitizer" in allocator_of(readyq, on_queue, "--allocator", "libc")
        assert "a build with sanitizers brings its own malloc" in refusal(readyq, *asked)
        return
    assert allocator_of(readyq, on_queue, "--allocator", "libc").startswith("libc ")
    if not ctypes.util.find_library("jemalloc"):
        assert allocator_of(readyq, on_queue).startswith("libc ")
        assert "install the package libjemalloc2" in refusal(readyq, *asked)
        return
    assert allocator_of(readyq, on_queue).startswith("jemalloc ")
    assert allocator_of(readyq, on_queue, "--allocator", "jemalloc").startswith("jemalloc ")
    # Another library that is preloaded already stays so.
    assert allocator_of(readyq, on_queue, LD_PRELOAD="libm.so.6").startswith("jemalloc ")
    assert allocator_of(readyq, on_queue, LD_PRELOAD="libjemalloc.so.2").startswith("jemalloc ")
    preloaded = os.environ | {"LD_PRELOAD": "libjemalloc.so.2"}
    sentence = refusal(readyq, "run", "--workload", on_queue, "--allocator", "libc", env=preloaded)
    assert sentence.startswith("--allocator: libc was asked for, but LD_PRELOAD brings jemalloc ")


def test_second_start_is_the_last(readyq: Path, on_queue: str, sanitized: bool) -> None:
    """The program that was started again without success must not start itself a third time."""
    again = {"READYQ_STARTED_AGAIN": "1"}
    if sanitized:
        assert "sanitizer" in allocator_of(readyq, on_queue, **again)
        return
    assert allocator_of(readyq, on_queue, **again).startswith("libc ")
    asked = ["run", "--workload", on_queue, "--allocator", "jemalloc"]
    assert "jemalloc was asked for, but libc " in refusal(readyq, *asked, env=os.environ | again)
