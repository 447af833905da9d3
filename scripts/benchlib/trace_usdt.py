# SPDX-License-Identifier: Apache-2.0
"""Recording with bpftrace, by the USDT probes that every build has. Needs root, and a kernel that allows it."""

import os
import re
import shutil
import sys
from array import array
from pathlib import Path

from benchlib import runner, trace_process
from benchlib.errors import EXIT_FAILED, Refused
from benchlib.trace_events import KINDS, Recording, table

PROBES = dict(zip(KINDS, ("add", "get", "reply", "ready"), strict=True))
PAGE_KIB = 4
# What bpftrace says of itself even when all goes well, on the standard error that it shares with the program.
OF_BPFTRACE = re.compile(r"RLIMIT_MEMLOCK|failed to detach|uprobe_events|^Lost \d+ events|^\s*$")


def record(command: list[str], folder: Path, stdout: Path, buffer_kib: int) -> tuple[int, Recording]:
    """Runs `command` under bpftrace and returns its exit code, as its record tells it, and what was recorded."""
    if not shutil.which("bpftrace"):
        raise Refused("bpftrace is not installed; install the package bpftrace")
    if os.geteuid() != 0:
        raise Refused("--usdt needs root: only root may put probes into a program (LTTng, without --usdt, needs none)")
    parted = [word for word in command if re.search(r"\s", word) or not word]
    if parted:
        raise Refused(f"bpftrace takes a command apart at every space, so no word of it can hold one: '{parted[0]}'")
    script, told, output, log = (folder / name for name in ("probes.bt", "events", "output", "log"))
    script.write_text(program(command[0]))
    pages = 1
    while pages * 2 * PAGE_KIB <= buffer_kib:
        pages *= 2
    environment = os.environ | {"BPFTRACE_PERF_RB_PAGES": str(pages)}
    words = ["bpftrace", "-q", "-o", str(told), "-c", " ".join(command), str(script)]
    with trace_process.running(words, environment, output, log) as process:
        process.wait()
    messages = [line for line in log.read_text(errors="replace").splitlines() if not OF_BPFTRACE.search(line)]
    if process.returncode != 0:
        raise Refused(f"bpftrace cannot trace here: {messages[0].removeprefix('ERROR: ') if messages else 'no word'}")
    print(*messages, sep="\n", file=sys.stderr)
    stdout.write_text("".join(line for line in output.read_text().splitlines(True) if line.strip()))
    record = runner.read_record(stdout)
    return 0 if record and record["status"] == "ok" else EXIT_FAILED, read(told, log)


def program(path: str) -> str:
    """What bpftrace has to do: a line an event. """
    if re.search(r'[":*?]', path):
        raise Refused(f"{path}: bpftrace can't name a program whose path holds any of \" : * ?")
    return "".join(
        f'usdt:{path}:readyq:aio_pool_{probe} {{ printf("{number} %llu %lld %lld\\n", nsecs, arg1, arg2); }}\n'
        for number, probe in enumerate(PROBES.values())
    )


def read(told: Path, log: Path) -> Recording:
    """The events in bpftrace's output."""
    columns = array("b"), array("q"), array("q"), array("q")
    lost = 0
    for line in [*told.read_text().splitlines(), *log.read_text(errors="replace").splitlines()]:
        if match := re.fullmatch(r"(\d) (\d+) (\d+) (-?\d+)", line):
            for column, number in zip(columns, match.groups(), strict=True):
                column.append(int(number))
        elif match := re.fullmatch(r"Lost (\d+) events", line):
            lost += int(match[1])
    return Recording("bpftrace", table(*columns), lost)
