#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The list of mutants fits the tree, the table fits the list, and scripts/mutants does as it says.

The mutants themselves are run by scripts/mutants, which takes long and which `scripts/test --full` calls. Here its
parts are held against a ladder of two rungs and a tree that is none.
"""

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from conftest import ROOT, wait_until

from benchlib import mutants_ladder as ladder
from benchlib import mutants_cli, mutants_list, mutants_models, mutants_table, mutants_tree
from benchlib.errors import Refused
from benchlib.mutants_climb import BaselineFails, Climb, Row
from benchlib.mutants_journal import Journal, Line
from benchlib.mutants_ladder import Rung, Step
from benchlib.mutants_list import Mutant, faults_of
from benchlib.mutants_tree import BuildFails, Tree

TABLE = ROOT / "tests" / "mutants.md"

# ---------------------------------------------------------------- the list and the table as they stand


def test_the_list_fits_the_tree() -> None:
    listed = mutants_list.entries(ROOT)
    faults = faults_of(listed, ROOT)
    assert not faults, "\n".join(faults)
    assert len(listed) >= 100


def test_the_usual_suspects_are_all_there() -> None:
    told = " ".join(mutant.known_as for mutant in mutants_list.load(ROOT))
    missing = [f"M{number}" for number in range(1, 16) if not re.search(rf"\bM{number}\b", told)]
    assert not missing


def test_a_model_that_is_to_see_a_survivor_refutes_it() -> None:
    refuted = mutants_models.refutations(ROOT)
    for mutant in mutants_list.load(ROOT):
        seen_by = mutant.reason.partition(mutants_list.SEEN_BY)[2]
        for model in re.findall(r"\w+\.pml", seen_by):
            assert mutants_models.seen_in(refuted, mutant) == model, f"{mutant.name} is not refuted in {model}"


def test_a_model_that_a_mutant_names_is_there() -> None:
    refuted = mutants_models.refutations(ROOT)
    named = {mutant.name: mutant.model for mutant in mutants_list.load(ROOT) if mutant.model}
    assert not {name: model for name, model in named.items() if model not in refuted}


def test_the_table_is_of_this_list() -> None:
    shown = mutants_table.named_in(TABLE.read_text())
    listed = {mutant.name: bool(mutant.survives) for mutant in mutants_list.load(ROOT)}
    assert shown == listed, f"{TABLE.name} is of another list; scripts/mutants makes it anew"


GOOD = {"name": "a-b", "bug": "It loses.", "file": "core/x.c", "find": "one", "replace": "two", "tests": ["test_x"]}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A tree in which GOOD is right."""
    for folder in ("core", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "core" / "x.c").write_text("one or other")
    (tmp_path / "tests" / "test_x.c").write_text("")
    shutil.copy(ROOT / "CMakePresets.json", tmp_path)
    return tmp_path


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
        ({"tests": [7]}, "names no test"),
        ({"tests": ["test_y"]}, "there is no test_y"),
        ({"tests": ["test_y.py"]}, "there is no test_y.py"),
        ({"preset": "fast"}, "no preset fast"),
        ({"preset": "base"}, "no preset base"),
        ({"find": 7}, "lacks ['find']"),
        ({"test": "x"}, "unknown ['test']"),
        ({"survives": "because"}, "why it survives is not told"),
        ({"survives": "same: One word. Somebody saw it."}, "who would see it is not told"),
        ({"survives": "x86: It takes two."}, "who would see it is not told"),
    ],
)
def test_a_faulty_entry_is_told(change: dict[str, object], sentence: str, small: Path) -> None:
    assert faults_of([GOOD], small) == []
    assert faults_of([{**GOOD, "survives": "equivalent: Nobody looks."}], small) == []
    faults = faults_of([{**GOOD, **change}], small)
    assert len(faults) == 1 and sentence in faults[0], faults
    assert "the name is taken" in faults_of([GOOD, GOOD], small)[0]


def test_what_a_bug_is_known_as() -> None:
    bugs = {"M3, ERL-1304, OTP-7: It resets.": "M3, ERL-1304, OTP-7", "M7 in stopping: It reads.": "M7", "It.": ""}
    assert {bug: mutant(bug=bug).known_as for bug in bugs} == bugs


