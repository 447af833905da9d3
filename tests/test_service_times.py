# SPDX-License-Identifier: Apache-2.0
"""Every workload whose jobs take a time keeps its workers busy for that time at least, and its records say so."""

import json
import subprocess
from pathlib import Path
from typing import Any

ASKED_NS = 20_000
LEAST_NS = ASKED_NS - 100  # ticks are whole, and a bin is told by its lower end


def answer(readyq: Path, *words: str) -> Any:
    done = subprocess.run([readyq, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def loads(readyq: Path) -> dict[str, str]:
    """By name, each workload that has such a time, with every job timed."""
    found = {}
    for workload in answer(readyq, "list", "workloads", "--json")["workloads"]:
        params = {param["name"] for param in workload["params"]}
        if "service" in workload["stages"] and "service_ns" in params:
            every = ",sample_every=1" if "sample_every" in params else ""
            found[workload["name"]] = f"{workload['name']}:service_ns={ASKED_NS}{every}"
    return found


def test_no_job_is_shorter_than_asked_for(readyq: Path) -> None:
    found = loads(readyq)
    assert {"blast", "closed_loop", "idle_wake", "keyed", "open_loop", "scheduler_busy", "stall"} <= found.keys()
    for name, load in found.items():
        record = answer(readyq, "run", "--quiet", "--workload", load, "--warmup", "1ms", "--duration", "100ms")
        service = record["latency"]["service"]
        assert service["samples"] > 0 and service["latency_min_ns"] >= LEAST_NS, f"{name}: {service}"
