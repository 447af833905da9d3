# SPDX-License-Identifier: Apache-2.0
"""report.md, to be put below a pull request; and the same in plain text for a terminal."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

from benchlib.files import write_whole
from benchlib.gate import report_content, report_words
from benchlib.gate.model import Report
from benchlib.gate.report_content import Section, Table

NAME = "report.md"
PLAIN_WIDTH = 110
ESCAPED = str.maketrans({"\\": "\\\\", "|": "\\|", "<": "&lt;", ">": "&gt;", "*": "\\*", "`": "\\`", "_": "\\_",
                         "[": "\\[", "]": "\\]", "\n": " ", "\r": " "})  # fmt: skip


def write(report: Report, folder: Path) -> Path:
    """Writes the file and returns its path."""
    path = folder / NAME
    write_whole(path, text(report))
    return path


def text(report: Report) -> str:
    """The report as Markdown: the verdict first, in one sentence."""
    arms = f"{_escaped(report_words.name(report.head))} against {_escaped(report_words.name(report.base))}"
    blocks = [f"**{_escaped(report_words.in_a_sentence(report))}**", f"Regression gate of readyq: {arms}."]
    for section in report_content.sections(report):
        blocks += _folded(section) if section.folded else [f"### {section.title}", *_body(section)]
    return "\n\n".join(blocks) + "\n"


def _escaped(words: str) -> str:
    return words.translate(ESCAPED)


def _body(section: Section) -> Iterator[str]:
    if section.command:
        yield f"```sh\n{section.command}\n```"
    if section.table:
        yield _table(section.table)
    if section.table or len(section.lines) == 1:
        yield from map(_escaped, section.lines)
    elif section.lines:
        yield "\n".join(f"- {_escaped(line)}" for line in section.lines)


def _folded(section: Section) -> list[str]:
    return [f"<details><summary>{section.title}</summary>", *_body(section), "</details>"]


def _table(table: Table) -> str:
    """Numbers to the right, below their heading; names and words to the left."""
    rule = ["---:" if column in table.numbers else "---" for column in table.header]
    rows = [[_escaped(cell) for cell in row] for row in (table.header, *table.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:]))


def text_plain(report: Report) -> str:
    """The report for a terminal; a table that has no news is left out."""
    lines = textwrap.wrap(report_words.in_a_sentence(report), PLAIN_WIDTH)
    for section in report_content.sections(report):
        lines += ["", section.title, *_plain_body(section)]
    return "\n".join(lines)


def _plain_body(section: Section) -> Iterator[str]:
    if section.table and not section.spare:
        yield from _plain_table(section.table)
    for line in section.lines:
        yield from textwrap.wrap(line, PLAIN_WIDTH, initial_indent="  ", subsequent_indent="  ")
    if section.command:
        yield f"  {section.command}"


def _plain_table(table: Table) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]
    for row in (table.header, *table.rows):
        cells = [cell.rjust(width) if column in table.numbers else cell.ljust(width)
                 for column, cell, width in zip(table.header, row, widths, strict=True)]  # fmt: skip
        yield "  " + "  ".join(cells).rstrip()