# ---------------------------------------------------------------- climbing, without a tree


def mutant(name: str = "some", **changes: object) -> Mutant:
    whole = {**GOOD, "name": name, "tests": ("test_x",), "replace": name, **changes}
    return Mutant(**whole)  # type: ignore[arg-type]


class Interrupted(Exception):
    """What Ctrl-C is."""


class FakeTree:
    """Knows which mutant is in. A step's words are the names of the mutants that it sees; `*` sees the tree itself."""

    def __init__(self) -> None:
        self.present = ""
        self.calls: list[tuple[str, str]] = []  # mutant and step
        self.sources = "sources"
        self.tests = "tests"
        self.unbuildable = ""
        self.same: set[str] = set()
        self.hanging = ""
        self.interrupt_at = ""

    def sources_digest(self, tests: bool) -> str:
        return self.sources + (self.tests if tests else "")

    @contextlib.contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        self.present = mutant.name
        try:
            yield
        finally:
            self.present = ""

    def build(self, preset: str, targets: Sequence[str]) -> None:
        if self.present and self.present == self.unbuildable:
            raise BuildFails("no such word")

    def call(self, words: Sequence[str], timeout_s: float) -> int | None:
        self.calls.append((self.present, words[0]))
        if self.present and self.present == self.interrupt_at:
            raise Interrupted
        if self.present and self.present == self.hanging:
            return None
        return int("*" in words if not self.present else self.present in words)

    def last_words(self) -> str:
        return "the last words"

    def machine_code(self, preset: str) -> dict[str, str]:
        return {"x.o": "" if self.present in self.same else self.present}

    def seen(self) -> list[str]:
        """The mutants that steps were taken for since the last look."""
        found = [name for name, _ in self.calls if name]
        self.calls.clear()
        return found


def rung(name: str, *sees: str, native: bool = False, target: str = "readyq", last: bool = False) -> Rung:
    step = Step(name, (name, *sees), targets=(target,))
    return Rung(name, f"sees {sees}", lambda mutant: [step], native, last)


CODE = Rung("code", "compares", lambda mutant: [Step("machine code", ladder.OBJDUMP)])


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "out" / "journal.jsonl")
    yield opened
    opened.close()


@pytest.fixture
def tree() -> FakeTree:
    return FakeTree()


def climb(tree: FakeTree, journal: Journal, rungs: Sequence[Rung], *names: str) -> tuple[list[Row], list[str]]:
    said: list[str] = []
    job = Climb(tree, journal, [mutant(name) for name in names], rungs, said.append)
    job.run()
    return job.rows(), said


def outcomes(rows: list[Row]) -> dict[str, dict[str, str]]:
    return {row.mutant.name: {name: line.outcome for name, line in row.lines.items()} for row in rows}


def test_every_rung_is_climbed(tree: FakeTree, journal: Journal) -> None:
    rows, said = climb(tree, journal, [rung("low", "a"), rung("high", "a", "b")], "a", "b", "c")
    assert outcomes(rows) == {
        "a": {"low": "killed", "high": "killed"},
        "b": {"low": "survived", "high": "killed"},
        "c": {"low": "survived", "high": "survived"},
    }
    assert [row.killers for row in rows] == [["low", "high"], ["high"], []]
    assert said[0].startswith("without any mutant first: 2 steps")
    assert "1 of 3 a: killed by low, high" in said[1] and "left" in said[1]
    assert "3 of 3 c: survived" in said[3] and "left" not in said[3]


def test_the_last_rungs_get_what_the_others_let_live(tree: FakeTree, journal: Journal) -> None:
    rungs = [rung("low", "a"), rung("high", "a", "b", last=True), rung("top", "b", last=True)]
    rows, said = climb(tree, journal, rungs, "a", "b", "c")
    assert outcomes(rows) == {
        "a": {"low": "killed"},
        "b": {"low": "survived", "high": "killed", "top": "killed"},
        "c": {"low": "survived", "high": "survived", "top": "survived"},
    }
    assert not mutants_table.faults(rows[:2], rungs)
    assert "| killed | spared | spared | - |" in mutants_table.render(rows, rungs, {})
    tree.calls.clear()
    _, said = climb(tree, journal, rungs, "a", "b", "c")
    assert not tree.calls and "nothing to do" in said[0]


