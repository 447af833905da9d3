# SPDX-License-Identifier: Apache-2.0
"""What a report for people says, in order, whether it is shown as Markdown or as plain text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchlib import units
from benchlib.gate import report_words as words
from benchlib.gate.model import Count, Judged, Phase, Report

PHASES = {
    Phase.PILOT: "pilot", Phase.FIRST: "first look", Phase.SECOND: "second look", Phase.CONFIRM: "confirmation",
}  # fmt: skip
NANOSECONDS = {"spin_ns": "spin of one thread", "round_trip_ns": "round trip of a cache line"}


@dataclass(frozen=True)
class Table:
    """Cells of text. `numbers`: the columns that stand to the right, below each other."""

    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A heading, a table and lines below it. `folded`: a reader may skip it; `spare`: a terminal leaves its table out.

    `command`: to be typed.
    """

    title: str
    table: Table | None = None
    lines: list[str] = field(default_factory=list)
    folded: bool = False
    spare: bool = False
    command: str = ""


def sections(report: Report) -> Iterator[Section]:
    """All that follows the verdict."""
    if report.judged:
        yield Section("Gated tests", _tests(report, report.judged, final=True), _legend(report))
    if report.confirmed:
        line = "What was suspected, measured afresh in a second set of pairs; only what is seen twice is a regression."
        yield Section("Confirmation", _tests(report, report.confirmed, final=False), [line])
    if report.counts:
        yield _counts(report.counts)
    if report.advisory:
        line = "These never decide."
        yield Section("Advisory tests", _tests(report, report.advisory, final=False), [line], folded=True)
    yield Section("Environment", None, list(_environment(report)))
    yield Section("Compared", _arms(report), [f"Machine: {report.machine}. Began {report.started}, took "
                                              f"{units.in_words(max(report.wall_s, 0.0))}."])  # fmt: skip
    noted = [*report.notes, *_warnings(report)]
    if noted:
        yield Section("Notes", None, noted)
    line = "The same seed gives the same order of runs; add --cells, --budget, --counts and --program if they were given."
    if any(words.given(arm) != arm.given for arm in (report.base, report.head)):
        line += " Of a path that lies outside of the checkout only the last name is told."
    yield Section("Do it again", None, [line], command=words.command(report))


def _tests(report: Report, judged: Sequence[Judged], final: bool) -> Table:
    rows = []
    for one in judged:
        verdict = words.verdict(report, one)[1] if final else str(one.outcome)
        rows.append((
            one.test.name, words.percent(one.percent), words.percent(one.low_percent),
            words.percent(one.high_percent), str(one.pairs), words.percent(one.detectable_percent), verdict,
        ))  # fmt: skip
    numbers = ("slowdown", "at least", "at most", "pairs", "can detect")
    return Table(("test", *numbers, "verdict"), rows, numbers)


def _legend(report: Report) -> list[str]:
    """What the columns of the table are, with the numbers of this check."""
    thresholds = report.thresholds
    spent = words.confidences(one.level for one in report.judged)
    above = words.confidences(words.high_level(report, one) for one in report.judged)
    return [
        "Slowdown: by how much more HEAD costs than BASE, in the median over the pairs (of runs, or of several a side); "
        "below 0 it is faster. "
        f"At least: one-sided lower bound of that median with the confidence that Holm left for the test ({spent}). "
        f"At most: one-sided upper bound with {above}. Both are exact, from the sign test. Can detect: the least slowdown that so many pairs of such a spread show with "
        f"{words.confidence(1 - thresholds.power)} power.",
        f"A test regresses if it is slower by more than {words.percent(thresholds.regression_percent, 1)} at least, "
        f"and passes if by less than {words.percent(thresholds.pass_percent, 1)} at most. Chance of any false "
        f"regression, over all gated tests and both looks: {words.chance(thresholds.alpha)} at most.",
    ]


def _counts(counts: Sequence[Count]) -> Section:
    """Those that differ first; where none does, the table may be skipped."""
    differing = words.changed(counts)
    rows = [(count.name, words.number(count.base), words.number(count.head), _difference(count))
            for count in differing or counts]  # fmt: skip
    said = f"All {len(counts)} are equal in both."
    if differing:
        said = f"{len(differing)} of {len(counts)} differ; gate.json has the others too."
    table = Table(("exact count", "BASE", "HEAD", "change"), rows, ("BASE", "HEAD", "change"))
    return Section("Exact counts", table, [said], folded=not differing, spare=not differing)


def _difference(count: Count) -> str:
    if count.base is None or count.head is None:
        return "unknown"
    if count.base == count.head:
        return "none"
    return words.percent(100 * (count.head / count.base - 1)) if count.base else f"from {words.number(count.base)}"


def _environment(report: Report) -> Iterator[str]:
    for phase, name in PHASES.items():
        attempts, vetoed = words.blocks_of(report, phase)
        if attempts:
            share = f"{vetoed} vetoed, {100 * vetoed / attempts:.1f} %" if vetoed else "none vetoed"
            yield f"Blocks of the {name}: {attempts}, {share}."
    if not report.blocks:
        yield "Nothing was measured."
        return
    limit = f"{100 * report.thresholds.most_vetoed:g} %"
    found = words.evidence(report.blocks)
    if found:
        yield f"A block is vetoed on evidence from outside only, and measured again; above {limit} nothing is decided."
    for reason, blocks in found:
        yield f"1 block: {reason}." if blocks == 1 else f"{blocks} blocks, such as one in which {reason}."
    known = {name: value for name, value in words.sentinels(report.blocks).items() if value is not None}
    if known:
        told = ", ".join(f"{NANOSECONDS[name]} {value:,.4g} ns" for name, value in known.items())
        yield f"Frozen sentinels, medians: {told}."


def _arms(report: Report) -> Table:
    rows = []
    for arm in (report.base, report.head):
        row = (arm.label, words.given(arm), words.short(arm.commit), words.short(arm.file_sha256))
        rows.append((*row, words.short(arm.code_sha256)))
    return Table(("arm", "given", "commit", "file (sha256)", "machine code (sha256)"), rows)


def _warnings(report: Report) -> list[str]:
    """What the statistics warn of, with the tests that it is about."""
    said: dict[str, list[str]] = {}
    for one in (*report.judged, *report.confirmed, *report.advisory):
        for warning in one.warnings:
            said.setdefault(warning, [])
            if one.test.name not in said[warning]:
                said[warning].append(one.test.name)
    return [f"{', '.join(tests)}: {warning}" for warning, tests in said.items()]
