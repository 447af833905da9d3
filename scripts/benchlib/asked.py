# SPDX-License-Identifier: Apache-2.0
"""From the figures that a plan names to grids: which runs stand in which panel, on which line, at which place."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pandas

from benchlib import asked_ratio, axis, footer, measures, options, parts, plan, points, series, style
from benchlib.axis import Axis
from benchlib.errors import Refused
from benchlib.grid import Grid, Row
from benchlib.plan_figures import NOTHING, QUEUE, Asked
from benchlib.series import LINE
from benchlib.table import Results

COLUMNS_A_FIGURE = 4
POOL = "pool"


def find(results: Results, other: plan.Plan | None = None) -> list[Asked]:
    """The figures that the result's plan names, or those of `other`, which must measure the same."""
    recorded = results.manifest.get("plan", {})
    if other:
        if other.hash != recorded.get("hash"):
            raise Refused(f"{results.folder}: was measured by a plan of hash {recorded.get('hash', 'unknown')}, "
                          f"but {other.name} has {other.hash}, so its figures are of something else")
        return list(other.figures)
    if not recorded.get("text"):
        return []
    return list(plan.parse(recorded["text"], f"plan of {results.folder}").figures)


def claimed(results: Results, runs: pandas.DataFrame, every: Sequence[Asked]) -> pandas.Series:
    """Which of the runs belong to a part whose figures are named."""
    names = {one.part for one in every}
    if None in names:
        return pandas.Series(True, index=runs.index)
    mine = [part.index for name, part in parts.split(runs, results.manifest).items() if name in names]
    return pandas.Series(runs.index.isin([row for index in mine for row in index]), index=runs.index)


def grids(results: Results, runs: pandas.DataFrame, every: Sequence[Asked]) -> list[Grid]:
    """The figures; a part that was not measured has none, and one of many columns has several pages."""
    split = parts.split(runs, results.manifest)
    found = []
    for one in every:
        mine = runs if one.part is None else split.get(one.part, runs.iloc[:0])
        if not series.ok(mine).empty:
            found += _pages(results, one, mine)
    return found


def _pages(results: Results, one: Asked, runs: pandas.DataFrame) -> Iterator[Grid]:
    for setting in (one.over, one.lines, one.rows, one.beside):
        if setting not in (None, QUEUE, NOTHING) and setting not in runs.columns:
            raise Refused(f"{results.folder}: its plan wants a figure by '{setting}', but no run has such a setting")
    names = [name for row in one.measures for name in row]
    runs = measures.add(results, _named(one, runs), [] if one.ratio_of else names)
    place = axis.of(one.over, runs)
    across = _others(runs, [place.column, *_lines_column(one), *([one.rows] if one.rows else [])])
    panels = series.panels(runs, across)
    pages = [panels[i : i + COLUMNS_A_FIGURE] for i in range(0, len(panels), COLUMNS_A_FIGURE)]
    for number, page in enumerate(pages, 1):
        kept = [place.column, *_lines_column(one), *([one.rows] if one.rows else []), *across]
        build = asked_ratio.grid if one.ratio_of else grid
        yield build(results.manifest, one, page, place, kept, str(number) if len(pages) > 1 else "")


def _lines_column(one: Asked) -> list[str]:
    return [] if one.lines == NOTHING else [LINE] if one.lines == QUEUE else [one.lines]


def _named(one: Asked, runs: pandas.DataFrame) -> pandas.DataFrame:
    """The runs with the names of their lines in this figure."""
    if one.lines == QUEUE:
        named = runs[LINE]
    elif one.lines == NOTHING:
        named = pandas.Series("", index=runs.index)
    elif one.lines == POOL:
        named = runs[POOL]
    else:
        named = runs[one.lines].map(lambda value: series.setting(one.lines, value))
    return runs.assign(of=named)


def _others(runs: pandas.DataFrame, within: Sequence[str]) -> list[str]:
    """By what else the runs differ: it makes panels, so that no median mixes unlike cells."""
    chosen: list[str] = []
    for name in [POOL, LINE, *series.settings(runs)]:
        groups = runs.groupby([*within, *chosen], dropna=False)
        if name not in within and groups[name].nunique(dropna=False).max() > 1:
            chosen.append(name)
    return chosen