def test_what_only_the_last_rungs_need_waits_until_a_mutant_gets_there(tree: FakeTree, journal: Journal) -> None:
    rungs = [rung("low", "a"), rung("high", "b", last=True)]
    climb(tree, journal, rungs, "a")
    assert ("", "low") in tree.calls and ("", "high") not in tree.calls
    tree.calls.clear()
    _, said = climb(tree, journal, rungs, "a", "b")
    assert tree.calls == [("b", "low"), ("", "high"), ("b", "high")]
    assert [sentence.partition(",")[0] for sentence in said] == [
        "2 of 2 b: survived", "without any mutant first: 1 steps must pass", "2 of 2 b: killed by high",
    ]  # fmt: skip


def test_what_is_known_is_not_done_again(tree: FakeTree, journal: Journal) -> None:
    rungs = [rung("low", "a"), rung("high", "b")]
    before, _ = climb(tree, journal, rungs, "a", "b")
    tree.calls.clear()
    after, said = climb(tree, journal, rungs, "a", "b")
    assert not tree.calls and outcomes(after) == outcomes(before)
    assert "nothing to do" in said[0]


def test_what_changed_is_done_again(tree: FakeTree, journal: Journal) -> None:
    low, high = rung("low", "a"), rung("high", "b")
    climb(tree, journal, [low, high], "a", "b")
    tree.seen()
    climb(tree, journal, [low, rung("high", "b", "more")], "a", "b")
    assert tree.seen() == ["a", "b"], "the changed rung"
    other = Climb(tree, journal, [mutant("a"), mutant("b", find="other")], [low, high], lambda sentence: None)
    other.run()
    assert tree.seen() == ["b", "b"], "the changed mutant"
    told = Climb(tree, journal, [mutant("a", bug="Told otherwise.")], [low, high], lambda sentence: None)
    assert not told.missing(), "another sentence is no other mutant"
    tree.sources = "changed"
    climb(tree, journal, [low, high], "a")
    assert tree.seen() == ["a", "a"], "the changed tree"
    tree.tests = "changed"
    climb(tree, journal, [low, rung("test", "a", target="test_x")], "a")
    assert tree.seen() == ["a"], "the program is the same as before"
    tree.tests = "changed again"
    climb(tree, journal, [low, rung("test", "a", target="test_x")], "a")
    assert tree.seen() == ["a"], "the changed test"


def test_interrupted_it_goes_on_from_there(tree: FakeTree, journal: Journal) -> None:
    rungs = [rung("low", "a"), rung("high", "b")]
    tree.interrupt_at = "b"
    with pytest.raises(Interrupted):
        climb(tree, journal, rungs, "a", "b", "c")
    assert tree.present == "", "the mutant was taken out"
    tree.interrupt_at = ""
    assert tree.seen() == ["a", "a", "b"]
    rows, _ = climb(tree, journal, rungs, "a", "b", "c")
    assert tree.seen() == ["b", "b", "c", "c"]
    assert outcomes(rows)["a"] == {"low": "killed", "high": "survived"}


def test_a_tree_that_fails_by_itself_tells_nothing(tree: FakeTree, journal: Journal) -> None:
    with pytest.raises(BaselineFails, match=r"high.*killed without any mutant:\nthe last words"):
        climb(tree, journal, [rung("low", "a"), rung("high", "*")], "a")
    assert tree.seen() == []


def test_a_mutant_that_does_not_build_is_a_fault(tree: FakeTree, journal: Journal) -> None:
    tree.unbuildable = "b"
    rows, said = climb(tree, journal, [rung("low", "a", "b")], "a", "b")
    assert outcomes(rows) == {"a": {"low": "killed"}, "b": {"low": "not built"}}
    assert any("no such word" in sentence for sentence in said)
    rows, _ = climb(tree, journal, [rung("low", "a", "b"), rung("high", last=True)], "b")
    assert outcomes(rows) == {"b": {"low": "not built"}}, "it is not tried again"
    assert mutants_table.faults(rows) == ["b does not build"]


