# SPDX-License-Identifier: Apache-2.0
"""Which runs make one line of a figure, and which panel they stand in, so that no median mixes unlike cells."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas

from benchlib import promise, style, table
from benchlib.errors import Refused
from benchlib.promise import BASELINE, LINE, PROMISE
from benchlib.style import Look
from benchlib.table import Results

THREADS, VALUE = "threads", "throughput_ops_per_s"
# Values that have a better order than that of their names: from no waiting to the fairest; the original's choice first.
ORDERS = {
    "pool.ready_lock": ("none", "mutex", "futex", "ttas", "ticket", "mcs", "clh"),
    "pool.routing": ("round_robin", "shared", "least_loaded", "two_choices"),
    "pool.freeing": ("deferred", "automatic"),
    "pool.smp": ("yes", "no"),
    "pool.stop": ("drain", "poison", "flush"),
    "check": ("none", "sampled", "full"),
}  # fmt: skip
# Parameters that say nothing unless another has a certain value.
ONLY_WITH = {
    **dict.fromkeys(("workload.on_ns", "workload.off_ns"), ("workload.arrivals", "bursts")),
    **dict.fromkeys(("workload.service_slow_per_mille", "workload.service_slow_factor"),
                    ("workload.service_shape", "bimodal")),
    "workload.skew_percent": ("workload.spread", "zipf"),
}  # fmt: skip
GOOD_VERDICTS = ("ok", BASELINE)
SUBJECTS = ("queue", "job_queue", "ready_queue")
COUNTS = ("consumers", "schedulers", "producers", "workers")
# What may differ between runs of one line at one number of threads, in the order in which it gets panels of its own.
SETTINGS = ("arm", "check", "check_every", "check_memory_mib", "dispatch", "optional_ops", "allocator", "pin",
            "cpus_allowed", "duration_ns", "warmup_ns", "build", "compiler", "commit", "machine")
NEEDED = ("plan_hash", "cell_id", "run_id", "status", "exit_reason", "verdict", "workload", "pool", *SUBJECTS, *COUNTS,
          *SETTINGS, THREADS, VALUE, "operations", "cpu_user_ns", "cpu_system_ns")


def prepare(results: Results) -> pandas.DataFrame:
    """The runs, each with the name of its line and what its queues promise."""
    runs, traits = results.throughput, results.manifest.get("queues", {})
    missing = [name for name in NEEDED if name not in runs.columns]
    if missing:
        raise Refused(f"{results.folder / table.THROUGHPUT}: has no column {', '.join(missing)}")
    promised = [promise.in_full(names, traits) for names in _queues(runs)]
    kinds = [promise.kind(names, traits) for names in _queues(runs)]
    return runs.assign(**{LINE: line_names(runs), THREADS: runs[THREADS].astype(int), PROMISE: promised,
                          promise.KIND: kinds})


def _queues(runs: pandas.DataFrame) -> list[list[Any]]:
    return runs[list(SUBJECTS)].to_numpy().tolist()


def ok(runs: pandas.DataFrame) -> pandas.DataFrame:
    """Those that may stand in a median."""
    return runs[runs["status"] == "ok"]


def on_pool(runs: pandas.DataFrame) -> pandas.Series:
    """Which of the runs measured a pool, and not a queue alone."""
    return runs["pool"].notna()


def line_names(runs: pandas.DataFrame) -> list[str]:
    """The queue, or the pool's job and ready queue, or the pool; with the parameters that tell two of a name apart."""
    named = {subject: _named(runs, subject) for subject in SUBJECTS}
    names = []
    for pool, queue, job, ready in zip(runs["pool"], *named.values(), strict=True):
        both = job if job == ready else f"{job} \u2192 {ready}"
        names.append(queue or both or f"pool {pool}")
    return names


def _named(runs: pandas.DataFrame, subject: str) -> list[str]:
    varying = {}
    for name, group in runs.groupby(subject):
        varying[name] = [param for param in group.columns if param.startswith(f"{subject}.") and varies(group[param])]
    names = []
    for run in runs.to_dict("records"):
        present = [param for param in varying.get(run[subject], ()) if pandas.notna(run[param])]
        words = [f"{param.split('.')[-1]}={text(run[param])}" for param in present]
        names.append(" ".join([run[subject], *words]) if isinstance(run[subject], str) else "")
    return names


