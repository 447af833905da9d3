# SPDX-License-Identifier: Apache-2.0
"""Blocks are measured, vetoed, redone, kept and gone on with; what an arm does wrong is told as that."""

import functools
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import ROOT, wait_until

from benchlib import runner
from benchlib.errors import Refused
from benchlib.gate import block_journal, measure, model, one_run
from benchlib.gate.accounts import Accounts
from benchlib.gate.block_order import block_order
from benchlib.gate.measure import Measurement, read_blocks
from benchlib.gate.model import Arm, Block, Cell, Metric, Phase, Sentinels
from benchlib.gate.veto import Rules, Surroundings
from benchlib.interrupt import Interrupt

FAKE = ROOT / "tests" / "fake_gate_readyq"
CELLS = tuple(Cell(name, {}, ("--workload", name, "--queue", "q:n=1"), 0.05) for name in ("one", "two"))
TESTS = (model.Test("one", Metric.THROUGHPUT), model.Test("two", Metric.CPU))
CALM = Sentinels(1000.0, 80.0)
CALM_RULES = Rules(spin_off=math.inf, steal=math.inf, other_cpus=math.inf, suspended_s=math.inf, pressure=math.inf)
RUNS = 2 * 2 * len(CELLS)  # of a block


@functools.cache
def fake() -> ModuleType:
    """The fake program as a module."""
    loader = SourceFileLoader("fake_gate_readyq", str(FAKE))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    module = module_from_spec(spec)
    sys.dont_write_bytecode, kept = True, sys.dont_write_bytecode
    loader.exec_module(module)
    sys.dont_write_bytecode = kept
    return module


def execute_here(
    command: list[str],
    stdout: Path,
    stderr: Path,
    timeout_s: float,
    interrupt: Interrupt,
    environment: Mapping[str, str],
) -> runner.Outcome:
    """Instead of runner.execute, without a process: thousands of them would take a minute."""
    stdout.touch()
    stderr.touch()
    printed, code = fake().answer(command[2:], environment)
    return runner.Outcome(printed["exit_reason"], code, 0.0, printed)


def arm(label: str, sha: str = "", plugin: Path | None = None) -> Arm:
    """An arm that is the fake program."""
    return Arm(label, label, FAKE, None, sha or label, "", plugin)


class Bench:
    """A folder to measure in, with a machine whose state the test says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "check"
        self.log = folder / "runs.log"
        self.said: list[str] = []
        self.spins: Iterator[float] = iter(())
        self._monkeypatch = monkeypatch
        self.log.parent.mkdir(exist_ok=True)
        self.set("FAKE_LOG", str(self.log))

    def set(self, name: str, value: str) -> None:
        """For both arms."""
        self._monkeypatch.setenv(name, value)

    def sentinels(self, *values: list[float]) -> None:
        """What the runs' own sentinels say, run by run; the last for all others."""
        path = self.log.with_name("sentinels.json")
        path.write_text(json.dumps(values))
        self.set("FAKE_SENTINELS", str(path))

    def speeds(self, *values: float) -> None:
        """Operations a second, run by run; the last for all others."""
        path = self.log.with_name("speeds.json")
        path.write_text(json.dumps(values))
        self.set("FAKE_SPEEDS", str(path))

    def open(self, interrupt: Interrupt, **more: Any) -> Measurement:
        """A measurement."""
        settings: dict[str, Any] = {
            "take_sentinel": lambda: Sentinels(next(self.spins, CALM.spin_ns), CALM.round_trip_ns),
            "read_accounts": lambda: Accounts(1.0, 2, 0.0, 0.0, 0.0, 0.0, 0.0),
        }
        given = {"arms": (arm("BASE"), arm("HEAD")), "cells": CELLS, "tests": TESTS, "seed": 7} | more
        fixed = [given.pop(name) for name in ("arms", "cells", "tests", "seed")]
        return Measurement(*fixed, self.folder, interrupt, self.said.append, **(settings | given))

    def blocks(self, phase: Phase, count: int, how: dict[str, Any] | None = None, **more: Any) -> list[Block]:
        """Measures."""
        with Interrupt(self.said.append) as interrupt:
            measurement = self.open(interrupt, **(how or {}))
            try:
                return measurement.blocks(phase, count, **more)
            finally:
                measurement.close()

    def runs(self) -> list[dict[str, Any]]:
        """What the program was asked to run."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def lines(self) -> list[dict[str, Any]]:
        """The journal."""
        return [json.loads(line) for line in (self.folder / block_journal.NAME).read_text().splitlines()]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A calm machine, on which no process is started."""
    monkeypatch.setattr(one_run.runner, "execute", execute_here)
    return Bench(tmp_path, monkeypatch)


