# SPDX-License-Identifier: Apache-2.0
"""BASE and HEAD are built in one way, kept, told apart by their code alone, and refused in a sentence that helps."""

import hashlib
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import gate_repository
import pytest
from conftest import wait_until
from gate_repository import git

from benchlib.errors import Refused
from benchlib.gate import arms, build, tools
from benchlib.gate.model import Arm, Cell
from benchlib.interrupt import Interrupt
from command_line import answer

CELL = Cell("pairs", {"queue": "q"}, ("--workload", "w", "--queue", "q:a=1"), 0.1)
NEW_CELL = Cell("new", {}, ("--workload", "w", "--new-option"), 0.1)


class Gate:
    """Resolves arms of one repository into one work folder, and hears what is said."""

    def __init__(self, repository: Path, work: Path) -> None:
        self.repository = repository
        self.work = work
        self.said: list[str] = []

    def arms(self, base: object, head: object, interrupt: Interrupt | None = None) -> tuple[Arm, Arm]:
        return arms.resolve(
            str(base),
            str(head),
            queues=None,
            program=None,
            work=self.work,
            say=self.said.append,
            interrupt=interrupt,
            repository=self.repository,
        )

    def refusal(self, base: object, head: object) -> str:
        with pytest.raises(Refused) as refusal:
            self.arms(base, head)
        return str(refusal.value)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gate_repository.make(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def work(repository: Path) -> Path:
    """Inside of the checkout, as the gate's own, and shared, so that each commit is built once."""
    return repository / "build" / "gate"


@pytest.fixture
def gate(repository: Path, work: Path) -> Gate:
    return Gate(repository, work)


@pytest.fixture
def build_folder(repository: Path, gate: Gate, tmp_path: Path) -> Path:
    """Somebody's own, with a program."""
    arm, _ = gate.arms("old", "old")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "readyq").write_bytes(arm.program.read_bytes())
    (folder / "readyq").chmod(0o755)
    return folder


def test_commits(gate: Gate, repository: Path) -> None:
    base, head = gate.arms("old", "other")
    assert (base.label, base.given, base.commit) == ("BASE", "old", git(repository, "rev-parse", "old"))
    assert (head.label, head.given, head.commit) == ("HEAD", "other", git(repository, "rev-parse", "other"))
    assert base.code_sha256 != head.code_sha256
    assert len(str(base.program)) == len(str(head.program))
    assert base.tree and (base.tree / "main.c").is_file() and base.build == base.program.parent
    assert "commit unknown" in answer(base.program, "--version")  # and not that of the checkout around
    assert git(repository, "status", "--porcelain") == "" and len(git(repository, "worktree", "list").splitlines()) == 1


def test_commits_that_differ_by_a_remark_are_the_same_code(gate: Gate) -> None:
    base, head = gate.arms("old", "same")
    assert base.commit != head.commit and base.program != head.program
    assert base.code_sha256 == head.code_sha256


def test_what_a_hook_of_git_sets_is_not_heard(gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "no.git"))
    assert gate.arms("old", "same")[0].commit


