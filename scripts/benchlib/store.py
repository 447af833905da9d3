# SPDX-License-Identifier: Apache-2.0
"""A result folder: the journal, a record and the output of every run, the plan, and what is derived from them.

Only journal and records are the store; the CSV files and the manifest are views of it and can be made again. At any
moment, killed or not, the folder is valid: a record is whole or absent, and counts once the journal says so.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchlib.errors import Refused, os_reason
from benchlib.files import read_json, write_whole
from benchlib.journal import Entry, Journal

JOURNAL, MANIFEST = "journal.jsonl", "manifest.json"
MOST_OF_ONE_DAY = 1000  # folders of one plan, commit and date


class Store:
    """An open result folder."""

    def __init__(self, folder: Path, made: bool = False) -> None:
        """`made`: the folder itself was made for this store."""
        self.folder, self._made = folder, made
        self.journal = Journal(folder / JOURNAL)

    def close(self) -> None:
        """Gives the folder free for others."""
        self.journal.close()

    def discard(self, others: Sequence[str]) -> None:
        """Takes away a sweep that could not begin, and so has no run: what the store has made, and these files."""
        with contextlib.suppress(OSError):  # a folder that holds anything else stays
            for name in (*others, MANIFEST, JOURNAL):
                (self.folder / name).unlink(missing_ok=True)
            (self.folder / "runs").rmdir()
            if self._made:
                self.folder.rmdir()
        self.close()

    @property
    def manifest_path(self) -> Path:
        """The description of the whole sweep."""
        return self.folder / MANIFEST

    def output_paths(self, run_id: str) -> tuple[Path, Path]:
        """Where a run's stdout and stderr go."""
        return self.folder / "runs" / f"{run_id}.out", self.folder / "runs" / f"{run_id}.err"

    def keep(self, entry: Entry, record: dict[str, Any]) -> None:
        """Stores an attempt: first its record, then the journal's line, each on the disk before the next step."""
        write_whole(self._record_path(entry.run_id), json.dumps(record) + "\n")
        self._drop_what_says_nothing(entry)
        self.journal.append(entry)

    def records(self) -> Iterator[dict[str, Any]]:
        """The records of all finished attempts, failed ones too, in the order in which they were made."""
        for entry in self.journal.entries:
            if entry.finished:
                path = self._record_path(entry.run_id)
                yield read_json(path, "the journal has this run, but its record cannot be read")

    def _record_path(self, run_id: str) -> Path:
        return self.folder / "runs" / f"{run_id}.json"

    def _drop_what_says_nothing(self, entry: Entry) -> None:
        """An empty stderr, and the stdout of a run that went well: that is the record, kept as such."""
        out, err = self.output_paths(entry.run_id)
        if entry.status == "ok":
            out.unlink()
        if err.stat().st_size == 0:
            err.unlink()


def create(folder: Path) -> Store:
    """A new store in a folder that is new, empty, or of a sweep that was killed before it had begun."""
    try:
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        if not _unused(folder):
            raise Refused(f"{folder}: holds something already; {_way_out(folder)}")
        return _furnish(folder, made)
    except OSError as error:
        raise Refused(f"cannot make the results folder {folder}: {os_reason(error)}") from error


def create_named(root: Path, machine: str, name: str) -> Store:
    """A new store root/machine/name, or name-2, name-3, ...: what is there already is never written over."""
    for number in range(1, MOST_OF_ONE_DAY):
        folder = root / machine / (name if number == 1 else f"{name}-{number}")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
            return _furnish(folder, made=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise Refused(f"cannot make the results folder {folder}: {os_reason(error)}") from error
    raise Refused(f"{root / machine / name}: there are {MOST_OF_ONE_DAY} of these already")


def reopen(folder: Path) -> Store:
    """The store of a sweep to go on with."""
    if not _resumable(folder):
        raise Refused(f"{folder}: holds no sweep to resume (no {JOURNAL} and {MANIFEST})")
    return Store(folder)


def _resumable(folder: Path) -> bool:
    return (folder / JOURNAL).is_file() and (folder / MANIFEST).is_file()


def _way_out(folder: Path) -> str:
    return f"go on with --resume {folder}, or give another folder" if _resumable(folder) else "give another folder"


def _unused(folder: Path) -> bool:
    """Nothing is there, or no more than a sweep makes before its manifest: no run was made, and nothing is lost."""
    names = {path.name for path in folder.iterdir()}
    if JOURNAL not in names:
        return names <= {"runs"} and _empty(folder / "runs")
    return MANIFEST not in names and (folder / JOURNAL).stat().st_size == 0 and _empty(folder / "runs")


def _empty(folder: Path) -> bool:
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def _furnish(folder: Path, made: bool) -> Store:
    (folder / "runs").mkdir(exist_ok=True)
    store = Store(folder, made)
    if not _unused(folder):  # another sweep had it while this one looked
        store.close()
        raise Refused(f"{folder}: another sweep has begun there")
    return store
