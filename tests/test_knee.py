# SPDX-License-Identifier: Apache-2.0
"""The knee of a load-latency curve, on made-up series whose knee is known."""

import math
import random
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from result_folder import ResultFolder

from benchlib import knee, knee_cli
from benchlib.knee import Load

RATES = (1000, 2000, 4000, 8000)


def curve(shares: list[float], p99s: list[float], runs: int = 8) -> list[Load]:
    """All runs at a rate alike."""
    return [Load(rate, [share] * runs, [p99] * runs) for rate, share, p99 in zip(RATES, shares, p99s, strict=True)]


def test_completed_too_little() -> None:
    found = knee.find(curve([1, 0.99, 0.97, 0.5], [10, 11, 12, 13]))
    assert (found.rate, found.low, found.high, found.beyond) == (2000, 2000, 2000, False)
    assert knee.in_words(found) == "knee 2 thousand/s (2 to 2)"


def test_too_slow() -> None:
    assert knee.find(curve([1, 1, 1, 1], [10, 100, 101, 5000])).rate == 2000
    assert knee.find(curve([1, 1, 1, 1], [10, 100, 101, 5000]), factor=11).rate == 4000
    assert knee.find(curve([1, 0.9, 0.9, 0.5], [10, 10, 10, 10]), share=0.9).rate == 4000


def test_the_order_of_the_rates_does_not_matter() -> None:
    assert knee.find(curve([1, 1, 0.5, 0.4], [10, 10, 10, 10])[::-1]).rate == 2000


def test_nowhere_and_everywhere() -> None:
    nowhere = knee.find(curve([0.5, 0.5, 0.5, 0.5], [10, 10, 10, 10]))
    assert math.isnan(nowhere.rate) and math.isnan(nowhere.low) and math.isnan(nowhere.high) and not nowhere.beyond
    assert knee.in_words(nowhere) == "knee below the lowest rate"
    everywhere = knee.find(curve([1, 1, 1, 1], [10, 10, 10, 10]))
    assert everywhere.rate == 8000 and everywhere.beyond
    assert knee.in_words(everywhere) == "knee at least 8 thousand/s (8 to 8)"


def test_one_bad_run_does_not_move_it_but_widens_nothing_either() -> None:
    loads = curve([1, 1, 1, 0.5], [10, 10, 10, 10])
    loads[1] = Load(2000, [1] * 7 + [0.1], [10] * 7 + [9000])
    assert knee.find(loads).rate == 4000


def test_the_interval_covers_what_is_in_doubt() -> None:
    generator = random.Random(1)
    loads = curve([1, 1, 1, 0.5], [10, 10, 10, 10], runs=20)
    loads[2] = Load(4000, [0.98 + generator.gauss(0, 0.02) for _ in range(20)], [10] * 20)
    found = knee.find(loads)
    assert (found.low, found.high) == (2000, 4000)
    assert found == knee.find(loads)  # the same runs, the same interval
    loads[0] = Load(1000, [0.9, 1.0] * 10, [10] * 20)
    loads[1:] = [Load(load.rate, [0.5] * 20, [10] * 20) for load in loads[1:]]
    doubtful = knee.find(loads)
    assert math.isnan(doubtful.low) and doubtful.high == 1000
    assert "less to 1" in knee.in_words(doubtful) or math.isnan(doubtful.rate)


def test_too_few_runs_for_an_interval() -> None:
    found = knee.find(curve([1, 1, 0.5, 0.5], [10, 10, 10, 10], runs=5))
    assert found.rate == 2000 and math.isnan(found.low) and math.isnan(found.high)
    assert found.warnings == ("5 runs a rate are too few for an interval of the knee, 6 needed",)
    assert knee.in_words(found) == "knee 2 thousand/s"


def test_runs_without_a_percentile() -> None:
    loads = curve([1, 1, 1, 0.5], [10, 10, 10, 10])
    loads[0] = Load(1000, [1] * 8, [math.nan] * 4 + [10] * 4)
    assert knee.find(loads).rate == 4000
    loads[0] = Load(1000, [1] * 8, [math.nan] * 8)
    found = knee.find(loads)
    assert found.warnings == ("the runs at the lowest rate are too short for a p99",) and found.n == 0


def test_a_single_rate_has_no_knee() -> None:
    assert knee.find(curve([1, 1, 1, 1], [10, 10, 10, 10])[:1]).warnings == ("a knee needs two rates at least",)
    assert knee.in_words(knee.find([])) == "no knee"


def loaded(folder: Path, **more: str) -> ResultFolder:
    """Two queues, of which one keeps up twice as far. Each at four rates, in six runs."""
    made = ResultFolder(folder)
    for queue, capacity in (("fast", 6000), ("slow", 3000)):
        for rate in RATES:
            done, p99 = min(rate, capacity), 5000 * (1 if rate < capacity else 100)
            made.pool(queue, 1, 1, [done] * 6, workload="open_loop", offered_ops_per_s=rate,
                      workload_params=f"rate={rate};arrivals=poisson", p99={"total": [p99] * 6}, **more)
    for row in made.latencies:
        row["latency_p50_ns"] = row["latency_p99_ns"] / 4
    return made


def test_the_command(tmp_path: Path) -> None:
    folder = loaded(tmp_path / "result").write()
    done = subprocess.run([ROOT / "scripts" / "knee", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr
    assert done.stdout.splitlines()[1:] == [
        "load-latency-open_loop",
        "  fast: knee 4 thousand/s (4 to 4), n = 6",
        "  slow: knee 2 thousand/s (2 to 2), n = 6",
    ]


def test_another_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = loaded(tmp_path / "result").write()
    assert knee_cli.main([str(folder), "--share", "50", "--factor", "100"]) == 0
    said = capsys.readouterr().out
    assert "  fast: knee at least 8 thousand/s (8 to 8), n = 6" in said and "100 times" in said


@pytest.mark.parametrize("words", [("--share", "0"), ("--share", "x"), ("--factor", "0.5"), ("--factor", "inf")])
def test_refused_options(tmp_path: Path, words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        knee_cli.main([str(tmp_path), *words])
    said = capsys.readouterr()
    assert end.value.code == 2 and words[0] in said.err and not said.out


def test_a_result_without_rates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = ResultFolder(tmp_path)
    made.pool("q", 1, 1, [1000])
    assert knee_cli.main([str(made.write())]) == 2
    assert "and so no knee" in capsys.readouterr().err
