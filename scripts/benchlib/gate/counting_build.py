# SPDX-License-Identifier: Apache-2.0
"""Builds the sources of an arm once more, with its atomic accesses counted (the CMake option READYQ_COUNT).

It is built quickly rather than well, since nothing of it is timed and what it counts is a property of the sources.
"""

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from benchlib import paths
from benchlib.errors import os_reason
from benchlib.gate.model import Arm
from benchlib.gate.steps import CannotCount

FOLDER, LOG, OPTION = "counting", "counting.log", "READYQ_COUNT"
OPTIONS = ("-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_C_FLAGS_RELEASE=-O0 -DNDEBUG", "-DREADYQ_TESTS=OFF",
           "-DREADYQ_LIBRARIES=OFF", f"-D{OPTION}=ON")  # fmt: skip


def program(arm: Arm, say: Callable[[str], None]) -> Path:
    """The counting program of an arm, built now or before beside its sources; raises CannotCount."""
    if arm.tree is None:
        raise CannotCount("it was given as a program, and only what is built from sources can count them")
    lists = arm.tree / "CMakeLists.txt"
    if not lists.is_file() or OPTION not in lists.read_text(encoding="utf-8", errors="replace"):
        raise CannotCount(f"its sources are older than the option {OPTION}")
    folder = arm.tree.parent / FOLDER
    built = folder / "readyq"
    if not built.is_file():
        say(f"{arm.label}: building once more, to count atomic accesses")
        log = arm.tree.parent / LOG
        log.write_bytes(b"")
        _must(["cmake", "-S", str(arm.tree), "-B", str(folder), *OPTIONS], log)
        _must(["ninja", "-C", str(folder), "readyq"], log)
    return built


def _must(words: Sequence[str], log: Path) -> None:
    environment = {**os.environ, "PATH": f"/usr/bin:/bin:{os.environ.get('PATH', '')}", "LC_ALL": "C"}
    try:
        with open(log, "ab") as out:
            code = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False,
                                  env=environment).returncode  # fmt: skip
    except OSError as error:
        raise CannotCount(f"cannot start {words[0]}: {os_reason(error)}") from error
    if code != 0:
        raise CannotCount(f"its counting build failed in {words[0]}; the log is {paths.shown(log)}")
