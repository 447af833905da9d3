# SPDX-License-Identifier: Apache-2.0
"""A plan file says what it means, and what it must not say is refused in one sentence before anything is written."""

from pathlib import Path

import pytest

from benchlib import built, cells, paths, plan, points, programs, schedule, units
from benchlib.errors import Refused
from benchlib.plan_schema import PROGRAM
from benchlib.programs import Programs

PLANS = sorted((Path(__file__).parents[1] / "scripts" / "plans").glob("*.toml"))
HEAD = 'name = "p"\nrepeats = 1\n'
BASE = '[base]\nworkload = "w"\n'


def expanded(text: str) -> list[dict[str, plan.Scalar]]:
    return [cell.settings for cell in cells.expand(plan.parse(text, "p.toml"))]


def values(text: str, name: str) -> list[plan.Scalar]:
    return [settings[name] for settings in expanded(text)]


def test_axes_multiply_over_the_base() -> None:
    text = HEAD + BASE + '[axes]\nqueue = ["a", "b"]\n"workload.producers" = [1, 2, 4]'
    assert [(cell["workload"], cell["queue"], cell["workload.producers"]) for cell in expanded(text)] == [
        ("w", queue, producers) for queue in "ab" for producers in (1, 2, 4)
    ]


def test_a_zip_varies_together_and_multiplies_with_axes() -> None:
    text = HEAD + BASE + '[axes]\nduration = ["1ms", "2ms"]\n'
    text += '[[zip]]\njob_queue = ["a", "b"]\nready_queue = ["c", "c"]\n'
    assert [(cell["duration"], cell["job_queue"], cell["ready_queue"]) for cell in expanded(text)] == [
        (duration, job, "c") for duration in ("1ms", "2ms") for job in "ab"
    ]


@pytest.mark.parametrize(
    ("written", "counted"),
    [
        ("{from = 1, to = 4}", [1, 2, 3, 4]),
        ("{from = 1, to = 8, step = 3}", [1, 4, 7]),
        ("{from = 1, to = 20, factor = 4}", [1, 4, 16]),
        ("{from = 3, to = 3}", [3]),
    ],
)
def test_ranges_are_counted_out(written: str, counted: list[int]) -> None:
    assert values(HEAD + f"[axes]\nworkload.producers = {written}", "workload.producers") == counted


def test_dotted_quoted_and_nested_settings_are_the_same() -> None:
    quoted = HEAD + '[base]\nqueue = "list"\n"queue.lock" = "mcs"\n[axes]\n"workload.producers" = [1]'
    nested = HEAD + '[base]\nqueue = {name = "list", lock = "mcs"}\n[axes]\nworkload.producers = [1]'
    assert expanded(quoted) == expanded(nested) == [{"queue": "list", "queue.lock": "mcs", "workload.producers": 1}]
    assert plan.parse(quoted, "").hash == plan.parse(nested, "").hash


def test_parts_share_the_base_and_may_override_it() -> None:
    text = HEAD + '[base]\nduration = "1ms"\nqueue = "a"\n'
    text += '[[part]]\nname = "first"\n[part.axes]\nworkload.n = [1, 2]\n'
    text += '[[part]]\nname = "second"\n[part.base]\nqueue = "b"\n[part.axes]\nduration = ["5ms"]\n'
    assert [(cell.part, cell.settings) for cell in cells.expand(plan.parse(text, ""))] == [
        ("first", {"duration": "1ms", "queue": "a", "workload.n": 1}),
        ("first", {"duration": "1ms", "queue": "a", "workload.n": 2}),
        ("second", {"duration": "5ms", "queue": "b"}),
    ]


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("workload.n = 2", [1, 3, 4]),
        ("workload.n = [1, 4]", [2, 3]),
        ("workload.n = {above = 2}", [1, 2]),
        ("workload.n = {above = 1, below = 4}", [1, 4]),
        ('workload.n = {above = 1}\nqueue = "a"', [1]),
    ],
)
def test_exclusions_take_away_the_cells_that_meet_all_conditions(condition: str, kept: list[int]) -> None:
    text = HEAD + f'[base]\nqueue = "a"\n[axes]\nworkload.n = [1, 2, 3, 4]\n[[exclude]]\n{condition}'
    assert values(text, "workload.n") == kept


