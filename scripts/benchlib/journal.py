# SPDX-License-Identifier: Apache-2.0
"""What was attempted: one line of JSON per attempt, on the disk before the next attempt starts.

The journal is the store's memory: an attempt that has no line here never happened, whatever files it left.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from benchlib.journal_file import JournalFile
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
        self._file = JournalFile(path, "another sweep is writing there")
        self.entries = list(self._file.read(Entry, "entry of a journal"))

    def close(self) -> None:
        """Gives the folder free."""
        self._file.close()

    def append(self, entry: Entry) -> None:
        """Adds one line and returns when it is on the disk; on a full disk nothing of it stays."""
        self._file.append(asdict(entry))
        self.entries.append(entry)
