# SPDX-License-Identifier: Apache-2.0
"""A result as a short table for a terminal: median throughput by line and number of threads, workload by workload."""

from collections.abc import Iterator

import pandas

from benchlib import footer, series
from benchlib.series import LINE, THREADS, VALUE, Panel
from benchlib.table import Results

MILLION = 1e6
CELL = 9  # characters of a column


def lines(results: Results) -> Iterator[str]:
    """The table, line by line."""
    runs = series.prepare(results)
    for workload, group in runs.groupby("workload"):
        n = footer.span(series.ok(group).groupby("cell_id").size())
        yield f"{workload}: million operations a second, medians of {n} runs"
        panels = series.panels(group, series.panel_columns(group, [LINE, THREADS]))
        width = max(len(text) for panel in panels for text in [panel.heading, *_names(panel.runs).values()])
        for panel in panels:
            yield from _panel(panel, width)
        yield ""
    yield from footer.failures(runs) or [f"All {len(runs)} runs passed their checks."]
    yield footer.provenance(runs)


def _names(runs: pandas.DataFrame) -> dict[str, str]:
    """The lines and what they are called, baselines last."""
    below = series.baselines(runs)
    rows = sorted(set(runs[LINE]), key=lambda line: (line in below, line))
    return dict(zip(rows, series.legend(runs, rows), strict=True))


def _panel(panel: Panel, width: int) -> Iterator[str]:
    """A line a row and a number of threads a column."""
    medians = series.ok(panel.runs).groupby([LINE, THREADS])[VALUE].median()
    threads = sorted(set(panel.runs[THREADS]))
    yield f"  {panel.heading:{width}}" + "".join(f"{count:{CELL}}" for count in threads) + "  threads"
    for line, name in _names(panel.runs).items():
        yield f"  {name:{width}}" + "".join(_number(medians.get((line, count))) for count in threads)


def _number(median: float | None) -> str:
    if median is None or pandas.isna(median):
        return f"{'-':>{CELL}}"
    value = median / MILLION
    return f"{value:{CELL},.0f}" if value >= 100 else f"{value:#{CELL}.3g}"
