# SPDX-License-Identifier: Apache-2.0
"""The history of a gate's medians: a file of lines of JSON that only grows, of any number of machines.

A check's lines are appended together, under a lock, and are on the disk before `append` returns. A last line without
its end was torn by a kill: it never happened.
"""

import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchlib import history_line
from benchlib.errors import Refused, os_reason
from benchlib.gate.model import Outcome, Report
from benchlib.history_line import Line


TORN = b'{"schema_version": '  # how a line begins: what does not, was never torn from one of ours


def read(path: Path) -> list[Line]:
    """All lines, in the order in which they were recorded."""
    try:
        with open(path, "rb") as file:
            _require_regular(file.fileno(), path)
            return _lines(file.read(), path)
    except OSError as error:
        raise Refused(f"{path}: cannot be read as a history: {os_reason(error)}") from error


def require(path: Path) -> None:
    """Refuses what no line could be appended to, before a check takes minutes. Makes no file that is not there."""
    try:
        from benchlib import history_medians  # noqa: F401
    except ImportError as error:
        raise Refused(f"a history needs {error.name}, which scripts/setup base installs") from error
    if path.exists():
        append(path, [])
    elif not (path.parent.is_dir() and os.access(path.parent, os.W_OK | os.X_OK)):
        raise Refused(f"cannot write {path}: {path.parent} is no folder that can be written to")


def record(report: Report, path: Path) -> list[str]:
    """Appends the medians of a check. Returns sentences on what a reader of the history should know of it."""
    from benchlib import history_medians  # brings pandas, which no other part of a check needs

    if report.outcome is Outcome.INVALID:
        return [f"not recorded in {path}: {report.reason}"]
    lines = history_medians.lines(report)
    if not lines:
        return [f"not recorded in {path}: nothing was measured"]
    before = append(path, lines)
    return _news(before, lines)


def append(path: Path, lines: Sequence[Line]) -> list[Line]:
    """Appends the lines, all or none of them, to a file that must be a history. Returns what it held before."""
    try:
        with _locked(path) as descriptor:
            content = path.read_bytes()
            before = _lines(content, path)
            whole = content.rfind(b"\n") + 1
            os.ftruncate(descriptor, whole)
            _write(descriptor, "".join(map(history_line.text, lines)).encode(), whole)
            return before
    except OSError as error:
        raise Refused(f"cannot write {path}: {os_reason(error)}") from error


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The open file, for one process at a time; another one waits, as it takes no time."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        _require_regular(descriptor, path)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _require_regular(descriptor: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise Refused(f"{path}: is no ordinary file, so it can hold no history")


def _write(descriptor: int, content: bytes, size: int) -> None:
    """Adds to a file of that size; on a full disk nothing of it stays."""
    try:
        written = 0
        while written < len(content):
            written += os.write(descriptor, content[written:])
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def _lines(content: bytes, path: Path) -> list[Line]:
    end = content.rfind(b"\n") + 1
    whole, torn = content[:end], content[end:]
    if not (torn.startswith(TORN) or TORN.startswith(torn)):
        raise Refused(f"{path}: is no history that can be read: its last line is of something else")
    found = []
    for number, words in enumerate(whole.splitlines(), 1):
        try:
            found.append(history_line.parse(words))
        except ValueError as error:
            raise Refused(f"{path}: is no history that can be read: line {number} {error}") from error
    return found


def _news(before: Sequence[Line], lines: Sequence[Line]) -> list[str]:
    """Cells that mean something else than when they were last recorded on this machine."""
    last = {(line.machine, line.cell, line.arm): line.settings for line in before}
    changed = dict.fromkeys(
        line.cell for line in lines
        if last.get((line.machine, line.cell, line.arm), line.settings) != line.settings
    )  # fmt: skip
    return [f"the settings of cell {cell} are not those recorded before: its history begins anew" for cell in changed]
