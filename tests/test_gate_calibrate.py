# SPDX-License-Identifier: Apache-2.0
"""The calibration on machines of which everything is known: it must find what they are, whatever interrupts it."""

import argparse
import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from gate_machine import CALM, CELLS, TESTS, Arms, Machine, arm

from benchlib.errors import Refused
from benchlib.gate import (
    calibrate, calibration_figure, calibration_kinds, calibration_report, calibration_rows, calibration_search,
    calibration_session, calibration_size, calibration_tally, decide, neighbour,
)  # fmt: skip
from benchlib.gate.accounts import Accounts
from benchlib.gate.calibration_cut import Cutter, Sizes, Whole, cut
from benchlib.gate.calibration_kinds import KINDS, ONE_TRY, environments
from benchlib.gate.calibration_search import Search
from benchlib.gate.calibration_session import Question, Session
from benchlib.gate.calibration_stream import Stream
from benchlib.gate.gate_file import Gate
from benchlib.gate.measure import Measurement
from benchlib.gate.model import Arm, Block, Metric, Outcome, Phase, Thresholds
from benchlib.interrupt import Interrupt

THRESHOLDS = Thresholds(first_pairs=24, second_pairs=24)
SIZES = Sizes(12, 12)
GATED = tuple(test for test in TESTS if test.gated)
ECHO = """#!/usr/bin/python3 -IS
import json, os, sys
told = 100 + int(os.environ.get("READYQ_INJECT", "spin=0")[5:])
run = sys.argv[sys.argv.index("--run-id") + 1]
rest = {"throughput_ops_per_s": told, "cpu_ns_per_operation": 1, "sentinel_before_ns": 80, "sentinel_after_ns": 80}
print(json.dumps({"schema_version": 1, "run_id": run, "status": "ok", "exit_reason": "ok", "operations": 1} | rest))
"""


