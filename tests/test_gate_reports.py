# SPDX-License-Identifier: Apache-2.0
"""What a check writes says what was found, no more and no less, and in a form that others can read."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import gate_sample
import jsonschema
import matplotlib.collections
import pytest
from gate_sample import ALL, P99, STEAL, arm, judged

from benchlib import paths
from benchlib.errors import EXIT_REFUSED, Refused
from benchlib.gate import report_figure, report_json, report_junit, report_markdown, report_words, reports
from benchlib.gate.model import EXIT_CODES, SCHEMA_VERSION, Count, Judged, Metric, Outcome, Phase, Report, Thresholds
from benchlib.interrupt import Interrupt

SCHEMA: dict[str, Any] = json.loads(report_json.SCHEMA.read_text())
Maker = Callable[[], Report]
every_report = pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)


def as_json(report: Report) -> Any:
    """As another program reads it, which knows no NaN."""
    text = json.dumps(report_json.document(report), allow_nan=False)
    return json.loads(text)


# JSON


@every_report
def test_the_json_has_the_form_that_the_schema_says(make: Maker, tmp_path: Path) -> None:
    path = report_json.write(make(), tmp_path)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(path.read_text()))
    assert path.name == "gate.json"


def test_the_json_says_how_many_processes_a_side_of_a_pair_is() -> None:
    found = {cell["name"]: cell["runs"] for cell in report_json.document(gate_sample.passed())["cells"]}
    assert found == {"pairs": 1, "one-to-one": 12, "pool": 1}


def test_without_matplotlib_a_check_still_has_its_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr("benchlib.gate.report_figure")
    monkeypatch.setitem(sys.modules, "benchlib.gate.report_figure", None)  # as if what it imports were missing
    reports.write_all(gate_sample.passed(), tmp_path, gate_sample.TESTS)
    assert "gate: no figure is drawn, as " in capsys.readouterr().err
    assert (tmp_path / "gate.json").exists() and not (tmp_path / "forest.svg").exists()


def test_a_decision_needs_no_package_for_tables() -> None:
    words = "import sys; import benchlib.gate.cli; sys.exit('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", words], cwd=paths.ROOT / "scripts", check=False)
    assert done.returncode == 0


def test_the_schema_is_one_and_of_this_version() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    properties, kinds = SCHEMA["properties"], SCHEMA["$defs"]
    assert properties["schema_version"]["const"] == SCHEMA_VERSION
    signals = {128 + number for number in Interrupt.SIGNALS}
    assert set(properties["exit_code"]["enum"]) == {*EXIT_CODES.values(), EXIT_REFUSED, *signals}
    assert list(properties["thresholds"]["properties"]) == [field.name for field in fields(Thresholds)]
    assert list(properties["blocks"]["properties"]) == list(Phase)
    assert kinds["outcome"]["enum"] == list(Outcome)
    assert kinds["metric"]["enum"] == [metric.label for metric in Metric]
    assert {field.name for field in fields(Report)} - {"broken_off"} == set(properties) - {"schema_version", "exit_code"}
    assert {field.name for field in fields(Judged)} - {"level"} <= set(kinds["judged"]["properties"])


@pytest.mark.parametrize(("break_it", "said"), [
    (lambda document: document.update(more=1), "Additional properties"),
    (lambda document: document.pop("reason"), "'reason' is a required property"),
    (lambda document: document["judged"][0].update(percent="3"), "'3' is not of type 'number', 'null'"),
    (lambda document: document["judged"][0].pop("final"), "'final' is a required property"),
    (lambda document: document["advisory"][0].update(final="pass"), "Unevaluated properties"),
    (lambda document: document.update(schema_version=2), "1 was expected"),
])  # fmt: skip
def test_the_schema_holds_a_report_to_its_form(break_it: Callable[[Any], object], said: str) -> None:
    document = as_json(gate_sample.passed())
    break_it(document)
    with pytest.raises(jsonschema.ValidationError, match=re.escape(said)):
        jsonschema.Draft202012Validator(SCHEMA).validate(document)


def test_what_is_infinite_or_not_a_number_becomes_null() -> None:
    nothing = judged(gate_sample.PAIRS, Outcome.INCONCLUSIVE, math.nan, -math.inf, math.inf, p_value=math.nan,
                     described={"hodges_lehmann_percent": math.nan, "lag": 0.25})  # fmt: skip
    first = as_json(replace(gate_sample.passed(), judged=(nothing,), wall_s=math.inf))["judged"][0]
    assert [first[name] for name in ("percent", "low_percent", "high_percent", "p_value")] == [None] * 4
    assert first["described"] == {"hodges_lehmann_percent": None, "lag": 0.25} and first["low_level"] == 0.0005


def test_the_levels_of_both_bounds_are_told() -> None:
    """The upper bounds' level, too, is shared by the looks; a confirmation and advice have all of it."""
    looks = (judged(gate_sample.PAIRS, Outcome.PASS, 0, 0, 0), judged(gate_sample.CPU, Outcome.PASS, 0, 0, 0, look=2))
    document = as_json(replace(gate_sample.regressed(), judged=looks))
    assert [one["high_level"] for one in document["judged"]] == pytest.approx([0.002, 0.008])
    assert [one["high_level"] for one in (*document["confirmed"], *document["advisory"])] == [0.01] * 3
    text = report_markdown.text(replace(gate_sample.regressed(), judged=looks))
    assert "one-sided upper bound with 99.2 % to 99.8 %" in text


