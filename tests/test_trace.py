# SPDX-License-Identifier: Apache-2.0
"""The probes are in the program, and scripts/trace records every job once, shows what adds up, and leaves nothing."""

import csv
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pytest
from benchlib import trace_bins, trace_cli, trace_events, trace_lttng, trace_text, trace_usdt
from benchlib.errors import Refused
from benchlib.trace_events import KINDS, STAGES, Jobs, Recording
from conftest import ROOT, wait_until

TRACE = ROOT / "scripts" / "trace"
LOAD = ["--workload", "closed_loop:workers=2,window=16,service_ns=5us", "--warmup", "2ms", "--duration", "10ms"]
# What root's daemon has in place of LTTNG_HOME; made only where it isn't there.
ROOTS_PLACE = Path("/run/lttng")
NOBODY = 65534


@pytest.fixture(scope="session")
def traced() -> Path:
    """The program with LTTng's events. Without it a test fails; it is not skipped."""
    named = os.environ.get("READYQ_LTTNG")
    path = Path(named or ROOT / "build" / "lttng" / "readyq")
    if not path.is_file():
        pytest.fail(f"no program at {path}: set READYQ_LTTNG to a readyq that was built with -DREADYQ_LTTNG=ON")
    return path


class Tracing:
    """scripts/trace in a temporary folder of its own, so that what it leaves there can be seen."""

    def __init__(self, folder: Path, program: Path) -> None:
        self.temporary = Path(tempfile.mkdtemp(prefix="readyq-test-"))  # short: the path of a socket has 107 characters
        self.temporary.chmod(0o777)
        self.out = folder / "out"
        self.environment = os.environ | {
            "TMPDIR": str(self.temporary), "READYQ_LTTNG": str(program), "MPLCONFIGDIR": str(folder),
        }  # fmt: skip
        self.place_before = ROOTS_PLACE.exists()
        self.inside: list[str] = []  # the command that starts it somewhere else

    def start(self, *words: object, **options: int) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(word) for word in (*self.inside, TRACE, *words)], env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **options,
        )  # fmt: skip

    def run(self, *words: object, **options: int) -> "subprocess.CompletedProcess[str]":
        process = self.start(*words, **options)
        stdout, stderr = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def processes(self) -> dict[int, str]:
        """The commands of all processes that have our temporary folder in their environment."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if str(self.temporary).encode() in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # it has ended, or is another user's
                continue
        return found

    def pid(self, program: str) -> int | None:
        """Of the process that runs that program, by the end of its path; of readyq, the one that is traced."""
        mine = [pid for pid, command in self.processes().items()
                if command.partition(" ")[0].endswith(program) and "--dry-run" not in command]  # fmt: skip
        return mine[0] if mine else None

    def nothing_is_left(self) -> bool:
        return not (
            self.processes() or any(self.temporary.iterdir()) or ROOTS_PLACE.exists() != self.place_before
        )  # fmt: skip


@pytest.fixture
def tracing(tmp_path: Path, traced: Path) -> Iterator[Tracing]:
    one = Tracing(tmp_path, traced)
    yield one
    for pid in one.processes():  # of a test that failed
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not one.processes())
    for path in sorted(one.temporary.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    one.temporary.rmdir()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# The probes in the program


def notes(program: Path) -> dict[str, dict[str, str]]:
    """Every USDT probe by its name, as the program's own notes describe it."""
    text = subprocess.run(["readelf", "-n", program], capture_output=True, text=True, check=True).stdout
    found = {}
    for part in re.split(r"^\s*stapsdt\s.*$", text, flags=re.M)[1:]:
        fields = dict(re.findall(r"(Provider|Name|Semaphore|Arguments): (.*?)(?=, Base|\s*$)", part, re.M))
        assert fields["Name"] not in found, "a probe has one place"
        found[fields["Name"]] = fields | dict(re.findall(r"(Semaphore): (\w+)", part))
    return found


