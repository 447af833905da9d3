# SPDX-License-Identifier: Apache-2.0
"""The figures that a plan names once more, by gnuplot: a script and its data, to be changed and run again."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas

from benchlib import gnuplot, grid, style
from benchlib.grid import Grid

BLOCKS = 4  # of data, for each line of each panel
BELOW, TEXTS = 0.3, 0.35  # inches: below each row of panels, and below the last
BETWEEN = 0.75  # between two columns, for the numbers of an axis
HEADING, LINE = 0.2, 0.16  # of a line of a heading, and of a label
NEWLINE = "\n"


def draw(figure: Grid, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Writes data and script, lets gnuplot draw each format, and returns the paths of all of them."""
    name = gnuplot.name(figure)
    data, script = folder / f"{name}.dat", folder / f"{name}.gp"
    data.write_text(_data(figure), encoding="utf-8")
    script.write_text(_script(figure), encoding="utf-8")
    for suffix in formats:
        gnuplot.run(script, suffix)
    return [*(folder / f"{name}.{suffix}" for suffix in formats), script, data]


def _lines(figure: Grid) -> Iterator[tuple[int, int, str, pandas.DataFrame, pandas.DataFrame]]:
    """Every line of every panel with its points and dots, which stand beside its place: the order of the blocks."""
    rows, columns = figure.shape
    for row in range(rows):
        for column in range(columns):
            for line in figure.lines(row):
                points, dots = (
                    table[(table["row"] == row) & (table["column"] == column) & (table["line"] == line)]
                    for table in (figure.points, figure.dots)
                )
                beside = figure.beside(line, row)
                points = points[points["n"] > 0].assign(place=points["at"] + beside).sort_values("place")
                yield row, column, line, points, dots.assign(place=dots["at"] + beside + grid.DOT_BESIDE)


def _data(figure: Grid) -> str:
    """Points in a row, all points, their intervals, and runs, as the axis has them. Two empty lines part blocks."""
    blocks = []
    for row, column, line, points, dots in _lines(figure):
        joined = points[points["at"] <= figure.axis.joined]
        banded = points[points["low"].notna()]
        words = (line, *figure.heading(row, column), figure.rows[row].label.replace("\n", " "))
        about = f"# {', '.join(word for word in words if word)}: place on the axis,"
        blocks += [
            f"{about} median, runs, of points in a row\n{_medians(joined)}",
            f"{about} median, runs, of all points\n{_medians(points)}",
            f"{about} low and high end of the 95 % interval of the median\n"
            f"{gnuplot.rows(banded[['place', 'low', 'high']]) or 'NaN NaN NaN'}",
            f"{about} value of every run\n{gnuplot.rows(dots[['place', 'value']].dropna()) or 'NaN NaN'}",
        ]
    return "\n\n\n".join(blocks) + "\n"


def _medians(points: pandas.DataFrame) -> str:
    return gnuplot.rows(points[["place", "median", "n"]]) or "NaN NaN 0"


def _script(figure: Grid) -> str:
    rows, columns = figure.shape
    named = {line: figure.looks[line] for line in figure.texts}  # those that the legend has
    text = [
        gnuplot.head(figure),
        "unset grid\n",
        f'set grid ytics linecolor rgb "{style.GRID}" linetype 1 linewidth 0.8\n',
        f"set xrange [-0.5:{figure.axis.end + 0.5:.4g}]\n",
        f"\nset multiplot layout {rows},{columns} {_room(figure)}\n",
        *gnuplot.surroundings(replace(figure, looks=named), figure.layout()),  # they stand with the first panel
    ]
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        log = "\n(log scale)" if style.value_limits(*figure.limits(row))[2] else ""
        left = figure.rows[row].label + log if column == 0 else ""
        below = "\n".join(figure.label) if row == rows - 1 else ""
        text += [
            f"\n# Panel {number + 1}\n",
            *_heading(figure, row, column),
            f"set xlabel {_in_lines(below)}\nset ylabel {_in_lines(left)} offset {-0.8 * left.count(NEWLINE):.1f},0\n",
            *_axes(figure, row, last=row == rows - 1),
            *_plot(figure, row, column),
            "unset label\nunset arrow\n",
        ]
    return "".join([*text, "unset multiplot\n"])


