# SPDX-License-Identifier: Apache-2.0
"""A result folder is never written over, never half-written, and can be read by others: no host, no foreign paths."""

import json
import resource
import shutil
import socket
from pathlib import Path

import pytest
from conftest import SweepRunner

from benchlib import store
from benchlib.errors import Refused
from benchlib.files import replacing, write_whole
from benchlib.journal import Entry, Journal

PLAN = """
name = "p"
repeats = {repeats}
[base]
workload = "w"
duration = "1ms"
[axes]
queue = ["good", "incorrect"]
"""
ENTRY = Entry("run", "cell", "part", 1, 1, 1, "2026-01-01T00:00:00Z", 0.5, "ok", "ok", 0)


def with_id(run_id: str) -> Entry:
    return Entry(**{**ENTRY.__dict__, "run_id": run_id})


def test_folders_are_named_by_machine_date_commit_and_plan_and_never_reused(tmp_path: Path) -> None:
    names = ["2026-01-01-abc-p", "2026-01-01-abc-p-2", "2026-01-01-abc-p-3"]
    for name in names:
        opened = store.create_named(tmp_path, "machine", names[0])
        assert opened.folder == tmp_path / "machine" / name
        opened.close()


def test_a_sweep_names_its_folder_itself(sweep: SweepRunner) -> None:
    """In a copy of the scripts, whose results folder is its own."""
    root = sweep.folder / "checkout"
    shutil.copytree(Path(__file__).parents[1] / "scripts", root / "scripts")
    plan = sweep.write(PLAN.format(repeats=1))
    words = [root / "scripts" / "sweep", "--program", sweep.program, plan]
    folders = []
    for _ in range(2):
        finished = sweep.command(words)
        assert finished.returncode == 1
        folders.append(Path(finished.stdout.strip()))
    date = json.loads((folders[0] / "manifest.json").read_text())["invocations"][0]["started"][:10]
    assert folders[0] == root / "results" / "fake-machine-2cpu" / f"{date}-0123456789ab-p"
    assert folders[1].name == f"{folders[0].name}-2"


def test_a_folder_that_holds_something_is_refused(sweep: SweepRunner) -> None:
    sweep.out.mkdir()
    (sweep.out / "mine").write_text("precious")
    finished = sweep.run(PLAN.format(repeats=1))
    assert finished.returncode == 2 and "holds something already" in finished.stderr
    assert [path.name for path in sweep.out.iterdir()] == ["mine"] and not sweep.runs()


def test_a_folder_that_cannot_be_made_is_refused(sweep: SweepRunner) -> None:
    (sweep.folder / "file").write_text("")
    for out in (sweep.folder / "file" / "below", Path("/proc/results")):
        finished = sweep.words(sweep.write(PLAN.format(repeats=1)), "--out", out)
        assert finished.returncode == 2 and f"cannot make the results folder {out}" in finished.stderr
        assert finished.stderr.count("\n") == 2 and not sweep.runs()  # the size of the sweep, then the sentence


