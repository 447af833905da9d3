# SPDX-License-Identifier: Apache-2.0
"""Instructions of the phases of `readyq steps`, counted by valgrind's callgrind: a property of the machine code.

Counted is inside the functions that are a step (core/run/steps.h says how they are named) and what they call, so that
the program's start and its bookkeeping are left out; the numbers are parted where a phase ends. Collecting changes
over, and not on, where a function begins, so that within a step it is off while the allocator has its turn: runs are
measured with another malloc.
"""

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchlib.errors import Refused
from benchlib.gate import tools
from benchlib.gate.steps import CannotCount, environment
from benchlib.interrupt import Interrupt

TURNS, PHASE = ("scripted_*", "steps_alloc", "steps_free"), "steps_phase"
TIMEOUT_S = 300.0
_TOTALS = re.compile(r"^(?:totals|summary): (\d+)", re.M)


def instructions(program: Path, words: Sequence[str], interrupt: Interrupt | None = None) -> list[int]:
    """Of each phase of `program steps words`, in order; raises CannotCount, KeyboardInterrupt."""
    valgrind = shutil.which("valgrind", path=environment()["PATH"])
    if not valgrind:
        raise CannotCount("instructions were not counted: valgrind is not installed (scripts/setup base)")
    with tempfile.TemporaryDirectory(prefix="readyq-callgrind-") as folder:
        out = Path(folder) / "out"
        _run([valgrind, *_options(out), str(program), "steps", *words], Path(folder) / "log", interrupt)
        return [_total(path) for path in _parts(out)]


def _options(out: Path) -> list[str]:
    turns = [f"--toggle-collect={function}" for function in TURNS]
    return ["--tool=callgrind", f"--callgrind-out-file={out}", "--collect-atstart=no", *turns, f"--dump-after={PHASE}"]


def _run(words: Sequence[str], log: Path, interrupt: Interrupt | None) -> None:
    try:
        code = tools.call(words, log, interrupt, whole=environment(), limit_s=TIMEOUT_S)
    except Refused as refusal:
        raise CannotCount(f"instructions were not counted: {refusal}") from refusal
    if code != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line for line in lines[1:] if line and not line.startswith(("==", "{"))]  # valgrind's, and results
        raise CannotCount(f"instructions were not counted: under valgrind the program ended with {code}"
                          + (f" and said: {said[-1]}" if said else ""))  # fmt: skip


def _parts(out: Path) -> list[Path]:
    """The parts in the order of phases; what comes at the end of the program has no number."""
    numbered = {int(path.suffix[1:]): path for path in out.parent.glob(f"{out.name}.*") if path.suffix[1:].isdigit()}
    return [numbered[number] for number in sorted(numbered)]


def _total(path: Path) -> int:
    found = _TOTALS.findall(path.read_text(encoding="utf-8", errors="replace"))
    if not found:
        raise CannotCount("instructions were not counted: callgrind wrote no total")
    return int(found[-1])
