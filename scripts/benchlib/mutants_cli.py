# SPDX-License-Identifier: Apache-2.0
"""`scripts/mutants`: bugs put into a copy of our sources, each of which some rung of the ladder must see."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from benchlib import mutants_ladder as ladder
from benchlib import mutants_list, mutants_models, mutants_table, paths, units
from benchlib.command import carry_out, tell
from benchlib.errors import EXIT_FAILED, EXIT_OK
from benchlib.files import write_whole
from benchlib.mutants_climb import BaselineFails, Climb, Row
from benchlib.mutants_journal import Journal
from benchlib.mutants_ladder import Rung
from benchlib.mutants_list import Mutant
from benchlib.mutants_tree import BuildFails, Tree

FOLDER = paths.ROOT / "build" / "mutants"
TABLE = Path("tests") / "mutants.md"
EXIT_TERMINATED = 128 + signal.SIGTERM
EPILOG = """examples: scripts/mutants --list
          scripts/mutants                            all; interrupted at any moment, it goes on from there
          scripts/mutants --only shared-poison       all rungs for one of them, and its row of the table
          scripts/mutants --rung labels              one rung for all of them

exit codes: 0 each mutant died, but for those whose survival tests/mutants.toml explains; 1 one did not, or the tree
fails a rung without any mutant; 2 it could not be done; 130 or 143 interrupted"""


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/mutants",
        description="Puts each bug of tests/mutants.toml, alone, into a copy of the sources, builds it, and throws it "
        "at every rung of a ladder of checks. Prints which rung sees which bug, and renews the rows of the table "
        f"{TABLE}: of the mutants that were thrown at all rungs. What did not change since the last time is not "
        "done again.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--list", action="store_true", help="print the mutants, and do nothing")
    parser.add_argument("--only", metavar="NAME[,NAME]", help="these mutants")
    parser.add_argument(
        "--rung", type=_rungs, default=list(ladder.LADDER), metavar="RUNG[,RUNG]",
        help=f"these rungs, of {', '.join(ladder.RUNGS)}",
    )
    parser.add_argument(
        "--jobs", type=_count, default=os.cpu_count(), metavar="N", help="files compiled at once (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=FOLDER, metavar="DIR", help="copy, builds and journal (default: build/mutants)"
    )
    return parser.parse_args(words)


def _rungs(text: str) -> list[Rung]:
    names = text.split(",")
    for name in names:
        if name not in ladder.RUNGS:
            raise argparse.ArgumentTypeError(f'there is no rung "{name}"; known are {", ".join(ladder.RUNGS)}')
    return [rung for name, rung in ladder.RUNGS.items() if name in names]


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number from 1 to 1024')
    return int(text)


def run(words: Sequence[str]) -> int:
    options = parse(words)
    everything = mutants_list.load(paths.ROOT)
    chosen = mutants_list.choose(everything, options.only) if options.only is not None else everything
    if options.list:
        tell(*(f"{mutant.name:55} {mutant.file:24} {_expected(mutant)}" for mutant in chosen))
        return EXIT_OK
    rungs = options.rung
    signal.signal(signal.SIGTERM, _interrupt)
    journal = Journal(options.out / "journal.jsonl")
    try:
        climb = Climb(Tree(paths.ROOT, options.out, options.jobs), journal, chosen, rungs, _say)
        return _climb(climb, rungs, options.out, everything)
    except _Terminated:
        return EXIT_TERMINATED
    finally:
        journal.close()


class _Terminated(Exception):
    """SIGTERM."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def _expected(mutant: Mutant) -> str:
    return f"survives ({mutant.reason_kind})" if mutant.survives else "dies"


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _climb(climb: Climb, rungs: Sequence[Rung], folder: Path, everything: Sequence[Mutant]) -> int:
    work = climb.missing()
    if work:
        count = sum(len(missing) for _, missing in work)
        _say(f"{len(work)} mutants, {count} rungs to climb, about {units.in_words(climb.seconds_left(work))}")
    started = time.monotonic()
    try:
        climb.run()
    except (BaselineFails, BuildFails) as failure:
        _say(f"mutants: {failure}")
        return EXIT_FAILED
    rows = climb.rows()
    models = mutants_models.refutations(paths.ROOT)
    faults = mutants_table.faults(rows)
    write_whole(folder / "table.md", mutants_table.render(rows, rungs, models))
    if len(rungs) == len(ladder.LADDER) and not any(row.unbuilt for row in rows):
        renew(paths.ROOT / TABLE, rows, everything, models)
    for fault in faults:
        _say(f"mutants: {fault}")
    dead = sum(bool(row.killers) for row in rows)
    tell(
        f"mutants: {dead} of {len(rows)} died, {len(faults)} not as the list says, in "
        f"{units.in_words(time.monotonic() - started)}; the table is {paths.shown(folder / 'table.md')}"
    )
    return EXIT_FAILED if faults else EXIT_OK


def renew(table: Path, rows: Sequence[Row], everything: Sequence[Mutant], models: Mapping[str, str]) -> None:
    """Puts the rows of mutants that were thrown at the whole ladder into the table; the others stay as they are."""
    text = table.read_text() if table.exists() else ""
    known = mutants_table.read(text, everything, ladder.LADDER) | {row.mutant.name: row for row in rows}
    inside = [known[mutant.name] for mutant in everything if mutant.name in known]
    write_whole(table, mutants_table.render(inside, ladder.LADDER, models))


def main(words: Sequence[str]) -> int:
    return carry_out("mutants", run, words)
