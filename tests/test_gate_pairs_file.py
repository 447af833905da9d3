# SPDX-License-Identifier: Apache-2.0
"""The pairs of a check come back from their file as they were; a broken file is refused; committed ones are judged."""

import csv
import importlib.util
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT
from made_blocks import blocks

from benchlib.errors import Refused
from benchlib.gate import pairs_file
from benchlib.gate.model import EXIT_CODES, Block, Metric, Outcome, Pair, Phase, Sentinels, Thresholds
from benchlib.gate.model import Test as Hypothesis
from benchlib.gate.replay import replay

COMMITTED = ROOT / "tests" / "gate"
ONE = Hypothesis("pairs", Metric.THROUGHPUT)
CPU = Hypothesis("pool", Metric.CPU)
P99 = Hypothesis("pool", Metric.P99, gated=False)
NOWHERE = Hypothesis("never-run", Metric.MEMORY)
SENTINELS = Sentinels(1e6 / 3, math.nan)


def everything() -> list[Block]:
    """Blocks with all that may be in a file, or missing."""
    ratios = {ONE: [0.1 / 3, -0.02, 0.03, 0.0], CPU: [0.5, math.nan, 0.1, 0.2], P99: [math.nan, math.nan, 1.0, -1.0]}
    made = blocks(ratios, Phase.FIRST, vetoed=[2])
    early = Block(Phase.SECOND, 1, 1, (), SENTINELS, SENTINELS, ('stolen: 3 %, "steal"', "a sentinel, too"), "now", 0.1)
    untested = Pair("pool", "BA", {Metric.MEMORY: 4096.0}, {Metric.MEMORY: 8192.0}, "7", "8")
    half = Pair("pairs", "AB", {Metric.THROUGHPUT: 1.5}, {}, "9", "10")
    more = Block(Phase.SECOND, 1, 2, (untested, half), SENTINELS, Sentinels(1.0, 2.0), (), "later", 1e-3)
    return [*blocks({ONE: [0.0, 0.0]}, Phase.PILOT), *made, early, more, *blocks({CPU: [1.0, 2.0]}, Phase.CONFIRM)]


def same(one: Block, other: Block) -> bool:
    """Equal, with NaN equal to NaN."""
    return repr(one) == repr(other)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    pairs_file.write(path, (ONE, CPU, P99, NOWHERE), everything())
    tests, found = pairs_file.read(path)
    assert tests == (ONE, CPU, P99, NOWHERE)
    assert len(found) == len(everything()) == 7
    for one, other in zip(found, everything(), strict=True):
        assert same(one, other)
    again = tmp_path / "again.csv"
    pairs_file.write(again, tests, found)
    assert again.read_bytes() == path.read_bytes()


def test_the_columns_are_those_of_its_version_and_the_rows_one_a_pair_and_metric(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    pairs_file.write(path, (ONE, CPU, P99), blocks({ONE: [0.1, 0.2], CPU: [0.3, 0.4], P99: [0.5, math.nan]}))
    rows = list(csv.DictReader(path.open()))
    assert ",".join(rows[0]) == (
        "schema_version,phase,block,attempt,vetoed,evidence,order,cell,metric,gated,base,head,log_ratio,base_run,"
        "head_run,spin_before_ns,spin_after_ns,round_trip_before_ns,round_trip_after_ns,started,wall_s"
    )
    assert [(row["cell"], row["order"], row["metric"], row["gated"]) for row in rows] == [
        ("pairs", "AB", "throughput", "yes"),
        ("pairs", "BA", "throughput", "yes"),
        ("pool", "AB", "cpu", "yes"),
        ("pool", "AB", "p99", "no"),
        ("pool", "BA", "cpu", "yes"),
        ("pool", "BA", "p99", "no"),
    ]
    found = [float(row["log_ratio"] or "nan") for row in rows]
    assert found == pytest.approx([0.1, 0.2, 0.3, 0.5, 0.4, math.nan], nan_ok=True)


def test_an_empty_check_is_a_file_too(tmp_path: Path) -> None:
    pairs_file.write(tmp_path / "pairs.csv", (), ())
    assert pairs_file.read(tmp_path / "pairs.csv") == ((), ())
    assert replay(tmp_path / "pairs.csv", Thresholds())[:2] == (Outcome.INVALID, "nothing was measured")


def edited(path: Path, change: Callable[[list[list[str]]], None]) -> Path:
    """The committed file of a pass, changed."""
    rows = list(csv.reader((COMMITTED / "pass.csv").open()))
    change(rows)
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


def put(line: int, column: str, text: str) -> Callable[[list[list[str]]], None]:
    def change(rows: list[list[str]]) -> None:
        rows[line - 1][rows[0].index(column)] = text

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows.clear(), "its first line is not schema_version,phase"),
        (lambda rows: rows[0].pop(), "its first line is not schema_version,phase"),
        (lambda rows: rows[4].pop(), "line 5 has 20 values, but there are 21 columns"),
        (put(3, "schema_version", "9"), 'line 3 is of schema version "9", but 1 is known'),
        (put(3, "phase", "third"), 'line 3 has "third" for phase; known are pilot, first, second, confirm'),
        (put(3, "metric", "speed"), 'line 3 has "speed" for metric; known are throughput, cpu'),
        (put(3, "gated", "maybe"), 'line 3 has "maybe" for gated; known are yes, no, nothing'),
        (put(3, "gated", "no"), "line 3 has pairs/throughput both gated and advisory"),
        (put(3, "order", "AA"), 'line 3 has "AA" for order; known are AB, BA, nothing'),
        (put(2, "block", "x"), 'line 2 has "x" for block, which is no number'),
        (put(3, "base", "fast"), 'line 3 has "fast" for base, which is no number'),
        (put(3, "head", "inf"), 'line 3 has "inf" for head, which is no number'),
        (put(3, "log_ratio", "0.5"), "line 3 has a log_ratio that is not that of its base and head"),
        (put(3, "head", ""), "line 3 has a log_ratio that is not that of its base and head"),
        (put(3, "wall_s", "9"), "line 3 says something else of its block than line 2 does"),
        (lambda rows: rows.insert(2, rows[1]), "line 3 has throughput of a pair that had it before"),
        (lambda rows: [put(line, "vetoed", "yes")(rows) for line in range(2, 12)], "line 2 has a veto without"),
    ],
)
def test_a_broken_file_is_refused_in_a_sentence(
    tmp_path: Path, change: Callable[[list[list[str]]], None], says: str
) -> None:
    path = edited(tmp_path / "broken.csv", change)
    with pytest.raises(Refused) as refusal:
        pairs_file.read(path)
    assert str(refusal.value).startswith(f"{path}: ") and says in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="nowhere.csv: the pairs of a check: No such file"):
        pairs_file.read(tmp_path / "nowhere.csv")
    for content in (b"\xff\xfe\x00", b'a,"b\n', b"a\0b\n"):
        (tmp_path / "odd.csv").write_bytes(content)
        with pytest.raises(Refused, match=r"odd.csv: the pairs of a check: "):
            pairs_file.read(tmp_path / "odd.csv")


