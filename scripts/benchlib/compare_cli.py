# SPDX-License-Identifier: Apache-2.0
"""`scripts/compare`: ratios between the values of one axis, each pair of runs from one block of the sweep.

Absolute times of two sweeps, or of two halves of one, compare the weather of the machine as much as the
programs. Inside a block every cell ran once, close together and in random order; so the ratio is taken there,
and the blocks' ratios are summarised by their median with an exact interval.
"""

import argparse
import sys
from collections.abc import Sequence

import pandas

from benchlib import stats, table
from benchlib.errors import EXIT_OK, EXIT_REFUSED, Refused


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/compare",
        description="Ratios between the values of one axis of a result, block by block: their median, its exact 95 % "
        "interval, and the smallest and largest.",
        epilog="example: scripts/compare results/.../ --axis pool --base uv --by workload.window",
    )
    parser.add_argument("result", help="result folder of a sweep")
    parser.add_argument("--axis", required=True, help="column whose values are compared, e.g. pool or pool.ready_lock")
    parser.add_argument("--base", help="value to divide by (default: the first in the file)")
    parser.add_argument("--by", default="workload", help="columns that make a group, comma-separated (default: workload)")
    parser.add_argument("--metric", default="throughput_ops_per_s", help="column to compare (default: %(default)s)")
    return parser.parse_args(words)


def require_columns(runs: pandas.DataFrame, names: Sequence[str]) -> None:
    for name in names:
        if name not in runs.columns:
            known = ", ".join(column for column in runs.columns if not column.endswith(table.PARAMS_SUFFIX))
            raise Refused(f"no column '{name}' in this result; its columns are {known}")


def per_block(runs: pandas.DataFrame, metric: str, what: str) -> dict[int, float]:
    """One value a block; more than one run of a group in a block means that the groups mix cells."""
    counts = runs["block"].value_counts()
    if (counts > 1).any():
        raise Refused(f"{what} has {counts.max()} runs in one block, so the groups mix different cells; add columns to --by")
    return dict(zip(runs["block"].astype(int), runs[metric], strict=True))


def ratios(runs: pandas.DataFrame, axis: str, base: str, by: Sequence[str], metric: str) -> pandas.DataFrame:
    """One row per group and value of the axis other than `base`."""
    good = runs[(runs["status"] == "ok") & runs[axis].notna() & runs[metric].notna()]
    rows = []
    for key, group in good.groupby(list(by), dropna=False, sort=True):
        values = {str(value): part for value, part in group.groupby(axis, sort=False)}
        if base not in values:
            continue
        name = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        below = per_block(values[base], metric, f"{axis} {base}")
        for value, part in values.items():
            if value == base:
                continue
            above = per_block(part, metric, f"{axis} {value}")
            pairs = [above[block] / below[block] for block in sorted(above.keys() & below.keys())]
            estimate = stats.paired_ratio(above, below)
            rows.append(name | {axis: f"{value} / {base}", "pairs": estimate.n, "ratio": estimate.value,
                                "low": estimate.low, "high": estimate.high,
                                "min": min(pairs, default=float("nan")), "max": max(pairs, default=float("nan")),
                                "warnings": "; ".join(estimate.warnings)})
    return pandas.DataFrame(rows)


def run(options: argparse.Namespace) -> None:
    results = table.load(options.result)
    runs = results.throughput
    by = [name.strip() for name in options.by.split(",") if name.strip()]
    require_columns(runs, [options.axis, options.metric, *by])
    known = [str(value) for value in runs[options.axis].dropna().unique()]
    base = options.base if options.base is not None else next(iter(known), None)
    if base not in known:
        raise Refused(f"{options.axis} never is '{base}' in this result; it is {', '.join(known) or 'empty'}")
    found = ratios(runs, options.axis, base, by, options.metric)
    if found.empty:
        raise Refused(f"nothing to compare with {options.axis} {base} in this result")
    print(f"{options.metric}: ratio within a block; low and high bound the median with 95 % (sign test)")
    print(found.to_string(index=False, float_format=lambda value: f"{value:.3f}", na_rep="-"))


def main(words: Sequence[str]) -> int:
    try:
        run(parse(words))
    except Refused as refusal:
        print(f"compare: {refusal}", file=sys.stderr)
        return EXIT_REFUSED
    return EXIT_OK
