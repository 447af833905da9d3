# SPDX-License-Identifier: Apache-2.0
"""What tests share: the built program and what it lists, the fake one, and a sweep to start with either."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
# A user's Python buffers its output, so what the scripts do when that can't be written is tested with buffers.
os.environ.pop("PYTHONUNBUFFERED", None)
# What is started in the background, as CI may be, ignores these, and so does all that it starts; the tests of what
# Ctrl-C does need them as a terminal has them.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

from benchlib import program  # noqa: E402
from benchlib.errors import Refused  # noqa: E402
from command_line import KINDS, Plugins, answer, record_of  # noqa: E402


# Files that take minutes, and so begin while others can still go on beside them.
FIRST = ("test_docs.py", "test_torture.py", "test_trace.py", "test_verdicts.py")
# Files whose tests may not run beside each other's: for root, LTTng has one fixed place.
TOGETHER = {"test_docs.py": "lttng", "test_trace.py": "lttng"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With pytest-xdist, a file's tests stay in one process: they share what takes long to make."""
    items.sort(key=lambda item: item.path.name not in FIRST)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(TOGETHER.get(item.path.name, item.path.name)))


@pytest.fixture(scope="session")
def readyq() -> Path:
    """The built program, named by READYQ or the release build. Without it a test fails; it is not skipped."""
    try:
        return program.find(None)
    except Refused as refusal:
        pytest.fail(str(refusal))


@pytest.fixture(scope="session")
def known(readyq: Path) -> Plugins:
    """All plug-ins, as `list --json` tells them."""
    lists: Plugins = json.loads(answer(readyq, "list", "--json"))
    assert list(lists) == KINDS
    return lists


@pytest.fixture(scope="session")
def on_queue(known: Plugins) -> str:
    """Some workload on a queue."""
    return str(next(load["name"] for load in known["workloads"] if load["subject"] == "queue"))


@pytest.fixture(scope="session")
def on_pool(known: Plugins) -> str:
    """Some workload on a pool."""
    return str(next(load["name"] for load in known["workloads"] if load["subject"] == "pool"))


@pytest.fixture(scope="session")
def sanitized(readyq: Path, on_queue: str) -> bool:
    """Whether this build has a malloc of its own."""
    record = record_of(answer(readyq, "run", "--dry-run", "--workload", on_queue))
    return "+" in record["build"]


@pytest.fixture(scope="session")
def fake() -> Path:
    """The program that only pretends."""
    return ROOT / "tests" / "fake_readyq"


class SweepRunner:
    """Starts scripts/sweep on a plan given as text. `out` is its result folder, `log` what the fake program ran."""

    def __init__(self, folder: Path, program_path: Path) -> None:
        self.folder = folder
        self.program = program_path
        self.out = folder / "out"
        self.log = folder / "runs.log"

    def write(self, text: str) -> Path:
        """The plan as a file."""
        path = self.folder / "plan.toml"
        path.write_text(text)
        return path

    def start(self, *words: object) -> subprocess.Popen[str]:
        """The sweep as a process of its own group, with its output in pipes."""
        return self._start([ROOT / "scripts" / "sweep", "--program", self.program, *words])

    def words(self, *words: object, before: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
        """The sweep with these words, until it ends; `before` is called in its process beforehand."""
        return self.command([ROOT / "scripts" / "sweep", "--program", self.program, *words], before)

    def command(
        self, words: Sequence[object], before: Callable[[], None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Any command, until it ends."""
        process = self._start(words, before)
        stdout, stderr = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def _start(self, words: Sequence[object], before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(word) for word in words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"FAKE_READYQ_LOG": str(self.log)},
            preexec_fn=before,
            start_new_session=True,
        )

    def run(self, text: str, *words: object) -> subprocess.CompletedProcess[str]:
        """A sweep of the plan into `out`."""
        return self.words(self.write(text), "--out", self.out, *words)

    def runs(self) -> list[list[str]]:
        """What the fake program was really asked to run: run_id, cell_id, block and process of each."""
        return [line.split() for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def wait_for_runs(self, count: int) -> None:
        """Until that many runs have begun."""
        wait_until(lambda: len(self.runs()) >= count)


def wait_until(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    """Waits for what must come; the time limit only ends a test that hangs."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for has not come"
        time.sleep(0.01)


@pytest.fixture
def sweep(tmp_path: Path, fake: Path) -> SweepRunner:
    """A sweep with the fake program."""
    return SweepRunner(tmp_path, fake)


@pytest.fixture
def real_sweep(tmp_path: Path, readyq: Path) -> SweepRunner:
    """A sweep with the built program."""
    return SweepRunner(tmp_path, readyq)
