# SPDX-License-Identifier: Apache-2.0
"""What the head of each plan tells a user to type fits the plan: it is read, and compares one run with one run."""

import shlex
from collections import Counter
from pathlib import Path

import pytest

from benchlib import cells, compare_cli, plan
from benchlib.cells import Cell
from conftest import ROOT
from test_plan_file import PLANS

SCRIPT = "#   scripts/"
DERIVED = {"workers": "workload.workers", "arm": "program"}  # columns of a result that are a setting under another name


def typed(path: Path, script: str) -> list[list[str]]:
    """The words behind a script's name, in each line of the plan's head that calls it."""
    lines = [line.removeprefix("#   ") for line in path.read_text().splitlines() if line.startswith(SCRIPT)]
    return [words[1:] for words in map(shlex.split, lines) if words[0] == f"scripts/{script}"]


def value(cell: Cell, column: str) -> object:
    """What stands in the column. A plug-in's column holds its name; its parameters have columns of their own."""
    found = cell.settings.get(DERIVED.get(column, column))
    if column == "arm":
        return Path(str(found)).parent.name
    return found.partition(":")[0] if isinstance(found, str) and "." not in column else found


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_each_says_how_it_is_measured(path: Path) -> None:
    [[named, *_]] = typed(path, "sweep")
    assert ROOT / named == path


def test_some_say_how_to_compare() -> None:
    assert sum(len(typed(path, "compare")) for path in PLANS) > 5


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_what_is_compared_is_one_run_a_block(path: Path) -> None:
    """Else scripts/compare refuses: its groups mix different cells."""
    every = cells.expand(plan.read(path))
    for words in typed(path, "compare"):
        options = compare_cli.parse(words)
        chosen = [cell for cell in every if options.part in (None, cell.part)]
        assert chosen, f"{path.name} has no part {options.part}"
        columns = [*options.by.split(","), options.axis]
        runs = Counter(tuple(value(cell, column) for column in columns) for cell in chosen)
        twice = [key for key, count in runs.items() if count > 1]
        assert not twice, f"{shlex.join(words)} puts several cells of a block into {twice[0]}"
        for asked in (options.base, options.of):
            assert asked in (None, "best") or asked in {str(value(cell, options.axis)) for cell in chosen}
