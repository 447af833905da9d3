# SPDX-License-Identifier: Apache-2.0
"""What the program says of queues that come from elsewhere or are broken, wherever it names one."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest


def ask(readyq: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([readyq, *words], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def queues(readyq: Path) -> list[dict[str, Any]]:
    return json.loads(ask(readyq, "list", "--json", "queues").stdout)["queues"]


def test_describe_says_from_where_and_what_is_broken(readyq: Path, queues: list[dict[str, Any]]) -> None:
    for queue in queues:
        done = ask(readyq, "describe", queue["name"])
        if not queue["built"]:
            assert done.returncode == 2 and queue["package"] in done.stderr
            continue
        lines = done.stdout.splitlines()
        origin = [line for line in lines if line.startswith("  from ")]
        broken = [line for line in lines if "BROKEN" in line]
        assert origin == ([f"  from {queue['package']} {queue['version']}"] if queue["package"] else [])
        assert broken == ([f"  BROKEN: {queue['broken']}"] if queue["broken"] else [])


def test_a_run_records_package_and_version(readyq: Path, queues: list[dict[str, Any]]) -> None:
    for queue in queues:
        if not queue["built"]:
            continue
        done = ask(readyq, "run", "--dry-run", "--workload", "producer_consumer:producers=1,consumers=1", "--queue",
                   queue["name"])
        assert done.returncode == 0, done.stderr
        expected = f"{queue['name']}={queue['package']} {queue['version']}" if queue["package"] else None
        assert json.loads(done.stdout).get("queue_origins") == expected


def test_a_broken_queue_is_for_queue_workloads_only(readyq: Path, queues: list[dict[str, Any]]) -> None:
    for queue in queues:
        if queue["built"] and queue["broken"]:
            done = ask(readyq, "run", "--dry-run", "--workload", "closed_loop", "--job-queue", queue["name"])
            assert (done.returncode, done.stdout) == (2, "")
            assert f"the queue {queue['name']} is broken (" in done.stderr and done.stderr.count("\n") == 1


def test_keys_refuse_a_relaxed_queue(readyq: Path) -> None:
    for queue in ("job", "ready"):
        done = ask(readyq, "run", "--dry-run", "--workload", "closed_loop:keys=4", f"--{queue}-queue", "kfifo")
        assert done.returncode == 2
        assert re.search(r"asked for keys, and the queue kfifo may .*\(trait order\)", done.stderr), done.stderr


def test_items_are_of_whole_words(readyq: Path) -> None:
    words = ("run", "--dry-run", "--queue", "list", "--workload")
    refused = ask(readyq, *words, "producer_consumer:item_bytes=12")
    assert refused.returncode == 2 and "item_bytes must be a multiple of 8, not 12" in refused.stderr
    assert ask(readyq, *words, "producer_consumer:item_bytes=16").returncode == 0
