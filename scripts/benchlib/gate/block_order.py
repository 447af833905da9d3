# SPDX-License-Identifier: Apache-2.0
"""The order of a block's runs, made of the check's seed and the block's name only, so that it can be made again.

A block reads the same backwards: in its first half every cell has a pair of runs, the cells in random order and each
pair AB or BA at random; its second half is the first from its end to its beginning. So each cell has an AB and a BA
pair, and whatever drifts evenly over the block falls on A and on B alike, for every cell.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SEED_BITS = 32
PADDING_MOST = 4096  # bytes; a page, over which the stack's beginning is moved


@dataclass(frozen=True)
class Slot:
    """The place of one pair in its block."""

    half: int  # 1 or 2
    cell: str
    order: str  # "AB" or "BA"


@dataclass(frozen=True)
class Chance:
    """What is random in two processes side by side, beside the order."""

    seed: int  # of everything random in the runs: one for both, so that they are given the same work
    padding: dict[str, int]  # bytes by which the environment of A's and of B's process is longer


def block_order(seed: int, block: str, cells: Sequence[str]) -> list[Slot]:
    """The pairs of a block in their order; `block` names it and the attempt at it."""
    chance = random.Random(f"{seed}:{block}:order")
    first = [Slot(1, cell, chance.choice(("AB", "BA"))) for cell in chance.sample(list(cells), len(cells))]
    return first + [Slot(2, slot.cell, slot.order[::-1]) for slot in reversed(first)]


def in_turn(order: str, runs: int) -> str:
    """The arms of a pair's processes one after another: AB BA AB ...

    What drifts evenly falls on both alike where `runs` is even, and over the whole block in any case.
    """
    return "".join(order[:: 1 if number % 2 == 0 else -1] for number in range(runs))


def pair_chances(seed: int, block: str, slot: Slot, runs: int) -> Iterator[list[Chance]]:
    """For each try at the pair of a slot what is random in its runs, two by two."""
    chance = random.Random(f"{seed}:{block}:{slot.half}:{slot.cell}")
    while True:
        yield [
            Chance(
                seed=chance.getrandbits(SEED_BITS),
                padding={arm: chance.randint(0, PADDING_MOST) for arm in "AB"},
            )
            for _ in range(runs)
        ]
