#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The gate's exact numbers: what is counted of which arm, what an operation costs, what rose, and what cannot be told."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchlib.gate import build, callgrind, counting_build, counts, steps
from benchlib.gate.model import Arm, Cell, Count
from benchlib.gate.steps import CannotCount
from benchlib.interrupt import Interrupt

QUEUE_CELL = Cell("pairs", {"workload": "pairs", "queue": "erts_mpsc"},
                  ("--workload", "pairs", "--queue", "erts_mpsc"), 0.4)  # fmt: skip
POOL_CELL = Cell("pool", {"workload": "closed_loop", "workload.workers": 2, "pool": "erts", "queue": "erts_mpsc"},
                 ("--workload", "closed_loop", "--queue", "erts_mpsc", "--pool", "erts"), 0.4)  # fmt: skip
LISTED = {"workloads": [{"name": "pairs", "subject": "queue"}, {"name": "closed_loop", "subject": "pool"}],
          "pools": [{"name": "erts"}]}  # fmt: skip

# What stands in for readyq: an item costs `loads` loads, and three allocations happen once.
FAKE = """#!/usr/bin/python3
import json, sys
words = sys.argv[1:]
if words[0] == "list":
    print(json.dumps({listed!r}))
    sys.exit()
if words[0] != "steps" or {old!r}:
    sys.exit(f"readyq: there is no command '{{words[0]}}'; known are list")
items = int(words[words.index("--operations") + 1])
kind = "wakes" if "--pool" in words else "notifications"
atomics = {{"load": {{"relaxed": {loads} * items, "seq_cst": items}}, "cas": {{}}}} if {counting!r} else None
cost = {{"calls": items, "allocations": 3 + items // 8, "frees": 0, kind: items, "atomics": atomics}}
print(json.dumps({{"phases": [{{"name": "pairs", "operations": 2 * items, "steps": {{"enqueue": cost}}}}]}}))
"""


