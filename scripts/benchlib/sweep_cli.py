# SPDX-License-Identifier: Apache-2.0
"""The command line of scripts/sweep: what was asked, what it will cost, and how it ended."""

import argparse
import re
import secrets
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from benchlib import manifest as manifests
from benchlib import built, cells, paths, plan, plan_schema, points, schedule, store, units
from benchlib.command import carry_out, tell
from benchlib.errors import EXIT_OK, Refused
from benchlib.files import write_whole
from benchlib.plan import Plan
from benchlib.points import Point
from benchlib.programs import Programs
from benchlib.sweep import Sweep

SEED_BITS = 32
PLAN_COPY = "plan.toml"

DESCRIPTION = """Measures every cell of a plan, several times, in randomised complete blocks, one process a run.

Prints the folder of the results on standard output, and everything for people on standard error."""
EXIT_CODES = """exit codes: 0 all runs are correct; 1 a run failed (it is in the data); 2 the plan or an option was
refused, or the system refused a resource; 130 or 143 interrupted, and what was measured is kept"""


def main(words: Sequence[str]) -> int:
    """Carries out the command line. Returns the exit code."""
    return carry_out("sweep", _sweep, words)


def _sweep(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    return resume(options, words) if options.resume else begin(options, words)


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        prog="sweep", description=DESCRIPTION, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("plan", nargs="?", type=Path, metavar="PLAN.toml", help="what to measure; see scripts/plans/")
    where = result.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, metavar="DIR", help="put the results into DIR, which must be new or empty")
    where.add_argument(
        "--resume", type=Path, metavar="DIR", help="go on with the sweep in DIR; repeats nothing that is there"
    )
    where.add_argument("--dry-run", action="store_true", help="check every cell, tell the cost, and measure nothing")
    where.add_argument("--list", action="store_true", help="the same, and print the command of every cell")
    result.add_argument(
        "--program",
        type=Path,
        metavar="PATH",
        help="the readyq to run where the plan names none (default: $READYQ, or the release build)",
    )
    result.add_argument("--repeats", type=_count, metavar="N", help="that many blocks instead of the plan's")
    result.add_argument(
        "--budget", metavar="TIME", help="at most about that long (90s, 5m): whole blocks are left out to fit"
    )
    result.add_argument("--machine", type=_label, metavar="LABEL", help="a name for this machine (default: its kind)")
    failing = result.add_mutually_exclusive_group()
    failing.add_argument("--keep-going", action="store_true", help="go on when a run fails (default)")
    failing.add_argument("--fail-fast", action="store_true", help="stop at the first run that fails")
    return result


def begin(options: argparse.Namespace, words: Sequence[str]) -> int:
    """A new sweep: all is checked before the first file is written."""
    if not options.plan:
        raise Refused("no plan is named; give a file such as scripts/plans/quick.toml, or --resume DIR")
    chosen = plan.read(options.plan)
    expanded = cells.expand(chosen)
    under_test = Programs(expanded, options.program)
    fields = under_test.fields()
    expanded, lacking = built.keep(chosen, expanded, under_test)
    if lacking:
        _say(f"left out, as this build lacks their libraries: {built.in_words(lacking)}")
    found, missed = points.resolve(chosen, expanded, under_test)
    if missed:
        _say(f"left out, as these pools lack what the workload needs: {points.in_words(missed)}")
    repeats = _repeats(chosen, found, options)
    if options.list:
        tell(*(shlex.join(point.command) for point in found))
    if options.list or options.dry_run:
        return EXIT_OK
    seed = chosen.seed if chosen.seed is not None else secrets.randbits(SEED_BITS)
    machine = options.machine or found[0].resolved["machine"]
    manifest = manifests.new(chosen, under_test, found, repeats, seed, secrets.token_hex(3), machine)
    manifest["not_built"] = lacking
    manifest["lacking"] = missed
    manifests.begin(manifest, words)
    name = f"{manifest['invocations'][0]['started'][:10]}-{manifest['program']['commit']}-{chosen.name}"
    opened = store.create(options.out) if options.out else store.create_named(paths.RESULTS, machine, name)
    sweep = Sweep(fields, found, manifest, opened, options.fail_fast)
    try:
        write_whole(opened.folder / PLAN_COPY, chosen.text)
        sweep.announce()
    except BaseException:
        opened.discard([PLAN_COPY, *fields])
        raise
    return _measure(sweep)


def resume(options: argparse.Namespace, words: Sequence[str]) -> int:
    """A sweep that was cut short: the same plan, program and machine, and only what is missing."""
    fixed = [name for name in ("repeats", "budget", "machine") if getattr(options, name) is not None]
    if fixed:
        raise Refused(f"--{fixed[0]} was decided when the sweep in {options.resume} began, and cannot change now")
    opened = store.reopen(options.resume)
    path = opened.manifest_path
    manifest = manifests.read(path)
    chosen = (
        plan.read(options.plan) if options.plan else plan.parse(manifest["plan"]["text"], f"plan of {options.resume}")
    )
    expanded = cells.expand(chosen)
    under_test = Programs(expanded, options.program)
    manifests.check_same(manifest, path, chosen, under_test)
    expanded, _ = built.keep(chosen, expanded, under_test)
    found, _ = points.resolve(chosen, expanded, under_test)
    manifests.check_cells(manifest, path, found)
    manifests.begin(manifest, words)
    sweep = Sweep(under_test.fields(), found, manifest, opened, options.fail_fast)
    missing = sweep.missing()
    runs, left_s = len(found) * manifest["repeats"], sum(schedule.run_seconds(point.resolved) for *_, point in missing)
    _say(f"{chosen.name}: {len(missing)} of {runs} runs are missing, about {units.in_words(left_s)}")
    sweep.announce()
    return _measure(sweep)


def _repeats(chosen: Plan, found: Sequence[Point], options: argparse.Namespace) -> int:
    """How many blocks to measure; tells the size and the time of the sweep, and what the budget cuts off."""
    wanted = options.repeats or chosen.repeats
    budget_s = units.seconds(options.budget, "--budget") if options.budget else chosen.budget_s
    cells.check_runs(chosen.name, len(found), wanted)
    block_s = sum(schedule.run_seconds(point.resolved) for point in found)
    repeats = schedule.blocks_within(budget_s, block_s, wanted)
    if repeats < wanted:
        budget = units.in_words(budget_s or 0)
        _say(f"the budget of {budget} holds {repeats} of the {wanted} blocks; the others are left out")
    _say(
        f"{chosen.name}: {len(found)} cells, {len(found) * repeats} runs in {repeats} blocks, "
        f"about {units.in_words(block_s * repeats)}"
    )
    return repeats


def _measure(sweep: Sweep) -> int:
    folder = sweep.store.folder
    try:
        code = sweep.measure()
        entries = [entry for entry in sweep.store.journal.entries if entry.finished]
        _say(f"{len(entries)} runs, {sweep.failed()} failed: {paths.shown(folder)}")
        if len(sweep.missing()):
            _say(f"{len(sweep.missing())} runs are missing; go on with: scripts/sweep --resume {paths.shown(folder)}")
    finally:
        sweep.store.close()
    tell(paths.shown(folder))
    return code


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _count(text: str) -> int:
    most = plan_schema.MOST_REPEATS
    if not re.fullmatch(r"[1-9]\d{0,8}", text) or int(text) > most:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of at least 1 and at most {most}')
    return int(text)


def _label(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise argparse.ArgumentTypeError(f'"{text}" is no label; it consists of letters, digits, ".", "-" and "_"')
    return text
