# SPDX-License-Identifier: Apache-2.0
"""Reads tests/models/models.toml, has Spin search each run's states, and judges what it says."""

import dataclasses
import re
import shutil
import subprocess
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tests" / "models"
LIST = FOLDER / "models.toml"


@dataclasses.dataclass(frozen=True)
class Size:
    """What a run may use. The time is only there to end a search that would never end."""

    optimize: str
    memory_mib: int
    hash_bits: int
    depth: int
    timeout_s: float


SIZES = {
    "small": Size("-O0", 1024, 20, 1_000_000, 300.0),
    "large": Size("-O2", 4096, 24, 10_000_000, 3600.0),
}


@dataclasses.dataclass(frozen=True)
class Run:
    """One search: of a model in one configuration, as it is or with a bug put in."""

    file: str
    name: str
    claim: str
    size: str
    defines: tuple[str, ...] = ()
    mutant: str = ""
    search: str = "safety"
    refuted_by: str = ""

    @property
    def id(self) -> str:
        return f"{Path(self.file).stem}-{self.mutant or self.name}".replace(" ", "-")

    @property
    def words(self) -> list[str]:
        """What the model is compiled with."""
        bug = [macro_of(self.mutant)] if self.mutant else []
        return [f"-D{word}" for word in [*self.defines, *bug]]


@dataclasses.dataclass(frozen=True)
class Model:
    """One file, and what of our sources it says something about."""

    file: str
    shows: str
    functions: dict[str, list[str]]
    labels: tuple[str, ...]
    runs: tuple[Run, ...]
    unreached: tuple[str, ...] = ()


@dataclasses.dataclass
class Outcome:
    """What became of a run; `refusal` says why nothing can be said of it."""

    states: int = 0
    depth: int = 0
    memory_mib: float = 0.0
    seconds: float = 0.0
    error: str = ""
    refusal: str = ""
    unreached: frozenset[tuple[str, str]] = frozenset()  # place and statement
    trail: str = ""


def macro_of(mutant: str) -> str:
    """The macro that puts this bug into its model."""
    return "MUTANT_" + mutant.replace("-", "_")


KEYS = {
    "model": ({"file", "shows", "functions", "labels", "run"}, {"unreached"}),
    "run": ({"name", "claim", "size"}, {"defines", "mutant", "search", "refuted_by"}),
}


def faults_of(entries: list[dict[str, object]]) -> list[str]:
    """What is wrong with the list, as sentences."""
    faults, seen = [], set()

    def keys(kind: str, what: str, entry: dict[str, object]) -> bool:
        needed, allowed = KEYS[kind]
        missing, unknown = sorted(needed - set(entry)), sorted(set(entry) - needed - allowed)
        if missing or unknown:
            faults.append(f"{what}: lacks {missing}, has unknown {unknown}")
        return not missing and not unknown

    for number, entry in enumerate(entries, 1):
        what = f"model {entry.get('file', number)}"
        if not keys("model", what, entry):
            continue
        for line in entry["run"]:
            where = f"{what}, run {line.get('name')}"
            if not keys("run", where, line):
                continue
            if line["size"] not in SIZES:
                faults.append(f"{where}: the size {line['size']} is not one of {', '.join(SIZES)}")
            if not re.fullmatch(r"safety|assertions|ltl:\w+", line.get("search", "safety")):
                faults.append(f"{where}: search is 'safety', 'assertions' or 'ltl:NAME', not '{line['search']}'")
            if ("mutant" in line) > ("refuted_by" in line):
                faults.append(f"{where}: a mutant needs refuted_by")
            name = (entry["file"], line.get("mutant") or line["name"])
            if name in seen:
                faults.append(f"{where}: there are two of that name")
            seen.add(name)
    return faults


def read_models(path: Path = LIST) -> list[Model]:
    """The models in order. Raises ValueError with all that is wrong."""
    entries = tomllib.loads(path.read_text())["model"]
    faults = faults_of(entries)
    if faults:
        raise ValueError("\n".join(faults))
    models = []
    for entry in entries:
        runs = [
            Run(file=entry["file"], **{**line, "defines": tuple(line.get("defines", ()))}) for line in entry["run"]
        ]
        fields = {key: tuple(entry.get(key, ())) for key in ("labels", "unreached")}
        models.append(Model(entry["file"], entry["shows"], entry["functions"], runs=tuple(runs), **fields))
    return models


def text_of(file: str, folder: Path = FOLDER) -> str:
    """A model with all that it includes."""
    text = (folder / file).read_text()
    return text + "".join(text_of(name, folder) for name in re.findall(r'^#include "([^"]+)"', text, re.M))


# Searching


class Failed(Exception):
    """A tool refused its input."""


def call(words: list[str], folder: Path, timeout_s: float) -> str:
    """What the command prints. Raises Failed if it fails or takes too long."""
    try:
        done = subprocess.run(
            words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{words[0]} did not end in {timeout_s:.0f} s") from None
    said = done.stdout + done.stderr
    if done.returncode != 0:
        raise Failed(f"'{' '.join(words)}' ended with {done.returncode}: {said[-3000:]}")
    return said


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text, re.M)
    return float(found[1]) if found else 0.0


