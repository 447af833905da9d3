# SPDX-License-Identifier: Apache-2.0
"""A gate's file, such as scripts/gates/default.toml: which cells are compared, by which metrics, and how surely."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from benchlib import cells, plan, plan_schema, units
from benchlib.errors import Refused, os_reason
from benchlib.gate.model import Cell, Metric, Test, Thresholds
from benchlib.schedule import RUN_OVERHEAD_S

_METRICS = {metric.label: metric for metric in Metric}
_CHOSEN = {"type": "array", "items": {"enum": list(_METRICS)}, "uniqueItems": True}
_OF_GATE = ("name", "runs", "gated", "advisory")  # of a cell's table; all else are settings of a run
_NAME = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"}
_RUNS = {"type": "integer", "minimum": 1, "maximum": 100}
_SHARE = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_PERCENT = {"type": "number", "minimum": 0}
_PAIRS = {"type": "integer", "minimum": 0}
_FORMS = {"percent": _PERCENT, "pairs": _PAIRS}
_THRESHOLDS = {
    "type": "object",
    "properties": {field.name: _FORMS.get(field.name.rpartition("_")[2], _SHARE) for field in fields(Thresholds)},
    "additionalProperties": False,
}

_SCHEMA = {
    "type": "object",
    "properties": {
        "name": _NAME,
        "thresholds": _THRESHOLDS,
        "base": plan_schema.table_of(plan_schema.SCALAR, {}),
        "cell": {
            "type": "array",
            "items": plan_schema.table_of(
                plan_schema.SCALAR, {"name": _NAME, "runs": _RUNS, "gated": _CHOSEN, "advisory": _CHOSEN}
            )
            | {"required": ["name", "workload"]},
        },
    },
    "required": ["name"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Gate:
    """A checked file."""

    name: str
    thresholds: Thresholds
    cells: tuple[Cell, ...]
    tests: tuple[Test, ...]


def read(path: Path, given: Mapping[str, Any] | None = None) -> Gate:
    """The gate of a file; `given` thresholds, those of the command line, take the place of the file's."""
    document = _flat(_document(path), path)
    plan_schema.check(document, str(path), _SCHEMA, "the file")
    entries = document.get("cell", [])
    if not entries:
        raise Refused(f"{path}: a gate without a [[cell]] compares nothing; scripts/gates/default.toml shows some")
    names = [entry["name"] for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused(f'{path}: two cells have the name "{twice[0]}"; give each a name of its own')
    found = tuple(_cell(entry, document.get("base", {}), path) for entry in entries)
    tests = tuple(test for entry in entries for test in _tests(entry, path))
    if not any(test.gated for test in tests):
        raise Refused(f'{path}: no cell has a "gated" metric, so that nothing could ever fail; known are {_known()}')
    return Gate(document["name"], _thresholds(document.get("thresholds", {}), given or {}, path), found, tests)


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: is not a text in UTF-8") from error
    except OSError as error:
        raise Refused(f"{path}: the gate's cells: {os_reason(error)}") from error
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{path}: is not TOML: {error}") from error


def _flat(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """Plug-ins' parameters as a plan may write them: `queue = {name = "list", lock = "mcs"}`."""
    flat = dict(document)
    if isinstance(flat.get("base"), dict):
        flat["base"] = plan.flat_settings(flat["base"], str(path))
    if isinstance(flat.get("cell"), list):
        flat["cell"] = [plan.flat_settings(entry, str(path)) if isinstance(entry, dict) else entry
                        for entry in flat["cell"]]  # fmt: skip
    return flat


def _known() -> str:
    return ", ".join(_METRICS)


def _cell(entry: dict[str, Any], base: dict[str, Any], path: Path) -> Cell:
    settings = base | {name: value for name, value in entry.items() if name not in _OF_GATE}
    try:
        arguments = tuple(cells.arguments(settings))
    except Refused as refusal:
        raise Refused(f'{path}: cell "{entry["name"]}": {refusal}') from refusal
    measured_s = sum(
        units.seconds(str(settings[name]), f'{path}: cell "{entry["name"]}": {name}')
        for name in ("warmup", "duration")
        if name in settings
    )
    return Cell(entry["name"], settings, arguments, measured_s + RUN_OVERHEAD_S, int(entry.get("runs", 1)))


def _tests(entry: dict[str, Any], path: Path) -> list[Test]:
    gated, advisory = entry.get("gated", []), entry.get("advisory", [])
    both = [label for label in gated if label in advisory]
    if both:
        raise Refused(f'{path}: cell "{entry["name"]}": "{both[0]}" is gated and advisory; take it out of one of them')
    return [Test(entry["name"], _METRICS[label], True) for label in gated] + [
        Test(entry["name"], _METRICS[label], False) for label in advisory
    ]


def _thresholds(table: dict[str, Any], given: Mapping[str, Any], path: Path) -> Thresholds:
    chosen = {name: value for name, value in given.items() if value is not None}
    plan_schema.check(chosen, "command line", _THRESHOLDS, "it")
    thresholds = replace(Thresholds(), **(table | chosen))
    for field in fields(Thresholds):  # what is no number at all lies on neither side of a schema's bounds
        if not math.isfinite(getattr(thresholds, field.name)):
            raise Refused(f"{path}: {field.name} is {getattr(thresholds, field.name)}, but must be a finite number")
    if thresholds.pass_percent <= thresholds.regression_percent:
        raise Refused(
            f"{path} and command line: pass_percent is {thresholds.pass_percent:g}, "
            f"but must lie above regression_percent, "
            f"{thresholds.regression_percent:g}"
        )
    return thresholds