def test_a_mutant_of_the_same_code_is_spared_what_can_not_tell_it(tree: FakeTree, journal: Journal) -> None:
    tree.same = {"a", ""}
    rows, _ = climb(tree, journal, [CODE, rung("native", "a", "b", native=True), rung("other", "a")], "a", "b")
    assert outcomes(rows) == {
        "a": {"code": "same", "native": "same", "other": "killed"},
        "b": {"code": "differs", "native": "killed", "other": "survived"},
    }
    assert [name for name, step in tree.calls if step == "native"] == ["", "b"]


def test_a_hang_is_a_death(tree: FakeTree, journal: Journal) -> None:
    tree.hanging = "a"
    rows, _ = climb(tree, journal, [rung("low")], "a")
    assert outcomes(rows) == {"a": {"low": "hangs"}} and rows[0].killers == ["low"]


def test_a_torn_line_of_the_journal_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    first = Journal(path)
    first.append(Line("a", "low", "key", "killed", "step", 1.5))
    with pytest.raises(Refused, match="another run"):
        Journal(path)
    first.close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"mutant": "b", "ru')
    second = Journal(path)
    assert path.read_bytes() == whole and second.find("key") == Line("a", "low", "key", "killed", "step", 1.5)
    second.append(Line("a", "low", "key", "survived", "", 2.5))
    assert second.seconds_of("a", "low") == second.mean_seconds("low") == 2.5
    second.close()
    path.write_bytes(whole + b"[]\n")
    with pytest.raises(Refused, match="line 2"):
        Journal(path)


def test_a_script_that_mutants_are_thrown_at_is_known_when_it_changes() -> None:
    named = {test for one in mutants_list.load(ROOT) for test in one.tests if test.endswith(".py")}
    assert {*named, ladder.LABELS_TEST} <= set(mutants_tree.TEST_SCRIPTS)


# ---------------------------------------------------------------- judging and the table


def row(mutant: Mutant, **found: str) -> Row:
    return Row(mutant, {name: Line(mutant.name, name, "", outcome, "the step", 1) for name, outcome in found.items()})


FULL = [rung("code"), rung("unit")]


@pytest.mark.parametrize(
    ("subject", "sentence"),
    [
        (row(mutant(), code="differs", unit="killed"), None),
        (row(mutant(), code="differs", unit="survived"), "survives every rung. It loses."),
        (row(mutant(), code="differs"), None),
        (row(mutant(survives="equivalent: X."), code="differs", unit="survived"), None),
        (row(mutant(survives="equivalent: X."), code="differs", unit="killed"), "but unit kills it (the step)"),
        (row(mutant(survives="same: X. Seen by y.pml."), code="same", unit="same"), None),
        (row(mutant(survives="same: X. Seen by y.pml."), code="differs", unit="survived"), "machine code, and has not"),
        (row(mutant(), code="differs", unit="hangs"), "makes the step hang"),
        (row(mutant(hangs=True), code="differs", unit="hangs"), None),
    ],
)
def test_who_is_not_as_the_list_says(subject: Row, sentence: str | None) -> None:
    faults = mutants_table.faults([subject], FULL)
    assert [sentence in fault for fault in faults] == ([True] if sentence else []), faults


def test_the_table() -> None:
    rows = [
        row(mutant("first", bug="M3, OTP-1: It loses."), code="differs", unit="killed"),
        row(mutant("second", survives="same: No\ndifference. Seen by y.pml."), code="same", unit="same"),
        row(mutant("third"), code="differs"),
    ]
    text = mutants_table.render(rows, FULL, {"second": "y.pml"})
    assert "| first | M3, OTP-1 | core/x.c | differs | killed | - |" in text
    assert "| second |  | core/x.c | same | same | y.pml |" in text
    assert "| third |  | core/x.c | differs | - | - |" in text
    assert "| unit | 1 | 1 | 1 |" in text
    assert "- **second**: No difference. Seen by y.pml." in text
    assert "1 died, and 2 survived" in text
    assert mutants_table.named_in(text) == {"first": False, "second": True, "third": False}


