# SPDX-License-Identifier: Apache-2.0
"""Reads a result folder back into tables (pandas), and summarises runs without hiding what varies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas

from benchlib import params, stats
from benchlib.errors import Refused, os_reason
from benchlib.files import read_json

SCHEMA_VERSION = 5  # the program's
READABLE = (1, 2, 3, 4, 5)
THROUGHPUT, LATENCY, HISTOGRAM = "throughput.csv", "latency.csv", "histogram.csv"
ACCOUNTING = "accounting.csv"  # from version 2 on
TIMELINE, THREADS = "timeline.csv", "threads.csv"  # from version 5 on
STATES = ("port_ns", "ready_ns", "clean_ns", "check_ns", "other_ns", "sleep_ns")
ACCOUNTING_COLUMNS = (
    *("schema_version", "plan_hash", "cell_id", "run_id", "thread_kind", "thread_number", "wall_ns"),
    *STATES,
)
TIMELINE_COLUMNS = "schema_version plan_hash cell_id run_id interval_start_ns interval_ns operations".split()
THREADS_COLUMNS = (
    "schema_version plan_hash cell_id run_id role thread_number cpu operations operations_failed window_ns "
    "throughput_ops_per_s cpu_ns switches_voluntary switches_involuntary migrations"
).split()
# Columns of throughput.csv that version 1 did not have yet.
SINCE_2 = (
    "length_samples job_queue_length_mean job_queue_length_max ready_queue_length_mean ready_queue_length_max "
    "queue_length_mean queue_length_max elements_held_mean elements_held_max jobs_unrun"
).split()

# And those that version 2 did not have yet.
SINCE_3 = (
    "check check_every check_memory_mib history_scope history_fault history_operations history_empties history_cut_ns "
    "history_rank_error_max history_rank_error_mean history_cost_ns history_judged_ns"
).split()

# And those that version 3 did not have yet.
SINCE_4 = ("queue_origins",)

# And those that version 4 did not have yet.
SINCE_5 = (
    "offered_ops_per_s bytes_per_s note cpu_ns_per_operation migrations wakes_per_operation allocations_per_operation "
    "ready_batch_mean queue_retries queue_memory_bytes reclaim_backlog run_length_mean queue_regime job_queue_regime "
    "timeline_interval_ns throughput_drift throughput_modes interval_cv environment_verdict environment_reasons "
    "other_cpu_ns frequency_before_khz frequency_after_khz suspended_ns keep_awake keep_awake_ns counters hw_scope "
    "hw_cycles hw_instructions hw_cache_references hw_cache_misses hw_branch_misses sw_context_switches "
    "sw_page_faults hw_counted_share hw_absent work_share stopped_enqueue_share stopped_dequeue_share"
).split()

# Columns that stay text even where every value looks like a number (a cell_id of digits, a list of one CPU).
TEXT_COLUMNS = frozenset(
    "plan_hash cell_id run_id arm status exit_reason verdict verdict_detail checks machine commit build compiler "
    "started workload workload_params queue queue_params pool pool_params job_queue job_queue_params ready_queue "
    "ready_queue_params dispatch optional_ops allocator pin cpus check history_scope history_fault stage "
    "thread_kind queue_origins note queue_regime job_queue_regime environment_verdict environment_reasons counters "
    "hw_scope hw_absent role".split()
)
PARAMS_SUFFIX = "_params"
# Numbers that the user chose, beside the parameters.
NUMBERS_OF_THE_CELL = ("warmup_ns", "duration_ns", "check_every", "check_memory_mib", "keep_awake")
# Texts that differ between runs of one cell.
NOT_OF_THE_CELL = (
    "run_id status exit_reason verdict verdict_detail checks started cpus optional_ops history_scope history_fault "
    "queue_origins note queue_regime job_queue_regime environment_verdict environment_reasons hw_scope hw_absent"
).split()


@dataclass(frozen=True)
class Results:
    """One result folder. `manifest` is empty for a folder that `readyq run --csv` wrote."""

    folder: Path
    throughput: pandas.DataFrame
    latency: pandas.DataFrame
    histogram: pandas.DataFrame
    accounting: pandas.DataFrame  # empty where there is no such file, as the two below
    timeline: pandas.DataFrame
    threads: pandas.DataFrame
    manifest: dict[str, Any]


def load(folder: Path | str, bins: bool = True) -> Results:
    """Reads the CSVs and the manifest of a result folder; refuses a schema that is not known in one sentence.

    What an older schema lacks is absent: columns of nothing, a table without rows. Without `bins` so is the histogram,
    by far the largest file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise Refused(f"{folder}: no such result folder")
    tables = [expand_params(read_csv(folder / name)) for name in (THROUGHPUT, LATENCY)]
    tables.append(expand_params(read_csv(folder / HISTOGRAM)) if bins else pandas.DataFrame())
    lacking = [name for name in (*SINCE_2, *SINCE_3, *SINCE_4, *SINCE_5) if name not in tables[0].columns]
    tables[0] = tables[0].reindex(columns=[*tables[0].columns, *lacking])
    later = [
        _read_if_kept(folder / name, columns)
        for name, columns in (
            (ACCOUNTING, ACCOUNTING_COLUMNS),
            (TIMELINE, TIMELINE_COLUMNS),
            (THREADS, THREADS_COLUMNS),
        )
    ]
    return Results(folder, *tables, *later, read_manifest(folder / "manifest.json"))


