# SPDX-License-Identifier: Apache-2.0
"""What the threads of a pool spend their time on: a bar for each kind of thread and cell, stacked from its states."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas
from matplotlib.ticker import FixedLocator, FuncFormatter

from benchlib import footer, frame, latency, series, style, table
from benchlib.errors import Refused
from benchlib.latency import KEY
from benchlib.series import LINE, Panel
from benchlib.style import Look
from benchlib.table import Results

# Dark to light in equal steps, so that they are told apart in grey too, and with every kind of colour vision.
COLOURS = {
    "port": "#12284C", "ready": "#8B1E5B", "clean": "#1F77B4", "check": "#E8892B", "other": "#93D3B2",
    "sleep": "#EEEEEE",
}  # fmt: skip
MEANINGS = {
    "port": "port: the jobs themselves", "ready": "ready: completions", "clean": "clean: reclamation",
    "check": "check: looking for work", "other": "other", "sleep": "sleep",
}  # fmt: skip
WALL, KIND, NUMBER, SHARE_TEXT_FROM = "wall_ns", "thread_kind", "thread_number", 0.045
NEEDED = ("cell_id", "run_id", KIND, NUMBER, WALL, *(f"{state}_ns" for state in COLOURS))
LEAST_ERROR = 1e-5  # that is told: below, nobody cares
CELLS_A_FIGURE = 10
BAR, HEADING, AXIS = 0.3, 0.3, 0.75  # inches: a bar, the name of its cell, what is below and above all bars
HEADING_BESIDE = 2.0  # of the figure's width, that no heading has
EDGE = "#777777"  # around the bars, for the lightest state stands on white


@dataclass(frozen=True)
class Bar:
    """One kind of thread in one cell."""

    kind: str
    threads: int
    shares: dict[str, float]  # of the wall time of all its threads in all runs


def plan(results: Results, runs: pandas.DataFrame) -> list["States"]:
    """The figures: one a workload, or more where many cells have accounts."""
    found: list[States] = []
    if results.accounting.empty:
        return found
    missing = [name for name in NEEDED if name not in results.accounting.columns]
    if missing:
        raise Refused(f"{results.folder / table.ACCOUNTING}: has no column {', '.join(missing)}")
    accounts = latency.with_key(results.accounting)
    kept = latency.with_key(runs)
    kept = kept[kept[KEY].isin(accounts[KEY])]
    for workload, group in kept.groupby("workload"):
        panels = _cells(group)
        pages = [panels[i : i + CELLS_A_FIGURE] for i in range(0, len(panels), CELLS_A_FIGURE)]
        for number, page in enumerate(pages, 1):
            name = series.slug("accounting", str(workload), str(number) if len(pages) > 1 else "")
            found.append(States(name, str(workload), page, accounts))
    return found


def _cells(runs: pandas.DataFrame) -> list[Panel]:
    """The runs of each cell of which some passed; a line is named only where there are several."""
    found = []
    for panel in series.panels(runs, series.panel_columns(runs, [LINE])):
        for line, group in panel.runs.groupby(LINE):
            words = (str(line) if series.varies(runs[LINE]) else "", panel.heading)
            found.append(Panel(", ".join(word for word in words if word), group))
    return [panel for panel in found if len(series.ok(panel.runs))]


def bars(runs: pandas.DataFrame, accounts: pandas.DataFrame) -> list[Bar]:
    """The bars of one cell: all its runs that passed, together."""
    mine = accounts[accounts[KEY].isin(series.ok(runs)[KEY])]
    found = []
    for kind, group in mine.groupby(KIND, sort=False):
        wall = group[WALL].sum()
        shares = {state: group[f"{state}_ns"].sum() / wall if wall else 0.0 for state in COLOURS}
        found.append(Bar(str(kind), int(group[NUMBER].nunique()), shares))
    return found


class States:
    """One figure."""

    def __init__(self, name: str, workload: str, panels: Sequence[Panel], accounts: pandas.DataFrame) -> None:
        self.name, self.title = name, f"{workload}: what the threads spend their time on"
        self.runs = pandas.concat([panel.runs for panel in panels])
        self.cells = [(panel, bars(panel.runs, accounts)) for panel in panels]
        self.accounts = accounts[accounts[KEY].isin(series.ok(self.runs)[KEY])]
        shared = [series.setting(name, self.runs[name].iloc[0]) for name in series.COUNTS
                  if self.runs[name].notna().all() and not series.varies(self.runs[name])]
        lines = [] if series.varies(self.runs[LINE]) else [self.runs[LINE].iloc[0]]
        self.subtitle = ", ".join([*lines, *shared, *series.constants(self.runs, "workload")])

    def draw(self, folder: Path, formats: Sequence[str]) -> list[Path]:
        """Draws the figure and returns the paths."""
        looks = [Look(colour, "s", False) for colour in COLOURS.values()]
        texts = [MEANINGS[state] for state in COLOURS]
        height = AXIS + sum((HEADING if panel.heading else 0) + BAR * len(found) for panel, found in self.cells)
        layout = frame.Layout(self.title, self.subtitle, self._notes(), texts, (1, 1), (frame.LEAST_WIDTH, height))
        canvas = frame.Canvas(layout, (1, 1), looks, texts, lines=False, edge=EDGE)
        ((axes,),) = canvas.axes
        labels: dict[float, str] = {}
        y = 0.0
        for panel, found in self.cells:
            if panel.heading:
                said = _short(panel.heading)
                axes.text(0, y + 0.62 * HEADING, said, size=style.SMALL_SIZE, weight="bold", va="center")
                y += HEADING
            for bar in found:
                _draw_bar(axes, y + BAR / 2, bar)
                labels[y + BAR / 2] = f"{bar.threads} {bar.kind}"
                y += BAR
        _scale(axes, labels, y)
        return canvas.save(folder, self.name, formats)

    def _notes(self) -> list[str]:
        n = footer.span(series.ok(self.runs).groupby(["cell_id", "arm"], dropna=False).size())
        of_states = self.accounts[[f"{state}_ns" for state in COLOURS]].sum(axis=1)
        wall = self.accounts[WALL]
        error = ((of_states - wall).abs() / wall.where(wall > 0)).max()
        within = f"{100 * max(error, LEAST_ERROR):.2g} %"
        about = (f"n = {n} runs a bar, the time of all its threads in all runs together; a share below "
                 f"{100 * SHARE_TEXT_FROM:g} % carries no number. The states of a thread add up to its time "
                 f"within {within}.")
        return [about, *footer.promises(self.runs), *footer.checks(self.runs), *footer.around(self.runs),
                footer.provenance(self.runs)]


def _short(heading: str) -> str:
    """As much of it as fits above the bars."""
    first, *rest = frame.wrap(heading, frame.LEAST_WIDTH - HEADING_BESIDE, style.SMALL_SIZE, "bold")
    return f"{first} ..." if rest else first


def _draw_bar(axes: Any, y: float, bar: Bar) -> None:
    left = 0.0
    for state, share in bar.shares.items():
        axes.barh(y, share, BAR * 0.8, left, color=COLOURS[state], edgecolor=EDGE, linewidth=0.6)
        if share >= SHARE_TEXT_FROM:
            ink = "white" if style.lightness(COLOURS[state]) < 55 else style.INK
            axes.text(left + share / 2, y, f"{100 * share:.0f}", size=style.FOOTER_SIZE, color=ink, ha="center",
                      va="center")
        left += share


def _scale(axes: Any, labels: dict[float, str], bottom: float) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom, 0)
    axes.set_yticks(list(labels), list(labels.values()))
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.set_xlabel("share of the threads' time")
