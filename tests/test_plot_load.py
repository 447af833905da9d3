# SPDX-License-Identifier: Apache-2.0
"""The figure of latency by the rate asked for: what makes a line, where the knee stands, and both drawings of it."""

import math
from pathlib import Path

import pytest
from result_folder import INCORRECT, ResultFolder
from test_knee import RATES, loaded

from benchlib import figures, load_gnuplot, series, table
from benchlib.load_latency import LoadLatency, plan


def planned(made: ResultFolder) -> list[LoadLatency]:
    results = table.load(made.write())
    return plan(results, series.prepare(results))


def test_lines_points_and_knees(tmp_path: Path) -> None:
    (one,) = planned(loaded(tmp_path))
    assert one.name == "load-latency-open_loop"
    assert one.percentiles == ["latency_p50_ns", "latency_p99_ns"] and one.shape == (1, 2)
    assert list(one.curves) == ["fast", "slow"]
    assert one.legend == ["fast: knee 4 thousand/s (4 to 4)", "slow: knee 2 thousand/s (2 to 2)"]
    points = one.curves["slow"].points["latency_p50_ns"]
    assert points["median"].to_list() == [1250, 1250, 125000, 125000] and points["n"].to_list() == [6] * 4
    assert one.rates() == [1, 2, 4, 8] and not one.rate_limits()[2]
    assert any(note.startswith("Knee: the highest rate measured") for note in one.notes)
    assert "arrivals poisson" in one.subtitle


def test_what_has_no_effect_is_not_told(tmp_path: Path) -> None:
    made = loaded(tmp_path)
    for row in made.rows:
        row["workload_params"] += ";on_ns=1000;off_ns=9000;service_shape=bimodal;service_slow_factor=7"
    (one,) = planned(made)
    assert "on 1" not in one.subtitle and "off 9" not in one.subtitle and "slow factor 7" in one.subtitle


def test_other_questions_get_figures_of_their_own(tmp_path: Path) -> None:
    made = loaded(tmp_path)
    other = loaded(tmp_path)
    for row in [*other.rows, *other.latencies]:
        row["cell_id"], row["run_id"] = f"other-{row['cell_id']}", f"other-{row['run_id']}"
    for row in other.rows:
        row["workload_params"] = row["workload_params"].replace("poisson", "bursts")
    made.rows += other.rows
    made.latencies += other.latencies
    assert [one.name for one in planned(made)] == [
        "load-latency-open_loop-arrivals-bursts", "load-latency-open_loop-arrivals-poisson"
    ]  # fmt: skip


def test_pools_routings_and_keys_are_lines(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for keyed, routing in (("yes", "round_robin"), ("no", "round_robin"), ("no", "shared")):
        for rate in RATES:
            made.pool("q", 1, 2, [rate] * 6, workload="keyed", workload_params=f"rate={rate};keyed={keyed}",
                      pool_params=f"routing={routing}", p99={"total": [1000] * 6})
    for rate in RATES:
        made.cell([rate] * 6, workload="keyed", workload_params=f"rate={rate};keyed=no", pool="uv", schedulers=1,
                  workers=2, threads=3, p99={"total": [1000] * 6})
    (one,) = planned(made)
    assert list(one.curves) == [
        "ours: q, routing round_robin, with keys", "ours: q, routing round_robin, without keys",
        "ours: q, routing shared, without keys", "pool uv, without keys"
    ]  # fmt: skip


def test_a_rate_at_which_all_runs_failed_is_marked_and_one_without_a_percentile_is_not(tmp_path: Path) -> None:
    made = loaded(tmp_path)
    for row in made.rows:
        if "rate=8000" in row["workload_params"] and row["job_queue"] == "slow":
            row.update(INCORRECT)
    for row in made.latencies:
        if "rate=1000;" in row["workload_params"]:
            row["latency_p99_ns"] = ""
    (one,) = planned(made)
    points = one.curves["slow"].points["latency_p99_ns"]
    assert points["n"].to_list() == [6, 6, 0] and points["workload.rate"].to_list() == [2000, 4000, 8000]
    assert math.isnan(one.curves["slow"].knee.rate)
    assert "Knees: the runs at the lowest rate are too short for a p99." in one.notes
    assert any("6 of 48 runs failed" in note for note in one.notes)


def test_a_sweep_of_rates_is_no_contention_curve_and_one_rate_no_sweep(tmp_path: Path) -> None:
    made = loaded(tmp_path / "many")
    every = figures.of(table.load(made.write()))
    kinds = [one.kind for one in every]
    assert kinds.count("load-latency") == 1 and kinds.count("gnuplot") == 1 and "contention" not in kinds
    single = ResultFolder(tmp_path / "one")
    single.pool("q", 1, 1, [1000] * 6, workload="open_loop", workload_params="rate=1000", p99={"total": [1] * 6})
    kinds = [one.kind for one in figures.of(table.load(single.write()))]
    assert "load-latency" not in kinds and "contention" in kinds


@pytest.mark.parametrize("wide", [False, True])
def test_both_drawings(tmp_path: Path, wide: bool) -> None:
    made = loaded(tmp_path)
    for row in [*made.rows, *made.latencies] if wide else []:  # a logarithmic axis of rates
        row["workload_params"] = row["workload_params"].replace("rate=8000", "rate=80000")
    made.write()
    drawn = figures.draw(figures.chosen(figures.of(table.load(tmp_path)), None), tmp_path / "out", ["svg", "png"])
    names = {path.name for path in drawn}
    assert {"load-latency-open_loop.svg", "load-latency-open_loop.png", "load-latency-open_loop-gnuplot.svg",
            "load-latency-open_loop-gnuplot.png", "load-latency-open_loop-gnuplot.gp",
            "load-latency-open_loop-gnuplot.dat"} <= names  # fmt: skip
    assert all(path.stat().st_size > 1000 for path in drawn if path.suffix in (".svg", ".png"))
    script = (tmp_path / "out" / "load-latency-open_loop-gnuplot.gp").read_text()
    assert script.count("graph 1 nohead dashtype 3") == 4  # two knees in each of two panels
    assert ("set logscale x 10" in script) == wide


def test_the_data_of_gnuplot(tmp_path: Path) -> None:
    (one,) = planned(loaded(tmp_path))
    load_gnuplot.draw(one, tmp_path, [])
    blocks = (tmp_path / "load-latency-open_loop-gnuplot.dat").read_text().split("\n\n\n")
    assert len(blocks) == 2 * 2 * load_gnuplot.BLOCKS
    assert blocks[0].splitlines()[:2] == ["# fast, p50: jobs a second asked for, median in ns, runs", "1000 1250.0 6"]
    assert blocks[1].splitlines()[1] == "1000 1250.0 1250.0"
    assert len(blocks[2].splitlines()) == 1 + 4 * 6