def varies(column: pandas.Series) -> bool:
    return column.nunique(dropna=False) > 1


def text(value: Any) -> str:
    """A parameter's value as one would type it."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def settings(runs: pandas.DataFrame) -> list[str]:
    """The columns that differ between the runs and say how they were run."""
    params = sorted(name for name in runs.columns if name.startswith(("workload.", "pool.")))
    return [name for name in (*COUNTS, *params, *SETTINGS) if varies(runs[name])]


def panel_columns(runs: pandas.DataFrame, within: Sequence[str]) -> list[str]:
    """By which settings the runs must be split, so that those with equal `within` were all run alike."""
    chosen: list[str] = []
    for name in settings(runs):
        groups = runs.groupby([*within, *chosen], dropna=False)
        if name not in within and groups[name].nunique(dropna=False).max() > 1:
            chosen.append(name)
    return chosen


@dataclass(frozen=True)
class Panel:
    """The runs of one set of axes, and what tells them from those of the others."""

    heading: str
    runs: pandas.DataFrame


def panels(runs: pandas.DataFrame, columns: list[str]) -> list[Panel]:
    """The runs split by `columns`; one panel without a heading if there are none."""
    if not columns:
        return [Panel("", runs)]
    by = columns if len(columns) > 1 else columns[0]
    groups = [group for _, group in runs.groupby(by, dropna=False, sort=False)]
    groups.sort(key=lambda group: [rank(name, group[name].iloc[0]) for name in columns])
    headings = [_heading({name: group[name].iloc[0] for name in columns}) for group in groups]
    return [Panel(heading, group) for heading, group in zip(headings, groups, strict=True)]


def _heading(values: dict[str, Any]) -> str:
    """The settings in words. Of a check that was not made or not sampled there is no more to say than that."""
    return ", ".join(setting(name, value) for name, value in values.items()
                     if not (name.startswith("check_") and pandas.isna(value)))


def pool_option_as_lines(runs: pandas.DataFrame, looks: dict[str, Look]) -> tuple[pandas.DataFrame, dict[str, Look]]:
    """Where one line alone would get panels, and only by an option of the pool: the option's values as the lines.

    They are what is compared then. A workload's parameter, in contrast, makes another question of it.
    """
    columns = panel_columns(runs, [LINE, THREADS])
    if runs[LINE].nunique() > 1 or len(columns) != 1 or not columns[0].startswith("pool."):
        return runs, looks
    (option,) = columns
    values = sorted(runs[option].unique(), key=lambda value: rank(option, value))
    names = {value: f"{runs[LINE].iloc[0]}, {setting(option, value)}" for value in values}
    return runs.assign(**{LINE: runs[option].map(names)}), style.looks(list(names.values()), [])


def rank(column: str, value: Any) -> tuple[int, Any]:
    """Where a setting stands among its like: in the order known, else by number or name. An absent one comes first."""
    if pandas.isna(value):
        return (-1, 0)
    order = ORDERS.get(column, ())
    return (order.index(value), 0) if value in order else (len(order), value)


def slug(*parts: str) -> str:
    """A file's name from words: contention-pairs, latency-blast-ready-lock-mcs."""
    return "-".join(re.sub(r"[^A-Za-z0-9_.]+", "-", part).strip("-") for part in parts if part)


def setting(column: str, value: Any) -> str:
    """`1 consumer`, `window 16`, `dispatch vtable`: a setting in a heading."""
    name = column.split(".")[-1].replace("_", " ")
    if pandas.isna(value):
        return f"no {name}"
    if column == LINE:
        return str(value)
    if is_count(column):
        return f"{value:.0f} {name if value != 1 else name[:-1]}"
    if column.endswith("_ns"):
        return f"{name.removesuffix(' ns')} {style.nanoseconds(value)}"
    if column.endswith("_bytes"):
        return f"{name.removesuffix(' bytes')} {style.in_bytes(int(value))}"
    if column.endswith("_mib"):
        return f"{name.removesuffix(' mib')} {text(value)} MiB"
    return f"{name} {text(value)}"


