# SPDX-License-Identifier: Apache-2.0
"""Where things are, and how a path may be written down: results name no folder outside of the checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results"
PROGRAM = ROOT / "build" / "release" / "readyq"


def recorded(path: Path) -> str:
    """The path relative to the checkout; of one elsewhere only the last name, for the rest is nobody's business."""
    resolved = path.resolve()
    return str(resolved.relative_to(ROOT)) if resolved.is_relative_to(ROOT) else resolved.name


def shown(path: Path) -> str:
    """The path as a person would type it here: relative where it lies below the present folder."""
    resolved = path.resolve()
    return str(resolved.relative_to(Path.cwd())) if resolved.is_relative_to(Path.cwd()) else str(resolved)
