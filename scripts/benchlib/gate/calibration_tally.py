# SPDX-License-Identifier: Apache-2.0
"""What the streams of a calibration say: counted again from their blocks, with exact bounds.

All bounds are Clopper's and Pearson's, each by itself wrong in at most one case of twenty: 0 of 299 means at most 1 %,
59 of 59 at least 95 %. They assume that checks are independent, which consecutive ones of a machine are only nearly.
"""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchlib import stats
from benchlib.errors import Refused
from benchlib.gate import calibration_rows as rows
from benchlib.gate.calibration_cut import Whole
from benchlib.gate.calibration_kinds import KINDS
from benchlib.gate.calibration_size import LEVEL_POINTS, achieved
from benchlib.gate.calibration_stream import META, PILOT, read_meta, recut, tests_of
from benchlib.gate.model import Judged, Outcome

BOUND = 0.05
FALSE_ALARMS, CAUGHT, INCONCLUSIVE, LONGEST_S = 0.01, 0.95, 0.05, 600.0  # the targets
CAUGHT_LEVEL = 5.0
MOST_TRIALS = 100_000
Tally = dict[str, Any]


def tallies(folder: Path) -> list[Tally]:
    """One a stream with a plan, in the order of the kinds, by level and machine. A machine may have its own folder."""
    found = sorted([*folder.glob(f"*/{META}"), *folder.glob(f"*/*/{META}")])
    streams = [(path.parent, read_meta(path.parent)) for path in found]
    ready = [(place, meta) for place, meta in streams if "first_pairs" in meta]
    if not ready:
        raise Refused(f"{folder} holds no stream of a calibration yet; measure one with --kind first")
    order = list(KINDS)
    ready.sort(key=lambda one: (order.index(one[1]["kind"]), one[1]["level"] or 0.0, one[1]["machine"]))
    return [{"folder": place.relative_to(folder).as_posix()} | tally(place, meta) for place, meta in ready]


def tally(folder: Path, meta: dict[str, Any]) -> Tally:
    """Of one stream."""
    entries = rows.read(folder)
    checks = recut(meta, entries).finished
    measured = [entry.block for entry in entries if entry.check != PILOT]
    decided = [check for check in checks if check.outcome is not Outcome.INVALID]
    walls = [sum(block.wall_s for block in measured[check.began : check.ended + 1]) for check in decided]
    pilot_s = sum(entry.block.wall_s for entry in entries if entry.check == PILOT)
    measured_s = sum(block.wall_s for block in measured)
    wall_s = pilot_s + measured_s + meta.get("sizing_s", 0.0)
    fired = sum(check.outcome is Outcome.REGRESSION for check in decided)
    undecided = sum(check.outcome is Outcome.INCONCLUSIVE for check in decided)
    tests = [test for test in tests_of(meta) if test.gated]
    return {
        "kind": meta["kind"],
        "level_percent": meta["level"],
        "machine": meta["machine"],
        "commit": meta["commit"],
        "thresholds": meta["thresholds"],
        "seed": meta["seed"],
        "first_pairs": meta["first_pairs"],
        "second_pairs": meta["second_pairs"],
        "injection": meta.get("injection", {}),
        "hours": round(wall_s / 3600, 3),
        "began": entries[0].block.started if entries else "",
        "ended": entries[-1].block.started if entries else "",
        "blocks": len(measured),
        "vetoed_blocks": sum(block.vetoed for block in measured),
        "checks": len(checks),
        "outcomes": {outcome.value: sum(check.outcome is outcome for check in checks) for outcome in Outcome},
        "suspected": sum(check.suspected for check in checks),
        "regressions": shared(fired, len(decided)),
        "inconclusive": shared(undecided, len(decided)),
        "check_s": _check_s(walls, pilot_s, measured_s) if walls else {},
        "achieved_percent": {test.name: achieved(measured, test).told() for test in tests},
        "fired": _fired([check.judged for check in decided]),
        "advisory_fired": _fired([check.advisory for check in decided]),
        "detectable_percent": _detectable(checks),
    }


