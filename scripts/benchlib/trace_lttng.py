# SPDX-License-Identifier: Apache-2.0
"""Recording with LTTng's user-space tracer, by a session daemon of our own that knows and disturbs no other."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from benchlib import trace_process
from benchlib.errors import Refused
from benchlib.trace_events import KINDS, Recording, table

PACKAGES = "lttng-tools and python3-bt2 (scripts/setup tests installs them)"
EVENT = "readyq:aio_pool_"
SESSION, CHANNEL = "readyq", "jobs"
SUB_BUFFERS = 8  # of each CPU's buffer
READY_TIMEOUT_S, COMMAND_TIMEOUT_S, REGISTER_TIMEOUT_MS = 20.0, 60.0, 30_000
# For root, and only for root, LTTng has one fixed place. Others have theirs below LTTNG_HOME.
ROOTS_PLACE = Path("/run/lttng")
NO_GROUP = "readyq-none"  # of those who may talk to root's daemon: with this name there is none
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000


def record(command: list[str], folder: Path, stdout: Path, buffer_kib: int, lossless: bool) -> tuple[int, Recording]:
    """Runs `command`, built with LTTng's events, and returns its exit code and what was recorded.

    `folder` is for everything that is not needed afterwards. `buffer_kib` is the memory for the events of each CPU.
    """
    for tool in ("lttng-sessiond", "lttng"):
        if not shutil.which(tool):
            raise Refused(f"{tool} is not installed; needed are the packages {PACKAGES}")
    trace = folder / "trace"
    environment = os.environ | {
        "LTTNG_HOME": str(folder),
        "LTTNG_UST_REGISTER_TIMEOUT": str(REGISTER_TIMEOUT_MS),
        "LTTNG_UST_ALLOW_BLOCKING": "1" if lossless else "0",
    }
    if not lossless:
        del environment["LTTNG_UST_ALLOW_BLOCKING"]
    with place_of_our_own(folder), daemon(folder, environment):
        client = Client(environment)
        client.ask("create", SESSION, "--output", str(trace))
        size = f"{max(buffer_kib // SUB_BUFFERS, 4)}k"
        blocking = ["--blocking-timeout=inf"] if lossless else []
        client.ask("enable-channel", "--userspace", "--session", SESSION, "--subbuf-size", size, "--num-subbuf",
                   str(SUB_BUFFERS), *blocking, CHANNEL)  # fmt: skip
        client.ask("enable-event", "--userspace", "--session", SESSION, "--channel", CHANNEL, f"{EVENT}*")
        client.ask("start", SESSION)
        with trace_process.running(command, environment, stdout, None) as process:
            code = process.wait()
        client.ask("stop", SESSION)
        client.ask("destroy", SESSION)
    return code, read(trace)


@contextlib.contextmanager
def place_of_our_own(folder: Path) -> Iterator[None]:
    """For root: ROOTS_PLACE is a folder that only this process and its children see.

    Where the system forbids that (a container), the daemon starts in the real one, unless another is there already.
    """
    if os.geteuid() != 0 or not _leave_others_mounts():
        yield
        return
    ours = folder / "run"
    ours.mkdir()
    made = not ROOTS_PLACE.exists()
    ROOTS_PLACE.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "--bind", ours, ROOTS_PLACE], capture_output=True, check=False).returncode == 0
    try:
        yield
    finally:
        with trace_process.undisturbed():
            if mounted:
                subprocess.run(["umount", "--lazy", ROOTS_PLACE], capture_output=True, check=False)
            if made:
                with contextlib.suppress(OSError):
                    ROOTS_PLACE.rmdir()


def _leave_others_mounts() -> bool:
    """From now on this process has mounts of its own."""
    libc = ctypes.CDLL(None)
    return libc.unshare(CLONE_NEWNS) == 0 and libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) == 0


@contextlib.contextmanager
def daemon(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """LTTng's session daemon while it is needed. It tells by SIGUSR1 that it takes programs and commands."""
    ready = []

    def note(number: int, frame: FrameType | None) -> None:
        ready.append(number)

    log = folder / "daemon.log"
    before = signal.signal(signal.SIGUSR1, note)
    command = ["lttng-sessiond", "--no-kernel", "--sig-parent", "--group", NO_GROUP]
    try:
        with trace_process.running(command, environment, log, log) as process:
            deadline = time.monotonic() + READY_TIMEOUT_S
            while not ready:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Refused(f"LTTng's session daemon did not start: {_complaint(log)}")
                time.sleep(0.01)
            yield
    finally:
        signal.signal(signal.SIGUSR1, before)


class Client:
    """LTTng's command line, talking to our daemon and starting none by itself."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def ask(self, *words: str) -> None:
        """Carries out one command, or refuses with what it said."""
        command = ["lttng", "--no-sessiond", "--group", NO_GROUP, *words]
        try:
            done = subprocess.run(
                command, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                errors="replace", timeout=COMMAND_TIMEOUT_S, check=False, process_group=0,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Refused(f"'lttng {words[0]}' did not end in {COMMAND_TIMEOUT_S:.0f} s") from error
        if done.returncode != 0:
            said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            raise Refused(f"'lttng {words[0]}' failed: {said[0] if said else 'it said nothing'}")


def _complaint(log: Path) -> str:
    errors = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("Error: ")]
    return errors[0].removeprefix("Error: ") if errors else trace_process.last_line(log)


def read(trace: Path) -> Recording:
    """The events of a finished trace."""
    try:
        import bt2  # of a package that nothing else needs
    except ImportError as error:
        raise Refused(f"Python's module bt2 is not installed; needed are the packages {PACKAGES}") from error
    kind_of = {f"{EVENT}{kind}": number for number, kind in enumerate(KINDS)}
    kinds, times, ids, lengths = array("b"), array("q"), array("q"), array("q")
    lost = 0
    if not any(trace.rglob("metadata")):  # no program has come
        return Recording("LTTng", table(kinds, times, ids, lengths), lost)
    for message in bt2.TraceCollectionMessageIterator(str(trace)):
        if type(message) is bt2._EventMessageConst:
            fields = message.event.payload_field
            kinds.append(kind_of[message.event.name])
            times.append(message.default_clock_snapshot.ns_from_origin)
            ids.append(int(fields["id"]))
            lengths.append(int(fields["length"]))
        elif type(message) in (bt2._DiscardedEventsMessageConst, bt2._DiscardedPacketsMessageConst):
            lost += message.count or 1
    return Recording("LTTng", table(kinds, times, ids, lengths), lost)
