# SPDX-License-Identifier: Apache-2.0
"""Builds what BASE and HEAD name, both in the same way, and keeps it, so that a second check of a base is quick.

Each has a folder `arms/<what>-<how>` with names of equal length: how long a program's path is moves its stack, and with
it its speed. Both are compiled as if they had the same path and are marked by no commit, so that sources that mean the
same become the same machine code. A folder counts only with the marker that is written last.
"""

import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchlib import files, paths
from benchlib.errors import Refused, os_reason
from benchlib.gate import tools
from benchlib.gate.source import PROGRAM, RULES, Commit, Tree
from benchlib.interrupt import Interrupt

ARMS, LOGS, MARKER = "arms", "logs", "built.json"
HOW_DIGITS = 8
PRESET = "release"
OPTIONS = ("-DREADYQ_TESTS=OFF", "-DREADYQ_LIBRARIES=OFF")  # of libraries, their queues are no business of a gate
COMPILERS = ("cc", "gcc", "clang")
# What changes a build from outside of the sources.
INFLUENCES = ("CFLAGS", "CPPFLAGS", "LDFLAGS", "CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH", "PKG_CONFIG_PATH",
              "CMAKE_PREFIX_PATH")  # fmt: skip

Say = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """Where things are."""

    program: Path
    tree: Path
    folder: Path


class Builder:
    """Builds into `work`; more `options` are for CMake, such as -DREADYQ_INJECT=ON."""

    def __init__(self, work: Path, say: Say, interrupt: Interrupt | None, options: Sequence[str] = ()) -> None:
        self._work = work.resolve()
        self._say = say
        self._interrupt = interrupt
        self._compiler = os.environ.get("CC") or _compiler()
        self._options = (*OPTIONS, *options)
        self._how = self._describe()

    def build(self, source: Commit | Tree, label: str) -> Built:
        """The program of a source, built now or before. Refuses with its last error; raises KeyboardInterrupt."""
        name = f"{source.name}-{self._key}"
        folder, log = self._work / ARMS / name, self._work / LOGS / f"{name}.log"
        try:
            with locked(self._work):
                if self._is_whole(folder):
                    self._say(f"{label}: {source.told} is built already")
                else:
                    self._say(f"{label}: building {source.told}; the log is {paths.shown(log)}")
                    self._anew(source, label, folder, log)
        except OSError as error:
            raise Refused(f"cannot build in {error.filename or folder}: {os_reason(error)}") from error
        return _built(folder)

    @property
    def _key(self) -> str:
        return hashlib.sha256(json.dumps(self._how, sort_keys=True).encode()).hexdigest()[:HOW_DIGITS]

    def _describe(self) -> dict[str, object]:
        """All on which a build depends, but its sources."""
        compiler = tools.ask(*shlex.split(self._compiler), "--version")[1].partition("\n")[0]
        influences = {name: os.environ[name] for name in INFLUENCES if name in os.environ}
        return {"compiler": self._compiler, "version": compiler, "options": self._options, "environment": influences}

    def _is_whole(self, folder: Path) -> bool:
        """Finished, and still what it was then."""
        marker = folder / MARKER
        if not marker.is_file():
            return False
        told = files.read_json(marker, "what a build says of itself")
        return _built(folder).program.is_file() and told.get("sha256") == _sha256(_built(folder).program)

    def _anew(self, source: Commit | Tree, label: str, folder: Path, log: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        built = _built(folder)
        source.export(built.tree, log, self._interrupt)
        if not (built.tree / RULES).is_file():
            raise Refused(f"{label}, {source.told}, holds no {RULES}, so there is nothing to build")
        self._must(self._configure(built), f"{label}, {source.told},", built, log)
        jobs = str(len(os.sched_getaffinity(0)))
        self._must(["ninja", "-C", str(built.folder), "-j", jobs, PROGRAM], f"{label}, {source.told},", built, log)
        if not built.program.is_file():
            raise Refused(f"{label}, {source.told}, builds, but no program {PROGRAM} comes of it")
        told = self._how | {"given": source.given, "commit": source.id, "sha256": _sha256(built.program)}
        files.write_whole(folder / MARKER, json.dumps(told, indent=1) + "\n")

    def _configure(self, built: Built) -> list[str]:
        """By the commit's own preset where it has one: what its users build is what is measured."""
        presets = built.tree / "CMakePresets.json"
        has_preset = presets.is_file() and re.search(rf'"{PRESET}"', presets.read_text(errors="replace"))
        how = ["--preset", PRESET] if has_preset else ["-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"]
        return ["cmake", *how, "-S", str(built.tree), "-B", str(built.folder), *self._options]

    def _must(self, words: Sequence[str], what: str, built: Built, log: Path) -> None:
        more = {
            "CC": self._compiler,
            "CFLAGS": f"{os.environ.get('CFLAGS', '')} -ffile-prefix-map={built.tree.parent}=.".strip(),
            # Else the commit of the checkout around would be taken for that of the sources.
            "GIT_CEILING_DIRECTORIES": str(built.tree.parent),
        }
        if tools.call(words, log, self._interrupt, folder=built.tree, more=more) != 0:
            said = _last_error(log.read_text(errors="replace").replace(f"{built.tree}/", ""))
            raise Refused(f"{what} does not build: {said}; the log is {paths.shown(log)}")


@contextmanager
def locked(work: Path) -> Iterator[None]:
    """Keeps other checks from building into the same folder."""
    arms = work / ARMS
    arms.mkdir(parents=True, exist_ok=True)
    with open(arms / ".lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(f"another check is building in {paths.shown(work)}; wait until it has") from error
        yield


def _built(folder: Path) -> Built:
    return Built(folder / "build" / PROGRAM, folder / "source", folder / "build")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _compiler() -> str:
    path = tools.environment()["PATH"]
    found = next((name for name in COMPILERS if shutil.which(name, path=path)), None)
    if not found:
        raise Refused(f"there is no C compiler to build with: none of {', '.join(COMPILERS)} is installed")
    return found


def _last_error(log: str) -> str:
    """The last line of a log that tells an error, with the text below it where the line is only CMake's headline."""
    lines = [line.strip() for line in log.splitlines()]
    found = [place for place, line in enumerate(lines) if re.search(r"\berror\b[ :]|undefined reference", line, re.I)
             and not line.startswith(("collect2:", "clang: error: linker"))]  # fmt: skip
    if not found:
        return next((line for line in reversed(lines) if line), "it says nothing")
    line = lines[found[-1]]
    if not line.startswith("CMake Error"):
        return line
    below = next((text for text in lines[found[-1] + 1 :] if text), "")
    return f"{line.rstrip(':')}: {below}" if below else line
