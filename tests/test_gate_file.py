# SPDX-License-Identifier: Apache-2.0
"""A gate's file: what it makes of cells, metrics and thresholds, and what it refuses, each in one sentence."""

from pathlib import Path

import pytest

from benchlib import paths
from benchlib.errors import Refused
from benchlib.gate import gate_file
from benchlib.gate.model import Metric, Test

DEFAULT = paths.ROOT / "scripts" / "gates" / "default.toml"
CELL = '[[cell]]\nname = "one"\nworkload = "pairs"\ngated = ["throughput"]\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "gate.toml"
    path.write_text(text)
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(Refused) as refused:
        gate_file.read(written(folder, text))
    return str(refused.value)


def test_the_default_gates_four_tests_of_three_cells() -> None:
    gate = gate_file.read(DEFAULT)
    gated = [test.name for test in gate.tests if test.gated]
    assert gated == ["pairs/throughput", "one-to-one/throughput", "pool/throughput", "pool/cpu"]
    assert [cell.name for cell in gate.cells] == ["pairs", "one-to-one", "pool"]
    assert [cell.runs for cell in gate.cells] == [8, 12, 5]


def test_a_cell_has_the_settings_of_a_plan(tmp_path: Path) -> None:
    text = 'name = "x"\n[base]\nduration = "100ms"\n' + CELL + 'workload.threads = 2\nqueue = {name = "list"}\n'
    text = text.replace('workload = "pairs"\n', "").replace("workload.threads", 'workload = {name = "pairs", threads')
    cell = gate_file.read(written(tmp_path, text.replace("threads = 2", "threads = 2}"))).cells[0]
    assert cell.arguments == ("--workload", "pairs:threads=2", "--queue", "list", "--duration", "100ms")


def test_a_pair_may_take_several_runs(tmp_path: Path) -> None:
    cells = gate_file.read(written(tmp_path, 'name = "x"\n' + CELL + "runs = 8\n" + CELL.replace("one", "two"))).cells
    assert [cell.runs for cell in cells] == [8, 1] and "runs" not in cells[0].settings
    (whole,) = gate_file.read(written(tmp_path, f'name = "x"\n{CELL}runs = 8.0\n')).cells
    assert isinstance(whole.runs, int)  # as a number with a point is an integer to the schema
    for wrong in ("0", "1.5", '"8"', "101"):
        assert "runs" in refusal(tmp_path, f'name = "x"\n{CELL}runs = {wrong}\n')


def test_metrics_are_gated_or_advise(tmp_path: Path) -> None:
    gate = gate_file.read(written(tmp_path, 'name = "x"\n' + CELL + 'advisory = ["p99"]\n'))
    assert gate.tests == (Test("one", Metric.THROUGHPUT, True), Test("one", Metric.P99, False))


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, 'name = "x"\n[thresholds]\nalpha = 0.05\npower = 0.9\n' + CELL)
    thresholds = gate_file.read(path, {"alpha": 0.02, "power": None}).thresholds
    assert (thresholds.alpha, thresholds.power, thresholds.pass_percent) == (0.02, 0.9, 5.0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('name = "x"\n', "a gate without a [[cell]] compares nothing"),
        ('name = "x"\ncell = []\n', "a gate without a [[cell]] compares nothing"),
        ('name = "x"\n' + CELL + CELL, 'two cells have the name "one"'),
        ('name = "x"\n' + CELL.replace("gated", "advisory"), 'no cell has a "gated" metric'),
        ('name = "x"\n' + CELL + 'advisory = ["throughput"]\n', '"throughput" is gated and advisory'),
        ('name = "x"\n' + CELL.replace("throughput", "speed"), "must be one of throughput, cpu, p50, p99, memory"),
        ('name = "x"\n' + CELL + 'treads = 1\n', 'has the unknown key "treads"'),
        ('name = "x"\n[thresholds]\nalfa = 1\n' + CELL, 'thresholds has the unknown key "alfa"'),
        ('name = "x"\n[thresholds]\nalpha = 1.5\n' + CELL, "must be below 1"),
        ('name = "x"\n[thresholds]\nregression_percent = 6\n' + CELL, "must lie above regression_percent, 6"),
        ('name = "x"\n' + CELL + '"queue.lock" = "mcs"\n', "but no queue is named"),
        ('name = "x"\n' + CELL + 'duration = "soon"\n', "a duration is a number with one of"),
        ('name = "x', "is not TOML"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    said = refusal(tmp_path, text)
    assert sentence in said
    assert "\n" not in said


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No such file"):
        gate_file.read(tmp_path / "none.toml")


def test_a_threshold_of_the_command_line_is_checked_too(tmp_path: Path) -> None:
    path = written(tmp_path, 'name = "x"\n' + CELL)
    with pytest.raises(Refused, match="alpha is 2"):
        gate_file.read(path, {"alpha": 2})
