# SPDX-License-Identifier: Apache-2.0
"""Random runs that are the same for the same seed: which subjects, under which loads, with which parameters.

Runs are dealt in rounds. A round has every queue under every queue workload and every pool under every pool workload,
once, in random order; so a few dozen runs leave nobody out. Each run has a random generator of its own, made of
seed and number, so that any one of them can be run again alone.
"""

import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchlib.errors import Refused

Listing = dict[str, list[dict[str, Any]]]

TRIES = 50  # draws of parameters that the program may refuse as a combination, before the defaults are taken

# What is drawn for a number, by the parameter's name or else by its unit: mostly small, for that is where queues run
# empty and full, and more threads than a small machine has processors. All are clipped to the parameter's range.
BY_NAME: dict[str, Sequence[str]] = {
    "workers": ("0", "1", "2", "4"),
    "schedulers": ("1", "1", "2", "3"),
    "externals": ("0", "0", "1", "2"),
    "producers": ("1", "2", "3", "6"),
    "consumers": ("1", "1", "2", "4"),
    "threads": ("1", "2", "3", "6"),
    "window": ("1", "2", "17", "300"),
    "jobs": ("1", "5", "100", "1000"),
    "keys": ("0", "1", "3", "16"),
    "batch": ("1", "2", "16"),
    "ready_limit": ("1", "3", "20", "1000"),
    "ready_batch": ("1", "2", "16", "64"),
    "job_cache": ("0", "1", "20", "1000"),
    "capacity": ("0", "1", "2", "8", "1000"),
    "every": ("10", "200"),
    "ports": ("1", "2", "4"),
    "jobs_per_port": ("1", "3", "8"),
    "stall_ns": ("100us", "2ms"),
    "id_start": ("0", "9223372036854775800"),
    "sample_every": ("0", "1", "16"),
    "stack_kilowords": ("16", "64"),
    "patience_ns": ("20s",),
    "drivers": ("1", "2", "4"),
    "output_percent": ("0", "50", "100"),
    "prefill": ("0", "0", "1", "300"),
    "room": ("1", "5", "1000"),
    "share": ("1", "50", "99"),
    "burst": ("1", "7", "300"),
    "looks": ("1", "50", "1000"),
    "one_in": ("0", "1", "10"),
    "operations": ("1", "20", "1000"),
    "every_ns": ("100us", "4ms"),
    "stop_ns": ("20us", "2ms"),
    "rate": ("1000", "10k", "1M"),
    "slots": ("1", "16", "1000"),
    "interval_ns": ("20us", "1ms"),
    "slow_per_mille": ("0", "10", "500"),
    "slow_ns": ("20us", "1ms"),
    "service_slow_factor": ("2", "100"),
    "working_set_bytes": ("0", "100k"),
    "file_bytes": ("512", "64k", "1M"),
    "block_bytes": ("64", "512", "4096", "64k"),
    "input_bytes": ("64", "5000", "1M"),
    "fsync_every": ("0", "0", "1", "50"),
    "write_share": ("0", "30", "100"),
    "level": ("0", "1", "6", "9"),
    "verify_every": ("0", "1", "64"),
}
BY_UNIT: dict[str, Sequence[str]] = {"ns": ("0", "0", "1us", "20us")}
# The one prints a line at each stage of each job; the other is what not every file system can do, as a run finds out.
LEFT_ALONE = ("trace", "direct")
# For a text that must be given, as it has no default: a directory for files, of which none has a name there.
DIRECTORY = tempfile.gettempdir()


@dataclass(frozen=True)
class Case:
    """One run: its number from 1, and the words behind `readyq run`."""

    number: int
    words: list[str]


class Deck:
    """What there is to run: every subject (a queue or a pool) with every workload that it can bear.

    `allowed` says whether the program takes these words.
    """

    def __init__(self, listing: Listing, allowed: Callable[[list[str]], bool]) -> None:
        self._listing = listing
        self._allowed = allowed
        pairs = [(subject, load) for load in listing["workloads"] for subject in _subjects(listing, load["subject"])]
        self._pairs = [(subject, load) for subject, load in pairs if allowed(_words(listing, subject, load, None))]
        if not self._pairs:
            raise Refused("the program lists no queue and no pool that could be run")

    @property
    def round_size(self) -> int:
        """Runs until every subject has been under every workload."""
        return len(self._pairs)

    def case(self, seed: int, number: int) -> Case:
        """Run `number`, with random parameters that go together."""
        place, number_in_round = divmod(number - 1, len(self._pairs))
        pairs = list(self._pairs)
        random.Random(f"{seed}/round/{place}").shuffle(pairs)
        subject, load = pairs[number_in_round]
        dice = random.Random(f"{seed}/run/{number}")
        drawn = (_words(self._listing, subject, load, dice) for _ in range(TRIES))
        words = next(filter(self._allowed, drawn), None) or _words(self._listing, subject, load, None)
        return Case(number, [*words, "--seed", str(dice.randrange(1 << 32))])


def _subjects(listing: Listing, kind: str) -> list[dict[str, Any]]:
    if kind == "queue":
        return _queues(listing)
    return [pool for pool in listing["pools"] if pool["built"]]


def _queues(listing: Listing) -> list[dict[str, Any]]:
    """Our own. Of a library's faults the table of verdicts tells, and a random run that finds one mends nothing."""
    return [queue for queue in listing["queues"] if queue["built"] and not queue["package"]
            and not queue["traits"]["baseline"]]


def _words(
    listing: Listing, subject: dict[str, Any], load: dict[str, Any], dice: random.Random | None
) -> list[str]:
    words = ["--workload", _spec(load, dice)]
    if load["subject"] == "queue":
        return [*words, "--queue", _spec(subject, dice)]
    words += ["--pool", _spec(subject, dice)]
    if dice and subject["traits"]["takes_queues"]:
        for role in ("--job-queue", "--ready-queue"):
            words += [role, _spec(dice.choice(_queues(listing)), dice)]
    return [*words, "--pin", dice.choice(("compact", "none"))] if dice else words


def _spec(plugin: dict[str, Any], dice: random.Random | None) -> str:
    """The plug-in with what it needs, and some of its parameters drawn. Those that an alias presets stay as they are."""
    preset = {pair.partition("=")[0] for pair in (plugin.get("presets") or "").split(",")}
    chosen = []
    for param in plugin.get("params", []):
        if (param["type"], param["default"]) == ("text", ""):
            chosen.append(f"{param['name']}={DIRECTORY}")
        if not dice or param["name"] in LEFT_ALONE or param["name"] in preset or dice.random() < 0.4:
            continue
        value = _value(param, dice)
        if value is not None:
            chosen.append(f"{param['name']}={value}")
    return plugin["name"] + (":" + ",".join(chosen) if chosen else "")


def _value(param: dict[str, Any], dice: random.Random) -> str | None:
    if "choices" in param:
        return str(dice.choice(param["choices"]))
    if param["type"] == "bool":
        return dice.choice(("yes", "no"))
    values = BY_NAME.get(param["name"]) or BY_UNIT.get(param["unit"])
    if not values:
        return None
    value = dice.choice(values)
    if value.isdigit():
        value = str(max(int(value), int(param.get("min", 0))))
        value = str(min(int(value), int(param.get("max", value))))
    return value
