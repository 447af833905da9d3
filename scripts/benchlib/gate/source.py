# SPDX-License-Identifier: Apache-2.0
"""What BASE and HEAD may name: a commit, a tree of sources, a build folder or a program.

A name that is both a commit and a path is taken for the commit, as git does, unless it has a slash; the user is told,
and how to say the other: `./name` is always the path, `name^0` always the commit.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchlib import paths
from benchlib.errors import Refused, os_reason
from benchlib.gate import tools
from benchlib.interrupt import Interrupt

PROGRAM = "readyq"
NAME_DIGITS = 12  # of the hash that names an arm's folder
RULES = "CMakeLists.txt"
LEFT_OUT = {".git", "build", "results", "__pycache__"}  # no part of the program is made of these
_NOT_RESULTS = ":(exclude,top)results"


@dataclass(frozen=True)
class Commit:
    """One of the repository that these scripts belong to."""

    given: str
    repository: Path
    id: str

    @property
    def name(self) -> str:
        """What its folder is called after."""
        return self.id[:NAME_DIGITS]

    @property
    def told(self) -> str:
        """For sentences."""
        return self.given if self.id.startswith(self.given) else f"{self.given} ({self.name})"

    def export(self, folder: Path, log: Path, interrupt: Interrupt | None) -> None:
        """Writes its files, without a trace in the repository."""
        packed = folder.with_name("source.tar")
        git = ["git", "-C", str(self.repository), "archive", f"--output={packed}", self.id, "--", ".", _NOT_RESULTS]
        folder.mkdir()
        for words in (git, ["tar", "-xf", str(packed), "-C", str(folder)]):
            if tools.call(words, log, interrupt) != 0:
                raise Refused(f"cannot take commit {self.told} out of the repository; the log is {paths.shown(log)}")
        packed.unlink()


class Tree:
    """A folder of sources as it is now: what is written into it later changes nothing."""

    def __init__(self, given: str, folder: Path) -> None:
        self.given = self.told = given
        self.id = None
        try:
            self._files = {name: _content(folder / name) for name in _names(folder) if (folder / name).is_file()}
        except OSError as error:
            raise Refused(f"cannot read {error.filename or folder}: {os_reason(error)}") from error
        digest = hashlib.sha256()
        for name, (mode, content) in self._files.items():
            digest.update(f"{name}\0{mode:o}\0{len(content)}\0".encode("utf-8", "surrogateescape") + content)
        self.name = digest.hexdigest()[:NAME_DIGITS]

    def export(self, folder: Path, log: Path, interrupt: Interrupt | None) -> None:
        """Writes its files."""
        for name, (mode, content) in self._files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(mode)


def find(given: str, label: str, repository: Path, say: Callable[[str], None]) -> Commit | Tree | Path:
    """What a word names; a Path is that of a program. Refuses in a sentence."""
    path = Path(given)
    commit = _commit(given, repository)
    if commit and path.exists():
        as_path = "/" in given
        other = f"{given}^0 is the commit" if as_path else f"./{given} is the path"
        taken = "path" if as_path else "commit"
        say(f"{label}: {given} is a path and a commit, and was taken for the {taken}; {other}")
        commit = None if as_path else commit
    if commit:
        return Commit(given, repository, commit)
    if not given or not path.exists():
        raise Refused(f"{label}: {_unknown(given, repository)}")
    return _at(path, given, label)


def is_commit(given: str, repository: Path) -> bool:
    """Whether the repository has such a commit."""
    return _commit(given, repository) is not None


def _at(path: Path, given: str, label: str) -> Tree | Path:
    """What is there: a program, a folder with one, or sources to build one from."""
    if path.is_file():
        return _program(path, given, label)
    if (path / PROGRAM).is_file():
        return _program(path / PROGRAM, given, label)
    if (path / RULES).is_file():
        return Tree(given, path.resolve())
    raise Refused(f"{label}: folder {given} holds neither a program called {PROGRAM} nor the {RULES} to build one; "
                  "build it first, or give a commit")  # fmt: skip


def _program(path: Path, given: str, label: str) -> Path:
    if path.suffix == ".so":
        raise Refused(f"{label}: {given} is a plug-in; give both of its versions with --queue")
    if not os.access(path, os.X_OK):
        raise Refused(f"{label}: {given} is a file that cannot be run; give a commit, a build folder or a program")
    return path.resolve()


def _commit(given: str, repository: Path) -> str | None:
    """Its whole hash."""
    if not given or given.startswith("-"):
        return None
    words = ("git", "-C", str(repository), "rev-parse", "--verify", "--quiet", f"{given}^{{commit}}")
    code, out, _ = tools.ask(*words)
    return out if code == 0 else None


def _unknown(given: str, repository: Path) -> str:
    """Why it cannot be found, with what would help."""
    code, out, err = tools.ask("git", "-C", str(repository), "rev-parse", "--is-shallow-repository")
    if code != 0:
        return f'there is no path "{given}", and commits are not known here: git says "{err.rpartition(chr(10))[2]}"'
    sentence = f'"{given}" is neither a commit of this repository nor a path'
    if out == "true":
        return f"{sentence}; the repository was cloned without its history, so fetch the commit first"
    return sentence


def _names(folder: Path) -> list[str]:
    """The files of a tree, in order: those that git would know, or all but what builds and runs leave."""
    words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    code, out, _ = tools.ask(*words, folder=folder) if shutil.which("git") else (1, "", "")
    if code == 0 and out:
        return sorted({name for name in out.split("\0") if name and name.split("/")[0] not in LEFT_OUT})
    found = []
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        found += [os.path.relpath(os.path.join(top, name), folder) for name in names]
    return sorted(found)


def _content(path: Path) -> tuple[int, bytes]:
    return path.stat().st_mode & 0o777, path.read_bytes()
