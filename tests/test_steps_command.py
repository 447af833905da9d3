#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`readyq steps` as scripts ask it: the same numbers at every run, what it does not know is null, and what it refuses."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from command_line import Plugins, answer, record_of, refusal
from conftest import ROOT

QUEUE = ["steps", "--queue", "erts_mpsc", "--operations", "100"]
POOL = ["steps", "--pool", "erts", "--queue", "erts_mpsc", "--operations", "100"]


def steps_of(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The phases by name."""
    return {phase["name"]: phase for phase in told["phases"]}


@pytest.mark.parametrize("words", [QUEUE, POOL, [*POOL, "--workers", "3"]])
def test_two_runs_print_the_same(readyq: Path, words: list[str]) -> None:
    first = answer(readyq, *words)
    assert answer(readyq, *words) == first
    told = record_of(first)
    assert told["schema_version"] == 1 and told["items"] == 100


def test_what_a_pool_wakes_and_allocates(readyq: Path) -> None:
    told = record_of(answer(readyq, *POOL))
    assert [phase["name"] for phase in told["phases"]] == ["idle", "woken", "stream", "burst", "keyed", "port"]
    assert (told["pool"], told["job_queue"], told["ready_queue"], told["workers"]) == (
        "erts", "erts_mpsc", "erts_mpsc", 1
    )  # fmt: skip
    woken, stream = steps_of(told)["woken"], steps_of(told)["stream"]
    assert woken["steps"]["submit"]["wakes"] == woken["steps"]["work"]["wakes"] == woken["operations"] == 100
    assert stream["steps"]["submit"]["wakes"] == 1
    assert stream["steps"]["submit"]["allocations"] == stream["steps"]["pass"]["frees"] == 100


def test_atomics_are_null_where_the_build_counts_none(readyq: Path) -> None:
    costs = steps_of(record_of(answer(readyq, *QUEUE)))["pairs"]["steps"]
    assert costs["enqueue"]["atomics"] is None and costs["enqueue"]["allocations"] == 0


def test_the_memory_of_a_library_is_null(readyq: Path, known: Plugins) -> None:
    own = [queue["name"] for queue in known["queues"] if queue["built"] and queue["traits"].get("own_memory")]
    if not own:
        pytest.skip("no library of a queue is installed")
    costs = steps_of(record_of(answer(readyq, "steps", "--queue", own[0])))["pairs"]["steps"]
    assert costs["enqueue"]["allocations"] is None


def test_every_queue_that_is_built_can_be_scripted(readyq: Path, known: Plugins) -> None:
    names = [queue["name"] for queue in known["queues"] if queue["built"]]
    for name in names:
        told = record_of(answer(readyq, "steps", "--queue", name, "--operations", "200"))
        assert steps_of(told)["pairs"]["operations"] == 400, name


@pytest.mark.parametrize(("words", "sentence"), [
    (["--queue", "no_queue"], "there is no queue 'no_queue'"),
    (["--pool", "no_pool"], "there is no pool 'no_pool'"),
    (["--queue", "list", "--workers", "2"], "--job-queue, --ready-queue and --workers are for a pool"),
    (["--operations", "0"], "--operations is a number from 1 to"),
    (["--operations", "many"], "--operations is a number from 1 to"),
    (["--pool", "erts", "--workers", "17"], "--workers is a number from 1 to 16"),
    (["--pool", "erts:routing=fill", "--workers", "2"], "routing=fill goes by the clock"),
    (["--pool", "erts:ready_lock=none", "--queue", "lamport", "--workers", "2"], "allows one producer"),
])  # fmt: skip
def test_what_is_refused(readyq: Path, words: list[str], sentence: str) -> None:
    assert sentence in refusal(readyq, "steps", *words)


def test_the_steps_of_another_runtimes_pool_cannot_be_taken(readyq: Path, known: Plugins) -> None:
    other = [pool["name"] for pool in known["pools"] if pool["built"] and pool["name"] == "uv"]
    if not other:
        pytest.skip("no other pool is installed")
    assert "another runtime's" in refusal(readyq, "steps", "--pool", other[0])


# ---------------------------------------------------------------- a build that counts


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the gate builds it."""
    folder = tmp_path_factory.mktemp("counting")
    words = ["-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_C_FLAGS_RELEASE=-O1", "-DREADYQ_COUNT=ON",
             "-DREADYQ_LIBRARIES=OFF", "-DREADYQ_TESTS=OFF", "-DREADYQ_WERROR=ON"]  # fmt: skip
    subprocess.run(["cmake", "-S", ROOT, "-B", folder, *words], check=True, capture_output=True)
    subprocess.run(["ninja", "-C", folder, "readyq"], check=True, capture_output=True)
    return folder / "readyq"


@pytest.mark.slow
def test_a_build_that_counts_says_what_the_source_shows(counting: Path) -> None:
    """A managed producer: append and tally, and the two of taking an element from the cache."""
    told = record_of(answer(counting, *QUEUE))
    assert told["build"].endswith(", counting atomics")
    enqueue = steps_of(told)["pairs"]["steps"]["enqueue"]["atomics"]
    assert enqueue["cas"] == {"seq_cst": 200}
    assert enqueue["rmw"] == enqueue["cas2"] == enqueue["fence"] == {}
    assert enqueue["load"] == {"relaxed": 300, "seq_cst": 100} and enqueue["store"] == {"relaxed": 300}


@pytest.mark.slow
def test_a_plug_in_is_counted_if_it_was_compiled_so(counting: Path, tmp_path: Path) -> None:
    source = ROOT / "queues" / "plugin" / "my_queue.c"
    found = {}
    for name, words in (("plain.so", []), ("counted.so", ["-DREADYQ_COUNT=1"])):
        command = ["gcc", "-std=gnu17", "-O2", "-shared", "-fPIC", f"-I{ROOT}", *words, "-o", tmp_path / name, source]
        subprocess.run(command, check=True)
        told = json.loads(answer(counting, "steps", "--queue", tmp_path / name))
        found[name] = steps_of(told)["pairs"]["steps"]["enqueue"]["atomics"]
    assert found["plain.so"] is None and isinstance(found["counted.so"], dict)
