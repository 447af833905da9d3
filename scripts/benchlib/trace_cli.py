# SPDX-License-Identifier: Apache-2.0
"""The command line of scripts/trace."""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchlib import paths, program, runner, trace_files, trace_lttng, trace_process, trace_text, trace_usdt
from benchlib.command import carry_out, tell
from benchlib.errors import EXIT_FAILED, EXIT_OK, Refused
from benchlib.program import Program
from benchlib.trace_events import Jobs

LTTNG_PROGRAM = paths.ROOT / "build" / "lttng" / "readyq"
LTTNG_BUILD = "cmake --preset lttng && cmake --build --preset lttng"
# Memory of all CPUs together, and of one, unless --buffer says another.
BUFFERS_KIB, BUFFER_KIB_MIN, BUFFER_KIB_MAX = 256 << 10, 64, 1 << 20

DESCRIPTION = """Runs the program once with a tracer at its probes, and shows as histograms how long its jobs took
from probe to probe (put, get, reply, ready), and how long the queues were.

Tracing takes time of its own: compare traced runs with traced runs."""
EPILOG = """examples:
  scripts/trace -- --workload closed_loop:workers=2,service_ns=10us --duration 20ms
  scripts/trace --out results/trace -- --workload blast:jobs=500 --duration 20ms

exit codes: 0 done, and the run is correct; 1 the run failed; 2 something was refused, or the system refused a
resource; 130 or 143 interrupted"""


def main(words: Sequence[str]) -> int:
    """Carries out the command line. Returns the exit code."""
    return carry_out("trace", _trace, words)


def _trace(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    under_test = Program(find(options))
    planned = under_test.resolve(options.arguments)
    check(planned, under_test, options)
    with trace_process.ending_in_order():
        code, jobs, record = _record(options, under_test)
        if jobs.recording.lost:
            print(f"trace: {jobs.recording.lost:,} events were lost; see --buffer and --lossless", file=sys.stderr)
        tell(*trace_text.lines(jobs))
        if options.out:
            tell("", *map(paths.shown, trace_files.write(options.out, jobs, record)))
    return EXIT_OK if code == 0 else EXIT_FAILED


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        prog="trace", usage="trace [options] -- arguments of readyq run", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    result.add_argument("arguments", nargs="+", help="what to run: the words that follow `readyq run`")
    result.add_argument("--out", type=Path, metavar="DIR", help="write figure, bins (CSV) and record into DIR as well")
    result.add_argument(
        "--program", type=Path, metavar="PATH",
        help="the readyq to run (default: $READYQ_LTTNG, or build/lttng/readyq; with --usdt: $READYQ, or the release "
        "build)",
    )  # fmt: skip
    result.add_argument(
        "--buffer", type=_kib, metavar="KIB", default=buffer_kib(),
        help=f"memory for the events of each CPU, {BUFFER_KIB_MIN} to {BUFFER_KIB_MAX} KiB, a power of 2 "
        "(default here: %(default)s)",
    )  # fmt: skip
    how = result.add_mutually_exclusive_group()
    how.add_argument(
        "--lossless", action="store_true",
        help="let the program wait when the tracer can't keep up, instead of losing events: complete, but slower",
    )  # fmt: skip
    how.add_argument("--usdt", action="store_true", help="record with bpftrace, not LTTng: any build, but needs root")
    return result


def buffer_kib() -> int:
    """The default: a power of 2, so that all CPUs together stay below BUFFERS_KIB."""
    share = BUFFERS_KIB // (os.cpu_count() or 1)
    return min(max(1 << (share.bit_length() - 1), BUFFER_KIB_MIN), 32 << 10)


def _kib(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not BUFFER_KIB_MIN <= number <= BUFFER_KIB_MAX or number & (number - 1):
        raise argparse.ArgumentTypeError(
            f'"{text}" is no power of 2 of at least {BUFFER_KIB_MIN} and at most {BUFFER_KIB_MAX}'
        )
    return number


def find(options: argparse.Namespace) -> Path:
    """The program to run, which for LTTng is another than for everything else."""
    if options.program or options.usdt:
        return program.find(options.program)
    chosen = Path(os.environ.get("READYQ_LTTNG") or LTTNG_PROGRAM)
    if not chosen.is_file() or not os.access(chosen, os.X_OK):
        raise Refused(
            f"no program at {paths.shown(chosen)}: build it with LTTng's events ({LTTNG_BUILD}), or name one with "
            "--program or READYQ_LTTNG"
        )
    return chosen.resolve()


def check(planned: dict[str, Any], under_test: Program, options: argparse.Namespace) -> None:
    """Refuses what could only end in an empty trace."""
    if "pool" not in planned:
        raise Refused(
            f"workload {planned['workload']} runs on a queue, but jobs are traced on their way through a pool; name a "
            "workload on a pool ('readyq list workloads' shows which)"
        )
    parts = planned["build"].split(", ")[1:]
    shown = paths.shown(under_test.path)
    if "without probes and accounting" in parts:
        raise Refused(f"{shown} was built without probes (READYQ_OBSERVE=OFF)")
    if options.usdt and "without usdt" in parts:
        raise Refused(f"{shown} was built without USDT probes; install systemtap-sdt-dev and build it again")
    if not options.usdt and "lttng" not in parts:
        raise Refused(f"{shown} was built without LTTng's events; build one that has them: {LTTNG_BUILD}")


def _record(options: argparse.Namespace, under_test: Program) -> tuple[int, Jobs, dict[str, Any]]:
    command = [str(under_test.path), "run", *options.arguments]
    with tempfile.TemporaryDirectory(prefix="readyq-trace-") as name:
        folder = Path(name)
        output = folder / "record.json"
        if options.usdt:
            code, recording = trace_usdt.record(command, folder, output, options.buffer)
        else:
            code, recording = trace_lttng.record(command, folder, output, options.buffer, options.lossless)
        record = runner.read_record(output)
    if record is None:
        raise Refused(f"the program ended with {code} and left no record; see above")
    if recording.events.empty:
        raise Refused(f"nothing was recorded: the pool {record['pool']} came to no probe")
    return code, Jobs(recording), record
