#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each known bug of tests/mutants.toml, put into our code as a change of a line or a few, makes a named test fail.

The fast tests hold the list against the tree. The slow one works on a copy of the tree, where a mutant can do no harm.
"""

import dataclasses
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests" / "mutants.toml"
TEST_TIMEOUT_S = 60.0
TEXTS = ("name", "bug", "file", "find", "replace")
OPTIONAL = {"preset": "release", "hangs": False}


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One bug, and the tests of which one must fail."""

    name: str
    bug: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]
    preset: str
    hangs: bool


def preset_names(root: Path) -> set[str]:
    """The builds that CMakePresets.json knows."""
    return set(re.findall(r'"configurePreset": "(\w+)"', (root / "CMakePresets.json").read_text()))


def place_of(root: Path, test: str) -> Path:
    """Where a test is: a program's source, or a Python file."""
    return root / "tests" / (test if test.endswith(".py") else f"{test}.c")


def faults_of(entries: list[dict[str, object]], root: Path) -> list[str]:
    """What is wrong with a list of mutants, as sentences."""
    faults, names = [], set()
    for number, entry in enumerate(entries, 1):
        name = entry.get("name", f"number {number}")
        missing = [key for key in TEXTS if not isinstance(entry.get(key), str)]
        unknown = sorted(set(entry) - {*TEXTS, "tests", *OPTIONAL})
        tests = entry.get("tests")
        if missing or unknown:
            faults.append(f"mutant {name}: lacks {missing}, has unknown {unknown}")
            continue
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", str(name)):
            faults.append(f"mutant {name}: the name is not in kebab-case")
        if name in names:
            faults.append(f"mutant {name}: the name is taken")
        names.add(name)
        if not str(entry["bug"]).endswith("."):
            faults.append(f"mutant {name}: the bug is not told in a sentence")
        if not isinstance(tests, list) or not tests:
            faults.append(f"mutant {name}: names no test")
            continue
        faults += [f"mutant {name}: there is no {test}" for test in tests if not place_of(root, test).is_file()]
        if entry.get("preset", "release") not in preset_names(root):
            faults.append(f"mutant {name}: there is no preset {entry['preset']}")
        source = root / str(entry["file"])
        found = source.read_text().count(str(entry["find"])) if source.is_file() else 0
        if found != 1:
            faults.append(f"mutant {name}: what it replaces occurs {found} times in {entry['file']}, not once")
        if entry["find"] == entry["replace"]:
            faults.append(f"mutant {name}: it changes nothing")
    return faults


def load(path: Path) -> list[dict[str, object]]:
    """The entries as they stand in the file."""
    entries: list[dict[str, object]] = tomllib.loads(path.read_text())["mutant"]
    return entries


def mutants() -> list[Mutant]:
    """The entries that can be used; what is wrong with others is told by the fast test."""
    good = [entry for entry in load(LIST) if not faults_of([entry], ROOT)]
    return [Mutant(**{**OPTIONAL, **entry, "tests": tuple(entry["tests"])}) for entry in good]  # type: ignore


def test_the_list_fits_the_tree() -> None:
    entries = load(LIST)
    faults = faults_of(entries, ROOT)
    assert not faults, "\n".join(faults)
    assert len(entries) >= 20


GOOD = {"name": "a-b", "bug": "It loses.", "file": "core/x.c", "find": "one", "replace": "two", "tests": ["test_x"]}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "A b"}, "kebab-case"),
        ({"bug": "no sentence"}, "not told in a sentence"),
        ({"find": "none of it"}, "occurs 0 times"),
        ({"find": "o"}, "occurs 3 times"),
        ({"file": "core/y.c"}, "occurs 0 times"),
        ({"replace": "one"}, "changes nothing"),
        ({"tests": []}, "names no test"),
        ({"tests": ["test_y"]}, "there is no test_y"),
        ({"tests": ["test_y.py"]}, "there is no test_y.py"),
        ({"preset": "fast"}, "no preset fast"),
        ({"find": 7}, "lacks ['find']"),
        ({"test": "x"}, "unknown ['test']"),
    ],
)
def test_a_faulty_entry_is_told(change: dict[str, object], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "core" / "x.c").write_text("one or other")
    (tmp_path / "tests" / "test_x.c").write_text("")
    shutil.copy(ROOT / "CMakePresets.json", tmp_path)
    assert faults_of([GOOD], tmp_path) == []
    faults = faults_of([{**GOOD, **change}], tmp_path)
    assert len(faults) == 1 and sentence in faults[0], faults
    assert "the name is taken" in faults_of([GOOD, GOOD], tmp_path)[0]


class Workshop:
    """A copy of the tree with builds of its own."""

    def __init__(self, folder: Path, wanted: list[Mutant]) -> None:
        self.root = folder / "readyq"
        self.wanted = wanted
        self.sick: dict[str, set[str]] = {}  # by preset: tests that fail without any mutant
        path = f"/usr/bin:/bin:{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": path, "TSAN_OPTIONS": "halt_on_error=1"}
        shutil.copytree(ROOT, self.root, ignore=shutil.ignore_patterns(".git", "build", "results", "__pycache__"))

    def prepare(self, preset: str) -> None:
        """Builds the tests that mutants of this preset name, and sees which pass while nothing is changed."""
        if preset in self.sick:
            return
        self._call("cmake", "--preset", preset)
        tests = sorted({test for mutant in self.wanted if mutant.preset == preset for test in mutant.tests})
        self.build(preset, tests)
        self.sick[preset] = {test for test in tests if not self.passes(preset, test)}

    def build(self, preset: str, tests: list[str]) -> None:
        """These tests, as the tree stands. A mutant that does not compile is an error, and not a dead mutant."""
        programs = [test for test in tests if not test.endswith(".py")]
        if programs:
            self._call("cmake", "--build", f"build/{preset}", "--target", *programs)

    def passes(self, preset: str, test: str) -> bool | None:
        """Whether the test passes; None: it hangs."""
        if test.endswith(".py"):
            words = ["python3", "-m", "pytest", "-c", "tests/pytest.ini", "--rootdir", ".", "-q", f"tests/{test}"]
        else:
            words = [f"build/{preset}/tests/{test}"]
            if preset == "tsan" and subprocess.call(["setarch", "-R", "true"]) == 0:
                words = ["setarch", "-R", *words]
        try:
            done = subprocess.run(
                words, cwd=self.root, env=self.environment, capture_output=True, timeout=TEST_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return None
        return done.returncode == 0

    def survives(self, mutant: Mutant) -> str:
        """Why the mutant is not dead; empty if it is."""
        path = self.root / mutant.file
        text = path.read_text()
        path.write_text(text.replace(mutant.find, mutant.replace))
        try:
            self.build(mutant.preset, list(mutant.tests))
            for test in mutant.tests:
                passed = self.passes(mutant.preset, test)
                if passed is None and not mutant.hangs:
                    return f"{test} hangs, which the list does not say"
                if not passed:
                    return ""
            return f"passes {', '.join(mutant.tests)}"
        finally:
            path.write_text(text)

    def _call(self, *words: str) -> None:
        done = subprocess.run(
            words, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    folder = tmp_path_factory.mktemp("mutants")
    yield Workshop(folder, mutants())
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_no_mutant_survives(workshop: Workshop, mutant: Mutant) -> None:
    workshop.prepare(mutant.preset)
    sick = workshop.sick[mutant.preset] & set(mutant.tests)
    assert not sick, f"{', '.join(sorted(sick))} fails without any mutant, and so can't tell one"
    why = workshop.survives(mutant)
    assert not why, f"{mutant.name} survives: it {why}. {mutant.bug}"
