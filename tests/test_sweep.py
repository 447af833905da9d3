# SPDX-License-Identifier: Apache-2.0
"""A sweep measures what the plan says in blocks, keeps every way in which a run can end, and goes on when cut short."""

import csv
import fcntl
import json
import os
import pty
import resource
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, SweepRunner, wait_until

from benchlib import emulation, params, schedule, store, views
from benchlib.program import Program

HEAD = 'name = "p"\ntimeout = "1s"\n[base]\nworkload = "w"\nduration = "1ms"\n'


def plan_of(*queues: str, repeats: int = 1, cells: int = 1, more: str = "") -> str:
    """A plan over these queues."""
    numbers = list(range(cells))
    return f"repeats = {repeats}\n{more}\n{HEAD}[axes]\nqueue = {json.dumps(queues)}\nworkload.n = {numbers}\n"


def journal(sweep: SweepRunner) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (sweep.out / "journal.jsonl").read_text().splitlines()]


def rows(sweep: SweepRunner, name: str = "throughput.csv") -> list[dict[str, str]]:
    with open(sweep.out / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def manifest(sweep: SweepRunner) -> dict[str, Any]:
    return json.loads((sweep.out / "manifest.json").read_text())


def alive(pid: int) -> bool:
    """A zombie is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def assert_complete(sweep: SweepRunner, runs: int) -> None:
    """Every run is in the journal and in the table exactly once, and nothing half-written lies about."""
    finished = [(entry["cell_id"], entry["block"]) for entry in journal(sweep) if entry["exit_reason"] != "interrupted"]
    assert len(set(finished)) == len(finished) == runs
    assert [row["run_id"] for row in rows(sweep)] == [
        entry["run_id"] for entry in journal(sweep) if entry["exit_reason"] != "interrupted"
    ]
    assert not list(sweep.out.rglob("*.new"))


def test_every_cell_runs_once_a_block_in_an_order_of_its_own(sweep: SweepRunner) -> None:
    finished = sweep.run(plan_of("good", "other", repeats=3, cells=4))
    assert finished.returncode == 0, finished.stderr
    entries = journal(sweep)
    assert [entry["block"] for entry in entries] == [1] * 8 + [2] * 8 + [3] * 8
    orders = [[entry["cell_id"] for entry in entries if entry["block"] == block] for block in (1, 2, 3)]
    assert len(set(orders[0])) == 8 and sorted(orders[0]) == sorted(orders[1]) == sorted(orders[2])
    assert orders[0] != orders[1] != orders[2]
    assert [run[:3] for run in sweep.runs()] == [
        [entry["run_id"], entry["cell_id"], str(entry["block"])] for entry in entries
    ]
    assert len({entry["run_id"] for entry in entries}) == 24
    assert_complete(sweep, 24)


def test_the_order_comes_from_the_seed_alone() -> None:
    first = list(schedule.slots(1, 3, range(10)))
    assert first == list(schedule.slots(1, 3, range(10))) != list(schedule.slots(2, 3, range(10)))
    assert [block for block, _, _ in first] == [1] * 10 + [2] * 10 + [3] * 10
    assert sorted(cell for block, _, cell in first if block == 2) == list(range(10))


def test_cells_of_one_task_stand_together_in_a_block_in_random_order() -> None:
    tasks = [cell // 3 for cell in range(12)]
    blocks = [schedule.block_order(1, block, tasks) for block in range(1, 400)]
    for order in blocks:
        assert sorted(order) == list(range(12))
        assert all(len({tasks[cell] for cell in order[i : i + 3]}) == 1 for i in range(0, 12, 3))
    assert {order[0] for order in blocks} == set(range(12))


def test_the_seed_is_chosen_and_stored_or_taken_from_the_plan(sweep: SweepRunner) -> None:
    sweep.run(plan_of("good", repeats=2, cells=2))
    seeds = [row["seed"] for row in rows(sweep)]
    assert isinstance(manifest(sweep)["seed"], int)
    assert seeds == [str(schedule.run_seed(manifest(sweep)["seed"], block)) for block in (1, 1, 2, 2)]
    sweep.out = sweep.folder / "second"
    sweep.run(plan_of("good", more="seed = 7").replace("[axes]", "seed = 5\n[axes]"))
    assert manifest(sweep)["seed"] == 7
    assert [row["seed"] for row in rows(sweep)] == ["5"]


@pytest.mark.parametrize(
    ("queue", "reason", "code"),
    [
        ("incorrect", "incorrect", 1),
        ("stuck", "stuck", 1),
        ("boaster", "incorrect", 0),
        ("doubter", "incorrect", 1),
        ("crash", "signal:SIGSEGV", -signal.SIGSEGV),
        ("crash_after_record", "signal:SIGSEGV", -signal.SIGSEGV),
        ("hang", "timeout", -signal.SIGKILL),
        ("garbage", "no_record", 0),
        ("silent", "no_record", 0),
        ("silent_failure", "no_record", 1),
        ("another", "no_record", 0),
        ("refuse", "refused", 2),
        ("unknown_code", "exit:66", 66),
    ],
)
def test_a_failed_run_is_data(sweep: SweepRunner, queue: str, reason: str, code: int) -> None:
    finished = sweep.run(plan_of(queue, "good"))
    assert finished.returncode == 1
    assert f"failed, {reason}: p: queue={queue}, workload.n=0" in finished.stderr
    assert "2 runs, 1 failed" in finished.stderr
    [entry] = [entry for entry in journal(sweep) if entry["status"] == "failed"]
    assert (entry["exit_reason"], entry["exit_code"]) == (reason, code)
    [row] = [row for row in rows(sweep) if row["queue"] == queue]
    assert (row["status"], row["exit_reason"], row["run_id"]) == ("failed", reason, entry["run_id"])
    assert (row["workload"], row["workload_params"], row["duration_ns"]) == ("w", "n=0", "1000000")
    assert (
        row["plan_hash"] == manifest(sweep)["plan"]["hash"] and row["block"] == row["attempt"] == "1" and row["order"]
    )
    assert manifest(sweep)["counts"]["runs_failed"] == 1


def test_what_was_not_measured_is_empty_and_what_was_is_kept(sweep: SweepRunner) -> None:
    sweep.run(plan_of("crash", "incorrect"))
    by_queue = {row["queue"]: row for row in rows(sweep)}
    assert by_queue["crash"]["operations"] == by_queue["crash"]["throughput_ops_per_s"] == ""
    assert by_queue["incorrect"]["operations"] == "1000"
    assert {row["run_id"] for row in rows(sweep, "latency.csv")} == {by_queue["incorrect"]["run_id"]}
    assert [row["count"] for row in rows(sweep, "histogram.csv")] == ["1", "2"]


def test_the_output_of_a_failed_run_is_kept(sweep: SweepRunner) -> None:
    sweep.run(plan_of("garbage", "refuse"))
    runs = {entry["exit_reason"]: sweep.out / "runs" / entry["run_id"] for entry in journal(sweep)}
    assert runs["no_record"].with_suffix(".out").read_text() == "this is\nno record\n"
    assert runs["refused"].with_suffix(".err").read_text() == "readyq: no memory for the run\n"


def test_nothing_of_a_run_outlives_it(sweep: SweepRunner) -> None:
    finished = sweep.run(plan_of("leave_child"))
    assert finished.returncode == 0
    [left] = (sweep.out / "runs").glob("*.err")
    wait_until(lambda: not alive(int(left.read_text())))


def test_fail_fast_stops_at_the_first_failure_and_resume_goes_on(sweep: SweepRunner) -> None:
    finished = sweep.run(plan_of("incorrect", repeats=3), "--fail-fast")
    assert finished.returncode == 1 and len(journal(sweep)) == 1
    assert manifest(sweep)["invocations"][-1]["outcome"] == "stopped"
    assert "2 runs are missing; go on with: scripts/sweep --resume" in finished.stderr
    assert sweep.words("--resume", sweep.out).returncode == 1
    assert_complete(sweep, 3)


def test_size_and_time_are_told_before_and_only_the_folder_goes_to_stdout(sweep: SweepRunner) -> None:
    finished = sweep.run(plan_of("good", repeats=2, cells=3))
    lines = finished.stderr.splitlines()
    assert lines[0] == "p: 3 cells, 6 runs in 2 blocks, about 1.2 s"
    assert lines[1].startswith("block 1 of 2: 3 of 6 runs, ") and lines[1].endswith(" left")
    assert lines[2].startswith("block 2 of 2: 6 of 6 runs, ") and not lines[2].endswith(" left")
    assert finished.stdout == f"{sweep.out}\n"


@pytest.mark.parametrize("option", ["--dry-run", "--list"])
def test_a_dry_run_measures_and_writes_nothing(sweep: SweepRunner, option: str) -> None:
    finished = sweep.words(sweep.write(plan_of("good", cells=2)), option)
    assert finished.returncode == 0 and "2 cells, 2 runs in 1 blocks" in finished.stderr
    commands = [f"readyq run --workload w:n={n} --queue good --duration 1ms" for n in (0, 1)]
    assert finished.stdout.splitlines() == (commands if option == "--list" else [])
    assert not sweep.runs() and sorted(path.name for path in sweep.folder.iterdir()) == ["plan.toml"]


def test_a_budget_leaves_out_whole_blocks_and_says_so(sweep: SweepRunner) -> None:
    finished = sweep.run(plan_of("good", repeats=9, cells=2), "--budget", "1500ms")
    assert "the budget of 1.5 s holds 3 of the 9 blocks; the others are left out" in finished.stderr
    assert (manifest(sweep)["repeats"], manifest(sweep)["repeats_planned"]) == (3, 9)
    assert_complete(sweep, 6)


def test_repeats_and_machine_can_be_given(sweep: SweepRunner) -> None:
    sweep.run(plan_of("good"), "--repeats", "2", "--machine", "lab-7")
    assert [row["machine"] for row in rows(sweep)] == ["lab-7", "lab-7"]
    assert manifest(sweep)["machine"] == "lab-7"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--repeats", "0"], "not a number of at least 1"),
        (["--repeats", "10001"], "not a number of at least 1 and at most 10000"),
        (["--machine", "../x"], "is no label"),
        (["--budget", "soon"], "--budget is"),
        (["--program", "/nowhere/readyq"], "no program at /nowhere/readyq"),
        (["--program", "/bin/true"], "fields --json printed no JSON"),
        (["--resume", "x", "--out", "y"], "not allowed with argument"),
        (["--nonsense"], "unrecognized arguments"),
    ],
)
def test_bad_options_are_refused(sweep: SweepRunner, words: list[str], sentence: str) -> None:
    finished = sweep.words(sweep.write(plan_of("good")), *words)
    assert finished.returncode == 2 and sentence in finished.stderr
    assert not sweep.runs() and "Traceback" not in finished.stderr


def test_a_cell_that_parts_share_is_measured_once(sweep: SweepRunner) -> None:
    part = '[[part]]\nname = "{}"\n[part.axes]\nqueue = {}\n'
    text = "repeats = 1\n" + HEAD + part.format("a", '["good", "other"]') + part.format("b", '["other", "null"]')
    finished = sweep.run(text)
    assert "3 cells, 3 runs" in finished.stderr
    assert Counter(entry["part"] for entry in journal(sweep)) == {"a": 2, "b": 1}


def test_cells_of_one_part_that_are_the_same_to_the_program_are_refused(sweep: SweepRunner) -> None:
    finished = sweep.run("repeats = 1\n" + HEAD + 'queue = "good"\n[axes]\nseed = [1, 2]')
    assert finished.returncode == 2
    assert "cells (p: seed=1) and (p: seed=2) are the same to the program" in finished.stderr


def test_an_option_that_a_queue_only_emulates_is_not_varied_unless_the_plan_says_so(sweep: SweepRunner) -> None:
    axes = 'pool = "erts"\n[axes]\nqueue = ["good", "other"]\npool.elements = ["prepared", "worker"]'
    finished = sweep.run("repeats = 1\n" + HEAD + axes)
    assert finished.returncode == 2 and not sweep.out.exists()
    assert "varies pool.elements, which queue other cannot honour (ready_prepare is emulated)" in finished.stderr
    assert sweep.run("repeats = 1\nallow_emulated = true\n" + HEAD + axes).returncode == 0
    constant = axes.replace('["prepared", "worker"]', '["worker"]')
    assert sweep.words(sweep.write("repeats = 1\n" + HEAD + constant), "--dry-run").returncode == 0


def test_queues_that_are_not_built_are_left_out_where_the_plan_says_so(sweep: SweepRunner) -> None:
    queues = ("good", "foreign", "foreign:n=1", "other")
    assert "there is no queue 'foreign'" in sweep.run(plan_of(*queues)).stderr
    finished = sweep.run(plan_of(*queues, more="leave_out_not_built = true"))
    assert finished.returncode == 0, finished.stderr
    assert "left out, as this build lacks their libraries: foreign (libforeign-dev)\n" in finished.stderr
    assert sorted(row["queue"] for row in rows(sweep)) == ["good", "other"]
    assert manifest(sweep)["not_built"] == {"foreign": "libforeign-dev"}
    assert sweep.words("--resume", sweep.out).returncode == 0


def test_nothing_is_left_of_a_plan_of_queues_that_are_not_built(sweep: SweepRunner) -> None:
    finished = sweep.run(plan_of("foreign", more="leave_out_not_built = true"))
    assert finished.returncode == 2 and not sweep.out.exists()
    assert "none of the plan's queues and pools is built: foreign (libforeign-dev)" in finished.stderr


def test_cells_whose_pool_lacks_what_the_workload_needs_are_left_out_where_the_plan_says_so(sweep: SweepRunner) -> None:
    head = 'name = "p"\nrepeats = 1\n{more}\n[base]\nqueue = "good"\n[axes]\nworkload = ["w:keys=1", "w:keys=2", "w"]\n'
    plan = head + 'pool = {pools}\n'
    refused = sweep.run(plan.format(more="", pools='["first_pool", "poor_pool"]'))
    assert refused.returncode == 2 and "pool poor_pool does not have it" in refused.stderr and not sweep.out.exists()
    more = "leave_out_lacking = true"
    finished = sweep.run(plan.format(more=more, pools='["first_pool", "poor_pool"]'))
    assert finished.returncode == 0, finished.stderr
    assert "left out, as these pools lack what the workload needs: poor_pool (keys, ports)\n" in finished.stderr
    assert len(rows(sweep)) == 3 and manifest(sweep)["lacking"] == {"poor_pool": ["keys", "ports"]}
    assert sweep.words("--resume", sweep.out).returncode == 0
    sentence = "nothing is left of the plan, as pools lack what its workloads need: poor_pool (keys, ports)"
    assert sentence in sweep.run(plan.format(more=more, pools='["poor_pool"]')).stderr


def test_ctrl_c_lets_the_run_finish_and_resume_repeats_nothing(sweep: SweepRunner) -> None:
    process = sweep.start(sweep.write(plan_of("slow", repeats=3)), "--out", sweep.out)
    sweep.wait_for_runs(2)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopping after the present run" in stderr and "1 runs are missing" in stderr
    assert stdout == f"{sweep.out}\n"
    assert [entry["status"] for entry in journal(sweep)] == ["ok", "ok"]
    assert manifest(sweep)["invocations"][-1]["outcome"] == "interrupted"
    assert_complete(sweep, 2)
    assert sweep.words("--resume", sweep.out).returncode == 0
    assert len(sweep.runs()) == 3
    assert [invocation["outcome"] for invocation in manifest(sweep)["invocations"]] == ["interrupted", "complete"]
    assert_complete(sweep, 3)
    assert sweep.words("--resume", sweep.out).returncode == 0
    assert len(sweep.runs()) == 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_second_ctrl_c_or_sigterm_ends_the_run_which_is_then_made_again(
    sweep: SweepRunner, number: int, code: int
) -> None:
    process = sweep.start(sweep.write(plan_of("hang").replace('"1s"', '"100s"')), "--out", sweep.out)
    assert process.stderr
    sweep.wait_for_runs(1)
    process.send_signal(number)
    if number == signal.SIGINT:
        while "Ctrl-C again ends it now" not in process.stderr.readline():
            pass
        process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code
    [run] = sweep.runs()
    assert not alive(int(run[3]))
    assert [entry["exit_reason"] for entry in journal(sweep)] == ["interrupted"]
    assert rows(sweep) == []
    path = sweep.out / "manifest.json"
    path.write_text(path.read_text().replace('"timeout_s": 100.0', '"timeout_s": 0.1'))
    assert sweep.words("--resume", sweep.out).returncode == 1
    attempts = [(entry["attempt"], entry["exit_reason"]) for entry in journal(sweep)]
    assert attempts == [(1, "interrupted"), (2, "timeout")]
    assert_complete(sweep, 1)


@pytest.mark.parametrize("limit_bytes", [0, 100, 1000])
@pytest.mark.parametrize("there", [False, True])
def test_a_sweep_that_could_not_begin_leaves_nothing(sweep: SweepRunner, limit_bytes: int, there: bool) -> None:
    """The limit of a file's size stands for a full disk: it meets the plan, a table, the manifest."""
    if there:
        sweep.out.mkdir()
    plan = sweep.write(plan_of("good"))
    limits = (limit_bytes, limit_bytes)
    finished = sweep.words(plan, "--out", sweep.out, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits))
    assert finished.returncode == 2 and "sweep: cannot write" in finished.stderr and "resume" not in finished.stderr
    assert sweep.out.exists() == there and not list(sweep.out.rglob("*")) and not sweep.runs()
    assert sweep.words(plan, "--out", sweep.out).returncode == 0
    assert_complete(sweep, 1)


