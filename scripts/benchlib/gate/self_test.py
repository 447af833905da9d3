# SPDX-License-Identifier: Apache-2.0
"""`scripts/gate --self-test`: proof, in every CI run, that the gate can fire and does not without cause.

First the decision: pairs in files, each of one verdict, must be judged as they always were. Then a real measurement,
here and now: a program whose dequeues are slowed down by a fifth must not pass, and the same program twice must not
fail. That is all that is asked of it, for a CI machine may be too restless to say more: undecided counts as skipped.
"""

import math
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchlib import command, paths, units
from benchlib.errors import EXIT_FAILED, EXIT_OK
from benchlib.gate import calibration_size, gate_file, planning, replay
from benchlib.gate.calibration_cut import Cutter, Sizes, Whole
from benchlib.gate.calibration_kinds import KINDS, ONE_TRY, Arms, environments, scratch
from benchlib.gate.calibration_size import Unsized
from benchlib.gate.gate_file import Gate
from benchlib.gate.measure import Measurement
from benchlib.gate.model import EXIT_CODES, Block, Cell, Outcome, Phase, Thresholds
from benchlib.interrupt import Interrupt

PAIRS = paths.ROOT / "tests" / "gate"
EXPECTED = {"pass": 0, "regression": 1, "inconclusive": 3, "invalid": 4}
WORK = paths.ROOT / "build" / "gate"
PERCENT = 20.0
DURATION = "200ms"  # of a run at most; a fifth is easily seen
MOST_VETOED = 0.5  # of so few blocks one is more than a tenth
MORE_PAIRS = 4  # than the least: so that one odd pair does not silence it
SEED_BITS = 31
Say = Callable[[str], None]


@dataclass(frozen=True)
class Finding:
    """What one part of the test found. `failed`: the gate cannot be trusted; `skipped`: it could not tell here."""

    what: str
    said: str
    failed: bool = False
    skipped: bool = False

    def told(self) -> str:
        """A line."""
        return f"{'FAILED' if self.failed else 'skipped' if self.skipped else 'ok':8}{self.what}: {self.said}"


def add_arguments(group: Any) -> None:
    """Those of --self-test, into an argparse group."""
    group.add_argument("--replay-only", action="store_true", help="of the self-test only what needs no measuring")


def run(options: Any) -> int:
    """Carries it out. Returns the exit code: 1 if the gate proved broken."""
    findings = replayed(PAIRS)
    command.tell(*(finding.told() for finding in findings))
    code = EXIT_OK
    if not options.replay_only and not any(finding.failed for finding in findings):
        with Interrupt(_say) as interrupt:
            try:
                live = _live(options, interrupt)
            except KeyboardInterrupt:  # while it was built
                live = []
            command.tell(*(finding.told() for finding in live))
            findings += live
            code = interrupt.exit_code if interrupt.requested else code
    failed, skipped = (sum(getattr(finding, name) for finding in findings) for name in ("failed", "skipped"))
    command.tell(f"self-test: {len(findings) - failed - skipped} ok, {skipped} skipped, {failed} failed")
    return EXIT_FAILED if failed else code


def replayed(folder: Path) -> list[Finding]:
    """The decision on the pairs of the files; it has to give 0, 1, 3 and 4 exactly."""
    findings = []
    for name, expected in EXPECTED.items():
        outcome, reason, _ = replay.replay(folder / f"{name}.csv", Thresholds())
        code = EXIT_CODES[outcome]
        wanted = "" if code == expected else f", but must be {expected}"
        findings.append(Finding(f"replay of {name}.csv", f"{code}{wanted} ({reason})", failed=code != expected))
    return findings


def quick(gate: Gate) -> Gate:
    """The gate with no long runs, with half as many a pair, and with looks just long enough to see PERCENT; one look,
    then the confirmation.
    """
    return replace(
        gate,
        cells=tuple(_quick(cell) for cell in gate.cells),
        tests=tuple(test for test in gate.tests if test.gated),
        thresholds=replace(gate.thresholds, most_vetoed=MOST_VETOED),
    )