def test_the_json_tells_of_every_block_that_was_vetoed() -> None:
    blocks = as_json(gate_sample.passed())["blocks"]
    assert blocks["first"] == {
        "attempts": 6, "vetoed": 1, "evidence": [{"block": 5, "attempt": 1, "reasons": [STEAL]}],
        "sentinels": {"spin_ns": 1000.0, "round_trip_ns": 80.0},
    }  # fmt: skip
    assert blocks["confirm"] == {"attempts": 0, "vetoed": 0, "evidence": [],
                                 "sentinels": {"spin_ns": None, "round_trip_ns": None}}  # fmt: skip


def test_what_was_suspected_is_told_from_what_it_came_to() -> None:
    found = as_json(gate_sample.regressed())["judged"]
    assert [one["outcome"] for one in found] == ["regression", "regression", "pass"]
    assert [one["final"] for one in found] == ["regression", "pass", "pass"]


@every_report
def test_no_file_names_a_folder_outside_of_the_checkout(make: Maker) -> None:
    plugin = Path("/elsewhere/old/my_queue.so")
    report = replace(make(), base=arm("BASE", given=str(plugin), plugin=plugin, commit=None))
    written = [json.dumps(report_json.document(report)), report_junit.text(report), report_markdown.text(report),
               report_markdown.text_plain(report)]  # fmt: skip
    assert all("elsewhere" not in text for text in written)
    assert "my_queue.so" in written[0]
    assert "only the last name is told" in written[2] and "only the last name" not in report_markdown.text(make())


# JUnit


def cases(report: Report) -> dict[str, str]:
    """Each test case with the kind of what is in it."""
    root = ElementTree.fromstring(report_junit.text(report))
    suite = root[0]
    found = suite.findall("testcase")
    kinds = [case[0].tag for case in found]
    names = [f"{case.get('classname')}.{case.get('name')}" for case in found]
    assert all(len(case) == 1 for case in found) and len(set(names)) == len(names)
    assert suite.get("tests") == str(len(found))
    for kind, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert suite.get(count) == str(kinds.count(kind))
    return dict(zip([name.removeprefix("readyq.gate.") for name in names], kinds, strict=True))


def test_each_gated_test_is_a_test_case() -> None:
    passes = "system-out"
    every = {"pairs.throughput": passes, "one-to-one.throughput": passes, "pool.cpu": passes}
    assert cases(gate_sample.passed()) == every
    assert cases(gate_sample.regressed()) == every | {"pairs.throughput": "failure"}
    assert cases(gate_sample.undecided()) == {"pairs.throughput": "skipped", "pool.cpu": passes}
    assert cases(gate_sample.invalid()) == {"gate": "error"}
    assert cases(gate_sample.identical()) == {"gate": passes}


def test_an_invalid_environment_lets_no_test_pass() -> None:
    found = cases(replace(gate_sample.passed(), outcome=Outcome.INVALID))
    assert len(found) == 3 and set(found.values()) == {"error"}


def test_a_gate_that_failed_without_a_test_that_did_shows_that() -> None:
    found = cases(replace(gate_sample.passed(), outcome=Outcome.REGRESSION, reason="exact counts rose"))
    assert found.pop("gate") == "failure" and set(found.values()) == {"system-out"} and len(found) == 3


@pytest.mark.parametrize(("again", "kind"), [
    (Outcome.REGRESSION, "failure"), (Outcome.PASS, "system-out"), (Outcome.INCONCLUSIVE, "skipped"),
])  # fmt: skip
def test_only_what_is_seen_twice_fails(again: Outcome, kind: str) -> None:
    report = gate_sample.regressed()
    confirmed = (judged(gate_sample.PAIRS, again, 3.0, 1.0, 5.0), report.confirmed[1])
    outcome = Outcome.REGRESSION if again is Outcome.REGRESSION else again
    assert cases(replace(report, outcome=outcome, confirmed=confirmed))["pairs.throughput"] == kind