def _read_if_kept(path: Path, columns: Sequence[str]) -> pandas.DataFrame:
    """A file that older folders lack: then a table without rows."""
    kept = path.exists() or packed(path).exists()
    return read_csv(path) if kept else pandas.DataFrame(columns=list(columns))


def packed(path: Path) -> Path:
    """The name of a file that is kept compressed."""
    return path.with_name(path.name + ".gz")


def read_csv(path: Path) -> pandas.DataFrame:
    """One file, or its gzip beside it where only that is kept (histograms in a repository are large).

    Empty cells are NaN; the queue `null` stays a name, which pandas would by default take for NaN.
    """
    if not path.exists() and packed(path).exists():
        path = packed(path)
    try:
        table = pandas.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    except OSError as error:
        raise Refused(f"{path}: {os_reason(error)}") from error
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise Refused(f"{path}: not a CSV file: {str(error).strip()}") from error
    if "schema_version" not in table.columns:
        raise Refused(f"{path}: has no column schema_version, so it is no result of readyq")
    other = set(table["schema_version"].dropna()) - {str(version) for version in READABLE}
    if other or table["schema_version"].isna().any():
        found = ", ".join(sorted(other)) or "nothing"
        known = f"{', '.join(map(str, READABLE[:-1]))} and {READABLE[-1]}"
        raise Refused(f"{path}: has schema version {found}, but these scripts read versions {known}")
    for name in table.columns.difference(list(TEXT_COLUMNS)):
        try:
            table[name] = pandas.to_numeric(table[name])
        except ValueError as error:
            raise Refused(f"{path}: column {name} holds something that is no number: {error}") from error
    return table


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest, or nothing where there is none."""
    return read_json(path, "cannot be read as a manifest") if path.exists() else {}


def expand_params(table: pandas.DataFrame) -> pandas.DataFrame:
    """Adds a column per parameter: `workload_params` "window=16;service=0" gives workload.window, workload.service."""
    added = []
    for column in [name for name in table.columns if name.endswith(PARAMS_SUFFIX)]:
        prefix = column.removesuffix(PARAMS_SUFFIX)
        parsed = pandas.DataFrame(
            [params.split(text if isinstance(text, str) else None) for text in table[column]],
            index=table.index,
            dtype=object,
        )
        for name in parsed.columns:
            added.append(numeric_if_all(parsed[name]).rename(f"{prefix}.{name}"))
    return pandas.concat([table, *added], axis=1)


def numeric_if_all(column: pandas.Series) -> pandas.Series:
    """A parameter's type is not in the file: it is a number if every value that is there is one."""
    converted = pandas.to_numeric(column, errors="coerce")
    return converted if (converted.notna() | column.isna()).all() else column


def summarise(table: pandas.DataFrame, by: Sequence[str], value: str) -> pandas.DataFrame:
    """One row per group of `by`: median, its exact interval, n, how many failed, and warnings.

    Failed runs have no place in a median, but they are counted and warned of. A group that mixes cells warns
    and names what varies, since a median over different things is the usual way to be misled.
    """
    rows = []
    for key, group in table.groupby(list(by) if len(by) > 1 else by[0], dropna=False, sort=True):
        ok = group[group["status"] == "ok"]
        estimate = stats.median(ok[value].dropna().to_numpy())
        failed = len(group) - len(ok)
        warnings = list(estimate.warnings)
        if failed:
            warnings.append(f"{failed} of {len(group)} runs failed and are not in the median")
        varying = hidden_variation(group, by)
        if varying:
            warnings.append(f"mixes different cells: {', '.join(varying)} varies")
        rows.append(
            dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
            | {"n": estimate.n, "failed": failed, "median": estimate.value, "low": estimate.low, "high": estimate.high}
            | {"coverage": estimate.coverage, "warnings": tuple(warnings)}
        )
    columns = [*by, "n", "failed", "median", "low", "high", "coverage", "warnings"]
    return pandas.DataFrame(rows, columns=columns)


def hidden_variation(group: pandas.DataFrame, by: Sequence[str]) -> list[str]:
    """The settings that differ inside a group that should be one cell; parameters by their own names."""
    if group[group.columns.intersection(["cell_id", "arm"])].drop_duplicates().shape[0] <= 1:
        return []
    settings = [
        name
        for name in group.columns
        if (name in TEXT_COLUMNS or "." in name or name in NUMBERS_OF_THE_CELL)
        and not name.endswith(PARAMS_SUFFIX)
        and name not in (*by, *NOT_OF_THE_CELL)
    ]
    varying = [name for name in settings if group[name].nunique(dropna=False) > 1]
    return [name for name in varying if name != "cell_id"] or ["cell_id"]
