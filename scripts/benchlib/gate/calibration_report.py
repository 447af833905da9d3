# SPDX-License-Identifier: Apache-2.0
"""What a calibration found: calibration.json, calibration.md and a figure of the power a machine, in its folder."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchlib import command, files, paths
from benchlib.gate import calibration_tally, source
from benchlib.gate.calibration_kinds import KINDS
from benchlib.gate.calibration_tally import Tally

SCHEMA_VERSION = 1
JSON, TEXT = "calibration.json", "calibration.md"
DEFAULT_FOLDER = paths.RESULTS / "calibration"
DEFAULT_HOURS = 1.0


def write(folder: Path) -> None:
    """Writes the files, and prints the text."""
    found = calibration_tally.tallies(folder)
    content = {
        "schema_version": SCHEMA_VERSION,
        "hours": round(sum(one["hours"] for one in found), 3),
        "streams": found,
        "targets": calibration_tally.targets(found),
    }
    files.write_whole(folder / JSON, json.dumps(content, indent=1, allow_nan=False) + "\n")
    told = text(content, folder)
    files.write_whole(folder / TEXT, told)
    _draw(found, folder)
    command.tell(told)


def _draw(found: Sequence[Tally], folder: Path) -> None:
    """The figure; figures need Matplotlib, which the gate itself does not."""
    try:
        from benchlib.gate import calibration_figure
    except ImportError as error:
        print(f"gate: no figure is drawn, as {error.name} is not installed", file=sys.stderr)
        return
    for machine in sorted({one["machine"] for one in found}):
        mine = [one for one in found if one["machine"] == machine]
        calibration_figure.draw(mine, folder, figure_name(machine))


def text(content: dict[str, Any], folder: Path) -> str:
    """All of it in Markdown."""
    found = content["streams"]
    alike = [one for one in found if KINDS[one["kind"]].is_alike]
    injected = [one for one in found if not KINDS[one["kind"]].is_alike]
    return "\n".join([
        "# Calibration of the regression gate",
        "",
        f"{content['hours']:.1f} hours of measuring, {sum(one['checks'] for one in found)} whole checks. Every bound "
        "is exact (Clopper and Pearson) and holds with 95 % by itself. The raw data are beside this file; "
        "`scripts/gate --calibrate --report` makes it from them.",
        "",
        *_alike(alike),
        *_injected(injected),
        *_detectable(found),
        *_targets(content["targets"], folder),
        *_streams(found),
        "",
    ])  # fmt: skip


def _table(heads: Sequence[str], lines: Iterable[Sequence[object]]) -> list[str]:
    return [_line(heads), _line(["---"] * len(heads)), *map(_line, lines), ""]


def _line(values: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, values))} |"


def _alike(found: Sequence[Tally]) -> list[str]:
    """Both arms equally fast: what fires is a false alarm."""
    if not found:
        return []
    lines = [
        (KINDS[one["kind"]].about, one["machine"], _hits(one["regressions"]),
         f"{_percent(one['regressions']['high'])} at most",
         one["suspected"], _hits(one["inconclusive"]), one["outcomes"]["invalid"], _duration(one))
        for one in found
    ]  # fmt: skip
    heads = ("arms", "machine", "false alarms", "their share", "suspected", "inconclusive", "invalid", "a check takes")
    said = (
        "Suspected: the looks found a regression, which the confirmation could still clear. How long a check takes is "
        "told of those that were decided, with a pilot, and without builds and counts."
    )
    return ["## False alarms", "", *_table(heads, lines), said, ""]


def _injected(found: Sequence[Tally]) -> list[str]:
    if not found:
        return []
    lines = [
        (one["kind"], one["machine"], f"{one['level_percent']:g} %", _achieved(one), _hits(one["regressions"]),
         f"{_percent(one['regressions']['low'])} at least", _fired(one), _hits(one["inconclusive"]),
         one["outcomes"]["invalid"])
        for one in found
    ]  # fmt: skip
    heads = ("what is injected", "machine", "wanted", "achieved", "caught", "their share", "by test, before confirming",
             "inconclusive", "invalid")  # fmt: skip
    explained = "Caught: some test became worse, and again in the confirmation; all are slowed down at once."
    said = [f"- {one['kind']}: {KINDS[one['kind']].about}" for one in {one["kind"]: one for one in found}.values()]
    advisory = [f"- {one['kind']} on {one['machine']}: {_advisory(one)}" for one in found if one["advisory_fired"]]
    machines = sorted({one["machine"] for one in found if one["kind"] == "power"})
    figures = [f"![power on {machine}]({figure_name(machine)}.svg)" for machine in machines]
    return ["## Power", "", *_table(heads, lines), explained, "", *said, *advisory, "", *figures, ""]


def _fired(one: Tally) -> str:
    """Of each gated test, in how many checks it was suspected."""
    return "; ".join(f"{name} {_hits(share)}" for name, share in one["fired"].items())


def figure_name(machine: str) -> str:
    """Of the figure of its power, without the suffix."""
    return f"power-{machine}"


def _advisory(one: Tally) -> str:
    """What the tests said that can fail no check."""
    shares = ", ".join(f"{name} in {_hits(share)}" for name, share in one["advisory_fired"].items())
    return f"advisory tests that fired: {shares}"


def _achieved(one: Tally) -> str:
    """Of each gated test."""
    return "; ".join(f"{name} {_between(found)}" for name, found in one["achieved_percent"].items())


def _between(found: dict[str, Any]) -> str:
    if found["percent"] is None:
        return "unknown"
    bounds = f" ({found['low']:+.1f} to {found['high']:+.1f})" if "low" in found and "high" in found else ""
    return f"{found['percent']:+.1f} %{bounds}"


def _detectable(found: Sequence[Tally]) -> list[str]:
    """Minimum detectable effects, by the spread that the checks had."""
    names = list(dict.fromkeys(name for one in found for name in one["detectable_percent"]))
    lines = [
        (_name(one), one["machine"], *(_points(one["detectable_percent"].get(name)) for name in names))
        for one in found
        if one["detectable_percent"]
    ]
    if not lines:
        return []
    said = "Median over the checks of the least slowdown that each could have caught with the power wanted."
    return ["## Minimum detectable effects", "", said, "", *_table(("stream", "machine", *names), lines)]


def _points(value: float | None) -> str:
    return "more than can be told" if value is None else f"{value:.1f} %"


def _targets(targets: Sequence[dict[str, Any]], folder: Path) -> list[str]:
    lines = []
    for one in targets:
        stands, target = f"{one['value']:g}", f"{one['target']:g} at most"
        if "of" in one:
            stands = f"{one['value']} of {one['of']}, {_percent(one['at_most'])} at most"
            target = f"{_percent(one['target'])} at most"
        lacks = one["checks_needed"]
        met = "yes" if one["met"] else f"{lacks} more checks without one" if lacks else "no"
        met = met if one["fair"] else "not judged: more was achieved than wanted"
        lines.append((_name(one), one["machine"], one["what"], target, stands, met, _further(one, folder)))
    heads = ("stream", "machine", "what", "target", "now", "met", "go on there with")
    return ["## How far each target is", "", *_table(heads, lines)]


def _further(one: dict[str, Any], folder: Path) -> str:
    """How to go on with a stream, where it can be gone on with."""
    if not one["checks_needed"]:
        return ""
    commit = one["commit"]
    if source.is_commit(commit, paths.ROOT) or Path(commit).exists():
        return f"`{_command(one, folder)}`"
    return f"it is over: its commit {commit[:12]} is not known here"


def _command(one: dict[str, Any], folder: Path) -> str:
    level = f" --level {one['level_percent']:g}" if one["kind"] == "power" else ""
    hours = max(0.1, one["hours_needed"] or DEFAULT_HOURS)
    place = (folder / one["folder"]).parent
    where = "" if place.resolve() == DEFAULT_FOLDER else f" --folder {paths.recorded(place)}"
    return f"scripts/gate --calibrate --kind {one['kind']}{level} --for {hours:.1f}h{where}"


def _streams(found: Sequence[Tally]) -> list[str]:
    lines = [
        (_name(one), one["machine"], one["commit"][:12], f"{one['hours']:.2f}", one["blocks"], one["vetoed_blocks"],
         one["checks"], f"{one['first_pairs']} + {one['second_pairs']}", one["seed"], one["began"], one["ended"])
        for one in found
    ]  # fmt: skip
    heads = ("stream", "machine", "commit", "hours", "blocks", "vetoed", "checks", "pairs a look", "seed", "began", "ended")
    return ["## Streams", "", *_table(heads, lines)]


def _name(one: dict[str, Any]) -> str:
    return f"{one['kind']} {one['level_percent']:g} %" if one["level_percent"] is not None else one["kind"]


def _hits(share: dict[str, Any]) -> str:
    return f"{share['hits']} of {share['of']}"


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{f'{100 * value:.1f}'.removesuffix('.0')} %"


def _duration(one: Tally) -> str:
    return f"{one['check_s']['median']:.0f} s, {one['check_s']['longest']:.0f} s at most" if one["check_s"] else ""