# Any of these, and not all states were seen.
INCOMPLETE = ("max search depth too small", "reached -DMEMLIM", "out of memory", "Search not completed", "aborting",
              "Bit statespace", "VECTORSZ", "Hash-Compact")  # fmt: skip
UNREACHED = re.compile(r"^\t(\S+:\d+), state \d+, \"(.*)\"$")


def unreached_in(said: str) -> frozenset[tuple[str, str]]:
    """The statements that no search got to, each with its place; ends of endless processes and of claims aside."""
    found, inside = set(), False
    for line in said.splitlines():
        head = re.match(r"unreached in (\w+)", line)
        if head:
            inside = head[1] != "claim"
        match = UNREACHED.match(line)
        if inside and match and match[2] != "-end-":
            found.add((match[1], match[2]))
    return frozenset(found)


def judge(said: str) -> Outcome:
    """What the search says of itself. Only a search of everything, or an error with its trail, says anything."""
    outcome = Outcome(
        states=int(number(r"^\s*([\d.e+]+) states, stored", said)),
        depth=int(number(r"depth reached (\d+)", said)),
        memory_mib=number(r"^\s*([\d.]+)\stotal actual memory usage", said),
        unreached=unreached_in(said),
    )
    errors = re.search(r"depth reached \d+, errors: (\d+)", said)
    error = re.search(r"^pan:1: (.*?)(?: \(at depth \d+\))?$", said, re.M)
    broken = [sign for sign in INCOMPLETE if sign in said]
    if not errors:
        outcome.refusal = f"the search said nothing: {said[-2000:]}"
    elif errors[1] == "0" and broken:
        outcome.refusal = f"not all states were searched: {', '.join(broken)}"
    elif errors[1] == "0" and "Full statespace search" not in said:
        outcome.refusal = "it was no search of all states"
    elif errors[1] != "0" and not error:
        outcome.refusal = f"an error without a name: {said[:2000]}"
    elif errors[1] != "0":
        outcome.error = error[1]
        if any(sign in outcome.error for sign in INCOMPLETE):
            outcome.refusal = outcome.error
    return outcome


def search(run: Run, folder: Path, models: Path = FOLDER, size: Size | None = None) -> Outcome:
    """Searches a run's states in an empty folder."""
    size, start = size or SIZES[run.size], time.monotonic()
    for source in models.glob("*.pml"):
        shutil.copy(source, folder)
    claim = run.search.removeprefix("ltl:") if run.search.startswith("ltl:") else ""
    if claim and not re.search(rf"^ltl {claim}\b", text_of(run.file, models), re.M):
        return Outcome(refusal=f"{run.file} has no formula {claim}")  # Spin would take another
    compiler = ["gcc", size.optimize, "-w", f"-DMEMLIM={size.memory_mib}", "-DVECTORSZ=2048"]
    compiler += ["-DNFAIR=5"] if claim else ["-DSAFETY", "-DNOCLAIM"]
    compiler += ["-DCOLLAPSE"] if run.size == "large" else []
    pan = ["./pan", f"-m{size.depth}", f"-w{size.hash_bits}"]
    pan += ["-a", "-f", "-N", claim] if claim else ["-E"] if run.search == "assertions" else []
    try:
        said = call(["spin", *run.words, "-a", run.file], folder, 60)
        if re.search(r"^(spin: )?.*\b(error|warning)\b", said, re.M | re.I):
            raise Failed(f"spin is not content with {run.file}: {said}")
        call([*compiler, "-o", "pan", "pan.c"], folder, 300)
        outcome = judge(call(pan, folder, size.timeout_s))
    except Failed as failure:
        outcome = Outcome(refusal=str(failure))
    if outcome.error and not run.refuted_by:
        shown = call(["spin", *run.words, "-t", "-p", "-g", "-l", run.file], folder, 60)
        outcome.trail = "\n".join(shown.splitlines()[-150:])
    outcome.seconds = time.monotonic() - start
    return outcome


def verdict(run: Run, outcome: Outcome) -> str:
    """What is wrong with the outcome, or nothing."""
    if outcome.refusal:
        return outcome.refusal
    if run.refuted_by:
        if not outcome.error:
            return f"not refuted, in {outcome.states} states"
        return "" if run.refuted_by in outcome.error else f"refuted, but by '{outcome.error}'"
    if outcome.error:
        return f"{outcome.error}; the end of the way there:\n{outcome.trail}"
    return ""


def reach(model: Model, outcomes: list[Outcome]) -> str:
    """What is wrong with how far the searches got that hold: some statement of the model that none of them reached, or
    one that is listed as such and was."""
    never = {statement for _, statement in frozenset.intersection(*[outcome.unreached for outcome in outcomes])}
    missed, listed = sorted(never - set(model.unreached)), sorted(set(model.unreached) - never)
    wrong = [f"never reached, though not listed: {missed}"] if missed else []
    return "; ".join([*wrong, f"reached, though listed: {listed}"] if listed else wrong)