@pytest.mark.parametrize("build", ["readyq", "traced"])
def test_the_program_has_the_four_probes(build: str, request: pytest.FixtureRequest) -> None:
    """Both the ordinary build and the one with LTTng's events: port, id and length, each with a semaphore."""
    found = notes(request.getfixturevalue(build))
    assert set(found) == {f"aio_pool_{name}" for name in ("add", "get", "reply", "ready")}
    for fields in found.values():
        assert fields["Provider"] == "readyq"
        assert [argument.partition("@")[0] for argument in fields["Arguments"].split()] == ["8", "-8", "-8"]
    assert len({int(fields["Semaphore"], 16) for fields in found.values()} - {0}) == len(found)


def test_the_build_says_what_watches_it(readyq: Path, traced: Path) -> None:
    said = [
        subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        for program in (readyq, traced)
    ]
    assert "lttng" not in said[0] and ", lttng" in said[1]
    assert not any("without" in text for text in said)


# Recording


def test_every_job_is_recorded_once_at_every_probe(tracing: Tracing) -> None:
    done = tracing.run("--lossless", "--out", tracing.out, "--", *LOAD)
    assert done.returncode == 0, done.stderr
    told = json.loads((tracing.out / "trace.json").read_text())
    jobs = told["record"]["items_total"]
    assert jobs > 16
    assert told["events_by_kind"] == dict.fromkeys(KINDS, jobs)
    assert (told["jobs"], told["jobs_whole"], told["events"]) == (jobs, jobs, 4 * jobs)
    assert (told["events_lost"], told["events_repeated"]) == (0, 0)
    assert f"{4 * jobs:,} events of {jobs:,} jobs recorded by LTTng" in done.stdout and "none lost" in done.stdout
    bins = rows(tracing.out / "times.csv")
    for stage in STAGES:
        mine = [row for row in bins if row["stage"] == stage]
        assert sum(int(row["count"]) for row in mine) == jobs
        edges = [(int(row["bin_low_ns"]), int(row["bin_high_ns"])) for row in mine]
        assert edges == sorted(edges) and all(low <= high for low, high in edges)
        assert all(high < low for (_, high), (low, _) in zip(edges, edges[1:], strict=False))
    # A job's service takes at least as long as it was told to.
    assert min(int(row["bin_high_ns"]) for row in bins if row["stage"] == "service") >= 5000
    lengths = rows(tracing.out / "lengths.csv")
    for kind in KINDS:
        assert sum(int(row["count"]) for row in lengths if row["event"] == kind) == jobs
    assert {(row["queue"], row["event"]) for row in lengths} == {
        ("job", "put"), ("job", "get"), ("ready", "reply"), ("ready", "ready"),
    }  # fmt: skip
    assert max(int(row["length_items"]) for row in lengths) <= 16
    for name in ("trace.svg", "trace.png"):
        assert (tracing.out / name).stat().st_size > 10_000
    assert done.stdout.splitlines()[-5:] == [
        str(tracing.out / name) for name in ("times.csv", "lengths.csv", "trace.json", "trace.svg", "trace.png")
    ]
    assert tracing.nothing_is_left()


def test_lost_events_are_said(tracing: Tracing) -> None:
    """Whoever stores the events is halted for a while: more come than the buffers hold. Not until the program ends, for
    at its end it may wait for who stores them."""
    load = ["--workload", "closed_loop:workers=1,service_ns=20us", "--warmup", "1ms", "--duration", "3s"]
    process = tracing.start("--buffer", "64", "--out", tracing.out, "--", *load)
    wait_until(lambda: any(path.stat().st_size for path in tracing.temporary.glob("*/trace/**/jobs_[0-9]*")))
    storing = tracing.pid("lttng-consumerd")
    assert storing
    os.kill(storing, signal.SIGSTOP)
    time.sleep(3)
    os.kill(storing, signal.SIGCONT)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    told = json.loads((tracing.out / "trace.json").read_text())
    assert told["events_lost"] > 0
    # Nothing is missing but what was said to be.
    of_workers = 2 if "stop=poison" in told["record"]["pool_params"] else 0
    everything = told["events"] + told["events_of_no_job"] + told["events_lost"]
    assert everything == 4 * told["record"]["items_total"] + of_workers
    assert f"{told['events_lost']:,} events were lost" in stderr and "--lossless" in stderr
    assert f"{told['events_lost']:,} LOST" in stdout and "not a fair sample" in stdout


