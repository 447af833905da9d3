# SPDX-License-Identifier: Apache-2.0
"""The command line of scripts/history."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchlib import change_points, figures, history_changes, history_figure, history_file, history_series, paths
from benchlib.change_points import Search
from benchlib.command import carry_out, tell
from benchlib.errors import EXIT_OK, Refused
from benchlib.figures import Figure
from benchlib.history_figure import Panel
from benchlib.history_series import NONE, ROUND_TRIP, SPIN, Asked, Series

DESCRIPTION = """Draws a history that scripts/gate --record has written: one panel for each test, one figure for each
machine; and finds the points from which on a test was faster or slower (E-divisive). It advises: what it finds fails
nothing."""
EPILOG = """exit codes: 0 done, whatever was found; 2 the file or an option was refused, or the system refused a
resource"""
HEADER = ("machine", "test", "since", "from", "to", "change", "p", "points")


def main(words: Sequence[str]) -> int:
    """Carries out the command line. Returns the exit code."""
    return carry_out("history", _history, words)


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        prog="history", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add, usual = result.add_argument, Search()
    add("file", type=Path, metavar="FILE", help="the history")
    add("--out", type=Path, metavar="DIR", help="where the figures go (default: FILE without its ending, and -figures)")
    formats = ",".join(figures.FORMATS)
    add("--format", type=figures.formats, default=figures.FORMATS, metavar=formats, help="one or both (default: both)")
    add("--table", action="store_true", help="draw nothing; print the change points only")
    add("--only", metavar="TEST", help="one test, such as pairs/throughput, or all of a cell, such as pairs")
    add("--arm", choices=("head", "base"), default="head",
        help="whose medians: of what was judged, or of what it was compared with (default: head)")  # fmt: skip
    add("--normalise", choices=(SPIN, ROUND_TRIP, NONE), default=SPIN,
        help="correct by a frozen sentinel: spin, the clock of a CPU (default); round-trip, for cells of several "
        "threads that of a cache line, which overdoes it; none")  # fmt: skip
    add("--any-regime", action="store_true",
        help="do not part cells of several threads by how far apart the machine's CPUs were")  # fmt: skip
    add("--least", type=int, default=usual.least, metavar="N", help="points between changes (default: %(default)s)")
    add("--significance", type=float, default=usual.significance, metavar="P",
        help="chance of a change point in a series that has none (default: %(default)s)")  # fmt: skip
    add("--permutations", type=int, default=usual.permutations, metavar="N",
        help="shuffles to compare with (default: %(default)s)")  # fmt: skip
    add("--seed", type=int, default=usual.seed, metavar="N", help="of the shuffles (default: %(default)s)")
    return result


def _history(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    search = _search(options)
    lines = history_file.read(options.file)
    if not lines:
        raise Refused(f"{options.file}: holds no line yet; scripts/gate --record writes them")
    every, notes = history_series.find(lines, Asked(options.arm.upper(), options.normalise, options.any_regime))
    chosen = _chosen(every, options.only, options.file)
    panels = [Panel(one, *history_changes.find(one, search)) for one in chosen]
    tell(*_table(panels), *_too_short(panels, search), *notes)
    if not options.table:
        tell(*map(paths.shown, _draw(panels, search, options)))
    return EXIT_OK


def _search(options: argparse.Namespace) -> Search:
    if options.least < 2:
        raise Refused(f"--least is {options.least}, but a stretch needs 2 points at least to have a spread")
    if not 0 < options.significance < 1:
        raise Refused(f"--significance is {options.significance:g}, but is a chance, between 0 and 1")
    needed = change_points.least_permutations(options.significance)
    if options.permutations < needed:
        raise Refused(f"--permutations is {options.permutations}, with which nothing can be found at a significance of "
                      f"{options.significance:g}; {needed} are needed")  # fmt: skip
    if options.seed < 0:
        raise Refused(f"--seed is {options.seed}, but must be 0 or above")
    return Search(options.least, options.significance, options.permutations, options.seed)


def _chosen(every: Sequence[Series], only: str | None, path: Path) -> list[Series]:
    chosen = [one for one in every if only in (None, one.test, one.test.partition("/")[0])]
    if not every:
        raise Refused(f"{path}: no line of it is of the arm asked for")
    if not chosen:
        raise Refused(f"{path}: has no test '{only}'; it has {', '.join(dict.fromkeys(one.test for one in every))}")
    return chosen


def _table(panels: Sequence[Panel]) -> list[str]:
    rows = [
        (panel.series.machine, panel.series.name, change.after.recorded[:10], change.before.version,
         change.after.version, history_figure.in_words(change.percent), f"{change.p_value:.3g}",
         f"{change.points[0]} + {change.points[1]}")
        for panel in panels for change in panel.changes
    ]  # fmt: skip
    if not rows:
        return [f"no change points in {len(panels)} series"]
    widths = [max(map(len, column)) for column in zip(HEADER, *rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in (HEADER, *rows)]  # fmt: skip


def _too_short(panels: Sequence[Panel], search: Search) -> list[str]:
    needed = 2 * search.least
    short = [panel.series.name for panel in panels if len(panel.series.points) < needed]
    return [f"fewer than the {needed} points that a change needs: {', '.join(dict.fromkeys(short))}"] if short else []


def _draw(panels: Sequence[Panel], search: Search, options: argparse.Namespace) -> list[Path]:
    machines = dict.fromkeys(panel.series.machine for panel in panels)
    found = [
        Figure("history", machine, lambda folder, formats, machine=machine: history_figure.draw(
            machine, [panel for panel in panels if panel.series.machine == machine], search, folder, formats))
        for machine in machines
    ]  # fmt: skip
    return figures.draw(found, options.out or options.file.with_name(f"{options.file.stem}-figures"), options.format)