def test_an_exclusion_needs_all_its_conditions() -> None:
    text = HEAD + '[axes]\nworkload.n = [1, 2]\nqueue = ["a", "b"]\n[[exclude]]\nworkload.n = 2\nqueue = "b"'
    assert [(cell["workload.n"], cell["queue"]) for cell in expanded(text)] == [(1, "a"), (1, "b"), (2, "a")]


def test_parameters_go_behind_the_name_of_their_plugin() -> None:
    settings = {"workload": "w", "queue": "list:lock=mcs", "queue.capacity": 64, "workload.check": True, "pin": "none"}
    assert cells.arguments(settings) == [
        "--workload",
        "w:check=yes",
        "--queue",
        "list:lock=mcs,capacity=64",
        "--pin",
        "none",
    ]
    assert cells.arguments({"job_queue": "a"}) == ["--job-queue", "a"]


def test_a_parameter_without_its_plugin_is_refused() -> None:
    with pytest.raises(Refused, match='"queue.lock" is set, but no queue is named'):
        cells.arguments({"workload": "w", "queue.lock": "mcs"})


def test_the_hash_is_of_the_content_only() -> None:
    text = HEAD + BASE + "[axes]\nworkload.n = [1, 2]\n"
    same = "# why\n" + text.replace("[1, 2]", "[1,\n 2]")
    other = text.replace("[1, 2]", "[1, 3]")
    assert plan.parse(same, "").hash == plan.parse(text, "").hash
    assert plan.parse(other, "").hash != plan.parse(text, "").hash


def test_durations_both_ways() -> None:
    assert units.seconds("250ms", "") == 0.25
    assert units.seconds("1.5 m", "") == 90
    assert [units.in_words(value) for value in (0.84, 14.2, 60, 86, 7500)] == [
        "0.8 s",
        "14 s",
        "1 min",
        "1 min 26 s",
        "2 h 5 min",
    ]


def test_whole_blocks_within_the_budget() -> None:
    assert schedule.blocks_within(None, 10, 7) == 7
    assert schedule.blocks_within(70, 10, 7) == 7
    assert schedule.blocks_within(69, 10, 7) == 6
    with pytest.raises(Refused, match="budget of 9.0 s is too small"):
        schedule.blocks_within(9, 10, 7)


