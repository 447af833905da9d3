# SPDX-License-Identifier: Apache-2.0
"""What was found of which mutant on which rung: a line of JSON each, on the disk before the next rung.

A line counts as long as its key is that of the mutant, the sources and the rung of today, so what did not change is
not done again. Of equal keys the last line counts.
"""

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from benchlib.errors import Refused, os_reason

BASELINE = ""  # the mutant that is none


@dataclass(frozen=True)
class Line:
    """One outcome. `by` is the step that decided it."""

    mutant: str
    rung: str
    key: str
    outcome: str
    by: str
    seconds: float


class Journal:
    """The open journal in a folder; its lock keeps a second one out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise Refused(f"cannot write {path}: {os_reason(error)}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise Refused(f"{path.parent}: another run of scripts/mutants is at work there") from error
        self._lines = self._read()

    def close(self) -> None:
        """Gives the folder free."""
        os.close(self._descriptor)

    def find(self, key: str) -> Line | None:
        return self._lines.get(key)

    def seconds_of(self, mutant: str, rung: str) -> float | None:
        """How long it took the last time, whatever it was then."""
        taken = [line.seconds for line in self._lines.values() if (line.mutant, line.rung) == (mutant, rung)]
        return taken[-1] if taken else None

    def mean_seconds(self, rung: str) -> float | None:
        taken = [line.seconds for line in self._lines.values() if line.rung == rung and line.mutant != BASELINE]
        return sum(taken) / len(taken) if taken else None

    def append(self, line: Line) -> None:
        """Returns when it is on the disk; of a line that does not fit there nothing stays."""
        content = (json.dumps(asdict(line)) + "\n").encode()
        size = os.fstat(self._descriptor).st_size
        try:
            written = 0
            while written < len(content):
                written += os.write(self._descriptor, content[written:])
            os.fsync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, size)
            raise Refused(f"cannot write {self._path}: {os_reason(error)}") from error
        self._keep(self._lines, line)

    @staticmethod
    def _keep(lines: dict[str, Line], line: Line) -> None:
        lines.pop(line.key, None)  # so that the order is that of the last lines
        lines[line.key] = line

    def _read(self) -> dict[str, Line]:
        """A last line without its end was torn by a kill: it is cut off."""
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._descriptor, whole)
        lines: dict[str, Line] = {}
        for number, text in enumerate(content[:whole].splitlines(), 1):
            try:
                self._keep(lines, Line(**json.loads(text)))
            except (ValueError, TypeError) as error:
                raise Refused(f"{self._path}: line {number} is no entry of a journal of mutants") from error
        return lines