@pytest.fixture(scope="module")
def make() -> ModuleType:
    """The script that made the committed files."""
    spec = importlib.util.spec_from_file_location("make_pairs", COMMITTED / "make.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "code"), [("pass", 0), ("regression", 1), ("inconclusive", 3), ("invalid", 4)])
def test_committed_pairs_are_judged_as_their_name_says(name: str, code: int) -> None:
    outcome, reason, judged = replay(COMMITTED / f"{name}.csv", Thresholds())
    assert (EXIT_CODES[outcome], outcome.value) == (code, name)
    assert reason and len(judged) == 4


def test_the_committed_pairs_are_those_that_the_script_makes(tmp_path: Path, make: ModuleType) -> None:
    make.main(tmp_path)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == sorted(path.name for path in COMMITTED.glob("*.csv"))
    for name in made:
        assert (tmp_path / name).read_bytes() == (COMMITTED / name).read_bytes(), name


def without(source: str, phase: Phase, path: Path) -> Path:
    """A committed file without one phase."""
    tests, found = pairs_file.read(COMMITTED / source)
    pairs_file.write(path, tests, [block for block in found if block.phase is not phase])
    return path


def test_a_suspicion_that_the_file_cannot_confirm_counts_and_says_so(tmp_path: Path) -> None:
    outcome, reason, _ = replay(without("regression.csv", Phase.CONFIRM, tmp_path / "x.csv"), Thresholds())
    assert outcome is Outcome.REGRESSION and reason.endswith("(the file has no pairs that could confirm it)")


def test_a_suspicion_that_is_not_confirmed_is_no_regression(tmp_path: Path) -> None:
    tests, suspect = pairs_file.read(COMMITTED / "regression.csv")
    _, fine = pairs_file.read(COMMITTED / "pass.csv")
    first = [block for block in suspect if block.phase is Phase.FIRST]
    again = [replace(block, phase=Phase.CONFIRM) for block in fine]
    pairs_file.write(tmp_path / "x.csv", tests, first + again)
    outcome, reason, judged = replay(tmp_path / "x.csv", Thresholds())
    assert outcome is Outcome.PASS and "not in a second measurement" in reason
    assert [found.outcome for found in judged].count(Outcome.REGRESSION) == 1
    _, restless = pairs_file.read(COMMITTED / "invalid.csv")
    pairs_file.write(tmp_path / "y.csv", tests, first + [replace(block, phase=Phase.CONFIRM) for block in restless])
    outcome, reason, _ = replay(tmp_path / "y.csv", Thresholds())
    assert outcome is Outcome.INVALID and reason.startswith("what was suspected could not be confirmed: ")


def test_an_open_first_look_without_a_second_is_inconclusive(tmp_path: Path) -> None:
    outcome, _, judged = replay(without("inconclusive.csv", Phase.SECOND, tmp_path / "x.csv"), Thresholds())
    assert outcome is Outcome.INCONCLUSIVE and {found.look for found in judged} == {1}
    _, _, both = replay(COMMITTED / "inconclusive.csv", Thresholds())
    assert {(found.look, found.pairs) for found in both} == {(2, 2 * found.pairs) for found in judged}


def test_the_thresholds_decide(tmp_path: Path) -> None:
    shutil.copy(COMMITTED / "invalid.csv", tmp_path / "x.csv")
    assert replay(tmp_path / "x.csv", Thresholds(most_vetoed=0.5))[0] is Outcome.PASS
    lenient = Thresholds(regression_percent=15, pass_percent=20)
    assert replay(COMMITTED / "regression.csv", lenient)[0] is Outcome.PASS
