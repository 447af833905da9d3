# SPDX-License-Identifier: Apache-2.0
"""The two arms: programs of which nothing changes while the gate measures, and whether they can run what it asks.

What the gate did not build itself is copied first, to a path as long as that of a build, so that somebody who builds
meanwhile changes nothing that is measured.
"""

import dataclasses
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchlib import paths
from benchlib import program as programs
from benchlib.errors import Refused, os_reason
from benchlib.gate import source, tools
from benchlib.gate.build import ARMS, Builder, Say
from benchlib.gate.code_hash import code_sha256
from benchlib.gate.model import Arm, Cell
from benchlib.gate.one_run import with_plugin
from benchlib.interrupt import Interrupt

LABELS = ("BASE", "HEAD")
COPY = "snapshot"  # as long as the hash in the name of a build's folder
BESIDE = "readyq_beam*"  # what the program looks for in its own folder
NINJA = "build.ninja"
_VERSION = re.compile(r"readyq, commit (\S+)")


def resolve(
    base: str | None,
    head: str | None,
    *,
    queues: tuple[Path, Path] | None,
    program: Path | None,
    work: Path,
    say: Say,
    interrupt: Interrupt | None,
    repository: Path = paths.ROOT,
) -> tuple[Arm, Arm]:
    """BASE and HEAD: built, or copied. Raises KeyboardInterrupt when a signal ends a build."""
    if queues:
        given = programs.find(program)
        first, second = (_with_queue(given, queue, queues[1].name, label, work)
                         for label, queue in zip(LABELS, queues, strict=True))  # fmt: skip
        return first, second
    if program:
        raise Refused(f"--program {program} runs two versions of a queue, but BASE and HEAD are programs themselves")
    found = [source.find(str(word), label, repository, say) for word, label in zip((base, head), LABELS, strict=True)]
    return _arm(found[0], str(base), LABELS[0], work, say, interrupt), _arm(
        found[1], str(head), LABELS[1], work, say, interrupt
    )


def one(
    given: str,
    label: str,
    *,
    work: Path,
    say: Say,
    interrupt: Interrupt | None,
    options: Sequence[str] = (),
    repository: Path = paths.ROOT,
) -> Arm:
    """A single arm, as `resolve` makes them; `options` are more of CMake's, for what the gate builds."""
    return _arm(source.find(given, label, repository, say), given, label, work, say, interrupt, options)


def words(arm: Arm, cell: Cell) -> list[str]:
    """The arguments of `readyq run` for a cell: an arm's plug-in takes the place of the cell's queue."""
    return with_plugin(cell.arguments, arm.plugin)


def preflight(arm: Arm, cells: Iterable[Cell]) -> None:
    """Refuses an arm that is not what it was, or cannot run a cell, as an older program that lacks an option."""
    program = programs.Program(arm.program)
    if program.sha256 != arm.sha256:
        raise Refused(f"{arm.label} ({arm.given}) is not the program any more that it was when the gate began")
    _mark(arm.program, f"{arm.label} ({arm.given})")
    for cell in cells:
        try:
            program.resolve(words(arm, cell))
        except Refused as refusal:
            raise Refused(f'{arm.label} ({arm.given}) cannot run cell "{cell.name}": {refusal}') from refusal


def described(arm: Arm) -> Arm:
    """The arm with the hashes of what its program and plug-in are now."""
    what = f"{arm.label} ({arm.given})"
    return dataclasses.replace(
        arm,
        sha256=programs.Program(arm.program).sha256,
        plugin_sha256=hashlib.sha256(arm.plugin.read_bytes()).hexdigest() if arm.plugin else "",
        code_sha256=code_sha256(arm.program, arm.plugin, _mark(arm.program, what), _beside(arm.program)),
    )


def _beside(program: Path) -> list[Path]:
    return sorted(program.parent.glob(BESIDE))


def copied(path: Path, folder: Path) -> Path:
    """A program as `folder`/readyq, with what it needs beside it."""
    copy = folder / source.PROGRAM
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for beside in _beside(path):
            _copy(beside, folder / beside.name)
        return _copy(path, copy)
    except OSError as error:
        raise Refused(f"cannot copy {path} to {folder}: {os_reason(error)}") from error


def _arm(
    found: source.Commit | source.Tree | Path,
    given: str,
    label: str,
    work: Path,
    say: Say,
    interrupt: Interrupt | None,
    options: Sequence[str] = (),
) -> Arm:
    if isinstance(found, Path):
        return _given(found, given, label, work)
    built = Builder(work, say, interrupt, options).build(found, label)
    return described(Arm(label, given, built.program, found.id, "", "", None, built.tree, built.folder))


def _given(path: Path, given: str, label: str, work: Path) -> Arm:
    """Of a program that was there before."""
    program = copied(path, work.resolve() / ARMS / f"{_contents([path, *_beside(path)])}-{COPY}" / "build")
    mark = _mark(program, f"{label} ({given})")
    build = path.parent if (path.parent / NINJA).is_file() else None
    return described(Arm(label, given, program, None if mark == "unknown" else mark, "", "", None, None, build))


def _contents(files: Iterable[Path]) -> str:
    """A name for what they hold: programs that differ in what stands beside them are two, and get a folder each."""
    digest = hashlib.sha256()
    try:
        for file in files:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    except OSError as error:
        raise Refused(f"cannot read {error.filename}: {os_reason(error)}") from error
    return digest.hexdigest()[: source.NAME_DIGITS]


def _with_queue(program: Path, queue: Path, name: str, label: str, work: Path) -> Arm:
    """Both versions of a queue get the name of the second, since paths of unequal length are unequal arms."""
    if not queue.is_file():
        raise Refused(f"{label}: there is no queue at {queue}; build it as a shared object first")
    arm = dataclasses.replace(_given(program, str(queue), label, work), commit=None)  # which is the program's, of both
    try:
        folder = work.resolve() / ARMS / f"{_contents([queue])}-{COPY}" / "queue"
        folder.mkdir(parents=True, exist_ok=True)
        return described(dataclasses.replace(arm, plugin=_copy(queue, folder / name)))
    except OSError as error:
        raise Refused(f"{label}: cannot copy {queue}: {os_reason(error)}") from error


def _copy(path: Path, copy: Path) -> Path:
    """Whole or not there, and left alone where it is the same."""
    if not copy.is_file() or copy.read_bytes() != path.read_bytes():
        beside = copy.with_name(f".{copy.name}.new")
        shutil.copy2(path, beside)
        os.replace(beside, copy)
    return copy


def _mark(program: Path, what: str) -> str:
    """The commit that the program says it was built from; refuses what does not run, or is no readyq."""
    try:
        code, out, err = tools.ask(str(program), "--version")
    except Refused as refusal:
        raise Refused(f"{what} is no readyq that runs here: {refusal}") from refusal
    told = _VERSION.match(out)
    if code != 0 or not told:
        said = err.rpartition("\n")[2] or f"it ends with {code} and says {out.partition(chr(10))[0]!r}"
        raise Refused(f"{what} is no readyq that runs here: asked for its --version, {said}")
    return told[1]
