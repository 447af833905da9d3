#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/behaviours.md is complete: each behaviour of the originals and each known bug names tests that exist and run."""

import ast
import dataclasses
import functools
import json
import os
import re
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "tests" / "behaviours.md"
BEHAVIOURS = range(1, 67)
SECTIONS = ["s4.1", "s4.2", "s4.3", "s4.4", "s4.5", "s4.6"]
NUMBERS = [*map(str, BEHAVIOURS), *SECTIONS]
BUGS = [
    "shared poison record",
    "uninitialised poison fields",
    "probe reads a published job",
    "event shared with a lock's slow path",
    "progress wake-up lost when all sleep",
    "aux flag cleared without a barrier",
    "progress data leaked at thread exit",
    "id at the most negative value",
    "job submitted after the stop began",
    "submitter inside when the stop began",
]
VERDICTS = ("kept", "kept without the bug", "cannot apply")
BEHAVIOUR_COLUMNS = ["number", "version", "behaviour", "place", "tests", "note"]
BUG_COLUMNS = ["bug", "known from", "here", "tests", "mutants"]
TEST = re.compile(r"`(test_\w+\.(?:c|py)):(\w+)`")
PLACE = re.compile(r"`([\w/]+\.(?:[ch]|py|txt|def)):(\w+)`")
OPTION = re.compile(r"`(\w+)=(\w*)`")
ALSO = [Path(program) for program in os.environ.get("READYQ_ALSO", "").split(":") if program]  # of other builds

Read = Callable[[str], str | None]  # the text of a file below the root, None: there is none
Row = dict[str, str]


@dataclasses.dataclass
class Tree:
    """What the table is held against."""

    read: Read
    options: Mapping[str, frozenset[str]]  # name, the values that the table may give
    mutants: dict[str, list[str]]  # name, tests


def tables(text: str) -> list[tuple[list[str], list[Row]]]:
    """The tables of a Markdown text: their columns, and their rows by column."""
    found: list[tuple[list[str], list[Row]]] = []
    columns: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            columns = []
        elif not columns:
            columns = cells
            found.append((columns, []))
        elif not re.fullmatch(r"[-| :]+", line):
            found[-1][1].append(dict(zip(columns, [*cells, *[""] * len(columns)], strict=False)))
    return found


def without_comments(text: str) -> str:
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


def c_group(text: str) -> dict[str, bool]:
    """The functions in the cmocka group of a C file; True: some builds do without."""
    group = {}
    for body in re.findall(r"struct CMUnitTest \w+\[\]\s*=\s*\{(.*?)\}\s*;", without_comments(text), re.S):
        depth = 0
        for line in body.splitlines():
            depth += bool(re.match(r"\s*#\s*if", line)) - bool(re.match(r"\s*#\s*endif", line))
            for name in re.findall(r"\w+\(\s*(\w+)", line):
                group[name] = depth > 0
    return group


def python_tests(text: str) -> dict[str, bool]:
    """The test functions of a Python file; False: one that is not always run."""
    tests = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            marks = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
            tests[node.name] = not re.search(r"\bmark\.(skip|skipif|xfail|slow)\b", marks)
    return tests


def named_test_faults(cell: str, tree: Tree) -> list[str]:
    """What is wrong with the cell that names tests."""
    rest = TEST.sub("", cell).strip()
    faults = [f"'{rest}' is no test; write `test_file.c:function`"] if rest else []
    if not TEST.search(cell):
        faults.append("it names no test")
    for file, function in TEST.findall(cell):
        text = tree.read(f"tests/{file}")
        if text is None:
            faults.append(f"there is no tests/{file}")
        elif file.endswith(".py"):
            known = python_tests(text)
            if function not in known:
                faults.append(f"{file} has no test {function}")
            elif not known[function]:
                faults.append(f"{file}: {function} is not always run")
        elif not re.search(rf"\b{function}\(void \*\*state\)", text):
            faults.append(f"{file} has no function {function}")
        elif function not in c_group(text):
            faults.append(f"{file}: {function} is not in the group of tests, and so never runs")
    return faults


def place_faults(cell: str, tree: Tree) -> list[str]:
    """What is wrong with the cell that names options and places in the code."""
    faults = [] if PLACE.search(cell) or OPTION.search(cell) else ["it names no place and no option"]
    for file, name in PLACE.findall(cell):
        text = tree.read(file)
        if text is None:
            faults.append(f"there is no {file}")
        elif not re.search(rf"\b{name}\b", text):
            faults.append(f"{file} has no {name}")
    for name, value in OPTION.findall(cell):
        if name not in tree.options:
            faults.append(f"there is no option {name}")
        elif value not in tree.options[name]:
            faults.append(f"{name}={value} is none of {', '.join(sorted(tree.options[name]))}")
    return faults


