# SPDX-License-Identifier: Apache-2.0
"""`scripts/torture`: a number of random runs, each judged by its history. A failure says how to see it again."""

import argparse
import collections
import contextlib
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchlib import paths, program, progress, runner, torture
from benchlib.command import EXIT_INTERRUPTED, carry_out, tell
from benchlib.errors import EXIT_FAILED, EXIT_OK, Refused, os_reason
from benchlib.interrupt import Interrupt
from benchlib.runner import Outcome
from benchlib.torture import Case

RUNS = 90
TIMEOUT_S = 120.0
SETTINGS = ("--check", "full", "--check-memory", "256", "--warmup", "5ms", "--duration", "40ms", "--stuck", "20s")
WORDS_KEPT = 25  # last lines of what a failed run said
EPILOG = """examples: scripts/torture
          scripts/torture --seed 7 --runs 500
          scripts/torture --seed 7 --only 123      one run of that again
          scripts/torture --program build/tsan/readyq --runs 40

exit codes: 0 every run was correct; 1 one was not, or got stuck, crashed or took too long; 2 it could not be done;
130 interrupted"""


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/torture",
        description="Runs every queue under every queue workload, and every pool under every pool workload, with "
        "random parameters: small windows, tiny capacities, more threads than processors, threads that come and go. "
        "Each run records what happened in full and judges it. The same seed gives the same runs.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--program", type=Path, metavar="PATH",
                        help="the readyq to torture (default: the release build)")
    parser.add_argument("--seed", type=_whole, default=1, metavar="N", help="of all that is random (default: 1)")
    parser.add_argument("--runs", type=_count, default=RUNS, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("--jobs", type=_count, default=1, metavar="N",
                        help="runs at once, which also take processors from each other (default: %(default)s)")
    parser.add_argument("--only", type=_count, metavar="N", help="only run number N of this seed")
    parser.add_argument("--list", action="store_true", help="only print the commands")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep records, messages and histories of failed runs")
    return parser.parse_args(words)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'"{text}" is no whole number')
    return int(text)


def _count(text: str) -> int:
    number = _whole(text)
    if not 1 <= number <= 1_000_000:
        raise argparse.ArgumentTypeError(f'"{text}" is not between 1 and 1000000')
    return number


class Torture:
    """The runs of one seed on one program."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.program = program.Program(program.find(options.program))
        self.refusal = ""
        try:
            self.deck = torture.Deck(self.program.listing(), self._allowed)
        except Refused as refusal:
            last = f"; the last that it refused was: {self.refusal}" if self.refusal else ""
            raise Refused(f"{refusal}{last}") from refusal
        self.seed = options.seed
        self.keep = options.keep
        self.scopes: collections.Counter[str] = collections.Counter()
        self.operations = 0
        self.done = 0
        self.failed: list[int] = []

    def case(self, number: int) -> Case:
        return self.deck.case(self.seed, number)

    def _allowed(self, words: list[str]) -> bool:
        try:
            self.program.resolve([*words, *SETTINGS])
        except Refused as refusal:
            self.refusal = str(refusal)
            return False
        return True

    def command(self, case: Case) -> list[str]:
        return self.program.command([*case.words, *SETTINGS], {})

    def run(self, case: Case, folder: Path, interrupt: Interrupt) -> tuple[Outcome, str | None]:
        """How it ended and, if it is neither correct nor was cut short, the report of what went wrong."""
        out, err, history = (folder / f"{case.number}.{suffix}" for suffix in ("json", "err", "history"))
        command = [*self.command(case), *(["--history", str(history)] if self.keep else [])]
        outcome = runner.execute(command, out, err, TIMEOUT_S, interrupt)
        if outcome.exit_reason in (runner.OK, runner.INTERRUPTED):
            for path in (out, err, history):
                path.unlink(missing_ok=True)
            return outcome, None
        said = err.read_text(errors="replace").splitlines()[-WORDS_KEPT:]
        return outcome, "\n".join(
            [
                f"run {case.number} FAILED: {outcome.exit_reason} (exit code {outcome.exit_code})",
                f"  {shlex.join(command)}",
                f"  again: scripts/torture --seed {self.seed} --only {case.number}"
                f" --program {paths.shown(self.program.path)}",
                *(f"  | {line}" for line in [*filter(None, [(outcome.record or {}).get("verdict_detail")]), *said]),
            ]
        )

    def count(self, number: int, outcome: Outcome) -> None:
        """Notes what a run came to, for the last words."""
        record = outcome.record or {}
        if outcome.exit_reason == runner.INTERRUPTED:
            return
        self.done += 1
        if outcome.exit_reason == runner.OK:
            self.scopes[record.get("history_scope", "none")] += 1
            self.operations += record.get("history_operations", 0)
        else:
            self.failed.append(number)


def _torture(job: Torture, numbers: Sequence[int], folder: Path, jobs: int) -> None:
    """Runs them all, or fewer after Ctrl-C."""
    shown = progress.make(len(numbers))
    try:
        with Interrupt(shown.say) as interrupt:
            for number, outcome, report in _outcomes(job, numbers, folder, jobs, interrupt):
                job.count(number, outcome)
                if report:
                    shown.say(report)
                shown.run_ended()
    finally:
        shown.close()


def _outcomes(
    job: Torture, numbers: Sequence[int], folder: Path, jobs: int, interrupt: Interrupt
) -> Iterator[tuple[int, Outcome, str | None]]:
    """Of each run in order, as far as they were begun before Ctrl-C."""

    def one(number: int) -> tuple[int, Outcome, str | None] | None:
        return None if interrupt.requested else (number, *job.run(job.case(number), folder, interrupt))

    if jobs == 1:  # without a thread, so that whoever waits for the run is who gets the signal
        yield from filter(None, map(one, numbers))
        return
    with ThreadPoolExecutor(jobs) as threads:
        yield from filter(None, threads.map(one, numbers))


def run(words: Sequence[str]) -> int:
    options = parse(words)
    if options.keep and not options.list:
        make_folder(options.keep)  # before it takes seconds to ask the program what goes together
    job = Torture(options)
    numbers = [options.only] if options.only else list(range(1, options.runs + 1))
    if options.list:
        tell(*(shlex.join(job.command(job.case(number))) for number in numbers))
        return EXIT_OK
    tell(f"torture: seed {job.seed}, {len(numbers)} runs of {paths.shown(job.program.path)}; "
         f"a round is {job.deck.round_size} runs")
    with contextlib.ExitStack() as stack:
        folder = job.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="readyq-torture-")))
        _torture(job, numbers, folder, options.jobs)
    scopes = ", ".join(f"{count} {scope}" for scope, count in sorted(job.scopes.items())) or "none"
    tell(f"torture: {job.done - len(job.failed)} of {job.done} runs correct; histories: {scopes}; "
         f"{job.operations} operations judged")
    if job.failed:
        return EXIT_FAILED
    return EXIT_OK if job.done == len(numbers) else EXIT_INTERRUPTED


def make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"cannot make the folder {path}: {os_reason(error)}") from error


def main(words: Sequence[str]) -> int:
    return carry_out("torture", run, words)
