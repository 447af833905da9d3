# SPDX-License-Identifier: Apache-2.0
"""All figures of a result: which there are, and where they are written."""

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas

from benchlib import (
    ablation, asked, curves, gnuplot, grid, grid_gnuplot, latency, load_gnuplot, load_latency, plan, series, states,
    style, timeline,
)  # fmt: skip
from benchlib.errors import Refused, os_reason
from benchlib.table import Results

FORMATS = ("svg", "png")


def formats(text: str) -> tuple[str, ...]:
    """Those of a command line, with commas in between."""
    names = tuple(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in FORMATS:
            raise argparse.ArgumentTypeError(f"'{name}' is no format of these; known are {', '.join(FORMATS)}")
    return names


@dataclass(frozen=True)
class Figure:
    """One figure that can be drawn. `draw(folder, formats)` returns the paths that it wrote."""

    kind: str
    name: str
    draw: Callable[[Path, Sequence[str]], list[Path]]
    spare: bool = False  # drawn only when it is asked for by name or kind


def of(results: Results, other: plan.Plan | None = None) -> list[Figure]:
    """Every figure that the result gives. `other` is a plan whose named figures stand for those of the result's own.

    Parts of a plan that name their figures get these; the usual ones of their runs are spare. So are, of a sweep of
    rates, those of each rate.
    """
    if results.throughput.empty:
        raise Refused(f"{results.folder}: holds no run")
    runs = series.prepare(results)
    if series.ok(runs).empty:
        raise Refused(f"{results.folder}: all of its {len(runs)} runs failed, so there is nothing to draw")
    named = asked.find(results, other)
    claimed, swept = asked.claimed(results, runs, named), load_latency.swept(runs)
    usual = [*_loads(results, runs[~claimed]), *_usual(results, runs[~claimed & ~swept])]
    spare = [*_loads(results, runs[claimed]), *_usual(results, runs[claimed | swept])]
    grids, timelines = asked.grids(results, runs, named), timeline.plan(results, runs)
    found = [
        *(Figure("plan", one.name, _bound(grid.draw, one)) for one in grids),
        *usual,
        *(Figure("accounting", one.name, one.draw) for one in states.plan(results, runs)),
        *(Figure("gnuplot", gnuplot.name(one), _bound(grid_gnuplot.draw, one)) for one in grids),
        *(Figure("timeline", one.name, one.draw, spare=not one.remarkable) for one in timelines),
    ]
    known = {figure.name for figure in found}
    return found + [replace(figure, spare=True) for figure in spare if figure.name not in known]


def _usual(results: Results, runs: pandas.DataFrame) -> list[Figure]:
    """The figures that need no plan to name them."""
    if series.ok(runs).empty:
        return []
    looks = style.looks(sorted(set(runs[series.LINE])), series.baselines(runs))
    ablated = ablation.find(runs, results.manifest)
    others = ablation.others(runs, results.manifest, ablated)
    contention = curves.plan(others[~load_latency.swept(others)], looks)
    return [
        *(Figure("contention", one.name, _bound(curves.draw, one)) for one in contention),
        *(Figure("latency", one.name, one.draw) for one in latency.plan(results, others, looks)),
        *(Figure(one.kind, one.name, one.draw) for one in ablation.plan(results, ablated, looks)),
        *(Figure("gnuplot", gnuplot.name(one), _bound(gnuplot.draw, one)) for one in contention),
    ]


def _loads(results: Results, runs: pandas.DataFrame) -> list[Figure]:
    """Latency by the rate asked for, where a plan varied that."""
    loads = load_latency.plan(results, runs)
    return [
        *(Figure("load-latency", one.name, one.draw) for one in loads),
        *(Figure("gnuplot", gnuplot.name(one), _bound(load_gnuplot.draw, one)) for one in loads),
    ]


def _bound(draw: Callable, one: Any) -> Callable[[Path, Sequence[str]], list[Path]]:
    return lambda folder, formats: draw(one, folder, formats)


def chosen(figures: Sequence[Figure], only: str | None) -> list[Figure]:
    """All figures that are not spare, or those of one name or kind."""
    found = [figure for figure in figures if only in (figure.name, figure.kind) or (only is None and not figure.spare)]
    if not found:
        kinds = dict.fromkeys(figure.kind for figure in figures)
        known = ", ".join([*kinds, *(figure.name for figure in figures if figure.name not in kinds)])
        raise Refused(f"this result has no figure '{only}'; it has {known}")
    return found


def draw(figures: Sequence[Figure], folder: Path, formats: Sequence[str]) -> list[Path]:
    """Draws the figures into `folder` and returns what was written. A figure is there whole or not at all."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for figure in figures:
            with tempfile.TemporaryDirectory(dir=folder, prefix=".drawing-") as place:
                for path in figure.draw(Path(place), formats):
                    os.replace(path, folder / path.name)
                    written.append(folder / path.name)
    except OSError as error:
        raise Refused(f"cannot write figures to {folder}: {os_reason(error)}") from error
    return written
