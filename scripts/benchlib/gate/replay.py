# SPDX-License-Identifier: Apache-2.0
"""A check judged again from its pairs: so a self-test knows that the decision can say each thing it may say."""

from pathlib import Path

from benchlib.gate import decide, pairs_file
from benchlib.gate.model import Judged, Outcome, Phase, Thresholds

AGAIN = "of both programs linked anew"


def replay(path: Path, thresholds: Thresholds) -> tuple[Outcome, str, tuple[Judged, ...]]:
    """The outcome, why, and what was found of each gated test, from the pairs of a check in a file."""
    tests, blocks = pairs_file.read(path)
    of_phase = {phase: [block for block in blocks if block.phase is phase] for phase in Phase}
    pilot, first, second, again = (of_phase[phase] for phase in Phase)
    judged = decide.look(tests, first, thresholds, 1)
    decided = decide.overall(judged, pilot + first, thresholds, last=not second)
    if not decided:
        judged = decide.look(tests, first + second, thresholds, 2)
        decided = decide.overall(judged, pilot + first + second, thresholds, last=True)
    assert decided, "the last look decides"
    outcome, reason = decided
    if outcome is not Outcome.REGRESSION:
        return outcome, reason, judged
    if not again:
        return outcome, f"{reason} (the file has no pairs that could confirm it)", judged
    if disturbed := decide.disturbed(again, thresholds):
        return Outcome.INVALID, f"what was suspected could not be confirmed: {disturbed}", judged
    suspects = [found.test for found in judged if found.outcome is Outcome.REGRESSION]
    return *decide.settled(judged, decide.confirm(suspects, again, thresholds), AGAIN), judged
