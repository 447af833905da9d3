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
        ('QUEUE_IF("no-such-package", toy, list.c)', "does not know how to find the library of package 'no-such-package'"),
        ('QUEUE_IF("libck-dev", ghost, libraries/ghost.c)', "'ghost' names queues/libraries/ghost.c, which does not exist"),
        ('QUEUE_IF("libck-dev", ck_ring, libraries/ck_ring.c)', "the name 'ck_ring' is given twice"),
        ('QUEUE_IF(libck-dev, toy, toy.c)', "cannot read 'QUEUE_IF(libck-dev, toy, toy.c)'"),
        ('QUEUE_ALIAS(other, ck_ring, "capacity=7")', "'ck_ring', which is of a library and may not be built"),
        ('QUEUE_BROKEN(ghost, "is")', "'ghost' is no queue of a library that is listed above"),
        ('QUEUE_BROKEN(list, "is")', "'list' is no queue of a library that is listed above"),
        ('QUEUE_BROKEN(ck_fifo_mpmc, "is")', "'ck_fifo_mpmc' is said to be broken twice"),
        ('QUEUE_BROKEN(ck_ring, "")', "cannot read 'QUEUE_BROKEN(ck_ring, \"\")'"),
    ],
)
def test_a_faulty_line_is_refused(checkout: Path, line: str, sentence: str) -> None:
    with open(checkout / "queues" / "list.def", "a", encoding="utf-8") as listing:
        listing.write(line + "\n")
    done = configure(checkout)
    assert done.returncode != 0
    assert sentence in re.sub(r"\s+", " ", done.stderr)


def have(checkout: Path) -> str:
    return (checkout / "build" / "generated" / "readyq_have.h").read_text()


def test_the_reason_of_what_is_broken_may_be_any_text(checkout: Path) -> None:
    with open(checkout / "queues" / "list.def", "a", encoding="utf-8") as listing:
        listing.write('QUEUE_BROKEN(ck_ring, "loses [some; @all@] ${of} them")')  # and no newline at the end
    assert configure(checkout).returncode == 0
    assert '#define READYQ_BROKEN_ck_ring "loses [some; @all@] ${of} them"\n' in have(checkout)
    assert "#define READYQ_BROKEN_ck_ring_spsc NULL\n" in have(checkout)


def test_queues_of_libraries_are_left_out_on_demand_and_under_thread_sanitizer(checkout: Path) -> None:
    for word in ("-DREADYQ_LIBRARIES=OFF", "-DREADYQ_SANITIZE=thread"):
        shutil.rmtree(checkout / "build", ignore_errors=True)
        done = cmake(checkout, "-S", ".", "-B", "build", "-G", "Ninja", "-DREADYQ_TESTS=OFF", word)
        assert done.returncode == 0 and len(re.findall("READYQ_LIBRARIES is OFF", done.stdout)) == 1
        assert "CXX" not in done.stdout
        assert "READYQ_HAVE_ck_ring 0\n" in have(checkout) and "READYQ_HAVE_uv 1\n" in have(checkout)


def test_queues_in_cxx_need_a_compiler_that_goes_with_that_for_c(checkout: Path, tmp_path: Path) -> None:
    alone = tmp_path / "bin"
    alone.mkdir()
    (alone / "gcc").symlink_to("/usr/bin/gcc")
    words = ["-S", ".", "-B", "build", "-G", "Ninja", "-DREADYQ_TESTS=OFF"]
    done = cmake(checkout, *words, f"-DCMAKE_C_COMPILER={alone}/gcc")
    assert done.returncode == 0 and len(re.findall("those in C\\+\\+ are not built", done.stdout)) == 1
    assert "READYQ_HAVE_boost_queue 0\n" in have(checkout) and "READYQ_HAVE_ck_ring 1\n" in have(checkout)
    shutil.rmtree(checkout / "build")
    done = cmake(checkout, *words, "-DCMAKE_C_COMPILER=clang")
    assert done.returncode == 0 and "READYQ_HAVE_boost_queue 1\n" in have(checkout)
    assert re.search(r"CMAKE_CXX_COMPILER_ID \"Clang\"", "".join(
        path.read_text() for path in (checkout / "build" / "CMakeFiles").glob("*/CMakeCXXCompiler.cmake")))


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
