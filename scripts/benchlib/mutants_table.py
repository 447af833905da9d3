# SPDX-License-Identifier: Apache-2.0
"""The table of mutants and rungs for people, and what is wrong with it: who should have died and did not."""

import re
from collections.abc import Mapping, Sequence

from benchlib import mutants_ladder as ladder
from benchlib.mutants_climb import CODE, Row
from benchlib.mutants_journal import Line
from benchlib.mutants_ladder import Rung
from benchlib.mutants_list import EQUIVALENT, SAME, X86, Mutant
from benchlib.mutants_models import seen_in

NOTHING = "-"
SPARED = "spared"
MODEL = "model"
ABOUT = 3  # columns about the mutant itself, before those of the rungs
HEAD = """<!-- SPDX-License-Identifier: Apache-2.0 -->
# Which check sees which bug

Made by `scripts/mutants`, which puts each bug of [mutants.toml](mutants.toml), alone, into a copy of the sources,
builds it, and throws it at every rung of a ladder of checks. RUNNING.md says how to read it and how to make it again.
"""
KINDS = {
    EQUIVALENT: "Nobody can tell it from the original:",
    SAME: "The same machine code on x86, so that nothing that runs here can tell it from the original:",
    X86: "Other machine code, but x86 shows no difference:",
}


def faults(rows: Sequence[Row], rungs: Sequence[Rung] = ladder.LADDER) -> list[str]:
    """Sentences; none if every mutant that should die does, and those that are said to survive do.

    Who was not thrown at all of `rungs` may still die.
    """
    return [f"{row.mutant.name} {fault}" for row in rows for fault in _faults_of(row, rungs)]


def _faults_of(row: Row, rungs: Sequence[Rung]) -> list[str]:
    if row.unbuilt:
        return ["does not build"]
    found = []
    if row.killers and row.mutant.survives:
        found.append(f"is said to survive, but {row.killers[0]} kills it ({row.lines[row.killers[0]].by})")
    if not row.killers and not row.mutant.survives and len(row.lines) == _asked(row.mutant, rungs):
        found.append(f"survives every rung. {row.mutant.bug}")
    unit = row.lines.get("unit")
    if unit and unit.outcome == ladder.HANGS and not row.mutant.hangs:
        found.append(f"makes {unit.by} hang in place of failing, which the list does not say")
    code = row.lines.get(CODE)
    if code and row.mutant.reason_kind == SAME and code.outcome != ladder.SAME:
        found.append("is said to have the same machine code, and has not")
    return found


def _asked(mutant: Mutant, rungs: Sequence[Rung]) -> int:
    return sum(ladder.applies(rung, mutant) for rung in rungs)


def render(rows: Sequence[Row], rungs: Sequence[Rung], models: Mapping[str, str]) -> str:
    """The whole document; `models` are the files of those that refute a mutant."""
    parts = [HEAD, _legend(rungs), _table(rows, rungs, models), _worth(rows, rungs), _survivors(rows)]
    return "\n".join(parts)


def _legend(rungs: Sequence[Rung]) -> str:
    lines = ["## The rungs", "", *(f"- **{rung.name}**: {rung.what}." for rung in rungs)]
    lines += [
        f"- **{MODEL}**: the model of tests/models/ in which Spin refutes the same bug (tests/test_models.py).",
        "",
        f"`{NOTHING}`: the rung has nothing to say of this mutant. `{SPARED}`: another rung had killed it, and this one"
        f" costs more than all those together. `{ladder.SAME}`: not run, as the machine code is the"
        " original's. A unit test can see a mutant of the same code if it compiles the source with a hook at each"
        " access of the total order, which the weakened access has left (tests/test_erts_mpsc_races.c,"
        " tests/test_progress_races.c).",
        "",
    ]
    return "\n".join(lines)


def _table(rows: Sequence[Row], rungs: Sequence[Rung], models: Mapping[str, str]) -> str:
    titles = _titles(rungs)
    lines = ["## The table", "", _line(titles), _line(["---"] * len(titles))]
    for row in rows:
        cells = [_cell(row, rung) for rung in rungs]
        mutant = row.mutant
        model = seen_in(models, mutant) or NOTHING
        lines.append(_line([mutant.name, mutant.known_as, mutant.file, *cells, model]))
    return "\n".join([*lines, ""])


def _titles(rungs: Sequence[Rung]) -> list[str]:
    return ["mutant", "known as", "file", *(rung.name for rung in rungs), MODEL]


def _cell(row: Row, rung: Rung) -> str:
    line = row.lines.get(rung.name)
    if line:
        return line.outcome
    return SPARED if rung.last and row.killers and ladder.applies(rung, row.mutant) else NOTHING


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _worth(rows: Sequence[Row], rungs: Sequence[Rung]) -> str:
    titles = ["rung", "mutants that it was given", "killed", "killed by it alone"]
    lines = ["## What each rung is worth", "", _line(titles), _line(["---"] * len(titles))]
    for rung in rungs:
        if rung.name == CODE:
            continue
        given = [row for row in rows if rung.name in row.lines and row.lines[rung.name].outcome != ladder.SAME]
        killed = [row for row in given if rung.name in row.killers]
        alone = [row for row in killed if len(row.killers) == 1]
        lines.append(_line([rung.name, str(len(given)), str(len(killed)), str(len(alone))]))
    dead = sum(bool(row.killers) for row in rows)
    return "\n".join([*lines, "", f"Of {len(rows)} mutants {dead} died, and {len(rows) - dead} survived.", ""])


def _survivors(rows: Sequence[Row]) -> str:
    lines = ["## The survivors"]
    for kind, words in KINDS.items():
        named = [row.mutant for row in rows if row.mutant.reason_kind == kind]
        if named:
            lines += ["", words, "", *(f"- **{mutant.name}**: {' '.join(mutant.reason.split())}" for mutant in named)]
    return "\n".join([*lines, ""])


def named_in(text: str) -> Mapping[str, bool]:
    """The mutants of a document, in order, and whether it lists them as survivors."""
    table, _, survivors = text.partition("## The survivors")
    table = table.partition("## The table")[2].partition("\n## ")[0]
    names = re.findall(r"^\| ([a-z0-9-]*[a-z0-9]) \|", table, flags=re.MULTILINE)
    surviving = set(re.findall(r"^- \*\*([a-z0-9-]+)\*\*:", survivors, flags=re.MULTILINE))
    return {name: name in surviving for name in names if name != "mutant"}


def read(text: str, mutants: Sequence[Mutant], rungs: Sequence[Rung]) -> dict[str, Row]:
    """What a document says of these mutants, by name; empty if its table has other rungs than these."""
    table = text.partition("## The table")[2].partition("\n## ")[0]
    lines = [_cells(line) for line in table.splitlines() if line.startswith("|")]
    if not lines or lines[0] != _titles(rungs):
        return {}
    by_name = {mutant.name: mutant for mutant in mutants}
    told = {cells[0]: cells[ABOUT : ABOUT + len(rungs)] for cells in lines if cells[0] in by_name}
    return {name: _row(by_name[name], dict(zip((rung.name for rung in rungs), outcomes, strict=True)))
            for name, outcomes in told.items()}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _row(mutant: Mutant, outcomes: Mapping[str, str]) -> Row:
    known = {rung: outcome for rung, outcome in outcomes.items() if outcome not in (NOTHING, SPARED)}
    return Row(mutant, {rung: Line(mutant.name, rung, "", outcome, "", 0) for rung, outcome in known.items()})