def _room(figure: Grid) -> str:
    """As gnuplot.room, with texts of the axis below the last row alone."""
    layout = figure.layout()
    width, height = layout.width, layout.height
    above = 0.08 + HEADING * figure.heading_lines
    bottom = layout.bottom - BELOW - TEXTS - figure.slant_height - LINE * (len(figure.label) - 1)
    left = gnuplot.LEFT + LINE * max(row.label.count(NEWLINE) + 1 for row in figure.rows)  # with the note of the scale
    margins = (f"{left / width:.4f},{1 - gnuplot.RIGHT / width:.4f},{1 - bottom / height:.4f},"
               f"{1 - (layout.top + above) / height:.4f}")
    return (f"margins screen {margins} spacing screen {(BETWEEN + gnuplot.RIGHT) / width:.4f},"
            f"{(above + BELOW) / height:.4f}")


def _heading(figure: Grid, row: int, column: int) -> Iterator[str]:
    lines = figure.heading(row, column)
    for i, line in enumerate(reversed(lines)):
        yield (f"set label {gnuplot.quoted(line)} at graph 0, graph 1 offset 0,{0.7 + i:.1f} "
               f"{gnuplot.font(style.TEXT_SIZE, True)}\n")


def _axes(figure: Grid, row: int, last: bool) -> Iterator[str]:
    """The same limits and ticks as the other drawing."""
    texts = figure.axis.texts if last else [""] * len(figure.axis.texts)
    ticks = ", ".join(f"{_in_lines(text)} {place:.4g}" for text, place in zip(texts, figure.axis.places.values()))
    yield f"set xtics ({ticks}){f' rotate by {grid.SLANT} right' if figure.slanted else ''}\n"
    low, high, log = style.value_limits(*figure.limits(row))
    yield "unset logscale y\n"  # a range from 0 has no place on the axis of the panel before
    yield f"set yrange [{low:.6g}:{high:.6g}]\n" + ("set logscale y 10\n" if log else "")
    values = style.log_steps(low, high) if log else _steps(high)
    numbers = ", ".join(f'"{figure.rows[row].text(value)}" {value:.6g}' for value in values)
    yield f"set ytics ({numbers})\n"
    if figure.level is not None:
        yield (f"set arrow from graph 0, first {figure.level:g} to graph 1, first {figure.level:g} nohead "
               f'linewidth 1.2 linecolor rgb "{style.FAINT}"\n')


def _steps(high: float) -> list[float]:
    """Ticks of a linear axis from 0: four to eight of 1, 2 or 5 times a power of ten."""
    decade = 10.0 ** math.floor(math.log10(high))
    step = next(value * decade for value in (0.1, 0.2, 0.5, 1, 2) if high / (value * decade) < 8)
    return [i * step for i in range(int(high / step) + 1)]


def _in_lines(text: str) -> str:
    """A text with its ends of lines, which gnuplot reads in double quotes only."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _plot(figure: Grid, row: int, column: int) -> Iterator[str]:
    """Intervals below, then dots, lines and medians."""
    bars, dots, lines, medians = [], [], [], []
    for i, (its_row, its_column, line, points, _) in enumerate(_lines(figure)):
        if (its_row, its_column) != (row, column):
            continue
        look = figure.looks[line]
        joined, every, interval, run = (f"data index {BLOCKS * i + block} using" for block in range(BLOCKS))
        bars.append(f'{interval} 1:2:(0):($3-$2) with vectors nohead linewidth 6 linecolor rgb "#B0{look.colour[1:]}"')
        dots.append(f'{run} 1:2 with points pointtype 7 pointsize 0.35 linecolor rgb "#80{look.colour[1:]}"')
        stroke = gnuplot.stroke(look).replace("linewidth 2", f"linewidth {figure.line_width(line):g}", 1)
        lines.append(f"{joined} 1:2 with lines {stroke}")
        medians.append(f"{every} 1:2 with points {gnuplot.point(look, 'white', 1.6)}")
        medians.append(f"{every} 1:2 with points {gnuplot.point(look)}")
        for point in points[points["beside"] != ""].to_dict("records"):
            up = 0.9 if figure.above(line, row) else -0.9
            yield (f"set label {gnuplot.quoted(point['beside'])} at {point['place']:.4g}, {point['median']:.6g} center "
                   f'offset 0,{up} {gnuplot.font(style.FOOTER_SIZE)} textcolor rgb "{look.colour}"\n')
    yield "plot " + ", \\\n     ".join([*bars, *dots, *lines, *medians]) + "\n"