@pytest.fixture(autouse=True)
def known_arms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is built."""
    monkeypatch.setattr(calibration_session, "Arms", Arms)


def feed(cutter: Cutter, machine: Machine, checks: int) -> list[Block]:
    """Measures as the cutter wants, until it has so many whole checks; all blocks."""
    arms, blocks = Arms(KINDS["builds"]), []
    while len(cutter.finished) < checks:
        block = machine.block(cutter.want.phase, arms.of(cutter.want.layout), {})
        cutter.feed(block)
        blocks.append(block)
    return blocks


def question(kind: str, level: float | None = None, **more: Any) -> Question:
    gate = Gate("test", THRESHOLDS, CELLS, TESTS)
    known = {"given_thresholds": {}, "commit": None, "seed": 5, "budget_s": None}
    return Question(kind=KINDS[kind], level=level, gate=gate, **(known | more))


def measure(folder: Path, asked: Question, machine: Machine, blocks: int) -> Stream:
    """A session that ends when the machine has measured so many blocks."""
    said: list[str] = []
    with Interrupt(said.append) as interrupt:
        stream = Stream(folder)
        session = Session(asked, stream, interrupt, said.append, machine.measurement)
        session._goes_on = lambda deadline: machine.measured < blocks  # type: ignore[method-assign]
        try:
            session.run(0.0)
        finally:
            stream.close()
    return stream


def outcomes(checks: Sequence[Whole]) -> list[Outcome]:
    return [check.outcome for check in checks]


# Cutting.


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


# Sizing.


@pytest.mark.parametrize("level", [2.0, 5.0, 20.0])
def test_what_is_achieved_is_the_level(tmp_path: Path, level: float) -> None:
    machine = Machine(noise=0.008, hidden={"one": 100.0, "two": 9000.0}, per_step={"one": 0.02, "two": 0.01})
    stream = measure(tmp_path / "s", question("power", level, work=tmp_path), machine, 140)
    for cell, text in stream.meta["injection"].items():
        steps = int(text.removeprefix("spin=")) - machine.hidden[cell]
        assert steps * machine.per_step[cell] == pytest.approx(level, abs=0.4)
    assert machine.injected[-1] == stream.meta["injection"]


def test_nothing_is_injected_at_level_0(tmp_path: Path) -> None:
    machine = Machine()
    stream = measure(tmp_path / "s", question("power", 0.0, work=tmp_path), machine, 30)
    assert stream.meta["injection"] == {"one": "", "two": ""}
    assert all(text == "" for texts in machine.injected for text in texts.values())


def test_one_number_for_all_cells_is_sized_by_the_worst() -> None:
    machine = Machine(noise=0.001)

    def blocks(texts: dict[str, str], count: int) -> list[Block]:
        environments = {f"B:{cell}": {"READYQ_INJECT": text} for cell, text in texts.items()}
        return [machine.block(Phase.PILOT, Arms(KINDS["power"]).of(0), environments) for _ in range(count)]

    texts, _ = calibration_size.size("spin", TESTS, 10.0, True, blocks, lambda said: None)
    assert texts["one"] == texts["two"]
    assert int(texts["one"].removeprefix("spin=")) * machine.per_step["one"] == pytest.approx(10.0, abs=0.5)


def test_what_cannot_be_slowed_down_is_refused(tmp_path: Path) -> None:
    machine = Machine(per_step={"one": 0.0, "two": 0.1})
    with pytest.raises(Refused, match="cell one does not become slower by 5 %"):
        measure(tmp_path / "s", question("power", 5.0, work=tmp_path), machine, 60)
    assert not (tmp_path / "s" / "search.jsonl").exists(), "another hour is not led the same way"


def test_rare_delays_move_the_mean_by_the_level() -> None:
    blocks = [Machine(noise=0.0).block(Phase.PILOT, Arms(KINDS["tail"]).of(0), {}) for _ in range(4)]
    texts = calibration_size.tail(TESTS, 1.0, blocks)
    assert set(texts) == {"one", "two"}
    for cell, operation_ns in (("one", 10.0), ("two", 1000.0)):
        often, delay_ns = map(int, texts[cell].removeprefix("tail=").split(","))
        assert often * delay_ns / 1e6 == pytest.approx(0.01 * operation_ns, rel=0.25)


def test_each_cell_is_injected_by_itself(tmp_path: Path) -> None:
    """By the Measurement that is used: READYQ_INJECT is another in each cell of B, and not there in A."""
    program = tmp_path / "readyq"
    program.write_text(ECHO)
    program.chmod(0o755)
    pair = tuple(Arm(label, label, program, None, "sha", "sha") for label in ("BASE", "HEAD"))
    calm = {"take_sentinel": lambda: CALM, "read_accounts": lambda: Accounts(1.0, 2, 0.0, 0.0, 0.0, 0.0, 0.0)}
    with Interrupt(lambda said: None) as interrupt:
        made = Measurement(pair, CELLS, TESTS, 1, tmp_path / "m", interrupt, print, rules=ONE_TRY, **calm)
        texts = environments({"one": "spin=7", "two": ""})
        (block,) = made.blocks(Phase.FIRST, 1, arms=pair, environments=texts)
        made.close()
    assert {(one.cell, one.base[Metric.THROUGHPUT], one.head[Metric.THROUGHPUT]) for one in block.pairs} == {
        ("one", 100.0, 107.0), ("two", 100.0, 100.0)
    }  # fmt: skip


# Streams.


def test_a_stream_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    """In three sessions the same checks come out as in one."""
    asked = question("same", work=tmp_path)
    whole = measure(tmp_path / "one", asked, Machine(noise=0.06), 100)
    for blocks in (5, 40, 100):
        known = Stream(tmp_path / "three")
        machine = Machine(noise=0.06, measured=len(known.entries))
        known.close()
        parts = measure(tmp_path / "three", asked, machine, blocks)
    assert parts.meta == whole.meta
    assert parts.entries == whole.entries
    assert parts.cutter.finished == whole.cutter.finished and len(whole.cutter.finished) >= 3


@pytest.mark.parametrize("killed_at", [3, 30, 61])
def test_a_kill_loses_no_block(tmp_path: Path, killed_at: int) -> None:
    asked = question("builds", work=tmp_path)

    class Deadly(Machine):
        def block(self, *given: Any) -> Block:
            if self.measured == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().block(*given)

    child = os.fork()
    if child == 0:
        measure(tmp_path / "killed", asked, Deadly(noise=0.06, layouts=0.03), 100)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    whole = measure(tmp_path / "whole", asked, Machine(noise=0.06, layouts=0.03), 100)
    resumed = measure(tmp_path / "killed", asked, Machine(noise=0.06, layouts=0.03, measured=killed_at), 100)
    assert resumed.entries == whole.entries
    assert resumed.cutter.finished == whole.cutter.finished
    assert (tmp_path / "killed" / "journal.jsonl").read_bytes() == b""


@pytest.mark.parametrize("after", ["_write", "write"])  # one of the tables, both
def test_a_kill_while_the_tables_are_written_loses_no_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    asked = question("same", work=tmp_path)
    measure(tmp_path / "s", asked, Machine(), 30)

    def torn(*given: Any) -> None:
        real(*given)
        raise KeyboardInterrupt

    real = getattr(calibration_rows, after)
    monkeypatch.setattr(calibration_rows, after, torn)
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path / "s", asked, Machine(measured=30), 60)
    monkeypatch.undo()
    monkeypatch.setattr(calibration_session, "Arms", Arms)
    resumed = measure(tmp_path / "s", asked, Machine(measured=60), 80)
    assert resumed.entries == measure(tmp_path / "whole", asked, Machine(), 80).entries


def test_the_tables_are_all_that_is_needed(tmp_path: Path) -> None:
    """Who has only the committed files decides the same, and can go on."""
    stream = measure(tmp_path / "s", question("same", work=tmp_path), Machine(noise=0.06, vetoes=0.05), 90)
    (tmp_path / "s" / "journal.jsonl").unlink()
    again = Stream(tmp_path / "s")
    again.close()
    assert again.entries == stream.entries and again.cutter.finished == stream.cutter.finished


def test_what_is_written_is_near_enough() -> None:
    block = Machine().block(Phase.FIRST, Arms(KINDS["same"]).of(0), {})
    kept = calibration_rows.rounded(block, TESTS, 1)
    for test in GATED:
        exact, near = (decide.values([one], test) for one in (block, kept))
        assert near == pytest.approx(exact, abs=1e-6)


def test_a_stream_is_of_one_thing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = question("same", work=tmp_path)
    measure(tmp_path / "s", asked, Machine(), 20)
    before = {path: path.read_bytes() for path in (tmp_path / "s").iterdir()}
    others = [
        ("kind", question("neighbour", work=tmp_path)),
        ("alpha", replace(asked, given_thresholds={"alpha": 0.2})),
        ("cells", replace(asked, gate=replace(asked.gate, cells=CELLS[:1]))),
        ("cells", replace(asked, gate=replace(asked.gate, cells=(replace(CELLS[0], runs=2), *CELLS[1:])))),
    ]
    for what, other in others:
        with pytest.raises(Refused, match=f"was begun with another {what}"):
            measure(tmp_path / "s", other, Machine(measured=20), 30)
    monkeypatch.setattr(calibration_session, "Arms", OtherArms)
    with pytest.raises(Refused, match="was begun with another machine and another program_sha256,"):
        measure(tmp_path / "s", asked, Machine(measured=20), 30)
    assert {path: path.read_bytes() for path in (tmp_path / "s").iterdir()} == before


class OtherArms(Arms):
    """On another machine, of another program."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.base = arm("BASE", "another")

    def check(self, cells: Any) -> str:
        return "other-2cpu"


