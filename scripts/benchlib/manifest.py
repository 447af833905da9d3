# SPDX-License-Identifier: Apache-2.0
"""The manifest: what a result folder must be read with. Plan, seed, program, machine, who ran it when, and how it went.

It names no host, no user, and no folder outside of the checkout.
"""

import json
import platform
import shlex
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from benchlib import built, paths
from benchlib.errors import Refused
from benchlib.files import read_json
from benchlib.journal import Entry
from benchlib.plan import Plan
from benchlib.points import Point
from benchlib.program import Program
from benchlib.programs import Programs

SCHEMA_VERSION = 2
# What a sweep cannot be resumed without.
NEEDED = "plan seed repeats timeout_s run_prefix program machine machine_found cells invocations".split()
RUNNING, COMPLETE, INTERRUPTED, STOPPED = "running", "complete", "interrupted", "stopped"


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def new(
    plan: Plan, programs: Programs, points: Sequence[Point], repeats: int, seed: int, prefix: str, machine: str
) -> dict[str, Any]:
    """The manifest of a sweep that begins."""
    resolved = points[0].resolved
    of_all = {"program": _described(programs.main, points)}
    if programs.arms:
        of_all["programs"] = [{"arm": arm} | _described(one, points) for arm, one in programs.arms.items()]
    return {
        "schema_version": SCHEMA_VERSION,
        "plan": {"name": plan.name, "title": plan.title, "hash": plan.hash, "text": plan.text},
        "seed": seed,
        "repeats": repeats,
        "repeats_planned": plan.repeats,
        "timeout_s": plan.timeout_s,
        "run_prefix": prefix,
        **of_all,
        "queues": programs.main.queues(built.objects(point.cell for point in points)),
        "pools": programs.main.pools(built.pools(point.cell for point in points)),
        "machine": machine,
        "machine_found": resolved.get("machine"),
        "environment": resolved.get("environment", {}),
        "versions": {"python": platform.python_version()}
        | {name: metadata.version(name) for name in ("jsonschema", "tqdm")},
        "cells": [_cell(point) for point in points],
        "invocations": [],
        "counts": {},
    }


def _described(program: Program, points: Sequence[Point]) -> dict[str, Any]:
    """What a program is known by; its own words are in the record of any point that it runs."""
    resolved = next(point.resolved for point in points if point.program is program)
    own = {name: resolved.get(name) for name in ("commit", "build", "compiler")}
    return {"path": paths.recorded(program.path), "sha256": program.sha256} | own


def _cell(point: Point) -> dict[str, Any]:
    arm = {"arm": point.arm} if point.arm else {}
    shared = {"also_in": list(point.also_in)} if point.also_in else {}
    return {"cell_id": point.cell_id, **arm, "part": point.cell.part, **shared, "command": shlex.join(point.command)}


def begin(manifest: dict[str, Any], arguments: Sequence[str]) -> None:
    """Notes that the sweep begins, or goes on, now."""
    spoken = [paths.recorded(Path(word)) if "/" in word else word for word in arguments]
    manifest["invocations"].append({"arguments": spoken, "started": now(), "ended": None, "outcome": RUNNING})


def update(manifest: dict[str, Any], entries: Sequence[Entry], outcome: str) -> None:
    """Notes how far the sweep is, and how it stands."""
    finished = [entry for entry in entries if entry.finished]
    manifest["counts"] = {
        "cells": len(manifest["cells"]),
        "runs_planned": len(manifest["cells"]) * manifest["repeats"],
        "runs_finished": len(finished),
        "runs_failed": sum(entry.status != "ok" for entry in finished),
        "attempts": len(entries),
    }
    manifest["invocations"][-1] |= {"outcome": outcome, "ended": None if outcome == RUNNING else now()}


def read(path: Path) -> dict[str, Any]:
    """The manifest of a sweep to go on with."""
    manifest = read_json(path, "cannot be read as a manifest")
    found = manifest.get("schema_version", "nothing")
    if found != SCHEMA_VERSION:
        raise Refused(f"{path}: has schema version {found}, but this sweep writes {SCHEMA_VERSION}")
    lacking = [key for key in NEEDED if key not in manifest]
    if lacking:
        raise Refused(f'{path}: cannot be read as a manifest: it lacks "{lacking[0]}"')
    return manifest


def check_same(manifest: dict[str, Any], path: Path, plan: Plan, programs: Programs) -> None:
    """Refuses to go on with another plan or program: their runs would stand in one table."""
    begun, present = manifest["plan"]["hash"], plan.hash
    if begun != present:
        raise Refused(
            f"{path.parent}: was begun with a plan of hash {begun}, but {plan.name} has {present}; start a new sweep"
        )
    recorded = {None: manifest["program"]} | {one.get("arm"): one for one in manifest.get("programs", [])}
    for arm, program in programs.used():
        begun, present = recorded.get(arm, {}).get("sha256", "nothing")[:16], program.sha256[:16]
        if begun != present:
            way_out = "" if arm else ", or name the old program with --program"
            raise Refused(
                f"{path.parent}: was begun with a program of sha256 {begun}..., but {paths.shown(program.path)} has "
                f"{present}...; start a new sweep{way_out}"
            )


def check_cells(manifest: dict[str, Any], path: Path, points: Sequence[Point]) -> None:
    """Refuses to go on where the same plan and program mean something else: on another machine."""
    begun, present = manifest["machine_found"], points[0].resolved.get("machine")
    if begun != present:
        raise Refused(
            f"{path.parent}: was begun on a machine of kind {begun}, but this is {present}; start a new sweep"
        )
    if [(cell["cell_id"], cell.get("arm", "")) for cell in manifest["cells"]] != [point.name for point in points]:
        raise Refused(f"{path.parent}: was begun with cells that resolve differently now; start a new sweep")


def json_text(manifest: dict[str, Any]) -> str:
    """The file as it is written."""
    return json.dumps(manifest, indent=2) + "\n"
