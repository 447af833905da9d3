# SPDX-License-Identifier: Apache-2.0
"""The documents are run: every `$` line of RUNNING.md and README.md, in order, each exactly as it is printed."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from test_plan_file import PLANS

ROOT = Path(__file__).resolve().parents[1]
HEREDOC = re.compile(r"<<'(\w+)'$")
FENCE = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)

# Commands that are run by the named test or by CI itself, because they install packages, run these very tests, or
# take minutes. Any other command of a document is run below.
ELSEWHERE = {
    "scripts/quickstart": "test_long.py",
    "scripts/test": ".ci/run",
    "scripts/test --full": "by hand",
    "scripts/setup tests": ".ci/run",
    "scripts/setup base": "test_long.py, by the quickstart",
    "scripts/sweep scripts/plans/contention.toml": "by hand: a quarter of an hour; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/libuv.toml": "by hand: minutes; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/ablations.toml": "by hand: minutes; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/accounting.toml": "by hand: minutes; its cells by test_plan_file.py",
    "build/release/readyq run --workload producer_consumer --queue mutex_list --duration 20s --check full "
    "--history big.history": "test_long.py",
    "build/release/readyq history big.history --rank": "test_long.py",
    "scripts/sweep scripts/plans/queues.toml": "by hand: half an hour; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/many_to_one.toml": "by hand: minutes; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/counterparts.toml": "by hand: minutes; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/check.toml": "by hand: minutes; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/queue_loads.toml": "by hand: minutes; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/pools_quick.toml": "by hand: a minute; its cells by test_plan_file.py",
    "scripts/gate HEAD~1 HEAD": "by hand: ten minutes; test_gate_check.py",
    "scripts/gate HEAD~1 . --budget 10m": "likewise",
    "scripts/gate HEAD~1 HEAD --budget 10m": "likewise",
    "scripts/gate HEAD~1 HEAD --budget 10m --record gate.history": "likewise; test_history.py",
    "scripts/history gate.history": "test_history.py",
    "scripts/gate --self-test": ".ci/run",
    "scripts/gate --calibrate --kind builds --budget 10m --for 2h": "by hand; test_gate_calibrate.py",
    "scripts/gate --calibrate --kind power --level 5 --budget 10m --for 1h": "likewise",
    "scripts/gate --calibrate --report": "likewise",
    "scripts/sweep scripts/plans/pools.toml": "by hand: half an hour; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/open_loop.toml": "by hand: minutes; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/keyed.toml": "by hand: minutes; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/file_io.toml": "by hand: a minute; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/deflate.toml": "by hand: a minute; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/idle_wake.toml": "by hand: minutes; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/scheduler_busy.toml": "by hand: two minutes; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/faults.toml": "by hand: two minutes; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/instrumentation.toml": "by hand: minutes; its cells by test_plan_file.py",
    "scripts/sweep scripts/plans/overhead.toml": "by hand: minutes; its cells by test_plan_file.py",
}


def commands(document: str) -> list[str]:
    """The `$` lines of the document's console blocks, each with its here-document."""
    found: list[str] = []
    for fence in FENCE.findall((ROOT / document).read_text()):
        end = None
        for line in fence.splitlines():
            if end is not None:
                found[-1] += "\n" + line
                end = None if line == end else end
            elif line.startswith("$ "):
                found.append(line.removeprefix("$ "))
                heredoc = HEREDOC.search(line)
                end = heredoc.group(1) if heredoc else None
    assert found, f"{document} shows no command"
    return found


def expected_code(command: str, document: str) -> int:
    """A command whose line ends in `# exit code N` is documented to fail that way."""
    mark = re.search(r"# exit code (\d+)$", command)
    return int(mark.group(1)) if mark else 0


@pytest.mark.parametrize("document", ["RUNNING.md", "README.md"])
def test_every_command_of_the_document_does_what_it_says(document: str, readyq: Path, tmp_path: Path) -> None:
    """In a copy of the checkout's layout, so that results do not land in the checkout."""
    for kept in ("scripts", "core", "queues"):
        (tmp_path / kept).symlink_to(ROOT / kept)
    (tmp_path / "results").mkdir()
    for kept in (ROOT / "results").glob("reference*"):
        shutil.copytree(kept, tmp_path / "results" / kept.name)
    (tmp_path / "build" / "release").mkdir(parents=True)
    (tmp_path / "build" / "release" / "readyq").symlink_to(readyq)
    environment = os.environ | {"READYQ": str(readyq), "PATH": "/usr/bin:/bin"}
    ran = 0
    for command in commands(document):
        plain = re.sub(r"\s*# exit code \d+$", "", command)
        if plain in ELSEWHERE or shlex.split(plain)[0] in ("git", "cd", "cmake", "ctest", "sudo"):
            continue
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True,
                              timeout=300, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == expected_code(command, document), f"$ {command}\n{done.stdout}\n{done.stderr}"
        ran += 1
    assert ran > 0


@pytest.mark.parametrize("document", ["RUNNING.md", "README.md"])
def test_the_links_and_files_that_it_names_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if not target.startswith("http")]
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), f"{document} links to {target}, which does not exist"


@pytest.mark.parametrize("command", [command for command, where in ELSEWHERE.items() if "test_plan_file" in where])
def test_the_long_plans_are_among_those_whose_cells_are_checked(command: str) -> None:
    script, path = shlex.split(command)
    assert script == "scripts/sweep" and path in [f"scripts/plans/{plan.name}" for plan in PLANS]


def test_the_dictionary_is_what_the_program_says(readyq: Path) -> None:
    """results/README.md holds the output of `readyq fields`, word for word."""
    told = subprocess.run([readyq, "fields"], capture_output=True, text=True, check=True).stdout
    assert told.strip() in (ROOT / "results" / "README.md").read_text()


def test_written_files_have_the_columns_of_the_dictionary(readyq: Path, tmp_path: Path) -> None:
    subprocess.run([readyq, "run", "--workload", "pairs", "--duration", "20ms", "--warmup", "10ms", "--quiet", "--csv",
                    tmp_path / "one"], capture_output=True, check=True)
    text = (ROOT / "results" / "README.md").read_text()
    sections = re.split(r"^#+ ", text, flags=re.M)
    for name in ("throughput.csv", "latency.csv", "histogram.csv", "accounting.csv", "timeline.csv", "threads.csv"):
        section = next(part for part in sections if part.startswith(name))
        documented = re.findall(r"^\| `?(\w+)`? \|", section, re.M)[1:]
        header = (tmp_path / "one" / name).read_text().splitlines()[0].split(",")
        assert documented == header, name
