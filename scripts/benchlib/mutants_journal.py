# SPDX-License-Identifier: Apache-2.0
"""What was found of which mutant on which rung: a line of JSON each, on the disk before the next rung.

A line counts as long as its key is that of the mutant, the sources and the rung of today, so what did not change is
not done again. Of equal keys the last line counts.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from benchlib.errors import Refused, os_reason
from benchlib.journal_file import JournalFile

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
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Refused(f"cannot write {path}: {os_reason(error)}") from error
        self._file = JournalFile(path, "another run of scripts/mutants is at work there")
        self._lines: dict[str, Line] = {}
        for line in self._file.read(Line, "entry of a journal of mutants"):
            self._keep(line)

    def close(self) -> None:
        """Gives the folder free."""
        self._file.close()

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
        self._file.append(asdict(line))
        self._keep(line)

    def _keep(self, line: Line) -> None:
        self._lines.pop(line.key, None)  # so that the order is that of the last lines
        self._lines[line.key] = line