@pytest.mark.parametrize(
    ("is_known", "is_there", "built"),
    [(True, False, "0123456789ab"), (False, True, "0123456789ab"), (False, False, "HEAD")],
)
def test_a_stream_goes_on_with_its_program_whatever_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_known: bool, is_there: bool, built: str
) -> None:
    """Its own commit or build folder while that is known; else another commit may build the same program."""
    monkeypatch.chdir(tmp_path)
    if is_there:
        (tmp_path / "0123456789ab").mkdir()
    given: list[str] = []

    class Watched(Arms):
        def __init__(self, kind: Any, what: str, *more: Any) -> None:
            super().__init__(kind)
            given.append(what)
            self.base = replace(self.base, commit="abcdef")

    asked = question("same", work=tmp_path)
    measure(tmp_path / "s", asked, Machine(), 20)
    monkeypatch.setattr(calibration_session, "Arms", Watched)
    monkeypatch.setattr(calibration_session.source, "is_commit", lambda commit, repository: is_known)
    gone_on = measure(tmp_path / "s", asked, Machine(measured=20), 30)
    assert given == [built] and len(gone_on.entries) == 30 and gone_on.meta["commit"] == "0123456789ab"


def test_a_phase_that_cannot_be_is_refused(tmp_path: Path) -> None:
    measure(tmp_path / "s", question("same", work=tmp_path), Machine(), 20)
    path = tmp_path / "s" / "blocks.csv"
    path.write_text(path.read_text().replace(",first,", ",confirm,", 1))
    sentence = "block 1 is of the phase confirm, but by the blocks before it one of the phase first was due"
    with pytest.raises(Refused, match=sentence):
        calibration_tally.tally(tmp_path / "s", Stream(tmp_path / "s").meta)


