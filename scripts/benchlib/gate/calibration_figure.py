# SPDX-License-Identifier: Apache-2.0
"""The power on one machine: which share of whole checks caught a slowdown of all cells, by how great it was."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from benchlib import matplotlib_folder

matplotlib_folder.settle()

import numpy  # noqa: E402

from benchlib import frame, marks, style  # noqa: E402
from benchlib.gate.calibration_tally import CAUGHT, CAUGHT_LEVEL, Tally  # noqa: E402
from benchlib.style import Look  # noqa: E402

SHAPE, PANEL = (1, 1), (7.6, 4.4)
CAUGHT_TEXT, UNDECIDED_TEXT = "caught: exit code 1", "inconclusive: exit code 3"
LOOKS = {
    CAUGHT_TEXT: Look(style.COLOURS[0], style.MARKERS[0], False),
    UNDECIDED_TEXT: Look(style.COLOURS[1], style.MARKERS[1], True),
}


def draw(found: Sequence[Tally], folder: Path, name: str) -> None:
    """Writes the figure, of streams of one machine, if anything was injected evenly."""
    streams = [one for one in found if one["kind"] == "power" and one["regressions"]["of"]]
    if not streams:
        return
    title = "Power of the regression gate"
    layout = frame.Layout(title, _subtitle(streams), _notes(streams), list(LOOKS), SHAPE, PANEL)
    canvas = frame.Canvas(layout, SHAPE, LOOKS.values(), list(LOOKS))
    axes = canvas.axes[0][0]
    streams.sort(key=_slowdown)
    places = numpy.array([_slowdown(one) for one in streams])
    for text, key in ((CAUGHT_TEXT, "regressions"), (UNDECIDED_TEXT, "inconclusive")):
        look, shares = LOOKS[text], [one[key] for one in streams]
        heights = numpy.array([100 * share["hits"] / share["of"] for share in shares])
        low, high = (numpy.array([100 * share[end] for share in shares]) for end in ("low", "high"))
        axes.plot(places, heights, color=look.colour, linestyle=look.dashes, linewidth=2, zorder=3)
        marks.bars(axes, look, places, low, high)
        marks.medians(axes, look, places, heights)
    for one, place in zip(streams, places, strict=True):
        axes.annotate(
            f"n={one['regressions']['of']}", (place, 0), xytext=(0, 4), textcoords="offset points", ha="center",
            size=style.FOOTER_SIZE, color=style.FAINT,
        )  # fmt: skip
    for percent in sorted({streams[0]["thresholds"][name] for name in ("regression_percent", "pass_percent")}):
        axes.axvline(percent, color=style.AXIS, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
    axes.axhline(100 * CAUGHT, color=style.AXIS, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
    axes.set_ylim(-6, 106)
    axes.set_xlim(min(-0.5, *places), max(CAUGHT_LEVEL, *places) + 0.5)
    canvas.label(1, "slowdown achieved, median over the gated tests, in %", "share of whole checks, in %")
    canvas.save(folder, name, ["svg"])


def _slowdown(one: Tally) -> float:
    return statistics.median(test["percent"] for test in one["achieved_percent"].values())


def _subtitle(streams: Sequence[Tally]) -> str:
    return f"every dequeue slowed down; {sum(one['checks'] for one in streams)} whole checks"


def _notes(streams: Sequence[Tally]) -> list[str]:
    limits = streams[0]["thresholds"]
    return [
        "Bar: exact bounds of Clopper and Pearson, each holding with 95 %. Dashed lines: "
        f"{limits['regression_percent']:g} %, above which a regression must lie; {limits['pass_percent']:g} %, below "
        f"which a pass must lie, and the share of {100 * CAUGHT:g} % that is to be caught there.",
        f"machine {streams[0]['machine']} \u00b7 "
        f"commit {' and '.join(sorted({one['commit'][:12] for one in streams}))} \u00b7 "
        f"{sum(one['hours'] for one in streams):.1f} hours",
    ]
