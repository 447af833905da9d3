# SPDX-License-Identifier: Apache-2.0
"""A block is vetoed by written rules on the environment, each of them alone, and by nothing else."""

import math
from dataclasses import fields, replace
from pathlib import Path

import pytest

from benchlib import regimes
from benchlib.gate import accounts, veto
from benchlib.gate.accounts import Accounts, Passed
from benchlib.gate.model import Metric, Sentinels
from benchlib.gate.veto import Facts, Rules, Surroundings, hopeless, judge, straddle

CALM = Sentinels(1000.0, 80.0)
QUIET = Passed(wall_s=6.0, steal=0.02, other_cpus=0.05, suspended_s=0.0, pressure=0.02)
FACTS = Facts(CALM, CALM, (1000.0,) * 10, QUIET, 0, False)
RULES = Rules()


def test_a_quiet_block_counts() -> None:
    assert judge(FACTS, RULES) == ()
    assert judge(replace(FACTS, straddled=2), RULES) == ()
    unknown = Passed(6.0, math.nan, math.nan, 0.0, math.nan)
    assert judge(replace(FACTS, passed=unknown), RULES) == ()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"before": Sentinels(1210.0, 80.0)}, "the frozen spin took +21 % of its usual time"),
        ({"after": Sentinels(790.0, 80.0)}, "the frozen spin took -21 % of its usual time"),
        ({"after": Sentinels(math.nan, math.nan)}, "the frozen sentinel did not answer"),
        ({"straddled": 3}, "3 pairs straddled two regimes of the cache line"),
        ({"passed": replace(QUIET, steal=0.2)}, "the hypervisor kept back 20% of the CPUs' time"),
        ({"passed": replace(QUIET, other_cpus=0.5)}, "other processes had 0.50 of a CPU"),
        ({"passed": replace(QUIET, suspended_s=2.0)}, "the machine was suspended for 2.000 s"),
        ({"passed": replace(QUIET, pressure=0.3)}, "somebody waited for a CPU for 30% of the time"),
    ],
)
def test_each_rule_alone_vetoes(change: dict, sentence: str) -> None:
    assert judge(replace(FACTS, **change), RULES) == (sentence,)


def test_all_rules_speak() -> None:
    worst = Facts(Sentinels(2000.0, 80.0), CALM, (1000.0,) * 10, Passed(6.0, 1.0, 1.0, 1.0, 1.0), 9, False)
    assert len(judge(worst, RULES)) == 6
    off = Rules(math.inf, 40, math.inf, 99, math.inf, math.inf, math.inf, math.inf)
    assert judge(worst, off) == ()


def test_the_cache_line_s_own_regime_does_not_veto_a_block() -> None:
    """It may begin in one and end in the other: what must lie in one regime is a pair."""
    assert judge(replace(FACTS, after=Sentinels(1000.0, 240.0)), RULES) == ()
    assert judge(replace(FACTS, before=Sentinels(1000.0, math.nan)), RULES) == ()


def test_the_first_block_has_only_itself_to_compare_with() -> None:
    assert judge(replace(FACTS, spins=()), RULES) == ()
    assert judge(replace(FACTS, spins=(), after=Sentinels(1700.0, 80.0)), RULES) != ()


def test_a_machine_that_stays_slower_is_usual_after_a_while() -> None:
    slower = replace(FACTS, before=Sentinels(1250.0, 80.0), after=Sentinels(1250.0, 80.0))
    assert judge(replace(slower, spins=(1000.0,) * 100), RULES) != ()
    assert judge(replace(slower, spins=(1000.0,) * 100 + (1250.0,) * 25), RULES) == ()


def test_where_somebody_of_ours_always_waits_pressure_says_nothing() -> None:
    assert judge(replace(FACTS, crowded=True, passed=replace(QUIET, pressure=1.0)), RULES) == ()


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((100, 100), (100, 100), False),
        ((100, 140), (140, 100), False),  # scatter of single sentinels
        ((90, 130), (130, 190), False),
        ((100, 100), (151, 151), True),  # the one run in the one regime, the other in the other
        ((70, 70), (210, 205), True),
        ((70, 200), (205, 200), True),  # moved while the first ran
        ((205, 200), (200, 70), True),
        ((math.nan, math.nan), (100, 300), True),
        ((math.nan, math.nan), (100, 100), False),  # where there is no sentinel, nothing is known of regimes
        ((math.nan, math.nan), (math.nan, math.nan), False),
    ],
)
def test_which_pairs_straddle(first: tuple, second: tuple, expected: bool) -> None:
    one, two = Surroundings(*first), Surroundings(*second)
    assert straddle(one, two, veto.REGIME_FACTOR) is straddle(two, one, veto.REGIME_FACTOR) is expected
    assert not straddle(one, two, math.inf)


