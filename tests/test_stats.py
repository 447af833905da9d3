# SPDX-License-Identifier: Apache-2.0
"""The intervals are those of the textbooks (held against scipy), cover what they claim, and warn where they cannot."""

import math

import numpy
import pytest
import scipy.stats

from benchlib import stats


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


def test_the_bootstrap_agrees_with_scipy() -> None:
    values = numpy.random.default_rng(5).gamma(2, size=30)
    ours = stats.bootstrap([values], numpy.median)
    theirs = scipy.stats.bootstrap((values,), numpy.median, method="percentile", n_resamples=10_000, random_state=7)
    spread = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours.value == numpy.median(values) and ours.warnings == ()
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=spread / 10)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=spread / 10)
    assert ours == stats.bootstrap([values], numpy.median)


def test_the_ratio_of_medians_resamples_each_side_by_itself() -> None:
    generator = numpy.random.default_rng(9)
    above, below = numpy.sort(generator.normal(20, 3, 60)), generator.normal(10, 1, 25)
    ours = stats.ratio_of_medians(above, below)
    theirs = scipy.stats.bootstrap(
        (above, below),
        lambda a, b, axis: numpy.median(a, axis=axis) / numpy.median(b, axis=axis),
        method="percentile",
        n_resamples=10_000,
        random_state=7,
    ).confidence_interval
    assert ours.n == 25 and ours.low < 2 < ours.high
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=0.03)


def test_a_bootstrap_of_few_runs_warns() -> None:
    assert "few for a bootstrap" in stats.bootstrap([[1.0, 2.0, 3.0]], numpy.median).warnings[0]
    assert math.isnan(stats.bootstrap([[1.0]], numpy.median).low)
    assert stats.bootstrap([[1.0], []], lambda a, b, axis: numpy.median(a, axis=axis)).warnings == (
        "a sample has no run",
    )


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
