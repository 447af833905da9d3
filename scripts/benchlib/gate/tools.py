# SPDX-License-Identifier: Apache-2.0
"""Calls git, cmake, ninja and the compiler for the gate: output into a log, and the first Ctrl-C ends them.

A build, unlike a run, is worth nothing when half done, so that nothing waits for its end.
"""

import contextlib
import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchlib.errors import Refused, os_reason
from benchlib.interrupt import Interrupt
from benchlib.runner import DIE_WITH_PARENT

QUESTION_TIMEOUT_S = 60.0
# Git tells its hooks of a repository by these, which would then be taken for that of any folder.
FROM_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What tools are called with: the system's own first, as by `scripts/mutants`, and in English."""
    result = {name: value for name, value in os.environ.items() if name not in FROM_HOOKS}
    result |= {"PATH": f"/usr/bin:/bin:{os.environ.get('PATH', '')}", "LC_ALL": "C"}
    return result | (more or {})


def call(
    words: Sequence[str],
    log: Path,
    interrupt: Interrupt | None,
    *,
    folder: Path | None = None,
    more: Mapping[str, str] | None = None,
    whole: Mapping[str, str] | None = None,
    limit_s: float | None = None,
) -> int:
    """The exit code of a tool; the log is appended to. Raises KeyboardInterrupt; leaves none of its processes.

    `more` is added to the environment, `whole` takes its place; what takes longer than `limit_s` is refused.
    """
    try:
        with open(log, "ab") as out:
            out.write(f"$ {shlex.join(words)}\n".encode())
            out.flush()
            process = subprocess.Popen(
                [*DIE_WITH_PARENT, *words],
                cwd=folder,
                env=environment(more) if whole is None else dict(whole),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
    except OSError as error:
        raise Refused(f"cannot start {words[0]}: {error.filename or log}: {os_reason(error)}") from error
    try:
        if not _ended(process.pid, interrupt, limit_s):
            raise Refused(f"{words[0]} did not end in {limit_s:.0f} s")
    finally:
        # The leader is a zombie until it is waited for, and so its number cannot be another's group yet.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode


def ask(*words: str, folder: Path | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a short question; both texts stripped."""
    try:
        finished = subprocess.run(
            [*words],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=QUESTION_TIMEOUT_S,
            process_group=0,
            check=False,
        )
    except OSError as error:
        raise Refused(f"cannot start {words[0]}: {os_reason(error)}") from error
    except subprocess.TimeoutExpired as error:
        raise Refused(f"{words[0]} did not answer in {QUESTION_TIMEOUT_S:.0f} s") from error
    return finished.returncode, finished.stdout.strip(), finished.stderr.strip()


def _ended(pid: int, interrupt: Interrupt | None, limit_s: float | None) -> bool:
    """Waits for the end of a process; False: it took too long."""
    deadline = None if limit_s is None else time.monotonic() + limit_s
    pidfd = os.pidfd_open(pid)
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        if interrupt:
            poller.register(interrupt.fileno(), select.POLLIN)
        while True:
            if interrupt and interrupt.requested:
                raise KeyboardInterrupt
            left_s = None if deadline is None else deadline - time.monotonic()
            if left_s is not None and left_s <= 0:
                return False
            if pidfd in {number for number, _ in poller.poll(None if left_s is None else 1000 * left_s)}:
                return True
    finally:
        os.close(pidfd)
