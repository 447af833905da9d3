#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A noisy neighbour, made on purpose: a busy loop on one CPU that comes and goes at random.

It disturbs what runs on that CPU and leaves the other alone, for times between some milliseconds and a second: so runs
of one pair do not suffer alike. It is a process of its own, which dies with the one that started it.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from benchlib.errors import Refused, os_reason
from benchlib.runner import DIE_WITH_PARENT

BUSY_S, QUIET_S = 0.2, 1.8  # means of the phases, each drawn from an exponential distribution: a tenth of one CPU
LONGEST = 5  # times its mean is the longest phase


class Neighbour:
    """While entered, there is one on the last CPU that this process may use; `seed` makes its phases."""

    def __init__(self, seed: int, busy_s: float = BUSY_S, quiet_s: float = QUIET_S) -> None:
        self.cpu = max(os.sched_getaffinity(0))
        self._words = [str(self.cpu), str(seed), str(busy_s), str(quiet_s)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Neighbour":
        command = [*DIE_WITH_PARENT, sys.executable, str(Path(__file__).resolve()), *self._words]
        more = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        try:
            # In a group of its own: a terminal's Ctrl-C lets the present run finish, beside its neighbour.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, env=os.environ | more, process_group=0
            )
        except OSError as error:
            raise Refused(f"cannot start the neighbour: {os_reason(error)}") from error
        return self

    @property
    def pid(self) -> int:
        """Its process; only while entered."""
        assert self._process
        return self._process.pid

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()


def phases(seed: int, busy_s: float, quiet_s: float) -> "list[tuple[float, float]]":
    """The first hundred (quiet, busy) pairs of times; later ones begin with these again."""
    generator = random.Random(seed)

    def drawn(mean: float) -> float:
        return min(generator.expovariate(1 / mean), LONGEST * mean)

    return [(drawn(quiet_s), drawn(busy_s)) for _ in range(100)]


def disturb(cpu: int, seed: int, busy_s: float, quiet_s: float) -> None:
    """Never returns."""
    os.sched_setaffinity(0, {cpu})
    while True:
        for quiet, busy in phases(seed, busy_s, quiet_s):
            time.sleep(quiet)
            end = time.monotonic() + busy
            while time.monotonic() < end:
                pass


if __name__ == "__main__":
    disturb(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
