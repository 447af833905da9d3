# SPDX-License-Identifier: Apache-2.0
"""A program as the scripts know it: what columns it writes, whether it takes a cell, and the command of a run."""

import hashlib
import json
import os
import subprocess
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from benchlib import paths
from benchlib.errors import Refused, os_reason

DRY_RUN_TIMEOUT_S = 60.0


def find(path: Path | None) -> Path:
    """The program named, else that in the environment variable READYQ, else the release build."""
    chosen = path or Path(os.environ.get("READYQ") or paths.PROGRAM)
    if not chosen.is_file() or not os.access(chosen, os.X_OK):
        raise Refused(
            f"no program at {paths.shown(chosen)}: build it with cmake --preset release && cmake --build --preset "
            "release, or name it with --program or READYQ"
        )
    return chosen.resolve()


class Lacking(Refused):
    """A pool does not have what a workload needs: `what`, in the words of `readyq list`."""

    def __init__(self, sentence: str, what: str) -> None:
        super().__init__(sentence)
        self.what = what


class Program:
    """A built readyq. Its bytes are hashed, so that one result never mixes two programs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise Refused(f"cannot read {path}: {os_reason(error)}") from error

    def fields(self) -> dict[str, list[dict[str, Any]]]:
        """The columns of each CSV file, in order."""
        return self._told("fields", "--json")

    def listing(self) -> dict[str, list[dict[str, Any]]]:
        """All plug-ins by kind: queues, workloads, pools; with traits and parameters."""
        return self._told("list", "--json")

    def queues(self, objects: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
        """What each listed queue promises with its default parameters, and those of shared objects.

        One that is not built promises nothing.
        """
        listed = self._told("list", "--json", "queues", *objects)["queues"]
        return {queue["name"]: queue["traits"] | {"broken": queue.get("broken")} for queue in listed if "traits" in queue}

    def pools(self, names: Collection[str]) -> dict[str, dict[str, Any]]:
        """What each of the named pools lacks of what workloads may need, and the version of its library."""
        listed = self.listing()["pools"] if names else []
        return {pool["name"]: {"lacks": pool.get("lacks", []), "version": pool.get("version")} for pool in listed
                if pool["name"] in names}  # fmt: skip

    def first(self, plugin: str) -> str:
        """The name of the first plug-in of a kind, as an example; `plugin` is the setting that names one."""
        kind = "queues" if plugin.endswith("queue") else f"{plugin}s"
        return self._told("list", "--json", kind)[kind][0]["name"]

    def _told(self, *words: str) -> Any:
        finished = self._ask([*words])
        try:
            return json.loads(finished.stdout)
        except ValueError as error:
            raise Refused(f"{paths.shown(self.path)} {' '.join(words)} printed no JSON; is it readyq?") from error

    def resolve(self, arguments: list[str]) -> dict[str, Any]:
        """The record of a run without its measurements; or Refused with the program's own sentence."""
        finished = self._ask(["run", "--dry-run", *arguments])
        if finished.returncode != 0:
            sentence = _sentence(finished.stderr) or f"the program ended with {finished.returncode} and no word"
            what = _lacks(finished.stdout)
            raise Lacking(sentence, what) if what else Refused(sentence)
        try:
            record = json.loads(finished.stdout)
        except ValueError as error:
            raise Refused("the program printed no record for --dry-run") from error
        return record

    def command(self, arguments: list[str], tags: dict[str, str | int]) -> list[str]:
        """The whole command of one run; tags are the sweep's marks on it, such as run_id."""
        marks = [word for name, value in tags.items() for word in ("--" + name.replace("_", "-"), str(value))]
        return [str(self.path), "run", "--quiet", *arguments, *marks]

    def _ask(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self.path, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=DRY_RUN_TIMEOUT_S,
                check=False,
            )
        except OSError as error:
            raise Refused(f"cannot start {paths.shown(self.path)}: {os_reason(error)}") from error
        except subprocess.TimeoutExpired as error:
            raise Refused(
                f"{paths.shown(self.path)} {arguments[0]} did not answer in {DRY_RUN_TIMEOUT_S:.0f} s"
            ) from error


def _lacks(stdout: str) -> str | None:
    """What --dry-run prints where it refuses a run for what its pool lacks."""
    try:
        return json.loads(stdout)["lacks"]
    except (ValueError, KeyError, TypeError):
        return None


def _sentence(stderr: str) -> str:
    """The program's sentence, without its name. What argp has to say is followed by a hint at --help."""
    lines = [line for line in stderr.splitlines() if line.startswith("readyq")]
    return lines[0].partition(": ")[2] if lines else stderr.strip().rpartition("\n")[2]
