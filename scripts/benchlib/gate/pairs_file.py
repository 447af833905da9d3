# SPDX-License-Identifier: Apache-2.0
"""The pairs of a check as a table, from which it can be judged again: a row a pair and metric, vetoed blocks too.

A block vetoed before its first pair has one row without a cell, and a test that no pair measured has one without a
phase, so that nothing is missing after reading. Missing values are empty.
"""

import csv
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchlib import files
from benchlib.errors import Refused, os_reason
from benchlib.gate.model import SCHEMA_VERSION, Block, Metric, Pair, Phase, Sentinels, Test

COLUMNS = (
    "schema_version", "phase", "block", "attempt", "vetoed", "evidence", "order", "cell", "metric", "gated",
    "base", "head", "log_ratio", "base_run", "head_run",
    "spin_before_ns", "spin_after_ns", "round_trip_before_ns", "round_trip_after_ns", "started", "wall_s",
)  # fmt: skip
ORDERS = ("AB", "BA", "")
YES, NO = "yes", "no"
AND = " | "  # between the pieces of evidence
_METRICS = {metric.label: metric for metric in Metric}
Row = dict[str, str]


def write(path: Path, tests: Sequence[Test], blocks: Sequence[Block]) -> None:
    """The table, whole or not at all."""
    with files.replacing(path) as file:
        table = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        for row in itertools.chain(*(_rows(block, tests) for block in blocks), _unmeasured(tests, blocks)):
            table.writerow({"schema_version": SCHEMA_VERSION} | row)


def _rows(block: Block, tests: Sequence[Test]) -> Iterator[dict[str, Any]]:
    of_block = {
        "phase": block.phase.value,
        "block": block.number,
        "attempt": block.attempt,
        "vetoed": YES if block.vetoed else NO,
        "evidence": AND.join(block.evidence),
        "spin_before_ns": _text(block.before.spin_ns),
        "spin_after_ns": _text(block.after.spin_ns),
        "round_trip_before_ns": _text(block.before.round_trip_ns),
        "round_trip_after_ns": _text(block.after.round_trip_ns),
        "started": block.started,
        "wall_s": _text(block.wall_s),
    }
    if not block.pairs:
        yield of_block
    for pair in block.pairs:
        for metric in _metrics(pair, tests) or [None]:
            yield of_block | _of_pair(pair, metric, tests)


def _metrics(pair: Pair, tests: Sequence[Test]) -> list[Metric | None]:
    """Those that are tested of its cell, measured or not, and those that were measured besides."""
    tested = [test.metric for test in tests if test.cell == pair.cell]
    return list(dict.fromkeys([*tested, *pair.base, *pair.head]))


def _of_pair(pair: Pair, metric: Metric | None, tests: Sequence[Test]) -> dict[str, Any]:
    row = {"order": pair.order, "cell": pair.cell, "base_run": pair.base_run, "head_run": pair.head_run}
    if metric is None:
        return row
    base, head = pair.base.get(metric, math.nan), pair.head.get(metric, math.nan)
    return row | {
        "metric": metric.label,
        "gated": next((_gated(test) for test in tests if (test.cell, test.metric) == (pair.cell, metric)), ""),
        "base": _text(base),
        "head": _text(head),
        "log_ratio": _text(metric.log_ratio(base, head)),
    }


def _unmeasured(tests: Sequence[Test], blocks: Sequence[Block]) -> Iterator[dict[str, Any]]:
    cells = {pair.cell for block in blocks for pair in block.pairs}
    for test in tests:
        if test.cell not in cells:
            yield {"cell": test.cell, "metric": test.metric.label, "gated": _gated(test)}


def _gated(test: Test) -> str:
    return YES if test.gated else NO


def _text(number: float) -> str:
    return "" if math.isnan(number) else repr(number)