def fake(path: Path, *, loads: int = 2, old: bool = False, counting: bool = False) -> Path:
    """A program at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FAKE.format(listed=LISTED, loads=loads, old=old, counting=counting))
    path.chmod(0o755)
    return path


def arm(program: Path, label: str = "BASE", **more: Any) -> Arm:
    return Arm(label, f"the {label.lower()}", program, None, "", "", **more)


def ignore(text: str) -> None:
    """Where nobody listens."""


@pytest.fixture
def no_valgrind(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> list[int]:
        raise CannotCount("instructions were not counted: valgrind is not installed (scripts/setup base)")

    monkeypatch.setattr(callgrind, "instructions", absent)


def by_name(found: list[Count]) -> dict[str, tuple[float | None, float | None]]:
    return {count.name: (count.base, count.head) for count in found}


# ---------------------------------------------------------------- side by side


def test_an_operation_costs_the_difference_of_two_lengths(tmp_path: Path, no_valgrind: None) -> None:
    program = fake(tmp_path / "a" / "readyq")
    found, notes = counts.counts(arm(program), arm(program, "HEAD"), [QUEUE_CELL], tmp_path, ignore, None)
    assert by_name(found) == {
        "erts_mpsc, pairs: allocations an operation": (1 / 16, 1 / 16),
        "erts_mpsc, pairs: notifications an operation": (0.5, 0.5),
    }
    assert len(notes) == 4 and all("valgrind is not installed" in note or "as a program" in note for note in notes)


def test_queue_and_pool_are_counted_once_each(tmp_path: Path, no_valgrind: None) -> None:
    program = fake(tmp_path / "a" / "readyq")
    told: list[str] = []
    found, _ = counts.counts(
        arm(program), arm(program, "HEAD"), [QUEUE_CELL, POOL_CELL, QUEUE_CELL, POOL_CELL], tmp_path, told.append, None
    )
    assert told == ["counting the steps of erts_mpsc", "counting the steps of erts with erts_mpsc of 2 workers"]
    assert "erts with erts_mpsc of 2 workers, pairs: wakes an operation" in by_name(found)


def test_an_arm_without_the_command_has_no_numbers(tmp_path: Path, no_valgrind: None) -> None:
    old, new = fake(tmp_path / "old" / "readyq", old=True), fake(tmp_path / "new" / "readyq")
    found, notes = counts.counts(arm(old), arm(new, "HEAD"), [QUEUE_CELL, POOL_CELL], tmp_path, ignore, None)
    assert all(count.base is None and count.head is not None for count in found) and found
    assert [note for note in notes if note.startswith("BASE")] == [
        "BASE (the base): its program is older than `readyq steps`"
    ]
    assert counts.worse(found) == []


def test_a_plug_in_takes_the_place_of_the_queue(tmp_path: Path, no_valgrind: None) -> None:
    program = fake(tmp_path / "a" / "readyq")
    plugins = [tmp_path / name / "mine.so" for name in ("old", "new")]
    told: list[str] = []
    pair = [arm(program, label, plugin=path) for label, path in zip(("BASE", "HEAD"), plugins, strict=True)]
    found, _ = counts.counts(*pair, [QUEUE_CELL], tmp_path, told.append, None)
    assert told == ["counting the steps of mine.so"] and found


def test_what_is_not_the_same_twice_is_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(1000, 2000))
    monkeypatch.setattr(callgrind, "instructions", lambda *_: [next(numbers)])
    program = fake(tmp_path / "a" / "readyq")
    found, notes = counts.counts(arm(program), arm(program, "HEAD"), [QUEUE_CELL], tmp_path, ignore, None)
    assert not [count for count in found if "instructions" in count.name]
    assert any("two counts of the same were not equal" in note for note in notes)


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [([0], "callgrind saw no instruction in a phase"), ([5, 5], "callgrind parted 2 and 2 phases of 1")],
)
def test_phases_that_callgrind_cannot_tell_apart_are_no_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numbers: list[int], sentence: str
) -> None:
    monkeypatch.setattr(callgrind, "instructions", lambda *_: numbers)
    program = fake(tmp_path / "a" / "readyq")
    found, notes = counts.counts(arm(program), arm(program, "HEAD"), [QUEUE_CELL], tmp_path, ignore, None)
    assert found and not [count for count in found if "instructions" in count.name]
    assert any(sentence in note for note in notes)


# ---------------------------------------------------------------- what rose


def test_instructions_may_rise_a_little_and_nothing_else_at_all() -> None:
    found = [
        Count("q, pairs: instructions an operation", 100.0, 101.0),
        Count("q, burst: instructions an operation", 100.0, 101.1),
        Count("q, pairs: compare-and-swaps an operation", 1.0, 1.001),
        Count("q, pairs: allocations an operation", 0.0, 0.01),
        Count("q, pairs: wakes an operation", 1.0, 0.5),
        Count("q, empty: wakes an operation", None, 0.5),
    ]
    assert [count.name for count in counts.worse(found)] == [
        "q, burst: instructions an operation",
        "q, pairs: compare-and-swaps an operation",
        "q, pairs: allocations an operation",
    ]
    assert len(counts.worse(found, 2.0)) == 2
    assert len(counts.worse(found, 0.0)) == 4


# ---------------------------------------------------------------- the counting build

RULES = """cmake_minimum_required(VERSION 3.25)
project(fake LANGUAGES NONE)
option(READYQ_COUNT "" OFF)
if(READYQ_COUNT AND NOT EXISTS "${CMAKE_SOURCE_DIR}/broken")
    add_custom_target(readyq COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_SOURCE_DIR}/counting ${CMAKE_BINARY_DIR}/readyq)