def test_the_table_can_be_read_again() -> None:
    text = TABLE.read_text()
    everything = mutants_list.load(ROOT)
    rows = mutants_table.read(text, everything, ladder.LADDER)
    again = mutants_table.render([*rows.values()], ladder.LADDER, mutants_models.refutations(ROOT))
    assert again == text
    assert mutants_table.read(text, everything, ladder.LADDER[1:]) == {}, "of other rungs"
    assert mutants_table.read("", everything, ladder.LADDER) == {}


def test_some_rows_of_the_table_are_renewed_and_the_others_stay(tmp_path: Path) -> None:
    table = tmp_path / "mutants.md"
    first, second, third, fourth = (mutant(name) for name in ("first", "second", "third", "fourth"))
    everything = [first, second, third, fourth]
    mutants_cli.renew(table, [row(third, code="differs", unit="killed")], everything, {})
    assert [*mutants_table.named_in(table.read_text())] == ["third"], "there was no table"
    renewed = [row(fourth, code="differs", unit="hangs"), row(first, code="same", asan="survived", tsan="killed")]
    mutants_cli.renew(table, renewed, everything, {"first": "y.pml"})
    shown = [line for line in table.read_text().splitlines() if "core/x.c" in line]
    assert shown == [
        "| first |  | core/x.c | - | same | - | - | - | survived | killed | y.pml |",
        "| third |  | core/x.c | - | differs | killed | - | - | spared | spared | - |",
        "| fourth |  | core/x.c | - | differs | hangs | - | - | spared | spared | - |",
    ]
    assert "| unit | 2 | 2 | 2 |" in table.read_text() and "Of 3 mutants 3 died" in table.read_text()
    mutants_cli.renew(table, [row(third, code="differs", unit="survived")], [first, third], {})
    assert [*mutants_table.named_in(table.read_text())] == ["first", "third"], "the fourth is listed no more"
    assert "| third |  | core/x.c | - | differs | survived |" in table.read_text()


def test_what_concerns_whom() -> None:
    names = {"a.c": "core/pool/a.c", "list": "queues/list.c", "erts": "core/sync/grace.h", "all": "core/sync/event.c"}
    asked = {
        short: [found.name for found in ladder.LADDER if ladder.applies(found, mutant(file=file, find="at_x"))]
        for short, file in names.items()
    }
    assert "conformance" not in asked["a.c"] and "history" in asked["a.c"]
    assert asked["all"] == [found.name for found in ladder.LADDER]
    assert not ladder.applies(ladder.RUNGS["labels"], mutant())
    assert ladder.queues_of("core/sync/grace.h") == ("erts_mpsc",)
    assert not set(ladder.queues_of("queues/list.c")) & set(ladder.queues_of("core/sync/grace.h"))


def test_every_check_of_the_suite_is_a_step(readyq: Path) -> None:
    done = subprocess.run([readyq, "check", "--only", "none", "list"], capture_output=True, text=True, timeout=60)
    known = done.stderr.partition("known are ")[2].partition("\n")[0]
    assert sorted(known.split(", ")) == sorted(ladder.CHECKS)


# ---------------------------------------------------------------- the copy of the tree