def read(path: Path) -> tuple[tuple[Test, ...], tuple[Block, ...]]:
    """What was written, tests in the order in which they first come. A file that is broken is refused."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except OSError as error:
        raise Refused(f"{path}: the pairs of a check: {os_reason(error)}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(f"{path}: the pairs of a check: it is not a table in UTF-8 with commas") from error
    if not lines or tuple(lines[0]) != COLUMNS:
        raise Refused(f"{path}: the pairs of a check: its first line is not {','.join(COLUMNS)}")
    tests: dict[tuple[str, Metric], Test] = {}
    entries = [_Entry(path, number, line) for number, line in enumerate(lines[1:], 2)]
    for entry in entries:
        entry.add_test(tests)
    measured = [entry for entry in entries if entry.row["phase"]]
    blocks = (_block(list(group)) for _, group in itertools.groupby(measured, key=_Entry.block_key))
    return tuple(tests.values()), tuple(blocks)


@dataclass
class _Entry:
    """A line of the file. Refuses by its number what it cannot read."""

    path: Path
    number: int
    line: list[str]

    def __post_init__(self) -> None:
        if len(self.line) != len(COLUMNS):
            self.refuse(f"has {len(self.line)} values, but there are {len(COLUMNS)} columns")
        self.row: Row = dict(zip(COLUMNS, self.line, strict=True))
        if self.row["schema_version"] != str(SCHEMA_VERSION):
            self.refuse(f'is of schema version "{self.row["schema_version"]}", but {SCHEMA_VERSION} is known')

    def refuse(self, why: str) -> None:
        """Raises Refused."""
        raise Refused(f"{self.path}: line {self.number} {why}")

    def block_key(self) -> tuple[str, ...]:
        """Which block it belongs to."""
        return tuple(self.row[name] for name in ("phase", "block", "attempt"))

    def pair_key(self) -> tuple[str, ...]:
        """Which pair of its block it belongs to."""
        return tuple(self.row[name] for name in ("cell", "order", "base_run", "head_run"))

    def of_block(self) -> tuple[str, ...]:
        """What all lines of a block have in common."""
        names = (*COLUMNS[1:6], *COLUMNS[15:])
        return tuple(self.row[name] for name in names)

    def number_of(self, name: str) -> float:
        """A finite number, or NaN where it is empty."""
        value = float(self._parsed(name, float)) if self.row[name] else 0.0
        if not math.isfinite(value):
            self.refuse(f'has "{self.row[name]}" for {name}, which is no number')
        return value if self.row[name] else math.nan

    def count_of(self, name: str) -> int:
        """A whole number."""
        return int(self._parsed(name, int))

    def _parsed(self, name: str, kind: type) -> Any:
        try:
            return kind(self.row[name])
        except ValueError:
            self.refuse(f'has "{self.row[name]}" for {name}, which is no number')

    def one_of(self, name: str, known: Sequence[str]) -> str:
        """One of the known words."""
        if self.row[name] not in known:
            words = ", ".join(word or "nothing" for word in known)
            self.refuse(f'has "{self.row[name]}" for {name}; known are {words}')
        return self.row[name]

    def add_test(self, tests: dict[tuple[str, Metric], Test]) -> None:
        """Adds the test that the line is of, if it is of one."""
        if not self.one_of("gated", (YES, NO, "")):
            return
        metric = _METRICS[self.one_of("metric", list(_METRICS))]
        test = Test(self.row["cell"], metric, self.row["gated"] == YES)
        if tests.setdefault((test.cell, metric), test) != test:
            self.refuse(f"has {test.name} both gated and advisory")


def _block(entries: Sequence[_Entry]) -> Block:
    first = entries[0]
    phase = Phase(first.one_of("phase", list(Phase)))
    for entry in entries:
        if entry.of_block() != first.of_block():
            entry.refuse(f"says something else of its block than line {first.number} does")
    evidence = tuple(first.row["evidence"].split(AND)) if first.row["evidence"] else ()
    if first.one_of("vetoed", (YES, NO)) != (YES if evidence else NO):
        first.refuse("has a veto without evidence, or evidence without a veto")
    paired = [entry for entry in entries if entry.row["cell"]]
    return Block(
        phase=phase,
        number=first.count_of("block"),
        attempt=first.count_of("attempt"),
        pairs=tuple(_pair(list(group)) for _, group in itertools.groupby(paired, key=_Entry.pair_key)),
        before=Sentinels(first.number_of("spin_before_ns"), first.number_of("round_trip_before_ns")),
        after=Sentinels(first.number_of("spin_after_ns"), first.number_of("round_trip_after_ns")),
        evidence=evidence,
        started=first.row["started"],
        wall_s=first.number_of("wall_s"),
    )


def _pair(entries: Sequence[_Entry]) -> Pair:
    base: dict[Metric, float] = {}
    head: dict[Metric, float] = {}
    seen: set[Metric] = set()
    first = entries[0]
    for entry in entries:
        if not entry.row["metric"]:
            continue
        metric = _METRICS[entry.one_of("metric", list(_METRICS))]
        if metric in seen:
            entry.refuse(f"has {metric.label} of a pair that had it before")
        seen.add(metric)
        values = entry.number_of("base"), entry.number_of("head")
        _check_ratio(entry, metric.log_ratio(*values))
        for side, value in zip((base, head), values, strict=True):
            if not math.isnan(value):
                side[metric] = value
    order = first.one_of("order", ORDERS)
    return Pair(first.row["cell"], order, base, head, first.row["base_run"], first.row["head_run"])


def _check_ratio(entry: _Entry, ratio: float) -> None:
    """The ratio is there for people and other programs; one that does not fit means that the file was changed."""
    given = entry.number_of("log_ratio")
    if not (math.isclose(given, ratio, abs_tol=1e-9) or (math.isnan(given) and math.isnan(ratio))):
        entry.refuse("has a log_ratio that is not that of its base and head")
