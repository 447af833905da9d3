# SPDX-License-Identifier: Apache-2.0
"""Processes of a trace: each in a group of its own, dead when the script is, ended in whatever way the script ends."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from benchlib.errors import Refused, os_reason
from benchlib.runner import DIE_WITH_PARENT, TERM_GRACE_S

ASKED_TO_END = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ending_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP leave by the way of an exception, as Ctrl-C does, so that everything is cleared away."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in ASKED_TO_END}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """No signal ends what is being cleared away; one that comes meanwhile is delivered afterwards."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, *ASKED_TO_END))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


@contextlib.contextmanager
def running(
    command: Sequence[str], environment: dict[str, str], stdout: Path | None, stderr: Path | None
) -> Iterator[subprocess.Popen[bytes]]:
    """The process while it runs; None: our own standard error. When the block is left, nothing of it is.

    Should this script be killed, it is killed too; LTTng's daemon and bpftrace take with them what they have started.
    """
    with contextlib.ExitStack() as files:
        out = files.enter_context(open(stdout, "wb")) if stdout else 2
        err = files.enter_context(open(stderr, "wb")) if stderr else 2
        try:
            process = subprocess.Popen(
                [*DIE_WITH_PARENT, *command], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment,
                process_group=0, cwd=os.getcwd(),
            )  # fmt: skip
        except OSError as error:
            raise Refused(f"cannot start {command[0]}: {os_reason(error)}") from error
    try:
        yield process
    finally:
        with undisturbed():
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and what it has started, by force if it takes its time."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(TERM_GRACE_S)
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def last_line(path: Path) -> str:
    """What a process said last."""
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
