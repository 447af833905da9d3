# SPDX-License-Identifier: Apache-2.0
"""The history keeps what checks have measured, compares only what may be, and shows where it changed."""

import json
import math
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import gate_sample
import numpy
import pytest
from conftest import ROOT
from gate_sample import block, pair

from benchlib import history_changes, history_cli, history_file, history_line, history_series
from benchlib.change_points import Search
from benchlib.errors import Refused
from benchlib.gate.model import Metric, Outcome, Phase, Report, Sentinels
from benchlib.history_line import Line
from benchlib.history_series import Asked

NEAR, FAR = Sentinels(1000.0, 60.0), Sentinels(1000.0, 200.0)
MEMORY = {Metric.MEMORY: 2.0**23}


def line(day: int = 1, **more: Any) -> Line:
    """A median of the cell `pairs`, day by day."""
    same = {
        "schema_version": history_line.SCHEMA_VERSION, "machine": "m-2cpu", "arm": "HEAD",
        "recorded": (datetime(2026, 1, 1) + timedelta(day)).strftime("%Y-%m-%dT%H:%M:%SZ"), "commit": f"{day:02x}" * 20,
        "sha256": "5" * 64, "cell": "pairs", "metric": "throughput", "settings": "abc", "one_thread": True, "n": 40,
        "median": 1e8, "spread": 1e6, "spin_ns": 1000.0, "round_trip_ns": 80.0, "seed": 1,
    }  # fmt: skip
    return Line(**(same | more))


def write(path: Path, lines: Sequence[Line]) -> Path:
    history_file.append(path, lines)
    return path


# Recording


def measured(*regimes: tuple[Sentinels, Sentinels, float], cell: str = "pool") -> Report:
    """A check of one block each: its sentinels before and after, and what HEAD's throughput was; BASE's is half."""
    blocks = [
        block(Phase.FIRST, number, [pair(cell, {Metric.THROUGHPUT: value / 2}, {Metric.THROUGHPUT: value}, order)
                                    for order in ("AB", "BA")], before=before, after=after)
        for number, (before, after, value) in enumerate(regimes, 1)
    ]  # fmt: skip
    test = replace(gate_sample.PAIRS, cell=cell)
    verdict = gate_sample.judged(test, Outcome.PASS, 0, 0, 0)
    return replace(gate_sample.passed(), blocks=blocks, judged=(verdict,), advisory=())


def recorded(report: Report, path: Path) -> list[dict[str, Any]]:
    history_file.record(report, path)
    return [json.loads(text) for text in path.read_text().splitlines()]


def test_both_arms_medians_are_recorded_with_the_sentinels(tmp_path: Path) -> None:
    report = measured((NEAR, NEAR, 10.0), (NEAR, NEAR, 20.0), (NEAR, NEAR, 60.0))
    base, head = recorded(report, tmp_path / "history.jsonl")
    assert (base["arm"], base["median"], head["arm"], head["median"]) == ("BASE", 10.0, "HEAD", 20.0)
    assert (head["n"], head["spread"], head["spin_ns"], head["round_trip_ns"]) == (6, 50.0, 1000.0, 60.0)
    assert (head["commit"], base["commit"]) == ("a" * 40, "b" * 40)
    assert (head["machine"], head["cell"], head["metric"]) == ("made-up-2cpu", "pool", "throughput")
    assert (head["recorded"], head["seed"]) == ("2026-01-02T03:04:05Z", 42)


def test_each_test_of_the_check_has_a_line_and_nothing_else_counts(tmp_path: Path) -> None:
    report = gate_sample.passed()
    loud = {Metric.THROUGHPUT: 1.0}
    others = [block(phase, 9, [pair("pairs", loud, loud)]) for phase in (Phase.PILOT, Phase.CONFIRM)]
    vetoed = block(Phase.FIRST, 9, [pair("pairs", loud, loud)], evidence=("load",))
    base, head = recorded(replace(report, blocks=[*report.blocks, *others, vetoed]), tmp_path / "h")
    assert (base["cell"], base["median"], head["median"], head["n"]) == ("pairs", 100e6, 99e6, 10)


def test_a_cell_of_several_threads_has_a_line_for_each_regime(tmp_path: Path) -> None:
    blocks = [(NEAR, NEAR, 10.0)] * 3 + [(FAR, FAR, 4.0)] * 2 + [(NEAR, FAR, 7.0)]
    lines = recorded(measured(*blocks), tmp_path / "h")
    found = [(one["arm"], one["median"], one["n"], one["round_trip_ns"]) for one in lines]
    assert found == [("BASE", 5.0, 6, 60.0), ("BASE", 2.0, 4, 200.0), ("HEAD", 10.0, 6, 60.0), ("HEAD", 4.0, 4, 200.0)]


