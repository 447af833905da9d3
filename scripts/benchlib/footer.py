# SPDX-License-Identifier: Apache-2.0
"""What stands below every figure: n, what the band means, what failed, and where the numbers are from."""

import pandas

from benchlib import environment, modes, regimes, series, stats, style
from benchlib.series import LINE, THREADS

FAILURES_LISTED = 4
REASONS_LISTED = 2  # of environments in doubt
SCOPES = {"full": "in full", "sampled": "sampled"}  # of a history that was judged


def lines(
    runs: pandas.DataFrame, points: pandas.DataFrame, kept: list[str], along: str = "threads"
) -> list[str]:
    """The footer of a figure of medians. `runs` are all that belong in it, failed ones too; `kept` made its panels;
    `along` is what its axis has."""
    crosses = ["A cross on the axis: every run of that point failed."] if (points["n"] == 0).any() else []
    n = span(points.loc[points["n"] > 0, "n"])
    about = f"n = {n} runs a point, each a process of its own and a dot. Marker: median. {band(points)}"
    said = [*promises(runs), *_variation(runs, points, kept, along), *modes.of_runs(runs), *checks(runs), *around(runs)]
    return [about, *said, *crosses, provenance(runs)]


def span(counts: pandas.Series) -> str:
    """`5`, or `3 to 5`."""
    if counts.empty:
        return "0"
    return f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"


def band(points: pandas.DataFrame) -> str:
    """What the band means, and where there is none."""
    needed = f"an interval needs {stats.runs_needed()} runs"
    without = points.loc[points["n"] > 0, "low"].isna()
    if without.all():
        return f"No band: {needed}."
    few = f" None where runs are too few: {needed}." if without.any() else ""
    return f"Band or bar: 95 % interval of the median, exact, from order statistics of independent runs.{few}"


def _variation(runs: pandas.DataFrame, points: pandas.DataFrame, kept: list[str], along: str) -> list[str]:
    """What differs between the points of one line, or inside a point, must not go unsaid."""
    drift = series.drifting(runs, kept)
    said = [f"Besides {along}, there varies along a line: {', '.join(drift)}."] if drift else []
    mixed = {warning for warnings in points["warnings"] for warning in warnings if warning.startswith("mixes")}
    return said + [f"A point {warning}." for warning in sorted(mixed)]


def promises(runs: pandas.DataFrame) -> list[str]:
    """Queues that promise different things are marked wherever they stand side by side."""
    if series.promises_unknown(runs):
        return ["What the queues promise is not known: the result has no manifest that says it."]
    unlike = len(series.promises(runs)) > 1
    return ["In brackets: what each queue promises. Unlike ones are shown together, not ranked."] if unlike else []


def failures(runs: pandas.DataFrame) -> list[str]:
    """Failed runs are in no median; they are counted, and what was wrong is said in words."""
    failed = runs[runs["status"] != "ok"]
    if failed.empty:
        return []
    words = []
    for (line, reason), threads in failed[THREADS].groupby([failed[LINE], series.reasons(failed)]):
        words.append(f"{line} {reason} at {', '.join(map(str, sorted(set(threads))))} threads")
    rest = len(words) - FAILURES_LISTED
    listed = "; ".join(words[:FAILURES_LISTED]) + (f"; and {rest} more" if rest > 0 else "")
    return [f"{len(failed)} of {len(runs)} runs failed and stand in no median: {listed}."]


def checks(runs: pandas.DataFrame) -> list[str]:
    """What the checks found; and how far they went, where that is further than the workload's own."""
    judged = histories(runs)
    return [*failures(runs), *([f"Histories judged: {judged}, of {len(runs)} runs."] if judged else [])]


def around(runs: pandas.DataFrame) -> list[str]:
    """What the machine did to the runs, where it did something: environments in doubt, regimes of the sentinel."""
    said = []
    note = environment.note(runs)
    if note:
        reasons = "; ".join(reason for reason, _ in environment.commonest_reasons(runs, REASONS_LISTED))
        said.append(f"Environment: {note}. The commonest reasons, N being a number: {reasons}.")
    found = regimes.find(runs)
    if len(found) > 1:
        spans = " and ".join(f"{style.nanoseconds(one.low)} to {style.nanoseconds(one.high)}" for one in found)
        said.append(f"The machine was in {len(found)} regimes meanwhile: a cache line's round trip took {spans}.")
    return said


def histories(runs: pandas.DataFrame) -> str:
    """`12 in full, 6 sampled`; nothing where none was judged, as in all results of older versions."""
    counts = runs["history_scope"].value_counts()
    return ", ".join(f"{counts[scope]} {words}" for scope, words in SCOPES.items() if scope in counts)


def provenance(runs: pandas.DataFrame) -> str:
    """Machine, CPUs, commit, build and plan of the runs; where there are several, all of them."""
    cpus = sorted({f"{count:.0f}" for count in runs["cpus_allowed"].dropna()})
    build = ", ".join(text for text in (_all(runs, "build"), _all(runs, "compiler")) if text)
    plan = _all(runs, "plan_hash")
    return " \u00b7 ".join([
        f"machine {_all(runs, 'machine') or 'unknown'}",
        f"{'/'.join(cpus) or '?'} CPUs",
        f"commit {_all(runs, 'commit') or 'unknown'}",
        *([build] if build else []),
        f"plan {plan}" if plan else "no plan",
    ])


def _all(runs: pandas.DataFrame, column: str) -> str:
    return " and ".join(sorted(runs[column].dropna().unique()))
