# SPDX-License-Identifier: Apache-2.0
"""The examples for others' CI are YAML, and every command of ours in them exists and knows its options."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

FOLDER = ROOT / "scripts" / "ci"
EXAMPLES = ["github-actions.yml", "github-actions-plugin.yml", "gitlab-ci.yml"]
OURS = re.compile(r"(?:readyq/)?(scripts/[a-z_-]+|build/release/readyq)$")
ENDS = re.compile(r"^(\|\||&&|;|\||\))")


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def job(name: str) -> Any:
    """The one job of the example."""
    document = read(name)
    return document["regression-gate"] if name.startswith("gitlab") else document["jobs"]["gate"]


def shell(name: str) -> list[str]:
    """All that a shell is to run."""
    one = job(name)
    if name.startswith("gitlab"):
        return [*one["before_script"], *one["script"]]
    return [step["run"] for step in one["steps"] if "run" in step]


def commands(name: str) -> Iterator[list[str]]:
    """Our own commands in the example, each with its words."""
    for text in shell(name):
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            for place, word in enumerate(words):
                known = OURS.fullmatch(word)
                if known:
                    end = next((i for i in range(place, len(words)) if ENDS.match(words[i])), len(words))
                    yield [known[1], *words[place + 1 : end]]


@cache
def help_of(script: str) -> str:
    done = subprocess.run([ROOT / script, "--help"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done
    return done.stdout


def test_every_example_is_listed_here() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_gates_and_sets_up_with_commands_that_exist(name: str) -> None:
    found = list(commands(name))
    assert {"scripts/setup", "scripts/gate"} <= {command for command, *_ in found}
    for command, *words in found:
        if not command.startswith("scripts/"):
            continue
        assert (ROOT / command).stat().st_mode & 0o111, command
        for option in (word.partition("=")[0] for word in words if word.startswith("-")):
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", help_of(command)), f"{name}: {command} {option}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_setup_is_one_that_setup_knows(name: str) -> None:
    for command, *words in commands(name):
        if command == "scripts/setup":
            done = subprocess.run([ROOT / command, *words, "--list"], capture_output=True, text=True, check=False)
            assert done.returncode == 0 and "cmake" in done.stdout.split(), done.stderr


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_command_lines_of_the_gate_are_accepted(name: str) -> None:
    from benchlib.gate import cli

    for command, *words in commands(name):
        if command == "scripts/gate":
            options = cli.parser().parse_args(words)
            cli._check_arms(options)
            assert options.budget == "10m" and options.out == Path("gate-result")


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_a_shell_is_to_run_is_a_script(name: str) -> None:
    for text in shell(name):
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), text


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_presets_of_cmake_exist(name: str) -> None:
    presets = {one["name"] for one in json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]}
    asked = re.findall(r"--preset (\S+)", "\n".join(shell(name)))
    assert set(asked) <= presets and (bool(asked) == ("plugin" in name))


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_the_setup_does_not_install_is_not_built(name: str) -> None:
    """`scripts/setup base` brings no cmocka, which the tests are built with."""
    text = "\n".join(shell(name))
    assert "scripts/setup base" in text and "scripts/setup tests" not in text
    for line in re.findall(r"cmake --preset .*", text):
        assert "-DREADYQ_TESTS=OFF" in line


@pytest.mark.parametrize("name", EXAMPLES)
def test_all_of_the_history_is_there_and_the_result_is_kept_when_it_failed(name: str) -> None:
    one = job(name)
    if name.startswith("gitlab"):
        assert one["variables"]["GIT_DEPTH"] == "0"
        assert one["artifacts"]["when"] == "always" and "gate-result/" in one["artifacts"]["paths"]
        assert one["artifacts"]["reports"]["junit"] == "gate-result/junit.xml"
        return
    checkouts = [step.get("with", {}) for step in one["steps"] if step.get("uses", "").startswith("actions/checkout@")]
    upload = one["steps"][-1]
    assert upload["uses"].startswith("actions/upload-artifact@") and upload["if"] == "always()"
    assert upload["with"]["path"] == "gate-result/"
    if "plugin" in name:
        paths = [checkout["path"] for checkout in checkouts]
        assert paths == ["new", "old", "readyq"]
    else:
        assert checkouts == [{"fetch-depth": 0}]


def gate_step(name: str) -> str:
    return next(text for text in shell(name) if "scripts/gate" in text)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith("github")])
@pytest.mark.parametrize(("code", "undecided", "ends"), [
    (0, "neutral", 0), (1, "neutral", 1), (2, "neutral", 2), (3, "neutral", 0), (4, "neutral", 0), (3, "fail", 3),
    (4, "fail", 4), (1, "fail", 1), (130, "neutral", 130),
])  # fmt: skip
def test_only_what_is_undecided_may_be_neutral(
    name: str, code: int, undecided: str, ends: int, tmp_path: Path
) -> None:
    """The step as GitHub runs it, with a gate that ends with a code."""
    for folder in (tmp_path / "scripts", tmp_path / "readyq" / "scripts"):
        folder.mkdir(parents=True)
        gate = folder / "gate"
        gate.write_text(f'#!/bin/bash\nmkdir gate-result; echo "**said**" >gate-result/report.md; exit {code}\n')
        gate.chmod(0o755)
    (tmp_path / "git").write_text("#!/bin/bash\necho 0123456\n")
    (tmp_path / "git").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "UNDECIDED": undecided, "BASE": "main",
                   "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}  # fmt: skip
    assert read(name)["env"] == {"UNDECIDED": "neutral"}
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", gate_step(name)]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == ends, done
    assert (tmp_path / "summary").read_text() == "**said**\n"
    assert ("::warning" in done.stdout) == (ends != code)


def test_gitlab_lets_pass_what_is_undecided_only() -> None:
    assert job("gitlab-ci.yml")["allow_failure"] == {"exit_codes": [3, 4]}
