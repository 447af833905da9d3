# SPDX-License-Identifier: Apache-2.0
"""The load-latency curves once more, by gnuplot: a script and its data, which a reader can change and run again."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas

from benchlib import gnuplot, series, style
from benchlib.load_latency import PERCENTILES, RATE, RATE_LABEL, THOUSAND, VALUE_LABEL, LoadLatency
from benchlib.series import LINE

BLOCKS = 3  # of data, for each line of each panel


def draw(figure: LoadLatency, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Writes data and script, lets gnuplot draw each format, and returns the paths of all of them."""
    name = gnuplot.name(figure)
    data, script = folder / f"{name}.dat", folder / f"{name}.gp"
    data.write_text(_data(figure), encoding="utf-8")
    script.write_text(_script(figure), encoding="utf-8")
    for suffix in formats:
        gnuplot.run(script, suffix)
    return [*(folder / f"{name}.{suffix}" for suffix in formats), script, data]


def _data(figure: LoadLatency) -> str:
    """Medians, intervals and runs of each line of each panel. Two empty lines part blocks."""
    blocks = []
    for name in figure.percentiles:
        for line, curve in figure.curves.items():
            drawn = curve.points[name].query("n > 0")
            runs = series.ok(figure.runs[figure.runs[LINE] == line])[[RATE, name]].dropna()
            banded = drawn[drawn["low"].notna()]
            about = f"# {line}, {PERCENTILES[name]}: jobs a second asked for,"
            blocks += [
                f"{about} median in ns, runs\n{gnuplot.rows(drawn[[RATE, 'median', 'n']]) or 'NaN NaN 0'}",
                f"{about} low and high end of the 95 % interval of the median\n"
                f"{gnuplot.rows(banded[[RATE, 'low', 'high']]) or 'NaN NaN NaN'}",
                f"{about} latency of every run in ns\n{gnuplot.rows(runs) or 'NaN NaN'}",
            ]
    return "\n\n\n".join(blocks) + "\n"


def _script(figure: LoadLatency) -> str:
    layout, (rows, columns) = figure.layout(), figure.shape
    text = [
        gnuplot.head(figure),
        *_axes(figure),
        f"\nset multiplot layout {rows},{columns} {gnuplot.room(layout, gnuplot.HEADED)}\n",
        *gnuplot.surroundings(figure, layout),  # they stand with the first panel
    ]
    for number, name in enumerate(figure.percentiles):
        left = VALUE_LABEL if number == 0 else ""
        text += [
            f"\n# Panel {number + 1}\n",
            f"set label {gnuplot.quoted(PERCENTILES[name])} at graph 0, graph 1 offset 0,0.9 "
            f"{gnuplot.font(style.TEXT_SIZE, True)}\n",
            f'set xlabel "{RATE_LABEL}"\nset ylabel "{left}" offset 0.7\n',
            *_knees(figure),
            *_plot(figure, number),
            "unset label\nunset arrow\n",
        ]
    return "".join([*text, "unset multiplot\n"])


def _axes(figure: LoadLatency) -> Iterator[str]:
    """The same limits and ticks as the other drawing of these curves."""
    left, right, log = figure.rate_limits()
    yield f"set xrange [{left:.6g}:{right:.6g}]\n"
    if log:
        ticks = ", ".join(f'"{style.plain(rate)}" {rate:.6g}' for rate in figure.rate_ticks(_panel_width(figure)))
        yield f"set logscale x 10\nset xtics ({ticks})\n"
    low, high = figure.value_limits()
    numbers = ", ".join(f'"{style.nanoseconds(value)}" {value:.6g}' for value in style.log_steps(low, high))
    yield f"set yrange [{low:.6g}:{high:.6g}]\nset logscale y 10\nset ytics ({numbers})\n"


def _panel_width(figure: LoadLatency) -> float:
    return figure.layout().width / len(figure.percentiles)


def _knees(figure: LoadLatency) -> Iterator[str]:
    for curve in figure.curves.values():
        if curve.knee.rate > 0:
            at = curve.knee.rate / THOUSAND
            yield (f"set arrow from {at:.6g}, graph 0 to {at:.6g}, graph 1 nohead dashtype 3 "
                   f'linecolor rgb "{curve.look.colour}"\n')


def _plot(figure: LoadLatency, number: int) -> Iterator[str]:
    """Bands below, then dots, lines and medians."""
    bands, dots, lines, medians = [], [], [], []
    for i, curve in enumerate(figure.curves.values(), number * len(figure.curves)):
        median, interval, run = (f"data index {BLOCKS * i + block} using" for block in range(BLOCKS))
        at = f"($1/{THOUSAND:g}):2"
        bands.append(f'{interval} {at}:3 with filledcurves fillcolor rgb "{curve.look.colour}"')
        dots.append(f'{run} {at} with points pointtype 7 pointsize 0.35 linecolor rgb "#80{curve.look.colour[1:]}"')
        lines.append(f"{median} {at} with lines {gnuplot.stroke(curve.look)}")
        medians.append(f"{median} {at} with points {gnuplot.point(curve.look, 'white', 1.6)}")
        medians.append(f"{median} {at} with points {gnuplot.point(curve.look)}")
        yield from _lost(figure, curve.points[figure.percentiles[number]], curve.look)
    yield "plot " + ", \\\n     ".join([*bands, *dots, *lines, *medians]) + "\n"


def _lost(figure: LoadLatency, points: pandas.DataFrame, look: style.Look) -> Iterator[str]:
    """Points of which no run is left: a cross on the axis."""
    for rate in points[points["n"] == 0][RATE]:
        cross = f'point pointtype 2 pointsize 1.2 linecolor rgb "{look.colour}"'
        yield f'set label "" at {rate / THOUSAND:.6g}, graph 0.03 {cross}\n'
