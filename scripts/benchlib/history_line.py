# SPDX-License-Identifier: Apache-2.0
"""One line of a history: the median of one test, of one arm, on one machine, on one day."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from benchlib.gate.model import Metric

SCHEMA_VERSION = 1
ARMS = ("BASE", "HEAD")
METRICS = tuple(metric.label for metric in Metric)
KINDS: Mapping[Any, tuple[type, ...]] = {
    str: (str,), int: (int,), float: (int, float), bool: (bool,), str | None: (str, type(None)),
    float | None: (int, float, type(None)),
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """What is recorded. None: not known, or too few values for it."""

    schema_version: int
    recorded: str  # when the check began: UTC, ISO 8601
    machine: str  # its kind, as in records
    arm: str  # "BASE" or "HEAD"
    commit: str | None
    sha256: str  # of the program or the plug-in
    cell: str
    metric: str
    settings: str  # a hash of the cell's settings: another one is another question under the same name
    one_thread: bool  # the cell moves no cache line between CPUs
    n: int  # values that the median is of, one a pair
    median: float  # in the unit of the metric's column
    spread: float | None  # interquartile range of the runs
    spin_ns: float | None  # the frozen sentinels around these runs, medians
    round_trip_ns: float | None
    seed: int

    @property
    def version(self) -> str:
        """What was measured, in a word: the commit, else the beginning of the file's hash."""
        return self.commit[:12] if self.commit else self.sha256[:12]


def text(line: Line) -> str:
    """As it stands in the file, with its end."""
    return json.dumps(asdict(line), allow_nan=False) + "\n"


def parse(words: bytes) -> Line:
    """A line of the file. Raises ValueError with what is wrong, in words that follow `line 3 `."""
    try:
        found = json.loads(words, parse_constant=_refuse)
    except ValueError as error:
        raise ValueError("is no JSON") from error
    if not isinstance(found, dict) or "schema_version" not in found:
        raise ValueError("is no line of a history")
    if found["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"has schema version {found['schema_version']}, but this reads {SCHEMA_VERSION}")
    for field in fields(Line):
        if field.name not in found:
            raise ValueError(f'lacks "{field.name}"')
        value, kinds = found[field.name], KINDS[field.type]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise ValueError(f'has a "{field.name}" that is no {_kind(kinds)}')
    unknown = sorted(found.keys() - {field.name for field in fields(Line)})
    if unknown:
        raise ValueError(f'has a key "{unknown[0]}" that this does not know')
    _check(found)
    return Line(**found)


def _check(found: dict[str, Any]) -> None:
    """What the kinds do not say."""
    for name, known in (("arm", ARMS), ("metric", METRICS)):
        if found[name] not in known:
            raise ValueError(f'has a "{name}" that is none of {", ".join(known)}')
    if not (math.isfinite(found["median"]) and found["median"] > 0):
        raise ValueError('has a "median" that is not above 0')
    for name in ("spin_ns", "round_trip_ns"):
        if found[name] is not None and not (math.isfinite(found[name]) and found[name] > 0):
            raise ValueError(f'has a "{name}" that is not above 0')
    try:
        recorded = datetime.fromisoformat(found["recorded"])
    except ValueError as error:
        raise ValueError('has a "recorded" that is no date') from error
    if recorded.tzinfo is None:
        raise ValueError('has a "recorded" that is no date with a time zone')


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _kind(kinds: tuple[type, ...]) -> str:
    names = {str: "text", int: "number", float: "number", bool: "true or false"}
    return names[kinds[0]]
