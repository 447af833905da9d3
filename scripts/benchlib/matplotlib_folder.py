# SPDX-License-Identifier: Apache-2.0
"""Where Matplotlib keeps its caches: in a temporary folder if not in the home, without advice to the user.

Imported before Matplotlib, which looks once.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def settle() -> None:
    """Names a temporary folder where the usual ones cannot be written, and removes it at the end."""
    if os.environ.get("MPLCONFIGDIR"):
        return
    home = os.path.expanduser("~")
    usual = [os.environ.get(f"XDG_{kind.upper()}_HOME") or Path(home, f".{kind}") for kind in ("config", "cache")]
    if all(_writable(Path(folder, "matplotlib")) for folder in usual):
        return
    folder = tempfile.mkdtemp(prefix="readyq-matplotlib-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["MPLCONFIGDIR"] = folder


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
