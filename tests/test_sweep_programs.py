# SPDX-License-Identifier: Apache-2.0
"""A sweep that compares builds: each cell by each program, side by side, and no result that mixes two of a name."""

import csv
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, SweepRunner

AXIS = 'program = ["build/bare/readyq", "build/release/readyq"]\n'
Checkout = Callable[..., subprocess.CompletedProcess[str]]


def plan_of(axes: str, repeats: int = 3, base: str = "") -> str:
    head = f'name = "p"\nrepeats = {repeats}\ntimeout = "9s"\n[base]\nworkload = "w"\nduration = "1ms"\n{base}'
    return f"{head}[axes]\n{axes}"


@pytest.fixture
def checkout(tmp_path: Path, fake: Path) -> Path:
    """A checkout with two builds, unlike in their bytes only."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for build in ("bare", "release"):
        program = folder / "build" / build / "readyq"
        program.parent.mkdir(parents=True)
        program.write_text(fake.read_text() + f"# {build}\n")
        program.chmod(0o755)
    return folder


@pytest.fixture
def swept(checkout: Path, sweep: SweepRunner) -> Checkout:
    """Runs the checkout's own sweep."""

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        return sweep.command([checkout / "scripts" / "sweep", *words])

    return run


def rows(sweep: SweepRunner) -> list[dict[str, str]]:
    with open(sweep.out / "throughput.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def manifest(sweep: SweepRunner) -> dict[str, Any]:
    return json.loads((sweep.out / "manifest.json").read_text())


def changed(path: Path) -> None:
    path.write_text(path.read_text() + "# another\n")


def test_each_program_runs_each_cell_and_the_runs_of_a_cell_follow_each_other(
    swept: Checkout, sweep: SweepRunner
) -> None:
    finished = swept(sweep.write(plan_of(AXIS + 'queue = ["good", "null", "other"]\n')), "--out", sweep.out)
    assert finished.returncode == 0, finished.stderr
    assert "6 cells, 18 runs in 3 blocks" in finished.stderr
    table = rows(sweep)
    assert Counter((row["arm"], row["queue"], row["block"]) for row in table) == {
        (arm, queue, block): 1
        for arm in ("bare", "release") for queue in ("good", "null", "other") for block in "123"
    }  # fmt: skip
    for first, second in zip(table[::2], table[1::2], strict=True):
        assert (first["block"], first["queue"]) == (second["block"], second["queue"])
        assert {first["arm"], second["arm"]} == {"bare", "release"} and first["cell_id"] == second["cell_id"]
    assert len({row["run_id"] for row in table}) == 18


def test_the_manifest_has_each_program_with_its_hash(swept: Checkout, sweep: SweepRunner, checkout: Path) -> None:
    swept(sweep.write(plan_of(AXIS, base='queue = "good"\n')), "--out", sweep.out)
    told = manifest(sweep)
    assert [(one["arm"], one["path"], one["commit"]) for one in told["programs"]] == [
        ("bare", "build/bare/readyq", "0123456789ab"), ("release", "build/release/readyq", "0123456789ab")
    ]  # fmt: skip
    assert len({one["sha256"] for one in told["programs"]}) == 2
    assert [(cell["arm"], cell["command"].split()[0]) for cell in told["cells"]] == [
        ("bare", "build/bare/readyq"), ("release", "build/release/readyq")
    ]  # fmt: skip
    assert str(checkout) not in (sweep.out / "manifest.json").read_text()


def test_the_commands_are_listed_with_their_programs(swept: Checkout, sweep: SweepRunner) -> None:
    finished = swept(sweep.write(plan_of(AXIS, base='queue = "good"\n')), "--list")
    assert finished.stdout.splitlines() == [
        f"build/{build}/readyq run --workload w --queue good --duration 1ms" for build in ("bare", "release")
    ]


def test_cells_without_a_program_are_run_by_the_usual_one(
    swept: Checkout, sweep: SweepRunner, checkout: Path, fake: Path
) -> None:
    head = 'name = "p"\nrepeats = 1\n[base]\nworkload = "w"\nqueue = "good"\n'
    text = head + '[[part]]\nname = "a"\n[part.base]\nprogram = "build/bare/readyq"\n[[part]]\nname = "b"\n'
    finished = swept(sweep.write(text), "--out", sweep.out, "--program", fake)
    assert finished.returncode == 0, finished.stderr
    assert sorted(row["arm"] for row in rows(sweep)) == ["", "bare"]
    assert manifest(sweep)["program"]["path"] == "fake_readyq" and len(manifest(sweep)["programs"]) == 1
    changed(checkout / "build" / "release" / "readyq")
    assert swept("--resume", sweep.out, "--program", fake).returncode == 0
    changed(checkout / "build" / "bare" / "readyq")
    assert "was begun with a program of sha256" in swept("--resume", sweep.out, "--program", fake).stderr


def test_a_failed_run_is_a_row_of_its_arm(swept: Checkout, sweep: SweepRunner) -> None:
    finished = swept(sweep.write(plan_of(AXIS, repeats=1, base='queue = "crash"\n')), "--out", sweep.out)
    assert finished.returncode == 1
    assert sorted((row["arm"], row["exit_reason"]) for row in rows(sweep)) == [
        ("bare", "signal:SIGSEGV"), ("release", "signal:SIGSEGV")
    ]  # fmt: skip


def test_resume_makes_what_is_missing_of_each_arm_and_refuses_a_changed_program(
    swept: Checkout, sweep: SweepRunner, checkout: Path
) -> None:
    swept(sweep.write(plan_of(AXIS, base='queue = "good"\n')), "--out", sweep.out)
    path = sweep.out / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]))
    finished = swept("--resume", sweep.out)
    assert finished.returncode == 0 and "3 of 6 runs are missing" in finished.stderr
    assert Counter((row["arm"], row["block"]) for row in rows(sweep)) == {
        (arm, block): 1 for arm in ("bare", "release") for block in "123"
    }
    before = path.read_bytes()
    changed(checkout / "build" / "release" / "readyq")
    refused = swept("--resume", sweep.out)
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1
    assert "build/release/readyq has" in refused.stderr and refused.stderr.endswith("start a new sweep\n")
    (checkout / "build" / "release" / "readyq").unlink()
    gone = swept("--resume", sweep.out)
    assert gone.returncode == 2 and "no program at build/release/readyq" in gone.stderr
    assert gone.stderr.count("\n") == 1 and path.read_bytes() == before


