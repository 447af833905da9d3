# SPDX-License-Identifier: Apache-2.0
"""The pool inside the real ERTS: the program moves into Erlang's emulator and behaves there as anywhere else."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command_line import Finished, Plugins, answer, ask, record_of, refusal
from conftest import wait_until

SHORT = ("--duration", "50ms", "--warmup", "10ms", "--quiet")


@pytest.fixture(autouse=True)
def built(known: Plugins) -> None:
    """Only where the emulator's headers were found."""
    entry = next(pool for pool in known["pools"] if pool["name"] == "beam")
    if not entry["built"]:
        pytest.skip(f"pool beam is not built; it needs {entry['package']}, and no sanitizer")


def run(program: Path, workload: str, *words: str, pool: str = "beam", **settings: Any) -> Finished:
    return ask(program, "run", "--workload", workload, "--pool", pool, *SHORT, *words, **settings)


def measured(program: Path, workload: str, *words: str, pool: str = "beam", **settings: Any) -> dict[str, Any]:
    """The record of a run that must succeed."""
    done = run(program, workload, *words, pool=pool, **settings)
    assert (done.returncode, done.stderr) == (0, ""), done
    record = record_of(done.stdout)
    assert (record["verdict"], record["operations"] > 0) == ("ok", True)
    return record


def members(session: int) -> list[str]:
    """The processes of a session, by name; those that have ended and were not waited for are left out."""
    names = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue  # it ended meanwhile
        state, _, _, of_session = rest.split()[:4]
        if int(of_session) == session and state != "Z":
            names.append(name)
    return names


@pytest.mark.parametrize(
    "workload",
    [
        "closed_loop:window=1",
        "closed_loop:window=4096",
        "closed_loop:window=256,workers=4",
        "closed_loop:window=64,workers=2,keys=16",
        "closed_loop:window=64,drain=no",
        "closed_loop:window=16,other_work_ns=2us",
        "blast:jobs=1000,workers=2",
    ],
)
def test_workloads(readyq: Path, workload: str) -> None:
    measured(readyq, workload)


def headers(folder: Path) -> dict[str, str]:
    """The columns of each file of results."""
    return {path.name: path.read_text().splitlines()[0] for path in folder.glob("*.csv")}


def test_the_record_is_as_of_any_pool(readyq: Path, tmp_path: Path) -> None:
    words = ("closed_loop:workers=2", "--csv")
    inside = measured(readyq, *words, str(tmp_path / "inside"), pool="beam:busy_wait=none")
    outside = measured(readyq, *words, str(tmp_path / "outside"), pool="erts")
    assert headers(tmp_path / "inside") == headers(tmp_path / "outside") != {}
    assert set(inside["latency"]) == set(outside["latency"])
    for name in ("allocator", "compiler", "build", "machine", "workload_params", "cpus", "workers"):
        assert inside[name] == outside[name], name
    assert inside["pool_params"] == "busy_wait=none"
    for name in ("cpu_user_ns", "switches_voluntary", "peak_rss_bytes"):
        assert inside[name] > 0, name


def test_the_allocator_asked_for_answers(readyq: Path) -> None:
    record = measured(readyq, "closed_loop", "--allocator", "libc")
    assert record["allocator"].startswith("libc")


def test_histories_are_judged(readyq: Path) -> None:
    record = measured(readyq, "closed_loop:window=64,workers=2,keys=4", "--check", "full")
    assert record["check"] == "full"
    assert record["history_scope"] == "full"


def test_it_is_pinned_as_it_is_told(readyq: Path) -> None:
    cpu = min(os.sched_getaffinity(0))
    record = measured(readyq, "closed_loop", "--pin", str(cpu))
    assert record["cpus"] == f"{cpu} {cpu}"


def test_flags_of_the_environment_change_nothing(readyq: Path) -> None:
    measured(readyq, "closed_loop:workers=2", env=os.environ | {"ERL_FLAGS": "+A 7", "ERL_ZFLAGS": "+S 2:2"})


def test_any_words_reach_it(readyq: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a 'b' \"c\" \n é"
    folder.mkdir()
    measured(readyq, "closed_loop", "--csv", str(folder), cwd=tmp_path)
    assert list(folder.iterdir())


def test_refusals(readyq: Path, tmp_path: Path) -> None:
    def refused(workload: str, *words: str, **settings: Any) -> str:
        return refusal(readyq, "run", "--workload", workload, "--pool", "beam", *words, **settings)

    assert "2 are asked for" in refused("closed_loop:schedulers=2")
    assert "needs at least one" in refused("closed_loop:workers=0")
    assert "only schedulers may" in refused("closed_loop:externals=1")
    no_erl = refused("closed_loop", "--allocator", "libc", env={"PATH": str(tmp_path)})
    assert "erlang-base" in no_erl


def test_without_its_driver(readyq: Path, tmp_path: Path) -> None:
    alone = tmp_path / "readyq"
    alone.write_bytes(readyq.read_bytes())
    alone.chmod(0o755)
    assert "readyq_beam.so" in refusal(alone, "run", "--workload", "closed_loop", "--pool", "beam")


def test_dry_runs_need_no_erl(readyq: Path, tmp_path: Path) -> None:
    words = ("run", "--dry-run", "--workload", "closed_loop", "--pool", "beam", "--allocator", "libc")
    assert record_of(answer(readyq, *words, env={"PATH": str(tmp_path)}))["pool"] == "beam"
    assert "driver_async" in answer(readyq, "describe", "beam", env={"PATH": str(tmp_path)})


def test_output_that_cannot_be_written(readyq: Path) -> None:
    words = [readyq, "run", "--workload", "closed_loop", "--pool", "beam", *SHORT]
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, "No space left" in done.stderr) == (2, True), done


def test_a_stuck_run(readyq: Path) -> None:
    done = ask(readyq, "run", "--workload", "closed_loop:window=1,service_ns=1s", "--pool", "beam", "--stuck", "100ms")
    assert done.returncode == 1, done
    assert json.loads(done.stdout)["exit_reason"] == "stuck"


@pytest.fixture
def long_run(readyq: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One that has moved into the emulator and would go on for a minute."""
    words = [readyq, "run", "--workload", "closed_loop", "--pool", "beam", "--duration", "60s", "--quiet"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        threads = Path(f"/proc/{process.pid}/task")
        try:
            wait_until(lambda: any((task / "comm").read_text() == "readyq\n" for task in threads.iterdir())
                       and "beam" in os.readlink(f"/proc/{process.pid}/exe"))
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_and_leave_nothing(long_run: subprocess.Popen[bytes], number: signal.Signals) -> None:
    time.sleep(0.3)  # into the run, or just before: either way it must end
    os.killpg(long_run.pid, number)
    stdout, stderr = long_run.communicate(timeout=30)
    assert (long_run.returncode, stdout, stderr) == (-number, b"", b"")
    wait_until(lambda: not members(long_run.pid))


def test_a_finished_run_leaves_nothing(readyq: Path) -> None:
    words = [readyq, "run", "--workload", "closed_loop", "--pool", "beam", *SHORT]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        assert process.wait(timeout=60) == 0
        wait_until(lambda: not members(process.pid))