def test_the_factor_is_that_of_the_results() -> None:
    assert veto.REGIME_FACTOR == regimes.FACTOR


def test_no_rule_can_see_a_result() -> None:
    """What is judged has no place for a metric: not by name, and not by holding a pair or a record."""
    names = {field.name for kind in (Facts, Passed, Sentinels, Surroundings, Rules) for field in fields(kind)}
    for metric in Metric:
        assert not names & {metric.label, metric.column, metric.name}
    types = " ".join(str(field.type) for kind in (Facts, Passed, Sentinels, Surroundings) for field in fields(kind))
    assert not any(word in types for word in ("Pair", "Block", "Any", "dict", "Metric"))


@pytest.mark.parametrize(
    ("vetoed", "begun", "wanted", "expected"),
    [
        (0, 100, 50, False),
        (2, 9, 8, False),  # too few begun to say
        (5, 9, 8, False),
        (5, 50, 50, False),  # 5 of 55 in the end
        (6, 10, 50, True),  # 6 of 56 at best
        (6, 50, 50, True),
        (1, 10, 5, True),
        (3, 10, 8, True),
    ],
)
def test_when_an_environment_is_given_up(vetoed: int, begun: int, wanted: int, expected: bool) -> None:
    said = hopeless(vetoed, begun, wanted, 0.10, RULES)
    assert (said is not None) is expected
    if said:
        assert said.startswith(f"{vetoed} of {begun} blocks were vetoed")
    assert hopeless(vetoed, begun, wanted, 1.0, RULES) is None


def proc(folder: Path, cpus: list[tuple[int, int]], pressure_us: int) -> Path:
    """A /proc of which these CPUs have (ticks of processes, ticks of steal)."""
    lines = [f"cpu{number} {busy} 0 0 500 0 0 0 {steal} 0 0" for number, (busy, steal) in enumerate(cpus)]
    folder.mkdir(exist_ok=True)
    (folder / "pressure").mkdir(exist_ok=True)
    (folder / "stat").write_text("\n".join(["cpu  9999 0 0 0 0 0 0 9999 0 0", *lines, "intr 5"]) + "\n")
    (folder / "pressure" / "cpu").write_text(f"some avg10=1.00 avg60=1.00 avg300=1.00 total={pressure_us}\nfull 0\n")
    return folder


def test_accounts_are_read_of_the_allowed_cpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 2})
    monkeypatch.setattr("os.sysconf", lambda _: 100)
    read = accounts.read(proc(tmp_path, [(100, 10), (7777, 7777), (300, 20)], 2_500_000))
    assert (read.cpus, read.processes_s, read.steal_s, read.pressure_s) == (2, 4.0, 0.3, 2.5)


def test_accounts_that_are_not_there_are_not_known(tmp_path: Path) -> None:
    for made in (tmp_path, proc(tmp_path / "odd", [], 0)):
        (made / "stat").write_text("nothing\n" if made != tmp_path else "cpu0 x\n")
        read = accounts.read(made)
        assert math.isnan(read.processes_s) and math.isnan(read.steal_s)


def test_what_passed_between_two_accounts() -> None:
    opened = Accounts(100.0, 2, 50.0, 1.0, 20.0, 0.0, 5.0)
    closing = Accounts(110.0, 2, 68.0, 3.0, 36.0, 0.5, 6.0)
    assert accounts.between(opened, closing) == Passed(10.0, 0.1, pytest.approx(0.2), 0.5, 0.1)
    back = replace(closing, processes_s=49.0, steal_s=0.9, suspended_s=-0.1, pressure_s=4.9)
    assert accounts.between(opened, back) == Passed(10.0, 0.0, 0.0, 0.0, 0.0)
    unknown = accounts.between(opened, replace(closing, processes_s=math.nan, steal_s=math.nan, pressure_s=math.nan))
    assert all(math.isnan(value) for value in (unknown.steal, unknown.other_cpus, unknown.pressure))


def test_the_accounts_of_this_machine_make_sense() -> None:
    first = accounts.read()
    second = accounts.read()
    assert second.at_s >= first.at_s and second.own_s >= first.own_s > 0 and first.cpus >= 1
