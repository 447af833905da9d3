# SPDX-License-Identifier: Apache-2.0
"""Linked anew, a program is the same instructions at other addresses; what cannot be is said."""

import os
import subprocess
from pathlib import Path

import gate_repository
import pytest

from benchlib.errors import Refused
from benchlib.gate import arms, relink
from benchlib.gate.model import Arm
from command_line import answer


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gate_repository.make(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def pair(repository: Path, work: Path) -> tuple[Arm, Arm]:
    """Of two commits."""
    return arms.resolve(
        "old", "other", queues=None, program=None, work=work, say=print, interrupt=None, repository=repository
    )


def order(program: Path) -> list[str]:
    """The functions of the parts by their addresses."""
    told = subprocess.run(["nm", "-n", program], capture_output=True, text=True, check=True).stdout
    names = [line.split()[-1] for line in told.splitlines()]
    return [name for name in names if name in ("first", "second", "third", "where", "main")]


def given(word: object, repository: Path, work: Path) -> Arm:
    return arms.one(str(word), "BASE", work=work, say=print, interrupt=None, repository=repository)


def test_another_order(pair: tuple[Arm, Arm], work: Path) -> None:
    fresh = relink.relinked(*pair, 5, work, print)
    assert isinstance(fresh, tuple)
    for new, old in zip(fresh, pair, strict=True):
        assert (new.label, new.given, new.commit, new.build) == (old.label, old.given, old.commit, old.build)
        assert new.code_sha256 != old.code_sha256 and new.program != old.program
        assert sorted(order(new.program)) == sorted(order(old.program))
        assert answer(new.program, "list", "--json") == answer(old.program, "list", "--json")
    assert order(fresh[0].program) == order(fresh[1].program) != order(pair[0].program)
    assert len(str(fresh[0].program)) == len(str(fresh[1].program))


def test_the_seed_gives_the_order(pair: tuple[Arm, Arm], work: Path) -> None:
    def codes(seed: int) -> list[str]:
        fresh = relink.relinked(*pair, seed, work, print)
        assert isinstance(fresh, tuple)
        return [arm.code_sha256 for arm in fresh]

    assert codes(5) == codes(5)
    assert len({codes(seed)[0] for seed in range(2**32, 2**32 + 8)}) > 1


def test_two_builds_of_a_commit(repository: Path, work: Path) -> None:
    built = given("old", repository, work)
    base, head = relink.two_orders(built, (1, 5), work, None)
    assert (base.label, head.label) == ("BASE", "HEAD") and base.commit == head.commit
    assert base.code_sha256 != head.code_sha256 and order(base.program) != order(head.program)
    again = relink.relinked(base, head, 7, work, print)  # a whole check of them can be confirmed, too
    assert isinstance(again, tuple)
    with pytest.raises(Refused, match="are the same program, with seeds 4 and 4"):
        relink.two_orders(built, (4, 4), work, None)


def test_a_program_alone_cannot_be_linked(repository: Path, work: Path, pair: tuple[Arm, Arm], tmp_path: Path) -> None:
    (tmp_path / "readyq").write_bytes(pair[0].program.read_bytes())
    (tmp_path / "readyq").chmod(0o755)
    alone = given(tmp_path / "readyq", repository, work)
    sentence = relink.relinked(alone, pair[1], 1, work, print)
    assert sentence == f"BASE ({tmp_path}/readyq) is a program without the build folder that it came from"
    with pytest.raises(Refused, match="two builds of .* cannot be made: BASE .* is a program without"):
        relink.two_orders(alone, (1, 2), work, None)


def test_without_ninja_it_is_confirmed_as_it_is(
    pair: tuple[Arm, Arm], work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*words: str, **_: object) -> tuple[int, str, str]:
        raise Refused(f"cannot start {words[0]}: No such file or directory")

    monkeypatch.setattr(relink.tools, "ask", missing)
    assert relink.relinked(*pair, 1, work, print) == "cannot start ninja: No such file or directory"


def test_a_build_folder_of_ones_own(repository: Path, work: Path, tmp_path: Path) -> None:
    for words in (["-G", "Ninja", "-S", repository, "-B", tmp_path], ["--build", tmp_path]):
        subprocess.run(["cmake", *words], capture_output=True, check=True)
    arm = given(tmp_path, repository, work)
    assert arm.build == tmp_path
    assert isinstance(relink.relinked(arm, arm, 1, work, print), tuple)
    touched = next(tmp_path.rglob("main.c.o"))
    later = (tmp_path / "readyq").stat().st_mtime_ns + 1
    os.utime(touched, ns=(later, later))
    assert "main.c.o in the build folder of BASE" in str(relink.relinked(arm, arm, 1, work, print))
    (tmp_path / "readyq").write_text("another")
    assert "holds another program than the one given" in str(relink.relinked(arm, arm, 1, work, print))


def test_what_does_not_link(pair: tuple[Arm, Arm], work: Path) -> None:
    missing = next(pair[1].build.rglob("third.c.o"))
    aside = missing.rename(missing.with_suffix(".aside"))
    sentence = relink.relinked(*pair, 1, work, print)
    aside.rename(missing)
    assert isinstance(sentence, str) and sentence.startswith("HEAD (other) does not link in another order; the log is")


def test_a_program_that_lost_a_plugin_is_not_measured(
    pair: tuple[Arm, Arm], work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relink.Program, "listing", lambda program: program.path.parts[-3])
    assert "BASE (old), linked in another order, does not list the same" in str(relink.relinked(*pair, 1, work, print))


def test_an_order_that_changes_nothing_is_no_other(
    pair: tuple[Arm, Arm], work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so linking anew changes nothing but the order."""
    monkeypatch.setattr(relink, "_shuffled", lambda objects, seed: list(objects))
    assert relink.relinked(*pair, 1, work, print) == "5 other orders of the objects gave the same program"
