# SPDX-License-Identifier: Apache-2.0
"""The frozen sentinel never changes, says what it should, and gives up where it cannot measure."""

import hashlib
import json
import math
import os
import subprocess
from pathlib import Path

import pytest

from benchlib.errors import Refused
from benchlib.gate import sentinels
from benchlib.gate.sentinels import SILENT, Frozen, parse
from benchlib.interrupt import Interrupt

# Prints a line, but fails.
FAILING = r"""
#include <stdio.h>
int main(void) { return puts("{\"schema_version\": 1, \"spin_ns\": 5, \"round_trip_ns\": 5}") < 0 ? 2 : 1; }
"""
FROZEN = "c3ec410214a955ef8446349c9c60f342acd2c3e4e00aad4ceb2056c4e7270538"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built sentinel."""
    return sentinels.build(tmp_path_factory.mktemp("sentinel"))


def answer(program: Path, cpus: set[int] | None = None) -> dict:
    """Its line, on these CPUs only."""
    done = subprocess.run(
        [program], capture_output=True, text=True, timeout=30, check=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None,
    )  # fmt: skip
    assert done.stderr == "" and done.stdout.count("\n") == 1
    return json.loads(done.stdout)


def test_it_is_the_file_that_histories_were_made_with() -> None:
    """A change, were it of a comment, makes another program of it, whose numbers go with no history.

    If it must be: give it another VERSION, write down here the hash of the new file, and begin every history anew.
    """
    assert hashlib.sha256(sentinels.SOURCE.read_bytes()).hexdigest() == FROZEN
    assert "#define VERSION 1\n" in sentinels.SOURCE.read_text()


def test_it_includes_nothing_of_the_project() -> None:
    assert '#include "' not in sentinels.SOURCE.read_text()


def test_what_it_says(program: Path) -> None:
    said = answer(program)
    assert list(said) == ["schema_version", "sentinel", "spin_ns", "round_trip_ns"]
    assert said["sentinel"] == 1
    assert said["spin_ns"] > 1000
    if len(os.sched_getaffinity(0)) > 1 and said["round_trip_ns"] is not None:
        assert 1 < said["round_trip_ns"] < 1e6


def test_on_one_cpu_there_is_no_round_trip(program: Path) -> None:
    said = answer(program, {min(os.sched_getaffinity(0))})
    assert said["round_trip_ns"] is None and said["spin_ns"] > 1000
    assert parse(said).spin_ns == said["spin_ns"] and math.isnan(parse(said).round_trip_ns)


def test_it_is_built_once_for_a_folder(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again = sentinels.build(program.parent)
    assert again == program
    monkeypatch.setenv("PATH", str(tmp_path))
    assert sentinels.build(program.parent) == program
    with pytest.raises(Refused, match="no C compiler named cc"):
        sentinels.build(tmp_path)
    assert [path.name for path in program.parent.iterdir()] == [program.name]


def test_another_source_has_another_name(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tmp_path / "sentinel.c"
    changed.write_text(FAILING)
    monkeypatch.setattr(sentinels, "SOURCE", changed)
    built = sentinels.build(tmp_path)
    assert built.name != program.name
    with Interrupt(print) as interrupt:
        assert Frozen(tmp_path, interrupt).take() == SILENT
    changed.write_text("no C\n")
    with pytest.raises(Refused, match="cc cannot build the gate's sentinel: "):
        sentinels.build(tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot build the gate's sentinel in "):
        sentinels.build(tmp_path / "file" / "below")


def test_it_is_asked_as_a_run_is(program: Path) -> None:
    with Interrupt(print) as interrupt:
        found = Frozen(program.parent, interrupt).take()
    assert found.spin_ns > 1000
