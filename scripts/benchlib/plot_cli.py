# SPDX-License-Identifier: Apache-2.0
"""The command line of scripts/plot."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchlib import figures, paths, plan, summary, table
from benchlib.command import carry_out, tell
from benchlib.errors import EXIT_OK

DESCRIPTION = """Draws the figures of a result: those that its plan names for its parts; and for other parts contention
curves, latency percentiles, ablations of single options, latency by load where a plan varied workload.rate, and the
curves by gnuplot, with script and data to draw them again. What threads spend their time on, where that was accounted;
throughput over time, where it drifted or had several modes, or where --only timeline asks for it. --only also draws
what is not drawn otherwise: --only latency the percentiles of parts whose figures the plan names.

Prints the paths of what it wrote on standard output."""
EPILOG = """exit codes: 0 done; 2 the result or an option was refused, or the system refused a resource"""


def main(words: Sequence[str]) -> int:
    """Carries out the command line. Returns the exit code."""
    return carry_out("plot", _plot, words)


def _plot(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    results = table.load(options.result)
    every = figures.of(results, plan.read(options.plan) if options.plan else None)
    if options.table:
        tell(*summary.lines(results))
        return EXIT_OK
    folder = options.out or options.result / "figures"
    drawn = figures.draw(figures.chosen(every, options.only), folder, options.format)
    tell(*map(paths.shown, drawn))
    return EXIT_OK


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        prog="plot", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("result", type=Path, metavar="RESULT_DIR", help="folder of a sweep, or of readyq run --csv")
    result.add_argument("--out", type=Path, metavar="DIR", help="where the figures go (default: RESULT_DIR/figures)")
    formats = ",".join(figures.FORMATS)
    result.add_argument("--format", type=figures.formats, default=formats, metavar=formats,
                        help="one or both (default: both)")  # fmt: skip
    result.add_argument("--only", metavar="NAME",
                        help="one figure or kind: contention, load-latency, latency, ready-lock, ablation, accounting, "
                        "gnuplot, timeline, plan (those that the plan names)")
    result.add_argument("--plan", type=Path, metavar="PLAN.toml",
                        help="draw the figures that this plan names, in place of those that the result's own copy "
                        "names; it must measure the same")
    result.add_argument("--table", action="store_true", help="draw nothing; print the medians as a table")
    return result
