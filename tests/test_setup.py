# SPDX-License-Identifier: Apache-2.0
"""The list of packages is complete, setup installs what is missing and nothing else, and the shell scripts hold."""

import ast
import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

SETUP = ROOT / "scripts" / "setup"
SHELL_SCRIPTS = [SETUP, ROOT / "scripts/quickstart", ROOT / "scripts/test", ROOT / ".ci/run"]


def listed(*words: str) -> list[str]:
    """The packages of a group."""
    return subprocess.run([SETUP, *words, "--list"], capture_output=True, text=True, check=True).stdout.split()


@functools.cache
def provided(group: str, steps: int = 3) -> frozenset[str]:
    """A group's packages and what they bring: build-essential, gcc, gcc-12, libgcc-12-dev."""
    if steps == 0:
        return frozenset(listed(group))
    nearer = provided(group, steps - 1)
    wanted = ["dpkg-query", "--show", "--showformat=${Depends}, ", *sorted(nearer)]
    words = subprocess.run(wanted, capture_output=True, text=True, check=False).stdout  # alternatives may be absent
    return nearer | frozenset(re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)", words))


def owner(path: str | Path) -> str:
    """The package that a file is from."""
    done = subprocess.run(["dpkg", "--search", os.path.realpath(path)], capture_output=True, text=True, check=True)
    return done.stdout.partition(":")[0]


# The list


def test_the_groups_build_on_each_other_and_name_nothing_twice() -> None:
    base, libraries, tests = listed("base"), listed("base", "--libraries"), listed("tests")
    assert libraries[: len(base)] == base and len(libraries) > len(base) > 10
    assert tests[: len(libraries)] == libraries and len(tests) > len(libraries)
    assert len(set(tests)) == len(tests)
    assert listed("tests", "--libraries") == tests


def cmake_modules() -> Iterator[tuple[str, str]]:
    """The libraries that CMake asks pkg-config for, and the group that must bring each."""
    for path, group in (
        ("CMakeLists.txt", "base"), ("cmake/Observe.cmake", "tests"), ("tests/CMakeLists.txt", "tests"),
    ):  # fmt: skip
        for words in re.findall(r"pkg_check_modules\(([^)]*)\)", (ROOT / path).read_text()):
            yield re.sub(r"[<>=].*", "", words.split()[-1]), group


def test_every_library_that_cmake_asks_for_is_listed() -> None:
    modules = list(cmake_modules())
    assert {"hwloc", "jansson", "lttng-ust", "cmocka"} <= {module for module, _ in modules}
    for module, group in modules:
        folder = subprocess.run(
            ["/usr/bin/pkg-config", "--variable=pcfiledir", module], capture_output=True, text=True, check=True
        ).stdout.strip()
        assert owner(f"{folder}/{module}.pc") in listed(group), module


def test_every_package_that_a_plugin_needs_is_listed_and_the_libraries_are_those_that_plugins_need() -> None:
    needed = {path.parent.name: set(re.findall(r'^\w+_IF\("([^"]+)"', path.read_text(), re.M))
              for path in ROOT.glob("*/list.def")}  # fmt: skip
    base = set(listed("base"))
    assert "libuv1-dev" in needed["peers"] & base and needed["workloads"] <= base
    libraries = set(listed("base", "--libraries")) - base
    assert (needed["queues"] | needed["peers"]) - base == libraries - {"erlang-base"}  # which erlang-dev is for
    known = re.search(r"set\(READYQ_PACKAGES(.*?)\)", (ROOT / "cmake/Plugins.cmake").read_text(), re.S)
    assert known and set(re.findall(r'"([^|"]+)\|', known[1])) == set.union(*needed.values())


def test_the_header_of_the_probes_is_of_a_listed_package() -> None:
    assert owner("/usr/include/x86_64-linux-gnu/sys/sdt.h") in listed("base")


def imported(paths: Iterator[Path], late: bool = False) -> set[str]:
    """The top-level modules that are neither Python's own nor ours; `late`: those that a function imports itself."""
    names = set()
    for path in paths:
        tree = ast.parse(path.read_text())
        inner = {node for function in ast.walk(tree) if isinstance(function, ast.FunctionDef)
                 for node in ast.walk(function)}  # fmt: skip
        for node in ast.walk(tree):
            if (node in inner) != late:
                continue
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(str(node.module).partition(".")[0])
    ours = {"benchlib", *(path.stem for path in (ROOT / "tests").glob("*.py"))}
    return names - set(sys.stdlib_module_names) - ours


