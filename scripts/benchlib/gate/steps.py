# SPDX-License-Identifier: Apache-2.0
"""`readyq steps` as the gate asks it: the same script in two lengths, whose difference is what one operation costs.

What happens once, as the growth of a cache, is in both and so in none of the numbers.
"""

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchlib.errors import os_reason

OPERATIONS = 1000  # items or jobs of the shorter one
TIMEOUT_S = 60.0
_PATH = "/usr/bin:/bin"

Phases = dict[str, dict[str, Any]]


class CannotCount(Exception):
    """Why there is a number of neither or of one arm, as a sentence."""


def environment() -> dict[str, str]:
    """The same for both arms, with libc's malloc; all symbols are looked up before anything is counted."""
    return {"PATH": os.environ.get("PATH", _PATH), "LC_ALL": "C", "LD_BIND_NOW": "1"}


def words(subject: Sequence[str], operations: int) -> list[str]:
    """The words behind `steps`."""
    return [*subject, "--operations", str(operations)]


def told(program: Path, subject: Sequence[str], operations: int) -> Phases:
    """The phases by name, in order; raises CannotCount."""
    try:
        done = subprocess.run([program, "steps", *words(subject, operations)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False,
                              env=environment())  # fmt: skip
    except OSError as error:
        raise CannotCount(f"cannot start {program.name}: {os_reason(error)}") from error
    except subprocess.TimeoutExpired as error:
        raise CannotCount(f"`readyq steps` did not end in {TIMEOUT_S:.0f} s") from error
    if "there is no command" in done.stderr:
        raise CannotCount("its program is older than `readyq steps`")
    if done.returncode != 0:
        said = done.stderr.strip().partition("\n")[0].removeprefix("readyq: ")
        raise CannotCount(f"`readyq steps` ended with {done.returncode}: {said or 'it says nothing'}")
    try:
        return {phase["name"]: phase for phase in json.loads(done.stdout)["phases"]}
    except (ValueError, KeyError, TypeError) as error:
        raise CannotCount("`readyq steps` printed no counts") from error


def an_operation(short: Phases, long: Phases, count: Callable[[Mapping[str, Any]], int | None]) -> dict[str, float]:
    """By phase what an operation costs; `count` is of one phase, and phases of which it is None are left out."""
    costs = {}
    for name in (name for name in short if name in long):
        operations = long[name]["operations"] - short[name]["operations"]
        before, after = count(short[name]), count(long[name])
        if operations > 0 and before is not None and after is not None:
            costs[name] = (after - before) / operations
    return costs


def summed(phase: Mapping[str, Any], name: str) -> int | None:
    """One count over all steps of a phase; None where it is not known."""
    found = [cost.get(name) for cost in phase["steps"].values()]
    return None if None in found else sum(found)


def atomics(phase: Mapping[str, Any]) -> dict[str, int] | None:
    """Atomic accesses of a phase by kind; None where they are not known."""
    kinds: dict[str, int] = {}
    for cost in phase["steps"].values():
        if cost["atomics"] is None:
            return None
        for kind, orders in cost["atomics"].items():
            kinds[kind] = kinds.get(kind, 0) + sum(orders.values())
            kinds["seq_cst"] = kinds.get("seq_cst", 0) + orders.get("seq_cst", 0)
    return kinds
