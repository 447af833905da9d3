# SPDX-License-Identifier: Apache-2.0
"""Files that are whole or not there: written beside, synced, renamed. A full disk or a kill leaves the old one."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from benchlib.errors import Refused, os_reason


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A text file to write that takes the place of `path` at the end, if nothing went wrong until then."""
    beside = path.with_name(f".{path.name}.new")
    try:
        with open(beside, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        sync_folder(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise Refused(f"cannot write {path}: {os_reason(error)}") from error
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_whole(path: Path, text: str) -> None:
    """`text` as the new content of `path`."""
    with replacing(path) as file:
        file.write(text)


def read_json(path: Path, what: str) -> dict[str, Any]:
    """The object in a file of JSON; refuses in a sentence that says `what` and why."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise Refused(f"{path}: {what}: {os_reason(error)}") from error
    except json.JSONDecodeError as error:
        raise Refused(f"{path}: {what}: line {error.lineno} is no JSON from column {error.colno} on") from error
    except ValueError as error:
        raise Refused(f"{path}: {what}: it is not a text in UTF-8") from error
    if not isinstance(content, dict):
        raise Refused(f"{path}: {what}: it is JSON, but no object")
    return content


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder as durable as the files' contents."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