def is_count(column: str) -> bool:
    """A number of threads is on the axis or in a heading already, whatever the workload calls its parameter."""
    return column.split(".")[-1] in (*COUNTS, "threads")


def constants(runs: pandas.DataFrame, prefix: str) -> list[str]:
    """The parameters below `prefix` that all runs share, without those that have no effect on any of them."""
    idle = [name for name, (of, value) in ONLY_WITH.items() if of in runs.columns and (runs[of] != value).all()]
    shared = [name for name in runs.columns
              if name.startswith(f"{prefix}.") and name not in idle and not varies(runs[name])]
    return [setting(name, runs[name].iloc[0]) for name in shared if not is_count(name) and runs[name].notna().all()]


def drifting(runs: pandas.DataFrame, kept: list[str]) -> list[str]:
    """Settings that change along a line without being its threads or a panel's heading."""
    groups = runs.groupby([LINE, *kept], dropna=False)
    return [name for name in settings(runs) if name not in kept and not is_count(name)
            and groups[name].nunique(dropna=False).max() > 1]


def roles(runs: pandas.DataFrame) -> list[str]:
    """What the threads on the axis are."""
    many, few = ("workers", "schedulers") if on_pool(runs).any() else ("producers", "consumers")
    if runs[few].isna().any() or runs[many].isna().any():
        return []
    if not on_pool(runs).any() and (runs[few] == runs["threads"]).all() and (runs[many] == runs["threads"]).all():
        return ["every thread produces and consumes"]
    if not varies(runs[few]):
        return [f"{setting(few, runs[few].iloc[0])}, the other threads {many}"]
    return [f"as many {many} as {few}" if (runs[many] == runs[few]).all() else f"threads: {many} and {few}"]


def medians(runs: pandas.DataFrame, by: list[str], value: str = VALUE) -> pandas.DataFrame:
    """One row a point: n, failed, median and, where there are enough runs, the ends of its interval."""
    return table.summarise(runs, by, value)


def baselines(runs: pandas.DataFrame) -> set[str]:
    """The lines that are no queue but the harness's own ceiling."""
    return set(runs.loc[runs["verdict"] == BASELINE, LINE])


def promises(runs: pandas.DataFrame) -> set[str]:
    """All that the queues among the runs promise, as far as it is known; a baseline promises nothing."""
    return set(runs.loc[runs["verdict"] != BASELINE, PROMISE]) - {""}


def promises_unknown(runs: pandas.DataFrame) -> bool:
    """There are queues that should promise something, and nothing is known of any."""
    contestants = runs[runs["verdict"] != BASELINE]
    return contestants[list(SUBJECTS)].notna().any(axis=None) and not promises(runs)


def reasons(runs: pandas.DataFrame) -> pandas.Series:
    """Why a run is not simply right: its verdict or, if it has none or that is not the reason, how it ended."""
    bad = runs["verdict"].where(~runs["verdict"].isin(GOOD_VERDICTS))
    return bad.fillna(runs["exit_reason"])


def legend(runs: pandas.DataFrame, lines: Iterable[str]) -> list[str]:
    """What the legend calls each of the lines that occur. A ceiling is no contestant; a wrong verdict is said."""
    names, unlike = [], len(promises(runs)) > 1
    for line in lines:
        mine = runs[runs[LINE] == line]
        if mine.empty:
            continue
        promised = "".join(f" [{one}]" for one in promises(mine)) if unlike else ""
        name = f"ceiling ({line})" if (mine["verdict"] == BASELINE).any() else f"{line}{promised}"
        wrong = reasons(mine[(mine["status"] != "ok") | ~mine["verdict"].isin(GOOD_VERDICTS)]).value_counts()
        said = ", ".join(f"{reason} in {count} of {len(mine)} runs" for reason, count in wrong.items())
        names.append(f"{name}: {said}" if said else name)
    return names
