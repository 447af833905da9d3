# SPDX-License-Identifier: Apache-2.0
"""Builds the sources of an arm once more, with its atomic accesses counted (the CMake option READYQ_COUNT).

It is built quickly rather than well, since nothing of it is timed and what it counts is a property of the sources.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from benchlib import paths
from benchlib.errors import Refused
from benchlib.gate import tools
from benchlib.gate.build import locked
from benchlib.gate.model import Arm
from benchlib.gate.steps import CannotCount
from benchlib.interrupt import Interrupt

FOLDER, LOG, OPTION = "counting", "counting.log", "READYQ_COUNT"
WHOLE = "counting.whole"  # written last: a link that was killed leaves half a program
OPTIONS = ("-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_C_FLAGS_RELEASE=-O0 -DNDEBUG", "-DREADYQ_TESTS=OFF",
           "-DREADYQ_LIBRARIES=OFF", f"-D{OPTION}=ON")  # fmt: skip


def program(arm: Arm, work: Path, say: Callable[[str], None], interrupt: Interrupt | None) -> Path:
    """The counting program of an arm, built now or before beside its sources; raises CannotCount, KeyboardInterrupt."""
    if arm.tree is None:
        raise CannotCount("it was given as a program, and only what is built from sources can count them")
    lists = arm.tree / "CMakeLists.txt"
    if not lists.is_file() or OPTION not in lists.read_text(encoding="utf-8", errors="replace"):
        raise CannotCount(f"its sources are older than the option {OPTION}")
    folder, whole = arm.tree.parent / FOLDER, arm.tree.parent / WHOLE
    if whole.is_file():
        return folder / "readyq"
    try:
        with locked(work):
            if not whole.is_file():
                say(f"{arm.label}: building once more, to count atomic accesses")
                log = arm.tree.parent / LOG
                log.write_bytes(b"")
                _must(["cmake", "-S", str(arm.tree), "-B", str(folder), *OPTIONS], log, interrupt)
                _must(["ninja", "-C", str(folder), "readyq"], log, interrupt)
                whole.touch()
    except Refused as refusal:
        raise CannotCount(f"they were not counted: {refusal}") from refusal
    return folder / "readyq"


def _must(words: Sequence[str], log: Path, interrupt: Interrupt | None) -> None:
    if tools.call(words, log, interrupt) != 0:
        raise CannotCount(f"its counting build failed in {words[0]}; the log is {paths.shown(log)}")
