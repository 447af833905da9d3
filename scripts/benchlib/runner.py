# SPDX-License-Identifier: Apache-2.0
"""One run: one process in a group of its own, waited for without polling, ended when its time is over.

The sweep must not disturb what it measures: output goes straight to files, and the wait wakes for nothing but
the end of the process, its time limit or a signal.
"""

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchlib.errors import Refused, os_reason
from benchlib.interrupt import Interrupt

# The program dies with the sweep, even when that is killed and can end nothing: an orphan would disturb the runs
# of the sweep that resumes. setpriv (util-linux) becomes the program, so it costs one exec.
DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
TERM_GRACE_S = 2.0
RECORD_MAX_BYTES = 64 << 20  # more than any record: whatever printed that has lost its way

OK, INCORRECT, TIMEOUT, INTERRUPTED = "ok", "incorrect", "timeout", "interrupted"
REFUSED, NO_RECORD = "refused", "no_record"


@dataclass(frozen=True)
class Outcome:
    """How one attempt ended. `record` is what the program printed, if it did."""

    exit_reason: str
    exit_code: int  # negative: the number of the signal that ended it
    wall_s: float
    record: dict[str, Any] | None


def execute(
    command: list[str],
    stdout: Path,
    stderr: Path,
    timeout_s: float,
    interrupt: Interrupt,
    environment: Mapping[str, str] | None = None,
) -> Outcome:
    """Runs `command` with its output in the two files, and says how it ended. Its environment is ours if not given."""
    try:
        with open(stdout, "wb") as out, open(stderr, "wb") as err:
            started = time.monotonic()
            process = subprocess.Popen(
                [*DIE_WITH_PARENT, *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                process_group=0,
                env=environment,
            )
    except OSError as error:
        raise Refused(f"cannot start {command[0]}: {error.filename or stdout}: {os_reason(error)}") from error
    ended_by = _wait(process, timeout_s, interrupt)
    wall_s = time.monotonic() - started
    record = read_record(stdout)
    return Outcome(ended_by or _exit_reason(process.returncode, record), process.returncode, wall_s, record)


def read_record(path: Path) -> dict[str, Any] | None:
    """The record that the program printed: the only line of its output, and JSON; else there is none."""
    if path.stat().st_size > RECORD_MAX_BYTES:
        return None
    lines = path.read_bytes().splitlines()
    try:
        record = json.loads(lines[0]) if len(lines) == 1 else None
    except ValueError:
        return None
    return record if isinstance(record, dict) and "schema_version" in record else None


def _wait(process: subprocess.Popen[bytes], timeout_s: float, interrupt: Interrupt) -> str | None:
    """Waits until it ends, and leaves nothing of its group. Returns why it had to be ended, if it had."""
    pidfd = os.pidfd_open(process.pid)
    try:
        ended_by = _wait_for(pidfd, timeout_s, interrupt)
        if ended_by:
            os.killpg(process.pid, signal.SIGTERM)
            if _wait_for(pidfd, TERM_GRACE_S, None):
                os.killpg(process.pid, signal.SIGKILL)
                _wait_for(pidfd, None, None)
        # The leader is a zombie until it is waited for, and so its number cannot be another's group yet.
        os.killpg(process.pid, signal.SIGKILL)
    finally:
        os.close(pidfd)
        process.wait()
    return ended_by


def _wait_for(pidfd: int, timeout_s: float | None, interrupt: Interrupt | None) -> str | None:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    if interrupt:
        poller.register(interrupt.fileno(), select.POLLIN)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left_ms = None if deadline is None else (deadline - time.monotonic()) * 1e3
        if left_ms is not None and left_ms <= 0:
            return TIMEOUT
        ready = {number for number, _ in poller.poll(left_ms)}
        if pidfd in ready:
            return None
        if interrupt and ready:
            interrupt.settle()
            if interrupt.at_once:
                return INTERRUPTED


def _exit_reason(code: int, record: dict[str, Any] | None) -> str:
    """What the exit code and the record together say. With 0 and 1 the program promises a record."""
    if code < 0:
        return f"signal:{_signal_name(-code)}"
    if code == 2:
        return REFUSED
    if code > 2:
        return f"exit:{code}"
    if record is None:
        return NO_RECORD
    said = record.get("exit_reason") or INCORRECT
    if code == 0:
        return OK if record.get("status") == OK else said
    return said if said != OK else INCORRECT


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal between the two that have names
        return str(number)