def _check_s(walls: Sequence[float], pilot_s: float, measured_s: float) -> dict[str, float]:
    """How long a check that was decided took, a pilot like the stream's included; `each`: with those that were not."""
    median, longest = statistics.median(walls) + pilot_s, max(walls) + pilot_s
    each = measured_s / len(walls)
    return {"median": round(median, 1), "longest": round(longest, 1), "each": round(each, 1)}


def shared(hits: int, n: int) -> dict[str, Any]:
    """A share with its bounds."""
    found = stats.share(hits, n, BOUND)
    return {"hits": hits, "of": n, "low": _rounded(found.low, 5), "high": _rounded(found.high, 5)}


def _rounded(value: float, digits: int) -> float | None:
    return round(value, digits) if math.isfinite(value) else None


def _fired(checks: Sequence[Sequence[Judged]]) -> dict[str, dict[str, Any]]:
    """Of each test, in how many checks it was found slower before any confirmation."""
    names = dict.fromkeys(judged.test.name for check in checks for judged in check)
    hits = {name: [judged.outcome is Outcome.REGRESSION for check in checks for judged in check
                   if judged.test.name == name] for name in names}  # fmt: skip
    return {name: shared(sum(seen), len(seen)) for name, seen in hits.items()}


def _detectable(checks: Sequence[Whole]) -> dict[str, float | None]:
    """The median over the checks of what each could have detected with the pairs and the spread that it had."""
    found: dict[str, list[float]] = {}
    for check in checks:
        for judged in check.judged:
            found.setdefault(judged.test.name, []).append(judged.detectable_percent)
    return {name: _rounded(statistics.median(values), 2) for name, values in found.items()}


def trials_needed(hits: int, most: float) -> int:
    """The fewest trials of which so many hits say that the chance is at most that."""
    n = max(1, hits)
    while stats.at_most(hits, n, most) > BOUND and n < MOST_TRIALS:
        n += 1
    return n


def targets(found: Sequence[Tally]) -> list[dict[str, Any]]:
    """How far each target of the gate is: what it is, how it stands, whether it is met, how many checks it lacks."""
    wanted = []
    for one in found:
        share = one["regressions"]
        if KINDS[one["kind"]].is_alike:
            wanted.append(_target(one, "false alarms", share["hits"], share["of"], FALSE_ALARMS))
        elif one["kind"] == "power" and one["level_percent"] == CAUGHT_LEVEL:
            missed = _target(one, "missed", share["of"] - share["hits"], share["of"], 1 - CAUGHT)
            unfair = {"fair": False, "met": False, "checks_needed": 0, "hours_needed": 0}
            wanted.append(missed if _is_fair(one) else missed | unfair)
        if one["kind"] in ("same", "builds"):
            share = one["inconclusive"]
            wanted.append(_target(one, "inconclusive", share["hits"], share["of"], INCONCLUSIVE))
        if one["check_s"] and one["kind"] == "builds":
            longest = one["check_s"]["longest"]
            wanted.append(_entry(one, "seconds of the longest check", longest, LONGEST_S, longest <= LONGEST_S, 0))
    return wanted


def _is_fair(one: Tally) -> bool:
    """Whether no gated test is known to have become slower than was wanted: a check catches what any of them shows."""
    surely = [test.get("low", 0.0) for test in one["achieved_percent"].values()]
    return bool(max(surely, default=0.0) <= one["level_percent"] + LEVEL_POINTS)


def _target(one: Tally, what: str, hits: int, n: int, most: float) -> dict[str, Any]:
    high = stats.share(hits, n, BOUND).high
    lacks = max(0, trials_needed(hits, most) - n)
    return _entry(one, what, hits, most, lacks == 0, lacks) | {"of": n, "at_most": _rounded(high, 5)}


def _entry(one: Tally, what: str, value: float, wanted: float, met: bool, lacks: int) -> dict[str, Any]:
    return {
        "folder": one["folder"], "kind": one["kind"], "level_percent": one["level_percent"],
        "machine": one["machine"], "commit": one["commit"], "what": what, "fair": True, "value": value,
        "target": wanted, "met": met, "checks_needed": lacks,
        "hours_needed": _rounded(lacks * one["check_s"].get("each", math.nan) / 3600, 2) if lacks else 0,
    }  # fmt: skip
