# SPDX-License-Identifier: Apache-2.0
"""The command line of scripts/gate."""

import argparse
import contextlib
import secrets
import sys
import traceback
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchlib import command, history_file, paths, units
from benchlib.errors import EXIT_REFUSED, Refused
from benchlib.gate import arms, block_journal, calibrate, check, gate_file, report_markdown, self_test
from benchlib.gate.gate_file import Gate
from benchlib.gate.model import Arm, Report, Thresholds
from benchlib.interrupt import Interrupt
from benchlib.program import Program

CELLS = paths.ROOT / "scripts" / "gates" / "default.toml"
WORK = paths.ROOT / "build" / "gate"
SEED_BITS = 32
COUNTS = "report"  # what is done with exact counts that rose, unless told otherwise

DESCRIPTION = """Says whether HEAD is slower than BASE: each a commit, a build folder or a program; or, with --queue
twice, whether the second version of a plug-in is slower than the first. Both are built the same way and measured
in turn, a fresh process a run, until an exact test decides or cannot. A suspected regression is measured again, on
programs linked anew, before it counts."""
EXAMPLES = """examples: scripts/gate HEAD~1 HEAD
          scripts/gate main . --budget 10m
          scripts/gate old/build new/build --out results/gates/mine
          scripts/gate --queue old/my_queue.so --queue new/my_queue.so --cells my_cells.toml
          scripts/gate --self-test
          scripts/gate --calibrate --kind builds --for 1h

exit codes: 0 pass; 1 regression; 2 usage, or a tool failed; 3 inconclusive; 4 the environment was invalid, or nothing
was measured; 130 or 143 interrupted, and what was measured is kept"""
MEANINGS = {
    "regression_percent": "a regression lies above this slowdown",
    "pass_percent": "what passes lies below this one",
    "alpha": "chance of any false regression, over all gated tests and both looks",
    "first_share": "share of alpha that the first look may spend",
    "pass_alpha": "chance that a test passes which is slower by pass-percent",
    "power": "chance, for planning, that a slowdown of pass-percent is caught",
    "most_vetoed": "share of blocks disturbed from outside, above which nothing is decided",
    "first_pairs": "pairs of each cell in the first look; 0: as the pilot says",
    "second_pairs": "more pairs for the second; 0: as many again",
}


def main(words: Sequence[str]) -> int:
    """Carries out the command line. Returns the exit code."""
    return command.carry_out("gate", _gate_or_refuse, words)


def _gate_or_refuse(words: Sequence[str]) -> int:
    """A fault of the gate's own is no regression, which is what Python's own exit code would say."""
    try:
        return _gate(words)
    except (Refused, BrokenPipeError):
        raise
    except Exception as error:
        traceback.print_exc()
        raise Refused(f"the gate itself failed, and says nothing of HEAD: {type(error).__name__}: {error}") from error


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        prog="gate", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = result.add_argument
    add("base", nargs="?", metavar="BASE", help="commit, build folder or program to compare with")
    add("head", nargs="?", metavar="HEAD", help="the same of what is to be judged; . is this checkout")
    add("--queue", action="append", type=Path, metavar="FILE.so", help="twice, in place of both: a plug-in's versions")
    add("--program", type=Path, metavar="PATH", help="the readyq that runs them (default: the release build)")
    add("--cells", type=Path, default=CELLS, metavar="FILE.toml", help="what to compare (scripts/gates/default.toml)")
    add("--out", type=Path, metavar="DIR", help="folder of the result, new or empty (default: in results/gates)")
    add("--budget", metavar="TIME", help="plan as many pairs as fit (10m), and say what they can detect")
    add("--counts", choices=(COUNTS, "fail", "no"), default=COUNTS,
        help="exact counts that rose: report them (default), fail, or do not count at all")  # fmt: skip
    add("--record", type=Path, metavar="FILE", help="append the medians to this history; see scripts/history")
    add("--seed", type=int, metavar="N", help="of the order of the runs (default: random, and recorded)")
    _add_thresholds(result.add_argument_group("thresholds, which take the place of the file's"))
    other = result.add_argument_group("about the gate itself")
    other.add_argument("--self-test", action="store_true", help="prove that it can fire, and does not without cause")
    self_test.add_arguments(other)
    other.add_argument("--calibrate", action="store_true", help="measure its false alarms and its power here")
    calibrate.add_arguments(other)
    return result


def _add_thresholds(group: Any) -> None:
    defaults = Thresholds()
    for field in fields(Thresholds):
        group.add_argument(
            "--" + field.name.replace("_", "-"),
            type=int if field.name.endswith("pairs") else float,
            metavar="N" if field.name.endswith("pairs") else "X",
            help=f"{MEANINGS[field.name]} (default: {getattr(defaults, field.name):g})",
        )


