# SPDX-License-Identifier: Apache-2.0
"""The decision: what the pairs say of each test, and all tests of the gate.

Of each pair there is x, the logarithm of HEAD's cost over BASE's. A test is a regression if the median of x lies above
ln(1 + regression_percent) by an exact sign test, held by Holm to a family-wise alpha that two looks share; it passes if
the exact upper bound of the median lies below ln(1 + pass_percent). Otherwise it is undecided, and that is an answer
too. Nothing is dropped for its value; a block that is vetoed was vetoed for its surroundings.
"""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchlib import stats
from benchlib.gate.model import Block, Judged, Outcome, Phase, Test, Thresholds

ALIKE = 0.1  # autocorrelation of neighbouring pairs, above which pairs are no independent units
SHOWN_EVIDENCE = 3


def values(blocks: Sequence[Block], test: Test) -> list[float]:
    """The log ratios of the blocks that are not vetoed, in order of measurement; pairs without one are left out."""
    return [value for block in by_block(blocks, test) for value in block if math.isfinite(value)]


def by_block(blocks: Sequence[Block], test: Test) -> list[list[float]]:
    """The same block by block, with NaN where a pair has none."""
    return [
        [
            test.metric.log_ratio(pair.base.get(test.metric, math.nan), pair.head.get(test.metric, math.nan))
            for pair in block.pairs
            if pair.cell == test.cell
        ]
        for block in blocks
        if not block.vetoed
    ]


@dataclass(frozen=True)
class Sample:
    """What is known of one test. `units` are looked at one by one, and the worst of them counts.

    The pairs are a unit; where neighbouring pairs resemble each other, the means of the blocks are another. Pairs are
    `missing` that have no value: nobody knows why, so they are as slow as can be where a test would pass.
    """

    pairs: list[float]
    missing: int
    units: tuple[list[float], ...]
    likeness: float
    warnings: tuple[str, ...]


def sample(blocks: Sequence[Block], test: Test) -> Sample:
    """All pairs of a test, and its blocks' means if its pairs are not independent."""
    parted = by_block(blocks, test)
    pairs = values(blocks, test)
    missing = sum(map(len, parted)) - len(pairs)
    alike = stats.autocorrelation(pairs)
    left_out = f"{missing} pairs have no value in both runs and are left out, but count against a pass"
    warnings = [left_out] if missing else []
    units = [pairs]
    if alike.value > ALIKE and alike.value > alike.bound:
        means = [statistics.fmean(block) for block in parted if block]
        units.append([mean for mean in means if math.isfinite(mean)])
        warnings.append(
            f"neighbouring pairs resemble each other (autocorrelation {alike.value:.2f}), so that the means of blocks "
            "must bear out what the pairs say"
        )
    return Sample(pairs, missing, tuple(units), alike.value, tuple(warnings))


def alpha_of(thresholds: Thresholds, number: int) -> float:
    """What a look may spend of the chance of a false regression, over all gated tests."""
    return thresholds.alpha * _share_of(thresholds, number)


def _share_of(thresholds: Thresholds, number: int) -> float:
    return thresholds.first_share if number == 1 else 1 - thresholds.first_share


def logarithm(percent: float) -> float:
    """A slowdown in per cent as a log ratio."""
    return math.log1p(percent / 100)


def in_percent(log_ratio: float) -> float:
    """A log ratio as a slowdown in per cent; infinite and NaN stay as they are."""
    return 100 * math.expm1(log_ratio) if math.isfinite(log_ratio) else log_ratio


def look(tests: Sequence[Test], blocks: Sequence[Block], thresholds: Thresholds, number: int) -> tuple[Judged, ...]:
    """The gated tests as one family, by Holm; look 2 is given all blocks, those of look 1 too."""
    gated = [test for test in tests if test.gated]
    pass_level = thresholds.pass_alpha * _share_of(thresholds, number)
    return _family(gated, blocks, thresholds, number, alpha_of(thresholds, number), pass_level)


