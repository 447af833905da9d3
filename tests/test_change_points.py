# SPDX-License-Identifier: Apache-2.0
"""Change points: steps are found where they are, and in noise no more are found than is said."""

import itertools
import math

import numpy
import pytest

from benchlib import change_points
from benchlib.change_points import Search

QUICK = Search(least=4, significance=0.05, permutations=99)


def steps(seed: int, *stretches: tuple[int, float], spread: float = 1.0) -> list[float]:
    """Normal noise around each stretch's level."""
    generator = numpy.random.default_rng(seed)
    return [level + spread * value for count, level in stretches for value in generator.normal(size=count)]


def indices(values: list[float], search: Search = QUICK) -> list[int]:
    return [point.index for point in change_points.find(values, search)]


@pytest.mark.parametrize("seed", range(8))
def test_a_step_is_found_within_two_points(seed: int) -> None:
    found = indices(steps(seed, (20, 0.0), (25, 3.0)))
    assert len(found) == 1 and abs(found[0] - 20) <= 2


@pytest.mark.parametrize("seed", range(4))
def test_several_steps_are_found_also_one_that_is_taken_back(seed: int) -> None:
    found = indices(steps(seed, (20, 0.0), (20, 4.0), (20, 0.0), (20, -4.0)))
    assert len(found) == 3
    assert all(abs(index - true) <= 2 for index, true in zip(found, (20, 40, 60), strict=True))


def test_a_small_step_beside_a_great_one_is_found() -> None:
    """Each part is shuffled by itself: what is known to differ is not mixed."""
    found = indices(steps(6, (20, 0.0), (20, 4.0), (20, 1000.0)))
    assert len(found) == 2 and abs(found[0] - 20) <= 2 and found[1] == 40


def test_a_change_of_spread_alone_is_one_too() -> None:
    generator = numpy.random.default_rng(3)
    values = [*generator.normal(size=50), *generator.normal(scale=8, size=50)]
    (found,) = indices(values)
    assert abs(found - 50) <= 6


def test_a_step_without_noise_is_found_to_the_point() -> None:
    assert indices([1.0] * 9 + [2.0] * 7) == [9]


def test_the_scale_of_the_values_does_not_matter() -> None:
    values = steps(1, (15, 10.0), (15, 14.0))
    assert indices([1e9 * value for value in values]) == indices([1e-9 * value for value in values]) == indices(values)


@pytest.mark.parametrize("noise", ["normal", "heavy", "two values"])
def test_in_noise_no_more_is_found_than_is_said(noise: str) -> None:
    """At 5 %, of 200 series 19 or more with a change point come once in 170 times, were the rate what it is said."""
    generator = numpy.random.default_rng(11)
    draw = {
        "normal": lambda: generator.normal(size=24),
        "heavy": lambda: generator.standard_cauchy(size=24),
        "two values": lambda: generator.integers(2, size=24).astype(float),
    }[noise]
    assert sum(bool(indices(list(draw()), Search(4, 0.05, 39))) for _ in range(200)) <= 18


def test_the_noise_does_fire_about_as_often_as_is_said() -> None:
    """A search that never finds anything in noise would have a wrong p-value, too."""
    generator = numpy.random.default_rng(12)
    fired = sum(bool(indices(list(generator.normal(size=20)), Search(4, 0.25, 19))) for _ in range(120))
    assert 15 <= fired <= 46  # 30 expected; each tail is below 1 in 800


def test_equal_values_have_no_change() -> None:
    assert indices([7.0] * 40) == []


@pytest.mark.parametrize("count", range(8))
def test_too_few_values_have_no_change(count: int) -> None:
    assert indices([float(i > count / 2) * 100 for i in range(count)]) == []


def test_stretches_are_as_long_as_was_asked_for() -> None:
    values = steps(5, (3, 50.0), (30, 0.0), (3, 50.0))
    for least in (5, 8):
        found = indices(values, Search(least, 0.2, 99))
        edges = [0, *found, len(values)]
        assert all(after - before >= least for before, after in itertools.pairwise(edges))


def test_the_same_seed_finds_the_same() -> None:
    values = steps(9, (12, 0.0), (12, 1.2))
    assert change_points.find(values, QUICK) == change_points.find(values, QUICK)


def test_a_p_value_counts_the_series_among_its_shuffles() -> None:
    (found,) = change_points.find(steps(2, (20, 0.0), (20, 9.0)), Search(5, 0.05, 99))
    assert found.p_value == 0.01


def test_shuffles_that_differ_as_much_count_whatever_the_rounding() -> None:
    """Of the 70 ways to part eight values 2 are as far apart as can be, whatever the order of sums within."""
    values = [0.1, 0.3] * 2 + [0.7, 0.9] * 2
    (found,) = change_points.find(values, Search(4, 0.5, 3999))
    assert abs(found.p_value - 2 / 70) < 0.009


def test_as_many_shuffles_are_needed_as_can_show_something() -> None:
    for significance, needed in ((0.05, 19), (0.01, 99), (0.5, 1), (0.03, 33)):
        assert change_points.least_permutations(significance) == needed
        assert 1 / (needed + 1) <= significance < 1 / needed
    values = [0.0] * 10 + [1.0] * 10
    assert indices(values, Search(4, 0.05, 19)) == [10] and indices(values, Search(4, 0.05, 18)) == []


@pytest.mark.parametrize("seed", range(12))
def test_the_statistic_is_the_scaled_energy_distance(seed: int) -> None:
    """Against sums over all pairs, written down as they are defined."""
    values = steps(seed, (9, 0.0), (6, 1.0))

    def mean(first: list[float], second: list[float], pairs: float) -> float:
        return sum(abs(x - y) for x in first for y in second) / pairs

    def scaled(left: list[float], right: list[float]) -> float:
        n, m = len(left), len(right)
        energy = 2 * mean(left, right, n * m) - mean(left, left, n * (n - 1)) - mean(right, right, m * (m - 1))
        return energy * n * m / (n + m)

    every = {(at, end): scaled(values[:at], values[at:end])
             for at in range(3, 13) for end in range(at + 3, 16)}  # fmt: skip
    (at, _), greatest = max(every.items(), key=lambda one: one[1])
    statistic, found = change_points._best(numpy.array(values), 3)
    assert found == at and math.isclose(statistic, greatest)
