# SPDX-License-Identifier: Apache-2.0
"""Resampling agrees with scipy's, and warns where there is too little to resample."""

import math

import numpy
import pytest
import scipy.stats

from benchlib import bootstrap


def test_the_bootstrap_agrees_with_scipy() -> None:
    values = numpy.random.default_rng(5).gamma(2, size=30)
    ours = bootstrap.bootstrap([values], numpy.median)
    theirs = scipy.stats.bootstrap((values,), numpy.median, method="percentile", n_resamples=10_000, random_state=7)
    spread = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours.value == numpy.median(values) and ours.warnings == ()
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=spread / 10)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=spread / 10)
    assert ours == bootstrap.bootstrap([values], numpy.median)


def test_a_bootstrap_of_few_runs_warns() -> None:
    assert "few for a bootstrap" in bootstrap.bootstrap([[1.0, 2.0, 3.0]], numpy.median).warnings[0]
    assert math.isnan(bootstrap.bootstrap([[1.0]], numpy.median).low)
    assert bootstrap.bootstrap([[1.0], []], lambda a, b, axis: numpy.median(a, axis=axis)).warnings == (
        "a sample has no run",
    )
