# SPDX-License-Identifier: Apache-2.0
"""How a stream is cut into whole checks, and that their rates are those of the machine."""

from dataclasses import replace

import pytest
from gate_machine import TESTS, Arms, Machine
from gate_streams import GATED, SIZES, THRESHOLDS, feed, known_arms, outcomes  # noqa: F401

from benchlib.gate import decide
from benchlib.gate.calibration_cut import Cutter, Sizes, cut
from benchlib.gate.calibration_kinds import KINDS
from benchlib.gate.model import Outcome, Phase


def test_checks_are_consecutive() -> None:
    """Every block is in exactly one check, in its order, and each check is what the gate says of its blocks."""
    cutter = Cutter(TESTS, THRESHOLDS, SIZES)
    blocks = feed(cutter, Machine(noise=0.04, layouts=0.03, vetoes=0.02), 40)
    place = 0
    for check in cutter.finished:
        assert check.began == place
        place = check.ended + 1
        mine = blocks[check.began : place]
        looked = [block for block in mine if block.phase is not Phase.CONFIRM]
        again = [block for block in mine if block.phase is Phase.CONFIRM]
        number = 2 if any(block.phase is Phase.SECOND for block in looked) else 1
        judged = decide.look(GATED, looked, THRESHOLDS, number)
        expected = decide.overall(judged, looked, THRESHOLDS, number == 2)
        assert expected
        if again and check.outcome is not Outcome.INVALID:
            suspects = [found.test for found in judged if found.outcome is Outcome.REGRESSION]
            confirmed = decide.confirm(suspects, again, THRESHOLDS)
            expected = decide.settled(judged, confirmed, "of the blocks that followed")
        if check.outcome is not Outcome.INVALID:
            assert (check.outcome, check.reason) == expected
    assert place == len(blocks)
    kinds = set(outcomes(cutter.finished))
    assert {Outcome.PASS, Outcome.INCONCLUSIVE} <= kinds and any(check.suspected for check in cutter.finished)


def test_cutting_again_gives_the_same() -> None:
    cutter = Cutter(TESTS, THRESHOLDS, SIZES)
    blocks = feed(cutter, Machine(noise=0.05, layouts=0.02, vetoes=0.03), 20)
    assert cut(blocks, TESTS, THRESHOLDS, SIZES).finished == cutter.finished


def test_only_who_is_undecided_looks_twice() -> None:
    quiet, loud = Cutter(TESTS, THRESHOLDS, SIZES), Cutter(TESTS, THRESHOLDS, SIZES)
    assert len(feed(quiet, Machine(noise=0.01), 5)) == 5 * SIZES.first
    assert len(feed(loud, Machine(noise=0.2), 3)) == 3 * (SIZES.first + SIZES.second)
    assert set(outcomes(loud.finished)) == {Outcome.INCONCLUSIVE}


def test_each_check_and_confirmation_has_a_layout_of_its_own() -> None:
    cutter, machine, arms = Cutter(TESTS, THRESHOLDS, SIZES), Machine(noise=0.01, bias=20), Arms(KINDS["builds"])
    seen = []
    while len(cutter.finished) < 3:
        want = cutter.want
        seen.append((want.check, want.phase, want.layout))
        cutter.feed(machine.block(want.phase, arms.of(want.layout), {}))
    assert list(dict.fromkeys(seen)) == [
        (check, phase, 2 * (check - 1) + (phase is Phase.CONFIRM))
        for check in (1, 2, 3)
        for phase in (Phase.FIRST, Phase.CONFIRM)
    ]


def test_both_looks_of_a_check_have_one_layout() -> None:
    cutter, machine, arms = Cutter(TESTS, THRESHOLDS, SIZES), Machine(noise=0.2), Arms(KINDS["builds"])
    seen: dict[int, set[int]] = {}
    while len(cutter.finished) < 3:
        seen.setdefault(cutter.want.check, set()).add(cutter.want.layout)
        cutter.feed(machine.block(cutter.want.phase, arms.of(cutter.want.layout), {}))
    assert seen == {1: {0}, 2: {1}, 3: {2}}


def test_a_check_ends_when_too_many_blocks_are_vetoed() -> None:
    cutter, machine = Cutter(TESTS, THRESHOLDS, SIZES), Machine(vetoes=1.0)
    blocks = feed(cutter, machine, 2)
    assert outcomes(cutter.finished) == [Outcome.INVALID] * 2
    assert len(blocks) == 4  # two of fourteen are more than a tenth, whatever the other twelve will be


@pytest.mark.parametrize(
    ("machine", "phase", "first", "more"),
    [(Machine(noise=0.2), Phase.SECOND, 1, 2), (Machine(noise=0.01, bias=20), Phase.CONFIRM, 0, 2)],
    ids=["both looks", "the confirmation alone"],
)
def test_vetoes_count_over_both_looks_and_over_the_confirmation_alone(
    machine: Machine, phase: Phase, first: int, more: int
) -> None:
    cutter, arms = Cutter(TESTS, THRESHOLDS, SIZES), Arms(KINDS["builds"])
    left = {Phase.FIRST: first, phase: more}
    while not cutter.finished and left[phase]:
        want = cutter.want
        block = machine.block(want.phase, arms.of(want.layout), {})
        spoilt, left[want.phase] = left[want.phase] > 0, left[want.phase] - 1
        cutter.feed(replace(block, evidence=("a neighbour",)) if spoilt else block)
    assert outcomes(cutter.finished) == [Outcome.INVALID]


def test_where_there_is_no_second_look_the_first_is_the_last() -> None:
    cutter = Cutter(TESTS, THRESHOLDS, Sizes(12, 0))
    assert len(feed(cutter, Machine(noise=0.2), 2)) == 24
    assert outcomes(cutter.finished) == [Outcome.INCONCLUSIVE] * 2


def test_a_layout_that_misleads_is_cleared_by_the_next() -> None:
    """Two builds of one commit, far apart by their layout: suspected often, a false alarm only if it comes twice."""
    cutter = Cutter(TESTS, THRESHOLDS, SIZES)
    feed(cutter, Machine(seed=3, noise=0.01, layouts=0.05), 60)
    suspected = sum(check.suspected for check in cutter.finished)
    alarms = outcomes(cutter.finished).count(Outcome.REGRESSION)
    assert 20 < suspected and 0 < alarms < suspected


# Rates.


@pytest.mark.parametrize(("percent", "least", "most"), [(0, 0, 0), (2, 0, 0), (5, 55, 60), (20, 60, 60)])
def test_rates_are_those_of_the_machine(percent: float, least: int, most: int) -> None:
    cutter = Cutter(TESTS, THRESHOLDS, SIZES)
    feed(cutter, Machine(seed=11, noise=0.02, bias=percent), 60)
    assert least <= outcomes(cutter.finished).count(Outcome.REGRESSION) <= most