def test_programs_of_other_columns_are_refused(swept: Checkout, sweep: SweepRunner, checkout: Path) -> None:
    path = checkout / "build" / "bare" / "readyq"
    path.write_text(path.read_text().replace('"samples", ', '"many", '))
    finished = swept(sweep.write(plan_of(AXIS, base='queue = "good"\n')), "--out", sweep.out)
    assert finished.returncode == 2 and "write different columns" in finished.stderr
    assert finished.stderr.count("\n") == 1 and not sweep.out.exists()


def test_two_names_of_one_program_are_one_cell_twice(swept: Checkout, sweep: SweepRunner) -> None:
    twice = 'program = ["build/bare/readyq", "build/./bare/readyq"]\n'
    finished = swept(sweep.write(plan_of(twice, base='queue = "good"\n')), "--out", sweep.out)
    assert finished.returncode == 2 and "are the same to the program" in finished.stderr


def test_a_zip_and_an_exclusion_may_name_programs(swept: Checkout, sweep: SweepRunner) -> None:
    text = plan_of('queue = ["good", "null"]\n') + "[[zip]]\n" + AXIS + 'warmup = ["1ms", "2ms"]\n'
    text += '[[exclude]]\nprogram = "build/bare/readyq"\nqueue = "null"\n'
    finished = swept(sweep.write(text), "--list")
    assert finished.returncode == 0, finished.stderr
    assert [(line.split()[0], line.split()[5], line.split()[7]) for line in finished.stdout.splitlines()] == [
        ("build/bare/readyq", "good", "1ms"), ("build/release/readyq", "good", "2ms"),
        ("build/release/readyq", "null", "2ms"),
    ]  # fmt: skip


def test_builds_of_the_real_program_are_compared_pair_by_pair(
    real_sweep: SweepRunner, readyq: Path, checkout: Path
) -> None:
    for build in ("bare", "release"):
        shutil.copy(readyq, checkout / "build" / build / "readyq")
    text = 'name = "p"\nrepeats = 5\n[base]\nworkload = "closed_loop"\nwarmup = "1ms"\nduration = "10ms"\n[axes]\n'
    done = real_sweep.command([checkout / "scripts" / "sweep", real_sweep.write(text + AXIS), "--out", real_sweep.out])
    assert done.returncode == 0, done.stderr
    words = ["--axis", "arm", "--base", "bare", "--any-regime", "--slowdown"]  # this machine may be restless
    done = real_sweep.command([ROOT / "scripts" / "compare", real_sweep.out, *words])
    assert done.returncode == 0, done.stderr
    assert "release / bare" in done.stdout and "(95 % confidence, 5 pairs)" in done.stdout.splitlines()[-1]
