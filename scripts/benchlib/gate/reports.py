# SPDX-License-Identifier: Apache-2.0
"""All files of a check, each whole or not there. What cannot be written keeps none of the others from being."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchlib import matplotlib_folder
from benchlib.errors import Refused, os_reason
from benchlib.gate import pairs_file, report_json, report_junit, report_markdown
from benchlib.gate.model import Report, Test

PAIRS = "pairs.csv"


def write_all(report: Report, folder: Path, tests: Sequence[Test]) -> None:
    """Writes gate.json, junit.xml, report.md, pairs.csv and forest.svg; refuses at the end if one could not be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"cannot make the folder {folder}: {os_reason(error)}") from error
    writers: list[Callable[[], object]] = [
        lambda: pairs_file.write(folder / PAIRS, tests, report.blocks),
        lambda: report_json.write(report, folder),
        lambda: report_junit.write(report, folder),
        lambda: report_markdown.write(report, folder),
        lambda: _draw(report, folder),
    ]
    refusals = []
    for write in writers:
        try:
            write()
        except Refused as refusal:
            refusals.append(refusal)
    if refusals:
        raise refusals[0]


def _draw(report: Report, folder: Path) -> None:
    """Matplotlib takes a second to load, which what is refused at once should not wait for; a check does without."""
    matplotlib_folder.settle()
    try:
        from benchlib.gate import report_figure
    except ImportError as error:
        print(f"gate: no figure is drawn, as {error.name} is not installed", file=sys.stderr)
        return
    report_figure.write(report, folder)