@pytest.fixture
def real_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A calm machine with a process a run."""
    return Bench(tmp_path, monkeypatch)


def test_a_block_runs_every_pair_in_its_order_and_keeps_what_the_records_say(bench: Bench) -> None:
    blocks = bench.blocks(Phase.FIRST, 2, environments={"B": {"FAKE_SPEED": "500"}})
    assert [(block.phase, block.number, block.attempt, block.vetoed) for block in blocks] == [
        (Phase.FIRST, 1, 1, False),
        (Phase.FIRST, 2, 1, False),
    ]
    runs = bench.runs()
    assert len(runs) == 2 * RUNS and len({run["run-id"] for run in runs}) == len(runs)
    for number, block in enumerate(blocks, 1):
        slots = block_order(7, f"first-{number:03}-1", [cell.name for cell in CELLS])
        assert [(pair.cell, pair.order) for pair in block.pairs] == [(slot.cell, slot.order) for slot in slots]
        ran = [(run["workload"], run["run-id"]) for run in runs if run["run-id"].startswith(f"first-{number:03}-")]
        expected = [(pair.cell, run) for pair in block.pairs for run in in_order(pair)]
        assert ran == expected
    pair = blocks[0].pairs[0]
    assert pair.base == {
        Metric.THROUGHPUT: 1000, Metric.CPU: 1e6, Metric.P50: 5, Metric.P99: 7, Metric.MEMORY: 1 << 20,
    }  # fmt: skip
    assert pair.head[Metric.THROUGHPUT] == 500
    assert Metric.THROUGHPUT.log_ratio(pair.base[Metric.THROUGHPUT], pair.head[Metric.THROUGHPUT]) == math.log(2)
    assert blocks[0].started.endswith("Z") and blocks[0].wall_s > 0 and blocks[0].before == blocks[0].after == CALM
    assert read_blocks(bench.folder)[0].pairs == blocks[0].pairs
    assert [path.name for path in bench.folder.iterdir()] == [block_journal.NAME]


def in_order(pair: Any) -> tuple[str, str]:
    """The ids of a pair's runs as they ran."""
    return (pair.base_run, pair.head_run) if pair.order == "AB" else (pair.head_run, pair.base_run)


def test_the_runs_of_a_pair_have_one_seed_and_each_process_a_padding_of_its_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.blocks(Phase.FIRST, 3)
    runs = bench.runs()
    for first, second in zip(runs[::2], runs[1::2], strict=True):
        assert first["seed"] == second["seed"] and first["padding"] != second["padding"]
    assert len({run["seed"] for run in runs}) == len(runs) / 2
    again = Bench(bench.folder.parent / "again", monkeypatch)
    again.blocks(Phase.FIRST, 3)
    assert [(run["run-id"], run["seed"], run["padding"]) for run in runs] == [
        (run["run-id"], run["seed"], run["padding"]) for run in again.runs()
    ]


def several(runs: int) -> dict[str, Any]:
    """One cell whose pairs have so many processes of each arm."""
    return {"cells": (replace(CELLS[0], runs=runs),), "tests": TESTS[:1]}


