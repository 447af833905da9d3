# SPDX-License-Identifier: Apache-2.0
"""A block is balanced, at random, and the same each time it is asked for."""

from collections import Counter
from itertools import islice

import pytest

from benchlib.gate.block_order import PADDING_MOST, Slot, block_order, in_turn, pair_chances

CELLS = ("pairs", "one-to-one", "pool", "fourth")
BLOCKS = [f"first-{number:03}-1" for number in range(1, 201)]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_each_cell_has_both_orders_one_in_each_half(count: int) -> None:
    cells = CELLS[:count]
    for block in BLOCKS:
        slots = block_order(7, block, cells)
        assert [slot.half for slot in slots] == [1] * count + [2] * count
        for half in (slots[:count], slots[count:]):
            assert sorted(slot.cell for slot in half) == sorted(cells)
        for cell in cells:
            assert sorted(slot.order for slot in slots if slot.cell == cell) == ["AB", "BA"]


def test_a_block_reads_the_same_backwards_so_that_an_even_drift_cancels() -> None:
    for block in BLOCKS:
        runs = [(slot.cell, arm) for slot in block_order(7, block, CELLS) for arm in slot.order]
        assert runs == runs[::-1]
        for cell in CELLS:
            places = {arm: [place for place, run in enumerate(runs) if run == (cell, arm)] for arm in "AB"}
            assert sum(places["A"]) == sum(places["B"])


def test_what_is_random_is_random() -> None:
    first = [block_order(7, block, CELLS)[0] for block in BLOCKS]
    cells, orders = Counter(slot.cell for slot in first), Counter(slot.order for slot in first)
    assert min(cells.values()) > 25 and len(cells) == len(CELLS)
    assert min(orders.values()) > 70 and len(orders) == 2


def test_seed_and_block_decide_it_and_nothing_else() -> None:
    assert block_order(7, BLOCKS[0], CELLS) == block_order(7, BLOCKS[0], CELLS)
    others = [block_order(seed, block, CELLS) for seed, block in ((8, BLOCKS[0]), (7, BLOCKS[1]), (7, "first-001-2"))]
    assert all(other != block_order(7, BLOCKS[0], CELLS) for other in others)


def test_both_runs_of_a_pair_have_one_seed_and_each_a_padding_of_its_own() -> None:
    slots = [slot for block in BLOCKS for slot in block_order(7, block, CELLS)]
    chances = [next(pair_chances(7, block, slot, 1))[0] for block in BLOCKS for slot in block_order(7, block, CELLS)]
    assert len({chance.seed for chance in chances}) == len(slots)
    paddings = [chance.padding[arm] for chance in chances for arm in "AB"]
    assert min(paddings) >= 0 and max(paddings) <= PADDING_MOST
    assert min(paddings) < PADDING_MOST / 8 and max(paddings) > PADDING_MOST * 7 / 8
    assert sum(chance.padding["A"] == chance.padding["B"] for chance in chances) < 5


def test_a_pair_that_is_tried_again_has_other_chances_but_the_same_each_time() -> None:
    slot = Slot(1, "pairs", "AB")
    three = list(islice(pair_chances(7, "first-001-1", slot, 2), 3))
    assert three == list(islice(pair_chances(7, "first-001-1", slot, 2), 3))
    assert [len(chances) for chances in three] == [2, 2, 2]
    assert len({chance.seed for chances in three for chance in chances}) == 6


def test_several_runs_of_a_pair_take_turns_so_that_a_drift_falls_on_both() -> None:
    assert [in_turn("AB", 1), in_turn("BA", 1)] == ["AB", "BA"]
    assert [in_turn("AB", 4), in_turn("BA", 3)] == ["ABBAABBA", "BAABBA"]
    for order in ("AB", "BA"):
        places = {arm: [place for place, one in enumerate(in_turn(order, 8)) if one == arm] for arm in "AB"}
        assert sum(places["A"]) == sum(places["B"]) and len(places["A"]) == len(places["B"]) == 8