def confirm(suspects: Sequence[Test], blocks: Sequence[Block], thresholds: Thresholds) -> tuple[Judged, ...]:
    """The suspects as a family of their own, on blocks measured afresh: they have all of alpha once more."""
    return _family(suspects, blocks, thresholds, 1, thresholds.alpha, thresholds.pass_alpha)


def advise(tests: Sequence[Test], blocks: Sequence[Block], thresholds: Thresholds) -> tuple[Judged, ...]:
    """The tests that are not gated: of those called a regression, at most a share alpha is expected to be none."""
    advisory = [test for test in tests if not test.gated]
    samples = [sample(blocks, test) for test in advisory]
    margin = logarithm(thresholds.regression_percent)
    steps = stats.benjamini_hochberg([_p_value(one, margin) for one in samples], thresholds.alpha)
    number = 2 if any(block.phase is Phase.SECOND for block in blocks) else 1
    rule = _Rule(thresholds, number, thresholds.pass_alpha, thresholds.alpha / max(1, len(advisory)))
    return tuple(_judged(*of_one, rule) for of_one in zip(advisory, samples, steps, strict=True))


@dataclass(frozen=True)
class _Rule:
    """What is the same for all tests of a family."""

    thresholds: Thresholds
    number: int
    pass_level: float
    worst_level: float  # what the first test of Holm's order is held to


def _family(
    tests: Sequence[Test], blocks: Sequence[Block], thresholds: Thresholds, number: int, alpha: float, pass_level: float
) -> tuple[Judged, ...]:
    samples = [sample(blocks, test) for test in tests]
    margin = logarithm(thresholds.regression_percent)
    steps = stats.holm([_p_value(one, margin) for one in samples], alpha)
    rule = _Rule(thresholds, number, pass_level, alpha / max(1, len(tests)))
    return tuple(_judged(*of_one, rule) for of_one in zip(tests, samples, steps, strict=True))


def _p_value(of_test: Sample, margin: float) -> float:
    return max(stats.sign_test(unit, margin).p_value for unit in of_test.units)


def _judged(test: Test, of_test: Sample, step: stats.Step, rule: _Rule) -> Judged:
    thresholds = rule.thresholds
    margin = logarithm(thresholds.regression_percent)
    below = [stats.bounds(unit, step.level) for unit in of_test.units]
    lost = [math.inf] * of_test.missing
    above = [stats.bounds([*unit, *lost], rule.pass_level) for unit in of_test.units]
    low, high = min(one.low for one in below), max(one.high for one in above)
    spreads = [stats.spread(unit) for unit in of_test.units]
    said = [*of_test.warnings, *(warning for one in (*below, *above, spreads[0]) for warning in one.warnings)]
    if not of_test.pairs:
        outcome = Outcome.INVALID
    elif step.rejected:
        outcome = Outcome.REGRESSION
    else:
        outcome = Outcome.PASS if high < logarithm(thresholds.pass_percent) else Outcome.INCONCLUSIVE
    return Judged(
        test=test,
        outcome=outcome,
        pairs=len(of_test.pairs),
        look=rule.number,
        percent=in_percent(statistics.median(of_test.pairs)) if of_test.pairs else math.nan,
        low_percent=in_percent(low),
        high_percent=in_percent(high),
        p_value=_p_value(of_test, margin),
        level=step.level,
        detectable_percent=in_percent(max(
            stats.detectable(len(unit), rule.worst_level, thresholds.power, spread.value, margin)
            for unit, spread in zip(of_test.units, spreads, strict=True)
        )),
        described={
            "hodges_lehmann_percent": in_percent(stats.hodges_lehmann(of_test.pairs).value),
            "spread_percent": in_percent(spreads[0].value),
            "autocorrelation": of_test.likeness,
            "adjusted_p_value": step.adjusted,
        },
        warnings=tuple(dict.fromkeys(said)),
    )  # fmt: skip


def vetoed_share(blocks: Sequence[Block]) -> float:
    """Of all blocks measured, those that were to be redone."""
    return sum(block.vetoed for block in blocks) / len(blocks) if blocks else 0.0


