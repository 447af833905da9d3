# SPDX-License-Identifier: Apache-2.0
"""Numbers of a run that are no column of throughput.csv: the percentile of a stage, such as total.p99, and quotients.

A run's percentile is missing where latency.csv has none: too few samples lie beyond it.
"""

import re

import pandas

from benchlib.table import Results

KEY = "run_key"
STAGE = re.compile(r"([a-z_]+)\.(p50|p90|p99|p999|p9999|mean|max)")
COLUMN = re.compile(r"latency_(p50|p90|p99|p999|p9999|mean|max)_ns")  # of latency.csv
THROUGHPUT = "throughput_ops_per_s"


def with_key(rows: pandas.DataFrame) -> pandas.DataFrame:
    """Adds what joins a run with its rows of other files; runs without a name are those of their cell."""
    return rows.assign(**{KEY: rows["cell_id"] + " " + rows["run_id"].fillna("")})


def _ns_per_operation(runs: pandas.DataFrame) -> pandas.Series:
    return runs["threads"] * 1e9 / runs[THROUGHPUT].where(runs[THROUGHPUT] > 0)


def _cpus(runs: pandas.DataFrame) -> pandas.Series:
    return (runs["cpu_user_ns"] + runs["cpu_system_ns"]) / runs["window_ns"].where(runs["window_ns"] > 0)


QUOTIENTS = {"ns_per_operation": _ns_per_operation, "cpus": _cpus}


def percentiles(results: Results) -> list[str]:
    """The names of all that the result has."""
    known = [found[1] for found in map(COLUMN.fullmatch, results.latency.columns) if found]
    return [f"{stage}.{which}" for stage in results.latency["stage"].dropna().unique() for which in known]


def find(results: Results, runs: pandas.DataFrame, name: str) -> pandas.Series | None:
    """The number of each run; None: there is none of that name. A stage that no run has gives nothing but gaps."""
    stage = STAGE.fullmatch(name)
    if stage:
        return _percentile(results, runs, *stage.groups())
    return QUOTIENTS[name](runs) if name in QUOTIENTS else None


def _percentile(results: Results, runs: pandas.DataFrame, stage: str, which: str) -> pandas.Series:
    column = f"latency_{which}_ns"
    rows = with_key(results.latency[results.latency["stage"] == stage])
    values = rows.drop_duplicates(KEY).set_index(KEY)[column] if column in rows else {}
    return with_key(runs)[KEY].map(values).astype(float)