def test_every_layout_is_of_the_program_that_the_stream_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever HEAD means by then: somebody may commit while hours are measured."""
    built = arm("BASE", "program")
    linked: list[Any] = []
    monkeypatch.setattr(calibration_kinds.arms, "one", lambda *_, **__: built)

    def link(built: Arm, seeds: tuple[int, int], *_: object) -> tuple[Arm, Arm]:
        linked.append((built, seeds))
        return built, built

    monkeypatch.setattr(calibration_kinds.relink, "two_orders", link)
    with Interrupt(lambda said: None) as interrupt:
        arms = calibration_kinds.Arms(KINDS["builds"], "HEAD", 7, tmp_path, lambda said: None, interrupt)
        for layout in (0, 1, 1):
            arms.of(layout)
    assert [arm for arm, _ in linked] == [built, built] and linked[0][1] != linked[1][1]


def test_a_search_for_what_to_inject_ends_with_its_time(tmp_path: Path) -> None:
    stream = measure(tmp_path / "s", question("power", 5.0, work=tmp_path), Machine(vetoes=1.0), 30)
    assert "injection" not in stream.meta and not stream.entries
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["journal.jsonl", "stream.json"]


@pytest.mark.parametrize("cut", [1, 9, 17, 25])
def test_a_search_for_what_to_inject_goes_on_where_it_was(tmp_path: Path, cut: int) -> None:
    """Cut anywhere, it measures no more than in one piece, and finds the same."""
    asked, whole, first = question("power", 5.0, work=tmp_path), Machine(), Machine()
    wanted = measure(tmp_path / "whole", asked, whole, 200).meta
    assert "injection" not in measure(tmp_path / "s", asked, first, cut).meta and first.measured == cut
    assert calibration_search.count(tmp_path / "s") == cut, "by which the next session's order is another"
    second = Machine(measured=cut)
    found = measure(tmp_path / "s", asked, second, 200).meta
    assert {name: found[name] for name in ("injection", "sizing", "sizing_s")} == {
        name: wanted[name] for name in ("injection", "sizing", "sizing_s")
    }
    assert not (tmp_path / "s" / "search.jsonl").exists()


def test_a_search_forgets_what_it_would_not_measure_again(tmp_path: Path) -> None:
    machine, arms = Machine(), Arms(KINDS["power"]).of(0)
    search = Search(tmp_path, TESTS)
    first, _, _ = [search.append({"one": text}, machine.block(Phase.PILOT, arms, {})) for text in ("a", "b", "c")]
    search.close(False)
    search = Search(tmp_path, TESTS)
    assert search.again({"one": "a"}) == first and search.again({"one": "x"}) is None
    search.append({"one": "x"}, machine.block(Phase.PILOT, arms, {}))
    search.close(False)
    search = Search(tmp_path, TESTS)
    assert [search.again({"one": text}) is None for text in ("a", "x", "c")] == [False, False, True]
    assert search.seconds == 2 * 6
    search.close(True)
    assert not list(tmp_path.iterdir())
    (tmp_path / "search.jsonl").write_text('{"texts": {}}\n')
    with pytest.raises(Refused, match="a line is no block of a search"):
        Search(tmp_path, TESTS)


def test_a_budget_pays_for_a_pilot_too(tmp_path: Path) -> None:
    thresholds = replace(THRESHOLDS, first_pairs=0, second_pairs=0)
    gate = Gate("test", thresholds, CELLS, TESTS)
    budget_s = 600.0
    asked = replace(question("same", work=tmp_path), gate=gate, budget_s=budget_s)
    stream = measure(tmp_path / "s", asked, Machine(), 9)
    fit = int((budget_s - 8 * 6) / 3 / 4)  # pairs of 3 s, twice two looks
    assert stream.meta["first_pairs"] == stream.meta["second_pairs"] == fit - fit % 2


def test_two_do_not_write_into_one_stream(tmp_path: Path) -> None:
    stream = Stream(tmp_path / "s")
    with pytest.raises(Refused, match="another calibration is writing into it"):
        Stream(tmp_path / "s")
    stream.close()
    assert not (tmp_path / "s").exists()  # nothing came of it


def test_a_pilot_that_is_all_vetoed_plans_nothing(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="all 40 blocks of the pilot were vetoed"):
        measure(tmp_path / "s", question("same", work=tmp_path), Machine(vetoes=1.0), 100)


@pytest.mark.parametrize(
    ("name", "edit", "sentence"),
    [
        ("blocks.csv", lambda text: text.replace("block,check", "block,checks"), "its first line must be block,check"),
        ("pairs.csv", lambda text: text + "1,one\n", "values, but there are 6 columns"),
        ("pairs.csv", lambda text: text.replace(",AB,throughput,", ",AB,speed,"), "block 1 of a calibration can't be"),
        ("stream.json", lambda text: text.replace('"alpha"', '"alfa"'), "it lacks something"),
        ("stream.json", lambda text: text.replace('version": 1', 'version": 9'), "schema version 1 is known"),
        ("stream.json", lambda text: text.replace('"kind"', '"kin"'), "it lacks something, or has too much: 'kind'"),
        ("stream.json", lambda text: text.replace('"same"', '"sane"'), "its kind is 'sane', but must be one of same"),
        ("stream.json", lambda text: text.replace('"level": null', '"level": "high"'), "its level is 'high'"),
        ("stream.json", lambda text: text.replace('"same"', "[]"), "its kind is "),
        ("journal.jsonl", lambda text: '{"block": []}\n', "a line is no block of a calibration"),
        ("journal.jsonl", lambda text: '{"block": 1, "pairs": []}\n', "block . of a calibration can't be read"),
    ],
)  # fmt: skip
def test_broken_files_are_refused(tmp_path: Path, name: str, edit: Any, sentence: str) -> None:
    measure(tmp_path / "s", question("same", work=tmp_path), Machine(), 20)
    path = tmp_path / "s" / name
    path.write_text(edit(path.read_text()))
    with pytest.raises(Refused, match=sentence):
        Stream(tmp_path / "s")


# Reports.


def test_trials_needed_are_those_of_the_recipe() -> None:
    assert [calibration_tally.trials_needed(hits, 0.01) for hits in range(4)] == [299, 473, 628, 773]
    assert [calibration_tally.trials_needed(hits, 0.05) for hits in range(3)] == [59, 93, 124]


@pytest.mark.parametrize("known", [True, False])
def test_the_report_counts_and_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    monkeypatch.setattr(calibration_report.source, "is_commit", lambda *_: known)
    measure(tmp_path / "c" / "same", question("same", work=tmp_path), Machine(noise=0.01), 8 + 10 * 12)
    machine = Machine(noise=0.004)
    measure(tmp_path / "c" / "power-5", question("power", 5.0, work=tmp_path), machine, 220)
    calibration_report.write(tmp_path / "c")
    content = json.loads((tmp_path / "c" / "calibration.json").read_text())
    alike, power = content["streams"]
    assert alike["regressions"] == {"hits": 0, "of": 10, "low": 0.0, "high": 0.25887}
    assert alike["outcomes"]["pass"] == alike["checks"] == 10
    assert alike["check_s"] == {"median": 72.0 + 8 * 6, "longest": 72.0 + 8 * 6, "each": 72.0}  # 8: the pilot
    assert alike["blocks"] == 120 and alike["hours"] == pytest.approx(128 * 6 / 3600, abs=0.001)  # 8 are the pilot's
    assert power["regressions"]["hits"] == power["regressions"]["of"] == power["checks"] > 3
    assert power["achieved_percent"]["one/throughput"]["percent"] == pytest.approx(5.0, abs=0.5)
    wanted = {(one["kind"], one["what"]): one for one in content["targets"]}
    assert wanted["same", "false alarms"]["checks_needed"] == 289
    assert wanted["same", "false alarms"]["hours_needed"] == pytest.approx(289 * 72 / 3600, abs=0.01)
    assert wanted["power", "missed"]["checks_needed"] == 59 - power["checks"]
    text = (tmp_path / "c" / "calibration.md").read_text()
    assert text == capsys.readouterr().out.removesuffix("\n")
    assert "| 0 of 10 | 25.9 % at most |" in text
    assert "by test" in text and f"one/throughput {power['checks']} of {power['checks']}" in text
    assert ("scripts/gate --calibrate --kind power --level 5 --for" in text) == known and str(tmp_path) not in text
    assert ("it is over: its commit" in text) != known
    assert (tmp_path / "c" / "power-fake-2cpu.svg").read_text().count("caught: exit code 1") >= 1


def test_each_machine_has_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines may have folders of their own under one report, and none is counted with another."""
    here, there = tmp_path / "c" / "same", tmp_path / "c" / "other" / "same"
    measure(here, question("same", work=tmp_path), Machine(noise=0.01), 8 + 3 * 12)
    monkeypatch.setattr(calibration_session, "Arms", OtherArms)
    monkeypatch.setattr(calibration_report.source, "is_commit", lambda *_: True)
    measure(there, question("same", work=tmp_path), Machine(noise=0.01), 8 + 2 * 12)
    calibration_report.write(tmp_path / "c")
    content = json.loads((tmp_path / "c" / "calibration.json").read_text())
    assert [(one["machine"], one["folder"], one["checks"]) for one in content["streams"]] == [
        ("fake-2cpu", "same", 3), ("other-2cpu", "other/same", 2)
    ]  # fmt: skip
    text = (tmp_path / "c" / "calibration.md").read_text()
    assert "| fake-2cpu | 0 of 3 |" in text and "| other-2cpu | 0 of 2 |" in text
    assert "--folder c`" in text and "--folder other`" in text  # where each goes on