def overall(
    judged: Sequence[Judged], blocks: Sequence[Block], thresholds: Thresholds, last: bool
) -> tuple[Outcome, str] | None:
    """The gate's outcome and why, in a sentence; None: another look is needed. REGRESSION is to be confirmed."""
    restless = disturbed(blocks, thresholds)
    if restless:
        return Outcome.INVALID, restless
    if not any(found.pairs for found in judged):
        return Outcome.INVALID, "nothing was measured"
    by_outcome = {outcome: [found for found in judged if found.outcome is outcome] for outcome in Outcome}
    if by_outcome[Outcome.REGRESSION]:
        return Outcome.REGRESSION, "; ".join(_worse(found, thresholds) for found in by_outcome[Outcome.REGRESSION])
    if by_outcome[Outcome.INVALID]:
        return Outcome.INVALID, f"nothing was measured of {_names(by_outcome[Outcome.INVALID])}"
    if not by_outcome[Outcome.INCONCLUSIVE]:
        return Outcome.PASS, _passes(judged, thresholds)
    if not last:
        return None
    return Outcome.INCONCLUSIVE, f"the pairs do not decide {'; '.join(map(_between, by_outcome[Outcome.INCONCLUSIVE]))}"


def disturbed(blocks: Sequence[Block], thresholds: Thresholds) -> str:
    """A sentence if the surroundings were too restless to decide anything, with the evidence."""
    share = vetoed_share(blocks)
    if share <= thresholds.most_vetoed:
        return ""
    vetoed = sum(block.vetoed for block in blocks)
    seen = Counter(evidence for block in blocks for evidence in block.evidence)
    common = [evidence for evidence, _ in seen.most_common(SHOWN_EVIDENCE)]
    return (
        f"the environment is invalid: {vetoed} of {len(blocks)} blocks were vetoed, "
        f"more than {100 * thresholds.most_vetoed:g} %: {'; '.join(common)}"
    )


def _worse(found: Judged, thresholds: Thresholds) -> str:
    return (
        f"{found.test.name} became worse by {found.percent:.1f} %, at least {found.low_percent:.1f} %, "
        f"where {thresholds.regression_percent:g} % are allowed"
    )


def _passes(judged: Sequence[Judged], thresholds: Thresholds) -> str:
    highest = max(judged, key=lambda found: found.high_percent)
    return (
        f"no test became worse by {thresholds.pass_percent:g} %: {highest.test.name}, the least sure, "
        f"by {highest.high_percent:.1f} % at most"
    )


def _between(found: Judged) -> str:
    return f"{found.test.name}, between {found.low_percent:+.1f} % and {found.high_percent:+.1f} %"


def _names(found: Sequence[Judged]) -> str:
    return ", ".join(one.test.name for one in found)


def settled(judged: Sequence[Judged], confirmed: Sequence[Judged], how: str) -> tuple[Outcome, str]:
    """The outcome after a confirmation; `how` it was measured: "of both programs linked anew".

    REGRESSION only if it was seen twice. What the second measurement clears is cleared: it was chance or layout.
    """
    twice = [found for found in confirmed if found.outcome is Outcome.REGRESSION]
    if twice:
        return Outcome.REGRESSION, f"{_names(twice)} became worse, and again in a second measurement {how}"
    unsettled = [found for found in confirmed if found.outcome is not Outcome.PASS]
    undecided = [found for found in judged if found.outcome not in (Outcome.PASS, Outcome.REGRESSION)]
    said = [f"a second measurement {how} did not settle {_names(unsettled)}"] if unsettled else []
    if undecided:
        if not unsettled:
            said.append(f"{_names(confirmed)} looked worse at first, but not in a second measurement {how}")
        more = ", as the confirmation came in the place of more pairs" if undecided[0].look == 1 else ""
        said.append(f"{_names(undecided)} stayed undecided{more}")
    if said:
        return Outcome.INCONCLUSIVE, "; ".join(said)
    return Outcome.PASS, f"{_names(confirmed)} looked worse at first, but not in a second measurement {how}"