def test_several_runs_of_a_pair_take_turns_and_what_is_typical_of_them_is_compared(bench: Bench) -> None:
    bench.speeds(1000, 500, 4000, 2000)  # in the order of the runs, not of the arms
    blocks = bench.blocks(Phase.FIRST, 1, several(2))
    runs = bench.runs()
    first = blocks[0].pairs[0]
    a, b = first.order
    ids = [f"first-001-1-01-1{name}" for name in (f"{a}1", f"{b}1", f"{b}2", f"{a}2")]
    assert [run["run-id"] for run in runs[:4]] == ids
    assert [run["seed"] for run in runs[:2]] == [runs[0]["seed"]] * 2
    assert [run["seed"] for run in runs[2:4]] == [runs[2]["seed"]] * 2 != [runs[0]["seed"]] * 2
    outer, inner = (first.base, first.head) if first.order == "AB" else (first.head, first.base)
    assert outer[Metric.THROUGHPUT] == pytest.approx(math.sqrt(1000 * 2000))
    assert inner[Metric.THROUGHPUT] == pytest.approx(math.sqrt(500 * 4000))
    assert (first.base_run, first.head_run) == ("first-001-1-01-1A", "first-001-1-01-1B")
    assert len(runs) == 2 * 4 and list(bench.lines()[-1]["runs"]) == [run["run-id"] for run in runs]


def test_what_is_typical_of_runs_is_the_mean_of_their_middle_half() -> None:
    assert one_run.typical([4.0, 1.0]) == pytest.approx(2.0)
    assert one_run.typical([1e9, 4.0, 1.0, 1e-9]) == pytest.approx(2.0)
    assert one_run.typical([1e9, 1.0, 1e9, 2.0, 1e-9, 4.0, 1e-9, 2.0]) == pytest.approx(2.0)
    assert one_run.typical([3.0, 0.0, 5.0, 6.0, 7.0]) == 0.0


@pytest.mark.parametrize("latency", [None, {}, {"total": None}, {"total": {}}, {"total": {"latency_p50_ns": None}}])
def test_a_record_may_have_no_latency(latency: Any) -> None:
    assert one_run.values_of({"throughput_ops_per_s": 5, "latency": latency}) == {Metric.THROUGHPUT: 5.0}


def test_several_runs_straddle_by_their_means(bench: Bench) -> None:
    bench.sentinels([100, 100], [100, 100], [180, 180], [100, 100])  # one of two: a factor of 1.34 in the mean
    assert not bench.blocks(Phase.FIRST, 1, several(2))[0].vetoed and len(bench.runs()) == 8
    bench.log.unlink()
    bench.sentinels([100, 100], [240, 240], [240, 240], [100, 100])
    bench.blocks(Phase.SECOND, 1, several(2) | {"resume": True})
    assert len(bench.runs()) == 12 and len(bench.lines()[-1]["again"]) == 1


def test_what_one_of_several_runs_lacks_is_not_compared() -> None:
    one, other = (one_run.Run("x", {Metric.THROUGHPUT: 4.0, **more}, around) for more, around in (
        ({Metric.CPU: 1.0}, Surroundings(100.0, 100.0)), ({}, Surroundings(400.0, math.nan, crowded=True))))  # fmt: skip
    both = one_run.together([one, other], "y")
    assert both.values == {Metric.THROUGHPUT: pytest.approx(4.0)} and both.run_id == "y"
    assert both.surroundings.before_ns == pytest.approx(200.0) and math.isnan(both.surroundings.after_ns)
    assert both.surroundings.crowded and one_run.together([one], "y") is one


def test_a_seed_that_the_cell_has_is_left_alone(bench: Bench) -> None:
    cells = (Cell("one", {}, ("--workload", "one", "--seed", "5"), 0.05),)
    bench.blocks(Phase.FIRST, 1, {"cells": cells, "tests": TESTS[:1]})
    assert {run["seed"] for run in bench.runs()} == {"5"}


def test_environments_reach_their_arm(real_bench: Bench) -> None:
    real_bench.blocks(Phase.FIRST, 1, environments={"A": {"LEVEL": "0"}, "B": {"LEVEL": "5"}})
    assert {(run["run-id"][-1], run["level"]) for run in real_bench.runs()} == {("A", "0"), ("B", "5")}