def test_a_failure_says_what_was_found() -> None:
    root = ElementTree.fromstring(report_junit.text(gate_sample.regressed()))
    (failure,) = root.iter("failure")
    assert failure.get("message") == ("regression, confirmed: slower by +6.30 % in the median of 40 pairs, at least "
                                      "+4.40 % (99.95 %), at most +8.10 % (99.8 %)")  # fmt: skip


def test_what_xml_cannot_carry_does_not_break_it() -> None:
    report = replace(gate_sample.invalid(), reason='a "<&>\x00\x1b' + "\ufffe", machine="\x07")
    root = ElementTree.fromstring(report_junit.text(report))
    assert next(root.iter("error")).get("message") == 'INVALID: a "<&>???.'


# Markdown and plain text


def tables(markdown: str) -> list[list[list[str]]]:
    """The tables of a document, as cells."""
    found: list[list[list[str]]] = [[]]
    for line in markdown.splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


@every_report
def test_the_verdict_comes_first_in_one_sentence(make: Maker) -> None:
    report = make()
    markdown, plain = report_markdown.text(report), report_markdown.text_plain(report)
    sentence = f"{str(report.outcome).upper()}: {report.reason}."
    assert re.sub(r"\\(.)", r"\1", markdown.splitlines()[0]) == f"**{sentence}**"
    assert plain.startswith(sentence)
    assert all(len({len(row) for row in table}) == 1 for table in tables(markdown))
    assert not markdown.endswith("\n\n") and not any(line.endswith(" ") for line in plain.splitlines())


def test_the_table_has_the_numbers_of_each_test() -> None:
    gated, confirmed, counts, advisory, arms = tables(report_markdown.text(gate_sample.regressed()))
    assert gated[0] == ["test", "slowdown", "at least", "at most", "pairs", "can detect", "verdict"]
    assert gated[1] == ["---", "---:", "---:", "---:", "---:", "---:", "---"]
    assert gated[2] == ["pairs/throughput", "+6.30 %", "+4.40 %", "+8.10 %", "40", "+3.50 %", "regression, confirmed"]
    assert gated[3][-1] == "pass: suspected, but not seen again"
    assert confirmed[2] == ["pairs/throughput", "+5.90 %", "+3.80 %", "+7.70 %", "40", "+3.50 %", "regression"]
    assert counts[2] == ["pairs erts\\_mpsc: instructions an operation", "57", "61", "+7.02 %"]
    assert counts[1] == ["---", "---:", "---:", "---:"]
    assert counts[3][1:4] == ["-", "0", "unknown"] and len(counts) == 4, "equal ones are left to gate.json"
    assert advisory[2][1:4] == ["+7.50 %", "none", "+160.00 %"]
    assert [row[2] for row in arms[2:]] == ["b" * 12, "a" * 12]


def test_the_levels_of_the_bounds_are_said() -> None:
    text = report_markdown.text_plain(gate_sample.passed()).replace("\n  ", " ")
    assert "the confidence that Holm left for the test (99.8 % to 99.95 %)" in text
    assert "one-sided upper bound with 99.8 %." in text and "with 95 % power" in text


@pytest.mark.parametrize("render", [report_markdown.text, report_markdown.text_plain])
def test_both_say_what_was_vetoed_what_was_noted_and_how_to_do_it_again(render: Callable[[Report], str]) -> None:
    text = re.sub(r"\s+", " ", render(gate_sample.passed()).replace("\\", ""))
    assert "Blocks of the first look: 6, 1 vetoed, 16.7 %." in text
    assert f"1 block: {STEAL}." in text
    assert "planned for 10 min: 40 pairs" in text and "pool/p99: few pairs" in text
    assert "scripts/gate bbbbbbbbbbbb aaaaaaaaaaaa --seed 42" in text
    assert "Machine: made-up-2cpu. Began 2026-01-02T03:04:05Z, took 6 min 12 s." in text
    assert "All 2 are equal in both." in text
    assert "Frozen sentinels, medians: spin of one thread 1,000 ns, round trip of a cache line 80 ns." in text


def test_reasons_that_differ_in_their_numbers_only_are_one_kind() -> None:
    said = [("the spin took +12 % longer", "load"), ("the spin took -9.5 % longer",), ("load",), ("the spin took 3 ms",)]
    blocks = [gate_sample.block(Phase.FIRST, 1, evidence=reasons) for reasons in said]
    assert report_words.evidence(blocks) == [("the spin took +12 % longer", 2), ("load", 2), ("the spin took 3 ms", 1)]


