# SPDX-License-Identifier: Apache-2.0
"""`scripts/compare`: ratios between the values of one axis, each pair of runs from one block of the sweep.

Absolute times of two sweeps, or of two halves of one, compare the weather of the machine as much as the
programs. Inside a block every cell ran once, close together and in random order; so the ratio is taken there,
and the blocks' ratios are summarised by their median with an exact interval.
"""

import argparse
import difflib
from collections.abc import Sequence

import pandas

from benchlib import stats, table
from benchlib.command import carry_out, tell
from benchlib.errors import EXIT_OK, Refused


METRIC = "throughput_ops_per_s"
LIKELY = 4  # columns named to somebody who misspelled one


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
    parser.add_argument("--by", default="workload", help="columns that make a group, with commas (default: workload)")
    parser.add_argument("--metric", default=METRIC, help="column to compare (default: %(default)s)")
    return parser.parse_args(words)


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


def ratios(runs: pandas.DataFrame, axis: str, base: str, by: Sequence[str], metric: str) -> pandas.DataFrame:
    """One row per group and value of the axis other than `base`."""
    good = runs[(runs["status"] == "ok") & runs[axis].notna() & runs[metric].notna()]
    rows = []
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
            rows.append(name | {axis: f"{value} / {base}", "pairs": estimate.n, "ratio": estimate.value,
                                "low": estimate.low, "high": estimate.high,
                                "min": min(pairs, default=float("nan")), "max": max(pairs, default=float("nan")),
                                "warnings": "; ".join(estimate.warnings)})
    return pandas.DataFrame(rows)


def run(words: Sequence[str]) -> int:
    options = parse(words)
    results = table.load(options.result)
    runs = results.throughput
    by = [name.strip() for name in options.by.split(",") if name.strip()]
    require_columns(runs, options, by)
    # A whole number stays one, even in a column that is empty for other workloads.
    runs = runs.assign(**{name: runs[name].convert_dtypes() for name in (options.axis, *by)})
    known = [str(value) for value in runs[options.axis].dropna().unique()]
    base = options.base if options.base is not None else next(iter(known), None)
    if base not in known:
        raise Refused(f"{options.axis} never is '{base}' in this result; it is {', '.join(known) or 'empty'}")
    found = ratios(runs, options.axis, base, by, options.metric)
    if found.empty:
        raise Refused(f"nothing to compare with {options.axis} {base} in this result")
    tell(
        f"{options.metric}: ratio within a block; low and high bound the median with 95 % (sign test)",
        found.to_string(index=False, float_format=lambda value: f"{value:.3f}", na_rep="-"),
    )
    return EXIT_OK


def main(words: Sequence[str]) -> int:
    return carry_out("compare", run, words)
