# SPDX-License-Identifier: Apache-2.0
"""`scripts/compare`: ratios between the values of one axis, each pair of runs from one block of the sweep.

A pair whose runs the machine did not treat alike, by their sentinels (benchlib.regimes), is left out and counted.
"""

import argparse
import difflib
import math
from collections.abc import Sequence
from typing import Any

import pandas

from benchlib import derived, environment, parts, ratios, regimes, stats, table
from benchlib.command import carry_out, tell
from benchlib.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK, Refused
from benchlib.ratios import BEST, REGIME, Ratio

METRIC = "throughput_ops_per_s"
LIKELY = 4  # columns named to somebody who misspelled one
SETTINGS = ("queue", "pool", "job_queue", "ready_queue", "workers", "arm", "check")
ANY = math.inf  # of a slowdown
EPILOG = """examples: scripts/compare results/.../ --axis pool --base uv --by workload.window
          scripts/compare results/.../ --axis pool --of tuned --base best --leave-out erts \\
              --by workload,workload.service_ns,workers,workload.window
          scripts/compare results/.../ --axis pool --of tuned --base tbb --by workload.rate --metric total.p99
          scripts/compare results/.../ --axis arm --base bare --slowdown 2

exit codes: 0 done, and with --slowdown PERCENT no value is slower by more; 1 one is; 2 the result or an option was
refused; 3 the runs do not say: the median may be slower by more or by less"""


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/compare",
        description="Ratios between the values of one axis of a result, block by block: their median, its exact 95 % "
        "interval, and the smallest and largest.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("result", help="result folder of a sweep")
    parser.add_argument("--axis", required=True, help="column whose values are compared, e.g. pool or pool.ready_lock")
    parser.add_argument("--base", help="value to divide by (default: the first in the file); best: in each group the "
                        "one of the others that has the highest median throughput")
    parser.add_argument("--of", metavar="VALUE", help="divide this value only (default: all but the base)")
    parser.add_argument("--leave-out", default="", metavar="VALUES", help="values that take no part, with commas")
    parser.add_argument("--by", default="workload", help="columns that make a group, with commas (default: workload)")
    parser.add_argument("--part", metavar="NAME", help="only the runs of this part of the plan")
    parser.add_argument("--metric", default=METRIC, help="column to compare, or percentile of a stage, such as "
                        "total.p99 (p50, p90, p99, p999, p9999, mean, max; default: %(default)s)")
    parser.add_argument("--any-regime", action="store_true",
                        help="pair runs also where the sentinels say that the machine changed between them or in them")
    parser.add_argument("--slowdown", nargs="?", const=ANY, type=_percent, metavar="PERCENT",
                        help="say by how much each value is slower than the base at most, with 95 %% confidence, and "
                        "check that it is no more than PERCENT")
    return parser.parse_args(words)


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 100:
        raise argparse.ArgumentTypeError(f'"{text}" is no percentage from 0 to below 100, such as 2')
    return value


def require_columns(
    runs: pandas.DataFrame, options: argparse.Namespace, by: Sequence[str], percentiles: Sequence[str] = ()
) -> None:
    """Refuses columns that are not there, or that no ratio can be taken of; `percentiles` could be columns too."""
    columns = [name for name in runs.columns if not name.endswith(table.PARAMS_SUFFIX)]
    numeric = [name for name in columns if pandas.api.types.is_numeric_dtype(runs[name]) and runs[name].notna().any()]
    if not by:
        raise Refused("--by names no column")
    for name in (options.axis, *by):
        if name not in runs.columns:
            known = nearest(name, columns) or varying(runs, columns)
            raise Refused(f"no column '{name}' in this result{known}")
    if options.metric not in runs.columns:
        raise Refused(
            f"no column '{options.metric}' in this result{nearest(options.metric, [*numeric, *percentiles])}"
        )
    if options.metric not in numeric:
        raise Refused(f"column '{options.metric}' holds no numbers, so it has no ratio; one that does: {METRIC}")
    if options.slowdown is not None and options.metric != METRIC:
        raise Refused(f"--slowdown is about {METRIC}, not {options.metric}: leave one of the two options out")
    if runs["block"].isna().any():
        raise Refused(f"{options.result}: its runs belong to no blocks, so none can be paired; a sweep has blocks")


def nearest(name: str, columns: Sequence[str]) -> str:
    """What may have been meant: columns spelled alike, or parameters of that name."""
    alike = difflib.get_close_matches(name, columns, LIKELY)
    alike += [column for column in columns if column.split(".")[-1] == name.split(".")[-1]]
    found = list(dict.fromkeys(alike))[:LIKELY]
    return f"; the nearest: {', '.join(found)}" if found else ""


def varying(runs: pandas.DataFrame, columns: Sequence[str]) -> str:
    """What could be compared: the settings of which some workload was run with several values."""
    settings = [name for name in columns if name in SETTINGS or "." in name]
    found = [name for name in settings if runs.groupby("workload")[name].nunique().max() > 1]
    return f"; those that vary: {', '.join(found)}" if found else ""


def row(ratio: Ratio, axis: str) -> dict[str, Any]:
    """A row of the table."""
    estimate = ratio.estimate
    apart = [f"{ratio.apart} pairs of different regimes are left out"] if ratio.apart else []
    return ratio.group | {
        axis: f"{ratio.value} / {ratio.base}", "pairs": estimate.n, "ratio": estimate.value,
        "low": estimate.low, "high": estimate.high,
        "min": min(ratio.pairs, default=math.nan), "max": max(ratio.pairs, default=math.nan),
        "warnings": "; ".join([*apart, *estimate.warnings]),
    }  # fmt: skip