def behaviour_faults(row: Row, tree: Tree) -> list[str]:
    faults = [f"the column {column} is empty" for column in BEHAVIOUR_COLUMNS if not row[column]]
    if row["version"] not in ("A", "B", "AB"):
        faults.append(f"the version is '{row['version']}', and not A, B or AB")
    if row["note"].split(":")[0].split(";")[0] not in VERDICTS:
        faults.append(f"the note begins with none of {', '.join(VERDICTS)}")
    if row["note"] in VERDICTS[1:]:
        faults.append("the note does not say why")
    return faults + place_faults(row["place"], tree) + named_test_faults(row["tests"], tree)


def bug_faults(row: Row, tree: Tree) -> list[str]:
    faults = [f"the column {column} is empty" for column in BUG_COLUMNS if not row[column]]
    mutants = re.findall(r"`([\w-]+)`", row["mutants"])
    if not mutants:
        faults.append("it names no mutant")
    tests = {file.removesuffix(".c") for file, _ in TEST.findall(row["tests"])}
    for mutant in mutants:
        if mutant not in tree.mutants:
            faults.append(f"there is no mutant {mutant}")
        elif not tests & set(tree.mutants[mutant]):
            faults.append(f"the mutant {mutant} is held against none of its tests")
    return faults + named_test_faults(row["tests"], tree)


def column_faults(what: str, wanted: list[str], found: list[str]) -> list[str]:
    """Each of `wanted` once, in this order."""
    faults = [f"{what} {name} is missing" for name in wanted if name not in found]
    faults += [f"{what} {name} is there {found.count(name)} times" for name in wanted if found.count(name) > 1]
    faults += [f"{what} {name} is unknown" for name in found if name not in wanted]
    return faults or ([] if found == wanted else [f"the order of {what}s is wrong"])


def faults_of(text: str, tree: Tree) -> list[str]:
    """Everything that is wrong with the table, as sentences."""
    found = tables(text)
    if [columns for columns, _ in found] != [BEHAVIOUR_COLUMNS, BUG_COLUMNS]:
        return [f"there must be two tables, with the columns {BEHAVIOUR_COLUMNS} and {BUG_COLUMNS}"]
    behaviours, bugs = found[0][1], found[1][1]
    faults = column_faults("behaviour", NUMBERS, [row["number"] for row in behaviours])
    faults += column_faults("bug", BUGS, [row["bug"] for row in bugs])
    for row in behaviours:
        faults += [f"behaviour {row['number']}: {fault}" for fault in behaviour_faults(row, tree)]
    for row in bugs:
        faults += [f"bug '{row['bug']}': {fault}" for fault in bug_faults(row, tree)]
    return faults


def read(name: str) -> str | None:
    path = ROOT / name
    return path.read_text() if path.is_file() else None


@functools.cache
def named_programs() -> dict[str, frozenset[str]]:
    """The C tests that the table names: program, functions."""
    programs: dict[str, set[str]] = {}
    for _, rows in tables(TABLE.read_text()):
        for row in rows:
            for file, function in TEST.findall(row.get("tests", "")):
                if file.endswith(".c"):
                    programs.setdefault(file.removesuffix(".c"), set()).add(function)
    return {name: frozenset(functions) for name, functions in sorted(programs.items())}


@functools.cache
def fixed_addresses() -> tuple[str, ...]:
    """What a build with the thread sanitizer may need to start at all, where it is permitted."""
    words = ("setarch", "--addr-no-randomize")
    return words if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0 else ()


def told(readyq: Path, *words: str) -> dict[str, object]:
    done = subprocess.run([*fixed_addresses(), readyq, *words], capture_output=True, text=True, check=True)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def values_of(param: dict[str, str]) -> frozenset[str]:
    """Of a choice any, of a number the default."""
    if param["type"] == "bool":
        return frozenset(["yes", "no"])
    return frozenset(param.get("choices", [param["default"]]))


def test_the_table_is_complete(readyq: Path) -> None:
    pools = told(readyq, "list", "pools", "--json")["pools"]
    assert isinstance(pools, list)
    options = {param["name"]: values_of(param) for pool in pools if pool["name"] == "erts" for param in pool["params"]}
    mutants = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text())["mutant"]
    tree = Tree(read, options, {mutant["name"]: mutant["tests"] for mutant in mutants})
    faults = faults_of(TABLE.read_text(), tree)
    assert not faults, "\n".join(faults)


