# SPDX-License-Identifier: Apache-2.0
"""In which order to measure, and how long it will take.

Randomised complete blocks: repeat r of every cell comes before repeat r + 1 of any, each block in an order of
its own. A drift of the machine then falls on all cells alike, and a sweep cut short is a smaller balanced one.
Within a block the programs that do one task follow each other: a pair of runs that the machine treats alike.
"""

import random
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from benchlib import units
from benchlib.errors import Refused

# What a run costs beside its warm-up and window: start, calibration, sentinels, check of all items, end.
# Measured on a virtual machine with 2 CPUs; it only makes the estimate.
RUN_OVERHEAD_S = 0.2
# What judging all that a run did takes, for each second of it. Measured there too.
JUDGING_SHARE = 0.6
# What judging a history may take at most, by the memory that the history was given, some 44 thousand operations a MiB:
# more than ten times what was measured. A run is not ended before.
JUDGING_S_PER_MIB = 0.2


def block_order(seed: int, block: int, tasks: Sequence[Hashable]) -> list[int]:
    """The cells of one block in random order, made of seed and block only, so that a resumed sweep finds it again.

    `tasks` has an entry for each cell; cells of equal task stand together, in random order as well.
    """
    order = list(range(len(tasks)))
    random.Random(f"{seed}:{block}").shuffle(order)
    place: dict[Hashable, int] = {}
    for cell in order:
        place.setdefault(tasks[cell], len(place))
    return sorted(order, key=lambda cell: place[tasks[cell]])


def run_seed(seed: int, block: int) -> int:
    """The seed of everything random in the runs of a block: another for each repeat, one for all cells compared."""
    return random.Random(f"{seed}:{block}:runs").getrandbits(32)


def slots(seed: int, repeats: int, tasks: Sequence[Hashable]) -> Iterator[tuple[int, int, int]]:
    """Every run as (block, order, cell); blocks and order count from 1, cells from 0."""
    for block in range(1, repeats + 1):
        for order, cell in enumerate(block_order(seed, block, tasks), 1):
            yield block, order, cell


def run_seconds(resolved: dict[str, Any]) -> float:
    """How long one run of a cell should take, from what the program resolved."""
    measured_s = (resolved["warmup_ns"] + resolved["duration_ns"]) * 1e-9
    judged_s = measured_s * JUDGING_SHARE if resolved.get("check") == "full" else 0.0
    return measured_s + judged_s + RUN_OVERHEAD_S


def judging_seconds(resolved: dict[str, Any]) -> float:
    """How long a run of the cell may take to judge its history, after its warm-up and window."""
    return resolved.get("check_memory_mib", 0) * JUDGING_S_PER_MIB


def blocks_within(budget_s: float | None, block_s: float, repeats: int) -> int:
    """How many whole blocks fit the budget; refuses when not one does."""
    if budget_s is None or block_s * repeats <= budget_s:
        return repeats
    fitting = int(budget_s // block_s)
    if fitting < 1:
        raise Refused(
            f"the budget of {units.in_words(budget_s)} is too small: measuring every cell once takes about "
            f"{units.in_words(block_s)}"
        )
    return fitting
