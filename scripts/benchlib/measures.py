# SPDX-License-Identifier: Apache-2.0
"""What a figure can show of runs: a column of numbers, a percentile of a stage, or what follows from columns.

`throughput_ops_per_s` and every other column of throughput.csv by its name; `wake.p99` of a stage (p50, p90, p99, p999,
p9999, mean, max); and the quotients of benchlib.derived.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pandas

from benchlib import derived, style
from benchlib.derived import STAGE
from benchlib.errors import Refused
from benchlib.table import Results

USUAL_RATE = "% of the others'\nusual rate"
PERCENTILES = {"p999": "p99.9", "p9999": "p99.99", "max": "longest"}


@dataclass(frozen=True)
class Measure:
    """A column of the runs as a figure shows it."""

    column: str
    label: str
    scale: float = 1.0
    text: Callable[[float], str] = style.plain

    @property
    def unit(self) -> tuple[float, Callable[[float], str]]:
        """Measures of one unit can share an axis."""
        return self.scale, self.text


KNOWN = {
    "throughput_ops_per_s": Measure("throughput_ops_per_s", "million operations\na second", 1e-6),
    "bytes_per_s": Measure("bytes_per_s", "million bytes a second", 1e-6),
    "run_length_mean": Measure("run_length_mean", "run length: items of one\nproducer in a row, mean"),
    "ns_per_operation": Measure("ns_per_operation", "a thread's time\nfor one operation", 1, style.nanoseconds),
    "fill_item.p50": Measure("fill_item.p50", "fill: time an item,\nmedian of the bursts", 1, style.nanoseconds),
    "drain_item.p50": Measure("drain_item.p50", "drain: time an item,\nmedian of the bursts", 1, style.nanoseconds),
    "cpus": Measure("cpus", "CPUs in use, mean", 1),
    "work_share": Measure("work_share", "time left for\nprocess work, in %", 100),
    "stopped_enqueue_share": Measure("stopped_enqueue_share", f"enqueue, {USUAL_RATE}", 100),
    "stopped_dequeue_share": Measure("stopped_dequeue_share", f"dequeue, {USUAL_RATE}", 100),
    "cpu_ns_per_operation": Measure("cpu_ns_per_operation", "CPU time an operation", 1, style.nanoseconds),
}


def of(name: str, label: str | None = None) -> Measure:
    """The measure of that name."""
    stage = STAGE.fullmatch(name)
    if name in KNOWN:
        found = KNOWN[name]
    elif stage:
        found = Measure(name, f"{stage[1].replace('_', ' ')}, {PERCENTILES.get(stage[2], stage[2])}", 1,
                        style.nanoseconds)
    elif name.endswith("_ns"):
        found = Measure(name, name.removesuffix("_ns").replace("_", " "), 1, style.nanoseconds)
    else:
        found = Measure(name, name.replace("_", " "))
    return Measure(found.column, label, found.scale, found.text) if label else found


def add(results: Results, runs: pandas.DataFrame, names: Iterable[str]) -> pandas.DataFrame:
    """The runs with a column for each name."""
    added = {}
    for name in names:
        found = derived.find(results, runs, name)
        if found is not None:
            added[name] = found
        elif name not in runs.columns or not _numeric(runs[name]):
            raise Refused(
                f"{results.folder}: its plan wants a figure of '{name}', which is neither a column of numbers in "
                "throughput.csv nor a percentile of a stage, such as total.p99"
            )
    return runs.assign(**added)


def _numeric(column: pandas.Series) -> bool:
    return bool(pandas.api.types.is_numeric_dtype(column) or column.isna().all())
