# SPDX-License-Identifier: Apache-2.0
"""A sweep over checks: each run says how far its history was judged, what it cost compares, and judging has its time."""

import csv
import re
from pathlib import Path

from conftest import ROOT, SweepRunner

from benchlib import schedule

PLAN = """
name = "p"
repeats = 6
[base]
workload = "producer_consumer"
warmup = "1ms"
duration = "20ms"
check_memory = 64
[axes]
queue = ["mutex_list", "erts_mpsc"]
check = ["none", "sampled", "full"]
"""


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "throughput.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pairs(line: str) -> int:
    """Those compared, and those that it says it left out, as the machine changed between their runs."""
    left_out = re.search(r"\b(\d+) pairs of different regimes are left out", line)
    return int(line.split()[4]) + (int(left_out[1]) if left_out else 0)


def test_check_is_an_axis(real_sweep: SweepRunner) -> None:
    finished = real_sweep.run(PLAN)
    assert finished.returncode == 0, finished.stderr
    found = rows(real_sweep.out)
    assert len(found) == 36 and len({row["cell_id"] for row in found}) == 6
    for row in found:
        assert row["history_scope"] == row["check"] and row["schema_version"] == "5"
        assert (row["history_operations"] != "") == (row["check"] != "none")
        assert row["check_memory_mib"] == ("" if row["check"] == "none" else "64")
    words = ["--axis", "check", "--base", "none", "--by", "queue"]
    compared = real_sweep.command([ROOT / "scripts" / "compare", real_sweep.out, *words])
    assert compared.returncode == 0, compared.stderr
    lines = [line for line in compared.stdout.splitlines() if " / none" in line]
    assert sorted([*line.split()[:4], pairs(line)] for line in lines) == [
        [queue, check, "/", "none", 6] for queue in ("erts_mpsc", "mutex_list") for check in ("full", "sampled")
    ]


FAKE = """
name = "p"
repeats = 1
timeout = "100ms"
[base]
workload = "w"
queue = "slow"
duration = "1ms"
{}
"""


def test_a_run_has_its_time_to_judge(sweep: SweepRunner) -> None:
    """One that takes half a second is over time, unless it has a history to judge."""
    finished = sweep.run(FAKE.format(""))
    assert finished.returncode == 1 and "failed, timeout" in finished.stderr
    finished = sweep.words(sweep.write(FAKE.format('check = "full"\ncheck_memory = 100')), "--out", sweep.folder / "2")
    assert finished.returncode == 0, finished.stderr
    assert schedule.judging_seconds({"check_memory_mib": 100}) > 2
    assert schedule.judging_seconds({}) == 0
