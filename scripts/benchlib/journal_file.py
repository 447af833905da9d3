# SPDX-License-Identifier: Apache-2.0
"""A file of entries, a line of JSON each, that survives a kill: every line is on the disk before `append` returns.

One process at a time has it. A last line without its end was torn by a kill: it never happened, and is cut off.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from benchlib.errors import Refused, os_reason

Entry = TypeVar("Entry")


class JournalFile:
    """The open file. `busy` says who else may have it."""

    def __init__(self, path: Path, busy: str) -> None:
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise Refused(f"cannot write {path}: {os_reason(error)}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise Refused(f"{path.parent}: {busy}") from error

    def close(self) -> None:
        """Gives the folder free."""
        os.close(self._descriptor)

    def append(self, entry: dict[str, Any]) -> None:
        """Adds one line and returns when it is on the disk; on a full disk nothing of it stays."""
        line = (json.dumps(entry) + "\n").encode()
        size = os.fstat(self._descriptor).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
            os.fsync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, size)
            raise Refused(f"cannot write {self._path}: {os_reason(error)}") from error

    def read(self, make: Callable[..., Entry], what: str) -> Iterator[Entry]:
        """All entries so far, each made of its line's keys; `what` a line should be, for the sentence if it is not."""
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._descriptor, whole)
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                yield make(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise Refused(f"{self._path}: line {number} is no {what}") from error
