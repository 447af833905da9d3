# SPDX-License-Identifier: Apache-2.0
"""Typing commands of the program, and reading what it answers."""

import json
import subprocess
from pathlib import Path
from typing import Any

KINDS = ["queues", "workloads", "pools"]

Finished = subprocess.CompletedProcess[str]
Plugins = dict[str, list[dict[str, Any]]]


def ask(program: Path, *words: object, **settings: Any) -> Finished:
    """The program with these words, until it ends."""
    typed = [str(program), *map(str, words)]
    finished: Finished = subprocess.run(typed, capture_output=True, text=True, timeout=60, check=False, **settings)
    return finished


def answer(program: Path, *words: object, **settings: Any) -> str:
    """What it prints, when it must succeed without a word on standard error."""
    finished = ask(program, *words, **settings)
    assert (finished.returncode, finished.stderr) == (0, ""), finished
    return finished.stdout


def refusal(program: Path, *words: object, lacks: str | None = None, **settings: Any) -> str:
    """Its one sentence, when it must refuse; nothing else may be printed.

    But a dry run that is refused for what the pool lacks says that, for scripts, on standard output.
    """
    finished = ask(program, *words, **settings)
    assert finished.returncode == 2, finished
    assert finished.stdout == ("" if lacks is None else json.dumps({"lacks": lacks}) + "\n"), finished
    lines = finished.stderr.splitlines()
    assert lines[0].startswith("readyq"), finished.stderr
    assert len(lines) == 1 or lines[1].startswith("Try `readyq"), finished.stderr
    return lines[0].partition(": ")[2]


def record_of(text: str) -> dict[str, Any]:
    """The one line of JSON on standard output."""
    assert text.endswith("\n") and text.count("\n") == 1, text
    record = json.loads(text)
    assert isinstance(record, dict), text
    return record


def real_queue(known: Plugins) -> str:
    """A queue that is one, and takes parameters."""
    return next(
        str(queue["name"])
        for queue in known["queues"]
        if queue["built"] and not queue["alias_of"] and not queue["traits"]["baseline"] and queue["params"]
    )
