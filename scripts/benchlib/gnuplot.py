# SPDX-License-Identifier: Apache-2.0
"""The contention curve once more, by gnuplot: a script and its data, which a reader can change and run again."""

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pandas

from benchlib import frame, series, style
from benchlib.curves import OVERSUBSCRIBED, THREADS_LABEL, VALUE_LABEL, Curves
from benchlib.errors import Refused, os_reason
from benchlib.series import LINE, THREADS, VALUE
from benchlib.style import Look

POINT_TYPES = {"o": 7, "s": 5, "^": 9, "D": 13, "v": 11, "P": 1, "X": 2, "p": 15, "d": 13}  # gnuplot's for our markers
LEFT, RIGHT, BELOW = 0.85, 0.2, 0.6  # inches around a panel
HEADED, BARE = 0.3, 0.08  # above it
BAR = 0.01  # of the axis: half the width of an interval that stands alone
SVG_DPI = 96

HEAD = """\
# SPDX-License-Identifier: Apache-2.0
# {title}
# To draw it again: gnuplot -c {name}.gp svg (or png)
format = exists("ARG1") && ARG1 ne "" ? ARG1 : "svg"
if (format eq "png") {{
    set terminal pngcairo noenhanced size {png} font "{font},{size}" fontscale 2 linewidth 2 pointscale 2
}} else {{
    set terminal svg noenhanced size {svg} font "{font},{size}" background "white"
}}
set output "{name}." . format
data = "{name}.dat"

unset key
set border 3 linecolor rgb "{axis}"
set tics nomirror scale 0.5 textcolor rgb "{ink}"
set grid linecolor rgb "{grid}" linetype 1 linewidth 0.8
set style fill transparent solid 0.16 noborder
"""


class Drawable(Protocol):
    """What the figures that gnuplot draws have in common."""

    name: str
    title: str
    looks: dict[str, Look]
    legend: list[str]

    def layout(self) -> frame.Layout: ...


def name(figure: Drawable) -> str:
    """Of the figure, its script and its data."""
    return f"{figure.name}-gnuplot"


def head(figure: Drawable) -> str:
    """What stands first in every script."""
    layout = figure.layout()
    png, svg = (f"{layout.width * dpi:.0f},{layout.height * dpi:.0f}" for dpi in (frame.DPI, SVG_DPI))
    return HEAD.format(title=figure.title, name=name(figure), png=png, svg=svg, font=style.FONT, size=style.SMALL_SIZE,
                       axis=style.AXIS, ink=style.INK, grid=style.GRID)


