# SPDX-License-Identifier: Apache-2.0
"""From a plan to its cells: every point of every part, as settings and as arguments of `readyq run`."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchlib.errors import Refused
from benchlib.plan import Axes, Condition, Part, Plan, Scalar, Settings
from benchlib.plan_schema import OPTIONS, PLUGINS, PROGRAM

MOST_RUNS = 1_000_000  # of a plan, likewise: at a second each they take eleven days
MOST_CELLS = 100_000  # of one part, before exclusions: beyond, somebody multiplied axes by mistake


@dataclass(frozen=True)
class Cell:
    """One point of a sweep. `varied` are the settings by which it differs from others of its part."""

    part: str
    settings: Settings
    varied: tuple[str, ...]

    @property
    def label(self) -> str:
        """How a person knows it from its neighbours."""
        points = ", ".join(f"{name}={value_text(self.settings[name])}" for name in self.varied)
        return f"{self.part}: {points}" if points else self.part

    @property
    def task(self) -> tuple[tuple[str, str], ...]:
        """What is measured, whichever program does it: cells of equal task are compared, and so run side by side."""
        return tuple(sorted((name, value_text(value)) for name, value in self.settings.items() if name != PROGRAM))


class Unnamed(Refused):
    """A parameter is set of a plug-in that the cell does not name."""

    def __init__(self, plugin: str, parameter: str) -> None:
        super().__init__(f'"{plugin}.{parameter}" is set, but no {plugin.replace("_", " ")} is named')
        self.plugin = plugin


def expand(plan: Plan) -> list[Cell]:
    """All cells in the order of the file. Refuses an exclusion that excludes nothing, and a part left without cells."""
    unused = {id(condition): condition for condition in plan.excludes}
    cells: list[Cell] = []
    check_runs(plan.name, sum(_size(part) for part in plan.parts), plan.repeats)
    for part in plan.parts:
        unused |= {id(condition): condition for condition in part.excludes}
        kept = []
        for cell in _combinations(part):
            matching = [condition for condition in (*plan.excludes, *part.excludes) if _holds(condition, cell.settings)]
            for condition in matching:
                unused.pop(id(condition), None)
            if not matching:
                kept.append(cell)
        if not kept:
            raise Refused(f'plan {plan.name}: part "{part.name}" has no cells left after its exclusions')
        cells += kept
    if unused:
        condition = ", ".join(f"{name} = {wanted}" for name, wanted in next(iter(unused.values())).items())
        raise Refused(f"plan {plan.name}: the exclusion of {condition} excludes nothing")
    return cells


def arguments(settings: Settings) -> list[str]:
    """The settings as options of `readyq run`: parameters go behind the name of their plug-in."""
    words: list[str] = []
    for plugin in PLUGINS:
        parameters = [
            f"{name.partition('.')[2]}={value_text(value)}"
            for name, value in settings.items()
            if name.startswith(f"{plugin}.")
        ]
        if plugin in settings:
            spec = value_text(settings[plugin])
            joint = "," if ":" in spec else ":"
            words += [_option(plugin), spec + (joint + ",".join(parameters) if parameters else "")]
        elif parameters:
            raise Unnamed(plugin, parameters[0].partition("=")[0])
    for name in OPTIONS:
        if name in settings:
            words += [_option(name), value_text(settings[name])]
    return words


def value_text(value: Scalar) -> str:
    """A value as a user would type it on the command line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _combinations(part: Part) -> Iterator[Cell]:
    """The product of all axes, a zipped group counting as one."""
    groups: list[Axes] = [{name: values} for name, values in part.axes.items()] + list(part.zips)
    varied = tuple(name for group in groups for name in group)
    steps = [
        [dict(zip(group, values, strict=True)) for values in zip(*group.values(), strict=True)] for group in groups
    ]
    for chosen in itertools.product(*steps):
        settings = dict(part.base)
        for step in chosen:
            settings |= step
        yield Cell(part.name, settings, varied)


def check_runs(plan: str, count: int, repeats: int) -> None:
    """Refuses more runs than anybody means, before any of them is thought of."""
    if count * repeats > MOST_RUNS:
        raise Refused(
            f"plan {plan}: {count} cells in {repeats} blocks are {count * repeats} runs; at most {MOST_RUNS} are taken"
        )


def _size(part: Part) -> int:
    """Its cells before exclusions, if they are not too many."""
    lengths = [len(values) for values in part.axes.values()]
    lengths += [len(next(iter(group.values()))) for group in part.zips]
    if math.prod(lengths) > MOST_CELLS:
        raise Refused(f'part "{part.name}" has too many cells, {math.prod(lengths)}; at most {MOST_CELLS} are taken')
    return math.prod(lengths)


def _holds(condition: Condition, settings: Settings) -> bool:
    return all(name in settings and _matches(settings[name], wanted) for name, wanted in condition.items())


def _matches(value: Scalar, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and value > wanted.get("above", -float("inf")) and value < wanted.get("below", float("inf"))
    return value_text(value) in [value_text(choice) for choice in (wanted if isinstance(wanted, list) else [wanted])]
