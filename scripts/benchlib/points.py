# SPDX-License-Identifier: Apache-2.0
"""Cells that the program has accepted: each is tried with --dry-run before anything is measured or written."""

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from benchlib import cells, emulation, units
from benchlib.cells import Cell
from benchlib.errors import Refused
from benchlib.plan import Plan
from benchlib.plan_schema import PROGRAM
from benchlib.program import Lacking, Program
from benchlib.programs import Programs


@dataclass(frozen=True)
class Point:
    """A cell with its arguments, and its record as far as it is known before measuring.

    `arm` is the label of its program where the plan names programs. `also_in` are further parts that have the cell.
    """

    cell: Cell
    arguments: list[str]
    resolved: dict[str, Any]
    program: Program
    arm: str | None = None
    also_in: tuple[str, ...] = ()

    @property
    def cell_id(self) -> str:
        """The program's own hash of all that the user chose and the result depends on."""
        return self.resolved["cell_id"]

    @property
    def name(self) -> tuple[str, str]:
        """What tells it from every other point of its sweep: a cell has one point for each program that runs it."""
        return self.cell_id, self.arm or ""

    @property
    def command(self) -> list[str]:
        """The run for a person to type, from the root of the checkout."""
        return [str(self.cell.settings.get(PROGRAM, "readyq")), "run", *self.arguments]


def resolve(plan: Plan, expanded: Sequence[Cell], programs: Programs) -> tuple[list[Point], dict[str, list[str]]]:
    """All points of the plan, one that several parts share only once; or Refused, naming the first that will not do.

    Where the plan says so, cells are left out whose pool lacks what the workload needs: by pool, what.
    """
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        asked = [pool.submit(_try, cell, plan, programs) for cell in expanded]
        try:
            answers = [
                _answer(future, cell, f"{number} of {len(asked)}", plan.leave_out_lacking)
                for number, (future, cell) in enumerate(zip(asked, expanded, strict=True), 1)
            ]
        finally:
            pool.shutdown(cancel_futures=True)
    points = [answer for answer in answers if isinstance(answer, Point)]
    lacking: dict[str, list[str]] = {}
    for cell, answer in zip(expanded, answers, strict=True):
        if isinstance(answer, Lacking):
            known = lacking.setdefault(str(cell.settings.get("pool", "the first pool")), [])
            known += [] if answer.what in known else [answer.what]
    if not points:
        raise Refused(f"nothing is left of the plan, as pools lack what its workloads need: {in_words(lacking)}")
    for part in plan.parts:
        _check_part([point for point in points if point.cell.part == part.name], plan)
    unique: dict[tuple[str, str], Point] = {}
    for point in points:
        first = unique.setdefault(point.name, point)
        if first is not point:
            unique[point.name] = replace(first, also_in=(*first.also_in, point.cell.part))
    return list(unique.values()), lacking


def in_words(lacking: dict[str, list[str]]) -> str:
    """`uv (keys, externals), ...`."""
    return ", ".join(f"{pool} ({', '.join(what)})" for pool, what in lacking.items())


def _check_part(points: list[Point], plan: Plan) -> None:
    """What can only be seen of all cells together: two that are one, and options that make no difference."""
    if not points:
        return
    seen: dict[tuple[str, str], Point] = {}
    for point in points:
        same = seen.setdefault(point.name, point)
        if same is not point:
            raise Refused(f"cells ({same.cell.label}) and ({point.cell.label}) are the same to the program")
    if not plan.allow_emulated:
        emulation.check(points[0].cell.part, [point.resolved for point in points])


def _try(cell: Cell, plan: Plan, programs: Programs) -> Point:
    program, arm = programs.of(cell)
    try:
        arguments = cells.arguments(cell.settings)
    except cells.Unnamed as lack:
        raise Refused(f'{lack}; add one to the base, such as {lack.plugin} = "{program.first(lack.plugin)}"') from lack
    point = Point(cell, arguments, program.resolve(arguments), program, arm)
    measured_s = (point.resolved["warmup_ns"] + point.resolved["duration_ns"]) * 1e-9
    if measured_s >= plan.timeout_s:
        raise Refused(
            f"warm-up and window take {units.in_words(measured_s)}, but the timeout is {units.in_words(plan.timeout_s)}"
        )
    return point


def _answer(future: Future[Point], cell: Cell, number: str, leave_out_lacking: bool) -> Point | Lacking:
    try:
        return future.result()
    except Refused as refusal:
        if leave_out_lacking and isinstance(refusal, Lacking):
            return refusal
        raise Refused(f"cell {number} ({cell.label}): {refusal}") from refusal
