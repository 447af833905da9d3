# SPDX-License-Identifier: Apache-2.0
"""scripts/compare takes ratios inside blocks only, and says in one sentence why it takes none."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest
from conftest import ROOT
from result_folder import INCORRECT, ResultFolder

from benchlib import compare_cli, table

COMPARE = ROOT / "scripts" / "compare"
DRIFT = (1, 5, 2, 40, 3, 7)  # of the machine, from block to block: it falls out of every ratio
RATIOS = (1.25, 1.5, 2.0, 1.75, 0.5, 3.0)  # of ticket to mutex; their median is 1.625


@pytest.fixture
def made(tmp_path: Path) -> ResultFolder:
    """A pool with three ready locks at two numbers of workers, and two queues in a pool of a workload without them."""
    folder = ResultFolder(tmp_path / "result")
    for workers in (1, 2):
        more = {"workload_params": f"workers={workers}"}
        for lock, ratios in (("mutex", (1,) * 6), ("ticket", RATIOS), ("mcs", (workers,) * 6)):
            values = [1e6 * drift * ratio for drift, ratio in zip(DRIFT, ratios, strict=True)]
            folder.pool("q", 1, workers, values, pool_params=f"ready_lock={lock}", **more)
        for queue in ("q", "r"):
            params = {"workload": "closed_loop", "pool_params": "ready_lock=mutex"}
            folder.pool(queue, 1, workers, [1e6] * 6, **params, **more)
    return folder


@pytest.fixture
def compared(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[list[str]]]:
    """The words of each line of the table that compare prints; it must print nothing else."""

    def read(folder: ResultFolder, *words: str) -> list[list[str]]:
        assert compare_cli.main([str(folder.write()), *words]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return [line.split() for line in out.splitlines()[1:]]

    return read


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one sentence with which compare refuses."""

    def read(folder: ResultFolder, *words: str) -> str:
        assert compare_cli.main([str(folder.write()), *words]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and err.startswith("compare: ")
        return err.removeprefix("compare: ").rstrip()

    return read


AXIS = ("--axis", "pool.ready_lock", "--base", "mutex")


def test_ratios_are_those_of_the_blocks_and_a_workload_with_one_value_is_left_out(
    made: ResultFolder, compared: Callable[..., list[list[str]]]
) -> None:
    header, *rows = compared(made, *AXIS, "--by", "workload,workload.workers")
    assert header == "workload workload.workers pool.ready_lock pairs ratio low high min max warnings".split()
    assert rows == [
        "blast 1 ticket / mutex 6 1.625 0.500 3.000 0.500 3.000".split(),
        "blast 1 mcs / mutex 6 1.000 1.000 1.000 1.000 1.000".split(),
        "blast 2 ticket / mutex 6 1.625 0.500 3.000 0.500 3.000".split(),
        "blast 2 mcs / mutex 6 2.000 2.000 2.000 2.000 2.000".split(),
    ]


@pytest.mark.filterwarnings("error")
def test_one_column_makes_groups_without_a_warning(
    made: ResultFolder, compared: Callable[..., list[list[str]]]
) -> None:
    made.rows = [row for row in made.rows if row["workers"] == 2]
    _, ticket, mcs = compared(made, *AXIS, "--by", "workload")
    assert ticket[:6] == "blast ticket / mutex 6 1.625".split() and mcs[:6] == "blast mcs / mutex 6 2.000".split()


def test_a_run_without_its_partner_is_left_out_and_said(
    made: ResultFolder, compared: Callable[..., list[list[str]]]
) -> None:
    made.rows = [row for row in made.rows if row["workers"] == 2 and row["workload"] == "blast"]
    (lost,) = [row for row in made.rows if "ticket" in row["pool_params"] and row["block"] == 4]
    lost |= INCORRECT
    _, ticket, _ = compared(made, *AXIS)
    assert ticket[:9] == "blast ticket / mutex 5 1.750 - - 1.250".split()
    assert "1 runs have no partner in their block" in " ".join(ticket)


def test_the_ratio_is_over_the_base(made: ResultFolder, compared: Callable[..., list[list[str]]]) -> None:
    made.rows = [row for row in made.rows if row["workers"] == 2 and row["workload"] == "blast"]
    _, mutex, ticket = compared(made, "--axis", "pool.ready_lock", "--base", "mcs")
    assert mutex[:6] == "blast mutex / mcs 6 0.500".split() and ticket[:6] == "blast ticket / mcs 6 0.812".split()


def test_whole_numbers_are_written_as_such_where_others_lack_them(
    made: ResultFolder, compared: Callable[..., list[list[str]]]
) -> None:
    made.rows = [row for row in made.rows if "mcs" in row["pool_params"]]
    made.queue("q", 1, 1, [1e6] * 6)
    words = ("--axis", "workload.workers", "--base", "1", "--by", "workload,queue,ready_queue")
    assert [row[:8] for row in compared(made, *words)[1:]] == ["blast - q 2 / 1 6 2.000".split()]


def test_groups_that_mix_cells_are_refused(made: ResultFolder, refused: Callable[..., str]) -> None:
    assert refused(made, *AXIS) == (
        "pool.ready_lock mutex has 2 runs in one block, so the groups mix different cells; add columns to --by"
    )


def test_the_best_other_value_is_a_base_of_its_own_in_each_group(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = ResultFolder(tmp_path)
    for workers, speeds in ((1, {"ours": 6, "twin": 9, "x": 3, "y": 2}), (2, {"ours": 6, "twin": 9, "x": 1, "y": 4})):
        for pool, speed in speeds.items():
            made.cell([1e6 * speed * drift for drift in DRIFT], pool=pool, workload="blast", schedulers=1,
                      workers=workers, threads=1 + workers)
    words = ["--axis", "pool", "--base", "best", "--of", "ours", "--leave-out", "twin", "--by", "workload,workers"]
    assert compare_cli.main([str(made.write()), *words]) == 0
    _, _, first, second, middle = capsys.readouterr().out.splitlines()
    assert first.split()[:7] == "blast 1 ours / x 6 2.000".split()
    assert second.split()[:7] == "blast 2 ours / y 6 1.500".split()
    assert middle == "median over the 2 groups with pairs: 1.750"
    assert compare_cli.main([str(made.folder), *words, "--metric", "workers"]) == 0  # the best by throughput still
    assert [line.split()[4] for line in capsys.readouterr().out.splitlines()[2:4]] == ["x", "y"]
    assert compare_cli.main([str(made.folder), *words, "--leave-out", "twn"]) == 2
    assert "pool never is 'twn' in this result" in capsys.readouterr().err


BAD = {
    "no column 'pool.ready_lok' in this result; the nearest: pool.ready_lock": ["--axis", "pool.ready_lok"],
    "no column 'workers_' in this result; the nearest: workers": [*AXIS, "--by", "workers_"],
    "no column 'lock' in this result; the nearest: ": [*AXIS, "--by", "workload,lock"],
    "no column 'nosuch' in this result; those that vary: job_queue, ready_queue, workers, workload.workers, ": [
        "--axis", "nosuch"
    ],
    "no column 'throughput' in this result; the nearest: throughput_ops_per_s": [*AXIS, "--metric", "throughput"],
    "column 'verdict' holds no numbers, so it has no ratio": [*AXIS, "--metric", "verdict"],
    "column 'items_lost' holds no numbers, so it has no ratio": [*AXIS, "--metric", "items_lost"],
    "pool.ready_lock never is 'spin' in this result; it is mutex, ticket, mcs": [*AXIS[:3], "spin"],
    "--by names no column": [*AXIS, "--by", ","],
    "nothing to compare with pool.ready_lock mutex in this result": [*AXIS, "--by", "pool.ready_lock,workload"],
    "steal_ns of pool.ready_lock mutex is 0 in a run": [*AXIS, "--by", "workload,workers", "--metric", "steal_ns"],
}


@pytest.mark.parametrize("sentence", BAD)
def test_what_cannot_be_compared_is_one_sentence(
    made: ResultFolder, refused: Callable[..., str], sentence: str
) -> None:
    for row in made.rows:
        row["steal_ns"] = 0
    said = refused(made, *BAD[sentence])
    assert said.startswith(sentence) and len(said) < 160


def test_a_setting_that_only_some_workloads_have_does_not_vary() -> None:
    runs = pandas.DataFrame({
        "workload": ["pairs", "pairs", "blast", "blast"], "workload.threads": [1, 2, None, None],
        "workload.jobs": [None, None, 5, 5], "operations": [1, 2, 3, 4],
    })  # fmt: skip
    assert compare_cli.varying(runs, list(runs.columns)) == "; those that vary: workload.threads"


def test_only_numbers_are_offered_as_a_metric(made: ResultFolder, refused: Callable[..., str]) -> None:
    said = refused(made, *AXIS, "--metric", "operation")
    offered = said.partition("nearest: ")[2].split(", ")
    runs = table.load(made.folder).throughput
    assert "operations" in offered and all(runs[name].dtype.kind in "if" for name in offered)


def test_runs_without_blocks_are_refused(readyq: Path, tmp_path: Path) -> None:
    for lock in ("mutex", "ticket"):
        short = ["--warmup", "1ms", "--duration", "10ms", "--pool", f"erts:ready_lock={lock}"]
        words = [readyq, "run", "--quiet", "--workload", "blast", *short, "--csv", tmp_path / "out"]
        subprocess.run(words, check=True, capture_output=True, timeout=60)
    done = compare(tmp_path / "out", *AXIS)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"compare: {tmp_path / 'out'}: its runs belong to no blocks")
    assert done.stderr.count("\n") == 1


def compare(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run([COMPARE, *map(str, words)], text=True, check=False, timeout=60, **streams)


def test_an_output_that_cannot_be_written_is_one_sentence_and_a_reader_that_leaves_none(made: ResultFolder) -> None:
    words = [made.write(), *AXIS, "--by", "workload,workers"]
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = compare(*words, stdout=full)
    assert (done.returncode, done.stderr) == (2, "compare: cannot write to standard output: No space left on device\n")
    ours, its = os.pipe()
    os.close(ours)
    done = compare(*words, stdout=its)
    os.close(its)
    assert (done.returncode, done.stderr) == (141, "")


# Parts of a plan


def test_only_the_runs_of_a_part_are_compared_if_one_is_named(
    tmp_path: Path, compared: Callable[..., list[list[str]]], refused: Callable[..., str]
) -> None:
    folder = ResultFolder(tmp_path / "parts")
    folder.pool("q", 1, 1, [1e6] * 6, pool_params="batch=1;elements=prepared", part="batch", also_in=["elements"])
    folder.pool("q", 1, 1, [3e6] * 6, pool_params="batch=4;elements=prepared", part="batch")
    folder.pool("q", 1, 1, [2e6] * 6, pool_params="batch=1;elements=worker", part="elements")
    words = ("--axis", "pool.batch", "--base", "1")
    assert "runs in one block" in refused(folder, *words)
    assert compared(folder, *words, "--part", "batch")[1][:6] == "blast 4 / 1 6 3.000".split()
    words = ("--axis", "pool.elements", "--base", "prepared", "--part")
    assert compared(folder, *words, "elements")[1][:6] == "blast worker / prepared 6 2.000".split()
    assert refused(folder, *words, "pool") == "no part 'pool' in this result; it has batch, elements"
    folder.manifest = {}
    assert refused(folder, *words, "pool") == "no part 'pool' in this result; it has none that are known"


# Metrics that are no column


@pytest.fixture
def rates(tmp_path: Path) -> ResultFolder:
    """Two pools at two rates: `ours` has half the latency at the first, and a third of the CPU time at the second."""
    folder = ResultFolder(tmp_path / "rates")
    for rate, pool, p99, cpu_ns in ((1000, "ours", 500, 30), (1000, "tbb", 1000, 30), (2000, "ours", 70, 10),
                                    (2000, "tbb", 70, 30)):
        folder.cell(
            [rate] * 6, pool=pool, workload="open_loop", schedulers=1, workers=1, threads=2,
            workload_params=f"rate={rate}", cpu_ns_per_operation=cpu_ns, window_ns=10**9,
            p99={"total": [p99 * drift for drift in DRIFT], "service": [7] * 6},
        )
    return folder


BY_RATE = ("--axis", "pool", "--of", "ours", "--base", "tbb", "--by", "workload.rate")


def test_a_percentile_of_a_stage_is_a_metric(
    rates: ResultFolder, capsys: pytest.CaptureFixture[str], compared: Callable[..., list[list[str]]]
) -> None:
    _, first, second, middle = compared(rates, *BY_RATE, "--metric", "total.p99")
    assert first == "1000 ours / tbb 6 0.500 0.500 0.500 0.500 0.500".split()
    assert second == "2000 ours / tbb 6 1.000 1.000 1.000 1.000 1.000".split() and middle[-1] == "0.750"
    assert compare_cli.main([str(rates.folder), *BY_RATE, "--metric", "total.p99"]) == 0
    assert capsys.readouterr().out.startswith("total.p99: ratio within a block")
    assert [row[4] for row in compared(rates, *BY_RATE, "--metric", "service.p99")[1:3]] == ["6", "6"]


def test_cost_and_quotients_are_metrics(
    rates: ResultFolder, compared: Callable[..., list[list[str]]]
) -> None:
    for metric, ratios in (("cpu_ns_per_operation", ["1.000", "0.333"]), ("cpus", ["1.000", "1.000"])):
        assert [row[5] for row in compared(rates, *BY_RATE, "--metric", metric)[1:3]] == ratios


def test_runs_without_the_percentile_are_left_out_and_counted(
    rates: ResultFolder, compared: Callable[..., list[list[str]]]
) -> None:
    (lost,) = [row for row in rates.latencies if row["stage"] == "total" and row["pool"] == "ours"
               and row["workload_params"] == "rate=1000" and row["block"] == 2]
    lost["latency_p99_ns"] = ""
    _, first, _, _, gaps = compared(rates, *BY_RATE, "--metric", "total.p99")
    assert first[:6] == "1000 ours / tbb 5 0.500".split()
    assert " ".join(gaps) == "1 of 24 runs have no total.p99: too few samples, or no such stage"


def test_a_percentile_that_is_not_there_is_refused(rates: ResultFolder, refused: Callable[..., str]) -> None:
    said = refused(rates, *BY_RATE, "--metric", "totl.p99")
    assert said.startswith("no column 'totl.p99' in this result; the nearest: total.p99")
    assert refused(rates, *BY_RATE, "--metric", "total.p98").startswith("no column 'total.p98' in this result")
    for row in rates.latencies:
        row["latency_p99_ns"] = ""
    assert refused(rates, *BY_RATE, "--metric", "total.p99").startswith("column 'total.p99' holds no numbers")


# How much slower


@pytest.fixture
def arms(tmp_path: Path) -> Callable[[list[float]], ResultFolder]:
    """A result in which `release` has these ratios to `bare`, whatever the machine did meanwhile."""

    def make(ratios: list[float]) -> ResultFolder:
        folder = ResultFolder(tmp_path / "arms")
        drift = [1e6 * DRIFT[block % len(DRIFT)] for block in range(len(ratios))]
        folder.pool("q", 1, 1, drift, workload="closed_loop", arm="bare")
        scaled = [value * ratio for value, ratio in zip(drift, ratios, strict=True)]
        folder.pool("q", 1, 1, scaled, workload="closed_loop", arm="release")
        for row in folder.rows:
            row["cell_id"] = "cell0001"
        return folder

    return make


ARM = ("--axis", "arm", "--base", "bare")
# Of 60, the 24th smallest is what the median is at least with 95 % confidence, the 24th greatest what it is at most.
EDGE = {"least": 23, "most": 36}


def slowdown(capsys: pytest.CaptureFixture[str], folder: ResultFolder, *words: str) -> tuple[int, str]:
    code = compare_cli.main([str(folder.write()), *ARM, "--slowdown", *words])
    out, err = capsys.readouterr()
    assert err == "" and len(out.splitlines()) == 4
    return code, out.splitlines()[-1]


@pytest.mark.parametrize(
    ("at_least", "at_most", "limit", "code", "said"),
    [
        (0.985, 0.99, "2", 0, "at most 1.50 % slower than bare (95 % confidence, 60 pairs); the limit of 2 % holds"),
        (0.9851, 0.99, None, 0, "at most 1.49 % slower than bare (95 % confidence, 60 pairs)"),
        (0.97999, 0.99, "2", 3, "at most 2.01 % slower than bare (95 % confidence, 60 pairs); the limit of 2 % is not"),
        (0.98, 0.99, "2", 0, "at most 2.00 % slower than bare (95 % confidence, 60 pairs); the limit of 2 % holds"),
        (0.9, 0.97, "2", 1, "at most 10.00 % slower than bare (95 % confidence, 60 pairs); the limit of 2 % is broken"),
        (1.25, 1.5, "0", 0, "at least 25.00 % faster than bare (95 % confidence, 60 pairs); the limit of 0 % holds"),
    ],
)
def test_the_slowdown_is_bounded_by_the_right_order_statistic(
    arms: Callable[[list[float]], ResultFolder], capsys: pytest.CaptureFixture[str], at_least: float, at_most: float,
    limit: str | None, code: int, said: str,
) -> None:
    below, between, above = EDGE["least"], EDGE["most"] - EDGE["least"] - 1, 60 - EDGE["most"] - 1
    ratios = [at_least / 2] * below + [at_least] + [at_most] * between + [at_most] + [at_most * 2] * above
    ended, line = slowdown(capsys, arms(ratios), *([limit] if limit else []))
    assert ended == code and line.startswith(f"workload closed_loop: release is {said}")


def test_five_pairs_are_needed_to_bound_a_slowdown(
    arms: Callable[[list[float]], ResultFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    few = "workload closed_loop: 4 pairs do not bound the slowdown of release, 5 are needed"
    assert slowdown(capsys, arms([1.0] * 4), "2") == (3, few)
    assert slowdown(capsys, arms([1.0] * 5), "2")[0] == 0


def test_every_value_and_group_has_its_line_and_the_worst_makes_the_exit_code(
    made: ResultFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    made.rows = [row for row in made.rows if row["workload"] == "blast"]
    words = ["--axis", "pool.ready_lock", "--base", "mcs", "--by", "workload.workers", "--slowdown", "10"]
    assert compare_cli.main([str(made.write()), *words]) == 1
    lines = capsys.readouterr().out.splitlines()[-4:]
    assert [line.partition(" (")[0] for line in lines] == [
        "workload.workers 1: mutex is at most 0.00 % slower than mcs",
        "workload.workers 1: ticket is at most 50.00 % slower than mcs",
        "workload.workers 2: mutex is at most 50.00 % slower than mcs",
        "workload.workers 2: ticket is at most 75.00 % slower than mcs",
    ]
    verdicts = [line.partition("% ")[2].rpartition("% ")[2] for line in lines]
    assert verdicts == ["holds", "is not decided", "is broken", "is not decided"]


def test_a_slowdown_is_one_of_throughput(made: ResultFolder, refused: Callable[..., str]) -> None:
    said = refused(made, *AXIS, "--metric", "operations", "--slowdown")
    assert said == "--slowdown is about throughput_ops_per_s, not operations: leave one of the two options out"


@pytest.mark.parametrize("percent", ["two", "-1", "100", "nan", "1e999"])
def test_a_limit_that_is_no_percentage_is_refused(
    made: ResultFolder, capsys: pytest.CaptureFixture[str], percent: str
) -> None:
    with pytest.raises(SystemExit) as left:
        compare_cli.main([str(made.write()), *AXIS, f"--slowdown={percent}"])
    assert left.value.code == 2 and f'"{percent}" is no percentage' in capsys.readouterr().err
