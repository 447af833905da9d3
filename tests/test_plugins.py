# SPDX-License-Identifier: Apache-2.0
"""Adding a queue takes one file and one line; a faulty line fails with a clear sentence."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("CMakeLists.txt", "CMakePresets.json", "cmake", "core", "queues", "workloads", "peers", "tests", "scripts")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the sources that a test may change."""
    copy = tmp_path / "readyq"
    copy.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    return copy


def cmake(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": "/usr/bin:/bin"}
    return subprocess.run(["cmake", *words], cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def configure(checkout: Path) -> subprocess.CompletedProcess[str]:
    return cmake(checkout, "-S", ".", "-B", "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                 "-DREADYQ_LIBRARIES=OFF", "-DREADYQ_TESTS=OFF")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("QUEUE(ghost, ghost.c)", "'ghost' names queues/ghost.c, which does not exist"),
        ("QUEUE(list, list.c)", "the name 'list' is given twice"),
        ('QUEUE_ALIAS(null, list, "lock=mcs")', "the name 'null' is given twice"),
        ("QUEUE(toy)", "cannot read 'QUEUE(toy)'"),
        ("QEUE(toy, toy.c)", "cannot read 'QEUE(toy, toy.c)'"),
        ("QUEUE(Toy, toy.c)", "cannot read 'QUEUE(Toy, toy.c)'"),
        ('QUEUE_ALIAS(other, ghost, "a=b")', "alias 'other' is for 'ghost', which is not listed above it"),
        ('QUEUE_IF("no-such-package", toy, toy.c)', "does not know how to find the library of package 'no-such-package'"),
    ],
)
def test_a_faulty_line_is_refused(checkout: Path, line: str, sentence: str) -> None:
    with open(checkout / "queues" / "list.def", "a", encoding="utf-8") as listing:
        listing.write(line + "\n")
    done = configure(checkout)
    assert done.returncode != 0
    assert sentence in re.sub(r"\s+", " ", done.stderr)


def test_a_toy_queue_shows_up_everywhere(checkout: Path, tmp_path: Path) -> None:
    """One file and one line: in list, run, conformance, sweep and the table of the figures."""
    source = (checkout / "queues" / "list.c").read_text()
    (checkout / "queues" / "toy.c").write_text(re.sub(r"\blist_(queue_ops|loops)\b", r"toy_\1", source).replace(
        '.name = "list"', '.name = "toy"'))
    with open(checkout / "queues" / "list.def", "a", encoding="utf-8") as listing:
        listing.write("QUEUE(toy, toy.c)\n")
    assert configure(checkout).returncode == 0
    built = cmake(checkout, "--build", "build", "--target", "readyq")
    assert built.returncode == 0, built.stdout[-3000:]
    program = checkout / "build" / "readyq"
    listed = json.loads(subprocess.run([program, "list", "queues", "--json"], capture_output=True, check=True).stdout)
    assert "toy" in [queue["name"] for queue in listed["queues"]]
    checked = subprocess.run([program, "check", "toy"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0
    assert re.search(r"^verdict: ok, 1\d checks of 1 queue", checked.stdout, re.M)
    plan = tmp_path / "toy.toml"
    plan.write_text(
        'name = "toy"\nrepeats = 1\n[base]\nworkload = "producer_consumer"\nwarmup = "10ms"\nduration = "20ms"\n'
        '[axes]\nqueue = ["toy", "mutex_list"]\n'
    )
    result = tmp_path / "result"
    subprocess.run([ROOT / "scripts" / "sweep", plan, "--program", program, "--out", result], check=True,
                   capture_output=True)
    table = subprocess.run([ROOT / "scripts" / "plot", result, "--table"], check=True, capture_output=True, text=True)
    assert re.search(r"^\s*toy\s", table.stdout, re.M), table.stdout
