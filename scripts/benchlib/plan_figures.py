# SPDX-License-Identifier: Apache-2.0
"""The figures that a plan names: `[[part.figure]]` of one part, `[[figure]]` of all parts together.

Each says what stands along its axis and what is measured; what else the runs differ by makes lines and panels. Figures
are no part of what is measured, so a plan's hash does not change with them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

KEY = "figure"
QUEUE, NOTHING = "queue", "nothing"  # for `lines`: a line a queue (or a pool's two); one line alone
_TEXT = {"type": "string", "minLength": 1}
_TEXTS = {"type": "array", "items": _TEXT, "minItems": 1}
SCHEMA = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
            "title": _TEXT,
            "over": _TEXT,
            "lines": _TEXT,
            "rows": _TEXT,
            "measures": {"type": "array", "items": {**_TEXTS, **_TEXT, "type": ["string", "array"]}, "minItems": 1},
            "labels": {"type": "object", "additionalProperties": _TEXT},
            "beside": _TEXT,
            "ours": _TEXTS,
            "ratio_of": _TEXT,
            "ratio_to": _TEXTS,
        },
        "required": ["over"],
        "additionalProperties": False,
    },
}


@dataclass(frozen=True)
class Asked:
    """One figure as the plan has it."""

    part: str | None  # None: all parts
    name: str
    title: str
    over: str  # the setting along the axis, or "queue"
    lines: str  # the setting that makes the lines, "queue" or "nothing"
    rows: str | None  # a setting with a row of panels for each value
    measures: tuple[tuple[str, ...], ...]  # a row of panels each; several in one are lines beside each other
    labels: dict[str, str]  # of measures, where the usual ones do not do
    beside: str | None  # a column that is written beside each point
    ours: tuple[str, ...]  # lines that are drawn above the others
    ratio_of: str | None  # a line whose ratio to others is drawn, in place of measures
    ratio_to: tuple[str, ...]  # these others; "best" is the best of all that are not ours


def named(document: dict[str, Any]) -> list[Asked]:
    """All figures that a plan names, in its order."""
    found = list(_of(document, None, document["name"]))
    for part in document.get("part", []):
        found += _of(part, part["name"], part["name"])
    return found


def _of(table: dict[str, Any], part: str | None, called: str) -> Iterator[Asked]:
    for number, one in enumerate(table.get(KEY, []), 1):
        usual = called if number == 1 else f"{called}-{number}"
        yield Asked(
            part=part,
            name=one.get("name", usual),
            title=one.get("title", called),
            over=one["over"],
            lines=one.get("lines", NOTHING if one["over"] == QUEUE else QUEUE),
            rows=one.get("rows"),
            measures=tuple((row,) if isinstance(row, str) else tuple(row)
                           for row in one.get("measures", ["throughput_ops_per_s"])),
            labels=one.get("labels", {}),
            beside=one.get("beside"),
            ours=tuple(one.get("ours", ())),
            ratio_of=one.get("ratio_of"),
            ratio_to=tuple(one.get("ratio_to", ["best"])),
        )  # fmt: skip


def without(document: dict[str, Any]) -> dict[str, Any]:
    """The plan less its figures: what is measured."""
    kept = {key: value for key, value in document.items() if key != KEY}
    if "part" in kept:
        kept["part"] = [{key: value for key, value in part.items() if key != KEY} for part in kept["part"]]
    return kept