def test_environments_reach_their_arm_in_one_cell_only(bench: Bench) -> None:
    bench.blocks(Phase.FIRST, 1, environments={"B": {"LEVEL": "1"}, "B:two": {"LEVEL": "5"}})
    assert {(run["run-id"][-1], run["workload"], run["level"]) for run in bench.runs()} == {
        ("A", "one", None), ("A", "two", None), ("B", "one", "1"), ("B", "two", "5"),
    }  # fmt: skip


def test_arms_may_be_others_for_a_phase_and_are_written_down(bench: Bench) -> None:
    base = arm("BASE")
    bench.blocks(Phase.PILOT, 1, arms=(base, base))
    assert bench.lines()[-1]["arms"] == ["BASE", "BASE"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--queue", "erts_mpsc", "--pin", "none"), ["--queue", "/q.so", "--pin", "none"]),
        (("--queue", "list:lock=mcs,n=1"), ["--queue", "/q.so:lock=mcs,n=1"]),
        (("--pool", "erts"), ["--pool", "erts", "--queue", "/q.so"]),
    ],
)
def test_an_arm_s_plugin_takes_the_queue_s_place(words: tuple[str, ...], expected: list[str]) -> None:
    assert one_run.with_plugin(words, Path("/q.so")) == expected
    assert one_run.with_plugin(words, None) == list(words)


def test_each_arm_is_given_its_plugin(bench: Bench) -> None:
    bench.blocks(Phase.FIRST, 1, arms=(arm("BASE", plugin=Path("/a.so")), arm("HEAD", plugin=Path("/b.so"))))
    assert {(run["run-id"][-1], run["queue"]) for run in bench.runs()} == {("A", "/a.so:n=1"), ("B", "/b.so:n=1")}


@pytest.mark.parametrize(
    ("does", "sentence"),
    [
        ("idle", r"HEAD did nothing in cell (one|two): 0 operations"),
        ("lose", r"HEAD fails cell (one|two): incorrect, 1 item was lost"),
        ("stick", r"HEAD fails cell (one|two): stuck, no operation for 10 s"),
        ("crash", r"HEAD fails cell (one|two): signal:SIGKILL"),
        ("garble", r"HEAD fails cell (one|two): no_record"),
        ("another", r"HEAD fails cell (one|two): what it printed is no record of this run"),
        ("refuse", r"HEAD refuses cell (one|two): there is no queue of that name"),
        ("sleep", r"HEAD fails cell (one|two): it did not end within 1 s"),
    ],
)
def test_a_run_that_fails_is_the_arm_s_fault_and_no_noise(
    real_bench: Bench, does: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_run, "TIMEOUT_FREE_S", 0.5)
    with pytest.raises(one_run.Failed, match=sentence) as caught:
        real_bench.blocks(Phase.FIRST, 2, environments={"B": {"FAKE_DOES": does}})
    assert caught.value.arm.label == "HEAD"
    kept = list(real_bench.folder.glob("failed-*"))
    assert len(kept) == 2 and str(kept[0].with_suffix("")) in str(caught.value)
    assert real_bench.lines()[-1]["kind"] == "unfinished" and real_bench.lines()[-1]["why"] == str(caught.value)
    assert read_blocks(real_bench.folder) == []


def busy_accounts() -> Callable[[], Accounts]:
    """Of a machine on which others have a CPU all the time."""
    moments = iter(range(1, 1000))

    def read() -> Accounts:
        now = float(next(moments))
        return Accounts(now, 2, now, 0.0, 0.0, 0.0, 0.0)

    return read


