# SPDX-License-Identifier: Apache-2.0
"""Out of memory at each place of the program that asks for it: a refusal in one sentence, and nothing half-written."""
import csv
import os
import subprocess

import pytest

RUNS = {
    "queue": ["--workload", "producer_consumer", "--queue", "erts_mpsc"],
    "pool": ["--workload", "closed_loop:workers=2", "--pool", "erts:accounting=yes"],
    "ports": ["--workload", "port_churn", "--pool", "erts:completion=worker,stop=poison"],
    "files": ["--workload", "file_io:directory=.,file_bytes=262144,schedulers=2"],
    "packing": ["--workload", "deflate:input_bytes=20k,block_bytes=4096,window=4"],
    "history of a queue": ["--workload", "producer_consumer", "--check", "full", "--check-memory", "16"],
    "history of a pool": ["--workload", "closed_loop:keys=2", "--check", "full", "--check-memory", "16"],
}


def run(readyq, words, folder, site):
    count = folder / "count"
    shim = readyq.parent / "tests" / "libfailing_malloc.so"
    finished = subprocess.run(
        [readyq, "run", *words, "--allocator", "libc", "--warmup", "1ms", "--duration", "20ms", "--csv", folder / "csv"],
        env={**os.environ, "LD_PRELOAD": str(shim), "FAIL_SITE": str(site), "FAIL_COUNT": str(count)},
        capture_output=True, text=True, timeout=60, check=False)
    return finished, int(count.read_text()) if count.exists() else 0


def rows(folder):
    with open(folder / "csv" / "throughput.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", RUNS)
def test_without_memory_at_any_place_the_run_is_refused(readyq, name, tmp_path):
    words = RUNS[name]
    finished, places = run(readyq, words, tmp_path, 0)
    assert finished.returncode == 0, finished.stderr
    assert places > 5, "the places were not counted"
    codes = []
    for site in range(1, places + 1):
        before = rows(tmp_path)
        finished, _ = run(readyq, words, tmp_path, site)
        said = [line for line in finished.stderr.splitlines() if line.startswith("readyq: ")]
        news = rows(tmp_path)[len(before):]
        codes.append(finished.returncode)
        if finished.returncode == 2:
            assert len(said) == 1 and not news, f"place {site} said {finished.stderr!r}"
        else:
            # It could go on: rightly, or with every job refused, or unable to judge itself, and then it says so.
            assert finished.returncode in (0, 1), f"place {site}: {finished.returncode}, {finished.stderr}"
            assert [row["status"] for row in news] == [("ok", "failed")[finished.returncode]], f"place {site}"
    assert codes.count(2) > 5
