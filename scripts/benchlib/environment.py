# SPDX-License-Identifier: Apache-2.0
"""What the machine did to the runs: the verdict that each run's record carries (core/run/environment_verdict.h)."""

from collections import Counter

import pandas

VALID, SUSPECT, INVALID = "valid", "suspect", "invalid"
VERDICTS = (VALID, SUSPECT, INVALID)
COLUMN, REASONS = "environment_verdict", "environment_reasons"


def count(runs: pandas.DataFrame) -> dict[str, int]:
    """How many runs have each verdict. Runs without one (an older schema, or nothing measured) are not counted."""
    known = runs[COLUMN].dropna() if COLUMN in runs.columns else pandas.Series(dtype=object)
    return {verdict: int((known == verdict).sum()) for verdict in VERDICTS}


def note(runs: pandas.DataFrame) -> str:
    """A few words for a figure or a table: '12 of 40 runs suspect, 3 invalid'; nothing where all are valid."""
    counts = count(runs)
    said = [f"{counts[verdict]} {verdict}" for verdict in (SUSPECT, INVALID) if counts[verdict]]
    if not said:
        return ""
    total = sum(counts.values())
    first, *others = said
    number, verdict = first.split()
    return ", ".join([f"{number} of {total} runs {verdict}", *others])


def commonest_reasons(runs: pandas.DataFrame, most: int = 3) -> list[tuple[str, int]]:
    """The reasons that most runs share, without their numbers, and how many runs give each."""
    if REASONS not in runs.columns:
        return []
    counts: Counter[str] = Counter()
    for reasons in runs[REASONS].dropna():
        counts.update({_without_numbers(reason) for reason in str(reasons).split("; ")})
    return counts.most_common(most)


def _without_numbers(reason: str) -> str:
    """'the hypervisor kept back 3.00 % of ...' with its number replaced by N."""
    return " ".join("N" if word.replace(".", "", 1).isdigit() else word for word in reason.split())
