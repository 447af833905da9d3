# SPDX-License-Identifier: Apache-2.0
"""A plan file: what to measure, how often, and for how long. Read, checked and put into one form here.

A plan is one experiment, or several `[[part]]`s that share the top level's `[base]` and `[[exclude]]`.
"""

import hashlib
import json
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchlib import plan_figures, plan_schema, units
from benchlib.errors import Refused, os_reason
from benchlib.plan_figures import Asked

Scalar = str | int | float | bool
Settings = dict[str, Scalar]
Axes = dict[str, list[Scalar]]
Condition = dict[str, Any]

DEFAULT_TIMEOUT = "60s"
MOST_VALUES = 10_000  # of one axis: a slip of the finger in a range, not an experiment


@dataclass(frozen=True)
class Part:
    """One experiment: every combination of the axes and the zipped groups over the base, less what is excluded."""

    name: str
    base: Settings
    axes: Axes
    zips: tuple[Axes, ...]
    excludes: tuple[Condition, ...]


@dataclass(frozen=True)
class Plan:
    """A checked plan. `text` is the file as it was; `hash` is that of what it measures, blind to comments, layout and
    figures."""

    name: str
    title: str
    repeats: int
    seed: int | None
    budget_s: float | None
    timeout_s: float
    allow_emulated: bool
    leave_out_not_built: bool
    leave_out_lacking: bool
    parts: tuple[Part, ...]
    excludes: tuple[Condition, ...]
    figures: tuple[Asked, ...]
    text: str
    hash: str


def read(path: Path) -> Plan:
    """Reads a plan file, or refuses it in one sentence."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: is not a text in UTF-8") from error
    except OSError as error:
        raise Refused(f"plan {path}: {os_reason(error)}") from error
    return parse(text, str(path))


def parse(text: str, path: str) -> Plan:
    """The plan in `text`; `path` names it in sentences."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{path}: is not TOML: {error}") from error
    document = _flat_document(document, path)
    plan_schema.check(document, path)
    if "part" in document and ("axes" in document or "zip" in document):
        raise Refused(f"{path}: has both parts and axes of its own; give the axes to a part")
    shared = _experiment("", document, path)
    if "part" in document:
        parts = tuple(_part(entry, shared.base, path) for entry in document["part"])
    else:
        parts = (Part(document["name"], shared.base, shared.axes, shared.zips, ()),)
    names = [part.name for part in parts]
    if len(set(names)) < len(names):
        raise Refused(f"{path}: two parts have the same name; the names are {', '.join(names)}")
    return Plan(
        name=document["name"],
        title=document.get("title", document["name"]),
        repeats=document["repeats"],
        seed=document.get("seed"),
        budget_s=units.seconds(document["budget"], f"{path}: budget") if "budget" in document else None,
        timeout_s=units.seconds(document.get("timeout", DEFAULT_TIMEOUT), f"{path}: timeout"),
        allow_emulated=document.get("allow_emulated", False),
        leave_out_not_built=document.get("leave_out_not_built", False),
        leave_out_lacking=document.get("leave_out_lacking", False),
        parts=parts,
        excludes=shared.excludes,
        figures=_figures(document, path),
        text=text,
        hash=content_hash(plan_figures.without(document)),
    )


def _figures(document: dict[str, Any], path: str) -> tuple[Asked, ...]:
    found = tuple(plan_figures.named(document))
    names = [figure.name for figure in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused(f'{path}: two figures have the name "{twice[0]}"; give each a name of its own')
    return found


def content_hash(content: Any) -> str:
    """16 hex digits of a canonical form."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _part(entry: dict[str, Any], shared_base: Settings, path: str) -> Part:
    own = _experiment(entry["name"], entry, path)
    return Part(own.name, shared_base | own.base, own.axes, own.zips, own.excludes)


def _experiment(name: str, entry: dict[str, Any], path: str) -> Part:
    """The part of the form that the plan and each `[[part]]` have in common."""
    where = f'{path}: part "{name}"' if name else path
    axes = _axes(entry.get("axes", {}), where)
    zips = tuple(_axes(group, f"{where}: zip {number}") for number, group in enumerate(entry.get("zip", []), 1))
    for number, group in enumerate(zips, 1):
        if len({len(values) for values in group.values()}) > 1:
            lengths = ", ".join(f"{axis} has {len(values)}" for axis, values in group.items())
            raise Refused(
                f"{where}: zip {number} pairs values one by one, so its lists must be equally long: {lengths}"
            )
    varied = [axis for group in (axes, *zips) for axis in group]
    twice = sorted({axis for axis in varied if varied.count(axis) > 1})
    if twice:
        raise Refused(f'{where}: "{twice[0]}" is varied twice; an axis belongs to axes or to one zip')
    base = entry.get("base", {})
    both = [axis for axis in varied if axis in base]
    if both:
        raise Refused(f'{where}: "{both[0]}" is set in the base and varied as well; take it out of one of them')
    return Part(name, base, axes, zips, tuple(entry.get("exclude", [])))


def _axes(table: dict[str, Any], where: str) -> Axes:
    return {name: _axis_values(values, f"{where}: axis {name}") for name, values in table.items()}


def _axis_values(values: list[Scalar] | dict[str, Any], where: str) -> list[Scalar]:
    """A list as it stands; a range {from, to, step | factor} counted out, both ends included where met."""
    if isinstance(values, list):
        return values
    first, last = values["from"], values["to"]
    if not all(math.isfinite(number) for number in values.values()):
        raise Refused(f"{where}: a range needs finite numbers")
    step, factor = values.get("step"), values.get("factor")
    if step is not None and factor is not None:
        raise Refused(f"{where}: has a step and a factor; give one of them")
    if first > last:
        raise Refused(f"{where}: runs from {first} to {last}, but must not run downwards")
    if factor is not None:
        if factor <= 1 or first <= 0:
            raise Refused(f"{where}: a factor must be above 1, and the first value above 0")
    elif step is None:
        step = 1
    if step is not None and step <= 0:
        raise Refused(f"{where}: a step must be above 0")
    counted: list[Scalar] = []
    value = first
    while value <= last:
        counted.append(value)
        if len(counted) > MOST_VALUES:
            raise Refused(f"{where}: has more than {MOST_VALUES} values")
        value = value * factor if factor is not None else value + step
    return counted


def _flat_document(document: dict[str, Any], path: str) -> dict[str, Any]:
    """TOML's `queue.lock = "mcs"` makes a table in a table; from here on it is the one key "queue.lock"."""
    flat = dict(document)
    for key in ("base", "axes"):
        if isinstance(flat.get(key), dict):
            flat[key] = flat_settings(flat[key], path)
    for key in ("zip", "exclude"):
        if isinstance(flat.get(key), list):
            flat[key] = [flat_settings(entry, path) if isinstance(entry, dict) else entry for entry in flat[key]]
    if isinstance(flat.get("part"), list):
        flat["part"] = [_flat_document(entry, path) if isinstance(entry, dict) else entry for entry in flat["part"]]
    return flat


def flat_settings(table: dict[str, Any], path: str) -> dict[str, Any]:
    """`queue = {name = "list", lock = "mcs"}` as queue = "list", queue.lock = "mcs"."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if key in plan_schema.PLUGINS and isinstance(value, dict):
            entries = {key if name == "name" else f"{key}.{name}": inner for name, inner in value.items()}
        else:
            entries = {key: value}
        twice = sorted(flat.keys() & entries.keys())
        if twice:
            raise Refused(f'{path}: "{twice[0]}" is given twice')
        flat |= entries
    return flat
