# SPDX-License-Identifier: Apache-2.0
"""Builds the frozen sentinel (sentinel.c) and asks it how fast the machine is just now.

It belongs to neither arm, so that no change of readyq can change what it says. It is compiled once for a folder; its
name there is the hash of its source, so that never another version answers.
"""

import hashlib
import math
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from benchlib import runner
from benchlib.errors import Refused, os_reason
from benchlib.gate.model import Sentinels
from benchlib.interrupt import Interrupt

SOURCE = Path(__file__).with_name("sentinel.c")
COMPILE = ("-std=gnu17", "-O2", "-pthread")
COMPILE_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 10.0  # it takes some 15 ms, and a third of a second at worst
SILENT = Sentinels(math.nan, math.nan)


def build(folder: Path) -> Path:
    """The program in `folder`, compiled if it is not there yet."""
    try:
        program = folder / f"sentinel-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}"
        if not program.exists():
            folder.mkdir(parents=True, exist_ok=True)
            beside = program.with_name(f".{program.name}.{os.getpid()}")
            try:
                _compile(beside)
                os.replace(beside, program)
            finally:
                beside.unlink(missing_ok=True)
    except OSError as error:
        raise Refused(f"cannot build the gate's sentinel in {folder}: {os_reason(error)}") from error
    return program


def _compile(program: Path) -> None:
    compiler = shutil.which("cc")
    if not compiler:
        raise Refused("there is no C compiler named cc, which the gate's sentinel is built with: install gcc")
    try:
        done = subprocess.run(
            [compiler, *COMPILE, "-o", str(program), str(SOURCE)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMPILE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Refused(f"cc did not build the gate's sentinel in {COMPILE_TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        raise Refused(f"cc cannot build the gate's sentinel: {(done.stderr.splitlines() or ['it says nothing'])[0]}")


class Frozen:
    """The built sentinel."""

    def __init__(self, folder: Path, interrupt: Interrupt) -> None:
        self._program = build(folder)
        self._out, self._err = folder / "sentinel.out", folder / "sentinel.err"
        self._interrupt = interrupt

    def take(self) -> Sentinels:
        """What it says now; SILENT if it does not answer, which is a finding about the machine, too."""
        outcome = runner.execute([str(self._program)], self._out, self._err, ANSWER_TIMEOUT_S, self._interrupt)
        return parse(outcome.record) if outcome.exit_code == 0 and outcome.record else SILENT


def parse(record: dict[str, Any]) -> Sentinels:
    """Its line."""
    return Sentinels(_number(record.get("spin_ns")), _number(record.get("round_trip_ns")))


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan

