# SPDX-License-Identifier: Apache-2.0
"""A check is planned so that it catches what it promises, says what it can detect, and does not measure for nothing."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy
import pytest
from made_blocks import blocks

from benchlib import stats
from benchlib.errors import Refused
from benchlib.gate import decide, planning
from benchlib.gate.model import Block, Metric, Outcome, Thresholds
from benchlib.gate.model import Test as Hypothesis

FAMILY = tuple(
    Hypothesis(cell, metric)
    for cell, metric in (
        ("pairs", Metric.THROUGHPUT),
        ("one-to-one", Metric.THROUGHPUT),
        ("pool", Metric.THROUGHPUT),
        ("pool", Metric.CPU),
    )
)
ADVISORY = Hypothesis("pool", Metric.P99, gated=False)
USUAL = Thresholds()
MARGIN, EFFECT = math.log(1.02), math.log(1.05)
PAIR_S = 3.5


def normal(spread: float, pairs: int = 16) -> list[float]:
    """Pairs of exactly that robust spread about 0, in an order in which neighbours are not alike."""
    raw = [NormalDist().inv_cdf((index + 0.5) / pairs) for index in range(pairs)]
    factor = spread / stats.spread(raw).value
    return [factor * raw[index] for index in numpy.random.default_rng(3).permutation(pairs)]


def pilot(*spreads: float, tests: Sequence[Hypothesis] = FAMILY) -> list[Block]:
    """A pilot in which the tests vary so much."""
    return blocks({test: normal(spread) for test, spread in zip(tests, spreads, strict=True)})


def planned(*spreads: float, thresholds: Thresholds = USUAL, budget_s: float | None = None) -> planning.Plan:
    return planning.plan(FAMILY, pilot(*spreads), thresholds, PAIR_S, budget_s)


def test_the_noisiest_test_says_how_many_pairs_are_needed() -> None:
    plan = planned(0.01, 0.03, 0.01, 0.02)
    assert plan.first_pairs == plan.second_pairs == stats.pairs_needed(0.0005, 0.95, EFFECT, 0.03, MARGIN, 999, 2)
    assert plan.seconds == pytest.approx(4 * plan.first_pairs * PAIR_S)
    assert list(plan.detectable) == list(FAMILY) and plan.detectable[FAMILY[1]] == max(plan.detectable.values()) < 5
    assert planned(0.001, 0.001, 0.001, 0.001).first_pairs == planning.least_pairs(USUAL, FAMILY)


def test_the_planned_pairs_catch_the_slowdown_as_often_as_planned() -> None:
    plan = planned(0.03, 0.03, 0.03, 0.03)
    generator = numpy.random.default_rng(50)
    caught = []
    for _ in range(300):
        means = [EFFECT, 0, 0, 0]
        ratios = {test: list(generator.normal(mean, 0.03, plan.first_pairs))
                  for test, mean in zip(FAMILY, means, strict=True)}  # fmt: skip
        found = decide.look(FAMILY, blocks(ratios), USUAL, 1)
        caught.append(found[0].outcome is Outcome.REGRESSION)
    expected = stats.sign_power(plan.first_pairs, 0.0005, EFFECT, 0.03, MARGIN)
    assert expected >= 0.95
    # those few checks that fall on the means of blocks are a little more careful
    assert expected - 0.05 < sum(caught) / 300


def test_the_second_look_makes_up_for_half_as_much_spread_again() -> None:
    for spread in (0.02, 0.03, 0.05, 0.08):
        plan = planned(spread, spread, spread, spread)
        both = plan.first_pairs + plan.second_pairs
        assert stats.sign_power(both, 0.002, EFFECT, 1.5 * spread, MARGIN) >= 0.95


def test_what_is_detectable_is_what_the_second_look_catches() -> None:
    plan = planned(0.03, 0.03, 0.03, 0.03, thresholds=replace(USUAL, first_pairs=20, second_pairs=14))
    assert (plan.first_pairs, plan.second_pairs) == (20, 14)
    effect = math.log1p(plan.detectable[FAMILY[0]] / 100)
    assert stats.sign_power(34, 0.002, effect + 1e-6, 0.03, MARGIN) >= 0.95
    assert stats.sign_power(34, 0.002, effect - 1e-6, 0.03, MARGIN) < 0.95
    assert any(re.search(r"pairs/throughput: 5 % may be missed; that takes \d+ pairs", said) for said in plan.sentences)


def test_below_the_least_number_nothing_can_fire_and_at_it_a_test_can() -> None:
    for tests, thresholds in ((FAMILY, USUAL), (FAMILY[:1], USUAL), (FAMILY, replace(USUAL, alpha=0.3))):
        least = planning.least_pairs(thresholds, [*tests, ADVISORY])
        for pairs, outcome in ((least, Outcome.REGRESSION), (least - 2, Outcome.INCONCLUSIVE)):
            slow = list(numpy.random.default_rng(1).permutation([1.0 + 0.001 * one for one in range(pairs)]))
            found = decide.look(tests, blocks(dict.fromkeys(tests, slow)), thresholds, 1)
            assert {one.outcome for one in found} == {outcome}
    assert planning.least_pairs(USUAL, FAMILY) == 12


@pytest.mark.parametrize("which", ["first_pairs", "second_pairs"])
def test_too_few_pairs_are_refused_with_the_number_that_is_needed(which: str) -> None:
    few = replace(USUAL, **{which: 10})
    with pytest.raises(Refused, match=f"10 pairs for the {which[:-6]} look cannot detect anything.* 12 are needed"):
        planned(0.01, 0.01, 0.01, 0.01, thresholds=few)
    with pytest.raises(Refused, match="cannot detect anything"):
        planning.refuse_too_few(few, FAMILY)
    planning.refuse_too_few(replace(USUAL, **{which: 11}), FAMILY)  # which makes 6 blocks, 12 pairs
    assert getattr(planned(0.01, 0.01, 0.01, 0.01, thresholds=replace(USUAL, **{which: 13})), which) == 14


def test_a_budget_takes_what_fits_with_both_looks_and_a_confirmation() -> None:
    for budget_s in (170.0, 600.0, 3600.0):
        plan = planned(0.05, 0.05, 0.05, 0.05, budget_s=budget_s)
        assert plan.first_pairs == plan.second_pairs and plan.seconds <= budget_s
        assert 4 * (plan.first_pairs + 2) * PAIR_S > budget_s
    weak = planned(0.05, 0.05, 0.05, 0.05, budget_s=170.0)
    strong = planned(0.05, 0.05, 0.05, 0.05, budget_s=3600.0)
    assert weak.detectable[FAMILY[0]] > 5 > strong.detectable[FAMILY[0]]
    assert sum("may be missed" in said for said in weak.sentences) == 4
    assert not any("may be missed" in said for said in strong.sentences)
    assert all(any(said.startswith(f"{test.name}: pairs vary by 5.1 %") for said in weak.sentences) for test in FAMILY)


def test_a_budget_that_is_too_small_is_refused_with_what_is_needed() -> None:
    with pytest.raises(Refused, match=r"cannot detect anything: .*10 pairs a look, but 12 are needed.* 2 min 48 s"):
        planned(0.01, 0.01, 0.01, 0.01, budget_s=160.0)
    with pytest.raises(Refused, match="0.0 s, cannot detect anything"):
        planned(0.01, 0.01, 0.01, 0.01, budget_s=-5.0)
    assert planned(0.01, 0.01, 0.01, 0.01, budget_s=168.0).first_pairs == 12


def test_pairs_that_are_asked_for_must_fit_into_the_budget() -> None:
    asked = replace(USUAL, first_pairs=30, second_pairs=20)
    assert planned(0.01, 0.01, 0.01, 0.01, thresholds=asked, budget_s=350.0).seconds == pytest.approx(350)
    with pytest.raises(Refused, match="30 and 20 pairs may take 5 min 50 s with a confirmation, but .* 5 min 49 s"):
        planned(0.01, 0.01, 0.01, 0.01, thresholds=asked, budget_s=349.0)
    second = replace(USUAL, second_pairs=20)
    plan = planned(0.01, 0.01, 0.01, 0.01, thresholds=second, budget_s=600.0)
    assert plan.second_pairs == 20 and plan.seconds <= 600 < 2 * (plan.first_pairs + 22) * PAIR_S


def test_neighbours_that_are_alike_need_more_pairs() -> None:
    twice = [value for value in normal(0.02, 12) for _ in (0, 1)]
    likes = [value + 1e-6 * index for index, value in enumerate(twice)]
    tests = FAMILY[:1]
    plan = planning.plan(tests, blocks({FAMILY[0]: likes}), USUAL, PAIR_S, None)
    apart = planning.plan(tests, pilot(0.02, tests=tests), USUAL, PAIR_S, None)
    blocks_needed = stats.pairs_needed(0.002, 0.95, EFFECT, 0.02, MARGIN, 999)
    assert plan.first_pairs == 2 * (blocks_needed or 0) > 1.5 * apart.first_pairs
    assert any("neighbours are alike" in said for said in plan.sentences)


def test_a_machine_that_is_too_noisy_is_told() -> None:
    sentence = "pairs of one-to-one/throughput vary by 65 %, so that more than 2000 a look would be needed to catch 5 %"
    with pytest.raises(planning.TooNoisy, match=f"the machine is too noisy: {sentence}"):
        planned(0.01, 0.5, 0.01, 0.01)
    plan = planned(0.01, 0.5, 0.01, 0.01, thresholds=replace(USUAL, first_pairs=24))
    assert any("one-to-one/throughput: 5 % may be missed, and more than 2000 pairs" in said for said in plan.sentences)


def test_a_pilot_that_says_nothing_of_a_test_is_told() -> None:
    made = pilot(0.01, 0.01, 0.01, tests=FAMILY[:3])
    plan = planning.plan(FAMILY, made, USUAL, PAIR_S, None)
    assert math.isnan(plan.detectable[FAMILY[3]])
    assert "pool/cpu: the pilot has too few pairs to say what can be detected" in plan.sentences
    with pytest.raises(Refused, match="measured no gated test"):
        planning.plan(FAMILY, [], USUAL, PAIR_S, None)
    given = planning.plan(FAMILY, [], replace(USUAL, first_pairs=40), PAIR_S, None)
    assert (given.first_pairs, given.second_pairs) == (40, 40)


def test_advice_costs_nothing() -> None:
    spreads = {test: normal(0.01) for test in FAMILY} | {ADVISORY: normal(0.5)}
    plan = planning.plan([*FAMILY, ADVISORY], blocks(spreads), USUAL, PAIR_S, None)
    assert plan == planned(0.01, 0.01, 0.01, 0.01) and ADVISORY not in plan.detectable


def test_the_first_sentence_says_how_long_it_takes() -> None:
    plan = planned(0.02, 0.02, 0.02, 0.02, thresholds=replace(USUAL, first_pairs=24))
    assert plan.sentences[0] == (
        "24 pairs of each cell for the first look, 24 more if they leave a doubt: 1 min 24 s, "
        "at worst 5 min 36 s with a confirmation"
    )
