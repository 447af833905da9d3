# SPDX-License-Identifier: Apache-2.0
"""The list of mutants: changes of a line or a few that put a bug into our code, and which tests must see it."""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchlib.errors import Refused, os_reason

LIST = Path("tests") / "mutants.toml"
BASE_PRESET = "release"
TEXTS = ("name", "bug", "file", "find", "replace")
OPTIONAL = ("preset", "hangs", "survives", "model")

# Why a mutant may survive. `same`: its machine code on x86 is the original's, which the rung `code` proves, so that no
# native run can tell them apart. `x86`: it is not, and x86 shows no difference all the same. These two say who sees it.
EQUIVALENT, SAME, X86 = "equivalent", "same", "x86"
REASON = re.compile(rf"({EQUIVALENT}|{SAME}|{X86}): (.+\.)", re.DOTALL)
SEEN_BY = "Seen by"


@dataclass(frozen=True)
class Mutant:
    """One bug."""

    name: str
    bug: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]
    preset: str = BASE_PRESET
    hangs: bool = False  # the test hangs in place of failing
    survives: str = ""  # reason; empty: some rung must kill it
    model: str = ""  # under which name the models have what it allows, if not under its own

    @property
    def known_as(self) -> str:
        """What the bug is called elsewhere: "M3, ERL-1304"; empty if we made it up."""
        match = re.match(r"((?:(?:M\d+|P\d+|ERL-\d+|OTP-\d+|PR #\d+)(?:, | in )?)+)", self.bug)
        return match[1].removesuffix(" in ").strip(", ") if match else ""

    @property
    def reason_kind(self) -> str:
        match = REASON.fullmatch(self.survives)
        return match[1] if match else ""

    @property
    def reason(self) -> str:
        match = REASON.fullmatch(self.survives)
        return match[2] if match else ""

    @property
    def digest(self) -> str:
        """Of the change itself: another sentence about it makes no other mutant."""
        text = json.dumps([self.file, self.find, self.replace])
        return hashlib.sha256(text.encode()).hexdigest()


def entries(root: Path) -> list[dict[str, Any]]:
    """The entries as they stand in the file."""
    path = root / LIST
    try:
        listed: list[dict[str, Any]] = tomllib.loads(path.read_text())["mutant"]
    except OSError as error:
        raise Refused(f"cannot read {path}: {os_reason(error)}") from error
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise Refused(f"{path} is no list of mutants: {error}") from error
    return listed


def load(root: Path) -> list[Mutant]:
    """All mutants, each of which fits the tree below `root`; or Refused with all that is wrong."""
    listed = entries(root)
    faults = faults_of(listed, root)
    if faults:
        raise Refused("; ".join(faults))
    return [Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in listed]


def choose(mutants: Iterable[Mutant], names: str) -> list[Mutant]:
    """Those named in a list with commas."""
    by_name = {mutant.name: mutant for mutant in mutants}
    chosen = [name for name in names.split(",") if name]
    unknown = [name for name in chosen if name not in by_name]
    if unknown or not chosen:
        raise Refused(f'there is no mutant "{unknown[0] if unknown else names}"; scripts/mutants --list names them all')
    return [by_name[name] for name in chosen]


def place_of(root: Path, test: str) -> Path:
    """Where a test is: a program's source, or a Python file."""
    return root / "tests" / (test if test.endswith(".py") else f"{test}.c")


def preset_names(root: Path) -> set[str]:
    """The builds that CMakePresets.json knows."""
    presets = json.loads((root / "CMakePresets.json").read_text())["configurePresets"]
    return {preset["name"] for preset in presets if not preset.get("hidden")}


def faults_of(listed: list[dict[str, Any]], root: Path) -> list[str]:
    """What is wrong with a list of mutants, as sentences."""
    faults: list[str] = []
    names: set[object] = set()
    for number, entry in enumerate(listed, 1):
        name = entry.get("name", f"number {number}")
        found = _form_faults(entry) or [*_text_faults(entry), *_place_faults(entry, root)]
        if name in names:
            found.append("the name is taken")
        names.add(name)
        faults += [f"mutant {name}: {fault}" for fault in found]
    return faults


def _form_faults(entry: dict[str, Any]) -> list[str]:
    missing = [key for key in TEXTS if not isinstance(entry.get(key), str)]
    unknown = sorted(set(entry) - {*TEXTS, "tests", *OPTIONAL})
    if missing or unknown:
        return [f"lacks {missing}, has unknown {unknown}"]
    tests = entry.get("tests")
    if not isinstance(tests, list) or not tests or not all(isinstance(test, str) for test in tests):
        return ["names no test"]
    return []


def _text_faults(entry: dict[str, Any]) -> list[str]:
    faults = []
    survives = entry.get("survives")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry["name"]):
        faults.append("the name is not in kebab-case")
    if not entry["bug"].endswith("."):
        faults.append("the bug is not told in a sentence")
    if survives is not None and not REASON.fullmatch(str(survives)):
        faults.append(f"why it survives is not told as {EQUIVALENT}, {SAME} or {X86}, a colon and a sentence")
    elif survives and not survives.startswith(EQUIVALENT) and SEEN_BY not in survives:
        faults.append(f"it survives, but who would see it is not told ('{SEEN_BY} ...')")
    return faults


def _place_faults(entry: dict[str, Any], root: Path) -> list[str]:
    faults = [f"there is no {test}" for test in entry["tests"] if not place_of(root, test).is_file()]
    if entry.get("preset", BASE_PRESET) not in preset_names(root):
        faults.append(f"there is no preset {entry['preset']}")
    source = root / entry["file"]
    found = source.read_text().count(entry["find"]) if source.is_file() else 0
    if found != 1:
        faults.append(f"what it replaces occurs {found} times in {entry['file']}, not once")
    if entry["find"] == entry["replace"]:
        faults.append("it changes nothing")
    return faults


