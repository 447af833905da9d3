# SPDX-License-Identifier: Apache-2.0
"""What piles up behind a stall that lasts most of the run: far more than in the same load without one."""

import json
import subprocess
from pathlib import Path

import pytest

# Stalls of 200 ms take up most of a window of 300 ms; without them nothing waits longer than a busy machine makes it.
TIMES = ["--warmup", "50ms", "--duration", "300ms", "--sample-lengths", "1ms", "--quiet"]
EVERY, NEVER = 1000, 1_000_000_000
# A machine that is busy elsewhere stalls threads by itself, so what a stall adds may drown once, but not always.
ATTEMPTS = 4
CASES = {
    # Load, what grows, and what it at least is on average over the window.
    # Every second job goes to the stalled worker, until the whole window waits there.
    "worker": ("schedulers=1,workers=2,window=20000,service_ns=0", "job_queue_length_mean", 5000),
    # The worker, which takes 20 us a job, goes on; nobody takes what it has finished.
    "completion": ("schedulers=1,workers=1,window=20000,service_ns=20us", "ready_queue_length_mean", 200),
    # The other scheduler goes on, and what its jobs used waits for the progress of the one that stalls.
    "scheduler": ("schedulers=2,workers=1,window=64,service_ns=0", "elements_held_mean", 3000),
}


def length(readyq: Path, who: str, every: int) -> float:
    """The mean length of the kind that shows the stalls of `who`, of which there is one in `every` jobs."""
    load, column, _ = CASES[who]
    words = ["--workload", f"stall:who={who},{load},every={every},stall_ns=200ms", "--queue", "erts_mpsc"]
    done = subprocess.run(
        [readyq, "run", *words, "--pool", "erts", *TIMES], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads(done.stdout)
    assert (record["verdict"], record["items_lost"]) == ("ok", 0)
    return float(record[column])


@pytest.mark.parametrize("who", CASES)
def test_a_stall_shows_in_what_waits_behind_it(readyq: Path, who: str) -> None:
    least = CASES[who][2]
    seen = []
    for _ in range(ATTEMPTS):
        with_stalls, without = length(readyq, who, EVERY), length(readyq, who, NEVER)
        if with_stalls > max(least, 3 * without):
            return
        seen.append((with_stalls, without))
    pytest.fail(f"with and without stalls of the {who}: {seen}")
