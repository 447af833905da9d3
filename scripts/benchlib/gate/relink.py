# SPDX-License-Identifier: Apache-2.0
"""Links a build's objects once more, in another order: the same instructions at other addresses.

What is slower only because of where its code happens to lie is no regression, and nothing but another layout tells.
Both arms get one order as far as they have the same objects. An archive's members are linked as objects, all of them,
so that the linker has no say in which come, and when.
"""

import dataclasses
import hashlib
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchlib import paths
from benchlib.errors import Refused, os_reason
from benchlib.gate import arms, tools
from benchlib.gate.build import Say
from benchlib.gate.model import Arm
from benchlib.gate.source import NAME_DIGITS, PROGRAM
from benchlib.interrupt import Interrupt
from benchlib.program import Program

FOLDER = "relinked"
MOST_TRIES = 5
SEED_DIGITS = 8


class _Cannot(Exception):
    """Why an arm cannot be linked anew: a sentence."""


@dataclass(frozen=True)
class _Link:
    """How ninja links the program: words before and after its objects, which replace the archives made of them."""

    before: tuple[str, ...]
    objects: tuple[str, ...]
    after: tuple[str, ...]


def relinked(
    base: Arm, head: Arm, seed: int, work: Path, say: Say, interrupt: Interrupt | None = None
) -> tuple[Arm, Arm] | str:
    """Both arms with their objects in another order, which the seed gives; or a sentence why it cannot be."""
    try:
        links = _link_of(base), _link_of(head)
        for more in range(MOST_TRIES):
            say(f"linking both programs with their objects in another order (seed {seed + more})")
            pair = (_linked(base, links[0], seed + more, work, interrupt),
                    _linked(head, links[1], seed + more, work, interrupt))  # fmt: skip
            if all(new.code_sha256 != old.code_sha256 for new, old in zip(pair, (base, head), strict=True)):
                return pair
    except (_Cannot, Refused) as reason:  # whatever it is: they can be measured again as they are
        return str(reason)
    return f"{MOST_TRIES} other orders of the objects gave the same program"


def two_orders(built: Arm, seeds: tuple[int, int], work: Path, interrupt: Interrupt | None) -> tuple[Arm, Arm]:
    """One arm as two programs that differ by the order of their objects, and nothing else."""
    try:
        link = _link_of(built)
        base, head = (_linked(dataclasses.replace(built, label=label), link, seed, work, interrupt)
                      for label, seed in zip(arms.LABELS, seeds, strict=True))  # fmt: skip
    except _Cannot as reason:
        raise Refused(f"two builds of {built.given} cannot be made: {reason}") from reason
    if base.code_sha256 == head.code_sha256:
        raise Refused(f"two builds of {built.given} are the same program, with seeds {seeds[0]} and {seeds[1]}")
    return base, head


def _linked(arm: Arm, link: _Link, seed: int, work: Path, interrupt: Interrupt | None) -> Arm:
    """The arm with the program that one order gives, which lists the same plug-ins."""
    name = f"{arm.sha256[:NAME_DIGITS]}-{seed % 16**SEED_DIGITS:0{SEED_DIGITS}x}"
    program = work.resolve() / FOLDER / name / PROGRAM
    try:
        program.parent.mkdir(parents=True, exist_ok=True)
        _call_linker(arm, link, seed, program, interrupt)
        for other in arm.program.parent.glob(arms.BESIDE):
            shutil.copy2(other, program.parent)
    except OSError as error:
        raise _Cannot(f"cannot write {paths.shown(program)}: {os_reason(error)}") from error
    if Program(program).listing() != Program(arm.program).listing():
        raise _Cannot(f"{arm.label} ({arm.given}), linked in another order, does not list the same plug-ins")
    return arms.described(dataclasses.replace(arm, program=program))


def _call_linker(arm: Arm, link: _Link, seed: int, program: Path, interrupt: Interrupt | None) -> None:
    beside, log = program.with_name(f".{PROGRAM}.new"), program.with_name("link.log")
    words = [*link.before, *_shuffled(link.objects, seed), *link.after]
    words[words.index("-o") + 1] = str(beside)
    log.write_bytes(b"")
    if tools.call(words, log, interrupt, folder=arm.build) != 0:
        raise _Cannot(f"{arm.label} ({arm.given}) does not link in another order; the log is {paths.shown(log)}")
    beside.replace(program)


def _shuffled(objects: Sequence[str], seed: int) -> list[str]:
    """By a hash of each name, so that an object which only one arm has moves no other."""
    return sorted(objects, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())


def _link_of(arm: Arm) -> _Link:
    """What ninja would do to link the arm's program."""
    if not arm.build:
        raise _Cannot(f"{arm.label} ({arm.given}) is a program without the build folder that it came from")
    if not arm.tree:
        _check_unchanged(arm, arm.build)
    code, out, err = tools.ask("ninja", "-C", str(arm.build), "-t", "commands", PROGRAM)
    if code != 0:
        raise _Cannot(f"ninja does not tell how {arm.label} ({arm.given}) was linked: {err.rpartition(chr(10))[2]}")
    steps = [step for line in out.splitlines() for step in _steps(line)]
    return _parse(steps, f"{arm.label} ({arm.given})")


def _check_unchanged(arm: Arm, build: Path) -> None:
    """A build folder that is not the gate's may have been built into since."""
    program = build / PROGRAM
    if not program.is_file() or Program(program).sha256 != arm.sha256:
        raise _Cannot(f"the build folder of {arm.label} ({arm.given}) holds another program than the one given")
    since = program.stat().st_mtime_ns
    newer = next((path for path in sorted(build.glob("CMakeFiles/**/*.o")) if path.stat().st_mtime_ns > since), None)
    if newer:
        raise _Cannot(f"{newer.name} in the build folder of {arm.label} ({arm.given}) is newer than its program")


def _steps(line: str) -> list[list[str]]:
    """The single commands of a line of ninja's."""
    steps: list[list[str]] = [[]]
    try:
        for word in shlex.split(line):
            if word == "&&":
                steps.append([])
            else:
                steps[-1].append(word)
    except ValueError:  # of a custom command in a shell's finer words, and so none that links
        return []
    return [step for step in steps if step and step != [":"]]


def _parse(steps: Sequence[list[str]], what: str) -> _Link:
    """The last step that makes the program, with the objects that earlier ones put into archives."""
    link = next((step for step in reversed(steps) if "-o" in step[:-1] and step[step.index("-o") + 1] == PROGRAM), None)
    if not link:
        raise _Cannot(f"ninja does not tell how {what} was linked")
    archives = {step[2]: step[3:] for step in steps if Path(step[0]).name.endswith("ar") and len(step) > 3}
    before, objects, after = [], [], []
    for word in link:
        if word.endswith(".o") or word in archives:
            objects += [word] if word.endswith(".o") else archives[word]
        else:
            (after if objects else before).append(word)
    if len(objects) < 2:
        raise _Cannot(f"{what} is linked of {len(objects)} objects, which have no other order")
    return _Link(tuple(before), tuple(dict.fromkeys(objects)), tuple(after))