def test_each_machine_has_a_figure_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(calibration_figure, "draw", lambda *given: drawn.append(given))
    found = [{"machine": machine} for machine in ("b", "a", "b")]
    calibration_report._draw(found, tmp_path)
    assert drawn == [([found[1]], tmp_path, "power-a"), ([found[0], found[2]], tmp_path, "power-b")]


def test_what_the_environment_spoilt_is_in_no_share(tmp_path: Path) -> None:
    stream = measure(tmp_path / "c", question("same", work=tmp_path), Machine(noise=0.01, vetoes=0.06), 400)
    found = calibration_tally.tally(stream.folder, stream.meta)
    decided = found["checks"] - found["outcomes"]["invalid"]
    assert found["check_s"]["each"] == pytest.approx(found["blocks"] * 6 / decided, abs=0.1), "its time is spent"
    assert 0 < found["outcomes"]["invalid"] < found["checks"]
    assert found["regressions"]["of"] == found["inconclusive"]["of"] == found["checks"] - found["outcomes"]["invalid"]


def test_targets_are_of_the_level_and_of_the_longest_check() -> None:
    share = {"hits": 299, "of": 299}
    made = {"regressions": share, "inconclusive": {"hits": 0, "of": 299}, "check_s": {"median": 1.0, "longest": 601.0}}
    made |= {"folder": "x", "machine": "fake-2cpu", "commit": "0123456789ab"}
    made |= {"achieved_percent": {"one/throughput": {"percent": 5.2}, "two/throughput": {"percent": 2.0}}}
    levels = [{"kind": "power", "level_percent": level} | made for level in (2.0, calibration_tally.CAUGHT_LEVEL)]
    [caught] = calibration_tally.targets(levels)
    assert (caught["what"], caught["level_percent"], caught["met"]) == ("missed", 5.0, True)
    for low, fair in ((5.2, True), (5.4, False)):
        levels[1]["achieved_percent"] = {"one/throughput": {"percent": 8.0, "low": low}, "two/throughput": {"percent": None}}
        [found] = calibration_tally.targets(levels)
        assert (found["fair"], found["met"]) == (fair, fair), "a slowdown of 8 % says little of one of 5 %"
    found = calibration_tally.targets([{"kind": "builds", "level_percent": None} | made])
    met = {one["what"]: one["met"] for one in found}
    assert met == {"false alarms": False, "inconclusive": True, "seconds of the longest check": False}