def test_the_folder_of_a_sweep_killed_before_its_manifest_can_be_used(sweep: SweepRunner) -> None:
    plan = sweep.write(plan_of("good"))
    store.create(sweep.out).close()
    (sweep.out / "plan.toml").write_text("half a pl")
    (sweep.out / ".throughput.csv.new").write_text("schema_ver")
    with open(sweep.out / "journal.jsonl", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        busy = sweep.words(plan, "--out", sweep.out)
    assert busy.returncode == 2 and "another sweep is writing there" in busy.stderr
    assert (sweep.out / "plan.toml").read_text() == "half a pl"
    assert sweep.words(plan, "--out", sweep.out).returncode == 0
    assert_complete(sweep, 1)
    before = (sweep.out / "journal.jsonl").read_bytes()
    (sweep.out / "manifest.json").unlink()
    for record in (sweep.out / "runs").iterdir():
        record.unlink()
    kept = sweep.words(plan, "--out", sweep.out)
    assert kept.returncode == 2 and "holds something already; give another folder" in kept.stderr
    assert (sweep.out / "journal.jsonl").read_bytes() == before


@pytest.mark.parametrize("words", [["--list"], ["--help"], ["--out", "out"]], ids=" ".join)
def test_an_output_that_cannot_be_written_is_one_sentence(sweep: SweepRunner, words: list[str]) -> None:
    plan = sweep.write(plan_of("good"))
    words = [str(sweep.out) if word == "out" else word for word in words]
    with open("/dev/full", "w", encoding="utf-8") as full:
        command = [ROOT / "scripts" / "sweep", "--program", sweep.program, plan, *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "sweep: cannot write to standard output: No space left on device"
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_a_reader_that_leaves_ends_it_quietly(sweep: SweepRunner) -> None:
    plan = sweep.write(plan_of("good", cells=2))
    ours, its = os.pipe()
    os.close(ours)
    command = [ROOT / "scripts" / "sweep", "--program", sweep.program, plan, "--list"]
    done = subprocess.run(command, stdout=its, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(its)
    assert done.returncode == 128 + signal.SIGPIPE
    assert done.stderr == "p: 2 cells, 2 runs in 1 blocks, about 0.4 s\n"


def test_kill_9_leaves_a_valid_store(sweep: SweepRunner) -> None:
    process = sweep.start(sweep.write(plan_of("slow", repeats=4)), "--out", sweep.out)
    sweep.wait_for_runs(3)
    process.kill()
    process.communicate(timeout=60)
    broken_off = sweep.runs()[2]
    assert [entry["status"] for entry in journal(sweep)] == ["ok", "ok"]
    assert_complete(sweep, 2)
    [invocation] = manifest(sweep)["invocations"]
    assert (invocation["outcome"], invocation["ended"]) == ("running", None)
    assert sweep.words("--resume", sweep.out).returncode == 0
    assert Counter(run[0] for run in sweep.runs()).most_common(1) == [(broken_off[0], 2)]
    assert len(sweep.runs()) == 5
    assert_complete(sweep, 4)


def test_no_run_outlives_a_killed_sweep(sweep: SweepRunner) -> None:
    process = sweep.start(sweep.write(plan_of("hang").replace('"1s"', '"100s"')), "--out", sweep.out)
    sweep.wait_for_runs(1)
    process.kill()
    process.communicate(timeout=60)
    wait_until(lambda: not alive(int(sweep.runs()[0][3])))


def test_a_torn_last_line_of_the_journal_is_ignored(sweep: SweepRunner) -> None:
    sweep.run(plan_of("good", repeats=3))
    path = sweep.out / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1] + lines[2][:40])
    finished = sweep.words("--resume", sweep.out)
    assert finished.returncode == 0 and "1 of 3 runs are missing" in finished.stderr
    assert_complete(sweep, 3)


def test_a_journal_broken_in_the_middle_is_refused(sweep: SweepRunner) -> None:
    sweep.run(plan_of("good", repeats=3))
    path = sweep.out / "journal.jsonl"
    path.write_text(path.read_text().replace('"run_id"', '"run', 1))
    finished = sweep.words("--resume", sweep.out)
    assert finished.returncode == 2 and "line 1 is no entry of a journal" in finished.stderr


def test_resume_refuses_another_plan_or_program_and_new_decisions(sweep: SweepRunner, fake: Path) -> None:
    sweep.run(plan_of("good", repeats=2))
    before = {path: path.read_bytes() for path in sweep.out.rglob("*") if path.is_file()}
    other_plan = sweep.words(sweep.write(plan_of("other", repeats=2)), "--resume", sweep.out)
    assert other_plan.returncode == 2 and "was begun with a plan of hash" in other_plan.stderr
    changed = sweep.words("--resume", sweep.out, "--repeats", "3")
    assert changed.returncode == 2 and "--repeats was decided when" in changed.stderr
    sweep.program = sweep.folder / "readyq"
    sweep.program.write_text(fake.read_text() + "# another build\n")
    sweep.program.chmod(0o755)
    other_program = sweep.words("--resume", sweep.out)
    assert other_program.returncode == 2 and "was begun with a program of sha256" in other_program.stderr
    sweep.program.write_text(fake.read_text())
    other_machine = (sweep.out / "manifest.json").read_text().replace("fake-machine", "elsewhere")
    (sweep.out / "manifest.json").write_text(other_machine)
    moved = sweep.words("--resume", sweep.out)
    assert moved.returncode == 2 and "was begun on a machine of kind elsewhere-2cpu" in moved.stderr
    (sweep.out / "manifest.json").write_bytes(before[sweep.out / "manifest.json"])
    for refused in (other_plan, changed, other_program, moved):
        assert refused.stderr.count("\n") == 1
    assert {path: path.read_bytes() for path in sweep.out.rglob("*") if path.is_file()} == before
    assert (
        sweep.words(sweep.write("# the same plan\n" + plan_of("good", repeats=2)), "--resume", sweep.out).returncode
        == 0
    )


def test_resume_needs_a_sweep_and_has_it_for_itself(sweep: SweepRunner) -> None:
    finished = sweep.words("--resume", sweep.folder)
    assert finished.returncode == 2 and "holds no sweep to resume" in finished.stderr
    sweep.run(plan_of("good"))
    with open(sweep.out / "journal.jsonl", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        finished = sweep.words("--resume", sweep.out)
    assert finished.returncode == 2 and "another sweep is writing there" in finished.stderr


def test_a_terminal_gets_a_bar_with_the_time_left(sweep: SweepRunner) -> None:
    terminal, side = pty.openpty()
    words = ["--program", sweep.program, sweep.write(plan_of("good", "crash")), "--out", sweep.out]
    process = subprocess.Popen([ROOT / "scripts" / "sweep", *words], stderr=side, stdout=subprocess.DEVNULL)
    os.close(side)
    shown = b""
    try:
        while chunk := os.read(terminal, 4096):
            shown += chunk
    except OSError:
        pass  # how a terminal says that nobody holds its other side any more
    os.close(terminal)
    assert process.wait(timeout=60) == 1
    assert b"100%" in shown and b"2/2" in shown and (b"run/s" in shown or b"s/run" in shown)
    assert b"failed, signal:SIGSEGV" in shown


def test_the_real_program_in_a_small_sweep(real_sweep: SweepRunner) -> None:
    text = 'name = "real"\nrepeats = 2\n[base]\nwarmup = "1ms"\nduration = "20ms"\n'
    text += (
        '[[part]]\nname = "queue"\nbase = {workload = "producer_consumer"}\naxes = {queue = ["erts_mpsc", "null"]}\n'
    )
    text += '[[part]]\nname = "pool"\nbase = {workload = "closed_loop"}\naxes = {queue = ["mutex_list"]}\n'
    finished = real_sweep.run(text)
    assert finished.returncode == 0, finished.stderr
    table = rows(real_sweep)
    assert Counter(row["workload"] for row in table) == {"producer_consumer": 4, "closed_loop": 2}
    assert all(row["status"] == "ok" and float(row["throughput_ops_per_s"]) > 0 for row in table)
    assert {row["verdict"] for row in table} == {"ok", "baseline"}
    assert_complete(real_sweep, 6)


def test_the_files_are_those_that_the_program_writes_itself(real_sweep: SweepRunner, readyq: Path) -> None:
    direct = real_sweep.folder / "direct"
    words = ["--workload", "producer_consumer", "--queue", "erts_mpsc", "--warmup", "1ms", "--duration", "20ms"]
    printed = subprocess.run(
        [readyq, "run", "--quiet", *words, "--run-id", "one", "--csv", direct],
        check=True,
        capture_output=True,
        text=True,
    )
    again = real_sweep.folder / "again"
    again.mkdir()
    views.write(again, Program(readyq).fields(), [json.loads(printed.stdout)])
    for name in ("throughput.csv", "latency.csv", "histogram.csv"):
        assert (again / name).read_text() == (direct / name).read_text()


def test_an_emulated_option_of_the_real_program(real_sweep: SweepRunner) -> None:
    """The list queue frees at once and so has no garbage to hand over; what the sweep refuses it must know by name."""
    text = 'name = "real"\nrepeats = 1\n[base]\nworkload = "blast"\nqueue = "mutex_list"\npool = "erts"\n'
    text += '[axes]\npool.freeing = ["deferred", "automatic"]\n'
    finished = real_sweep.words(real_sweep.write(text), "--dry-run")
    assert finished.returncode == 2 and "cannot honour (job_garbage is emulated)" in finished.stderr
    native = real_sweep.words(real_sweep.write(text.replace("mutex_list", "erts_mpsc")), "--dry-run")
    assert native.returncode == 0, native.stderr


def test_an_emulated_batch_of_the_real_program(real_sweep: SweepRunner) -> None:
    """Many single calls are no batch, so that a sweep over its size would measure one thing again and again."""
    text = 'name = "real"\nrepeats = 1\n[base]\nworkload = "producer_consumer"\nqueue = "mutex_list"\n'
    text += "[axes]\nworkload.batch = [1, 8]\n"
    finished = real_sweep.words(real_sweep.write(text), "--dry-run")
    assert finished.returncode == 2 and "cannot honour (enqueue_batch is emulated)" in finished.stderr
    native = real_sweep.words(real_sweep.write(text.replace("mutex_list", "ring")), "--dry-run")
    assert native.returncode == 0, native.stderr


def test_the_options_that_a_queue_may_emulate_are_there(readyq: Path) -> None:
    for owner, workload, options in (
        ("pool", "blast", emulation.POOL_OPTIONS),
        ("workload", "producer_consumer", emulation.WORKLOAD_OPTIONS),
    ):
        words = ["run", "--dry-run", "--workload", workload, "--queue", "erts_mpsc"]
        resolved = json.loads(subprocess.run([readyq, *words], check=True, capture_output=True).stdout)
        for option, operation, _ in options:
            assert option in params.split(resolved[f"{owner}_params"])
            assert operation in params.split(resolved["optional_ops"])
