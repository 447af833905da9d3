# SPDX-License-Identifier: Apache-2.0
"""`scripts/gate --calibrate`: measures how often the gate cries wolf on this machine, and what it catches.

Each kind is a stream in a folder of its own, which hours can be added to in pieces; the report is made of all of them.
"""

import argparse
import secrets
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchlib import paths, units
from benchlib.errors import EXIT_OK, Refused
from benchlib.gate import calibration_report, gate_file
from benchlib.gate.calibration_kinds import KINDS, Kind
from benchlib.gate.calibration_session import Question, Session
from benchlib.gate.calibration_stream import Stream
from benchlib.gate.model import Thresholds
from benchlib.interrupt import Interrupt

FOLDER = paths.RESULTS / "calibration"
WORK = paths.ROOT / "build" / "gate"
SEED_BITS = 31
MOST_LEVEL = 100.0


def add_arguments(group: Any) -> None:
    """Those of --calibrate, into an argparse group."""
    add = group.add_argument
    add("--kind", choices=tuple(KINDS), help="; ".join(f"{one.name}: {one.about}" for one in KINDS.values()))
    add("--level", type=float, metavar="PERCENT", help="slowdown to inject (default: power 5, tail 1, contention 10)")
    add("--for", dest="length", metavar="TIME", help="how long to measure (default: 1h); Ctrl-C is safe")
    add("--report", action="store_true", help="measure nothing; write what the streams say so far")
    add("--folder", type=Path, metavar="DIR", help="the calibration's (default: results/calibration)")
    add("--commit", metavar="COMMIT", help="what to build for a new stream (default: HEAD)")


def refuse_alone(options: argparse.Namespace) -> None:
    """Without --calibrate its options would do nothing, which nobody means."""
    given = {"--kind": options.kind, "--level": options.level, "--for": options.length, "--report": options.report,
             "--folder": options.folder, "--commit": options.commit}  # fmt: skip
    for name, value in given.items():
        if value not in (None, False):
            raise Refused(f"{name} is an option of --calibrate, which is not given")


def run(options: argparse.Namespace) -> int:
    """Carries it out. Returns the exit code."""
    if options.report:
        _refuse_idle(options)
        calibration_report.write(options.folder or FOLDER)
        return EXIT_OK
    kind, level = _kind(options)
    length_s = units.seconds(options.length or "1h", "--for")
    given = _given(options)
    gate = gate_file.read(options.cells, given)
    question = Question(
        kind=kind,
        level=level,
        gate=gate,
        given_thresholds=given,
        commit=options.commit,
        seed=secrets.randbits(SEED_BITS) if options.seed is None else options.seed,
        budget_s=units.seconds(options.budget, "--budget") if options.budget else None,
        work=WORK,
    )
    return _measure(question, (options.folder or FOLDER) / kind.folder(level), length_s)


def _refuse_idle(options: argparse.Namespace) -> None:
    """The report is made of what the streams hold, and nothing that is measured now could change it."""
    if options.kind:
        raise Refused("--report is about all kinds; leave out --kind, or leave out --report to measure")
    given = {"--level": options.level, "--for": options.length, "--commit": options.commit, "--seed": options.seed,
             "--budget": options.budget}  # fmt: skip
    given |= {"--" + name.replace("_", "-"): value for name, value in _given(options).items()}
    idle = next((name for name, value in given.items() if value is not None), None)
    if idle:
        raise Refused(f"{idle} is about measuring, and would do nothing with --report")


def _kind(options: argparse.Namespace) -> tuple[Kind, float | None]:
    if not options.kind:
        raise Refused(f"--calibrate needs --kind, one of {', '.join(KINDS)}, or --report")
    kind = KINDS[options.kind]
    if options.level is not None and kind.is_alike:
        raise Refused(f"--level is a slowdown to inject, but --kind {kind.name} injects none")
    level = kind.level if options.level is None else options.level
    if level is not None and not 0 <= level <= MOST_LEVEL:
        raise Refused(f"--level is {level:g}, but must lie between 0 and {MOST_LEVEL:g} per cent")
    return kind, level


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """The thresholds of the command line."""
    values = {field.name: getattr(options, field.name, None) for field in fields(Thresholds)}
    return {name: value for name, value in values.items() if value is not None}


def _measure(question: Question, folder: Path, length_s: float) -> int:
    deadline = time.monotonic() + length_s
    with Interrupt(_say) as interrupt:
        stream = Stream(folder)
        try:
            Session(question, stream, interrupt, _say).run(deadline)
        except KeyboardInterrupt:
            _say("interrupted while building")
        finally:
            stream.close()
        _say(f"{len(stream.entries)} blocks are in {paths.shown(folder)}; the same command goes on, --report tells")
        return interrupt.exit_code if interrupt.requested else EXIT_OK


def _say(text: str) -> None:
    print(f"gate: {text}", file=sys.stderr, flush=True)
