# SPDX-License-Identifier: Apache-2.0
"""The calibration on machines of which everything is known: it must find what they are, whatever interrupts it."""

import argparse
import json
import os
import signal
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from gate_machine import CALM, CELLS, TESTS, Arms, Machine, arm
from gate_streams import GATED, THRESHOLDS, OtherArms, known_arms, measure, question  # noqa: F401

from benchlib.errors import Refused
from benchlib.gate import (
    calibrate, calibration_kinds, calibration_rows, calibration_session, calibration_size,
    calibration_tally, decide, neighbour,
)  # fmt: skip
from benchlib.gate.accounts import Accounts
from benchlib.gate.calibration_kinds import KINDS, ONE_TRY, environments
from benchlib.gate.calibration_search import Search
from benchlib.gate.calibration_session import Session
from benchlib.gate.calibration_stream import Stream
from benchlib.gate.gate_file import Gate
from benchlib.gate.measure import Measurement
from benchlib.gate.model import Arm, Block, Metric, Phase, Thresholds
from benchlib.interrupt import Interrupt

ECHO = """#!/usr/bin/python3 -IS
import json, os, sys
told = 100 + int(os.environ.get("READYQ_INJECT", "spin=0")[5:])
run = sys.argv[sys.argv.index("--run-id") + 1]
rest = {"throughput_ops_per_s": told, "cpu_ns_per_operation": 1, "sentinel_before_ns": 80, "sentinel_after_ns": 80}
print(json.dumps({"schema_version": 1, "run_id": run, "status": "ok", "exit_reason": "ok", "operations": 1} | rest))
"""


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
    second = Machine(measured=cut)
    found = measure(tmp_path / "s", asked, second, 200).meta
    assert {name: found[name] for name in ("injection", "sizing", "sizing_s")} == {
        name: wanted[name] for name in ("injection", "sizing", "sizing_s")
    }
    assert not (tmp_path / "s" / "search.jsonl").exists()
    assert first.seeds != second.seeds, "no order of runs comes twice"


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


def test_a_signal_while_something_is_built_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "run", stopped)
    assert calibrate.run(options("--kind", "same", "--folder", str(tmp_path / "c"))) == 143


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
