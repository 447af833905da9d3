# SPDX-License-Identifier: Apache-2.0
"""What all reports say alike: numbers in words, the verdict of each test, what an arm is, and how to do it again."""

import math
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from statistics import median

from benchlib import paths
from benchlib.gate import decide
from benchlib.gate.model import Arm, Block, Count, Judged, Outcome, Phase, Report, Thresholds

HASH_SHOWN = 12  # characters of a commit or a sha256 that tell it from others
UNKNOWN = "-"


def percent(value: float, digits: int = 2) -> str:
    """`+1.25 %`; a bound that does not exist is `none`."""
    return f"{value:+.{digits}f} %" if math.isfinite(value) else "none"


def confidence(miss: float) -> str:
    """How sure a one-sided bound is that misses with this chance: `99.8 %`."""
    return f"{100 * (1 - miss):.4g} %" if math.isfinite(miss) else UNKNOWN


def chance(alpha: float) -> str:
    """A probability: `1 %`."""
    return f"{100 * alpha:.4g} %"


def number(value: float | None) -> str:
    """An exact count: whole ones without a point."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{value:,.0f}" if value == int(value) else f"{value:,.6g}"


def verdict(report: Report, judged: Judged) -> tuple[Outcome, str]:
    """What a gated test comes to in the end, after a confirmation, and a few words on how."""
    if report.outcome is Outcome.INVALID:
        suspected = judged.outcome is Outcome.REGRESSION
        return Outcome.INVALID, "invalid: suspected, but not confirmed" if suspected else "invalid"
    if judged.outcome is not Outcome.REGRESSION:
        return judged.outcome, str(judged.outcome)
    again = next((one for one in report.confirmed if one.test == judged.test), None)
    if again is None:
        return report.outcome, "regression" if report.outcome is Outcome.REGRESSION else "suspected, not measured again"
    words = {
        Outcome.REGRESSION: "regression, confirmed",
        Outcome.PASS: "pass: suspected, but not seen again",
    }
    return again.outcome, words.get(again.outcome, f"{again.outcome}: suspected, and not settled by measuring again")


def high_level(report: Report, one: Judged) -> float:
    """How often the upper bound of a test may lie too low. The looks share that, as they share alpha."""
    thresholds = report.thresholds
    if all(one is not judged for judged in report.judged):
        return thresholds.pass_alpha
    return thresholds.pass_alpha * decide.alpha_of(thresholds, one.look) / thresholds.alpha


def confidences(levels: Iterable[float]) -> str:
    """`99 %`, or `99.2 % to 99.8 %`."""
    known = sorted({level for level in levels if math.isfinite(level)}, reverse=True)
    return " to ".join(confidence(level) for level in dict.fromkeys((*known[:1], *known[-1:]))) or UNKNOWN


def in_a_sentence(report: Report) -> str:
    """The verdict with its reason."""
    reason = report.reason.strip().rstrip(".")
    return f"{str(report.outcome).upper()}: {reason}." if reason else f"{str(report.outcome).upper()}."


def given(arm: Arm) -> str:
    """As it was asked for; of a folder elsewhere only the last name, for the rest is nobody's business."""
    return paths.recorded(Path(arm.given)) if arm.given.startswith("/") else arm.given


def short(identity: str | None) -> str:
    """The beginning of a commit or a sha256."""
    return identity[:HASH_SHOWN] if identity else UNKNOWN


def name(arm: Arm) -> str:
    """What an arm is, in a word or two: `main (0123456789ab)`."""
    known = short(arm.commit) if arm.commit else short(arm.file_sha256)
    return known if arm.given.startswith(known) else f"{given(arm)} ({known})"


def command(report: Report) -> str:
    """The command that does it again, with the thresholds that are not the usual ones."""
    words = ["scripts/gate"]
    for arm in (report.base, report.head):
        if arm.plugin:
            words += ["--queue", given(arm)]
        else:
            words.append(short(arm.commit) if arm.tree and arm.commit else given(arm))
    usual = Thresholds()
    for field in fields(Thresholds):
        value = getattr(report.thresholds, field.name)
        if value != getattr(usual, field.name):
            words += ["--" + field.name.replace("_", "-"), f"{value:g}"]
    return shlex.join([*words, "--seed", str(report.seed)])


def changed(counts: Sequence[Count]) -> list[Count]:
    """Those that differ between the arms, and those that one arm cannot tell."""
    return [count for count in counts if count.base != count.head]


def blocks_of(report: Report, phase: Phase) -> tuple[int, int]:
    """How many blocks of a phase were measured, and how many of these were vetoed."""
    mine = [block for block in report.blocks if block.phase is phase]
    return len(mine), sum(block.vetoed for block in mine)


def evidence(blocks: Sequence[Block]) -> list[tuple[str, int]]:
    """Why blocks were vetoed, the commonest first: one reason of a kind as it was said, and how many blocks gave it."""
    said: dict[str, str] = {}
    found: Counter[str] = Counter()
    for block in blocks:
        kinds = {_without_numbers(reason): reason for reason in block.evidence}
        found.update(kinds.keys())
        said = kinds | said
    return [(said[kind], count) for kind, count in found.most_common()]


def _without_numbers(reason: str) -> str:
    return re.sub(r"(?<!\w)[+-]?\d+(\.\d+)?", "N", reason)


def sentinels(blocks: Sequence[Block]) -> dict[str, float | None]:
    """The medians of the frozen sentinels around the blocks that count."""
    found: dict[str, float | None] = {}
    around = [each for block in blocks if not block.vetoed for each in (block.before, block.after)]
    for name in ("spin_ns", "round_trip_ns"):
        known = [value for value in (getattr(each, name) for each in around) if math.isfinite(value)]
        found[name] = median(known) if known else None
    return found