MALFORMED = {
    "line 2": 'name = "p"\nrepeats = = 1',
    "base, program is 3, but must be a text": HEAD + BASE + "program = 3",
    "axes, program is 3, but must be a list": HEAD + BASE + "[axes]\nprogram = 3",
    "axes, program is [], but must hold at least 1": HEAD + BASE + "[axes]\nprogram = []",
    "axes, program 2 is 5, but must be a text": HEAD + BASE + '[axes]\nprogram = ["a/b", 5]',
    "axes, program is ['a/b', 'a/b'], but must not hold a value twice": HEAD
    + BASE
    + '[axes]\nprogram = ["a/b", "a/b"]',
    'program "/bin/true" must be a path below the root of the repository': HEAD + BASE + 'program = "/bin/true"',
    'program "../readyq" must be a path below the root': HEAD + BASE + 'program = "tests/../../readyq"',
    "no program at tests/nosuch (below the root of the repository), which the plan names": HEAD
    + BASE
    + 'program = "tests/nosuch"',
    "no program at tests (below": HEAD + BASE + 'program = "tests"',
    "no program at LICENSE (below": HEAD + BASE + 'program = "LICENSE"',
    "would run nothing: the plan names the program of every cell": HEAD + BASE + 'program = "tests/fake_readyq"',
    'the plan lacks the key "name"': "repeats = 1",
    'the plan has the unknown key "repeat"; known are name, title, repeats': HEAD + "repeat = 2",
    'base has the unknown key "durations"; known are workload, queue': HEAD + '[base]\ndurations = "1s"',
    'axes has the unknown key "threads.n"': HEAD + '[axes]\n"threads.n" = [1]',
    'part 1 has the unknown key "axis"; known are name, figure, base, axes': HEAD + '[[part]]\nname = "a"\n[part.axis]\n',
    'part 2 lacks the key "name"': HEAD + '[[part]]\nname = "a"\n[[part]]\n',
    "repeats is 0, but must be at least 1": 'name = "p"\nrepeats = 0',
    "repeats is 100000000000, but must be at most 10000": 'name = "p"\nrepeats = 100000000000',
    'repeats is "3", but must be a whole number': 'name = "p"\nrepeats = "3"',
    'name is "Ä b", but must consist of': 'name = "Ä b"\nrepeats = 1',
    "axes, queue is [], but must hold at least 1": HEAD + "[axes]\nqueue = []",
    "axes, queue is ['a', 'a'], but must not hold a value twice": HEAD + '[axes]\nqueue = ["a", "a"]',
    "axes, queue 1 is ['a'], but must be a text or a number or true or false": HEAD + '[axes]\nqueue = [["a"]]',
    "axis workload.n: runs from 4 to 1, but must not run downwards": HEAD + "[axes]\nworkload.n = {from = 4, to = 1}",
    "axis workload.n: has a step and a factor": HEAD + "[axes]\nworkload.n = {from = 1, to = 4, step = 1, factor = 2}",
    "axis workload.n: a factor must be above 1": HEAD + "[axes]\nworkload.n = {from = 1, to = 4, factor = 1}",
    "axis workload.n: a step must be above 0": HEAD + "[axes]\nworkload.n = {from = 1, to = 4, step = 0}",
    "axis workload.n: has more than 10000 values": HEAD + "[axes]\nworkload.n = {from = 1, to = 1000000}",
    "axis workload.m: has more than 10000 values": HEAD + "[axes]\nworkload.m = {from = 1, to = 1000000000}",
    "plan p: 200 cells in 10000 blocks are 2000000 runs; at most 1000000 are taken": 'name = "p"\nrepeats = 10000\n'
    + "[axes]\nworkload.n = {from = 1, to = 200}",
    '"queue" is set in the base and varied as well': HEAD + '[base]\nqueue = "a"\n[axes]\nqueue = ["a", "b"]',
    'part "x": "pin" is set in the base and varied as well': HEAD
    + '[[part]]\nname = "x"\n[part.base]\npin = "none"\n[[part.zip]]\npin = ["none"]\nqueue = ["a"]',
    "axis workload.n: a range needs finite numbers": HEAD + "[axes]\nworkload.n = {from = 1, to = inf}",
    'axes, workload.n lacks the key "to"': HEAD + "[axes]\nworkload.n = {from = 1}",
    "must be equally long: job_queue has 2, ready_queue has 1": HEAD
    + '[[zip]]\njob_queue = ["a", "b"]\nready_queue = ["a"]',
    '"queue" is varied twice': HEAD + '[axes]\nqueue = ["a"]\n[[zip]]\nqueue = ["b"]\npool = ["c"]',
    '"queue.lock" is given twice': HEAD + '[base]\n"queue.lock" = "a"\nqueue = {lock = "b"}',
    "has both parts and axes of its own": HEAD + '[axes]\nqueue = ["a"]\n[[part]]\nname = "a"',
    "two parts have the same name": HEAD + '[[part]]\nname = "a"\n[[part]]\nname = "a"',
    'budget is "2 minutes", but a duration is': 'budget = "2 minutes"\n' + HEAD,
    'timeout is "0s", but must be longer than nothing': 'timeout = "0s"\n' + HEAD,
    "the exclusion of queue = b excludes nothing": HEAD + BASE + '[axes]\nqueue = ["a"]\n[[exclude]]\nqueue = "b"',
    'part "p" has no cells left': HEAD + BASE + '[axes]\nqueue = ["a"]\n[[exclude]]\nqueue = "a"',
    "too many cells, 1000000": HEAD + "[axes]\nworkload.n = {from = 1, to = 1000}\nqueue.n = {from = 1, to = 1000}",
    "cell 2 of 2 (p: queue=nosuch): there is no queue 'nosuch'; known are good": HEAD
    + BASE
    + '[axes]\nqueue = ["good", "nosuch"]',
    'cell 1 of 1 (p): "pool.n" is set, but no pool is named; add one to the base, such as pool = "first_pool"': HEAD + BASE + "pool.n = 1",
    "warm-up and window take 2.0 s, but the timeout is 1.0 s": 'timeout = "1s"\n'
    + HEAD
    + BASE
    + 'queue = "good"\nduration = "2000ms"',
    "the budget of 1.0 s is too small": 'budget = "1s"\n' + HEAD + BASE + 'queue = "good"\nduration = "2000ms"',
}


