# SPDX-License-Identifier: Apache-2.0
"""What the streams of a calibration say: counted again from their blocks, in numbers, text and figures."""

import json
from pathlib import Path
from typing import Any

import pytest
from gate_machine import Machine
from gate_streams import OtherArms, known_arms, measure, question  # noqa: F401

from benchlib.errors import Refused
from benchlib.gate import calibration_figure, calibration_report, calibration_session, calibration_tally


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
        slow = {"one/throughput": {"percent": 8.0, "low": low}, "two/throughput": {"percent": None}}
        levels[1]["achieved_percent"] = slow
        [found] = calibration_tally.targets(levels)
        assert (found["fair"], found["met"]) == (fair, fair), "a slowdown of 8 % says little of one of 5 %"
    found = calibration_tally.targets([{"kind": "builds", "level_percent": None} | made])
    met = {one["what"]: one["met"] for one in found}
    assert met == {"false alarms": False, "inconclusive": True, "seconds of the longest check": False}


def test_the_report_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="holds no stream of a calibration yet"):
        calibration_report.write(tmp_path)