def test_a_tree_is_built_as_it_is(gate: Gate, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    git(tmp_path, "clone", "--quiet", str(gate.repository), str(tree))
    (tree / "parts" / "third.c").write_text(gate_repository.PART.format(name="third", factor=40))
    for name in ("build", "results"):
        (tree / name).mkdir()
        (tree / name / "noise.c").write_text("no part of it")
    git(tree, "add", "results")
    base, head = gate.arms("last", tree)
    assert head.commit is None and head.code_sha256 != base.code_sha256
    assert len(str(base.program)) == len(str(head.program))
    (tree / "results" / "noise.c").write_text("nor is this")
    assert gate.arms(tree, tree)[0].program == head.program
    (tree / "parts" / "more.c").write_text("int more(void);\nint more(void)\n{ return 1; }\n")
    assert gate.arms(tree, tree)[0].program != head.program
    os.rename(tree / ".git", tmp_path / "git")
    assert not (gate.arms(tree, tree)[0].tree / "build").exists()


def test_a_dot_is_the_tree(gate: Gate, monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.chdir(repository)
    base, head = gate.arms("last", ".")
    assert base.code_sha256 == head.code_sha256 and head.tree and not (head.tree / "build").exists()


def test_unknown_commit(gate: Gate, tmp_path: Path) -> None:
    assert gate.refusal("old", "no-such") == 'HEAD: "no-such" is neither a commit of this repository nor a path'
    assert gate.refusal("", "old") == 'BASE: "" is neither a commit of this repository nor a path'
    gate.repository = tmp_path
    assert "commits are not known here: git says" in gate.refusal("old", "other")


def test_unknown_commit_of_a_shallow_clone(gate: Gate, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{gate.repository}", "shallow")
    gate.repository = tmp_path / "shallow"
    assert "fetch the commit first" in gate.refusal("HEAD~1", "HEAD")


def test_a_base_that_does_not_build(gate: Gate) -> None:
    sentence = gate.refusal("broken", "old")
    assert sentence.startswith("BASE, broken (") and "does not build: parts/second.c:3:12: error: 'y'" in sentence
    log = Path(sentence.rpartition("the log is ")[2])
    assert "FAILED" in log.read_text()
    assert "holds no CMakeLists.txt" in gate.refusal("old", "bare")


def test_a_second_check_builds_nothing(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    first = gate.arms("old", "other")
    monkeypatch.setattr(tools, "call", None)
    gate.said.clear()
    assert gate.arms("old", "other") == first
    assert [word.endswith("is built already") for word in gate.said] == [True, True]


def test_other_flags_are_another_build(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = gate.arms("old", "old")
    monkeypatch.setenv("CFLAGS", "-O1")
    assert gate.arms("old", "old")[0].program.parent != first.program.parent


def test_an_unfinished_or_damaged_build_is_made_anew(gate: Gate, tmp_path: Path) -> None:
    first, _ = gate.arms("old", "old")
    marker = first.build.parent / "built.json"
    marker.unlink()
    again, _ = gate.arms("old", "old")
    assert again == first and marker.is_file() and "building" in gate.said[-2]
    first.program.write_text("damaged")
    assert gate.arms("old", "old")[0] == first


def test_ctrl_c_ends_a_build_at_once_and_leaves_nothing_that_counts(gate: Gate) -> None:
    logs = gate.work / "logs"

    def press() -> None:
        wait_until(lambda: any("hanging\n" in log.read_text() for log in logs.glob("*.log")))
        os.kill(os.getpid(), signal.SIGINT)

    before = set(logs.glob("*.log"))
    with Interrupt(gate.said.append) as interrupt:
        thread = threading.Thread(target=press)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            gate.arms("hanging", "old", interrupt)
        thread.join()
        assert interrupt.requested
    (log,) = set(logs.glob("*.log")) - before
    assert not (gate.work / "arms" / log.stem / "built.json").exists()
    assert "went on" not in log.read_text()
    assert not subprocess.run(["pgrep", "-f", str(gate.work / "arms" / log.stem)], capture_output=True).stdout


def test_one_check_builds_at_a_time(gate: Gate) -> None:
    with build.locked(gate.work):
        assert "another check is building" in gate.refusal("old", "other")


def test_a_program_and_its_folder(gate: Gate, build_folder: Path) -> None:
    base, head = gate.arms(build_folder, build_folder / "readyq")
    assert base.code_sha256 == head.code_sha256 and base.program == head.program and base.build is None
    built, _ = gate.arms("old", "old")
    assert len(str(base.program)) == len(str(built.program))
    assert base.code_sha256 == built.code_sha256


def test_what_stands_beside_a_program_is_part_of_it(gate: Gate, build_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "others"
    shutil.copytree(build_folder, other)
    for folder in (build_folder, other):
        (folder / "readyq_beam.so").write_text(folder.name)
    base, head = gate.arms(build_folder, other)
    assert base.sha256 == head.sha256 and base.code_sha256 != head.code_sha256
    assert (base.program.parent / "readyq_beam.so").read_text() == "mine"
    assert (head.program.parent / "readyq_beam.so").read_text() == "others"


def test_a_program_that_is_built_anew_meanwhile_changes_nothing(gate: Gate, build_folder: Path) -> None:
    base, _ = gate.arms(build_folder, build_folder)
    (build_folder / "readyq").write_text("another")
    arms.preflight(base, [CELL])


def test_what_is_neither(gate: Gate, tmp_path: Path) -> None:
    assert "holds neither a program called readyq nor the CMakeLists.txt" in gate.refusal(tmp_path, "old")
    (tmp_path / "text").write_text("no program")
    assert "is a file that cannot be run" in gate.refusal("old", tmp_path / "text")
    (tmp_path / "queue.so").write_text("")
    assert "with --queue" in gate.refusal("old", tmp_path / "queue.so")
    (tmp_path / "text").chmod(0o755)
    assert "is no readyq that runs here" in gate.refusal(tmp_path / "text", "old")
    assert "is no readyq that runs here" in gate.refusal("/bin/true", "old")


def test_a_name_that_is_a_commit_and_a_path(
    gate: Gate, build_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    os.rename(build_folder, tmp_path / "old")
    assert gate.arms("old", "old^0")[0].commit == git(gate.repository, "rev-parse", "old")
    assert "BASE: old is a path and a commit, and was taken for the commit; ./old is the path" in gate.said
    assert gate.arms("./old", "old")[0].commit is None
    git(gate.repository, "tag", "a/deep", "old")
    (tmp_path / "a").mkdir()
    os.rename(tmp_path / "old", tmp_path / "a" / "deep")
    assert gate.arms("a/deep", "old")[0].commit is None
    assert "BASE: a/deep is a path and a commit, and was taken for the path; a/deep^0 is the commit" in gate.said


def queue_arms(gate: Gate, program: Path, *queues: Path) -> tuple[Arm, Arm]:
    return arms.resolve(
        None, None, queues=queues, program=program, work=gate.work, say=gate.said.append, interrupt=None
    )


def test_two_versions_of_a_queue(
    gate: Gate, build_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arms, "_mark", lambda *_: "0123456789ab")  # the program's own commit
    for name, number in (("old_version", 1), ("new", 2)):
        (tmp_path / f"{name}.c").write_text(f"int number = {number};\n")
        subprocess.run(["gcc", "-shared", "-o", f"{name}.so", f"{name}.c"], cwd=tmp_path, check=True)
    old, new = tmp_path / "old_version.so", tmp_path / "new.so"
    base, head = queue_arms(gate, build_folder / "readyq", old, new)
    assert base.program == head.program and base.sha256 == head.sha256 and base.code_sha256 != head.code_sha256
    for arm, file in ((base, old), (head, new)):  # what a report and a history tell a version by
        assert arm.file_sha256 == hashlib.sha256(file.read_bytes()).hexdigest() and arm.commit is None
    assert len(str(base.plugin)) == len(str(head.plugin)) and base.plugin.read_bytes() == old.read_bytes()
    assert arms.words(base, CELL) == ["--workload", "w", "--queue", f"{base.plugin}:a=1"]
    assert arms.words(base, NEW_CELL) == [*NEW_CELL.arguments, "--queue", str(base.plugin)]
    base, head = queue_arms(gate, build_folder / "readyq", old, old)
    assert base.code_sha256 == head.code_sha256
    with pytest.raises(Refused, match="BASE: there is no queue at .*no.so"):
        queue_arms(gate, build_folder / "readyq", tmp_path / "no.so", new)


def test_a_program_for_queues_is_none_for_commits(gate: Gate, build_folder: Path) -> None:
    with pytest.raises(Refused, match="runs two versions of a queue"):
        arms.resolve("a", "b", queues=None, program=build_folder, work=gate.work, say=print, interrupt=None)


def test_preflight(gate: Gate) -> None:
    base, _ = gate.arms("old", "old")
    assert arms.words(base, CELL) == list(CELL.arguments)
    arms.preflight(base, [CELL])
    with pytest.raises(Refused) as refusal:
        arms.preflight(base, [CELL, NEW_CELL])
    assert str(refusal.value) == "BASE (old) cannot run cell \"new\": unrecognized option '--new-option'"


def test_preflight_sees_a_changed_program(gate: Gate, build_folder: Path) -> None:
    base, _ = gate.arms(build_folder, build_folder)
    with open(base.program, "ab") as file:
        file.write(b"more")
    with pytest.raises(Refused, match="is not the program any more"):
        arms.preflight(base, [CELL])