def rows_of(one: Asked, runs: pandas.DataFrame) -> list[Any]:
    """The values that have rows of their own; [None]: there are none."""
    return options.of_run(one.rows, runs) if one.rows else [None]


def heading(one: Asked, value: Any) -> str:
    return series.setting(one.rows, value) if one.rows else ""


def of_row(one: Asked, runs: pandas.DataFrame, value: Any) -> pandas.DataFrame:
    return runs[runs[one.rows] == value] if one.rows else runs


def grid(
    manifest: dict[str, Any], one: Asked, panels: Sequence[series.Panel], place: Axis, kept: list[str], page: str
) -> Grid:
    """One page: a row of panels for each measure, and for each value that has rows."""
    runs = pandas.concat([panel.runs for panel in panels])
    rows, medians, dots = [], [], []
    for value in rows_of(one, runs):
        for group in one.measures:
            found = [measures.of(name, one.labels.get(name)) for name in group]
            for column, panel in enumerate(panels):
                for measure in found:
                    mine = of_row(one, panel.runs, value)
                    tables = _values(one, mine, place, measure, _series_name(measure, found))
                    for kind, table in zip((medians, dots), tables, strict=True):
                        kind.append(table.assign(row=len(rows), column=column))
            rows.append(Row(_label(found), found[0].text, heading(one, value)))
    said = _lacking(runs, [name for row in one.measures for name in row])
    tables = (pandas.concat(medians), pandas.concat(dots))
    return assemble(manifest, one, panels, place, kept, page, rows, *tables, said=said)


def assemble(
    manifest: dict[str, Any], one: Asked, panels: Sequence[series.Panel], place: Axis, kept: list[str], page: str,
    rows: list[Row], medians: pandas.DataFrame, dots: pandas.DataFrame, level: float | None = None,
    said: Sequence[str] = (), about: str = "",
) -> Grid:
    """The grid of these tables, with all that stands around them. `said` are notes of its own, `about` stands
    for what the footer says of n otherwise."""
    runs = pandas.concat([panel.runs for panel in panels])
    lines = list(dict.fromkeys(medians["line"]))
    lines = [*(line for line in one.ours if line in lines), *(line for line in lines if line not in one.ours)]
    along = [] if one.over == QUEUE else [place.label.partition(" (")[0]]
    notes = [text for text in footer.lines(runs, medians, kept, *along)
             if one.lines == QUEUE or not text.startswith("In brackets")]
    said = [*said, *(_promises(runs) if one.over == QUEUE else [])]
    lacks = _lacks(manifest, set(runs[POOL])) if one.lines == POOL else []
    return Grid(
        name=series.slug(one.name, page), title=one.title, subtitle=_subtitle(runs, kept), axis=place, rows=rows,
        notes=[about or notes[0], *said, *lacks, *notes[1:]], columns=[panel.heading for panel in panels],
        looks=_looks(one, runs, lines),
        texts=_legend(one, runs, lines), points=medians, dots=dots, ours=one.ours, level=level,
    )  # fmt: skip


def _series_name(measure: measures.Measure, beside: Sequence[measures.Measure]) -> str:
    """What tells measures that share a panel apart: `wake` of `wake, p50` and `late, p50`."""
    if len(beside) == 1:
        return ""
    return measure.label.partition(", ")[0] if _common_end(beside) else measure.label


def _label(found: Sequence[measures.Measure]) -> str:
    if len(found) == 1:
        return found[0].label
    return _common_end(found) or ("time" if found[0].text is style.nanoseconds else "")


def _common_end(found: Sequence[measures.Measure]) -> str:
    """`p50` of `wake, p50` and `late, p50`; nothing where they end differently."""
    ends = {one.label.partition(", ")[2] for one in found}
    return ends.pop() if len(ends) == 1 else ""


