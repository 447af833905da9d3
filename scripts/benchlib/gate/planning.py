# SPDX-License-Identifier: Apache-2.0
"""How many pairs a check measures, and what they can detect, from a pilot that compares BASE with itself.

The first look is planned to catch a slowdown of pass_percent with the wanted power, each test held to the strictest
level that Holm may ask of it. The second, twice as large and at a milder level, is the reserve for a pilot that saw too
little spread: it still has that power where pairs vary half as much again. The numbers assume that pairs are spread
normally about their median; the decision does not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchlib import stats, units
from benchlib.errors import Refused
from benchlib.gate import decide
from benchlib.gate.model import Block, Test, Thresholds

PER_BLOCK = 2  # pairs of a cell in a block: AB and BA
MOST_PAIRS = 2000  # of a look: beyond, a machine is too noisy for the question
REPEATS = 2  # both looks, and at worst as much again to confirm what they found


class TooNoisy(Refused):
    """No number of pairs that one would wait for decides anything on this machine, now."""


@dataclass(frozen=True)
class Plan:
    """What is measured. `detectable`: slowdown in per cent that the second look at the latest catches with `power`."""

    first_pairs: int
    second_pairs: int
    seconds: float  # at worst: both looks, and as many pairs again to confirm
    detectable: dict[Test, float]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class _Spread:
    """How much the pairs of a test vary; `of_means`: and the means of its blocks, if neighbouring pairs are alike."""

    test: Test
    of_pairs: float  # NaN: the pilot does not say
    of_means: float | None
    likeness: float


def least_pairs(thresholds: Thresholds, tests: Sequence[Test]) -> int:
    """The fewest pairs, two a block, with which the first look can call anything a regression."""
    return _even(stats.fewest(_level(thresholds, _gated(tests), 1)))


def refuse_too_few(thresholds: Thresholds, tests: Sequence[Test]) -> None:
    """Refuses numbers of pairs that could never fire. Needs no pilot, so a check begins with it."""
    least = least_pairs(thresholds, tests)
    for name, pairs in (("first", thresholds.first_pairs), ("second", thresholds.second_pairs)):
        if pairs and _even(pairs) < least:
            raise Refused(
                f"{pairs} pairs for the {name} look cannot detect anything by themselves: at least {least} are needed "
                f"with {len(_gated(tests))} gated tests and alpha {thresholds.alpha:g}"
            )


def plan(
    tests: Sequence[Test], pilot_blocks: Sequence[Block], thresholds: Thresholds, pair_s: float, budget_s: float | None
) -> Plan:
    """The numbers of pairs of every cell; `pair_s`: what one pair of all cells takes, half a block.

    Without a budget as many as the power asks for; with one, as many as fit into it with both looks and a
    confirmation. Numbers that the thresholds give take the place of both.
    """
    gated = _gated(tests)
    refuse_too_few(thresholds, gated)
    spreads = [_spread(test, pilot_blocks) for test in gated]
    first = _even(thresholds.first_pairs)
    if not first:
        first = _that_fit(thresholds, gated, pair_s, budget_s) if budget_s is not None else _needed(spreads, thresholds)
    second = _even(thresholds.second_pairs) or first
    seconds = REPEATS * (first + second) * pair_s
    if budget_s is not None and seconds > budget_s:
        raise Refused(
            f"{first} and {second} pairs may take {units.in_words(seconds)} with a confirmation, but of the budget "
            f"{units.in_words(max(0.0, budget_s))} are left; ask for fewer or give it more"
        )
    found = {one.test: _detectable(one, first + second, thresholds, len(gated), 2) for one in spreads}
    said = [_in_short(first, second, pair_s, seconds)]
    said += [_in_words(one, first, found[one.test], thresholds, len(gated)) for one in spreads]
    said += [_misses(one, thresholds, len(gated), pair_s) for one in spreads if _too_weak(found[one.test], thresholds)]
    return Plan(first, second, seconds, found, tuple(said))


def _gated(tests: Sequence[Test]) -> list[Test]:
    return [test for test in tests if test.gated]


def _level(thresholds: Thresholds, gated: Sequence[Test], number: int) -> float:
    return decide.alpha_of(thresholds, number) / max(1, len(gated))


def _even(pairs: int) -> int:
    return pairs + pairs % PER_BLOCK


def _spread(test: Test, pilot_blocks: Sequence[Block]) -> _Spread:
    seen = decide.sample(pilot_blocks, test)
    spreads = [stats.spread(unit).value for unit in seen.units]
    return _Spread(test, spreads[0], spreads[1] if len(spreads) > 1 else None, seen.likeness)


def _that_fit(thresholds: Thresholds, gated: Sequence[Test], pair_s: float, budget_s: float) -> int:
    """Pairs of the first look, such that both looks and a confirmation stay in the budget."""
    both = math.floor(budget_s / pair_s / REPEATS)
    first = both - _even(thresholds.second_pairs) if thresholds.second_pairs else both // 2
    first = max(0, first - first % PER_BLOCK)
    least = least_pairs(thresholds, gated)
    if first < least:
        needed_s = REPEATS * (least + (_even(thresholds.second_pairs) or least)) * pair_s
        raise Refused(
            f"what is left of the budget, {units.in_words(max(0.0, budget_s))}, cannot detect anything: it has room "
            f"for {first} pairs a look, but {least} are needed, and take {units.in_words(needed_s)} with a confirmation"
        )
    return first


def _needed(spreads: Sequence[_Spread], thresholds: Thresholds) -> int:
    """Pairs with which the first look catches pass_percent in every test, as far as that is possible."""
    known = [one for one in spreads if not math.isnan(one.of_pairs)]
    if not known:
        raise Refused("the pilot measured no gated test, so that no number of pairs can be planned; give --first-pairs")
    level = thresholds.alpha * thresholds.first_share / len(spreads)
    needed = {one: _pairs_for(one, level, thresholds) for one in known}
    noisy = [one for one, pairs in needed.items() if pairs is None]
    if noisy:
        spread = max(decide.in_percent(one.of_pairs) for one in noisy)
        raise TooNoisy(
            f"the machine is too noisy: pairs of {', '.join(one.test.name for one in noisy)} vary by {spread:.0f} %, "
            f"so that more than {MOST_PAIRS} a look would be needed to catch {thresholds.pass_percent:g} %"
        )
    return max(pairs for pairs in needed.values() if pairs)


def _pairs_for(one: _Spread, level: float, thresholds: Thresholds) -> int | None:
    """The fewest pairs that catch pass_percent in that test at that level; None: more than can be asked for."""
    effect, margin = map(decide.logarithm, (thresholds.pass_percent, thresholds.regression_percent))
    goal = (level, thresholds.power, effect)
    pairs = stats.pairs_needed(*goal, one.of_pairs, margin, MOST_PAIRS, PER_BLOCK)
    if pairs is None or one.of_means is None:
        return pairs
    blocks = stats.pairs_needed(*goal, one.of_means, margin, MOST_PAIRS // PER_BLOCK)
    return blocks and max(pairs, PER_BLOCK * blocks)


def _detectable(one: _Spread, pairs: int, thresholds: Thresholds, tests: int, number: int) -> float:
    """The least slowdown in per cent that a look at that many pairs catches in that test; NaN: not known."""
    margin = decide.logarithm(thresholds.regression_percent)
    level = decide.alpha_of(thresholds, number) / tests
    found = stats.detectable(pairs, level, thresholds.power, one.of_pairs, margin)
    if one.of_means is not None:
        found = max(found, stats.detectable(pairs // PER_BLOCK, level, thresholds.power, one.of_means, margin))
    return decide.in_percent(found)


def _too_weak(percent: float, thresholds: Thresholds) -> bool:
    return percent > thresholds.pass_percent


def _in_short(first: int, second: int, pair_s: float, seconds: float) -> str:
    return (
        f"{first} pairs of each cell for the first look, {second} more if they leave a doubt: "
        f"{units.in_words(first * pair_s)}, at worst {units.in_words(seconds)} with a confirmation"
    )


def _in_words(one: _Spread, first: int, by_second: float, thresholds: Thresholds, tests: int) -> str:
    if math.isnan(one.of_pairs):
        return f"{one.test.name}: the pilot has too few pairs to say what can be detected"
    by_first = _detectable(one, first, thresholds, tests, 1)
    alike = f" and neighbours are alike ({one.likeness:.2f})" if one.of_means is not None else ""
    return (
        f"{one.test.name}: pairs vary by {decide.in_percent(one.of_pairs):.1f} %{alike}; with a power of "
        f"{100 * thresholds.power:g} % the first look catches {_slowdown(by_first)}, the second {_slowdown(by_second)}"
    )


def _slowdown(percent: float) -> str:
    return f"a slowdown of {percent:.1f} %" if math.isfinite(percent) else "nothing"


def _misses(one: _Spread, thresholds: Thresholds, tests: int, pair_s: float) -> str:
    """What it would take to catch what the gate promises."""
    pairs = _pairs_for(one, decide.alpha_of(thresholds, 2) / tests, thresholds)
    misses = f"{one.test.name}: {thresholds.pass_percent:g} % may be missed"
    if pairs is None:
        return f"{misses}, and more than {MOST_PAIRS} pairs would be needed: the machine is too noisy for this test"
    takes = units.in_words(REPEATS * pairs * pair_s)
    return f"{misses}; that takes {pairs} pairs over both looks, {takes} with a confirmation"
