# SPDX-License-Identifier: Apache-2.0
"""How every figure looks: colours, markers, axes, and numbers in plain words."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import matplotlib.colors
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

matplotlib.use("Agg")  # no figure needs a screen

# M. Okabe and K. Ito's colours, told apart with every kind of colour vision; their yellow is too light for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5B4B8A")
# One more than the colours, so that a pair comes again only after 56 lines.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
BASELINE_COLOUR, BASELINE_MARKER = "#8A8A8A", "d"
INK, FAINT, AXIS, GRID, SHADE = "#222222", "#666666", "#999999", "#E4E4E4", "#F4F4F4"
FONT = "DejaVu Sans"
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE, FOOTER_SIZE = 14, 11.5, 10.5, 9

BESIDE_AXES = 1.0  # inches of a panel's width that its axis does not have
LOG_FROM_RATIO = 15  # values farther apart than this share a logarithmic axis

matplotlib.rcParams.update({
    "font.family": FONT, "font.size": TEXT_SIZE, "text.color": INK,
    "axes.labelsize": TEXT_SIZE, "axes.titlesize": TEXT_SIZE, "axes.labelcolor": INK, "axes.edgecolor": AXIS,
    "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "axes.grid": True,
    "grid.color": GRID, "grid.linewidth": 0.8,
    "xtick.labelsize": SMALL_SIZE, "ytick.labelsize": SMALL_SIZE, "xtick.color": AXIS, "ytick.color": AXIS,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "svg.hashsalt": "readyq",  # equal data gives an equal file
})


@dataclass(frozen=True)
class Look:
    """How one line is drawn, in every figure of a result."""

    colour: str
    marker: str
    dashed: bool

    @property
    def dashes(self) -> Any:
        return (0, (4, 2)) if self.dashed else "-"


def looks(labels: Sequence[str], baselines: Collection[str]) -> dict[str, Look]:
    """One Look a label, baselines last. The labels are those of the whole result, so that a colour means one queue."""
    ranked = [label for label in labels if label not in baselines]
    table = {}
    for i, label in enumerate(ranked):
        table[label] = Look(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], i >= len(COLOURS))
    baseline = Look(BASELINE_COLOUR, BASELINE_MARKER, True)
    return table | {label: baseline for label in labels if label in baselines}


def lightness(colour: str) -> float:
    """How light a colour is to the eye, from 0 to 100: the L* of CIELAB. It is what stays of a colour in grey."""
    channels = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in matplotlib.colors.to_rgb(colour))
    luminance = sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), channels, strict=True))
    return 116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance


def plain(value: float) -> str:
    """A number as one would say it: 0.25, 3, 1,500."""
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"


def nanoseconds(value: float) -> str:
    """A time as one would say it: 250 ns, 1.5 µs, 20 ms."""
    for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} ns"


def in_bytes(value: int) -> str:
    """A size as one would say it: 0 bytes, 64 bytes, 4 KiB, 16 MB."""
    for base, units in ((1024, ("KiB", "MiB", "GiB")), (1000, ("kB", "MB", "GB"))):
        for power, unit in reversed(list(enumerate(units, 1))):
            if value and value % base**power == 0:
                return f"{value // base**power} {unit}"
    return f"{value} bytes"


def octaves(threads: Sequence[int]) -> float:
    """How many doublings the axis of threads spans, at least one."""
    return max(1.0, math.log2(max(threads) / min(threads)))


def places(count: int) -> list[float]:
    """Where `count` lines stand beside each other, so that their marks do not hide each other: -0.5 .. 0.5."""
    return [(i + 0.5) / count - 0.5 for i in range(count)]


def shift(threads: Sequence[int], share: float) -> float:
    """The factor that moves a mark by that share of the axis of threads."""
    left, right = thread_limits(threads)
    return (right / left) ** share


def factors(threads: Sequence[int], count: int) -> list[float]:
    """By what the thread counts of each of `count` lines are multiplied, to set the lines a little apart."""
    room = 0.03 if min(threads) < max(threads) else 0.5
    return [shift(threads, place * room) for place in places(count)]


def thread_limits(threads: Sequence[int]) -> tuple[float, float]:
    """The ends of a log2 axis of threads."""
    slack = 2 ** (0.12 * octaves(threads))
    return min(threads) / slack, max(threads) * slack


def thread_ticks(threads: Sequence[int], panel_width: float) -> list[int]:
    """Those of the thread counts, from the greatest down, whose numbers fit beside each other."""
    digits = len(str(max(threads)))
    return fitting(threads, thread_limits(threads), panel_width, 0.1 * digits + 0.1)


def fitting(ticks: Iterable[Any], limits: tuple[float, float], panel_width: float, need: float) -> list[Any]:
    """Those of the ticks of a logarithmic axis, the last first, that have `need` inches each."""
    inches = (panel_width - BESIDE_AXES) / math.log(limits[1] / limits[0])
    found: list[Any] = []
    for tick in sorted(set(ticks), reverse=True):
        if not found or math.log(found[-1] / tick) * inches >= need:
            found.append(tick)
    return found[::-1]


def value_limits(lowest: float, highest: float) -> tuple[float, float, bool]:
    """The ends of an axis of values, with room for a word above them, and whether it is logarithmic.

    Linear axes begin at 0.
    """
    if lowest <= 0 or highest / lowest < LOG_FROM_RATIO:
        return 0.0, highest * 1.16 or 1.0, False
    return lowest / 1.5, highest * (highest / lowest) ** 0.16, True


def log_steps(low: float, high: float) -> list[float]:
    """Ticks at 1, 2 and 5 of each decade, or at the decades alone if there are many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if math.log10(high / low) < 2.6 else (1,)
    values = [step * 10.0**decade for decade in decades for step in steps]
    return [value for value in values if low <= value <= high]


def thread_axis(axes: Any, threads: Sequence[int], panel_width: float) -> None:
    """A log2 axis whose ticks are the thread counts that were measured."""
    labelled = thread_ticks(threads, panel_width)
    axes.set_xscale("log", base=2)
    axes.set_xlim(*thread_limits(threads))
    axes.xaxis.set_major_locator(FixedLocator(labelled))
    axes.xaxis.set_minor_locator(FixedLocator(sorted(set(threads) - set(labelled))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def value_axis(axes: Any, lowest: float, highest: float, text: Callable[[float], str] = plain) -> str:
    """A linear axis from 0, or a logarithmic one when the values are too far apart. Returns what its label must add."""
    low, high, log = value_limits(lowest, highest)
    if log:
        log_axis(axes, low, high, text)
        return "\n(log scale)"
    axes.set_ylim(low, high)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    return ""


def log_axis(axes: Any, low: float, high: float, text: Callable[[float], str]) -> None:
    """A logarithmic y axis with its numbers in words."""
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(FixedLocator(log_steps(low, high)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
