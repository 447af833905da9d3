# SPDX-License-Identifier: Apache-2.0
"""Which queues of a plan come from elsewhere: from libraries, which a build may lack, and from shared objects."""

from collections.abc import Iterable, Sequence

from benchlib.cells import Cell
from benchlib.errors import Refused
from benchlib.plan import Plan
from benchlib.program import Program
from benchlib.programs import Programs

QUEUES = ("queue", "job_queue", "ready_queue")


def keep(plan: Plan, expanded: Sequence[Cell], programs: Programs) -> tuple[list[Cell], dict[str, str]]:
    """The cells that can be run, and the queues of the others with the package that each lacks."""
    if not plan.leave_out_not_built:
        return list(expanded), {}
    packages: dict[Program, dict[str, str]] = {}
    kept, lacking = [], {}
    for cell in expanded:
        program, _ = programs.of(cell)
        absent = packages.setdefault(program, _not_built(program))
        lacked = {name: absent[name] for name in _queues(cell) if name in absent}
        lacking |= lacked
        if not lacked:
            kept.append(cell)
    if not kept:
        raise Refused(f"none of the plan's queues is built: {in_words(lacking)}")
    return kept, dict(sorted(lacking.items()))


def in_words(lacking: dict[str, str]) -> str:
    """`boost_queue (libboost-dev), ...`."""
    return ", ".join(f"{name} ({package})" for name, package in lacking.items())


def objects(cells: Iterable[Cell]) -> list[str]:
    """The shared objects that the cells name in place of a listed queue."""
    return sorted({name for cell in cells for name in _queues(cell) if "/" in name})


def _queues(cell: Cell) -> list[str]:
    named = (cell.settings.get(setting) for setting in QUEUES)
    return [str(name).partition(":")[0] for name in named if name is not None]


def _not_built(program: Program) -> dict[str, str]:
    return {queue["name"]: queue["package"] for queue in program.listing()["queues"] if not queue["built"]}