def test_a_run_that_others_starved_vetoes_its_block(bench: Bench) -> None:
    stuck = {"B": {"FAKE_DOES": "stick"}}
    blocks = bench.blocks(Phase.FIRST, 1, {"read_accounts": busy_accounts()}, environments=stuck)
    assert blocks and all(block.vetoed for block in blocks), "it is tried again until the machine is given up"
    assert "other processes had 1.00 of a CPU" in blocks[0].evidence[0]
    assert "HEAD fails" in blocks[0].evidence[-1]


def test_a_wrong_result_is_the_arm_s_fault_on_a_busy_machine_too(bench: Bench) -> None:
    wrong = {"B": {"FAKE_DOES": "lose"}}
    with pytest.raises(one_run.Failed):
        bench.blocks(Phase.FIRST, 1, {"read_accounts": busy_accounts()}, environments=wrong)


@pytest.mark.parametrize(("more", "vetoed"), [({}, True), ({"threads": 3}, False), ({"keep_awake": 1}, False)])
def test_who_waits_for_a_cpu_tells_nothing_where_the_runs_crowd_it_themselves(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, more: dict[str, int], vetoed: bool
) -> None:
    def execute(*given: Any) -> runner.Outcome:
        outcome = execute_here(*given)
        return runner.Outcome(outcome.exit_reason, outcome.exit_code, 0.0, (outcome.record or {}) | more)

    moments = iter(range(1, 1000))

    def waiting() -> Accounts:
        now = float(next(moments))
        return Accounts(now, 2, 0.0, 0.0, 0.0, 0.0, now)

    monkeypatch.setattr(one_run.runner, "execute", execute)
    assert bench.blocks(Phase.FIRST, 1, {"read_accounts": waiting})[0].vetoed is vetoed


