# SPDX-License-Identifier: Apache-2.0
"""The ladder that each mutant is thrown at: rungs of steps, cheap ones first. A step is a command that must fail.

Every rung is climbed, whatever one before it has found, so that the table tells what each of them is worth; but for the
last, which cost more than all others together: they get only what these let live.
"""

import functools
import hashlib
import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchlib.mutants_list import BASE_PRESET, Mutant

VERSION = 1  # of what a rung is, beyond the words of its steps
# A step that takes longer hangs. Several times what any needs, for a slow machine must kill no mutant.
TEST_TIMEOUT_S = 240.0
HANG_TIMEOUT_S = 60.0  # of tests that the list expects to hang; without the mutant they must pass in that
RUN_TIMEOUT_S = 120.0
SANITIZERS = ("asan", "tsan")

# What becomes of a mutant on a rung.
KILLED, HANGS, SURVIVED = "killed", "hangs", "survived"
SAME, DIFFERS = "same", "differs"  # on the rung `code`, which kills nothing
UNBUILT = "not built"

PYTEST = ("python3", "-m", "pytest", "-c", "tests/pytest.ini", "--rootdir", ".", "-q")
LABELS_TEST = "test_orderings.py"
OBJDUMP = ("objdump",)  # the step of the rung `code`, which is taken by comparing


@dataclass(frozen=True)
class Step:
    """A command in the tree. `targets` are to be built for it, by `preset`."""

    name: str
    words: tuple[str, ...]
    preset: str = BASE_PRESET
    targets: tuple[str, ...] = ("readyq",)
    timeout_s: float = RUN_TIMEOUT_S

    @property
    def is_test(self) -> bool:
        """It runs something of tests/, and not the program alone."""
        return self.targets != ("readyq",) or self.words[: len(PYTEST)] == PYTEST

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps([VERSION, self.words, self.preset, self.timeout_s]).encode()).hexdigest()


@dataclass(frozen=True)
class Rung:
    """One way to look at a mutant; `steps` are those that concern it, and none if it has nothing to say of it."""

    name: str
    what: str
    steps: Callable[[Mutant], Sequence[Step]]
    native: bool = False  # sees nothing but the program that the release build makes
    last: bool = False  # only for those that the rungs before let live


# ---------------------------------------------------------------- which subjects a file concerns

ERTS = "erts_mpsc"
LISTS = ("mutex_list", "list:capacity=1")
# Locks that hand over in order of arrival: slow where threads outnumber processors, so only for whom it may concern.
FAIR_LISTS = ("list:lock=mcs", "ticket_list")
# The only one that counts who is inside and waits for thread progress.
OF_ERTS = ("queues/erts_mpsc.c", "core/sync/grace.h", "core/sync/tally.h", "core/sync/progress.c")
OF_LOCKS = ("core/sync/lock.c", "core/sync/lock.h")
ALGORITHMS = ("queues/", "core/sync/", "core/queue_client", "core/history/", "core/check/")


def queues_of(file: str) -> tuple[str, ...]:
    """The queues that a mutant of this file may have broken."""
    if file in OF_ERTS:
        return (ERTS,)
    if file in OF_LOCKS:
        return (*FAIR_LISTS, *LISTS)
    if file == "queues/list.c":
        return (FAIR_LISTS[0], *LISTS)
    return (ERTS, *LISTS) if file.startswith(ALGORITHMS) else ()


def _readyq(preset: str) -> str:
    return f"build/{preset}/readyq"


# The runtimes of the thread sanitizer refuse to start where memory is placed very randomly.
def _prefix(preset: str) -> tuple[str, ...]:
    return ("setarch", "--addr-no-randomize") if preset == "tsan" and _may_fix_addresses() else ()


@functools.cache
def _may_fix_addresses() -> bool:
    return subprocess.call(["setarch", "--addr-no-randomize", "true"], stderr=subprocess.DEVNULL) == 0


# ---------------------------------------------------------------- the rungs

def _labels(mutant: Mutant) -> list[Step]:
    if "at_" not in mutant.find + mutant.replace:
        return []
    return [Step(LABELS_TEST, (*PYTEST, f"tests/{LABELS_TEST}"), targets=(), timeout_s=TEST_TIMEOUT_S)]


def _code(mutant: Mutant) -> list[Step]:
    return [Step("machine code", OBJDUMP)] if mutant.file.endswith((".c", ".h")) else []


def _unit(mutant: Mutant) -> list[Step]:
    steps = []
    timeout_s = HANG_TIMEOUT_S if mutant.hangs else TEST_TIMEOUT_S
    for test in mutant.tests:
        if test.endswith(".py"):
            steps.append(Step(test, (*PYTEST, f"tests/{test}"), timeout_s=timeout_s))
        else:
            program = (*_prefix(mutant.preset), f"build/{mutant.preset}/tests/{test}")
            steps.append(Step(test, program, mutant.preset, (test,), timeout_s))
    return steps


# The checks of the suite, a step each: the first that fails is enough, and a queue that hangs does so in most.
CHECKS = (
    *("model", "loops", "capacity", "length", "batches", "prepared", "no_memory", "reuse", "garbage", "notify"),
    *("churn", "crowds", "delivery", "history", "nonempty", "sleep", "stalls"),
)