def _gate(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    if options.self_test and options.calibrate:
        raise Refused("--self-test and --calibrate are two things; ask for one")
    if options.replay_only and not options.self_test:
        raise Refused("--replay-only is an option of --self-test, which is not given")
    if not options.calibrate:
        calibrate.refuse_alone(options)
    if options.self_test:
        _refuse_thresholds(options)
    if options.self_test or options.calibrate:
        if options.base or options.queue:
            raise Refused("the gate itself is to be tested, so there is no BASE and HEAD to compare")
        _refuse_idle(options)
        return self_test.run(options) if options.self_test else calibrate.run(options)
    _check_arms(options)
    return _check(options, gate_file.read(options.cells, thresholds_given(options)))


def thresholds_given(options: argparse.Namespace) -> dict[str, Any]:
    """Those of the command line; None where there is none."""
    return {field.name: getattr(options, field.name) for field in fields(Thresholds)}


def _refuse_thresholds(options: argparse.Namespace) -> None:
    """The self-test judges by the file's thresholds, or by its own."""
    given = [name for name, value in thresholds_given(options).items() if value is not None]
    if given:
        option = "--" + given[0].replace("_", "-")
        raise Refused(f"--self-test judges by its own thresholds, so that {option} would do nothing")


def _refuse_idle(options: argparse.Namespace) -> None:
    """Options of a check that the self-test, or a calibration, has no use for: nobody means them to do nothing."""
    mode, idle = "--calibrate", ["program", "out", "record"]
    if options.self_test:
        mode, idle = "--self-test", [*idle, "budget", "seed"]
    given = [f"--{name}" for name in idle if getattr(options, name) is not None]
    given += ["--counts"] * (options.counts != COUNTS)
    if given:
        raise Refused(f"{given[0]} is an option of a check, and would do nothing with {mode}")


def _check_arms(options: argparse.Namespace) -> None:
    queues = options.queue or []
    if queues and options.base:
        raise Refused("give BASE and HEAD, or two versions of a queue with --queue, not both")
    if queues and len(queues) != 2:
        times = "once" if len(queues) == 1 else f"{len(queues)} times"
        raise Refused(f"--queue is given {times}, but two versions are compared: --queue OLD.so --queue NEW.so")
    if not queues and not options.head:
        raise Refused("two versions are compared: give BASE and HEAD, such as HEAD~1 HEAD; see --help")


def _check(options: argparse.Namespace, gate: Gate) -> int:
    budget_s = units.seconds(options.budget, "--budget") if options.budget else None
    if options.record:
        history_file.require(options.record)
    folder = _folder(options)
    try:
        return _check_in(folder, options, gate, budget_s)
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()  # of a check that was refused before it measured anything


def _check_in(folder: Path, options: argparse.Namespace, gate: Gate, budget_s: float | None) -> int:
    with Interrupt(_say) as interrupt:
        try:
            base, head = arms.resolve(
                options.base,
                options.head,
                queues=tuple(options.queue) if options.queue else None,
                program=options.program,
                work=WORK,
                say=_say,
                interrupt=interrupt,
            )
            question = _question(options, gate, (base, head), folder, budget_s)
            return _carry_out(check.Check(question, interrupt, _say), question, interrupt, options.record)
        except KeyboardInterrupt:
            _say("interrupted while building; nothing was measured")
            return interrupt.exit_code


def _question(
    options: argparse.Namespace, gate: Gate, pair: tuple[Arm, Arm], folder: Path, budget_s: float | None
) -> check.Question:
    """Of two arms that can run every cell."""
    for arm in pair:
        arms.preflight(arm, gate.cells)
    return check.Question(
        gate=gate,
        base=pair[0],
        head=pair[1],
        folder=folder,
        work=WORK,
        seed=secrets.randbits(SEED_BITS) if options.seed is None else options.seed,
        machine=Program(pair[1].program).resolve(arms.words(pair[1], gate.cells[0]))["machine"],
        budget_s=budget_s,
        count=options.counts,
    )


def _carry_out(checking: check.Check, question: check.Question, interrupt: Interrupt, record: Path | None) -> int:
    try:
        report = checking.run()
    except Refused as refusal:
        if checking.measured:
            _keep(checking.so_far(EXIT_REFUSED, f"the check could not be finished: {refusal}"), question)
        raise
    except check.Interrupted:
        _keep(checking.so_far(interrupt.exit_code), question)
        _say(f"interrupted: nothing was decided; what was measured is in {paths.shown(question.folder)}")
        return interrupt.exit_code
    try:
        check.write(report, question.folder, question.gate.tests)
    finally:
        _tell(report, question.folder)  # of minutes of measuring, whatever could not be written
    if record:
        for sentence in history_file.record(report, record):
            _say(sentence)
    return report.exit_code


def _keep(unfinished: Report, question: check.Question) -> None:
    """The files of a check that was broken off. If they cannot be written, that is not what it ends with."""
    try:
        check.write(unfinished, question.folder, question.gate.tests)
    except Refused as refusal:
        _say(f"{refusal}; the blocks that were measured are in {block_journal.NAME} there")


def _tell(report: Report, folder: Path) -> None:
    command.tell(report_markdown.text_plain(report))
    _say(f"files: {paths.shown(folder)}")


def _folder(options: argparse.Namespace) -> Path:
    """A new or empty folder for the result."""
    name = datetime.now(UTC).strftime("%Y-%m-%d-%H%M%S")
    folder = options.out or paths.RESULTS / "gates" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Refused(f"{folder} is not empty; a check takes a folder of its own")
    except OSError as error:
        raise Refused(f"cannot make the folder {folder}: {error.strerror}") from error
    return folder.resolve()


def _say(text: str) -> None:
    print(f"gate: {text}", file=sys.stderr, flush=True)
