# SPDX-License-Identifier: Apache-2.0
"""The parts of a plan, found again in the runs of its result: each is an experiment of its own, to be drawn as one."""

from typing import Any

import pandas

from benchlib.errors import Refused


def split(runs: pandas.DataFrame, manifest: dict[str, Any]) -> dict[str, pandas.DataFrame]:
    """The runs of each part; a cell that several parts share stands in all of them. Nothing where none is known."""
    members: dict[str, set[tuple[str, str]]] = {}
    try:
        for cell in manifest.get("cells", []):
            for part in (cell["part"], *cell.get("also_in", [])):
                members.setdefault(part, set()).add((cell["cell_id"], cell.get("arm", "")))
    except (AttributeError, KeyError, TypeError) as error:
        raise Refused("the manifest's list of cells is damaged: each must have a cell_id and a part") from error
    names = pandas.Series(zip(runs["cell_id"], runs["arm"].fillna(""), strict=True), index=runs.index, dtype=object)
    found = {part: runs[names.isin(cells)] for part, cells in members.items()}
    return {part: group for part, group in found.items() if len(group)}