endif()
"""


@pytest.fixture
def from_sources(tmp_path: Path) -> Callable[[str, int], Arm]:
    """Makes an arm that was built from sources, whose counting program makes so many loads."""

    def make(label: str, loads: int) -> Arm:
        tree = tmp_path / label / "source"
        fake(tree / "counting", loads=loads, counting=True)
        (tree / "CMakeLists.txt").write_text(RULES)
        return arm(fake(tmp_path / label / "build" / "readyq"), label, tree=tree)

    return make


def test_atomic_accesses_come_from_another_build(
    tmp_path: Path, from_sources: Callable[[str, int], Arm], no_valgrind: None
) -> None:
    base, head = from_sources("BASE", 2), from_sources("HEAD", 4)
    found, notes = counts.counts(base, head, [QUEUE_CELL], tmp_path, ignore, None)
    assert by_name(found)["erts_mpsc, pairs: atomic loads an operation"] == (1.5, 2.5)
    assert by_name(found)["erts_mpsc, pairs: sequentially consistent accesses an operation"] == (0.5, 0.5)
    assert not [name for name in by_name(found) if "compare-and-swap" in name]  # none in either
    assert [count.name for count in counts.worse(found)] == ["erts_mpsc, pairs: atomic loads an operation"]
    assert all("valgrind" in note for note in notes)
    told: list[str] = []
    with build.locked(tmp_path):  # as another gate has it for minutes
        counting_build.program(base, tmp_path, told.append, None)
    assert not told, "it is built once"
    assert base.tree
    (base.tree.parent / counting_build.WHOLE).unlink()  # as a kill in the middle leaves it
    counting_build.program(base, tmp_path, told.append, None)
    assert told == ["BASE: building once more, to count atomic accesses"]


def test_sources_that_cannot_be_counted_are_told(tmp_path: Path, from_sources: Callable[[str, int], Arm]) -> None:
    old, broken = from_sources("BASE", 2), from_sources("HEAD", 2)
    assert old.tree and broken.tree
    (old.tree / "CMakeLists.txt").write_text("project(old)")
    with pytest.raises(CannotCount, match="older than the option READYQ_COUNT"):
        counting_build.program(old, tmp_path, ignore, None)
    (broken.tree / "broken").touch()
    with pytest.raises(CannotCount, match="failed in ninja; the log is .*counting.log"):
        counting_build.program(broken, tmp_path, ignore, None)


def test_counting_ends_at_the_first_signal(
    tmp_path: Path, from_sources: Callable[[str, int], Arm], no_valgrind: None
) -> None:
    """No further build or count is begun, and so none outlives the gate."""
    told: list[str] = []

    def signalled(text: str) -> None:
        told.append(text)
        if "building" in text:
            signal.raise_signal(signal.SIGTERM)

    arms = from_sources("BASE", 2), from_sources("HEAD", 2)
    with Interrupt(ignore) as interrupt:
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                counts.counts(*arms, [QUEUE_CELL, POOL_CELL], tmp_path, signalled, interrupt)
    assert told == ["counting the steps of erts_mpsc", "BASE: building once more, to count atomic accesses"]


def test_what_hangs_under_valgrind_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "valgrind"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(callgrind, "TIMEOUT_S", 0.2)
    with pytest.raises(CannotCount, match="valgrind did not end in 0 s"):
        callgrind.instructions(Path("/bin/true"), ["--operations", "1"])


# ---------------------------------------------------------------- the real programs


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "OPERATIONS", 64)


def test_callgrind_counts_each_phase(readyq: Path, short: None, sanitized: bool) -> None:
    if sanitized:
        pytest.skip("valgrind and sanitizers do not go together")
    _, burst, empty, _ = callgrind.instructions(readyq, steps.words(["--queue", "erts_mpsc"], 64))
    assert 64 * 20 < burst < 64 * 1000 and 0 < empty < burst


def test_malloc_is_not_counted(readyq: Path, sanitized: bool) -> None:
    """A pool that allocates a record for each job differs little from one that keeps the record."""
    if sanitized:
        pytest.skip("valgrind and sanitizers do not go together")
    pool = steps.words(["--pool", "erts"], 64)
    usual, kept = (callgrind.instructions(readyq, [*pool[:1], f"erts:job_cache={cache}", *pool[2:]])[2] / 64
                   for cache in (0, 1))  # fmt: skip
    assert abs(usual - kept) < 100


def test_two_equal_arms_cost_the_same(readyq: Path, short: None, tmp_path: Path, sanitized: bool) -> None:
    """The shorter script of BASE and HEAD was counted twice each, and was the same."""
    if sanitized:
        pytest.skip("valgrind and sanitizers do not go together")
    found, notes = counts.counts(arm(readyq), arm(readyq, "HEAD"), [QUEUE_CELL], tmp_path, ignore, None)
    named = by_name(found)
    assert all(base == head for base, head in named.values())
    base, _ = named["erts_mpsc, pairs: instructions an operation"]
    assert base and 10 < base < 500
    assert all("as a program" in note for note in notes)


def test_what_a_job_costs_a_pool(readyq: Path, tmp_path: Path, no_valgrind: None) -> None:
    found, _ = counts.counts(arm(readyq), arm(readyq, "HEAD"), [POOL_CELL], tmp_path, ignore, None)
    named = by_name(found)
    assert named["erts with erts_mpsc of 2 workers, stream: allocations an operation"] == (1.0, 1.0)
    wakes, _ = named["erts with erts_mpsc of 2 workers, woken: wakes an operation"]
    assert wakes and wakes >= 2  # the worker by the job, the scheduler by its completion


def test_a_program_that_dies_under_valgrind_is_told(tmp_path: Path) -> None:
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not installed")
    with pytest.raises(CannotCount, match="ended with"):
        callgrind.instructions(Path("/bin/false"), ["--operations", "1"])


def test_without_valgrind_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotCount, match="scripts/setup base"):
        callgrind.instructions(tmp_path / "readyq", ["--operations", "1"])
