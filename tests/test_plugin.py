# SPDX-License-Identifier: Apache-2.0
"""Queues from shared objects: they work wherever a listed one does, and one that does not fit is refused."""

import csv
import json
import re
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "queues" / "plugin" / "my_queue.c"
PYTHON = "/usr/bin/python3"


def compile_object(folder: Path, source: str, *, name: str = "my_queue.so", words: tuple[str, ...] = ()) -> Path:
    """As README tells a user to."""
    written = folder / "my_queue.c"
    written.write_text(source)
    command = ["gcc", "-std=gnu17", "-O2", "-shared", "-fPIC", f"-I{ROOT}", *words, "-o", folder / name, written]
    subprocess.run(command, check=True)
    return folder / name


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_object(tmp_path_factory.mktemp("plugin"), SOURCE.read_text())


def ask(readyq: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([readyq, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def test_check_run_and_describe_take_it(readyq: Path, plugin: Path) -> None:
    folder = plugin.parent
    checked = ask(readyq, folder, "check", "./my_queue.so:capacity=3")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert re.search(r"verdict: ok, 1\d checks of 1 queue", checked.stdout)
    ran = ask(readyq, folder, "run", "--workload", "producer_consumer", "--queue", "./my_queue.so:capacity=16",
              "--duration", "50ms", "--warmup", "10ms", "--check", "full", "--quiet")
    assert ran.returncode == 0, ran.stderr
    record = json.loads(ran.stdout)
    assert (record["queue"], record["queue_params"]) == ("my_queue.so", "capacity=16")
    assert record["verdict"] == "ok" and record["history_scope"] == "full"
    assert re.fullmatch(r"my_queue\.so=file crc32 [0-9a-f]{8}", record["queue_origins"])
    described = ask(readyq, folder, "describe", "./my_queue.so")
    assert described.returncode == 0 and "an example of a queue from a shared object" in described.stdout


def test_both_ways_of_calling_it(readyq: Path, plugin: Path) -> None:
    for dispatch in ("direct", "vtable"):
        ran = ask(readyq, plugin.parent, "run", "--workload", "pairs", "--queue", str(plugin), "--duration", "20ms",
                  "--warmup", "5ms", "--dispatch", dispatch, "--quiet")
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["dispatch"] == dispatch


def test_a_pool_takes_it(readyq: Path, plugin: Path) -> None:
    ran = ask(readyq, plugin.parent, "run", "--workload", "closed_loop:workers=2", "--job-queue", str(plugin),
              "--ready-queue", str(plugin), "--duration", "50ms", "--warmup", "10ms", "--quiet")
    assert ran.returncode == 0, ran.stderr
    record = json.loads(ran.stdout)
    assert (record["job_queue"], record["ready_queue"]) == ("my_queue.so", "my_queue.so")
    assert record["queue_origins"].count("crc32") == 1


def planned(readyq: Path, folder: Path, path: object) -> dict[str, Any]:
    return json.loads(ask(readyq, folder, "run", "--dry-run", "--workload", "pairs", "--queue", str(path)).stdout)


def test_two_objects_of_one_name_are_two_queues(readyq: Path, plugin: Path, tmp_path: Path) -> None:
    """By their checksums, the last byte included; the same file by another path is the same queue."""
    other = tmp_path / "my_queue.so"
    other.write_bytes(plugin.read_bytes() + b"x")
    one, two = planned(readyq, tmp_path, plugin), planned(readyq, tmp_path, other)
    for path, record in ((plugin, one), (other, two)):
        assert record["queue_origins"] == f"my_queue.so=file crc32 {zlib.crc32(path.read_bytes()):08x}"
    assert one["cell_id"] != two["cell_id"]
    copy = tmp_path / "copy" / "my_queue.so"
    copy.parent.mkdir()
    shutil.copy(plugin, copy)
    assert planned(readyq, tmp_path, "copy/my_queue.so")["cell_id"] == one["cell_id"]


def test_a_pool_tells_two_objects_of_one_name_apart(readyq: Path, plugin: Path, tmp_path: Path) -> None:
    other = tmp_path / "my_queue.so"
    other.write_bytes(plugin.read_bytes() + b"x")
    records = [
        json.loads(ask(readyq, tmp_path, "run", "--dry-run", "--workload", "closed_loop", "--job-queue", str(one),
                       "--ready-queue", str(two)).stdout)
        for one, two in ((plugin, plugin), (plugin, other), (other, plugin))
    ]
    assert len({record["cell_id"] for record in records}) == 3
    assert [record["queue_origins"].count("my_queue.so=file") for record in records] == [1, 2, 2]


def test_a_file_called_as_a_listed_queue_is_refused(readyq: Path, plugin: Path, tmp_path: Path) -> None:
    """Or its results would pass for those of the other."""
    shutil.copy(plugin, tmp_path / "list")
    for words in (("check",), ("describe",), ("list",), ("run", "--workload", "pairs", "--queue")):
        done = ask(readyq, tmp_path, *words, "./list")
        assert (done.returncode, done.stdout) == (2, "")
        assert "'./list' is called as a queue that is listed; give the file another name" in done.stderr


def test_a_sweep_and_its_figures(readyq: Path, plugin: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(
        'name = "plugged"\nrepeats = 1\n[base]\nworkload = "producer_consumer"\nwarmup = "5ms"\nduration = "20ms"\n'
        f'[axes]\nqueue = ["{plugin}", "mutex_list"]\nworkload.producers = [1, 2]\n'
    )
    words = [PYTHON, ROOT / "scripts" / "sweep", plan, "--program", readyq, "--out", tmp_path / "out"]
    swept = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert swept.returncode == 0, swept.stderr
    with open(tmp_path / "out" / "throughput.csv", encoding="utf-8", newline="") as rows:
        assert {row["queue"] for row in csv.DictReader(rows)} == {"my_queue.so", "mutex_list"}
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["queues"]["my_queue.so"]["capacity"] == 1024
    plotted = subprocess.run([PYTHON, ROOT / "scripts" / "plot", tmp_path / "out", "--only", "contention"],
                             capture_output=True, text=True, check=False, timeout=300)
    assert plotted.returncode == 0, plotted.stderr
    figures = list((tmp_path / "out" / "figures").glob("*.svg"))
    assert any("my_queue.so" in figure.read_text() for figure in figures)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("= QUEUE_ABI_VERSION", "= QUEUE_ABI_VERSION + 7",
         r"was compiled for version \d+ of the queue contract, and this program speaks version \d+; compile it again"),
        ("readyq_queue", "another_queue", r"is no queue: it does not define 'const struct queue_ops readyq_queue'"),
        ("= QUEUE_ABI_VERSION,", "= 0,", r"was compiled for version 0 of the queue contract"),
        (".enqueue = my_enqueue,", "", r"breaks the queue contract: queue my_queue: the required member enqueue is missing"),
        ("static void my_fini(void *queue)\n{", "void no_such_function(void);\nstatic void my_fini(void *queue)\n{\n"
         "no_such_function();", r"can't be loaded: .*undefined symbol: no_such_function"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(
    readyq: Path, tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    text = SOURCE.read_text()
    assert old in text
    compile_object(tmp_path, text.replace(old, new))
    for words in (("check",), ("describe",), ("run", "--workload", "pairs", "--queue")):
        done = ask(readyq, tmp_path, *words, "./my_queue.so")
        assert done.returncode == 2
        assert re.fullmatch(rf"readyq: .*{sentence}.*\n", done.stderr), done.stderr
        assert done.stdout == ""


def test_the_list_takes_it_too(readyq: Path, plugin: Path) -> None:
    told = ask(readyq, plugin.parent, "list", "--json", "queues", "./my_queue.so")
    assert json.loads(told.stdout)["queues"][-1]["name"] == "my_queue.so"
    shown = ask(readyq, plugin.parent, "list", "./my_queue.so")
    row, source = re.findall(r"^my_queue\.so +(.*(?:\n .*)*)", shown.stdout, re.M)
    assert row.endswith(" not checked")
    assert f"; file crc32 {zlib.crc32(plugin.read_bytes()):08x}" in re.sub(r"\s+", " ", source)
    refused = ask(readyq, plugin.parent, "list", "./absent.so")
    assert (refused.returncode, refused.stdout) == (2, "")


def test_what_is_no_object_is_refused(readyq: Path, tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("this is no object")
    for path, sentence in (
        ("./absent.so", "the queue './absent.so' can't be loaded: ./absent.so: cannot open shared object file"),
        ("./text.so", "the queue './text.so' can't be loaded: ./text.so: file too short"),
        ("absent.so", "there is no queue 'absent.so'; a shared object is named by a path, as in ./absent.so"),
    ):
        done = ask(readyq, tmp_path, "check", path)
        assert (done.returncode, done.stdout) == (2, "")
        assert sentence in done.stderr and done.stderr.count("\n") == 1
