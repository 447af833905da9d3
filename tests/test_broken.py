#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The program rejects each queue that is broken on purpose, and not the good ones beside them."""

import json
import subprocess
from pathlib import Path

import pytest

QUEUES = "producer_consumer"
PAIRS = "pairs"  # dequeues right after an enqueue, so that each EMPTY is false
POOL = "closed_loop:window=1"  # so that every sleep has to be ended by a notify

# queue, workload, verdict, exit reason, and the count that must tell
BROKEN = [
    ("broken_loses", QUEUES, "violated", "incorrect", "items_lost"),
    ("broken_duplicates", QUEUES, "violated", "incorrect", "items_duplicated"),
    ("broken_swaps", QUEUES, "violated", "incorrect", "items_lost"),
    ("broken_swaps", QUEUES, "violated", "incorrect", "items_duplicated"),
    ("broken_reorders", QUEUES, "violated", "incorrect", "items_reordered"),
    ("broken_hides", PAIRS, "violated", "incorrect", None),
    ("broken_sticks", QUEUES, None, "stuck", None),
    ("broken_loses", POOL, None, "stuck", None),
    ("broken_forgets", POOL, None, "stuck", None),
    ("broken_sticks", POOL, None, "stuck", None),
]


@pytest.fixture(scope="session")
def readyq_broken(readyq: Path) -> Path:
    """The program that knows the broken queues too, from the same build."""
    path = readyq.parent / "tests" / "readyq_broken"
    assert path.exists(), f"{path} is not built"
    return path


def run(program: Path, queue: str, workload: str) -> tuple[int, dict[str, object]]:
    """The exit code and the record of one run."""
    words = ["run", "--queue", queue, "--workload", workload, "--warmup", "20ms", "--duration", "100ms"]
    done = subprocess.run([program, *words, "--stuck", "2s", "--quiet"], capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize(("queue", "workload", "verdict", "reason", "count"), BROKEN)
def test_a_broken_queue_is_rejected(
    readyq_broken: Path, queue: str, workload: str, verdict: str | None, reason: str, count: str | None
) -> None:
    code, record = run(readyq_broken, queue, workload)
    assert code == 1
    assert record["status"] == "failed"
    assert record["exit_reason"] == reason, record
    assert verdict is None or record["verdict"] == verdict
    assert count is None or int(str(record[count])) > 0, record["verdict_detail"]


@pytest.mark.parametrize("workload", [QUEUES, PAIRS, POOL])
@pytest.mark.parametrize("queue", ["list", "erts_mpsc"])
def test_the_same_program_accepts_the_good_ones(readyq_broken: Path, queue: str, workload: str) -> None:
    code, record = run(readyq_broken, queue, workload)
    assert code == 0, record
    assert record["exit_reason"] == "ok", record