def test_it_needs_no_rights(tracing: Tracing, traced: Path, tmp_path: Path) -> None:
    """Run by nobody, where the tests are run by root."""
    if os.geteuid() != 0:
        assert tracing.run("--", *LOAD).returncode == 0
        return
    program = tracing.temporary / "readyq"  # where nobody can read it
    program.write_bytes(traced.read_bytes())
    program.chmod(0o755)
    tracing.environment["MPLCONFIGDIR"] = str(tracing.temporary)
    done = tracing.run("--program", program, "--", *LOAD, user=NOBODY, group=NOBODY, extra_groups=[])
    assert done.returncode == 0, done.stderr
    assert "none lost" in done.stdout
    assert not any(tracing.temporary.glob("readyq-trace-*")) and not tracing.processes()


def test_the_record_that_ends_a_worker_is_no_job(tracing: Tracing) -> None:
    words = ["--lossless", "--out", tracing.out, "--", *LOAD, "--pool"]
    done = tracing.run(*words, "erts:stop=poison")
    assert done.returncode == 0, done.stderr
    told = json.loads((tracing.out / "trace.json").read_text())
    assert told["events_by_kind"] == dict.fromkeys(KINDS, told["record"]["items_total"])
    assert told["events_of_no_job"] == 4  # each of two workers is sent one, and gets it
    assert "besides 4 of no job" in done.stdout and "came again" not in done.stdout


def test_a_run_that_fails_is_shown_all_the_same(tracing: Tracing) -> None:
    stuck = ["--workload", "closed_loop:service_ns=1s,window=1,workers=1", "--stuck", "50ms", "--warmup", "1ms"]
    done = tracing.run("--", *stuck, "--duration", "5ms")
    assert done.returncode == 1 and "stuck" in done.stderr
    assert "2 events of 1 jobs" in done.stdout and "1 jobs lack an event" in done.stdout
    assert "service (get to reply): no job has both events" in done.stdout
    assert tracing.nothing_is_left()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_leaves_nothing(tracing: Tracing, number: int, code: int) -> None:
    process = tracing.start("--out", tracing.out, "--", "--workload", "closed_loop", "--duration", "60s")
    wait_until(lambda: tracing.pid("/readyq") is not None)
    assert tracing.pid("lttng-sessiond")
    process.send_signal(number)
    stdout, _ = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (code, "")
    assert tracing.nothing_is_left() and not tracing.out.exists()


def test_killed_it_leaves_no_process(tracing: Tracing) -> None:
    process = tracing.start("--", "--workload", "closed_loop", "--duration", "60s")
    wait_until(lambda: tracing.pid("lttng-sessiond") is not None)
    process.kill()
    process.communicate(timeout=60)
    wait_until(lambda: not tracing.processes())
    if not tracing.place_before and ROOTS_PLACE.exists():
        ROOTS_PLACE.rmdir()