def run_program(program: Path) -> subprocess.CompletedProcess[str]:
    words = [*fixed_addresses(), str(program)]
    return kept_by_ctest(program) or subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)


def kept_by_ctest(program: Path) -> subprocess.CompletedProcess[str] | None:
    """What this very program said when ctest saw it pass: to run it again would tell nothing more."""
    log = program.parents[1] / "Testing" / "Temporary" / "LastTest.log"
    if not log.is_file() or log.stat().st_mtime <= program.stat().st_mtime:
        return None
    said = rf'^Command: "{re.escape(str(program))}"$.*?^Output:$(.*?)^<end of output>$.*?^Test (\w+)\.$'
    found = re.search(said, log.read_text(errors="replace"), re.M | re.S)
    return subprocess.CompletedProcess([program], 0, found[1], "") if found and found[2] == "Passed" else None


def not_run(done: subprocess.CompletedProcess[str], name: str, sanitized: bool) -> set[str]:
    """The named functions that did not pass. What some builds do without may be missing under a sanitizer only."""
    passed = set(re.findall(r"^\[ +OK \] (\w+)$", done.stdout + done.stderr, re.M))
    optional = {test for test, some in c_group((ROOT / "tests" / f"{name}.c").read_text()).items() if some}
    return set(named_programs()[name]) - passed - (optional if sanitized else set())


def build_of(readyq: Path) -> str:
    return str(told(readyq, "run", "--dry-run", "--workload", "pairs")["build"])


@pytest.mark.parametrize("name", named_programs())
def test_each_named_function_runs(readyq: Path, name: str) -> None:
    """In the build that READYQ is of."""
    program = readyq.parent / "tests" / name
    assert program.is_file(), f"{name} is not built beside {readyq.name}"
    done = run_program(program)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    missing = not_run(done, name, "+" in build_of(readyq))
    assert not missing, f"{name} did not run {', '.join(sorted(missing))}"


@pytest.mark.parametrize("also", [pytest.param(also, id=also.parent.name) for also in ALSO])
def test_each_named_function_runs_in_this_build_too(also: Path) -> None:
    """In those that READYQ_ALSO names, such as build/asan/readyq:build/tsan/readyq."""
    programs = {name: also.parent / "tests" / name for name in named_programs()}
    unbuilt = [name for name, program in programs.items() if not program.is_file()]
    assert not unbuilt, f"{', '.join(unbuilt)} is not built beside {also}"
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        runs = dict(zip(programs, threads.map(run_program, programs.values()), strict=True))
    failed = [name for name, done in runs.items() if done.returncode != 0]
    assert not failed, "\n".join(f"{name}: {runs[name].stdout[-2000:]}{runs[name].stderr[-2000:]}" for name in failed)
    sanitized = "+" in build_of(also)
    missing = [test for name, done in runs.items() for test in not_run(done, name, sanitized)]
    assert not missing, f"{also.parent.name} did not run {', '.join(sorted(missing))}"


# ---------------------------------------------------------------- the check itself

CTEST_LOG = """1/2 Testing: test_a
1/2 Test: test_a
Command: "{tests}/test_a"
Output:
----------------------------------------------------------
[       OK ] works
<end of output>
Test time =   0.01 sec
----------------------------------------------------------
Test {a}.
----------------------------------------------------------

2/2 Testing: test_ab
Command: "{tests}/test_ab"
Output:
----------------------------------------------------------
[       OK ] is_another
<end of output>
Test Passed.
"""


def test_what_ctest_has_seen_is_not_run_again(tmp_path: Path) -> None:
    tests, log = tmp_path / "tests", tmp_path / "Testing" / "Temporary" / "LastTest.log"
    for folder in (tests, log.parent):
        folder.mkdir(parents=True)
    program = tests / "test_a"
    program.write_text("#!/bin/sh\necho '[       OK ] run_here'")
    program.chmod(0o755)
    assert kept_by_ctest(program) is None and "run_here" in run_program(program).stdout
    log.write_text(CTEST_LOG.format(tests=tests, a="Passed"))
    os.utime(log, (4e9, 4e9))
    assert "works" in run_program(program).stdout and "another" not in run_program(program).stdout
    os.utime(program, (5e9, 5e9))
    assert "run_here" in run_program(program).stdout, "it was built again since"
    os.utime(program, (1e9, 1e9))
    log.write_text(CTEST_LOG.format(tests="/elsewhere", a="Passed"))
    assert "run_here" in run_program(program).stdout, "another program"
    for outcome in ("Failed", "timeout"):
        log.write_text(CTEST_LOG.format(tests=tests, a=outcome))
        assert "run_here" in run_program(program).stdout, "it did not pass"

