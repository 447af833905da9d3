# SPDX-License-Identifier: Apache-2.0
"""All figures of a result: which there are, and where they are written."""

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchlib import ablation, curves, gnuplot, latency, series, states, style
from benchlib.errors import Refused, os_reason
from benchlib.table import Results

FORMATS = ("svg", "png")


@dataclass(frozen=True)
class Figure:
    """One figure that can be drawn. `draw(folder, formats)` returns the paths that it wrote."""

    kind: str
    name: str
    draw: Callable[[Path, Sequence[str]], list[Path]]


def of(results: Results) -> list[Figure]:
    """Every figure that the result gives."""
    if results.throughput.empty:
        raise Refused(f"{results.folder}: holds no run")
    runs = series.prepare(results)
    if series.ok(runs).empty:
        raise Refused(f"{results.folder}: all of its {len(runs)} runs failed, so there is nothing to draw")
    looks = style.looks(sorted(set(runs[series.LINE])), series.baselines(runs))
    ablated = ablation.find(runs, results.manifest)
    others = ablation.others(runs, results.manifest, ablated)
    contention = curves.plan(others, looks)
    return [
        *(Figure("contention", one.name, _bound(curves.draw, one)) for one in contention),
        *(Figure("latency", one.name, one.draw) for one in latency.plan(results, others, looks)),
        *(Figure(one.kind, one.name, one.draw) for one in ablation.plan(results, ablated, looks)),
        *(Figure("accounting", one.name, one.draw) for one in states.plan(results, runs)),
        *(Figure("gnuplot", gnuplot.name(one), _bound(gnuplot.draw, one)) for one in contention),
    ]


def _bound(draw: Callable, one: curves.Curves) -> Callable[[Path, Sequence[str]], list[Path]]:
    return lambda folder, formats: draw(one, folder, formats)


def chosen(figures: Sequence[Figure], only: str | None) -> list[Figure]:
    """All figures, or those of one name or kind."""
    found = [figure for figure in figures if only in (None, figure.name, figure.kind)]
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