def test_another_daemon_is_not_disturbed(tracing: Tracing, tmp_path: Path) -> None:
    """One of the same user, where LTTng always has it, with a session: neither sees the other's."""
    home = tracing.temporary / "theirs"
    home.mkdir()
    environment = os.environ | {"LTTNG_HOME": str(home)}
    elsewhere = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh"]
    apart = os.geteuid() == 0 and subprocess.run([*elsewhere, "true"], check=False).returncode == 0
    daemon = subprocess.Popen([*(elsewhere if apart else []), "lttng-sessiond", "--no-kernel", "--quiet"],
                              env=environment)  # fmt: skip
    tracing.inside = ["nsenter", f"--target={daemon.pid}", "--mount"] if apart else []

    def ask(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [*tracing.inside, "lttng", "--no-sessiond", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    try:
        wait_until(lambda: ask("create", "theirs", f"--output={tmp_path / 'theirs'}").returncode == 0)
        done = tracing.run("--", *LOAD)
        if os.geteuid() == 0 and not apart:  # root has one place, and this system gives it no other
            assert done.returncode == 2 and "session daemon" in done.stderr
        else:
            assert done.returncode == 0, done.stderr
            assert "none lost" in done.stdout
        sessions = ask("list").stdout
        assert "theirs" in sessions and not re.search(r"\breadyq\b", sessions)
        assert daemon.poll() is None
    finally:
        daemon.terminate()
        daemon.wait(30)


# Refusals


class Refusals:
    """The command line in this process: a refusal comes before anything is started."""

    def __init__(self, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch, program: Path) -> None:
        self.capsys, self.patch = capsys, patch
        patch.setenv("READYQ_LTTNG", str(program))

    def __call__(self, *words: object) -> str:
        """The one sentence."""
        try:
            code = trace_cli.main([str(word) for word in words])
        except SystemExit as end:
            code = end.code
        said = self.capsys.readouterr()
        lines = [line for line in said.err.splitlines() if not line.startswith("usage: ")]
        assert (code, said.out, len(lines)) == (2, "", 1), said
        return lines[0].removeprefix("trace: ")


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, traced: Path) -> Refusals:
    return Refusals(capsys, monkeypatch, traced)


def test_what_it_refuses(refused: Refusals, readyq: Path, tmp_path: Path) -> None:
    assert "arguments" in refused()
    assert refused("--", "--workload", "pairs").startswith("workload pairs runs on a queue, but jobs are traced")
    assert "window must be between" in refused("--", "--workload", "closed_loop:window=0")
    assert "there is no workload 'x'" in refused("--", "--workload", "x")
    assert "built without LTTng's events" in refused("--program", readyq, "--", *LOAD)
    assert str(tmp_path / "none") in refused("--program", tmp_path / "none", "--", *LOAD)
    for text in ("0", "100", "32", "2097152", "-64", "64k", "1e3"):
        assert f'"{text}"' in refused(f"--buffer={text}", "--", *LOAD)
    assert "--lossless" in refused("--usdt", "--lossless", "--", *LOAD)
    refused.patch.setenv("READYQ_LTTNG", str(tmp_path / "gone"))
    assert "READYQ_LTTNG" in refused("--", *LOAD)


def test_a_pool_without_probes(tracing: Tracing) -> None:
    done = tracing.run("--", *LOAD, "--pool", "uv")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "trace: nothing was recorded: the pool uv came to no probe"
    assert tracing.nothing_is_left()


def test_without_the_tools_it_names_the_packages(refused: Refusals, readyq: Path, tmp_path: Path) -> None:
    refused.patch.setenv("PATH", str(tmp_path))
    assert "lttng-tools" in refused("--", *LOAD)
    assert "package bpftrace" in refused("--usdt", "--program", readyq, "--", *LOAD)


def test_a_folder_that_cannot_be_made(tracing: Tracing, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = tracing.run("--out", tmp_path / "file" / "below", "--", *LOAD)
    assert done.returncode == 2 and "file/below" in done.stderr.splitlines()[-1]
    assert tracing.nothing_is_left()


# bpftrace


def test_usdt_records_or_says_why_not(tracing: Tracing, readyq: Path) -> None:
    """Whether it may depends on the machine; what it records does not."""
    done = tracing.run("--usdt", "--out", tracing.out, "--program", readyq, "--", *LOAD)
    assert not tracing.processes()
    if done.returncode == 2:
        assert len(done.stderr.splitlines()) == 1
        why = r"trace: (bpftrace cannot trace here: \S|--usdt needs root|bpftrace is not installed)"
        assert re.match(why, done.stderr)
        return
    assert done.returncode == 0, done.stderr
    told = json.loads((tracing.out / "trace.json").read_text())
    assert told["tracer"] == "bpftrace"
    # Of the workers' last records, where there are any: two are put, two got.
    of_workers = 4 if "stop=poison" in told["record"]["pool_params"] else 0
    everything = told["events"] + told["events_of_no_job"] + told["events_lost"]
    assert everything == 4 * told["record"]["items_total"] + of_workers


def test_usdt_needs_root(tracing: Tracing, readyq: Path) -> None:
    program = tracing.temporary / "readyq"
    program.write_bytes(readyq.read_bytes())
    program.chmod(0o755)
    tracing.environment["MPLCONFIGDIR"] = str(tracing.temporary)
    other = {} if os.geteuid() else {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    done = tracing.run("--usdt", "--program", program, "--", *LOAD, **other)
    assert done.returncode == 2
    assert re.match(r"trace: (--usdt needs root|bpftrace is not installed)", done.stderr)


def test_what_bpftrace_is_told() -> None:
    text = trace_usdt.program("/some/readyq")
    assert re.findall(r"^usdt:/some/readyq:readyq:aio_pool_(\w+) .*\"(\d) ", text, re.M) == [
        ("add", "0"), ("get", "1"), ("reply", "2"), ("ready", "3"),
    ]  # fmt: skip
    for bad in ('a"b', "a:b", "a*b"):
        with pytest.raises(Refused):
            trace_usdt.program(bad)


def test_what_bpftrace_tells_is_read(tmp_path: Path) -> None:
    (tmp_path / "told").write_text("0 100 7 3\nLost 12 events\n1 90 7 -1\nnonsense\n")
    (tmp_path / "log").write_text("Lost 3 events\n")
    recording = trace_usdt.read(tmp_path / "told", tmp_path / "log")
    assert recording.lost == 15
    assert recording.events.to_numpy().tolist() == [[1, 90, 7, -1], [0, 100, 7, 3]]


# Pairing and bins


def jobs_of(*events: tuple[int, int, int, int], lost: int = 0) -> Jobs:
    return Jobs(Recording("LTTng", trace_events.table(*zip(*events, strict=True)), lost))


def test_events_are_paired_by_job() -> None:
    put, get, reply, ready = range(4)
    jobs = jobs_of(
        (put, 100, 1, 1), (put, 110, 2, 2), (get, 150, 2, 0), (get, 130, 1, 1), (reply, 135, 1, -1), (ready, 133, 1, 5),
        (put, 200, 3, 1), (put, 201, 3, 1), (get, 210, 3, 0),
    )  # fmt: skip
    assert jobs.times["job_queue"].tolist() == [30, 40]
    assert jobs.times["service"].tolist() == [5]
    assert jobs.times["ready_queue"].tolist() == [0] and jobs.overtaken["ready_queue"] == 1
    assert jobs.times["total"].tolist() == [33]
    assert (jobs.count, jobs.whole) == (3, 1)
    assert jobs.repeated == {"put": 1, "get": 0, "reply": 0, "ready": 0}
    assert jobs.lengths["put"].tolist() == [1, 2, 1, 1] and jobs.lengths["reply"].tolist() == []
    text = "\n".join(trace_text.lines(jobs))
    assert "1 events came again" in text and "2 jobs lack an event" in text and "1 times count as 0 ns" in text


@pytest.mark.parametrize("values", [[0], [0, 1, 2, 3, 4, 5, 7, 8, 9], [2**40 - 1, 2**40, 2**40 + 1], [10**9] * 5])
def test_bins_hold_every_value(values: list[int]) -> None:
    bins = trace_bins.of_times(numpy.array(values))
    assert bins["count"].sum() == len(values)
    for value in values:
        mine = bins[(bins["low"] <= value) & (bins["high"] >= value)]
        assert len(mine) == 1
        assert mine["high"].iloc[0] - mine["low"].iloc[0] <= max(value / 4, 0)
    edges = trace_bins.steps(numpy.array(values))
    assert edges[0] <= min(values) and edges[-1] > max(values)
    assert numpy.histogram(values, edges)[0].sum() == len(values)


def test_a_trace_of_nobody_is_empty(tmp_path: Path) -> None:
    (tmp_path / "trace").mkdir()
    assert trace_lttng.read(tmp_path / "trace").events.empty