@pytest.mark.parametrize(("folder", "group", "at_least"), [
    ("scripts/benchlib", "base", {"pandas", "numpy", "matplotlib"}), ("tests", "tests", {"pytest"}),
])  # fmt: skip
def test_every_python_module_is_of_a_listed_package(folder: str, group: str, at_least: set[str]) -> None:
    names = imported((ROOT / folder).glob("*.py"))
    assert at_least <= names
    for name in names:
        found = importlib.util.find_spec(name)
        assert found and found.origin and owner(found.origin) in listed(group), name


def test_what_a_script_imports_only_when_it_needs_it_comes_with_the_tests() -> None:
    assert imported((ROOT / "scripts/benchlib").glob("*.py"), late=True) == {"bt2"}
    found = importlib.util.find_spec("bt2")
    assert found and found.origin and owner(found.origin) in listed("tests")


@pytest.mark.parametrize(("tool", "group"), [
    ("cmake", "base"), ("ninja", "base"), ("gcc", "base"), ("pkg-config", "base"), ("git", "base"), ("gnuplot", "base"),
    ("python3", "base"), ("ctest", "base"), ("valgrind", "base"), ("clang", "tests"), ("clang-format", "tests"),
    ("lttng", "tests"), ("lttng-sessiond", "tests"), ("readelf", "tests"), ("spin", "tests"),
])  # fmt: skip
def test_every_tool_is_of_a_listed_package(tool: str, group: str) -> None:
    path = shutil.which(tool, path="/usr/bin:/bin")
    assert path and owner(path) in provided(group)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("sanitizer", ["address", "thread", "undefined"])
