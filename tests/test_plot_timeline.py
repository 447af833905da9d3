# SPDX-License-Identifier: Apache-2.0
"""Throughput over time: drawn by itself where runs drift or have modes, and where it is asked for."""

from pathlib import Path

from result_folder import ResultFolder

from benchlib import figures, series, table, timeline

SIX = (1e6, 2e6, 3e6, 4e6, 5e6, 6e6)
EVEN = (1000,) * 20
FALLING = tuple(range(2000, 0, -100))


def planned(made: ResultFolder) -> list[timeline.Timeline]:
    results = table.load(made.write())
    return timeline.plan(results, series.prepare(results))


def steady(folder: Path, queues: int = 2) -> ResultFolder:
    made = ResultFolder(folder)
    for i in range(queues):
        made.queue(f"q{i}", 1, 1, SIX, timeline=EVEN, throughput_drift=1.05, throughput_modes=1)
    return made


def test_steady_runs_are_drawn_only_when_asked_for(tmp_path: Path) -> None:
    made = steady(tmp_path)
    (one,) = planned(made)
    assert not one.remarkable and [cell.heading for cell in one.cells] == ["q0", "q1"]
    every = figures.of(table.load(made.write()))
    assert "timeline" not in [figure.kind for figure in figures.chosen(every, None)]
    (path,) = figures.draw(figures.chosen(every, "timeline"), tmp_path / "out", ["svg"])
    assert path.name == "timeline-producer_consumer.svg" and path.stat().st_size > 5000


def test_runs_that_drift_or_have_modes_are_drawn_the_farthest_first(tmp_path: Path) -> None:
    made = steady(tmp_path, 7)
    made.queue("drifts", 1, 1, SIX, timeline=FALLING, throughput_drift=0.8, throughput_modes=1)
    made.queue("falls", 1, 1, SIX, timeline=FALLING, throughput_drift=0.3, throughput_modes=1)
    made.queue("two", 1, 1, SIX, timeline=EVEN, throughput_drift=1, throughput_modes=2)
    (one,) = planned(made)
    assert one.remarkable and [cell.heading for cell in one.cells] == ["falls", "drifts", "two"]
    assert "3 of 10 cells have runs that drift" in one._notes()[0]
    every = figures.of(table.load(made.write()))
    assert "timeline" in [figure.kind for figure in figures.chosen(every, None)]


def test_the_lines_are_rates(tmp_path: Path) -> None:
    (one,) = planned(steady(tmp_path, 1))
    (at, rate), *others = [timeline._rates(runs) for _, runs in one.intervals.groupby(timeline.KEY)]
    assert len(others) == 5 and rate.tolist() == [1.0] * 20 and at[0] == 0.0005
    assert timeline._middle([(at, rate)] * 3)[1].tolist() == [1.0] * 20


def test_a_result_without_timelines_has_none(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    made.queue("a", 1, 1, SIX)
    assert planned(made) == []
