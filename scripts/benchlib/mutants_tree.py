# SPDX-License-Identifier: Apache-2.0
"""A copy of the tree with builds of its own, where a mutant can do no harm and nobody edits meanwhile.

The copy stays between runs, so that builds are incremental; each start brings it up to date with the tree by
content, which also puts right what a kill in the middle of a mutant has left.
"""

import contextlib
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchlib.errors import Refused, os_reason
from benchlib.mutants_list import Mutant
from benchlib.runner import DIE_WITH_PARENT

# Not copied: results and builds of the tree itself.
LEFT_OUT = {".git", "build", "results", "__pycache__"}
# What the program is made of; a test is made of what is in tests/ besides.
SOURCES = ("core", "queues", "workloads", "peers", "cmake", "CMakeLists.txt", "CMakePresets.json")
TESTS = "tests"
SOURCE_SUFFIXES = (".c", ".h", ".def", ".txt", ".cmake", ".json")
# The scripts among the tests that mutants are thrown at, with what these need.
TEST_SCRIPTS = ("test_orderings.py", "conftest.py", "command_line.py", "pytest.ini")
BUILD_TIMEOUT_S = 900.0


class BuildFails(Exception):
    """The build's last words."""


class Tree:
    """The copy, in `folder`/tree."""

    def __init__(self, original: Path, folder: Path, jobs: int) -> None:
        self.root = folder / "tree"
        self._original = original
        self._log = folder / "last.log"
        self._jobs = jobs
        self._objects: dict[Path, tuple[int, str]] = {}  # time of change, and hash of the machine code
        path = f"/usr/bin:/bin:{os.environ.get('PATH', '')}"
        self._environment = os.environ | {"PATH": path, "TSAN_OPTIONS": "halt_on_error=1"}
        for name in ("READYQ", "READYQ_ALSO", "READYQ_LTTNG"):
            self._environment.pop(name, None)
        try:
            self._update()
        except OSError as error:
            raise Refused(f"cannot copy the tree to {self.root}: {os_reason(error)}") from error

    def sources_digest(self, tests: bool) -> str:
        """Of all that the program, or also the tests, are built from, and of the build's rules."""
        digest = hashlib.sha256()
        for name in (*SOURCES, TESTS) if tests else SOURCES:
            for path in _files(self.root / name):
                if path.suffix in SOURCE_SUFFIXES or path.name in TEST_SCRIPTS:
                    digest.update(f"{path.relative_to(self.root)}\0".encode() + path.read_bytes() + b"\0")
        return digest.hexdigest()

    @contextlib.contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """The copy with this mutant in it."""
        path = self.root / mutant.file
        text = path.read_text()
        path.write_text(text.replace(mutant.find, mutant.replace))
        try:
            yield
        finally:
            path.write_text(text)

    def build(self, preset: str, targets: Sequence[str]) -> None:
        """Raises BuildFails."""
        if not (self.root / "build" / preset / "build.ninja").is_file():
            self._must("cmake", "--preset", preset)
        self._must("cmake", "--build", f"build/{preset}", "--parallel", str(self._jobs), "--target", *targets)

    def call(self, words: Sequence[str], timeout_s: float) -> int | None:
        """The exit code of a command in the copy; None: it did not end in time. Leaves none of its processes."""
        with open(self._log, "wb") as log:
            process = subprocess.Popen(
                [*DIE_WITH_PARENT, *words],
                cwd=self.root,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
            try:
                return process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                return None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def last_words(self, most: int = 12) -> str:
        """The end of what the last command said."""
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-most:])

    def machine_code(self, preset: str) -> dict[str, str]:
        """By object file of the libraries: a hash of its instructions, relocations and data."""
        folder = self.root / "build" / preset / "CMakeFiles"
        found = {}
        for path in sorted(folder.rglob("*.o")):
            changed = path.stat().st_mtime_ns
            if self._objects.get(path, (0, ""))[0] != changed:
                self._objects[path] = (changed, _disassembly_digest(path))
            found[str(path.relative_to(folder))] = self._objects[path][1]
        return found

    def _must(self, *words: str) -> None:
        if self.call(words, BUILD_TIMEOUT_S) != 0:
            raise BuildFails(self.last_words())

    def _update(self) -> None:
        """Touches only what differs, or everything would be built again."""
        wanted = {path.relative_to(self._original): path for path in _files(self._original)}
        present = {path.relative_to(self.root): path for path in _files(self.root)}
        for name in present.keys() - wanted.keys():
            present[name].unlink()
        for name, path in wanted.items():
            copy = self.root / name
            content = path.read_bytes()
            if name in present and copy.read_bytes() == content:
                continue
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
            copy.chmod(path.stat().st_mode & 0o777)
        time.sleep(0.01)  # so that a mutant's file is newer than what was built before, on any file system


def _files(folder: Path) -> Iterator[Path]:
    """The files below, or `folder` itself if it is one; in order."""
    if folder.is_file():
        yield folder
        return
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - LEFT_OUT)
        for name in sorted(names):
            path = Path(top, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _disassembly_digest(path: Path) -> str:
    """All but the first lines, which name the file."""
    words = ["objdump", "--disassemble", "--reloc", "--full-contents", str(path)]
    told = subprocess.run(words, capture_output=True, check=True).stdout
    return hashlib.sha256(told.partition(b"file format")[2]).hexdigest()