def _check(preset: str, queues: Sequence[str]) -> list[Step]:
    words = (*_prefix(preset), _readyq(preset), "check", "--stuck", "10s", "--only")
    return [Step(f"check {queue}, {check}", (*words, check, queue), preset) for queue in queues for check in CHECKS]


def _conformance(mutant: Mutant) -> list[Step]:
    return _check(BASE_PRESET, queues_of(mutant.file))


QUEUE_LOADS = (
    "producer_consumer:producers=3,window=1",
    "producer_consumer:producers=3,window=64",
    "producer_consumer:producers=3,window=8,producer_kind=managed",
    "producer_consumer:producers=2,window=8,consumer_kind=unmanaged",
)
MANY_LOADS = ("producer_consumer:producers=3,consumers=2,window=8", "pairs:threads=3")
# Options of a pool run: workload, pool, and the queues if not the pool's own.
POOL_LOADS = (
    ("closed_loop:window=1", "erts", ""),
    ("closed_loop:schedulers=2,workers=2,externals=1,keys=3,window=17", "erts:stop=poison,batch=4", ""),
    ("closed_loop:schedulers=2,workers=2,window=8", "erts:completion=worker", ""),
    ("closed_loop:workers=2,window=64", "erts:smp=no,ready_lock=none,batch=4", ""),
    ("closed_loop:workers=2,window=64", "erts:elements=worker,freeing=automatic,ready_lock=mcs,ready_limit=1", ""),
    ("closed_loop:workers=0", "erts", ""),
    ("closed_loop:schedulers=2,workers=3,window=8,service_ns=1us", "erts:ready_lock=ticket", "list:capacity=2"),
    ("closed_loop:schedulers=2,workers=2,window=4", "erts", "mutex_list"),
    ("blast:workers=3,jobs=100", "erts", "list:capacity=1"),
    ("blast:schedulers=2,workers=3,jobs=100", "erts:stop=poison,ready_lock=none", ""),
    ("stall:who=worker,stall_ns=100us,every=20", "erts", ""),
    ("port_churn:externals=1,workers=2", "erts", ""),
    ("port_churn:schedulers=2,workers=2,key=port", "erts:completion=worker", ""),
)


def queue_loads(queue: str) -> tuple[str, ...]:
    return QUEUE_LOADS if queue == ERTS else QUEUE_LOADS[:2] + MANY_LOADS


def _run(name: str, words: Sequence[str], preset: str) -> Step:
    settings = ("--check", "full", "--check-memory", "256", "--warmup", "5ms", "--duration", "100ms", "--stuck", "8s")
    return Step(name, (*_prefix(preset), _readyq(preset), "run", "--quiet", *settings, *words), preset)


def _history_of(mutant: Mutant, preset: str) -> list[Step]:
    steps = []
    for queue in queues_of(mutant.file):
        for load in queue_loads(queue):
            steps.append(_run(f"{queue}, {load}", ("--workload", load, "--queue", queue), preset))
    for load, pool, queue in POOL_LOADS:
        both = ("--queue", queue) if queue else ()
        name = f"{' '.join(filter(None, (pool, queue)))}, {load}"
        steps.append(_run(name, ("--workload", load, "--pool", pool, *both), preset))
    return steps


def _history(mutant: Mutant) -> list[Step]:
    return _history_of(mutant, BASE_PRESET)


def _sanitized(preset: str) -> Callable[[Mutant], list[Step]]:
    """The suite takes long under a sanitizer, so it gets the two queues that are least alike."""
    unlike = (ERTS, LISTS[-1])

    def steps(mutant: Mutant) -> list[Step]:
        queues = [queue for queue in queues_of(mutant.file) if queue in unlike]
        return [*_history_of(mutant, preset), *_check(preset, queues)]

    return steps


LADDER = (
    Rung("labels", "the accesses of the mutated text still name each other (tests/test_orderings.py)", _labels),
    Rung("code", "the release build's machine code: `same` as the original's, or it `differs`", _code),
    Rung("unit", "the tests that the list names for it", _unit),
    Rung("conformance", "`readyq check` of the queues that it concerns", _conformance, native=True),
    Rung("history", "`readyq run --check full` of queues and pools: each operation judged", _history, native=True),
    Rung("asan", "both under the address and undefined-behaviour sanitizers", _sanitized("asan"), last=True),
    Rung("tsan", "both under the thread sanitizer, which sees orders that x86 keeps", _sanitized("tsan"), last=True),
)
RUNGS = {rung.name: rung for rung in LADDER}


@dataclass(frozen=True)
class Sources:
    """Hashes of what is built: a changed test is no reason to run again what runs the program alone."""

    of_program: str
    of_tests: str

    def of(self, steps: Sequence[Step]) -> str:
        return self.of_tests if any(step.is_test for step in steps) else self.of_program


def step_key(step: Step, sources: Sources) -> str:
    """Of a step that was seen to pass on the tree without a mutant."""
    return hashlib.sha256(json.dumps(["baseline", sources.of([step]), step.digest]).encode()).hexdigest()


def key(rung: Rung, mutant: Mutant, sources: Sources) -> str:
    """Changes whenever the outcome may."""
    steps = rung.steps(mutant)
    text = json.dumps([rung.name, rung.native, mutant.digest, sources.of(steps), [step.digest for step in steps]])
    return hashlib.sha256(text.encode()).hexdigest()


def applies(rung: Rung, mutant: Mutant) -> bool:
    return bool(rung.steps(mutant))