def test_the_copy_follows_the_tree_by_content(small: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("out")
    (small / "build").mkdir()
    (small / "build" / "x").write_text("left out")
    copy = Tree(small, folder, 1)
    digest, program = copy.sources_digest(tests=True), copy.sources_digest(tests=False)
    source = copy.root / "core" / "x.c"
    before = source.stat().st_mtime_ns
    with pytest.raises(Interrupted), copy.mutated(mutant()):
        assert source.read_text() == "some or other" and copy.sources_digest(tests=True) != digest
        raise Interrupted
    assert source.read_text() == "one or other"
    source.write_text("as a kill left it")
    (copy.root / "core" / "more.c").write_text("that the tree has not")
    (small / "tests" / "note.md").write_text("no source")
    again = Tree(small, folder, 1)
    assert source.read_text() == "one or other" and source.stat().st_mtime_ns != before
    assert not (copy.root / "core" / "more.c").exists() and not (copy.root / "build" / "x").exists()
    assert again.sources_digest(tests=True) == digest and again.sources_digest(tests=False) == program
    (copy.root / "tests" / "test_x.c").write_text("changed")
    assert again.sources_digest(tests=True) != digest and again.sources_digest(tests=False) == program
    (copy.root / "tests" / "test_x.c").write_text("")
    unchanged = source.stat().st_mtime_ns
    Tree(small, folder, 1)
    assert source.stat().st_mtime_ns == unchanged, "what did not change is not built again"


def test_a_command_in_the_copy_leaves_nothing_behind(small: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    copy = Tree(small, tmp_path_factory.mktemp("out"), 1)
    assert copy.call(["sh", "-c", "echo one; echo two; exit 3"], 20) == 3
    assert copy.last_words() == "one\ntwo"
    assert copy.call(["sh", "-c", "sleep 300 & echo $! >child"], 20) == 0
    words = Path(f"/proc/{(copy.root / 'child').read_text().strip()}/cmdline")
    wait_until(lambda: not words.exists() or not words.read_bytes())
    assert copy.call(["sleep", "300"], 0.1) is None
    with pytest.raises(BuildFails):
        copy.build("release", ["readyq"])


def test_the_same_machine_code_is_known(small: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    copy = Tree(small, tmp_path_factory.mktemp("out"), 1)
    objects = copy.root / "build" / "release" / "CMakeFiles"
    objects.mkdir(parents=True)

    def compiled(text: str) -> dict[str, str]:
        source = copy.root / "core" / "x.c"
        source.write_text(f"#include <stdatomic.h>\nextern _Atomic int a;\nextern int b;\n{text}\n")
        subprocess.run(["cc", "-O2", "-c", "-o", objects / "x.o", source], check=True)
        return copy.machine_code("release")

    load = "int f(void) {{ return atomic_load_explicit(&a, memory_order_{}); }}"
    store = "void f(void) {{ atomic_store_explicit(&a, 1, memory_order_{}); }}"
    constant = "int f(void) {{ return {}; }}"
    name = "int f(void) {{ return {}; }}"
    assert compiled(load.format("seq_cst")) == compiled("\n// moved\n" + load.format("acquire"))
    assert compiled(store.format("seq_cst")) != compiled(store.format("release"))
    assert compiled(constant.format(1)) != compiled(constant.format(2))
    assert compiled(name.format("a")) != compiled(name.format("b")), "the same bytes, another relocation"
    assert compiled('const char *f(void) { return "x"; }') != compiled('const char *f(void) { return "y"; }')


# ---------------------------------------------------------------- the command


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "scripts" / "mutants", *words], capture_output=True, text=True, timeout=120)


def test_the_command_lists_the_mutants() -> None:
    done = call("--list")
    listed = [line.split()[0] for line in done.stdout.splitlines()]
    assert done.returncode == 0 and listed == [mutant.name for mutant in mutants_list.load(ROOT)]
    assert call("--list", "--only", "shared-poison,keys-ignored").stdout.count("\n") == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--only", "shared-poison,no-such"], 'there is no mutant "no-such"'),
        (["--only", ""], 'there is no mutant ""'),
        (["--rung", "labels,none"], 'there is no rung "none"; known are labels'),
        (["--jobs", "0"], '"0" is not a number from 1'),
        (["--out", "/dev/null/x", "--only", "shared-poison"], "cannot write /dev/null/x"),
    ],
)
def test_the_command_refuses_in_a_sentence(words: list[str], sentence: str) -> None:
    done = call(*words)
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_the_command_climbs_and_resumes(tmp_path: Path) -> None:
    words = ["--only", "aux-flag-cleared-without-barrier,list-one-over-its-capacity", "--rung", "labels"]
    first = call(*words, "--out", str(tmp_path))
    assert first.returncode == 0, first.stderr
    assert "aux-flag-cleared-without-barrier: killed by labels" in first.stderr
    assert "| aux-flag-cleared-without-barrier | M2, OTP-17185 |" in (tmp_path / "table.md").read_text()
    second = call(*words, "--out", str(tmp_path))
    assert second.returncode == 0 and "nothing to do" in second.stderr