def _values(
    one: Asked, runs: pandas.DataFrame, place: Axis, measure: measures.Measure, name: str
) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Points and dots of one measure in one panel."""
    lines = runs["of"].map(lambda line: ", ".join(text for text in (line, name) if text))
    runs = runs.assign(line_here=lines, at=place.at(runs), value=runs[measure.column] * measure.scale)
    found = series.medians(runs, ["line_here", "at"], "value").rename(columns={"line_here": LINE})
    found = found[(found["n"] > 0) | (found["failed"] > 0)]
    beside = [_commonest(runs[(runs["line_here"] == line) & (runs["at"] == at)], one.beside)
              for line, at in zip(found[LINE], found["at"], strict=True)]
    dots = series.ok(runs)[["line_here", "at", "value"]].rename(columns={"line_here": LINE})
    return found.assign(beside=beside), dots


def _commonest(runs: pandas.DataFrame, column: str | None) -> str:
    values = series.ok(runs)[column].dropna() if column else []
    return str(values.mode().iloc[0]) if len(values) else ""


def _legend(one: Asked, runs: pandas.DataFrame, lines: Sequence[str]) -> dict[str, str]:
    """The lines in words. What a queue promises, and how runs failed, is said where queues make the lines."""
    if one.lines != QUEUE:
        return {line: line for line in lines if line}
    said = {line: text for line in sorted(set(runs["of"]))
            for text in series.legend(runs.assign(**{LINE: runs["of"]}), [line])}
    return {line: line.replace(own, said[own], 1) for line in lines
            for own in [max((of for of in said if line == of or line.startswith(f"{of}, ")), key=len)]}


def _looks(one: Asked, runs: pandas.DataFrame, lines: Sequence[str]) -> dict[str, style.Look]:
    """Those of the result's lines; what needs no name is dark."""
    named = [line for line in lines if line]
    found = style.looks(named, series.baselines(runs) if one.lines == QUEUE else ())
    return found | {line: style.Look(style.INK, style.MARKERS[0], False) for line in lines if not line}


def _promises(runs: pandas.DataFrame) -> list[str]:
    """What the queues along an axis promise, where that is not the same."""
    if len(series.promises(runs)) < 2:
        return []
    kinds = runs[runs["verdict"] != series.BASELINE].groupby(series.PROMISE)[LINE].unique()
    said = "; ".join(f"{', '.join(sorted(lines))}: {promised}" for promised, lines in kinds.items() if promised)
    return [f"What the queues promise, and unlike ones are not ranked: {said}."]


def _lacks(manifest: dict[str, Any], names: Collection[str]) -> list[str]:
    """What pools have not that workloads may need; and those that are not here for want of it."""
    known = {name: pool["lacks"] for name, pool in manifest.get("pools", {}).items() if name in names and pool["lacks"]}
    said = "; ".join(f"{name} {', '.join(lacked)}" for name, lacked in sorted(known.items()))
    missed = manifest.get("lacking", {})
    absent = [f"Left out, lacking what the workload needs: {points.in_words(missed)}."] if missed else []
    return [*absent, *([f"What pools lack that this load does not need: {said}."] if said else [])]


def _lacking(runs: pandas.DataFrame, names: Sequence[str]) -> list[str]:
    """Runs of few samples have no percentile: fewer dots than n says must be explained."""
    passed, said = series.ok(runs), {}
    for name in names:
        stage = measures.STAGE.fullmatch(name)
        count = int(passed[name].isna().sum()) if stage else 0
        if stage and count:
            which = measures.PERCENTILES.get(stage[2], stage[2])
            said[which] = max(count, said.get(which, 0))
    return [f"{count} of {len(passed)} runs have too few samples for a {which}." for which, count in said.items()]


def _subtitle(runs: pandas.DataFrame, kept: Sequence[str]) -> str:
    counts = [name for name in series.COUNTS if name not in kept and runs[name].notna().all()
              and not series.varies(runs[name])]
    words = [*([] if LINE in kept or series.varies(runs[LINE]) else [str(runs[LINE].iloc[0])]),
             *(series.setting(name, runs[name].iloc[0]) for name in counts), *series.constants(runs, "workload")]
    return ", ".join(dict.fromkeys(words))