@pytest.mark.parametrize("limit_bytes", [1000, 3000, 6000])
def test_a_full_disk_is_one_sentence_and_the_store_goes_on_later(sweep: SweepRunner, limit_bytes: int) -> None:
    """The limit of a file's size stands for the disk: writing fails in the middle of a file, as on a full one."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    plan = sweep.write(PLAN.format(repeats=20))
    finished = sweep.words(plan, "--out", sweep.out, before=limit)
    assert finished.returncode == 2 and "Traceback" not in finished.stderr
    sentence = finished.stderr.splitlines()[-1]
    assert sentence.startswith("sweep: cannot write ") and "File too large" in sentence
    if not sweep.out.exists():  # not even the manifest did fit
        assert not sweep.runs() and sweep.words(plan, "--out", sweep.out).returncode == 1
        return
    for path in sweep.out.rglob("*.json"):
        json.loads(path.read_text())
    assert not list(sweep.out.rglob("*.new"))
    entries = [json.loads(line) for line in (sweep.out / "journal.jsonl").read_text().splitlines()]
    assert len(entries) < 40
    before = [run[:3] for run in sweep.runs()]
    assert sweep.words("--resume", sweep.out).returncode == 1
    made = [run[:3] for run in sweep.runs()]
    assert len({tuple(run) for run in made}) == 40
    repeated = len(made) - 40
    assert repeated == len(before) - len(entries) <= 1


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, "old")
    with pytest.raises(ZeroDivisionError), replacing(path) as file:
        file.write("new" * 100_000)
        raise ZeroDivisionError
    assert path.read_text() == "old" and [entry.name for entry in tmp_path.iterdir()] == ["file"]
    with pytest.raises(Refused, match="cannot write .*: No such file"), replacing(tmp_path / "nowhere" / "file"):
        pass


def test_a_line_that_does_not_fit_leaves_nothing_in_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append(ENTRY)
    whole = (tmp_path / "journal.jsonl").read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 20, before[1]))
    try:
        with pytest.raises(Refused, match="cannot write .*journal.jsonl: File too large"):
            journal.append(with_id("second"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "journal.jsonl").read_bytes() == whole and journal.entries == [ENTRY]
    journal.append(with_id("third"))
    journal.close()
    assert [entry.run_id for entry in Journal(tmp_path / "journal.jsonl").entries] == ["run", "third"]


def test_a_run_without_its_record_is_refused(sweep: SweepRunner) -> None:
    sweep.run(PLAN.format(repeats=1))
    next((sweep.out / "runs").glob("*.json")).unlink()
    finished = sweep.words("--resume", sweep.out)
    assert finished.returncode == 2
    assert finished.stderr.endswith("its record cannot be read: No such file or directory\n")


DAMAGE = {
    "line 1 is no JSON from column 2 on": b"{",
    "it is not a text in UTF-8": b'{"\xff": 1}',
    "it is JSON, but no object": b"[]",
    "Is a directory": None,
}


@pytest.mark.parametrize("said", DAMAGE)
@pytest.mark.parametrize("name", ["manifest.json", "record"])
def test_a_damaged_file_is_told_in_words(sweep: SweepRunner, said: str, name: str) -> None:
    sweep.run(PLAN.format(repeats=1))
    path = next((sweep.out / "runs").glob("*.json")) if name == "record" else sweep.out / name
    path.unlink()
    if (content := DAMAGE[said]) is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    finished = sweep.words("--resume", sweep.out)
    assert finished.returncode == 2 and finished.stderr.count("Traceback") == 0
    if name == "record" or content is not None:
        assert finished.stderr.endswith(f"cannot be read{' as a manifest' if name != 'record' else ''}: {said}\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "schema version nothing"),
        ('{"schema_version": 1}', "has schema version 1, but this sweep writes 2"),
        ('{"schema_version": 2}', 'lacks "plan"'),
    ],
)
def test_a_manifest_that_lacks_something_is_refused(sweep: SweepRunner, content: str, said: str) -> None:
    sweep.run(PLAN.format(repeats=1))
    (sweep.out / "manifest.json").write_text(content)
    finished = sweep.words("--resume", sweep.out)
    assert finished.returncode == 2 and said in finished.stderr and finished.stderr.count("\n") == 1


def test_the_csv_files_are_made_anew_from_the_records(sweep: SweepRunner) -> None:
    sweep.run(PLAN.format(repeats=2))
    before = {name: (sweep.out / name).read_bytes() for name in ("throughput.csv", "latency.csv", "histogram.csv")}
    (sweep.out / "latency.csv").unlink()
    (sweep.out / "throughput.csv").write_text("spoilt")
    assert sweep.words("--resume", sweep.out).returncode == 1
    assert {name: (sweep.out / name).read_bytes() for name in before} == before


def test_the_manifest_says_how_it_was_measured_and_names_no_host_or_folder(sweep: SweepRunner) -> None:
    sweep.run(PLAN.format(repeats=2))
    text = (sweep.out / "manifest.json").read_text()
    manifest = json.loads(text)
    assert manifest["plan"]["text"] == PLAN.format(repeats=2) == (sweep.out / "plan.toml").read_text()
    assert manifest["program"] | {"sha256": len(manifest["program"]["sha256"])} == {
        "path": "tests/fake_readyq",
        "sha256": 64,
        "commit": "0123456789ab",
        "build": "release",
        "compiler": "none",
    }
    assert manifest["environment"] == {"kernel": "6.1"}
    assert manifest["invocations"][0]["arguments"] == ["--program", "tests/fake_readyq", "plan.toml", "--out", "out"]
    assert manifest["invocations"][0]["started"] <= manifest["invocations"][0]["ended"]
    assert manifest["counts"] == {"cells": 2, "runs_planned": 4, "runs_finished": 4, "runs_failed": 2, "attempts": 4}
    assert manifest["cells"][0]["command"] == "readyq run --workload w --queue good --duration 1ms"
    for path in [sweep.out / "manifest.json", *sweep.out.glob("*.csv"), *sweep.out.glob("journal.jsonl")]:
        content = path.read_text()
        assert (
            socket.gethostname() not in content and str(sweep.folder) not in content and str(Path.home()) not in content
        )
