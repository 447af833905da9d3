# SPDX-License-Identifier: Apache-2.0
"""The journal of a gate's folder: a line for each attempt at a block, on the disk before the next block begins.

Its first line says what is measured, so that no other measurement is mixed in when it is resumed. Beside what the
decision needs, lines hold what the vetoes were made from, so that rules can be judged by blocks measured long ago.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchlib.errors import Refused, os_reason
from benchlib.gate.accounts import Passed
from benchlib.gate.model import SCHEMA_VERSION, Block, Metric, Pair, Phase, Sentinels
from benchlib.journal_file import JournalFile

NAME = "journal.jsonl"
CHECK, BLOCK, UNFINISHED = "check", "block", "unfinished"
_METRICS = {metric.label: metric for metric in Metric}
_LINE = "line of a gate's journal"
_OTHER = {"seed": "another seed", "cells": "other cells", "arms": "other programs"}


class BlockJournal:
    """The open journal. `blocks` are all in it, in order of measurement."""

    def __init__(self, folder: Path, check: dict[str, Any], resume: bool) -> None:
        self._file = JournalFile(made(folder) / NAME, "another gate is measuring there")
        try:
            lines = list(self._file.read(dict, _LINE))
            if lines:
                _check_same(folder, lines[0], check, resume)
            else:
                self._file.append({"kind": CHECK, "schema_version": SCHEMA_VERSION, **check})
            self.blocks = _blocks(lines, folder / NAME)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Gives the folder free."""
        self._file.close()

    def append(self, block: Block, passed: Passed, more: dict[str, Any]) -> None:
        """Adds a block; returns when it is on the disk."""
        known = {name: number_line(value) for name, value in asdict(passed).items()}
        self._file.append({"kind": BLOCK, **_line(block), "passed": known, **more})
        self.blocks.append(block)

    def append_unfinished(self, block: Block, why: str) -> None:
        """Keeps the pairs of a block that was broken off: for people, as it counts for nothing."""
        self._file.append({"kind": UNFINISHED, **_line(block), "why": why})


def made(folder: Path) -> Path:
    """A folder that is there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"cannot make the folder {folder}: {os_reason(error)}") from error
    return folder


def read_blocks(folder: Path) -> list[Block]:
    """All blocks of a folder, also while they are being measured; a torn last line never happened."""
    return _blocks(_lines(folder), folder / NAME)


def _lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / NAME
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path}: the blocks of a gate: {os_reason(error)}") from error
    found = []
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        try:
            found.append(dict(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise Refused(f"{path}: line {number} is no {_LINE}") from error
    if not found:
        raise Refused(f"{path}: nothing was measured there")
    return found


def _check_same(folder: Path, line: dict[str, Any], check: dict[str, Any], resume: bool) -> None:
    if not resume:
        raise Refused(f"{folder} holds a measurement already; resume it, or choose another folder")
    for name, value in check.items():
        if line.get(name) != json.loads(json.dumps(value)):
            raise Refused(f"{folder} holds a measurement with {_OTHER[name]}; resume it as it began, or choose another")


def _blocks(lines: Iterable[dict[str, Any]], path: Path) -> list[Block]:
    found = []
    for number, line in enumerate(lines, 1):
        try:
            if line["kind"] == BLOCK:
                found.append(_block(line))
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(f"{path}: line {number} is no {_LINE}") from error
    return found


def _line(block: Block) -> dict[str, Any]:
    return {
        "phase": block.phase.value,
        "number": block.number,
        "attempt": block.attempt,
        "started": block.started,
        "wall_s": round(block.wall_s, 3),
        "evidence": list(block.evidence),
        "before": [number_line(block.before.spin_ns), number_line(block.before.round_trip_ns)],
        "after": [number_line(block.after.spin_ns), number_line(block.after.round_trip_ns)],
        "pairs": [pair_line(pair) for pair in block.pairs],
    }


def pair_line(pair: Pair) -> dict[str, Any]:
    """A pair in a line."""
    return {
        "cell": pair.cell,
        "order": pair.order,
        "base": {metric.label: value for metric, value in pair.base.items()},
        "head": {metric.label: value for metric, value in pair.head.items()},
        "base_run": pair.base_run,
        "head_run": pair.head_run,
    }


def _block(line: dict[str, Any]) -> Block:
    return Block(
        phase=Phase(line["phase"]),
        number=line["number"],
        attempt=line["attempt"],
        pairs=tuple(_pair(entry) for entry in line["pairs"]),
        before=_sentinels(line["before"]),
        after=_sentinels(line["after"]),
        evidence=tuple(line["evidence"]),
        started=line["started"],
        wall_s=line["wall_s"],
    )


def _pair(entry: dict[str, Any]) -> Pair:
    values = {arm: {_METRICS[label]: value for label, value in entry[arm].items()} for arm in ("base", "head")}
    return Pair(**{**entry, **values})


def _sentinels(values: list[float | None]) -> Sentinels:
    spin_ns, round_trip_ns = (math.nan if value is None else value for value in values)
    return Sentinels(spin_ns, round_trip_ns)


def number_line(value: float) -> float | None:
    """A number in a line; JSON has none that is not a number."""
    return None if math.isnan(value) else value
