# SPDX-License-Identifier: Apache-2.0
"""`scripts/compare`: ratios between the values of one axis, each pair of runs from one block of the sweep.

Absolute times of two sweeps, or of two halves of one, compare the weather of the machine as much as the
programs. Inside a block every cell ran once, close together and in random order; so the ratio is taken there,
and the blocks' ratios are summarised by their median with an exact interval.
"""

import argparse
import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas

from benchlib import parts, stats, table
from benchlib.command import carry_out, tell
from benchlib.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK, Refused
from benchlib.stats import Estimate

METRIC = "throughput_ops_per_s"
LIKELY = 4  # columns named to somebody who misspelled one
ANY = math.inf  # of a slowdown
EPILOG = """examples: scripts/compare results/.../ --axis pool --base uv --by workload.window
          scripts/compare results/.../ --axis arm --base bare --slowdown 2

exit codes: 0 done, and with --slowdown PERCENT no value is slower by more; 1 one is; 2 the result or an option was
refused; 3 the runs do not say: the median may be slower by more or by less"""


@dataclass(frozen=True)
class Ratio:
    """One value of the axis over the base, in one group."""

    group: dict[str, Any]
    value: str
    base: str
    pairs: list[float]
    estimate: Estimate


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
    parser.add_argument("--base", help="value to divide by (default: the first in the file)")
    parser.add_argument("--by", default="workload", help="columns that make a group, with commas (default: workload)")
    parser.add_argument("--part", metavar="NAME", help="only the runs of this part of the plan")
    parser.add_argument("--metric", default=METRIC, help="column to compare (default: %(default)s)")
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


def require_columns(runs: pandas.DataFrame, options: argparse.Namespace, by: Sequence[str]) -> None:
    """Refuses columns that are not there, or that no ratio can be taken of."""
    columns = [name for name in runs.columns if not name.endswith(table.PARAMS_SUFFIX)]
    numeric = [name for name in columns if pandas.api.types.is_numeric_dtype(runs[name]) and runs[name].notna().any()]
    if not by:
        raise Refused("--by names no column")
    for name in (options.axis, *by):
        if name not in runs.columns:
            raise Refused(f"no column '{name}' in this result{nearest(name, columns)}")
    if options.metric not in runs.columns:
        raise Refused(f"no column '{options.metric}' in this result{nearest(options.metric, numeric)}")
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


def per_block(runs: pandas.DataFrame, metric: str, what: str) -> dict[int, float]:
    """One value a block; more than one run of a group in a block means that the groups mix cells."""
    counts = runs["block"].value_counts()
    if (counts > 1).any():
        raise Refused(
            f"{what} has {counts.max()} runs in one block, so the groups mix different cells; add columns to --by"
        )
    return dict(zip(runs["block"].astype(int), runs[metric], strict=True))


def ratios(runs: pandas.DataFrame, axis: str, base: str, by: Sequence[str], metric: str) -> list[Ratio]:
    """One per group and value of the axis other than `base`."""
    good = runs[(runs["status"] == "ok") & runs[axis].notna() & runs[metric].notna()]
    found = []
    for key, group in good.groupby(list(by) if len(by) > 1 else by[0], dropna=False, sort=True):
        values = {str(value): part for value, part in group.groupby(axis, sort=False)}
        if base not in values or len(values) == 1:
            continue
        keys = zip(by, key if isinstance(key, tuple) else (key,), strict=True)
        name = {column: "-" if pandas.isna(value) else value for column, value in keys}
        below = per_block(values[base], metric, f"{axis} {base}")
        if 0 in below.values():
            raise Refused(f"{metric} of {axis} {base} is 0 in a run, and there is no ratio to that")
        for value, part in values.items():
            if value == base:
                continue
            above = per_block(part, metric, f"{axis} {value}")
            pairs = [above[block] / below[block] for block in sorted(above.keys() & below.keys())]
            estimate = stats.paired_ratio(above, below)
            found.append(Ratio(name, value, base, pairs, estimate))
    return found


def row(ratio: Ratio, axis: str) -> dict[str, Any]:
    """A row of the table."""
    estimate = ratio.estimate
    return ratio.group | {
        axis: f"{ratio.value} / {ratio.base}", "pairs": estimate.n, "ratio": estimate.value,
        "low": estimate.low, "high": estimate.high,
        "min": min(ratio.pairs, default=math.nan), "max": max(ratio.pairs, default=math.nan),
        "warnings": "; ".join(estimate.warnings),
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


def run(words: Sequence[str]) -> int:
    options = parse(words)
    results = table.load(options.result)
    runs = of_part(results, options.part)
    by = [name.strip() for name in options.by.split(",") if name.strip()]
    require_columns(runs, options, by)
    # A whole number stays one, even in a column that is empty for other workloads.
    runs = runs.assign(**{name: runs[name].convert_dtypes() for name in (options.axis, *by)})
    known = [str(value) for value in runs[options.axis].dropna().unique()]
    base = options.base if options.base is not None else next(iter(known), None)
    if base not in known:
        raise Refused(f"{options.axis} never is '{base}' in this result; it is {', '.join(known) or 'empty'}")
    found = ratios(runs, options.axis, base, by, options.metric)
    if not found:
        raise Refused(f"nothing to compare with {options.axis} {base} in this result")
    tell(
        f"{options.metric}: ratio within a block; low and high bound the median with 95 % (sign test)",
        pandas.DataFrame([row(one, options.axis) for one in found]).to_string(
            index=False, float_format=lambda value: f"{value:.3f}", na_rep="-"
        ),
    )
    if options.slowdown is None:
        return EXIT_OK
    sentences, codes = zip(*(slowdown(one, options.slowdown) for one in found), strict=True)
    tell(*sentences)
    return min((code for code in codes if code != EXIT_OK), default=EXIT_OK)


def main(words: Sequence[str]) -> int:
    return carry_out("compare", run, words)
