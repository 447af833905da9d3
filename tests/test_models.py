#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The models of our algorithms hold in all their states, and each bug put into one is found.

What is searched, and what is expected, is in tests/models/models.toml. With `-s`, a table of all searches is shown.
"""

import dataclasses
import os
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import test_orderings
from model_runs import (
    FOLDER, ROOT, Model, Outcome, Run, Size, faults_of, macro_of, reach, read_models, search, text_of, verdict,
)  # fmt: skip

MODELS = read_models()
RUNS = [run for model in MODELS for run in model.runs]


@pytest.fixture(scope="module")
def searches(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future]]:
    """All searches that were asked for, several at a time; the large ones have the machine to themselves."""
    searches_asked = [item for item in request.session.items if getattr(item, "originalname", "") == "test_search"]
    asked = {item.callspec.params["run"] for item in searches_asked}
    with ThreadPoolExecutor(os.cpu_count()) as many, ThreadPoolExecutor(1) as one:
        ordered = sorted(asked, key=RUNS.index)
        found = {
            run.id: (many if run.size == "small" else one).submit(search, run, tmp_path_factory.mktemp(run.id))
            for run in ordered
        }
        yield found
        for future in found.values():
            future.cancel()
    print(f"\n{'run':<50} {'expected':<8} {'states':>10} {'depth':>8} {'MiB':>7} {'s':>6}")
    for run in ordered:
        if not found[run.id].cancelled():
            expected, outcome = "refuted" if run.refuted_by else "holds", found[run.id].result()
            print(f"{run.id:<50} {expected:<8} {outcome.states:>10} {outcome.depth:>8} "
                  f"{outcome.memory_mib:>7.0f} {outcome.seconds:>6.1f}")  # fmt: skip


@pytest.mark.parametrize(
    "run", [pytest.param(run, id=run.id, marks=[pytest.mark.slow] * (run.size == "large")) for run in RUNS]
)
def test_search(run: Run, searches: dict[str, Future]) -> None:
    wrong = verdict(run, searches[run.id].result())
    assert not wrong, f"{run.id} ({run.claim}): {wrong}"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.file)
def test_the_small_searches_reach_all_of_a_model(model: Model, searches: dict[str, Future]) -> None:
    """A statement that no search gets to says nothing, and hides that the model is not what it seems."""
    holding = [run for run in model.runs if run.size == "small" and not run.refuted_by]
    missing = [run.id for run in holding if run.id not in searches]
    assert not missing, "run with the searches, not alone"
    wrong = reach(model, [searches[run.id].result() for run in holding])
    assert not wrong, f"{model.file}: {wrong}"


# The list against the tree


def labels_of_the_tree() -> set[str]:
    return set(test_orderings.check(test_orderings.sources())[1])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.file)
def test_what_a_model_says_it_models_is_there(model: Model) -> None:
    text, labels = text_of(model.file), labels_of_the_tree()
    for label in model.labels:
        assert label in labels, f"{model.file} models {label}, which is no label of ours any more"
        assert re.search(rf"\b{label}\b", text), f"{model.file} is listed as modelling {label} and does not name it"
    for source, names in model.functions.items():
        found = (ROOT / source).read_text()
        for name in names:
            assert re.search(rf"^\S.*\b{name}\(", found, re.M), f"{model.file} models {name}, which is not in {source}"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.file)
def test_a_model_holds_and_can_fail(model: Model) -> None:
    assert any(not run.refuted_by for run in model.runs)
    assert any(run.refuted_by for run in model.runs), f"nothing shows that {model.file} can fail"
    built_in = set(re.findall(r"\bMUTANT_\w+", text_of(model.file)))
    assert built_in == {macro_of(run.mutant) for run in model.runs if run.mutant}


def test_every_model_is_listed() -> None:
    included = {name for path in FOLDER.glob("*.pml") for name in re.findall(r'#include "([^"]+)"', path.read_text())}
    assert {path.name for path in FOLDER.glob("*.pml")} - included == {model.file for model in MODELS}


def test_runs_have_names_of_their_own() -> None:
    assert len({run.id for run in RUNS}) == len(RUNS)


@pytest.mark.parametrize(("change", "expected"), [
    ({"size": "huge"}, "is not one of small, large"),
    ({"search": "bits"}, "search is"),
    ({"mutant": "a-bug"}, "needs refuted_by"),
    ({"colour": "red"}, "unknown ['colour']"),
    ({"name": None}, "lacks ['name']"),
])  # fmt: skip
def test_a_wrong_list_is_refused(change: dict[str, object], expected: str) -> None:
    line = {"name": "n", "claim": "c", "size": "small"}
    model = {"file": "m.pml", "shows": "s", "functions": {}, "labels": []}
    assert faults_of([{**model, "run": [line]}]) == []
    wrong = {key: value for key, value in {**line, **change}.items() if value is not None}
    faults = faults_of([{**model, "run": [wrong]}])
    assert len(faults) == 1 and expected in faults[0]
    assert "two of that name" in faults_of([{**model, "run": [line, line]}])[0]


# The judge


GOOD = "byte x;\nactive proctype one() {\n    x = 1;\n    assert(x == 1)\n}\n"
ENDLESS = "int x;\nactive proctype one() {\n    do :: x < 200000 -> x++ :: else -> break od\n}\n"
WIDE = "int a[9];\nactive [9] proctype one() {\n    do :: a[_pid] < 50 -> a[_pid]++ :: else -> break od\n}\n"
CYCLE = "byte x;\nltl comes { <> (x == 2) }\nactive proctype one() {\n    do :: x = 0 :: x = 1 od\n}\n"
FAIR = "byte x, y;\nltl comes { <> (x == 2) }\nactive proctype one() {\n    do :: y = 1 - y od\n}\n"
FAIR += "active proctype other() {\n    x = 2\n}\n"


@pytest.mark.parametrize(("text", "fields", "expected"), [
    (GOOD, {}, ""),
    (GOOD, {"refuted_by": "x == 2"}, "not refuted"),
    (GOOD.replace("x == 1", "x == 2"), {}, "assertion violated (x==2); the end of the way there"),
    (GOOD.replace("x == 1", "x == 2"), {"refuted_by": "assertion violated (x==2)"}, ""),
    (GOOD.replace("x == 1", "x == 2"), {"refuted_by": "invalid end state"}, "refuted, but by 'assertion violated"),
    (GOOD.replace("assert(x == 1)", "x == 2"), {}, "invalid end state"),
    (GOOD.replace("assert(x == 1)", "x == 2"), {"search": "assertions"}, ""),
    (GOOD.replace("x == 1", "y == 1"), {}, "spin"),
    (CYCLE.replace("do", "x = 3; x == 4; do"), {}, "invalid end state"),
    (ENDLESS, {}, "max search depth too small"),
    (ENDLESS, {"refuted_by": "max search depth too small"}, "max search depth too small"),
    (WIDE, {}, "not all states were searched: reached -DMEMLIM"),
    (CYCLE, {"search": "ltl:comes"}, "acceptance cycle"),
    (CYCLE, {"search": "ltl:comes", "refuted_by": "acceptance cycle"}, ""),
    (CYCLE.replace("x = 1", "x = 2"), {"search": "ltl:comes"}, "acceptance cycle"),
    (CYCLE.replace("x = 0 :: x = 1", "x < 3 -> x++"), {"search": "ltl:comes"}, ""),
    (FAIR, {"search": "ltl:comes"}, ""),
    (CYCLE.replace("x = 1", "x = 2"), {"search": "ltl:goes"}, "has no formula goes"),
])  # fmt: skip
def test_a_search_is_judged(text: str, fields: dict[str, object], expected: str, tmp_path: Path) -> None:
    run = Run("m.pml", "toy", "a toy", "small", **fields)
    wrong = verdict(run, searched(run, text, tmp_path))
    assert expected in wrong if expected else wrong == ""


def searched(run: Run, text: str, folder: Path) -> Outcome:
    """What becomes of a model that is given as text."""
    models, work = folder / "models", folder / "work"
    models.mkdir(parents=True)
    work.mkdir()
    (models / run.file).write_text(text)
    return search(run, work, models, Size("-O0", 32, 16, 100_000, 60.0))


def test_what_no_search_reaches_is_seen(tmp_path: Path) -> None:
    branch = "if :: x == 1 :: else -> x = SEVEN fi"
    run = Run("m.pml", "toy", "a toy", "small", defines=("SEVEN=7",))
    first = searched(run, GOOD.replace("assert(x == 1)", branch), tmp_path / "first")
    other = searched(run, GOOD.replace("x = 1", "x = 2").replace("assert(x == 1)", branch), tmp_path / "other")
    model = Model("m.pml", "toy", {}, (), (run,))
    assert reach(model, [first]) == "never reached, though not listed: ['x = 7']"
    assert reach(dataclasses.replace(model, unreached=("x = 7",)), [first]) == ""
    assert reach(dataclasses.replace(model, unreached=("x = 7", "y")), [first]) == "reached, though listed: ['y']"
    assert reach(model, [first, other]) == ""
    assert reach(model, [other]) == ""