def test_a_cell_of_one_thread_has_one_line_whatever_the_regime(tmp_path: Path) -> None:
    blocks = [(NEAR, NEAR, 10.0)] * 3 + [(FAR, FAR, 4.0)] * 2 + [(NEAR, FAR, 7.0)]
    lines = recorded(measured(*blocks, cell="pairs"), tmp_path / "h")
    assert [(one["arm"], one["n"], one["one_thread"]) for one in lines] == [("BASE", 12, True), ("HEAD", 12, True)]


def test_without_a_second_cpu_there_is_no_round_trip(tmp_path: Path) -> None:
    alone = Sentinels(1000.0, math.nan)
    lines = recorded(measured((alone, alone, 10.0), (alone, alone, 12.0)), tmp_path / "h")
    assert [(one["n"], one["round_trip_ns"], one["spin_ns"]) for one in lines] == [(4, None, 1000.0)] * 2


def test_what_was_not_measured_is_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "h"
    assert history_file.record(gate_sample.invalid(), path) == [f"not recorded in {path}: 2 of 2 blocks were vetoed"]
    assert history_file.record(gate_sample.identical(), path) == [f"not recorded in {path}: nothing was measured"]
    assert not path.exists()


def test_other_settings_under_the_same_name_are_noticed_when_recorded(tmp_path: Path) -> None:
    report = measured((NEAR, NEAR, 10.0))
    assert history_file.record(report, tmp_path / "h") == history_file.record(report, tmp_path / "h") == []
    longer = tuple(replace(cell, settings=cell.settings | {"duration": "2s"}) for cell in report.cells)
    said = history_file.record(replace(report, cells=longer), tmp_path / "h")
    assert said == ["the settings of cell pool are not those recorded before: its history begins anew"]
    more = tuple(replace(cell, runs=5) for cell in longer)
    assert history_file.record(replace(report, cells=more), tmp_path / "h") == said
    elsewhere = replace(report, cells=longer, machine="other")
    assert history_file.record(elsewhere, tmp_path / "h") == []


def test_a_plugin_is_another_question(tmp_path: Path) -> None:
    report = measured((NEAR, NEAR, 10.0))
    plugin = replace(report, base=gate_sample.arm("BASE", plugin=Path("old/q.so")),
                     head=gate_sample.arm("HEAD", plugin=Path("new/q.so")))  # fmt: skip
    own, *_ = recorded(report, tmp_path / "own")
    base, head = recorded(plugin, tmp_path / "plugin")
    assert base["settings"] == head["settings"] != own["settings"]


def test_a_check_without_its_cells_is_recorded_all_the_same(tmp_path: Path) -> None:
    lines = recorded(replace(measured((NEAR, NEAR, 10.0)), cells=()), tmp_path / "h")
    assert {one["settings"] for one in lines} == {"unknown"} and not any(one["one_thread"] for one in lines)


# The file


def test_what_is_appended_is_read_again(tmp_path: Path) -> None:
    lines = [line(1), line(2, commit=None, spread=None, spin_ns=None, round_trip_ns=None)]
    path = write(write(tmp_path / "h", lines[:1]), lines[1:])
    assert history_file.read(path) == lines
    assert lines[0].version == "01" * 6 and lines[1].version == "5" * 12


def test_a_torn_last_line_never_happened(tmp_path: Path) -> None:
    path = write(tmp_path / "h", [line(1)])
    whole = path.read_bytes()
    for torn in (whole[:-1], whole[:30], whole[:5]):
        path.write_bytes(whole + torn)
        assert history_file.read(path) == [line(1)]
        write(path, [line(2)])
        assert history_file.read(path) == [line(1), line(2)]