C_FILE = """
static void works(void **state)
{
}
static void forgotten(void **state)
{
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(works),
        // TEST(forgotten),
    };
}
"""
PY_FILE = """
def test_works(): pass
@pytest.mark.skipif(True, reason="")
def test_skips(): pass
def helper(): pass
"""
SMALL = Tree(
    {"tests/test_c.c": C_FILE, "tests/test_py.py": PY_FILE, "core/a.c": "int place;"}.get,
    {"option": frozenset({"value", "other"})},
    {"mutant": ["test_c"], "elsewhere": ["test_d"]},
)


def good_table() -> str:
    lines = ["| " + " | ".join(BEHAVIOUR_COLUMNS) + " |", "|" + "---|" * len(BEHAVIOUR_COLUMNS)]
    lines += [f"| {number} | AB | it | `core/a.c:place` | `test_c.c:works` | kept |" for number in NUMBERS]
    lines += ["", "| " + " | ".join(BUG_COLUMNS) + " |", "|" + "---|" * len(BUG_COLUMNS)]
    lines += [f"| {bug} | R15 | absent | `test_c.c:works` `test_py.py:test_works` | `mutant` |" for bug in BUGS]
    return "\n".join(lines)


def test_a_good_table_has_no_fault() -> None:
    assert faults_of(good_table(), SMALL) == []
    assert faults_of(good_table().replace("`core/a.c:place`", "`option=value`"), SMALL) == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("| 17 | AB", "| 16 | AB", "behaviour 17 is missing"),
        ("| 17 | AB", "| 16 | AB", "behaviour 16 is there 2 times"),
        ("| 17 | AB", "| 67 | AB", "behaviour 67 is unknown"),
        ("| 17 | AB", "| 17 | C", "behaviour 17: the version is 'C'"),
        ("| 17 | AB | it |", "| 17 | AB |  |", "behaviour 17: the column behaviour is empty"),
        ("| 17 | AB | it | `core/a.c:place` | `test_c.c:works` | kept |\n", "", "behaviour 17 is missing"),
        ("`test_c.c:works` | kept", "none | kept", "behaviour 1: 'none' is no test"),
        ("`test_c.c:works` | kept", "none | kept", "behaviour 1: it names no test"),
        ("`test_c.c:works` | kept", "`test_c.c:works` by hand | kept", "'by hand' is no test"),
        ("`test_c.c:works` | kept", "`test_d.c:works` | kept", "there is no tests/test_d.c"),
        ("`test_c.c:works` | kept", "`test_c.c:unknown` | kept", "test_c.c has no function unknown"),
        ("`test_c.c:works` | kept", "`test_c.c:forgotten` | kept", "forgotten is not in the group"),
        ("`test_c.c:works` | kept", "`test_py.py:helper` | kept", "test_py.py has no test helper"),
        ("`test_c.c:works` | kept", "`test_py.py:test_skips` | kept", "test_skips is not always run"),
        ("works` | kept", "works` | kept in mind", "the note begins with none of kept"),
        ("works` | kept", "works` | cannot apply", "the note does not say why"),
        ("`core/a.c:place`", "`core/b.c:place`", "there is no core/b.c"),
        ("`core/a.c:place`", "`core/a.c:where`", "core/a.c has no where"),
        ("`core/a.c:place`", "`choice=1`", "there is no option choice"),
        ("`core/a.c:place`", "`option=valeu`", "option=valeu is none of other, value"),
        ("`core/a.c:place`", "`option=`", "option= is none of other, value"),
        ("`core/a.c:place`", "somewhere", "it names no place and no option"),
        (f"| {BUGS[0]} |", "| a new bug |", f"bug {BUGS[0]} is missing"),
        ("| `mutant` |", "| `other` |", "there is no mutant other"),
        ("| `mutant` |", "| `elsewhere` |", "the mutant elsewhere is held against none of its tests"),
        ("| `mutant` |", "| none |", "it names no mutant"),
        ("| bug | known from |", "| bug | from |", "there must be two tables"),
    ],
)
def test_a_faulty_table_is_told(old: str, new: str, sentence: str) -> None:
    assert old in good_table()
    faults = faults_of(good_table().replace(old, new, 1), SMALL)
    assert any(sentence in fault for fault in faults), faults
