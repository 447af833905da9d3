# SPDX-License-Identifier: Apache-2.0
"""One long stream of blocks in a folder, to which every call appends; a kill loses the block under way and no other.

    stream.json   what is compared, and all that was fixed when the stream began
    blocks.csv, pairs.csv   the blocks, written whole at the end of a call
    journal.jsonl   the blocks of this call, or of one that was killed: a line each, on the disk at once
"""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from benchlib import files
from benchlib.errors import Refused, os_reason
from benchlib.gate import calibration_rows as rows
from benchlib.gate.calibration_cut import Cutter, Sizes, cut
from benchlib.gate.calibration_kinds import KINDS
from benchlib.gate.calibration_rows import Entry
from benchlib.gate.model import Block, Metric, Phase, Test, Thresholds
from benchlib.journal_file import JournalFile

META, JOURNAL = "stream.json", "journal.jsonl"
SCHEMA_VERSION = 1
PILOT = 0  # the check of the pilot's blocks
_METRICS = {metric.label: metric for metric in Metric}


class Stream:
    """The open folder; one process has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Refused(f"cannot make the folder {folder}: {os_reason(error)}") from error
        self._journal = JournalFile(folder / JOURNAL, "another calibration is writing into it")
        try:
            self.meta = read_meta(folder) if (folder / META).exists() else {}
            self.entries = rows.read(folder)
            self._take_journal()
        except BaseException:
            self._journal.close()
            raise
        self._cutter: Cutter | None = None

    def _take_journal(self) -> None:
        """What a call that was killed had measured."""
        for row in list(self._journal.read(dict, "block of a calibration")):
            if not {"block", "pairs"} <= row.keys():
                raise Refused(f"{self.folder / JOURNAL}: a line is no block of a calibration")
            entry = rows.entry(row["block"], row["pairs"])
            if entry.block.number > len(self.entries):
                self.entries.append(entry)

    @property
    def fresh(self) -> bool:
        """Whether nothing is fixed yet."""
        return not self.meta

    def fix(self, **meta: Any) -> None:
        """Writes down what the stream is, or more of it."""
        self.meta = {"schema_version": SCHEMA_VERSION} | self.meta | meta
        files.write_whole(self.folder / META, json.dumps(self.meta, indent=1) + "\n")

    @property
    def tests(self) -> tuple[Test, ...]:
        """What is tested."""
        return tests_of(self.meta)

    @property
    def cutter(self) -> Cutter:
        """The checks so far, and what the next block is for. The pilot must be over."""
        if not self._cutter:
            self._cutter = recut(self.meta, self.entries)
        return self._cutter

    def pilot(self) -> list[Block]:
        """The blocks that fixed how many pairs a look has."""
        return [entry.block for entry in self.entries if entry.check == PILOT]

    def append_pilot(self, block: Block) -> None:
        """Adds a block of the pilot."""
        self._append(block, PILOT, 0)

    def append(self, block: Block) -> bool:
        """Adds the next block; True if it ends a check."""
        want = self.cutter.want
        entry = self._append(block, want.check, want.layout)
        return self.cutter.feed(entry.block) is not None

    def _append(self, block: Block, check: int, layout: int) -> Entry:
        entry = Entry(rows.rounded(block, self.tests, len(self.entries) + 1), check, layout)
        self._journal.append({"block": rows.block_row(entry), "pairs": rows.pair_rows(entry.block)})
        self.entries.append(entry)
        return entry

    def close(self) -> None:
        """Folds the journal into the tables, and empties it when they are on the disk."""
        try:
            if self.entries and self.meta:
                rows.write(self.folder, self.entries)
                with open(self.folder / JOURNAL, "r+b") as journal:
                    journal.truncate(0)
        finally:
            self._journal.close()
        if self.fresh:  # refused before anything was fixed
            (self.folder / JOURNAL).unlink()
            with contextlib.suppress(OSError):
                self.folder.rmdir()


def read_meta(folder: Path) -> dict[str, Any]:
    """stream.json, checked for what everything rests on."""
    meta = files.read_json(folder / META, "what a calibration is")
    if meta.get("schema_version") != SCHEMA_VERSION:
        raise Refused(f"{folder / META}: schema version {SCHEMA_VERSION} is known, not {meta.get('schema_version')}")
    try:
        tests_of(meta)
        thresholds_of(meta)
        kinds = {"kind": str, "level": (float, int, type(None)), "machine": str, "commit": str, "seed": int}
        wrong = [name for name, kind in kinds.items() if not isinstance(meta[name], kind)]
    except (KeyError, TypeError) as error:
        raise Refused(f"{folder / META}: it lacks something, or has too much: {error}") from error
    if wrong:
        raise Refused(f"{folder / META}: its {wrong[0]} is {meta[wrong[0]]!r}")
    if meta["kind"] not in KINDS:
        raise Refused(f"{folder / META}: its kind is {meta['kind']!r}, but must be one of {', '.join(KINDS)}")
    return meta


def tests_of(meta: dict[str, Any]) -> tuple[Test, ...]:
    """The tests as data are read from stream.json."""
    return tuple(Test(one["cell"], _METRICS[one["metric"]], one["gated"]) for one in meta["tests"])


def tests_told(tests: Sequence[Test]) -> list[dict[str, Any]]:
    """The tests as stream.json has them."""
    return [{"cell": test.cell, "metric": test.metric.label, "gated": test.gated} for test in tests]


def thresholds_of(meta: dict[str, Any]) -> Thresholds:
    """The thresholds, from stream.json."""
    return Thresholds(**{field.name: meta["thresholds"][field.name] for field in fields(Thresholds)})


def thresholds_told(thresholds: Thresholds) -> dict[str, Any]:
    """The thresholds as stream.json has them."""
    return asdict(thresholds)


def sizes_of(meta: dict[str, Any]) -> Sizes:
    """Blocks of each look: half the pairs."""
    return Sizes(meta["first_pairs"] // 2, meta["second_pairs"] // 2)


def recut(meta: dict[str, Any], entries: Sequence[Entry]) -> Cutter:
    """The checks, cut again from the blocks."""
    blocks = [entry.block for entry in entries if entry.block.phase is not Phase.PILOT]
    return cut(blocks, tests_of(meta), thresholds_of(meta), sizes_of(meta))