def test_the_sanitizers_of_both_compilers_are_of_a_listed_package(
    compiler: str, sanitizer: str, tmp_path: Path
) -> None:
    (tmp_path / "empty.c").write_text("int main(void) { return 0; }\n")
    words = [f"/usr/bin/{compiler}", f"-fsanitize={sanitizer}", "-Wl,--trace", "empty.c"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    traced = set(re.findall(r"/\S*(?:libclang_rt|lib[a-z]+san)[^\s()]*", done.stdout))
    assert traced and all(owner(path) in provided("tests", 4) for path in traced), traced


# Installing


class Sandbox:
    """A folder with everything that setup calls and nothing else, where packages are names in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.log.touch(mode=0o666)
        self.log.chmod(0o666)
        shutil.copy(SETUP, folder / "setup")
        for name in ("env", "cat"):
            (folder / name).symlink_to(f"/usr/bin/{name}")
        self.tool("dpkg-query", f'grep -qx -- "${{@: -1}}" {folder}/installed && echo -n installed')
        self.tool("apt-get", f'echo "apt-get $DEBIAN_FRONTEND $*" >>{self.log}')
        self.tool("sudo", f'echo sudo >>{self.log}\nexec "$@"')

    def tool(self, name: str, body: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/bash\nPATH={self.folder}:/usr/bin:/bin\n{body}\n")  # never the real one
        path.chmod(0o755)

    def installed(self, names: list[str]) -> None:
        (self.folder / "installed").write_text("".join(f"{name}\n" for name in names))

    def run(self, *words: str, root: bool = True) -> subprocess.CompletedProcess[str]:
        other = {} if root or os.geteuid() else {"user": 65534, "group": 65534, "extra_groups": []}
        command, path = [self.folder / "setup", *words], {"PATH": str(self.folder)}
        return subprocess.run(command, env=path, capture_output=True, text=True, check=False, **other)

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    folder = Path(tempfile.mkdtemp(prefix="readyq-setup-"))
    folder.chmod(0o755)  # another user must be able to come in
    yield Sandbox(folder)
    shutil.rmtree(folder)


def test_nothing_is_installed_where_nothing_is_missing(sandbox: Sandbox) -> None:
    sandbox.installed(listed("tests"))
    for group in ("base", "tests"):
        done = sandbox.run(group)
        assert done.returncode == 0 and "are installed" in done.stdout
        assert sandbox.run(group, "--check").returncode == 0
    assert sandbox.calls() == []


def test_only_what_is_missing_is_installed_after_saying_so(sandbox: Sandbox) -> None:
    sandbox.installed([name for name in listed("tests") if name not in ("ninja-build", "clang")])
    sandbox.tool("apt-get", f'echo "apt-get $DEBIAN_FRONTEND $*" >>{sandbox.log}; echo "apt-get runs"')
    done = sandbox.run("tests")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].endswith("packages: ninja-build clang") and lines[1] == "apt-get runs"
    calls = [call for call in sandbox.calls() if call != "sudo"]
    assert [re.search(r"update|install", call)[0] for call in calls] == ["update", "install"]
    assert calls[1].endswith(" ninja-build clang")
    assert all(call.startswith("apt-get noninteractive ") for call in calls)
    assert ("sudo" in sandbox.calls()) == (os.geteuid() != 0)


def test_the_optional_libraries_are_installed_when_asked_for_and_for_the_tests_which_say_so_first(
    sandbox: Sandbox,
) -> None:
    sandbox.installed([name for name in listed("tests") if name != "libck-dev"])
    done = sandbox.run("base")
    assert done.returncode == 0 and "are installed" in done.stdout and sandbox.calls() == []
    assert sandbox.run("base", "--libraries", "--check").stdout == "setup: not installed: libck-dev\n"
    done = sandbox.run("base", "--libraries")
    assert done.returncode == 0 and sandbox.calls()[-1].endswith(" libck-dev")
    assert len(done.stdout.splitlines()) == 1
    first, second = sandbox.run("tests").stdout.splitlines()
    assert "the optional libraries" in first and first.endswith(": libck-dev") and second.endswith(": libck-dev")


def test_check_only_looks(sandbox: Sandbox) -> None:
    sandbox.installed([name for name in listed("base") if name != "cmake"])
    done = sandbox.run("base", "--check")
    assert (done.returncode, done.stdout) == (1, "setup: not installed: cmake\n")
    assert sandbox.calls() == []


def test_who_is_not_root_needs_sudo(sandbox: Sandbox) -> None:
    sandbox.installed([name for name in listed("base") if name != "cmake"])
    done = sandbox.run("base", root=False)
    assert done.returncode == 0, done.stderr
    assert [call.split()[0] for call in sandbox.calls()] == ["sudo", "apt-get", "sudo", "apt-get"]
    (sandbox.folder / "sudo").unlink()
    done = sandbox.run("base", root=False)
    assert done.returncode == 2 and done.stderr == (
        "setup: cannot install without root or sudo; as root type: apt-get install cmake\n"
    )


def test_a_failing_apt_get_is_said_and_ends_it(sandbox: Sandbox) -> None:
    sandbox.installed([])
    for failing in ("update", "install"):
        sandbox.tool("apt-get", f'[[ " $* " != *" {failing} "* ]]')
        done = sandbox.run("base")
        assert done.returncode == 2 and f"'apt-get {failing}' failed" in done.stderr


def test_another_system_gets_the_list(sandbox: Sandbox) -> None:
    (sandbox.folder / "apt-get").unlink()
    done = sandbox.run("tests")
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert all(f" {name}" in done.stderr for name in listed("tests"))


@pytest.mark.parametrize("words", [(), ("base", "tests"), ("all",), ("base", "--chekc")])
def test_setup_refuses_what_it_does_not_know(sandbox: Sandbox, words: tuple[str, ...]) -> None:
    done = sandbox.run(*words)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "base" in done.stderr
    assert sandbox.calls() == []


# The shell scripts


def asked(script: Path, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60, **options
    )


@pytest.mark.parametrize("script", SHELL_SCRIPTS, ids=lambda path: path.name)
def test_shell_scripts_can_be_read_run_and_asked(script: Path) -> None:
    assert script.read_text().startswith("#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n")
    assert subprocess.run(["/bin/bash", "-n", script], check=False).returncode == 0
    done = asked(script, "--help", cwd="/")
    assert done.returncode == 0 and done.stdout.startswith("Usage: ") and done.stderr == ""


@pytest.mark.parametrize("script", SHELL_SCRIPTS, ids=lambda path: path.name)
def test_shell_scripts_refuse_an_option_that_they_do_not_know(script: Path) -> None:
    done = asked(script, "--fast")
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "--fast" in done.stderr and "--help" in done.stderr


def test_quickstart_passes_the_wish_for_libraries_on(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "plan.toml").touch()
    shutil.copy(ROOT / "scripts/quickstart", tmp_path / "scripts")
    setup = tmp_path / "scripts/setup"
    setup.write_text('#!/bin/bash\necho "setup: $*"; exit 3\n')
    setup.chmod(0o755)
    for words, passed in ((["plan.toml"], "base"), (["--libraries", "plan.toml"], "base --libraries")):
        done = asked(tmp_path / "scripts/quickstart", *words)
        assert done.returncode == 3 and f"setup: {passed}\n" in done.stdout
        assert "stopped while it was about to install" in done.stderr


def test_quickstart_refuses_a_plan_that_is_not_there_before_it_does_anything() -> None:
    done = asked(ROOT / "scripts/quickstart", "nowhere.toml")
    assert done.returncode == 2 and done.stdout == ""
    assert "'nowhere.toml'" in done.stderr and "quick.toml" in done.stderr
