# SPDX-License-Identifier: Apache-2.0
"""The programs of one sweep: those that a plan names to compare builds, and the one that runs all other cells."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchlib import paths, program
from benchlib.cells import Cell
from benchlib.errors import Refused
from benchlib.plan_schema import PROGRAM
from benchlib.program import Program


class Programs:
    """What runs each cell. `arms` are the named programs by their labels; `main` speaks for all of the queues."""

    def __init__(self, cells: Sequence[Cell], chosen: Path | None) -> None:
        """`chosen` is --program; without it, cells that name none are run by the one that `program.find` finds."""
        names = list(dict.fromkeys(_normal(cell.settings[PROGRAM]) for cell in cells if PROGRAM in cell.settings))
        self._by_name = dict(zip(names, labels(names), strict=True))
        self.arms = {label: Program(_find(name)) for name, label in self._by_name.items()}
        self._default = Program(program.find(chosen)) if any(PROGRAM not in cell.settings for cell in cells) else None
        if chosen and not self._default:
            raise Refused(f"--program {chosen} would run nothing: the plan names the program of every cell")
        self.main = self._default or next(iter(self.arms.values()))

    def of(self, cell: Cell) -> tuple[Program, str | None]:
        """The program of a cell, and its label if the plan names it."""
        if PROGRAM not in cell.settings:
            return self.main, None
        label = self._by_name[_normal(cell.settings[PROGRAM])]
        return self.arms[label], label

    def used(self) -> Iterator[tuple[str | None, Program]]:
        """All of them with their labels; the one that the plan does not name has none."""
        if self._default:
            yield None, self._default
        yield from self.arms.items()

    def fields(self) -> dict[str, list[dict[str, Any]]]:
        """The columns of each CSV file, which must be the same for all."""
        fields = self.main.fields()
        for _, one in self.used():
            if one is not self.main and one.fields() != fields:
                raise Refused(
                    f"{paths.shown(self.main.path)} and {paths.shown(one.path)} write different columns, so their runs "
                    "cannot stand in one table"
                )
        return fields


def labels(names: Sequence[str]) -> list[str]:
    """What a person calls them: `bare` for build/bare/readyq, or the whole path where two would be called alike."""
    short = [Path(name).parent.name or Path(name).name for name in names]
    return [name if short.count(label) > 1 else label for name, label in zip(names, short, strict=True)]


def _normal(name: Any) -> str:
    return os.path.normpath(name)


def _find(name: str) -> Path:
    """A named program, which must lie in the checkout: a plan, and what is recorded of it, holds on any machine."""
    if os.path.isabs(name) or name.split(os.sep)[0] == os.pardir:
        raise Refused(f'program "{name}" must be a path below the root of the repository, such as build/release/readyq')
    path = paths.ROOT / name
    if not path.is_file() or not os.access(path, os.X_OK):
        raise Refused(f"no program at {name} (below the root of the repository), which the plan names; build it first")
    return path
