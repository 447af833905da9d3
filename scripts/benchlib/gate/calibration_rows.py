# SPDX-License-Identifier: Apache-2.0
"""The blocks of a calibration as rows: small enough to be committed, and complete enough to decide everything again.

blocks.csv has a row a block as it was measured, redone ones too; pairs.csv one a pair and metric. What is decided is
decided on values as they are written here, so that whoever reads the files decides the same.
"""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchlib import files
from benchlib.errors import Refused, os_reason
from benchlib.gate.model import Block, Metric, Pair, Phase, Sentinels, Test

BLOCKS, PAIRS = "blocks.csv", "pairs.csv"
BLOCK_COLUMNS = (
    "block", "check", "phase", "layout", "attempt", "started", "wall_s", "evidence",
    "spin_before_ns", "spin_after_ns", "round_trip_before_ns", "round_trip_after_ns",
)  # fmt: skip
PAIR_COLUMNS = ("block", "cell", "order", "metric", "base", "head")
AND = " | "  # between the pieces of evidence
DIGITS = 7  # of a value: a millionth is far below what pairs vary by
_METRICS = {metric.label: metric for metric in Metric}


@dataclass(frozen=True)
class Entry:
    """A block with its place: its number in the stream from 1, which check took it, and the layout of its arms."""

    block: Block
    check: int  # 0: the pilot
    layout: int


def rounded(block: Block, tests: Sequence[Test], number: int) -> Block:
    """The block as it will be read again: only what the tests need, with the digits that are written."""
    metrics = {cell: [test.metric for test in tests if test.cell == cell] for cell in {test.cell for test in tests}}

    def kept(values: dict[Metric, float], cell: str) -> dict[Metric, float]:
        return {metric: _digits(values[metric]) for metric in metrics.get(cell, []) if metric in values}

    pairs = tuple(
        Pair(pair.cell, pair.order, kept(pair.base, pair.cell), kept(pair.head, pair.cell), "", "")
        for pair in block.pairs
    )
    before, after = (Sentinels(_digits(one.spin_ns), _digits(one.round_trip_ns)) for one in (block.before, block.after))
    wall_s = round(block.wall_s, 2)
    return Block(block.phase, number, block.attempt, pairs, before, after, block.evidence, block.started, wall_s)


def _digits(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def block_row(entry: Entry) -> list[Any]:
    """The row in blocks.csv."""
    block = entry.block
    sentinels = (block.before.spin_ns, block.after.spin_ns, block.before.round_trip_ns, block.after.round_trip_ns)
    return [
        block.number, entry.check, block.phase.value, entry.layout, block.attempt, block.started, block.wall_s,
        AND.join(block.evidence), *map(_text, sentinels),
    ]  # fmt: skip


def pair_rows(block: Block) -> list[list[Any]]:
    """The rows in pairs.csv."""
    return [
        [block.number, pair.cell, pair.order, metric.label,
         _text(pair.base.get(metric, math.nan)), _text(pair.head.get(metric, math.nan))]
        for pair in block.pairs
        for metric in dict.fromkeys((*pair.base, *pair.head))
    ]  # fmt: skip


def _text(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.{DIGITS}g}"


def write(folder: Path, entries: Iterable[Entry]) -> None:
    """Both tables, whole."""
    entries = list(entries)
    _write(folder / PAIRS, PAIR_COLUMNS, [row for entry in entries for row in pair_rows(entry.block)])
    _write(folder / BLOCKS, BLOCK_COLUMNS, [block_row(entry) for entry in entries])


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with files.replacing(path) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)


def read(folder: Path) -> list[Entry]:
    """What was written; nothing where nothing was. Pairs of blocks that are not listed were written before a kill."""
    if not (folder / BLOCKS).exists():
        return []
    pairs: dict[str, list[list[str]]] = {}
    for row in _rows(folder / PAIRS, PAIR_COLUMNS):
        pairs.setdefault(row[0], []).append(row)
    return [entry(row, pairs.get(row[0], [])) for row in _rows(folder / BLOCKS, BLOCK_COLUMNS)]


def _rows(path: Path, columns: Sequence[str]) -> list[list[str]]:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except OSError as error:
        raise Refused(f"{path}: the blocks of a calibration: {os_reason(error)}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(f"{path}: it is not a table in UTF-8 with commas") from error
    if not rows or tuple(rows[0]) != tuple(columns):
        raise Refused(f"{path}: its first line must be {','.join(columns)}")
    short = next((number for number, row in enumerate(rows, 1) if len(row) != len(columns)), None)
    if short:
        raise Refused(f"{path}: line {short} has {len(rows[short - 1])} values, but there are {len(columns)} columns")
    return rows[1:]


def entry(row: Sequence[Any], pairs: Sequence[Sequence[Any]]) -> Entry:
    """A block of its row and those of its pairs."""
    try:
        number, check, phase, layout, attempt, started, wall_s, evidence, *sentinels = row
        spins, trips = (list(map(_number, sentinels[place : place + 2])) for place in (0, 2))
        block = Block(
            phase=Phase(phase),
            number=int(number),
            attempt=int(attempt),
            pairs=tuple(_pairs(pairs)),
            before=Sentinels(spins[0], trips[0]),
            after=Sentinels(spins[1], trips[1]),
            evidence=tuple(str(evidence).split(AND)) if evidence else (),
            started=str(started),
            wall_s=float(wall_s),
        )
        return Entry(block, int(check), int(layout))
    except (ValueError, KeyError, IndexError, TypeError) as error:
        name = row[0] if isinstance(row, list) and row else "?"
        raise Refused(f"block {name} of a calibration can't be read: {error}") from error


def _pairs(rows: Sequence[Sequence[Any]]) -> Iterable[Pair]:
    """A pair's rows follow each other, and each metric comes once in it."""
    group: list[Sequence[Any]] = []
    for row in rows:
        if group and ((row[1], row[2]) != (group[0][1], group[0][2]) or row[3] in {one[3] for one in group}):
            yield _pair(group)
            group = []
        group.append(row)
    if group:
        yield _pair(group)


def _pair(rows: Sequence[Sequence[Any]]) -> Pair:
    base = {_METRICS[row[3]]: _number(row[4]) for row in rows if row[4] != ""}
    head = {_METRICS[row[3]]: _number(row[5]) for row in rows if row[5] != ""}
    return Pair(str(rows[0][1]), str(rows[0][2]), base, head, "", "")


def _number(text: Any) -> float:
    return math.nan if text == "" else float(text)