def _quick(cell: Cell) -> Cell:
    words = list(cell.arguments)
    if "--duration" in words:
        place = words.index("--duration") + 1
        words[place] = min(words[place], DURATION, key=lambda text: units.seconds(text, "--duration"))
    return replace(cell, arguments=tuple(words), runs=math.ceil(cell.runs / 2))


class Live:
    """Measures with the injected program."""

    def __init__(
        self, gate: Gate, arms: Arms, seed: int, folder: Path, interrupt: Interrupt, say: Say,
        make: Callable[..., Any] = Measurement,
    ) -> None:
        self._gate, self._arms, self._interrupt, self._say = gate, arms, interrupt, say
        self._pair = arms.of(0)
        self._measurement = make(self._pair, gate.cells, gate.tests, seed, folder, interrupt, say, rules=ONE_TRY)

    def close(self) -> None:
        """Gives the folder free."""
        self._measurement.close()

    def blocks(self, phase: Phase, texts: Mapping[str, str]) -> list[Block]:
        """One block; none after a signal."""
        found: list[Block] = self._measurement.blocks(phase, 1, arms=self._pair, environments=environments(texts))
        return found

    def texts(self) -> Mapping[str, str]:
        """What slows each cell down by about PERCENT; nothing if it was interrupted."""
        return calibration_size.rough("spin", self._gate.tests, PERCENT, self._rough_blocks, self._say)

    def _rough_blocks(self, texts: Mapping[str, str], count: int) -> list[Block]:
        """Vetoed or not: what is achieved is measured again."""
        found = [block for _ in range(count) for block in self.blocks(Phase.PILOT, texts)]
        return [replace(block, evidence=()) for block in found]

    def check(self, texts: Mapping[str, str], sizes: Sizes) -> Whole | None:
        """A whole check; None if it was interrupted."""
        cutter = Cutter(self._gate.tests, self._gate.thresholds, sizes)
        while not cutter.finished:
            found = self.blocks(cutter.want.phase, texts)
            for block in found:
                cutter.feed(block)
            if not found:
                return None
        return cutter.finished[0]


def _live(options: Any, interrupt: Interrupt) -> list[Finding]:
    gate = quick(gate_file.read(options.cells, None))
    arms = Arms(KINDS["power"], ".", 0, WORK, _say, interrupt)
    arms.check(gate.cells)
    with scratch(WORK, "self-test-") as folder:
        live = Live(gate, arms, secrets.randbits(SEED_BITS), folder, interrupt, _say)
        try:
            return judged(live, gate)
        finally:
            live.close()


def judged(live: Live, gate: Gate) -> list[Finding]:
    """Both live parts. Nothing is said of what was interrupted."""
    pairs = planning.least_pairs(gate.thresholds, gate.tests) + MORE_PAIRS
    sizes = Sizes((pairs + 1) // 2, 0)
    findings = []
    for what, must_not, slowed in ((f"live, {PERCENT:g} % injected", Outcome.PASS, True),
                                   ("live, the same program twice", Outcome.REGRESSION, False)):  # fmt: skip
        try:
            whole = live.check(live.texts() if slowed else {}, sizes)
        except Unsized as reason:
            findings.append(Finding(what, str(reason), skipped=True))
            continue
        if whole:
            findings.append(_finding(what, whole, must_not))
    return findings


def _finding(what: str, whole: Whole, must_not: Outcome) -> Finding:
    code = EXIT_CODES[whole.outcome]
    measured = ", ".join(f"{one.test.name} {one.percent:+.1f} %" for one in whole.judged)
    said = f"{code} ({whole.reason}){f'; measured: {measured}' if measured else ''}"
    skipped = whole.outcome in (Outcome.INCONCLUSIVE, Outcome.INVALID)
    return Finding(what, said, failed=whole.outcome is must_not, skipped=skipped)


def _say(text: str) -> None:
    print(f"gate: {text}", file=sys.stderr, flush=True)
