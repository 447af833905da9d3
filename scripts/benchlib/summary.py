# SPDX-License-Identifier: Apache-2.0
"""A result as a short table for a terminal: median throughput by line and number of threads, workload by workload,
and by the values of each option that was ablated."""

from collections.abc import Iterator

import pandas

from benchlib import ablation, footer, modes, options, series
from benchlib.series import LINE, THREADS, VALUE, Panel
from benchlib.table import Results

MILLION = 1e6
CELL = 9  # characters of a column


def lines(results: Results) -> Iterator[str]:
    """The table, line by line."""
    runs = series.prepare(results)
    ablated = ablation.find(runs, results.manifest)
    others = ablation.others(runs, results.manifest, ablated)
    for workload, group in others.groupby("workload"):
        yield from _table(str(workload), group, THREADS)
    for one in ablated:
        if not one.runs.index.isin(others.index).all():
            name = options.name(one.option)
            yield from _table(f"{one.workload}, {name}", one.runs, one.option)
    yield from _checked(runs)
    yield from [*modes.of_runs(runs), *modes.of_latencies(results, runs), *footer.around(runs)]
    yield footer.provenance(runs)


def _checked(runs: pandas.DataFrame) -> list[str]:
    """What the checks found. A verdict means no more than what was looked at."""
    if len(series.ok(runs)) < len(runs):
        return footer.checks(runs)
    judged = footer.histories(runs)
    return [f"All {len(runs)} runs passed their checks{f' (histories judged: {judged})' if judged else ''}."]


def _table(what: str, runs: pandas.DataFrame, column: str) -> Iterator[str]:
    """All panels of one workload, or of one ablation, with a column for each value of `column`."""
    n = footer.span(series.ok(runs).groupby(["cell_id", "arm"], dropna=False).size())
    yield f"{what}: million operations a second, medians of {n} runs"
    panels = series.panels(runs, series.panel_columns(runs, [LINE, column]))
    width = max(len(text) for panel in panels for text in [panel.heading, *_names(panel.runs).values()])
    for panel in panels:
        yield from _panel(panel, width, column)
    yield ""


def _names(runs: pandas.DataFrame) -> dict[str, str]:
    """The lines and what they are called, baselines last."""
    below = series.baselines(runs)
    rows = sorted(set(runs[LINE]), key=lambda line: (line in below, line))
    return dict(zip(rows, series.legend(runs, rows), strict=True))


def _panel(panel: Panel, width: int, column: str) -> Iterator[str]:
    """A line a row and a value of `column` a column."""
    medians = series.ok(panel.runs).groupby([LINE, column])[VALUE].median()
    values = options.of_run(column, panel.runs)
    texts = [options.value_text(column, value) for value in values]
    room = max(CELL, 2 + max(map(len, texts)))
    yield f"  {panel.heading:{width}}" + "".join(f"{text:>{room}}" for text in texts) + f"  {options.name(column)}"
    for line, name in _names(panel.runs).items():
        yield f"  {name:{width}}" + "".join(f"{_number(medians.get((line, value))):>{room}}" for value in values)


def _number(median: float | None) -> str:
    if median is None or pandas.isna(median):
        return "-"
    value = median / MILLION
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"
