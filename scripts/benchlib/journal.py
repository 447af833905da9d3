# SPDX-License-Identifier: Apache-2.0
"""What was attempted: one line of JSON per attempt, on the disk before the next attempt starts.

The journal is the store's memory: an attempt that has no line here never happened, whatever files it left.
"""

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from benchlib.errors import Refused, os_reason
from benchlib.runner import INTERRUPTED


@dataclass(frozen=True)
class Entry:
    """One attempt at one run."""

    run_id: str
    cell_id: str
    part: str
    block: int
    order: int
    attempt: int
    started: str
    wall_s: float
    status: str
    exit_reason: str
    exit_code: int
    arm: str = ""  # of the programs that the plan names

    @property
    def finished(self) -> bool:
        """It counts, failed or not: only an attempt that the user broke off is made again."""
        return self.exit_reason != INTERRUPTED


class Journal:
    """The open journal of a store. Its lock keeps a second sweep out of the same folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise Refused(f"cannot write {path}: {os_reason(error)}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise Refused(f"{path.parent}: another sweep is writing there") from error
        self.entries = self._read()

    def close(self) -> None:
        """Gives the folder free."""
        os.close(self._descriptor)

    def append(self, entry: Entry) -> None:
        """Adds one line and returns when it is on the disk; on a full disk nothing of it stays."""
        line = (json.dumps(asdict(entry)) + "\n").encode()
        size = os.fstat(self._descriptor).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
            os.fsync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, size)
            raise Refused(f"cannot write {self._path}: {os_reason(error)}") from error
        self.entries.append(entry)

    def _read(self) -> list[Entry]:
        """All entries so far. A last line without its end was torn by a kill: it is cut off."""
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._descriptor, whole)
        entries = []
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                entries.append(Entry(**json.loads(line)))
            except (ValueError, TypeError) as error:
                raise Refused(f"{self._path}: line {number} is no entry of a journal") from error
        return entries
