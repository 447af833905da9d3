# SPDX-License-Identifier: Apache-2.0
"""Whether both arms would do the same in a cell: a default that changed between them is no change of speed.

Nothing is refused for it, since the change may be what is to be judged; but it is said.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from benchlib.gate import arms
from benchlib.gate.model import Arm, Cell
from benchlib.program import Program

BUILD = ("build", "compiler")
SETTINGS = ("dispatch", "allocator", "pin", "cpus", "threads", "workers", "warmup_ns", "duration_ns", "check",
            "keep_awake")  # fmt: skip
PARAMETERS = ("workload_params", "pool_params", "queue_params", "job_queue_params", "ready_queue_params")


def unlike(base: Arm, head: Arm, cells: Iterable[Cell]) -> list[str]:
    """A sentence for each setting in which they differ. Only what both know is compared: one may know more."""
    sentences: list[str] = []
    for cell in cells:
        first, second = (Program(arm.program).resolve(arms.words(arm, cell)) for arm in (base, head))
        sentences += [
            f"{where}{name} is {old} for BASE and {new} for HEAD"
            for where, names in ((f"cell {cell.name}: ", SETTINGS), ("", BUILD))
            for name, old, new in _differing(first, second, names)
        ]
        for names in PARAMETERS:
            pairs = _differing(_parsed(first.get(names)), _parsed(second.get(names)))
            what = names.removesuffix("_params").replace("_", " ")
            sentences += [f"cell {cell.name}: {what}'s {name} is {old} for BASE and {new} for HEAD"
                          for name, old, new in pairs]  # fmt: skip
    return list(dict.fromkeys(sentences))


def _differing(
    first: dict[str, Any], second: dict[str, Any], names: Iterable[str] | None = None
) -> Iterator[tuple[str, Any, Any]]:
    for name in first if names is None else names:
        if name in first and name in second and first[name] != second[name]:
            yield name, first[name], second[name]


def _parsed(parameters: str | None) -> dict[str, Any]:
    """`a=1;b=2` by name."""
    return {name: value for name, _, value in (part.partition("=") for part in (parameters or "").split(";"))}