def test_the_report_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="holds no stream of a calibration yet"):
        calibration_report.write(tmp_path)


# The command line.


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    calibrate.add_arguments(parser)
    for name in ("seed", "budget"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--cells", type=Path, default=Path(__file__).parents[1] / "scripts" / "gates" / "default.toml")
    for field in fields(Thresholds):
        parser.add_argument("--" + field.name.replace("_", "-"), type=float)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "--calibrate needs --kind, one of same, builds"),
        (["--kind", "same", "--level", "5"], "--level is a slowdown to inject, but --kind same injects none"),
        (["--kind", "power", "--level", "-1"], "--level is -1, but must lie between 0 and 100"),
        (["--kind", "power", "--level", "nan"], "--level is nan, but must lie between"),
        (["--kind", "same", "--for", "soon"], '--for is "soon", but a duration is a number'),
        (["--kind", "same", "--report"], "--report is about all kinds"),
    ],
)
def test_bad_words_are_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        calibrate.run(options(*words))


def test_the_command_goes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From words to a folder; its time is over at once, so nothing is measured."""
    monkeypatch.setattr(calibration_session, "Session", Session)
    monkeypatch.setattr(calibrate, "WORK", tmp_path / "work")
    monkeypatch.setattr(calibration_session, "Measurement", None)
    monkeypatch.setattr(Session.__init__, "__defaults__", (Machine().measurement,))
    words = ["--kind", "power", "--level", "0", "--for", "1ns", "--folder", str(tmp_path / "c")]
    assert calibrate.run(options(*words)) == 0
    meta = json.loads((tmp_path / "c" / "power-0" / "stream.json").read_text())
    assert meta["kind"] == "power" and meta["machine"] == "fake-2cpu" and list(meta["cells"]) == [
        "pairs", "one-to-one", "pool"
    ]  # fmt: skip


# The neighbour.


def test_the_neighbour_is_on_one_cpu_and_goes() -> None:
    with neighbour.Neighbour(7) as beside:
        deadline = time.monotonic() + 10
        while os.sched_getaffinity(beside.pid) != {beside.cpu}:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        pid = beside.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_neighbour_is_busy_a_tenth_of_the_time() -> None:
    times = [pair for seed in range(20) for pair in neighbour.phases(seed, neighbour.BUSY_S, neighbour.QUIET_S)]
    quiet, busy = (sum(part) for part in zip(*times, strict=True))
    assert 0.08 < busy / (busy + quiet) < 0.12
    assert neighbour.phases(1, 1.0, 1.0) == neighbour.phases(1, 1.0, 1.0) != neighbour.phases(2, 1.0, 1.0)
