# SPDX-License-Identifier: Apache-2.0
"""junit.xml, which most CI systems show: a test case for each gated test.

A regression is a failure, what is inconclusive counts as skipped, and an invalid environment is an error. Where that
would not show the gate's own verdict (nothing was measured, or exact counts failed it), a test case `gate` does.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from benchlib.files import write_whole
from benchlib.gate import report_words
from benchlib.gate.model import Judged, Outcome, Report

NAME = "junit.xml"
SUITE = "readyq.gate"
ELEMENTS = {Outcome.REGRESSION: "failure", Outcome.INCONCLUSIVE: "skipped", Outcome.INVALID: "error"}
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML cannot carry these at all


@dataclass(frozen=True)
class _Case:
    """A test case in the making."""

    suite: str
    name: str
    outcome: Outcome
    said: str


def write(report: Report, folder: Path) -> Path:
    """Writes the file and returns its path."""
    path = folder / NAME
    write_whole(path, text(report))
    return path


def text(report: Report) -> str:
    """What the file holds."""
    cases = list(_cases(report))
    kinds = [ELEMENTS.get(case.outcome) for case in cases]
    suite = ElementTree.Element("testsuite", {
        "name": SUITE, "tests": str(len(cases)), "failures": str(kinds.count("failure")),
        "errors": str(kinds.count("error")), "skipped": str(kinds.count("skipped")),
        "time": f"{report.wall_s:.3f}", "timestamp": report.started,
    })  # fmt: skip
    _add_properties(suite, report)
    for case in cases:
        _add_case(suite, case)
    whole = ElementTree.Element("testsuites")
    whole.append(suite)
    ElementTree.indent(whole)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(whole, encoding="unicode") + "\n"


def _cases(report: Report) -> Iterator[_Case]:
    shown = set()
    for one in report.judged:
        outcome, words = report_words.verdict(report, one)
        shown.add(outcome)
        yield _Case(f"{SUITE}.{one.test.cell}", one.test.metric.label, outcome, _sentence(report, one, words))
    if report.outcome not in shown:
        yield _Case(SUITE, "gate", report.outcome, report_words.in_a_sentence(report))


def _sentence(report: Report, one: Judged, words: str) -> str:
    if report.outcome is Outcome.INVALID:
        return report_words.in_a_sentence(report)
    bounds = (f"at least {report_words.percent(one.low_percent)} ({report_words.confidence(one.level)}), at most "
              f"{report_words.percent(one.high_percent)} ({report_words.confidence(report_words.high_level(report, one))})")
    return f"{words}: slower by {report_words.percent(one.percent)} in the median of {one.pairs} pairs, {bounds}"


def _add_properties(suite: ElementTree.Element, report: Report) -> None:
    properties = ElementTree.SubElement(suite, "properties")
    known = {
        "outcome": str(report.outcome), "reason": report.reason, "base": report_words.name(report.base),
        "head": report_words.name(report.head), "machine": report.machine, "seed": str(report.seed),
    }  # fmt: skip
    for name, value in known.items():
        ElementTree.SubElement(properties, "property", name=name, value=_allowed(value))


def _add_case(suite: ElementTree.Element, case: _Case) -> None:
    element = ElementTree.SubElement(suite, "testcase", classname=_allowed(case.suite), name=_allowed(case.name))
    kind = ELEMENTS.get(case.outcome)
    if kind is None:
        ElementTree.SubElement(element, "system-out").text = _allowed(case.said)
        return
    about = {"message": _allowed(case.said)} | ({} if kind == "skipped" else {"type": str(case.outcome)})
    ElementTree.SubElement(element, kind, about)


def _allowed(words: str) -> str:
    return FORBIDDEN.sub("?", words)
