# SPDX-License-Identifier: Apache-2.0
"""Sentinels fall into regimes by a written rule; runs are compared within one; verdicts on the environment are told."""

import math
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
from result_folder import ResultFolder

from benchlib import compare_cli, environment, regimes, summary, table


def frame(*pairs: tuple[float | None, float | None]) -> pandas.DataFrame:
    return pandas.DataFrame(pairs, columns=[regimes.BEFORE, regimes.AFTER], dtype=float)


def found(*pairs: tuple[float | None, float | None]) -> list[tuple[str, int]]:
    return [(regime.name, regime.count) for regime in regimes.find(frame(*pairs))]


def test_one_regime_however_it_scatters() -> None:
    assert found((60, 62), (70, 75), (89, 80), (100, 130), (149, 110)) == [("around 84 ns", 10)]


def test_two_regimes() -> None:
    assert found((60, 62), (63, 171), (170, 175)) == [("around 62 ns", 3), ("around 171 ns", 3)]


def test_three_regimes() -> None:
    assert found((60, 61), (60, 61), (170, 171), (170, 172), (900, 910)) == [
        ("around 60 ns", 4), ("around 170 ns", 4), ("around 905 ns", 2)
    ]  # fmt: skip


def test_the_gap_is_a_factor() -> None:
    assert len(found((100, 100), (150, 150))) == 2
    assert len(found((100, 100), (149.9, 149.9))) == 1


def test_few_values_make_no_regime() -> None:
    assert len(found((60, 61), (62, 900))) == 1
    many = [(60.0, 61.0)] * 20
    assert len(found(*many, (900, 901))) == 1  # 2 of 42 are less than a tenth
    assert len(found(*many, (900, 901), (900, 901), (900, 901))) == 2


def test_no_sentinels() -> None:
    assert regimes.find(frame()) == [] and found((None, None), (None, None)) == []
    assert regimes.find(pandas.DataFrame({"block": [1]})) == []
    assert regimes.label(frame((None, None)), []).isna().all()


def test_labels() -> None:
    runs = frame((60, 62), (63, 171), (170, 175), (61, None), (62, 61))
    assert regimes.label(runs, regimes.find(runs)).tolist() == [
        "around 62 ns", regimes.STRADDLING, "around 171 ns", None, "around 62 ns"
    ]  # fmt: skip


def test_a_lone_outlier_makes_no_regime_but_its_run_straddles() -> None:
    runs = frame((60, 62), (61, 9000), (63, 60))
    assert regimes.label(runs, regimes.find(runs)).tolist() == [
        "around 62 ns", regimes.STRADDLING, "around 62 ns"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("a", "a", True), ("a", "b", False), (None, "a", True), ("a", math.nan, True), (None, None, True),
        (regimes.STRADDLING, "a", False), (regimes.STRADDLING, regimes.STRADDLING, False),
        (None, regimes.STRADDLING, False),
    ],
)  # fmt: skip
def test_alike(first: object, second: object, alike: bool) -> None:
    assert regimes.alike(first, second) == alike


# In scripts/compare

AXIS = ("--axis", "pool.ready_lock", "--base", "mutex")
QUIET, FAR = (60, 61), (170, 171)


@pytest.fixture
def made(tmp_path: Path) -> ResultFolder:
    """Six blocks. `ticket` is twice as fast where both runs were in one regime, and 10 times where they were not."""
    folder = ResultFolder(tmp_path / "result")
    sentinels = {
        "mutex": [QUIET, QUIET, FAR, FAR, QUIET, (60, 170)],
        "ticket": [QUIET, FAR, FAR, QUIET, QUIET, QUIET],
    }
    rates = {"mutex": [1e6] * 6, "ticket": [2e6, 1e7, 2e6, 1e7, 2e6, 1e7]}
    for lock, values in rates.items():
        folder.pool("q", 1, 1, values, pool_params=f"ready_lock={lock}")
        for row, (before, after) in zip(folder.rows[-6:], sentinels[lock], strict=True):
            row[regimes.BEFORE], row[regimes.AFTER] = before, after
    return folder


@pytest.fixture
def compared(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    def run(folder: ResultFolder, *words: str) -> list[str]:
        assert compare_cli.main([str(folder.write()), *AXIS, *words]) == 0
        return capsys.readouterr().out.splitlines()

    return run


def test_pairs_are_of_one_regime(made: ResultFolder, compared: Callable[..., list[str]]) -> None:
    lines = compared(made)
    assert lines[2].split()[:6] == "blast ticket / mutex 3 2.000".split()
    assert "3 pairs of different regimes are left out" in lines[2]
    assert "no partner" not in lines[2]
    assert lines[3] == "sentinel: 2 regimes, around 60 ns and around 170 ns; 1 of 12 runs straddle them"


def test_regimes_may_be_overlooked(made: ResultFolder, compared: Callable[..., list[str]]) -> None:
    lines = compared(made, "--any-regime")
    assert lines[2].split()[:6] == "blast ticket / mutex 6 6.000".split()
    assert "left out" not in lines[2]


def test_runs_without_sentinels_are_paired(made: ResultFolder, compared: Callable[..., list[str]]) -> None:
    for row in made.rows:
        del row[regimes.BEFORE], row[regimes.AFTER]
    lines = compared(made)
    assert lines[2].split()[4] == "6" and len(lines) == 3


# Verdicts


def test_verdicts_are_counted_and_told(made: ResultFolder, compared: Callable[..., list[str]]) -> None:
    runs = table.load(made.write()).throughput
    assert environment.note(runs) == "" and environment.commonest_reasons(runs) == []
    assert "Environment" not in "\n".join(summary.lines(table.load(made.folder)))
    steal, other = "the hypervisor kept back 3.25 % of the CPUs' time", "other processes took 0.75 of a CPU"
    for row, verdict, reasons in zip(
        made.rows,
        ["valid", "suspect", "invalid", "suspect", *["valid"] * 8],
        ["", steal, f"{other}; {steal}", steal.replace("3.25", "12.0"), *[""] * 8],
        strict=True,
    ):
        row["environment_verdict"], row["environment_reasons"] = verdict, reasons
    runs = table.load(made.write()).throughput
    assert environment.count(runs) == {"valid": 9, "suspect": 2, "invalid": 1}
    assert environment.note(runs) == "2 of 12 runs suspect, 1 invalid"
    assert environment.commonest_reasons(runs) == [
        ("the hypervisor kept back N % of the CPUs' time", 3), ("other processes took N of a CPU", 1)
    ]  # fmt: skip
    assert any(line.startswith("Environment: 2 of 12 runs suspect, 1 invalid. The commonest reasons")
               for line in summary.lines(table.load(made.folder)))  # fmt: skip
    assert compared(made)[-1] == (
        "environment: 2 of 12 runs suspect, 1 invalid: the hypervisor kept back N % of the CPUs' time (3 runs); "
        "other processes took N of a CPU (1 runs)"
    )
