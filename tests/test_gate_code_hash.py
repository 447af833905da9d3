# SPDX-License-Identifier: Apache-2.0
"""Equal code is told from unequal by what is loaded, and by nothing that only marks or describes it."""

import subprocess
from pathlib import Path

import pytest

from benchlib.errors import Refused
from benchlib.gate.code_hash import code_sha256, sections

SOURCE = """#include <stdio.h>
int table[4] = {1, 2, 3, NUMBER};
int main(void)
{
    return printf("%s %d\\n", COMMIT, table[3]) < 0;
}
"""


def build(folder: Path, name: str, *, commit: str = "unknown", number: int = 4, more: tuple[str, ...] = ()) -> Path:
    """A program of the source above."""
    (folder / "main.c").write_text(SOURCE)
    marks = [f'-DCOMMIT="{commit}"', f"-DNUMBER={number}"]
    subprocess.run(["gcc", "-O2", *marks, *more, "-o", name, "main.c"], cwd=folder, check=True)
    return folder / name


def test_the_same_program_by_another_name(tmp_path: Path) -> None:
    first, second = build(tmp_path, "a"), build(tmp_path, "b")
    assert code_sha256(first) == code_sha256(second)


@pytest.mark.parametrize("more", [("-g",), ("-s",), ("-Wl,--build-id=0x1234",)])
def test_what_is_not_loaded_or_a_note_does_not_count(tmp_path: Path, more: tuple[str, ...]) -> None:
    first, second = build(tmp_path, "a", more=("-Wl,--build-id=0x5678",)), build(tmp_path, "b", more=more)
    if more[0].startswith("-Wl"):
        assert first.read_bytes() != second.read_bytes() and code_sha256(first) == code_sha256(second)
    else:
        plain = build(tmp_path, "plain")
        assert plain.read_bytes() != second.read_bytes() and code_sha256(plain) == code_sha256(second)


def test_data_counts(tmp_path: Path) -> None:
    assert code_sha256(build(tmp_path, "a")) != code_sha256(build(tmp_path, "b", number=5))


def test_the_commit_that_a_program_tells_does_not_count(tmp_path: Path) -> None:
    marks = ("0123456789ab", "ba9876543210")
    first, second = (build(tmp_path, mark, commit=mark) for mark in marks)
    assert code_sha256(first) != code_sha256(second)
    assert code_sha256(first, mark=marks[0]) == code_sha256(second, mark=marks[1])
    third = build(tmp_path, "c", commit=marks[1], number=5)
    assert code_sha256(first, mark=marks[0]) != code_sha256(third, mark=marks[1])


def test_what_a_program_loads_from_beside_it_counts(tmp_path: Path) -> None:
    program, beside = tmp_path / "readyq", tmp_path / "readyq_beam.so"
    program.write_text("program")
    hashes = {code_sha256(program)}
    for content in ("old", "new"):
        beside.write_text(content)
        hashes.add(code_sha256(program, beside=[beside]))
    assert len(hashes) == 3


@pytest.mark.parametrize("mark", ["%s %d\n", "GCC", "unknown", "", "a"])
def test_only_a_commit_is_taken_out(tmp_path: Path, mark: str) -> None:
    program = build(tmp_path, "a")
    assert code_sha256(program, mark=mark) == code_sha256(program)


def test_a_plugin_counts(tmp_path: Path) -> None:
    program = build(tmp_path, "a")
    first = build(tmp_path, "one.so", more=("-shared", "-fPIC"))
    second = build(tmp_path, "two.so", more=("-shared", "-fPIC"), number=5)
    assert len({code_sha256(program), code_sha256(program, first), code_sha256(program, second)}) == 3


def test_sections(tmp_path: Path) -> None:
    found = {section.name: section for section in sections(build(tmp_path, "a").read_bytes())}
    assert found[".data"].content.endswith(bytes([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]))
    assert found[".bss"].content == b"" and found[".text"].address % 16 == 0


def test_what_is_no_object_file(tmp_path: Path) -> None:
    script, cut = tmp_path / "script", tmp_path / "cut"
    script.write_text("#!/bin/sh\n")
    program = build(tmp_path, "a").read_bytes()
    hashes = {code_sha256(script)}
    for length in (3, 4, 10, 63, 100, len(program) - 64):
        cut.write_bytes(program[:length])
        assert sections(cut.read_bytes()) == []
        hashes.add(code_sha256(cut))
    assert len(hashes) == 7
    with pytest.raises(Refused, match="cannot read .*/none: No such file"):
        code_sha256(tmp_path / "none")