def test_the_sentinels_of_vetoed_blocks_say_nothing_of_the_others() -> None:
    spoilt = gate_sample.blocks()[-2]
    assert report_words.sentinels([spoilt, gate_sample.block(Phase.FIRST, 1), spoilt]) == {
        "spin_ns": 1000.0, "round_trip_ns": 80.0,
    }  # fmt: skip


def test_words_of_others_cannot_break_the_markdown() -> None:
    report = replace(gate_sample.passed(), notes=("a | b\n# c <script> `d`",), head=arm("HEAD", given="feature/a|b*"))
    text = report_markdown.text(report)
    assert "a \\| b # c &lt;script&gt; \\`d\\`" in text
    assert all(len({len(row) for row in table}) == 1 for table in tables(text))


def test_equal_counts_and_advice_are_folded_and_differing_counts_are_not() -> None:
    folded = re.findall(r"<summary>(.*?)</summary>", report_markdown.text(gate_sample.passed()))
    assert folded == ["Exact counts", "Advisory tests"]
    assert re.findall(r"<summary>(.*?)</summary>", report_markdown.text(gate_sample.regressed())) == ["Advisory tests"]


def test_a_count_that_was_0_rises_from_0_and_by_no_per_cent() -> None:
    counts = (Count("a", 0.0, 2.0), Count("b", 2.0, 0.0), Count("c", None, 1.0))
    text = report_markdown.text(replace(gate_sample.passed(), counts=counts))
    changes = {row.split("|")[1].strip(): row for row in text.splitlines() if row.startswith(("| a ", "| b ", "| c "))}
    assert "from 0" in changes["a"] and "-100" in changes["b"].replace("\u2212", "-") and "unknown" in changes["c"]


def test_the_command_has_what_was_compared_and_unusual_thresholds() -> None:
    usual = gate_sample.passed()
    other = replace(usual, thresholds=Thresholds(pass_percent=4.5, first_pairs=60), seed=7)
    assert report_words.command(other) == (
        "scripts/gate bbbbbbbbbbbb aaaaaaaaaaaa --pass-percent 4.5 --first-pairs 60 --seed 7"
    )
    queues = replace(usual, base=arm("BASE", given="old/q.so", plugin=Path("old/q.so")),
                     head=arm("HEAD", given="new/my q.so", plugin=Path("new/my q.so")))  # fmt: skip
    assert report_words.command(queues) == "scripts/gate --queue old/q.so --queue 'new/my q.so' --seed 42"
    binaries = replace(usual, head=arm("HEAD", given="new/readyq", tree=None))
    assert report_words.command(binaries) == "scripts/gate bbbbbbbbbbbb new/readyq --seed 42"


# The figure