@pytest.mark.parametrize(("change", "said"), [
    ({"schema_version": 2}, "has schema version 2, but this reads 1"),
    ({"median": "fast"}, 'has a "median" that is no number'),
    ({"median": True}, 'has a "median" that is no number'),
    ({"median": 0.0}, 'has a "median" that is not above 0'),
    ({"spin_ns": -5.0}, 'has a "spin_ns" that is not above 0'),
    ({"round_trip_ns": 0.0}, 'has a "round_trip_ns" that is not above 0'),
    ({"cell": None}, 'has a "cell" that is no text'),
    ({"one_thread": 1}, 'has a "one_thread" that is no true or false'),
    ({"arm": "MIDDLE"}, 'has a "arm" that is none of BASE, HEAD'),
    ({"metric": "luck"}, 'has a "metric" that is none of throughput, cpu, p50, p99, memory'),
    ({"recorded": "yesterday"}, 'has a "recorded" that is no date'),
    ({"recorded": "2026-01-01T00:00:00"}, 'has a "recorded" that is no date with a time zone'),
    ({"more": 1}, 'has a key "more" that this does not know'),
])  # fmt: skip
def test_a_bad_line_is_named_and_nothing_is_appended(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = write(tmp_path / "h", [line(1)])
    path.write_text(path.read_text() + json.dumps(asdict(line(2)) | change) + "\n")
    before = path.read_bytes()
    for work in (lambda: history_file.read(path), lambda: history_file.append(path, [line(3)])):
        with pytest.raises(Refused) as refusal:
            work()
        assert str(refusal.value) == f"{path}: is no history that can be read: line 2 {said}"
    assert path.read_bytes() == before


def test_a_line_must_have_every_key(tmp_path: Path) -> None:
    for name in asdict(line()):
        lacking = {key: value for key, value in asdict(line()).items() if key != name}
        (tmp_path / "h").write_text(json.dumps(lacking) + "\n")
        with pytest.raises(Refused, match=f'line 1 (lacks "{name}"|is no line of a history)$'):
            history_file.read(tmp_path / "h")


@pytest.mark.parametrize("content", ["name = 1\n", '{"a": 1}', "[]\n", "NaN\n", "\x00\xff", "{\n}\n", '{"a": 1}\n'])
def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "h"
    path.write_bytes(content.encode("latin-1"))
    for work in (lambda: history_file.read(path), lambda: history_file.append(path, [line(3)])):
        with pytest.raises(Refused, match="is no history that can be read"):
            work()
    assert path.read_bytes() == content.encode("latin-1")


def test_a_file_can_be_required_before_there_is_anything_to_record(tmp_path: Path) -> None:
    history_file.require(tmp_path / "new")
    assert not (tmp_path / "new").exists(), "a check that is refused later begins none"
    (tmp_path / "link").symlink_to(tmp_path / "new")
    history_file.require(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "program").touch(0o755)
    for name in ("nowhere", "program"):
        with pytest.raises(Refused, match=f"{name} is no folder that can be written to"):
            history_file.require(tmp_path / name / "new")
    path = write(tmp_path / "h", [line(1)])
    before = path.read_bytes()
    history_file.require(path)
    assert path.read_bytes() == before
    path.write_text("hello\n")
    with pytest.raises(Refused, match="line 1 is no JSON$"):
        history_file.require(path)


def test_what_is_no_ordinary_file_is_refused(tmp_path: Path) -> None:
    for path in (Path("/dev/null"), tmp_path):
        for work in (lambda path=path: history_file.read(path), lambda path=path: history_file.append(path, [line()])):
            with pytest.raises(Refused, match="no ordinary file|Is a directory"):
                work()
    with pytest.raises(Refused, match="cannot be read as a history: No such file"):
        history_file.read(tmp_path / "none")
    with pytest.raises(Refused, match="cannot write .*: No such file"):
        history_file.append(tmp_path / "none" / "h", [line()])


def test_on_a_full_disk_nothing_of_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "h", [line(1)])
    before, real = path.read_bytes(), os.write
    filled = iter([True])

    def half(descriptor: int, content: bytes) -> int:
        if next(filled, False):
            return real(descriptor, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(history_file.os, "write", half)
    with pytest.raises(Refused, match=f"^cannot write {path}: No space left on device$"):
        history_file.append(path, [line(2), line(3)])
    assert path.read_bytes() == before


def test_checks_that_end_together_take_turns(tmp_path: Path) -> None:
    path, each, writers = tmp_path / "h", 10, 4

    def work(number: int) -> None:
        for day in range(each):
            history_file.append(path, [line(day, seed=number, cell="x" * 500)] * 3)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = history_file.read(path)
    assert len(found) == 3 * each * writers
    assert all(found[i] == found[i + 1] == found[i + 2] for i in range(0, len(found), 3))


# Series


def values(lines: Sequence[Line], asked: Asked = Asked()) -> dict[str, list[float]]:
    series, _ = history_series.find(lines, asked)
    return {f"{one.machine} {one.name}": [round(point.value, 6) for point in one.points] for one in series}


def test_a_slower_machine_is_no_slower_program() -> None:
    lines = [line(1), line(2, spin_ns=1250.0, median=8e7), line(3)]
    assert values(lines) == {"m-2cpu pairs/throughput": [1e8, 1e8, 1e8]}
    assert values(lines, Asked(by="none")) == {"m-2cpu pairs/throughput": [1e8, 8e7, 1e8]}
    times = [replace(one, metric="cpu", median=value) for one, value in zip(lines, (80.0, 100.0, 80.0), strict=True)]
    assert values(times) == {"m-2cpu pairs/cpu": [80.0, 80.0, 80.0]}
    sizes = [replace(one, metric="memory", median=4096.0) for one in lines]
    assert values(sizes) == {"m-2cpu pairs/memory": [4096.0] * 3}


def test_the_spread_is_corrected_with_its_median() -> None:
    series, _ = history_series.find([line(1), line(2, spin_ns=1250.0, median=8e7, spread=8e5), line(3, spread=None)],
                                    Asked())  # fmt: skip
    first, second, third = (point.spread for point in series[0].points)
    assert first == second == 1e6 and math.isnan(third)


def test_what_has_another_meaning_is_kept_apart_and_said() -> None:
    lines = [line(1), line(2), line(3, settings="def"), line(4, settings="def", machine="n-4cpu"), line(5, arm="BASE")]
    assert [*values(lines)] == ["m-2cpu pairs/throughput, settings abc", "m-2cpu pairs/throughput, settings def",
                                "n-4cpu pairs/throughput"]  # fmt: skip
    _, notes = history_series.find(lines, Asked())
    assert notes == ["kept apart: the machines m-2cpu, n-4cpu",
                     "kept apart: cell pairs had 2 settings on m-2cpu, the last since 2026-01-04T00:00:00Z"]


def test_regimes_part_cells_of_several_threads_only() -> None:
    trips = [60.0, 200.0, 61.0, 190.0, 62.0, 210.0]
    several = [line(day, cell="pool", one_thread=False, round_trip_ns=trip, median=1e6 * day)
               for day, trip in enumerate(trips, 1)]  # fmt: skip
    alone = [line(day, round_trip_ns=trip) for day, trip in enumerate(trips, 1)]
    assert values([*several, *alone]) == {
        "m-2cpu pool/throughput, round trip around 61 ns": [1e6, 3e6, 5e6],
        "m-2cpu pool/throughput, round trip around 200 ns": [2e6, 4e6, 6e6],
        "m-2cpu pairs/throughput": [1e8] * 6,
    }  # fmt: skip
    assert values(several, Asked(any_regime=True)) == {"m-2cpu pool/throughput": [1e6 * day for day in range(1, 7)]}
    by_trip = values([replace(one, median=1 / one.round_trip_ns) for one in several], Asked(by="round-trip"))
    assert len(set(by_trip["m-2cpu pool/throughput"])) == 1


def test_lines_are_in_the_order_of_their_dates_not_of_the_file() -> None:
    assert values([line(3, median=3.0), line(1, median=1.0), line(2, median=2.0)]) == {
        "m-2cpu pairs/throughput": [1.0, 2.0, 3.0]
    }


def test_lines_without_a_sentinel_are_left_out_of_what_it_corrects_and_said() -> None:
    series, notes = history_series.find([line(1), line(2, spin_ns=None), line(3)], Asked())
    assert len(series[0].points) == 2 and notes == ["pairs/throughput: 1 of 3 lines lack the sentinel spin; left out"]
    series, notes = history_series.find([line(1, spin_ns=None), line(2, spin_ns=None)], Asked())
    assert len(series[0].points) == 2 and series[0].corrected_by == "none"
    assert notes == ["pairs/throughput: no line has the sentinel spin, so it is shown as measured"]


# scripts/history


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Forty days: the pool's CPU time rises by 10 % at the 25th, `pairs` only with the machine's clock."""
    generator = numpy.random.default_rng(1)
    lines = []
    for day in range(40):
        clock = 1.0 if day < 15 else 1.2
        lines.append(line(day, spin_ns=1000 * clock, median=1e8 / clock * generator.normal(1, 0.004)))
        slower = 1.1 if day >= 25 else 1.0
        lines.append(line(day, cell="pool", metric="cpu", one_thread=False, spin_ns=1000 * clock,
                          median=500 * clock * slower * generator.normal(1, 0.004), spread=9.0))  # fmt: skip
    return write(tmp_path / "history.jsonl", lines)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """What is printed by a call that must succeed."""

    def run(*words: object) -> list[str]:
        assert history_cli.main([str(word) for word in words]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out.splitlines()

    return run


def test_the_change_is_found_between_its_versions_and_the_exit_code_stays_0(
    history: Path, said: Callable[..., list[str]]
) -> None:
    head, row = said(history, "--table")
    assert head.split() == "machine test since from to change p points".split()
    cells = row.split()
    assert cells[:3] == ["m-2cpu", "pool/cpu", "2026-01-26"] and cells[3:5] == ["18" * 6, "19" * 6]
    assert 8.5 < float(cells[5]) < 11.5 and cells[6:8] == ["%", "worse"] and cells[-3:] == ["25", "+", "15"]


def test_without_a_correction_the_machine_is_taken_for_the_program(
    history: Path, said: Callable[..., list[str]]
) -> None:
    rows = said(history, "--table", "--normalise", "none", "--only", "pairs")[1:]
    assert len(rows) == 1 and rows[0].split()[1:3] == ["pairs/throughput", "2026-01-16"] and "% worse" in rows[0]
    assert said(history, "--table", "--only", "pairs") == ["no change points in 1 series"]


def test_the_figures_are_written_and_named(history: Path, said: Callable[..., list[str]], tmp_path: Path) -> None:
    folder = tmp_path / "history-figures"
    lines = said(history)
    assert lines[-2:] == [f"{folder}/history-m-2cpu.svg", f"{folder}/history-m-2cpu.png"]
    assert sorted(path.name for path in folder.iterdir()) == ["history-m-2cpu.png", "history-m-2cpu.svg"]
    first = (folder / "history-m-2cpu.svg").read_bytes()
    said(history, "--format", "svg", "--out", tmp_path / "other")
    assert (tmp_path / "other" / "history-m-2cpu.svg").read_bytes() == first
    assert len(list((tmp_path / "other").iterdir())) == 1


def test_each_machine_has_a_figure(tmp_path: Path, said: Callable[..., list[str]]) -> None:
    path = write(tmp_path / "h", [line(day, machine=machine) for machine in ("one", "two") for day in range(3)])
    lines = said(path, "--format", "svg")
    assert lines[0] == "no change points in 2 series" and lines[2] == "kept apart: the machines one, two"
    assert lines[1] == "fewer than the 10 points that a change needs: pairs/throughput"
    assert [Path(text).name for text in lines[-2:]] == ["history-one.svg", "history-two.svg"]
    assert all(Path(text).read_text().count("<!-- pairs/throughput") == 1 for text in lines[-2:])


def test_changes_are_ratios() -> None:
    """Of values that vary by factors a step is found in the logarithms, and by its factor."""
    noise = numpy.random.default_rng(3).normal(size=40)
    lines = [line(day, median=math.exp(1.5 * noise[day] + (2.5 if day >= 20 else 0))) for day in range(40)]
    (series,), _ = history_series.find(lines, Asked())
    (change,), stretches = history_changes.find(series, Search(5, 0.05, 99))
    assert abs(change.index - 20) <= 1 and [stretch.first for stretch in stretches] == [0, change.index]
    assert math.isclose(change.percent, 100 * (stretches[0].middle / stretches[1].middle - 1)) and change.percent < -85


BAD = {
    "holds no line yet; scripts/gate --record writes them": ([], ()),
    "has no test 'pool'; it has pairs/throughput": ([line()], ("--only", "pool")),
    "no line of it is of the arm asked for": ([line()], ("--arm", "base")),
    "--least is 1, but a stretch needs 2 points at least to have a spread": ([line()], ("--least", "1")),
    "--significance is 1, but is a chance, between 0 and 1": ([line()], ("--significance", "1")),
    "--seed is -1, but must be 0 or above": ([line()], ("--seed", "-1")),
    "--permutations is 98, with which nothing can be found at a significance of 0.01; 99 are needed": (
        [line()], ("--permutations", "98"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", BAD)
def test_what_cannot_be_shown_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sentence: str
) -> None:
    lines, words = BAD[sentence]
    path = write(tmp_path / "h", lines)
    assert history_cli.main([str(path), *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("history: ") and err.endswith(f"{sentence}\n")


def test_the_script_runs_and_refuses_in_one_sentence(history: Path, tmp_path: Path) -> None:
    words = [ROOT / "scripts" / "history", history, "--table", "--permutations", "99"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "") and "pool/cpu" in done.stdout
    bad = tmp_path / "bad"
    bad.write_text("hello\n")
    done = subprocess.run([words[0], bad], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"history: {bad}: is no history that can be read: line 1 is no JSON\n"
