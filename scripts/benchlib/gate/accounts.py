# SPDX-License-Identifier: Apache-2.0
"""What the system's accounts say of a block: whose the CPUs were while it was measured.

Read by the gate itself, over whole blocks, and not taken from the records of the runs: those are written by the arms,
of which one is new and not to be trusted yet, and a kernel that counts in ticks of 10 ms says nothing of a window of
300 ms, but something of six seconds.
"""

import math
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_USER, _NICE, _SYSTEM, _STEAL = 0, 1, 2, 7  # places in a line of /proc/stat


@dataclass(frozen=True)
class Accounts:
    """Seconds since the machine began, at one moment; NaN: the system does not say."""

    at_s: float
    cpus: int  # allowed to us
    processes_s: float  # CPU time of all processes on these
    steal_s: float  # that the hypervisor kept back from these
    own_s: float  # CPU time of the gate and of the runs that have ended
    suspended_s: float
    pressure_s: float  # during which somebody waited for a CPU


@dataclass(frozen=True)
class Passed:
    """Between two moments. Shares; NaN: not known."""

    wall_s: float
    steal: float  # of the time of all CPUs
    other_cpus: float  # how many CPUs other processes had, on average
    suspended_s: float
    pressure: float  # of the time


def read(proc: Path = PROC) -> Accounts:
    """The accounts of now."""
    monotonic_s, boot_s = time.clock_gettime(time.CLOCK_MONOTONIC), time.clock_gettime(time.CLOCK_BOOTTIME)
    allowed = os.sched_getaffinity(0)
    processes_s, steal_s = _stat(proc, allowed)
    return Accounts(
        monotonic_s, len(allowed), processes_s, steal_s, _own(), boot_s - monotonic_s, _pressure(proc)
    )


def between(opened: Accounts, closing: Accounts) -> Passed:
    """What passed. Accounts of different grain may disagree a little, so nothing is below 0."""
    wall_s = closing.at_s - opened.at_s
    own_s = closing.own_s - opened.own_s
    return Passed(
        wall_s=wall_s,
        steal=_share(closing.steal_s - opened.steal_s, wall_s * closing.cpus),
        other_cpus=_share(closing.processes_s - opened.processes_s - own_s, wall_s),
        suspended_s=max(0.0, closing.suspended_s - opened.suspended_s),
        pressure=_share(closing.pressure_s - opened.pressure_s, wall_s),
    )


def _share(part: float, whole: float) -> float:
    return math.nan if math.isnan(part) or whole <= 0 else max(0.0, part) / whole


def _own() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _stat(proc: Path, allowed: set[int]) -> tuple[float, float]:
    """CPU time of all processes on the allowed CPUs, and steal there."""
    names = {f"cpu{number}" for number in allowed}
    try:
        words = [line.split() for line in (proc / "stat").read_text().splitlines() if line.startswith("cpu")]
        numbers = [[int(word) for word in line[1:]] for line in words if line[0] in names]
        tick_s = 1 / os.sysconf("SC_CLK_TCK")
        processes = sum(line[_USER] + line[_NICE] + line[_SYSTEM] for line in numbers)
        steal = sum(line[_STEAL] for line in numbers)
    except (OSError, ValueError, IndexError):
        return math.nan, math.nan
    return (processes * tick_s, steal * tick_s) if numbers else (math.nan, math.nan)


def _pressure(proc: Path) -> float:
    try:
        line = (proc / "pressure" / "cpu").read_text().splitlines()[0]
        return int(line.rpartition("total=")[2]) * 1e-6
    except (OSError, ValueError, IndexError):
        return math.nan
