# SPDX-License-Identifier: Apache-2.0
"""Exact numbers of both arms, without noise, for each queue and pool that the gate's cells name.

They come from `readyq steps`, a scripted schedule of one thread: instructions by callgrind, allocations and wakes from
the program itself, and atomic accesses from a counting build of the sources, where the gate built the arm. They see
no contention and no memory latency; where they rise, a single-threaded path does more than it did.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchlib.gate import arms, callgrind, counting_build, steps
from benchlib.gate.model import Arm, Cell, Count
from benchlib.gate.steps import CannotCount
from benchlib.interrupt import Interrupt
from benchlib.program import Program

INSTRUCTIONS = "instructions"
INSTRUCTION_PERCENT = 1.0  # a compiler's whims; the others are the author's own doing, and any rise counts
WORKERS_MOST = 16
_SPECS = ("--queue", "--pool", "--job-queue", "--ready-queue")
_ATOMICS = {"load": "atomic loads", "store": "atomic stores", "rmw": "atomic read-modify-writes",
            "cas": "compare-and-swaps", "cas2": "double-word compare-and-swaps", "fence": "fences",
            "seq_cst": "sequentially consistent accesses"}  # fmt: skip
_PLAIN = ("allocations", "wakes", "notifications")

# By phase and what is counted.
Costs = dict[tuple[str, str], float]


@dataclass(frozen=True)
class Means:
    """What counting needs besides an arm: where builds are made, who is told, and who may end it."""

    work: Path
    say: Callable[[str], None]
    interrupt: Interrupt | None


@dataclass(frozen=True)
class Subject:
    """A queue or a pool: how it is called, and what `readyq steps` is told by each arm."""

    name: str
    base: tuple[str, ...]
    head: tuple[str, ...]


def counts(
    base: Arm, head: Arm, cells: Iterable[Cell], work: Path, say: Callable[[str], None], interrupt: Interrupt | None
) -> tuple[list[Count], list[str]]:
    """All counts, and sentences on what could not be counted. Raises KeyboardInterrupt."""
    means = Means(work, say, interrupt)
    found: list[Count] = []
    notes: list[str] = []
    subjects = _subjects(base, head, cells)
    for subject in subjects:
        if interrupt and interrupt.requested:
            raise KeyboardInterrupt
        say(f"counting the steps of {subject.name}")
        pair = [_costs(arm, words, subject is subjects[0], means, notes)
                for arm, words in ((base, subject.base), (head, subject.head))]  # fmt: skip
        found += _counts(subject.name, *pair)
    return found, list(dict.fromkeys(notes))


def worse(found: Iterable[Count], percent: float = INSTRUCTION_PERCENT) -> list[Count]:
    """Those that rose: instructions by more than `percent`, all others at all."""
    return [count for count in found if _rose(count, percent)]


def untold(found: Sequence[Count]) -> str:
    """Why counts cannot clear HEAD, as when its script crashes; empty: they can."""
    if not any(count.base is not None and count.head is not None for count in found):
        return "there is no exact count of both arms to compare"
    lost = [count.name for count in found if count.base is not None and count.head is None]
    return f"HEAD does not tell {', '.join(lost)}, so that they cannot be compared" if lost else ""


def _rose(count: Count, percent: float) -> bool:
    if count.base is None or count.head is None:
        return False
    allowed = percent if count.name.endswith(f"{INSTRUCTIONS} an operation") else 0.0
    return count.head > count.base * (1 + allowed / 100)


def _subjects(base: Arm, head: Arm, cells: Iterable[Cell]) -> list[Subject]:
    """Each once, in the order of the cells."""
    pools = {load["name"] for load in Program(base.program).listing()["workloads"] if load["subject"] == "pool"}
    found = {}
    for cell in cells:
        words = [_words(arm, cell, str(cell.settings.get("workload")) in pools) for arm in (base, head)]
        found.setdefault((*words,), Subject(_name(words[1]), *words))
    return list(found.values())


def _words(arm: Arm, cell: Cell, on_pool: bool) -> tuple[str, ...]:
    given = arms.words(arm, cell)
    found = {name: given[given.index(name) + 1] for name in _SPECS if name in given}
    if on_pool:
        workers = int(cell.settings.get("workload.workers", 1))
        found = {"--pool": _first_pool(arm)} | found | {"--workers": str(min(workers, WORKERS_MOST))}
    return tuple(word for name, value in found.items() for word in (name, value))


def _first_pool(arm: Arm) -> str:
    return Program(arm.program).first("pool")


def _name(words: Sequence[str]) -> str:
    """As a person knows it: `erts with erts_mpsc`."""
    options = dict(zip(words[::2], words[1::2], strict=True))
    queues = [options[name].rpartition("/")[2] for name in ("--queue", "--job-queue", "--ready-queue")
              if name in options]  # fmt: skip
    named = [options["--pool"], "with", " and ".join(queues)] if "--pool" in options and queues else queues
    workers = f" of {options['--workers']} workers" if int(options.get("--workers", 1)) > 1 else ""
    return (" ".join(named) or options.get("--pool", "the first queue")) + workers


def _costs(arm: Arm, words: Sequence[str], twice: bool, means: Means, notes: list[str]) -> Costs:
    """All that can be counted of an arm; why the rest cannot goes to the notes."""
    found: Costs = {}
    for what, parts in (("", _plain), ("instructions: ", _instructions), ("atomic accesses: ", _atomics)):
        try:
            found |= parts(arm, words, twice, means)
        except CannotCount as why:
            notes.append(f"{arm.label} ({arm.given}): {what}{why}")
            if parts is _plain:
                break
    return found


def _both(program: Path, words: Sequence[str]) -> tuple[steps.Phases, steps.Phases]:
    return steps.told(program, words, steps.OPERATIONS), steps.told(program, words, 2 * steps.OPERATIONS)


def _plain(arm: Arm, words: Sequence[str], twice: bool, means: Means) -> Costs:
    short, long = _both(arm.program, words)
    found: Costs = {}
    for name in _PLAIN:
        costs = steps.an_operation(short, long, lambda phase, name=name: steps.summed(phase, name))
        found |= {(phase, name): cost for phase, cost in costs.items()}
    return found


def _instructions(arm: Arm, words: Sequence[str], twice: bool, means: Means) -> Costs:
    """With `twice`, the shorter script is counted a second time, to see that it counts the same."""
    short, long = _both(arm.program, words)
    first = callgrind.instructions(arm.program, steps.words(words, steps.OPERATIONS), means.interrupt)
    if twice and callgrind.instructions(arm.program, steps.words(words, steps.OPERATIONS), means.interrupt) != first:
        raise CannotCount("two counts of the same were not equal, so that they are no exact numbers")
    second = callgrind.instructions(arm.program, steps.words(words, 2 * steps.OPERATIONS), means.interrupt)
    if not len(first) == len(second) == len(short):
        raise CannotCount(f"callgrind parted {len(first)} and {len(second)} phases of {len(short)}")
    if 0 in first:
        raise CannotCount("callgrind saw no instruction in a phase, as the program's steps are linked into each other")
    for phases, numbers in ((short, first), (long, second)):
        for phase, number in zip(phases.values(), numbers, strict=True):
            phase[INSTRUCTIONS] = number
    costs = steps.an_operation(short, long, lambda phase: phase[INSTRUCTIONS])
    return {(phase, INSTRUCTIONS): cost for phase, cost in costs.items()}


def _atomics(arm: Arm, words: Sequence[str], twice: bool, means: Means) -> Costs:
    short, long = _both(counting_build.program(arm, means.work, means.say, means.interrupt), words)
    if any(steps.atomics(phase) is None for phase in short.values()):
        raise CannotCount("a queue comes from a library, or was not compiled to count them")
    found: Costs = {}
    for kind, name in _ATOMICS.items():
        costs = steps.an_operation(short, long, lambda phase, kind=kind: (steps.atomics(phase) or {}).get(kind, 0))
        found |= {(phase, name): cost for phase, cost in costs.items()}
    return found


def _counts(name: str, base: Costs, head: Costs) -> list[Count]:
    """Side by side, phase by phase; without what is 0 in both."""
    keys = dict.fromkeys((*base, *head))
    phases = dict.fromkeys(phase for phase, _ in keys)
    order = (INSTRUCTIONS, *_ATOMICS.values(), *_PLAIN)
    return [
        Count(f"{name}, {phase}: {what} an operation", base.get((phase, what)), head.get((phase, what)))
        for phase in phases
        for what in order
        if base.get((phase, what)) or head.get((phase, what))
    ]
