# SPDX-License-Identifier: Apache-2.0
"""The blocks that a search for what to inject has measured, so that the next call goes on with it.

The search takes its way by the blocks alone. So it is given those of before again, for as long as it asks for the same
injections in the same order; then it measures. When it has found what it looked for, they go.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchlib.errors import Refused, os_reason
from benchlib.gate import calibration_rows as rows
from benchlib.gate.calibration_rows import Entry
from benchlib.gate.model import Block, Test
from benchlib.journal_file import JournalFile

NAME = "search.jsonl"
_LINE = "block of a search for what to inject"


def count(folder: Path) -> int:
    """How many blocks are kept in a stream's folder."""
    path = folder / NAME
    return path.read_bytes().count(b"\n") if path.exists() else 0


class Search:
    """The open file, in the folder of a stream, whose lock is this one's too."""

    def __init__(self, folder: Path, tests: Sequence[Test]) -> None:
        self._path, self._tests = folder / NAME, tests
        self._journal = JournalFile(self._path, "another calibration is writing into it")
        try:
            self._before = list(self._journal.read(dict, _LINE))
            for line in self._before:
                if line.keys() != {"texts", "block", "pairs"}:
                    raise Refused(f"{self._path}: a line is no {_LINE}")
        except BaseException:
            self._journal.close()
            raise
        self._used = 0

    def again(self, texts: Mapping[str, str]) -> Block | None:
        """The next block of before, if it was measured with these injections; else all that came later is forgotten."""
        if self._used == len(self._before):
            return None
        line = self._before[self._used]
        if line["texts"] != dict(texts):
            self._before = self._before[: self._used]
            self._cut(sum(len(json.dumps(kept)) + 1 for kept in self._before))
            return None
        self._used += 1
        return rows.entry(line["block"], line["pairs"]).block

    def _cut(self, size: int) -> None:
        try:
            os.truncate(self._path, size)
        except OSError as error:
            raise Refused(f"cannot write {self._path}: {os_reason(error)}") from error

    def append(self, texts: Mapping[str, str], block: Block) -> Block:
        """Keeps a block; returns it as it will be read again."""
        kept = rows.rounded(block, self._tests, self._used + 1)
        row = rows.block_row(Entry(kept, 0, 0))
        line: dict[str, Any] = {"texts": dict(texts), "block": row, "pairs": rows.pair_rows(kept)}
        self._journal.append(line)
        self._before.append(line)
        self._used += 1
        return kept

    @property
    def seconds(self) -> float:
        """What its blocks took, over all calls."""
        return sum(rows.entry(line["block"], line["pairs"]).block.wall_s for line in self._before)

    def close(self, found: bool) -> None:
        """Gives the file free, and removes it when nothing is looked for any more, or nothing is in it."""
        self._journal.close()
        if found or not self._before:
            self._path.unlink(missing_ok=True)
