# SPDX-License-Identifier: Apache-2.0
"""Proofs that take long: memory in a run of many jobs and of judging a long history, a pool at rest, the quickstart."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MANY_JOBS = 10_000_000
MANY_OPERATIONS = 10_000_000
ENOUGH_MEMORY = 4 << 30  # for so many


def measure(readyq: Path, workload: str, *words: str) -> dict:
    done = subprocess.run([readyq, "run", "--workload", workload, "--quiet", *words], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("queue", ["erts_mpsc", "ticket_list"])
def test_memory_does_not_grow_with_the_number_of_jobs(readyq: Path, queue: str) -> None:
    """Peak memory after at least 10^7 jobs is that of a short run, but for what a few thousand jobs could hold."""
    words = ("--queue", queue, "--warmup", "200ms")
    short = measure(readyq, "closed_loop:window=1024", *words, "--duration", "300ms")
    rate = short["throughput_ops_per_s"]
    seconds = max(5, round(2 * MANY_JOBS / rate))
    for _ in range(3):  # the machine may have slowed down since
        long = measure(readyq, "closed_loop:window=1024", *words, "--duration", f"{seconds}s")
        if long["items_total"] >= MANY_JOBS:
            break
        seconds *= 2
    assert long["items_total"] >= MANY_JOBS
    assert long["items_lost"] == 0
    grown = long["peak_rss_bytes"] - short["peak_rss_bytes"]
    assert grown < 8 * 2**20, f"{grown / 2**20:.1f} MiB more after {long['items_total']} jobs"


@pytest.mark.slow
def test_a_long_history_is_judged_in_little_memory(readyq: Path, tmp_path: Path) -> None:
    path = tmp_path / "big.history"
    words = ("--queue", "mutex_list", "--check", "full", "--check-memory", "4096", "--history", str(path))
    for seconds in (10, 30, 90):  # the machine may be slow
        record = measure(readyq, "producer_consumer", *words, "--duration", f"{seconds}s")
        if record["history_operations"] >= MANY_OPERATIONS:
            break
    assert record["history_operations"] >= MANY_OPERATIONS
    assert (record["verdict"], record["history_scope"]) == ("ok", "full")
    done = subprocess.run(["prlimit", f"--as={ENOUGH_MEMORY}", readyq, "history", path, "--rank", "--json"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["counts"]["operations"] == record["history_operations"]
    assert told["verdict"] == "ok"


@pytest.mark.slow
def test_a_pool_at_rest_uses_no_cpu(readyq: Path) -> None:
    """Of 64 workers 63 rest: next to a pool of one worker with the same load they must add nothing."""
    few = measure(readyq, "closed_loop:workers=1,window=1,service_ns=10ms", "--duration", "2s")
    many = measure(readyq, "closed_loop:workers=64,window=1,service_ns=10ms", "--duration", "2s")
    used = [record["cpu_user_ns"] + record["cpu_system_ns"] for record in (few, many)]
    # The one job under way is busy by design; what 63 idle workers and a scheduler asleep add must be next to nothing.
    assert used[1] - used[0] < 0.05 * many["window_ns"], used
    assert used[1] < 1.1 * many["window_ns"], used


@pytest.mark.slow
def test_the_quickstart_works_in_a_fresh_clone(tmp_path: Path) -> None:
    """Of what is committed; so a file that was forgotten shows."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    environment = {name: value for name, value in os.environ.items() if name != "READYQ"}
    done = subprocess.run([clone / "scripts" / "quickstart"], cwd=clone, env=environment, capture_output=True, text=True,
                          check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    figures = list((clone / "results").glob("*/*/figures/*.png"))
    assert len(figures) >= 5
    shutil.rmtree(clone)
