# SPDX-License-Identifier: Apache-2.0
"""Which mutants have a double in a model that Spin refutes. Models see what x86 does not show, and no line of C."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchlib.errors import Refused
from benchlib.mutants_list import Mutant

MODELS = Path("tests") / "models" / "models.toml"


def refutations(root: Path) -> dict[str, str]:
    """By mutant: the model's file. A run names its mutant, or is called `weak LABEL`, as mutants are: weak-label."""
    path = root / MODELS
    try:
        models: list[dict[str, Any]] = tomllib.loads(path.read_text())["model"]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise Refused(f"{path} is no list of models: {error}") from error
    found = {}
    for model in models:
        for run in model["run"]:
            if run.get("refuted_by"):
                found.setdefault(run.get("mutant") or _name_of(run["name"]), model["file"])
    return found


def seen_in(refuted: Mapping[str, str], mutant: Mutant) -> str | None:
    """The model that refutes it, if any."""
    return refuted.get(mutant.model or mutant.name)


def _name_of(run: str) -> str:
    return run.replace("_", "-").replace(" ", "-")