def test_a_run_that_others_starved_until_its_time_was_out_vetoes_its_block(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = runner.Outcome(runner.TIMEOUT, -9, 1.0, None)
    monkeypatch.setattr(one_run.runner, "execute", lambda *_: late)
    blocks = bench.blocks(Phase.FIRST, 1, {"read_accounts": busy_accounts()})
    assert blocks and all(block.vetoed for block in blocks)
    with pytest.raises(one_run.Failed, match="it did not end within"):
        bench.blocks(Phase.FIRST, 1, {"resume": True})


def test_what_was_measured_before_a_failure_is_kept(bench: Bench) -> None:
    bench.blocks(Phase.FIRST, 1)
    with pytest.raises(one_run.Failed, match="BASE fails"):
        bench.blocks(Phase.FIRST, 1, {"resume": True}, environments={"A": {"FAKE_DOES": "lose"}})
    assert len(read_blocks(bench.folder)) == 1


def test_a_gated_metric_that_no_record_has_is_refused(bench: Bench) -> None:
    bench.set("FAKE_DOES", "no-cpu")
    with pytest.raises(Refused, match='cell "two" has no cpu in the records of both arms'):
        bench.blocks(Phase.FIRST, 1)
    advised = (TESTS[0], model.Test("two", Metric.CPU, gated=False))
    assert bench.blocks(Phase.FIRST, 1, {"resume": True, "tests": advised})


def test_only_what_both_records_have_is_compared(bench: Bench) -> None:
    advised = (TESTS[0], model.Test("two", Metric.CPU, gated=False))
    (block,) = bench.blocks(Phase.FIRST, 1, {"tests": advised}, environments={"B": {"FAKE_DOES": "no-cpu"}})
    for pair in block.pairs:
        assert Metric.CPU not in pair.base and Metric.CPU not in pair.head and Metric.THROUGHPUT in pair.base


def test_a_vetoed_block_is_redone_as_a_whole_in_another_order(bench: Bench) -> None:
    bench.spins = iter([1000.0] * 4 + [1000.0, 1500.0])
    blocks = bench.blocks(Phase.FIRST, 3)
    assert [(block.number, block.attempt, block.vetoed) for block in blocks] == [
        (1, 1, False),
        (2, 1, False),
        (3, 1, True),
        (3, 2, False),
    ]
    assert blocks[2].evidence == ("the frozen spin took +50 % of its usual time",)
    assert bench.said == ["first block 3 is vetoed: the frozen spin took +50 % of its usual time"]
    assert len(blocks[2].pairs) == len(blocks[3].pairs) == 2 * len(CELLS)
    assert read_blocks(bench.folder) == [replaced(block) for block in blocks]


def replaced(block: Block) -> Block:
    """As it is read again, times being kept to the millisecond."""
    return Block(**{**vars(block), "wall_s": round(block.wall_s, 3)})


def test_a_straddling_pair_is_measured_again_at_once_with_other_chances(bench: Bench) -> None:
    calm = [100, 100]
    bench.sentinels(calm, calm, calm, [250, 250], calm)
    (block,) = bench.blocks(Phase.FIRST, 1)
    assert not block.vetoed and len(block.pairs) == 2 * len(CELLS)
    runs = bench.runs()
    assert len(runs) == RUNS + 2
    assert runs[2]["workload"] == runs[4]["workload"] and runs[2]["seed"] != runs[4]["seed"]
    assert {run["run-id"] for run in runs[2:4]} & {pair.base_run for pair in block.pairs} == set()
    (again,) = bench.lines()[-1]["again"]
    assert {again["base_run"], again["head_run"]} == {run["run-id"] for run in runs[2:4]}
    assert bench.lines()[-1]["runs"][runs[3]["run-id"]] == [250, 250]


def test_a_block_with_too_many_straddling_pairs_is_vetoed_and_not_measured_to_its_end(bench: Bench) -> None:
    calm, moved = [[100, 100]] * 2, [[100, 100], [100, 300]]
    bench.sentinels(*calm, *moved, *moved, *moved, *calm)
    blocks = bench.blocks(Phase.FIRST, 1)
    assert [block.evidence for block in blocks] == [("3 pairs straddled two regimes of the cache line",), ()]
    assert len(blocks[0].pairs) == 1 and len(bench.runs()) == 8 + RUNS


def test_an_environment_that_is_too_noisy_is_given_up(bench: Bench) -> None:
    bench.spins = iter([1000.0, 2000.0] * 99)
    with Interrupt(bench.said.append) as interrupt:
        measurement = bench.open(interrupt)
        blocks = measurement.blocks(Phase.FIRST, 50)
        assert len(blocks) == 10 and all(block.vetoed for block in blocks)
        assert measurement.given_up and measurement.given_up.startswith("10 of 10 blocks were vetoed")
        bench.spins = iter([])
        assert len(measurement.blocks(Phase.SECOND, 1)) == 1 and measurement.given_up is None
        measurement.close()
    assert [(block.number, block.attempt) for block in blocks] == [(1, attempt) for attempt in range(1, 11)]


def test_vetoes_are_judged_with_those_of_the_blocks_before(bench: Bench) -> None:
    """3 of 10 are too many by themselves, and not after 24 that were good and count with them."""
    with Interrupt(bench.said.append) as interrupt:
        measurement = bench.open(interrupt)
        calm = measurement.blocks(Phase.FIRST, 24)
        for phase, earlier, good in ((Phase.CONFIRM, (), 7), (Phase.SECOND, calm, 8)):
            bench.spins = iter([1000.0, 2000.0] * 3)
            found = measurement.blocks(phase, 8, earlier=earlier)
            assert (sum(block.vetoed for block in found), len(found)) == (3, 3 + good)
            assert (measurement.given_up is None) == (good == 8)
        measurement.close()


def test_a_veto_never_depends_on_results(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same environment with other results: the same blocks are vetoed, with the same words."""

    def vetoes(folder: str, speeds: tuple[str, str]) -> list[Any]:
        other = Bench(bench.folder.parent / folder, monkeypatch)
        other.spins = iter([1000.0] * 5 + [1300.0] + [1000.0] * 3 + [700.0])
        other.sentinels(*[[100, 100]] * 9, [300, 300], *[[100, 100]] * 5)
        blocks = other.blocks(
            Phase.FIRST, 4, environments={"A": {"FAKE_SPEED": speeds[0]}, "B": {"FAKE_SPEED": speeds[1]}}
        )
        again = [len(line["again"]) for line in other.lines()[1:]]
        return [(block.number, block.attempt, block.evidence) for block in blocks] + again

    expected = vetoes("even", ("1000", "1000"))
    assert sum(bool(entry[2]) for entry in expected[:-6]) == 2
    for number, speeds in enumerate((("1000", "10"), ("1", "1e9"), ("1e-3", "1e3"))):
        assert vetoes(f"other{number}", speeds) == expected


def test_resuming_goes_on_after_the_last_block(bench: Bench) -> None:
    bench.blocks(Phase.PILOT, 1)
    bench.blocks(Phase.FIRST, 2, {"resume": True})
    blocks = bench.blocks(Phase.FIRST, 2, {"resume": True})
    assert [block.number for block in blocks] == [3, 4]
    assert [(block.phase, block.number) for block in read_blocks(bench.folder)] == [
        (Phase.PILOT, 1), *((Phase.FIRST, number) for number in (1, 2, 3, 4)),
    ]  # fmt: skip


def test_resuming_a_vetoed_block_tries_it_again(bench: Bench) -> None:
    bench.spins = iter([1000.0, 2000.0] * 99)
    bench.blocks(Phase.FIRST, 1)
    bench.spins = iter(())
    (block,) = bench.blocks(Phase.FIRST, 1, {"resume": True})
    assert (block.number, block.attempt) == (1, 11)


@pytest.mark.parametrize("cut", [1, 30, 500])
def test_a_line_that_a_kill_tore_never_happened(bench: Bench, cut: int) -> None:
    bench.blocks(Phase.FIRST, 3)
    whole = read_blocks(bench.folder)
    path = bench.folder / block_journal.NAME
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_blocks(bench.folder) == whole[:2]
    (block,) = bench.blocks(Phase.FIRST, 1, {"resume": True})
    assert block.number == 3
    assert [pair.cell for pair in block.pairs] == [pair.cell for pair in whole[2].pairs]
    assert len(read_blocks(bench.folder)) == 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seed": 8}, "holds a measurement with another seed"),
        ({"arms": (arm("BASE"), arm("HEAD", sha="other"))}, "holds a measurement with other programs"),
        ({"cells": CELLS[:1], "tests": TESTS[:1]}, "holds a measurement with other cells"),
        ({"cells": (replace(CELLS[0], runs=2), CELLS[1])}, "holds a measurement with other cells"),
        ({"resume": False}, "holds a measurement already; resume it, or choose another folder"),
    ],
)
def test_nothing_is_mixed_into_a_measurement(bench: Bench, change: dict[str, Any], sentence: str) -> None:
    bench.blocks(Phase.FIRST, 1)
    with pytest.raises(Refused, match=sentence):
        bench.blocks(Phase.FIRST, 1, {"resume": True} | change)
    assert len(bench.blocks(Phase.FIRST, 1, {"resume": True})) == 1


def test_two_cannot_measure_in_one_folder(bench: Bench) -> None:
    with Interrupt(bench.said.append) as interrupt:
        measurement = bench.open(interrupt)
        with pytest.raises(Refused, match="another gate is measuring there"):
            bench.open(interrupt, resume=True)
        assert read_blocks(bench.folder) == []
        measurement.close()


@pytest.mark.parametrize("text", ["no JSON\n", "[]\n", '{"kind": "block"}\n'])
def test_a_file_that_is_no_journal_is_told(bench: Bench, text: str) -> None:
    bench.blocks(Phase.FIRST, 1)
    with open(bench.folder / block_journal.NAME, "a", encoding="utf-8") as file:
        file.write(text)
    for attempt in (lambda: read_blocks(bench.folder), lambda: bench.blocks(Phase.FIRST, 1, {"resume": True})):
        with pytest.raises(Refused, match="journal.jsonl: line 3 is no line of a gate's journal"):
            attempt()


def test_a_folder_in_which_nothing_was_measured_is_told(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="the blocks of a gate: No such file"):
        read_blocks(tmp_path)
    (tmp_path / block_journal.NAME).write_text("torn")
    with pytest.raises(Refused, match="nothing was measured there"):
        read_blocks(tmp_path)


def test_where_there_are_no_sentinels_blocks_can_be_kept_and_read(bench: Bench) -> None:
    one_cpu = Sentinels(1000.0, math.nan)
    (block,) = bench.blocks(Phase.FIRST, 1, {"take_sentinel": lambda: one_cpu})
    (read,) = read_blocks(bench.folder)
    assert not block.vetoed and math.isnan(read.before.round_trip_ns) and read.before.spin_ns == 1000.0
    assert "NaN" not in (bench.folder / block_journal.NAME).read_text()


def test_each_block_is_told_as_it_ends(bench: Bench) -> None:
    seen: list[Block] = []
    assert bench.blocks(Phase.FIRST, 3, {"on_block": seen.append}) == seen


def test_the_real_sentinel_and_accounts_are_the_default(real_bench: Bench) -> None:
    how = {"take_sentinel": None, "read_accounts": measure.accounts.read}
    (block,) = real_bench.blocks(Phase.FIRST, 1, how | {"rules": CALM_RULES})
    assert block.before.spin_ns > 0 and real_bench.lines()[-1]["passed"]["wall_s"] > 0


SCRIPT = """
import sys
sys.path[:0] = [{scripts!r}, {tests!r}]
from pathlib import Path
import test_gate_measure as t
from benchlib.gate.model import Phase, Sentinels
from benchlib.gate.veto import Rules
from benchlib.interrupt import Interrupt
with Interrupt(lambda text: print(text, flush=True)) as interrupt:
    measurement = t.Measurement((t.arm("BASE"), t.arm("HEAD")), t.CELLS, t.TESTS, 7, Path({folder!r}), interrupt, print,
                                take_sentinel=lambda: t.CALM, resume=True)
    blocks = measurement.blocks(Phase.FIRST, 50)
    print("kept", len(blocks), measurement.interrupted, flush=True)
"""


@pytest.fixture
def started(real_bench: Bench) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts a measurement of slow runs in a process of its own."""
    begun: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        text = SCRIPT.format(scripts=str(ROOT / "scripts"), tests=str(ROOT / "tests"), folder=str(real_bench.folder))
        environment = os.environ | {"FAKE_DOES": "wait"}
        process = subprocess.Popen(
            [sys.executable, "-c", text], stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_the_first_ctrl_c_lets_the_run_finish(real_bench: Bench, started: Callable[[], subprocess.Popen[str]]) -> None:
    real_bench.blocks(Phase.FIRST, 1)
    process = started()
    wait_until(lambda: len(real_bench.runs()) == RUNS + 2)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert said == "stopping after the present run; Ctrl-C again ends it now\nkept 0 True\n"
    assert len(real_bench.runs()) == RUNS + 2
    last = real_bench.lines()[-1]
    assert (last["kind"], last["why"], len(last["pairs"])) == ("unfinished", "interrupted", 1)
    assert len(read_blocks(real_bench.folder)) == 1
    (block,) = real_bench.blocks(Phase.FIRST, 1, {"resume": True})
    assert (block.number, block.attempt) == (2, 1)


def test_the_second_ctrl_c_and_a_kill_end_the_run_too(
    real_bench: Bench, started: Callable[[], subprocess.Popen[str]]
) -> None:
    real_bench.blocks(Phase.FIRST, 1)
    process = started()
    wait_until(lambda: len(real_bench.runs()) == RUNS + 1)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert said == "kept 0 True\n"
    killed = started()
    wait_until(lambda: len(real_bench.runs()) == RUNS + 2)
    killed.kill()
    killed.communicate()
    run = real_bench.runs()[-1]["pid"]
    wait_until(lambda: not Path(f"/proc/{run}").exists())
    assert len(read_blocks(real_bench.folder)) == 1