@pytest.fixture
def canvases(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are drawn, before they are written."""
    kept: list[Any] = []
    save = report_figure.frame.Canvas.save

    def keep(canvas: Any, *words: Any) -> Any:
        kept.append(canvas)
        return save(canvas, *words)

    monkeypatch.setattr(report_figure.frame.Canvas, "save", keep)
    return kept


def drawn(report: Report, folder: Path, canvases: list[Any]) -> Any:
    report_figure.write(report, folder, ("svg",))
    return canvases[-1].axes[0][0]


def verticals(axes: Any) -> list[float]:
    """Where lines go from top to bottom."""
    return sorted(line.get_xdata()[0] for line in axes.lines
                  if list(line.get_ydata()) == [0, 1] and line.get_xdata()[0] == line.get_xdata()[1])  # fmt: skip


def bars(axes: Any) -> list[tuple[float, float]]:
    """The ends of the intervals, from top to bottom."""
    found = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_ydata()[0] == line.get_ydata()[1]]
    return [tuple(line.get_xdata()) for line in found]


def test_the_margins_are_where_the_thresholds_are(tmp_path: Path, canvases: list[Any]) -> None:
    assert verticals(drawn(gate_sample.passed(), tmp_path, canvases)) == [0, 2, 5]
    other = replace(gate_sample.passed(), thresholds=Thresholds(regression_percent=3, pass_percent=7))
    assert verticals(drawn(other, tmp_path, canvases)) == [0, 3, 7]


def test_a_bar_goes_from_bound_to_bound_and_is_cut_where_there_is_none(tmp_path: Path, canvases: list[Any]) -> None:
    axes = drawn(gate_sample.passed(), tmp_path, canvases)
    left, right = axes.get_xlim()
    assert bars(axes) == [(-0.4, 1.21), (-3.25, 2.0), (-0.5, 0.5), (left, right)] and right < 9
    arrows = {line.get_marker(): line.get_xdata()[0] for line in axes.lines if line.get_marker() in ("<", ">")}
    assert arrows == {"<": left, ">": right}
    caps = [part for part in axes.collections if isinstance(part, matplotlib.collections.LineCollection)]
    assert len(caps) == 6


def test_what_is_far_out_does_not_squeeze_what_decides(tmp_path: Path, canvases: list[Any]) -> None:
    far = (judged(P99, Outcome.INCONCLUSIVE, 900.0, 300.0, 4000.0),)
    axes = drawn(replace(gate_sample.passed(), advisory=far), tmp_path, canvases)
    left, right = axes.get_xlim()
    assert right < 20 and bars(axes)[-1] == (right, right)
    medians = [line for line in axes.lines if line.get_marker() in "oX^sd" and line.get_xdata()[0] > right]
    assert medians == [] and "+900.00 %, 40 pairs: advisory: inconclusive" in axes.texts[-1].get_text()


def test_tests_stand_in_order_with_confirmations_beside_and_advice_grey_below(
    tmp_path: Path, canvases: list[Any]
) -> None:
    rows = report_figure.rows(gate_sample.regressed())
    assert [row.name for row in rows] == ["pairs/throughput", "", "one-to-one/throughput", "", "pool/cpu", "pool/p99"]
    assert rows[1].y - rows[0].y < 0.5 < rows[2].y - rows[1].y
    assert rows[-1].look is report_figure.ADVISORY and rows[0].look is report_figure.LOOKS[Outcome.REGRESSION]
    assert rows[2].look is report_figure.LOOKS[Outcome.PASS]  # as it came to
    axes = drawn(gate_sample.regressed(), tmp_path, canvases)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [row.name for row in rows if row.name]
    said = " ".join(text.get_text() for text in axes.texts)
    assert "+6.30 %, 40 pairs: regression, confirmed" in said
    assert "+5.90 %, 40 pairs: measured again: regression" in said


def test_the_footer_says_what_the_bars_are(tmp_path: Path, canvases: list[Any]) -> None:
    drawn(gate_sample.passed(), tmp_path, canvases)
    footer = " ".join(canvases[-1].layout.footer.lines)
    assert "one-sided lower bound" in footer and "(99.8 % to 99.95 %)" in footer and "upper bound with 99.8 %;" in footer
    assert "main (bbbbbbbbbbbb)" in footer and "seed 42" in footer


def test_what_has_no_median_is_drawn_without_one(tmp_path: Path, canvases: list[Any]) -> None:
    nothing = judged(gate_sample.PAIRS, Outcome.INCONCLUSIVE, math.nan, -math.inf, math.inf, pairs=0)
    axes = drawn(replace(gate_sample.undecided(), judged=(nothing,), advisory=()), tmp_path, canvases)
    assert bars(axes) == [] and axes.texts[-1].get_text() == "not measured"


def test_where_nothing_was_judged_nothing_is_drawn(tmp_path: Path) -> None:
    assert report_figure.write(gate_sample.invalid(), tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_same_report_gives_the_same_files(tmp_path: Path) -> None:
    paths = report_figure.write(gate_sample.regressed(), tmp_path)
    first = [path.read_bytes() for path in paths]
    assert [path.name for path in paths] == ["forest.svg", "forest.png"] and first[0].startswith(b"<?xml")
    assert [path.read_bytes() for path in report_figure.write(gate_sample.regressed(), tmp_path)] == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["forest.png", "forest.svg"]


# All of them


def test_a_check_writes_all_of_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    reports.write_all(gate_sample.passed(), folder, gate_sample.TESTS)
    names = ["forest.png", "forest.svg", "gate.json", "junit.xml", "pairs.csv", "report.md"]
    assert sorted(path.name for path in folder.iterdir()) == names


def test_a_file_that_cannot_be_written_costs_none_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").mkdir()
    with pytest.raises(Refused, match=rf"^cannot write {tmp_path}/junit.xml: Is a directory$"):
        reports.write_all(gate_sample.passed(), tmp_path, gate_sample.TESTS)
    written = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert written == {"forest.png", "forest.svg", "gate.json", "pairs.csv", "report.md"}
    with pytest.raises(Refused, match="^cannot make the folder"):
        reports.write_all(gate_sample.passed(), tmp_path / "gate.json" / "x", gate_sample.TESTS)
