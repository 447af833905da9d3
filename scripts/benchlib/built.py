# SPDX-License-Identifier: Apache-2.0
"""Which queues and pools of a plan come from elsewhere: from libraries, which a build may lack, and from objects."""

from collections.abc import Iterable, Sequence

from benchlib.cells import Cell
from benchlib.errors import Refused
from benchlib.plan import Plan
from benchlib.program import Program
from benchlib.programs import Programs

QUEUES = ("queue", "job_queue", "ready_queue")
KINDS = dict.fromkeys(QUEUES, "queues") | {"pool": "pools"}


def keep(plan: Plan, expanded: Sequence[Cell], programs: Programs) -> tuple[list[Cell], dict[str, str]]:
    """The cells that can be run, and the queues and pools of the others with the package that each lacks."""
    if not plan.leave_out_not_built:
        return list(expanded), {}
    packages: dict[Program, dict[tuple[str, str], str]] = {}
    kept, lacking = [], {}
    for cell in expanded:
        program, _ = programs.of(cell)
        absent = packages.setdefault(program, _not_built(program))
        lacked = {name: absent[kind, name] for kind, name in _named(cell) if (kind, name) in absent}
        lacking |= lacked
        if not lacked:
            kept.append(cell)
    if not kept:
        raise Refused(f"none of the plan's queues and pools is built: {in_words(lacking)}")
    return kept, dict(sorted(lacking.items()))


def in_words(lacking: dict[str, str]) -> str:
    """`boost_queue (libboost-dev), ...`."""
    return ", ".join(f"{name} ({package})" for name, package in lacking.items())


def objects(cells: Iterable[Cell]) -> list[str]:
    """The shared objects that the cells name in place of a listed queue."""
    return sorted({name for cell in cells for kind, name in _named(cell) if kind == "queues" and "/" in name})


def pools(cells: Iterable[Cell]) -> list[str]:
    """The pools that the cells name."""
    return sorted({name for cell in cells for kind, name in _named(cell) if kind == "pools"})


def _named(cell: Cell) -> list[tuple[str, str]]:
    """The queues and pools that a cell names, each with its kind."""
    named = ((kind, cell.settings.get(setting)) for setting, kind in KINDS.items())
    return [(kind, str(name).partition(":")[0]) for kind, name in named if name is not None]


def _not_built(program: Program) -> dict[tuple[str, str], str]:
    listing = program.listing()
    return {(kind, one["name"]): one["package"]
            for kind in ("queues", "pools") for one in listing[kind] if not one["built"]}  # fmt: skip
