# SPDX-License-Identifier: Apache-2.0
"""When a block is measured again: by rules written beforehand, on what the environment did, never on a result.

What an arm itself can bring about is no evidence either, or a slow HEAD could veto the blocks that show it: so neither
involuntary context switches, nor a window that was too long, nor the verdict on the environment that a record carries,
which is made of those. What that verdict takes from the kernel's accounts is taken here for a whole block, where ticks
of 10 ms add up to something (accounts.py). Each threshold is a judgement and stands with its reason:

  spin        The frozen arithmetic took another time than usual in this check. On a virtual machine it drifts by 10 to
              15 % from minute to minute, as the host's clock and the siblings of its CPUs change; both runs of a pair
              have the same of it. From 20 % on it was no drift: the CPUs were throttled, or others stood in the way.
  straddling  The cache line took so much longer, or shorter, in one run of a pair than in the other that CPUs were
              moved in between. A sentinel of two milliseconds scatters by up to a factor of 1.5 around its regime's
              level, so two are of different regimes if they differ by the square of it; the mean of a run's two
              scatters less, so for runs the factor itself will do. On a virtual machine the CPUs lie side by side for
              a moment now and then, which hits one pair in fifty. Vetoing a block for each would lose every eighth
              block of a quiet machine, so such a pair is measured again at once, as a whole, and the block is vetoed
              when that was needed more than twice: then the machine was not settled.
  steal       The hypervisor ran somebody else. Quiet blocks have 0 to 5 %, and up to 15 % in bad hours, which falls on
              both runs of a pair; with two CPUs, 25 % is one of them shared with a neighbour that never rests.
  other_cpus  Other processes had part of the CPUs. Nine in ten quiet blocks have below 0.1 of one; a neighbour that
              never rests takes 0.5 of one at least, whichever cell runs.
  suspended   The machine slept.
  pressure    Somebody waited for a CPU. Only of blocks in which nobody of ours must wait: where runs keep the CPUs
              awake by spinners, or have more threads than CPUs, it is near 100 % on an idle machine.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchlib.gate.accounts import Passed
from benchlib.gate.model import Sentinels

REGIME_FACTOR = 1.5  # benchlib.regimes.FACTOR, which is not imported as it brings all of pandas


@dataclass(frozen=True)
class Rules:
    """The thresholds. Infinity turns a rule off."""

    spin_off: float = 0.20
    spins_remembered: int = 40  # of the check's last blocks: a machine that stays faster or slower is usual by then
    regime_factor: float = REGIME_FACTOR
    pairs_again: int = 2  # straddling pairs of a block that may be measured again
    steal: float = 0.20  # of all CPUs' time
    other_cpus: float = 0.25
    suspended_s: float = 0.001
    pressure: float = 0.25  # of the time
    blocks_least: int = 10  # begun before an environment can be too noisy


@dataclass(frozen=True)
class Surroundings:
    """What a run's record says of the machine around it; NaN: nothing."""

    before_ns: float = math.nan  # its own sentinel, a cache line's round trip
    after_ns: float = math.nan
    crowded: bool = False  # spinners or more threads than CPUs: somebody of ours always waits


@dataclass(frozen=True)
class Facts:
    """Of one block."""

    before: Sentinels
    after: Sentinels
    spins: Sequence[float]  # of the check's earlier sentinels
    passed: Passed
    straddled: int  # pairs that straddled two regimes
    crowded: bool


def judge(facts: Facts, rules: Rules) -> tuple[str, ...]:
    """Why the block does not count, a sentence for each rule; empty: it does."""
    found = (_spin(facts, rules), _straddling(facts, rules), *_accounts(facts, rules))
    return tuple(sentence for sentence in found if sentence)


def straddle(first: Surroundings, second: Surroundings, factor: float) -> bool:
    """Whether two runs side by side lie in different regimes, or one of them in two."""
    values = [value for run in (first, second) for value in (run.before_ns, run.after_ns) if value > 0]
    levels = [level for level in (_level(first), _level(second)) if level > 0]
    return _spread(values) >= factor**2 or _spread(levels) >= factor


def hopeless(vetoed: int, begun: int, wanted: int, most_vetoed: float, rules: Rules) -> str | None:
    """Why no more of `wanted` good blocks should be tried for; None: go on.

    The share of vetoed blocks would be too great even if no further one was vetoed.
    """
    if begun < rules.blocks_least or vetoed <= most_vetoed * (wanted + vetoed):
        return None
    return (
        f"{vetoed} of {begun} blocks were vetoed, so that more than {most_vetoed:.0%} would be even if no further one "
        f"was: the machine is too noisy"
    )


def _level(run: Surroundings) -> float:
    known = [value for value in (run.before_ns, run.after_ns) if value > 0]
    return statistics.geometric_mean(known) if known else math.nan


def _spread(values: Sequence[float]) -> float:
    return max(values) / min(values) if values else 1.0


def _spin(facts: Facts, rules: Rules) -> str | None:
    taken = (facts.before.spin_ns, facts.after.spin_ns)
    if any(math.isnan(value) for value in taken):
        return "the frozen sentinel did not answer"
    usual = statistics.median([*facts.spins[-rules.spins_remembered :], *taken])
    worst = max(taken, key=lambda value: abs(value / usual - 1))
    if abs(worst / usual - 1) <= rules.spin_off:
        return None
    return f"the frozen spin took {100 * (worst / usual - 1):+.0f} % of its usual time"


def _straddling(facts: Facts, rules: Rules) -> str | None:
    if facts.straddled <= rules.pairs_again:
        return None
    return f"{facts.straddled} pairs straddled two regimes of the cache line"


def _accounts(facts: Facts, rules: Rules) -> list[str | None]:
    passed = facts.passed
    pressure = 0.0 if facts.crowded else passed.pressure
    return [
        f"the hypervisor kept back {passed.steal:.0%} of the CPUs' time" if passed.steal >= rules.steal else None,
        f"other processes had {passed.other_cpus:.2f} of a CPU" if passed.other_cpus >= rules.other_cpus else None,
        f"the machine was suspended for {passed.suspended_s:.3f} s"
        if passed.suspended_s >= rules.suspended_s
        else None,
        f"somebody waited for a CPU for {pressure:.0%} of the time" if pressure >= rules.pressure else None,
    ]
