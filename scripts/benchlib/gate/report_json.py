# SPDX-License-Identifier: Apache-2.0
"""gate.json: the whole report for programs, in the form that gate.schema.json describes.

JSON has no infinities and no NaN, so a bound that does not exist is null. Single pairs are in pairs.csv.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchlib import paths
from benchlib.files import write_whole
from benchlib.gate import report_words
from benchlib.gate.model import SCHEMA_VERSION, Arm, Block, Cell, Count, Judged, Phase, Report

NAME = "gate.json"
SCHEMA = Path(__file__).with_name("gate.schema.json")


def write(report: Report, folder: Path) -> Path:
    """Writes the file and returns its path."""
    path = folder / NAME
    write_whole(path, json.dumps(document(report), indent=2, allow_nan=False) + "\n")
    return path


def document(report: Report) -> dict[str, Any]:
    """What the file holds."""
    return {
        "schema_version": SCHEMA_VERSION,
        "outcome": str(report.outcome),
        "exit_code": report.exit_code,
        "reason": report.reason,
        "base": _arm(report.base),
        "head": _arm(report.head),
        "thresholds": {name: _finite(value) for name, value in asdict(report.thresholds).items()},
        "cells": [_cell(cell) for cell in report.cells],
        "judged": [
            _judged(report, one) | {"final": str(report_words.verdict(report, one)[0])} for one in report.judged
        ],
        "confirmed": [_judged(report, one) for one in report.confirmed],
        "advisory": [_judged(report, one) for one in report.advisory],
        "counts": [_count(count) for count in report.counts],
        "blocks": {str(phase): _blocks([block for block in report.blocks if block.phase is phase]) for phase in Phase},
        "seed": report.seed,
        "machine": report.machine,
        "started": report.started,
        "wall_s": _finite(report.wall_s),
        "notes": list(report.notes),
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _arm(arm: Arm) -> dict[str, Any]:
    """An arm names no folder outside of the checkout."""
    return {
        "label": arm.label,
        "given": report_words.given(arm),
        "commit": arm.commit,
        "program": paths.recorded(arm.program),
        "plugin": paths.recorded(arm.plugin) if arm.plugin else None,
        "sha256": arm.file_sha256,
        "code_sha256": arm.code_sha256,
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {"name": cell.name, "runs": cell.runs, "settings": cell.settings}


def _judged(report: Report, one: Judged) -> dict[str, Any]:
    return {
        "test": one.test.name,
        "cell": one.test.cell,
        "metric": one.test.metric.label,
        "gated": one.test.gated,
        "outcome": str(one.outcome),
        "pairs": one.pairs,
        "look": one.look,
        "percent": _finite(one.percent),
        "low_percent": _finite(one.low_percent),
        "high_percent": _finite(one.high_percent),
        "p_value": _finite(one.p_value),
        "low_level": _finite(one.level),
        "high_level": _finite(report_words.high_level(report, one)),
        "detectable_percent": _finite(one.detectable_percent),
        "described": {name: _finite(value) for name, value in one.described.items()},
        "warnings": list(one.warnings),
    }


def _count(count: Count) -> dict[str, Any]:
    return {"name": count.name, "base": _finite(count.base), "head": _finite(count.head), "note": count.note}


def _blocks(blocks: Sequence[Block]) -> dict[str, Any]:
    """What became of the blocks of one phase."""
    return {
        "attempts": len(blocks),
        "vetoed": sum(block.vetoed for block in blocks),
        "evidence": [{"block": block.number, "attempt": block.attempt, "reasons": list(block.evidence)}
                     for block in blocks if block.vetoed],
        "sentinels": report_words.sentinels(blocks),
    }  # fmt: skip
