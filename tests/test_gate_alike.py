# SPDX-License-Identifier: Apache-2.0
"""What the arms would not do alike is said: a default that changed, another build; but not what only one knows."""

import json
from pathlib import Path

from benchlib.gate.alike import unlike
from benchlib.gate.model import Arm, Cell

RECORD = {"build": "release", "threads": 2, "workload_params": "window=256;shape=constant", "commit": "a"}


def arm(folder: Path, label: str, **more: object) -> Arm:
    """A program that says this of every run."""
    program = folder / label
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(RECORD | more)}\nEND\n")
    program.chmod(0o755)
    return Arm(label, label, program, None, "", "")


def said(folder: Path, **more: object) -> list[str]:
    cells = [Cell(name, {}, ("--workload", "w"), 0.1) for name in ("one", "two")]
    return unlike(arm(folder, "BASE"), arm(folder, "HEAD", **more), cells)


def test_alike(tmp_path: Path) -> None:
    assert said(tmp_path) == []
    assert said(tmp_path, commit="b", pool="new", workload_params="window=256;shape=constant;new=1") == []


def test_another_build_is_said_once(tmp_path: Path) -> None:
    assert said(tmp_path, build="debug") == ["build is release for BASE and debug for HEAD"]


def test_settings_and_parameters(tmp_path: Path) -> None:
    assert said(tmp_path, threads=3, workload_params="window=512;shape=constant") == [
        "cell one: threads is 2 for BASE and 3 for HEAD",
        "cell one: workload's window is 256 for BASE and 512 for HEAD",
        "cell two: threads is 2 for BASE and 3 for HEAD",
        "cell two: workload's window is 256 for BASE and 512 for HEAD",
    ]