@pytest.mark.parametrize("sentence", MALFORMED)
def test_a_malformed_plan_is_one_sentence_and_nothing_is_written(sweep, sentence: str) -> None:
    finished = sweep.run(MALFORMED[sentence])
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.startswith("sweep: ") and finished.stderr.count("\n") == 1
    assert sentence in finished.stderr
    assert not sweep.out.exists() and not sweep.runs()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nosuch.toml"], "plan nosuch.toml: No such file or directory"),
        ([], "no plan is named"),
        (["/dev"], "plan /dev: Is a directory"),
    ],
)
def test_a_plan_that_is_not_there(sweep, words: list[str], sentence: str) -> None:
    finished = sweep.words(*words)
    assert finished.returncode == 2
    assert sentence in finished.stderr and finished.stderr.count("\n") == 1


def test_what_would_be_too_much_is_refused_before_it_is_thought_of() -> None:
    many = "[axes]\nworkload.n = {from = 1, to = 9999}\nqueue.n = {from = 1, to = 9999}\npool.n = {from = 1, to = 9999}"
    with pytest.raises(Refused, match="has too many cells, 999700029999; at most 100000 are taken"):
        cells.expand(plan.parse(HEAD + many, "p.toml"))
    axes = "[part.axes]\nworkload.n = {from = 1, to = 9999}\n"
    parts = "".join(f'[[part]]\nname = "{number}"\n{axes}' for number in range(101))
    with pytest.raises(Refused, match="1009899 cells in 1 blocks are 1009899 runs; at most 1000000"):
        cells.expand(plan.parse(HEAD + parts, "p.toml"))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_the_program_takes_every_cell_of_the_plans_that_come_with_it(
    readyq: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    """Where a plan names programs, the one that is there stands in for each."""
    chosen = plan.read(path)
    expanded = cells.expand(chosen)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setenv("READYQ", str(readyq))
    for name in {str(cell.settings[PROGRAM]) for cell in expanded if PROGRAM in cell.settings}:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).symlink_to(readyq)
    under_test = Programs(expanded, None)
    expanded, _ = built.keep(chosen, expanded, under_test)
    found, missed = points.resolve(chosen, expanded, under_test)
    block_s = sum(schedule.run_seconds(point.resolved) for point in found)
    assert missed or len(found) + sum(len(point.also_in) for point in found) == len(expanded)
    assert chosen.leave_out_lacking or not missed
    assert schedule.blocks_within(chosen.budget_s, block_s, chosen.repeats) == chosen.repeats


def test_programs_are_called_by_their_folders_unless_two_would_be_called_alike() -> None:
    assert programs.labels(["build/bare/readyq", "build/release/readyq"]) == ["bare", "release"]
    assert programs.labels(["readyq"]) == ["readyq"]
    alike = ["build/old/bin/readyq", "build/new/bin/readyq", "build/release/readyq"]
    assert programs.labels(alike) == [*alike[:2], "release"]


def test_the_quick_plan_takes_less_than_two_minutes() -> None:
    [quick] = [plan.read(path) for path in PLANS if path.stem == "quick"]
    assert quick.budget_s is not None and quick.budget_s <= 120
