# SPDX-License-Identifier: Apache-2.0
"""The intervals are those of the textbooks (held against scipy), cover what they claim, and warn where they cannot."""

import ast
import math
import sys
from pathlib import Path

import numpy
import pytest
import scipy.stats

from benchlib import stats

SKEWED = {
    "lognormal": lambda generator, size: generator.lognormal(sigma=2, size=size) - 1,
    "two modes": lambda generator, size: generator.normal(numpy.where(generator.random(size) < 0.3, 9, -1), 0.1),
}


def test_the_statistics_need_only_the_standard_library() -> None:
    tree = ast.parse(Path(stats.__file__).read_text())
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.split(".")[0] for module in modules} <= sys.stdlib_module_names


@pytest.mark.parametrize("n", [1, 2, 5, 6, 7, 8, 11, 20, 51, 200])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_ranks_are_those_of_the_binomial_distribution(n: int, confidence: float) -> None:
    k, coverage = stats.sign_rank(n, confidence)
    below = scipy.stats.binom(n, 0.5).cdf
    assert k == max((k for k in range(1, n // 2 + 2) if below(k - 1) <= (1 - confidence) / 2), default=0)
    assert coverage == pytest.approx(1 - 2 * below(k - 1) if k else 0.0)
    assert (k > 0) == (n >= stats.runs_needed(confidence))
    assert k == 0 or coverage >= confidence


def test_the_interval_of_the_median_agrees_with_the_sign_test() -> None:
    values = numpy.random.default_rng(3).lognormal(size=25)
    estimate = stats.median(values)
    assert estimate.value == numpy.median(values) and estimate.low < estimate.value < estimate.high

    def rejected(hypothesis: float) -> bool:
        return scipy.stats.binomtest(int((values < hypothesis).sum()), len(values)).pvalue < 0.05

    assert not rejected(estimate.low + 1e-9) and not rejected(estimate.high - 1e-9)
    assert rejected(estimate.low - 1e-9) and rejected(estimate.high + 1e-9)


def test_the_interval_covers_the_median_of_a_skewed_distribution_as_often_as_it_says() -> None:
    generator = numpy.random.default_rng(11)
    for n in (6, 7, 15):
        estimates = [stats.median(generator.lognormal(sigma=2, size=n)) for _ in range(4000)]
        covered = numpy.mean([estimate.low <= 1 <= estimate.high for estimate in estimates])
        assert covered == pytest.approx(estimates[0].coverage, abs=0.015)
        assert estimates[0].coverage >= 0.95


def test_too_few_runs_get_a_median_a_warning_and_no_interval() -> None:
    estimate = stats.median([3.0, 1.0, 2.0])
    assert (estimate.n, estimate.value) == (3, 2.0)
    assert math.isnan(estimate.low) and math.isnan(estimate.high)
    assert estimate.warnings == ("3 runs are too few for a 95% interval of the median, 6 needed",)
    assert stats.median([1, 2, 3, 4, 5, 6]).warnings == ()
    assert (stats.median([1, 2, 3, 4, 5, 6]).low, stats.median([1, 2, 3, 4, 5, 6]).high) == (1, 6)
    empty = stats.median([])
    assert empty.n == 0 and math.isnan(empty.value) and empty.warnings


def test_a_paired_ratio_takes_each_pair_from_one_block() -> None:
    drift = {block: 1.0 + 10 * block for block in range(8)}
    above = {block: 3 * value for block, value in drift.items()}
    estimate = stats.paired_ratio(above, drift)
    assert (estimate.n, estimate.value, estimate.low, estimate.high) == pytest.approx((8, 3, 3, 3))
    assert estimate.assumption == stats.PAIRED and not estimate.warnings
    alone = stats.paired_ratio(above, {block: drift[block] for block in range(7)})
    assert alone.n == 7 and alone.warnings == ("1 runs have no partner in their block and are left out",)


def test_a_one_sided_bound_is_that_of_the_one_sided_sign_test() -> None:
    values = numpy.random.default_rng(9).lognormal(size=60)
    least, most = stats.one_sided(values)

    def rejected(hypothesis: float, side: str) -> bool:
        test = scipy.stats.binomtest(int((values > hypothesis).sum()), len(values), alternative=side)
        return test.pvalue < 0.05

    assert rejected(least - 1e-9, "greater") and not rejected(least + 1e-9, "greater")
    assert rejected(most + 1e-9, "less") and not rejected(most - 1e-9, "less")
    assert math.isnan(stats.one_sided([1, 2, 3, 4])[0]) and stats.one_sided([1, 2, 3, 4, 5]) == (1, 5)


def test_a_one_sided_bound_misses_no_more_often_than_it_may() -> None:
    generator = numpy.random.default_rng(12)
    bounds = [stats.one_sided(generator.lognormal(sigma=2, size=9)) for _ in range(4000)]
    assert numpy.mean([least > 1 for least, _ in bounds]) <= 0.05
    assert numpy.mean([most < 1 for _, most in bounds]) <= 0.05


@pytest.mark.parametrize("n", [0, 1, 6, 7, 11, 40, 101, 2500])
@pytest.mark.parametrize("level", [0.05, 0.01, 0.002, 0.0005])
def test_a_rank_spends_as_much_of_its_level_as_it_can(n: int, level: float) -> None:
    k, spent = stats.median_rank(n, level)
    below = scipy.stats.binom(n, 0.5).cdf
    assert spent == pytest.approx(below(k - 1) if k else 0.0) and spent <= level
    assert below(k) > level
    assert (k > 0) == (n >= stats.fewest(level))


def test_the_fewest_values_that_a_sign_test_can_reject_with() -> None:
    assert [stats.fewest(level) for level in (0.5, 0.05, 0.01, 0.0025, 0.01 / 12)] == [1, 5, 7, 9, 11]
    assert stats.fewest(2**-9) == 9  # where 9 values on one side have exactly that chance


def test_the_sign_test_is_that_of_the_binomial_distribution() -> None:
    generator = numpy.random.default_rng(21)
    for n in (1, 5, 24, 60, 300):
        values = list(generator.normal(0.3, 1, n))
        ours = stats.sign_test(values, 0.1)
        above = sum(value > 0.1 for value in values)
        assert ours.p_value == pytest.approx(scipy.stats.binomtest(above, n, alternative="greater").pvalue, rel=1e-9)
        assert (ours.n, ours.warnings, ours.assumption) == (n, (), stats.PAIRED)


def test_values_at_the_margin_speak_against_a_rejection_and_are_told() -> None:
    tied = stats.sign_test([1.0] * 8 + [2.0] * 8, 1.0)
    assert tied.p_value == stats.sign_test([0.0] * 8 + [2.0] * 8, 1.0).p_value
    assert tied.warnings == ("8 values equal the margin and count as not above it",)
    assert stats.sign_test([], 0.0).p_value == 1


def test_the_bound_lies_above_a_margin_exactly_if_the_sign_test_rejects_it() -> None:
    generator = numpy.random.default_rng(22)
    for _ in range(300):
        values = list(numpy.round(generator.normal(1, 1, generator.integers(3, 40)), 1))  # with ties
        level = float(generator.choice([0.2, 0.05, 0.01, 0.002]))
        found = stats.bounds(values, level)
        for margin in (0.0, 0.5, 1.0):
            assert (found.low > margin) == (stats.sign_test(values, margin).p_value <= level)
            mirrored = stats.sign_test([-value for value in values], -margin)
            assert (found.high < margin) == (mirrored.p_value <= level)


def test_too_few_pairs_bound_nothing_and_say_how_many_would() -> None:
    found = stats.bounds([1.0] * 8, 0.0025)
    assert (found.value, found.low, found.high) == (1, -math.inf, math.inf)
    assert found.warnings == ("8 pairs bound no median at a level of 0.0025, 9 are needed",)
    assert stats.bounds([1.0] * 9, 0.0025).warnings == ()
    assert math.isnan(stats.bounds([], 0.1).value)


@pytest.mark.parametrize("shape", SKEWED)
def test_each_bound_misses_the_median_of_any_shape_as_seldom_as_it_says(shape: str) -> None:
    generator = numpy.random.default_rng(23)
    true = float(numpy.median(SKEWED[shape](numpy.random.default_rng(1), 400_001)))
    for n, level in ((12, 0.05), (31, 0.01)):
        found = [stats.bounds(SKEWED[shape](generator, n), level) for _ in range(4000)]
        slack = 3 * math.sqrt(level / 4000)
        assert numpy.mean([one.low > true for one in found]) <= level + slack
        assert numpy.mean([one.high < true for one in found]) <= level + slack
        assert numpy.mean([one.low > true for one in found]) >= (1 - found[0].coverage) - slack  # and no more timidly


def test_holm_by_hand() -> None:
    steps = stats.holm([0.01, 0.04, 0.03, 0.005], 0.05)
    assert [step.adjusted for step in steps] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert [step.rejected for step in steps] == [True, False, False, True]
    assert [step.level for step in steps] == pytest.approx([0.05 / 3, 0.025, 0.025, 0.0125])
    assert [step.adjusted for step in stats.holm([0.9, 0.8], 0.05)] == [1, 1] and stats.holm([], 0.05) == ()


def test_holm_rejects_what_its_adjusted_values_and_its_levels_say() -> None:
    generator = numpy.random.default_rng(24)
    for _ in range(500):
        p_values = list(generator.random(generator.integers(1, 9)) ** 4)
        for p_value, step in zip(p_values, stats.holm(p_values, 0.05), strict=True):
            assert step.rejected == (step.adjusted <= 0.05) == (p_value <= step.level)
            assert 0.05 / len(p_values) <= step.level <= 0.05


def test_holm_errs_no_more_often_than_alpha_over_the_family() -> None:
    generator = numpy.random.default_rng(25)
    common = generator.normal(size=(3000, 1))  # the tests depend on each other, and one of the five is false
    z = 0.7 * common + math.sqrt(1 - 0.49) * generator.normal(size=(3000, 5)) + numpy.array([0, 0, 0, 0, 3])
    families = scipy.stats.norm.sf(z)
    wrong = [any(step.rejected for step in stats.holm(list(family), 0.1)[:4]) for family in families]
    assert numpy.mean(wrong) <= 0.1 + 3 * math.sqrt(0.1 / 3000)


def test_benjamini_and_hochberg_by_hand() -> None:
    steps = stats.benjamini_hochberg([0.01, 0.04, 0.03, 0.005], 0.035)
    assert [step.adjusted for step in steps] == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert [step.rejected for step in steps] == [True, False, False, True]
    assert [step.level for step in steps] == pytest.approx([0.0175] * 4)
    late = stats.benjamini_hochberg([0.04, 0.045, 0.05, 0.03], 0.05)  # the last carries all others
    assert all(step.rejected for step in late) and [step.adjusted for step in late] == pytest.approx([0.05] * 4)
    assert stats.benjamini_hochberg([], 0.05) == ()


def test_few_of_those_that_benjamini_and_hochberg_reject_are_true() -> None:
    generator = numpy.random.default_rng(26)
    families = scipy.stats.norm.sf(generator.normal(size=(3000, 8)) + numpy.array([0] * 6 + [3] * 2))
    shares = []
    for family in families:
        rejected = [step.rejected for step in stats.benjamini_hochberg(list(family), 0.1)]
        shares.append(sum(rejected[:6]) / max(1, sum(rejected)))
    assert 0.05 < numpy.mean(shares) <= 0.1 * 6 / 8 + 3 * numpy.std(shares) / math.sqrt(3000)


@pytest.mark.parametrize(("hits", "n"), [(0, 300), (59, 59), (0, 1), (1, 2), (3, 10), (57, 60), (11, 3000)])
@pytest.mark.parametrize("level", [0.05, 0.025])
def test_the_bounds_of_a_share_are_those_of_clopper_and_pearson(hits: int, n: int, level: float) -> None:
    ours = stats.share(hits, n, level)
    theirs = scipy.stats.binomtest(hits, n).proportion_ci(1 - 2 * level, "exact")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-10)
    assert (ours.value, ours.coverage) == pytest.approx((hits / n, 1 - 2 * level))


def test_what_so_many_checks_without_a_miss_prove() -> None:
    assert stats.share(0, 298, 0.05).high > 0.01 > stats.share(0, 299, 0.05).high
    assert stats.share(58, 58, 0.05).low < 0.95 < stats.share(59, 59, 0.05).low
    assert stats.share(0, 0).warnings == ("no trial to take a share of",)


def test_the_tail_of_the_binomial_distribution_is_that_of_scipy() -> None:
    for n, chance in ((1, 0.5), (12, 0.01), (300, 0.2), (5000, 0.5)):
        for hits in {-1, 0, n // 5, n // 2, n - 1, n, n + 1}:
            assert stats.at_most(hits, n, chance) == pytest.approx(scipy.stats.binom.cdf(hits, n, chance), abs=1e-9)
    assert (stats.at_most(3, 9, 0.0), stats.at_most(3, 9, 1.0)) == (1, 0)


def test_the_median_of_walsh_averages() -> None:
    values = numpy.random.default_rng(27).normal(3, 1, 25)
    averages = [(one + other) / 2 for index, one in enumerate(values) for other in values[index:]]
    assert stats.hodges_lehmann(list(values)).value == pytest.approx(numpy.median(averages))
    assert stats.hodges_lehmann([1, 2, 6]).value == pytest.approx(2.75)  # of 1, 1.5, 2, 3.5, 4, 6
    assert stats.hodges_lehmann([]).warnings and stats.hodges_lehmann([1]).assumption == stats.SYMMETRIC


def test_the_spread_is_a_standard_deviation_that_wild_values_do_not_move() -> None:
    values = list(numpy.random.default_rng(28).normal(0, 3, 4000))
    assert stats.spread(values).value == pytest.approx(scipy.stats.median_abs_deviation(values, scale="normal"))
    assert stats.spread(values).value == pytest.approx(3, rel=0.06)
    assert stats.spread([*values, *[1e9] * 40]).value == pytest.approx(3, rel=0.08)
    assert math.isnan(stats.spread([1.0]).value) and stats.spread([1.0]).warnings
    assert stats.spread([5, 5, 5, 9]).value == 0 and "counts as none" in stats.spread([5, 5, 5, 9]).warnings[0]


def test_the_autocorrelation_is_that_of_the_ranks() -> None:
    values = list(numpy.random.default_rng(29).lognormal(sigma=2, size=60)) + [1.0, 1.0]
    ranks = scipy.stats.rankdata(values) - (len(values) + 1) / 2
    assert stats.autocorrelation(values).value == pytest.approx((ranks[:-1] * ranks[1:]).sum() / (ranks**2).sum())
    assert stats.autocorrelation(range(50)).value > 0.9 > 0.3 > stats.autocorrelation(range(50)).bound
    assert stats.autocorrelation([0, 1] * 20).value < -0.9
    assert math.isnan(stats.autocorrelation([1] * 9).value) and stats.autocorrelation([1, 2]).warnings


def test_independent_values_seldom_look_alike_however_skewed_they_are() -> None:
    generator = numpy.random.default_rng(30)
    for n in (16, 60):
        found = [stats.autocorrelation(generator.lognormal(sigma=3, size=n)) for _ in range(3000)]
        assert numpy.mean([one.value > one.bound for one in found]) == pytest.approx(0.05, abs=0.02)


def test_values_that_wander_look_alike() -> None:
    generator = numpy.random.default_rng(31)
    steps = generator.normal(size=(300, 80))
    wandering = numpy.cumsum(steps, axis=1) * 0.4 + generator.normal(size=(300, 80))
    found = [stats.autocorrelation(row) for row in wandering]
    assert numpy.mean([one.value > one.bound for one in found]) > 0.9


def test_the_pairs_that_a_slowdown_of_5_percent_needs() -> None:
    effect, margin = math.log(1.05), math.log(1.02)
    table = {0.01: (17, 33, 80, 196), 0.0025: (19, 41, 99, 243), 0.01 / 12: (24, 46, 115, 282)}
    for level, expected in table.items():
        for deviation, pairs in zip((0.02, 0.03, 0.05, 0.08), expected, strict=True):
            found = stats.pairs_needed(level, 0.95, effect, deviation, margin, 1000)
            assert found == pairs, (level, deviation)
            power = scipy.stats.binom.cdf(
                stats.median_rank(found, level)[0] - 1, found, scipy.stats.norm.cdf((margin - effect) / deviation)
            )
            assert power >= 0.95 and stats.sign_power(found, level, effect, deviation, margin) == pytest.approx(power)
    assert stats.pairs_needed(0.01, 0.95, effect, 0.5, margin, 1000) is None
    assert stats.pairs_needed(0.01, 0.95, effect, 0.0, margin, 1000, step=2) == 8


def test_the_power_is_that_of_a_simulation() -> None:
    generator = numpy.random.default_rng(32)
    for n, level, effect in ((17, 0.01, 0.05), (40, 0.0025, 0.04), (40, 0.0025, 0.02)):
        draws = generator.normal(effect, 0.03, size=(4000, n))
        seen = numpy.mean([stats.bounds(row, level).low > 0.02 for row in draws])
        expected = stats.sign_power(n, level, effect, 0.03, 0.02)
        assert seen == pytest.approx(expected, abs=3.5 * math.sqrt(max(expected * (1 - expected), 0.002) / 4000))


def test_the_detectable_effect_is_the_least_that_has_the_power() -> None:
    for n, level, deviation in ((12, 0.0005, 0.01), (41, 0.0025, 0.03), (300, 0.01, 0.2)):
        found = stats.detectable(n, level, 0.95, deviation, 0.02)
        assert stats.sign_power(n, level, found + 1e-6, deviation, 0.02) >= 0.95
        assert stats.sign_power(n, level, found - 1e-6, deviation, 0.02) < 0.95
    assert stats.detectable(8, 0.0025, 0.95, 0.01, 0.02) == math.inf
    assert stats.detectable(20, 0.0025, 0.95, 0.0, 0.02) == 0.02