def draw(curves: Curves, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Writes data and script, lets gnuplot draw each format, and returns the paths of all of them."""
    data, script = folder / f"{name(curves)}.dat", folder / f"{name(curves)}.gp"
    data.write_text(_data(curves), encoding="utf-8")
    script.write_text(_script(curves), encoding="utf-8")
    for suffix in formats:
        run(script, suffix)
    return [*(folder / f"{name(curves)}.{suffix}" for suffix in formats), script, data]


def run(script: Path, suffix: str) -> None:
    try:
        done = subprocess.run(["gnuplot", "-c", script.name, suffix], cwd=script.parent, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise Refused(f"gnuplot cannot be run: {os_reason(error)}; scripts/setup base installs it") from error
    if done.returncode or done.stderr.strip():
        raise Refused(f"gnuplot could not draw {script.name}: {' '.join(done.stderr.split())}")


def _lines(curves: Curves) -> Iterator[tuple[int, str, Look, pandas.DataFrame, pandas.DataFrame]]:
    """Every line of every panel as (panel's number, line, look, points, runs): the order of the blocks of data."""
    for number, (panel, points) in enumerate(curves.panels):
        for line, look in curves.looks.items():
            mine = points[points[LINE] == line].sort_values(THREADS)
            yield number, line, look, mine, series.ok(panel.runs[panel.runs[LINE] == line]).sort_values(THREADS)


def _data(curves: Curves) -> str:
    """Three blocks a line, which gnuplot counts: medians, intervals, runs. Two empty lines part blocks."""
    blocks, bar = [], style.shift(curves.threads(), BAR)
    for number, line, _, points, runs in _lines(curves):
        about = ", ".join(text for text in (line, curves.panels[number][0].heading) if text)
        drawn = points[points["n"] > 0]
        medians = rows(drawn[[THREADS, "median", "n"]])
        blocks += [
            f"# {about}: threads, median operations a second, runs\n{medians or 'NaN NaN 0'}",
            f"# {about}: threads, low and high end of the 95 % interval of the median\n{_intervals(drawn, bar)}",
            f"# {about}: threads, operations a second of every run\n{rows(runs[[THREADS, VALUE]]) or 'NaN NaN'}",
        ]
    return "\n\n\n".join(blocks) + "\n"


def rows(table: pandas.DataFrame) -> str:
    return "\n".join(" ".join(f"{value}" for value in row) for row in table.itertuples(index=False))


def _intervals(points: pandas.DataFrame, bar: float) -> str:
    """Stretches of neighbouring points that have an interval; an empty line parts them."""
    gaps = points["low"].isna()
    stretches = []
    for _, stretch in points[~gaps].groupby(gaps.cumsum()[~gaps]):
        if len(stretch) == 1:
            stretch = pandas.concat([stretch.assign(**{THREADS: stretch[THREADS] * width}) for width in (1 / bar, bar)])
        stretches.append(rows(stretch[[THREADS, "low", "high"]]))
    return "\n\n".join(stretches) or "NaN NaN NaN"


def _script(curves: Curves) -> str:
    layout, (rows, columns) = curves.layout(), curves.shape
    above = HEADED if any(panel.heading for panel, _ in curves.panels) else BARE
    text = [
        head(curves),
        "set logscale x 2\n",
        *_axes(curves),
        f"\nset multiplot layout {rows},{columns} {room(layout, above)}\n",
        *surroundings(curves, layout),  # they stand with the first panel
    ]
    for number, (panel, _) in enumerate(curves.panels):
        below = THREADS_LABEL if number + columns >= len(curves.panels) else ""
        left = VALUE_LABEL + _log_note(curves) if number % columns == 0 else ""
        text += [
            f"\n# Panel {number + 1}\n",
            f"set label {quoted(panel.heading)} at graph 0, graph 1 offset 0,0.9 {font(style.TEXT_SIZE, True)}\n",
            f'set xlabel "{below}"\nset ylabel "{left}"\n',
            *_oversubscription(curves),
            *_plot(curves, number),
            "unset label\nunset arrow\n",
        ]
    return "".join([*text, "unset multiplot\n"])


def _log_note(curves: Curves) -> str:
    return "\\n(log scale)" if style.value_limits(*curves.values())[2] else ""


def _axes(curves: Curves) -> Iterator[str]:
    """The same limits and ticks as the other drawing of these curves."""
    threads = curves.threads()
    left, right = style.thread_limits(threads)
    ticks = style.thread_ticks(threads, curves.layout().width / curves.columns)
    yield f"set xrange [{left:.4f}:{right:.4f}]\nset xtics ({', '.join(map(str, ticks))})\n"
    low, high, log = style.value_limits(*curves.values())
    yield f"set yrange [{low:.6g}:{high:.6g}]\n"
    if log:
        numbers = ", ".join(f'"{style.plain(value)}" {value:.6g}' for value in style.log_steps(low, high))
        yield f"set logscale y 10\nset ytics ({numbers})\n"


def room(layout: frame.Layout, above: float) -> str:
    """Left, right, bottom and top of all panels together, and what is between them, as shares of the figure."""
    width, height = layout.width, layout.height
    margins = (f"{LEFT / width:.4f},{1 - RIGHT / width:.4f},{1 - (layout.bottom - BELOW) / height:.4f},"
               f"{1 - (layout.top + above) / height:.4f}")
    spacing = f"{(LEFT + RIGHT) / width:.4f},{(above + BELOW) / height:.4f}"
    return f"margins screen {margins} spacing screen {spacing}"


def surroundings(figure: Drawable, layout: frame.Layout) -> Iterator[str]:
    """Title, subtitle, footer and legend, where the layout puts them."""
    for block in (layout.title, layout.subtitle, layout.footer):
        for i, line in enumerate(block.lines):
            y = 1 - (block.y + (i + 0.5) * block.height / len(block.lines)) / layout.height
            yield (f"set label {quoted(line)} at screen {frame.MARGIN / layout.width:.4f},{y:.4f} "
                   f'{font(block.size, block.weight == "bold")} textcolor rgb "{block.colour}"\n')
    for look, text, (x, y) in zip(figure.looks.values(), figure.legend, layout.legend, strict=True):
        left, middle, right = ((x + share * frame.SAMPLE) / layout.width for share in (0, 0.5, 1))
        beside, up = right + 0.1 / layout.width, 1 - (y + layout.row / 2) / layout.height
        yield f"set arrow from screen {left:.4f},{up:.4f} to screen {right:.4f},{up:.4f} nohead {stroke(look)}\n"
        yield f'set label "" at screen {middle:.4f},{up:.4f} point {point(look)}\n'
        yield f"set label {quoted(text)} at screen {beside:.4f},{up:.4f}\n"


def _oversubscription(curves: Curves) -> Iterator[str]:
    border = curves.border()
    if border is None:
        return
    yield (f"set object 1 rectangle from {border:.4f}, graph 0 to graph 1, graph 1 behind "
           f'fillcolor rgb "{style.SHADE}" fillstyle solid 1 noborder\n')
    yield (f"set arrow from {border:.4f}, graph 0 to {border:.4f}, graph 1 nohead dashtype 3 "
           f'linecolor rgb "{style.AXIS}"\n')
    yield (f"set label {quoted(OVERSUBSCRIBED)} at {border:.4f}, graph 0.96 offset 0.6,0 "
           f'{font(style.FOOTER_SIZE + 0.5)} textcolor rgb "{style.FAINT}"\n')


def _plot(curves: Curves, number: int) -> Iterator[str]:
    """Bands below, then dots, lines and medians."""
    factors = dict(zip(curves.looks, curves.factors(), strict=True))
    bands, dots, lines, medians = [], [], [], []
    for i, (panel, line, look, points, _) in enumerate(_lines(curves)):
        if panel != number:
            continue
        median, interval, run = (f"data index {3 * i + block} using" for block in range(3))
        at = f"($1*{factors[line]:.4f}):($2/1e6)"
        beside = f"($1*{factors[line] * curves.dots_beside():.4f}):($2/1e6)"
        bands.append(f'{interval} {at}:($3/1e6) with filledcurves fillcolor rgb "{look.colour}"')
        dots.append(f'{run} {beside} with points pointtype 7 pointsize 0.35 linecolor rgb "#80{look.colour[1:]}"')
        lines.append(f"{median} {at} with lines {stroke(look)}")
        medians.append(f"{median} {at} with points {point(look, 'white', 1.6)}")
        medians.append(f"{median} {at} with points {point(look)}")
        for threads in points[points["n"] == 0][THREADS]:
            cross = f'point pointtype 2 pointsize 1.2 linecolor rgb "{look.colour}"'
            yield f'set label "" at {threads * factors[line]:.4f}, graph 0.03 {cross}\n'
    yield "plot " + ", \\\n     ".join([*bands, *dots, *lines, *medians]) + "\n"


def font(size: float, bold: bool = False) -> str:
    return f'font "{style.FONT}{" Bold" if bold else ""},{size}"'


def stroke(look: Look) -> str:
    return f'linewidth 2 dashtype {"(8,4)" if look.dashed else 1} linecolor rgb "{look.colour}"'


def point(look: Look, colour: str = "", size: float = 1.2) -> str:
    return f'pointtype {POINT_TYPES[look.marker]} pointsize {size} linecolor rgb "{colour or look.colour}"'


def quoted(text: str) -> str:
    """As gnuplot takes a text literally: in single quotes, which are doubled inside."""
    return "'" + text.replace("'", "''") + "'"