def slowdown(ratio: Ratio, limit: float) -> tuple[str, int]:
    """By how much the value is slower than the base at most, as a sentence, and the exit code that it makes."""
    where = ", ".join(f"{column} {value}" for column, value in ratio.group.items())
    pairs = f"{stats.CONFIDENCE:.0%} confidence, {len(ratio.pairs)} pairs".replace("%", " %")
    least, most = stats.one_sided(ratio.pairs)
    if math.isnan(least):
        needed = stats.runs_needed(2 * stats.CONFIDENCE - 1)
        few = f"{where}: {len(ratio.pairs)} pairs do not bound the slowdown of {ratio.value}, {needed} are needed"
        return few, EXIT_INCONCLUSIVE
    hundredths = math.ceil((1 - least) * 1e4 - 1e-9)  # rounded to the safe side
    if hundredths >= 0:
        bound = f"at most {hundredths / 100:.2f} % slower than {ratio.base}"
    else:
        bound = f"at least {-hundredths / 100:.2f} % faster than {ratio.base}"
    said, code = "", EXIT_OK
    if limit != ANY:
        code = EXIT_OK if hundredths <= limit * 100 else EXIT_FAILED if most < 1 - limit / 100 else EXIT_INCONCLUSIVE
        verdict = {EXIT_OK: "holds", EXIT_FAILED: "is broken", EXIT_INCONCLUSIVE: "is not decided"}[code]
        said = f"; the limit of {limit:g} % {verdict}"
    return f"{where}: {ratio.value} is {bound} ({pairs}){said}", code


def of_part(results: table.Results, part: str | None) -> pandas.DataFrame:
    """The runs of one part of the plan, or all."""
    if part is None:
        return results.throughput
    known = parts.split(results.throughput, results.manifest)
    if part not in known:
        raise Refused(f"no part '{part}' in this result; it has {', '.join(known) or 'none that are known'}")
    return known[part]


def around(runs: pandas.DataFrame) -> list[str]:
    """What the machine did to the runs, where it did something: lines below the table."""
    found = regimes.find(runs)
    lines = []
    if len(found) > 1:
        straddling = int((regimes.label(runs, found) == regimes.STRADDLING).sum())
        names = " and ".join(regime.name for regime in found)
        lines.append(f"sentinel: {len(found)} regimes, {names}; {straddling} of {len(runs)} runs straddle them")
    note = environment.note(runs)
    if note:
        reasons = "; ".join(f"{reason} ({number} runs)" for reason, number in environment.commonest_reasons(runs))
        lines.append(f"environment: {note}: {reasons}")
    return lines


def gaps(runs: pandas.DataFrame, metric: str) -> list[str]:
    """How many runs take no part for want of the metric, if any does: a line below the table."""
    passed = runs[runs["status"] == "ok"]
    count = int(passed[metric].isna().sum())
    why = ": too few samples, or no such stage" if derived.STAGE.fullmatch(metric) else ""
    return [f"{count} of {len(passed)} runs have no {metric}{why}"] if count else []


def run(words: Sequence[str]) -> int:
    options = parse(words)
    results = table.load(options.result, bins=False)
    runs = of_part(results, options.part)
    percentiles = derived.percentiles(results)
    if options.metric in (*percentiles, *derived.QUOTIENTS):
        runs = runs.assign(**{options.metric: derived.find(results, runs, options.metric)})
    by = [name.strip() for name in options.by.split(",") if name.strip()]
    require_columns(runs, options, by, percentiles)
    if not options.any_regime:
        runs = runs.assign(**{REGIME: regimes.label(runs, regimes.find(runs))})
    # A whole number stays one, even in a column that is empty for other workloads.
    runs = runs.assign(**{name: runs[name].convert_dtypes() for name in (options.axis, *by)})
    known = [str(value) for value in runs[options.axis].dropna().unique()]
    base = options.base if options.base is not None else next(iter(known), None)
    left_out = [name.strip() for name in options.leave_out.split(",") if name.strip()]
    for value in (*([] if base == BEST else [base]), *([options.of] if options.of else []), *left_out):
        if value not in known:
            raise Refused(f"{options.axis} never is '{value}' in this result; it is {', '.join(known) or 'empty'}")
    found = ratios.ratios(runs, options.axis, base, by, options.metric, options.of, left_out)
    if not found:
        raise Refused(f"nothing to compare with {options.axis} {base} in this result")
    tell(
        f"{options.metric}: ratio within a block; low and high bound the median with 95 % (sign test)",
        pandas.DataFrame([row(one, options.axis) for one in found]).to_string(
            index=False, float_format=lambda value: f"{value:.3f}", na_rep="-"
        ),
    )
    if options.of and len(found) > 1:
        measured = sum(bool(one.pairs) for one in found)
        tell(f"median over the {measured} groups with pairs: {ratios.middle(found):.3f}")
    tell(*around(runs), *gaps(runs, options.metric))
    if options.slowdown is None:
        return EXIT_OK
    sentences, codes = zip(*(slowdown(one, options.slowdown) for one in found), strict=True)
    tell(*sentences)
    return min((code for code in codes if code != EXIT_OK), default=EXIT_OK)


def main(words: Sequence[str]) -> int:
    return carry_out("compare", run, words)
