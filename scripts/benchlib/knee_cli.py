# SPDX-License-Identifier: Apache-2.0
"""The command line of scripts/knee."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from benchlib import knee, load_latency, series, table
from benchlib.command import carry_out, tell
from benchlib.errors import EXIT_OK, Refused
from benchlib.series import LINE

DESCRIPTION = f"""Finds the knee of each line of a sweep over workload.rate: the highest rate of which the pool
completed enough, without its 99th percentile (total) rising too far above that at the lowest rate. Both are medians
over the runs at a rate; the interval is a 95 % one, by {knee.RESAMPLES} resamplings of the runs."""
EPILOG = "exit codes: 0 done; 2 the result or an option was refused"


def main(words: Sequence[str]) -> int:
    """Carries out the command line. Returns the exit code."""
    return carry_out("knee", _find, words)


def _find(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    results = table.load(options.result)
    runs = series.prepare(results)
    lines = [text for figure in load_latency.plan(results, runs)
             for text in _of(figure, options.share / 100, options.factor)]
    if not lines:
        raise Refused(f"{options.result}: has no workload with latencies at more than one rate, and so no knee")
    tell(knee.rule(options.share / 100, options.factor), *lines)
    return EXIT_OK


def _of(figure: load_latency.LoadLatency, share: float, factor: float) -> list[str]:
    """The lines of one figure with their knees, under its name."""
    found = [figure.name]
    for line, runs in figure.runs.groupby(LINE):
        one = knee.find(load_latency.loads(runs), share, factor)
        found.append("; ".join([f"  {line}: {knee.in_words(one)}, n = {one.n}", *one.warnings]))
    return found


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        prog="scripts/knee", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("result", type=Path, metavar="RESULT_DIR", help="folder of a sweep over workload.rate")
    result.add_argument("--share", type=_percent, default=100 * knee.SHARE, metavar="PERCENT",
                        help="of the rate that must be completed (default: %(default)g)")
    result.add_argument("--factor", type=_factor, default=knee.FACTOR, metavar="K",
                        help="p99 may be K times that at the lowest rate (default: %(default)g)")
    return result


def _percent(text: str) -> float:
    value = _number(text)
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 100, not {text}")
    return value


def _factor(text: str) -> float:
    value = _number(text)
    if not (value >= 1 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no number") from None
