# SPDX-License-Identifier: Apache-2.0
"""Which cells a plan loses where queues are not built, and which shared objects it names."""

from types import SimpleNamespace

import pytest

from benchlib import built, program
from benchlib.cells import Cell
from benchlib.errors import Refused

LISTING = {"queues": [{"name": "own", "built": True, "package": None},
                      {"name": "there", "built": True, "package": "libthere-dev"},
                      {"name": "absent", "built": False, "package": "libabsent-dev"}],
           "pools": [{"name": "own", "built": True, "package": None},
                     {"name": "gone", "built": False, "package": "libgone-dev"}]}  # fmt: skip


class OneProgram:
    """Of all cells; it is asked for what it lists."""

    def listing(self) -> dict[str, object]:
        return LISTING

    def of(self, _: Cell) -> tuple["OneProgram", None]:
        return self, None


PROGRAMS = OneProgram()


def cell(**settings: object) -> Cell:
    return Cell("part", settings, ())


@pytest.mark.parametrize("setting", ["queue", "job_queue", "ready_queue"])
def test_a_cell_goes_with_any_queue_that_is_absent(setting: str) -> None:
    own, lost = cell(queue="there:capacity=1"), cell(**{"job_queue": "own", setting: "absent:capacity=7"})
    leaving = SimpleNamespace(leave_out_not_built=True)
    assert built.keep(leaving, [own, lost], PROGRAMS) == ([own], {"absent": "libabsent-dev"})
    with pytest.raises(Refused, match=r"none of the plan's queues and pools is built: absent \(libabsent-dev\)"):
        built.keep(leaving, [lost], PROGRAMS)
    assert built.keep(SimpleNamespace(leave_out_not_built=False), [own, lost], PROGRAMS) == ([own, lost], {})


def test_a_cell_goes_with_a_pool_that_is_absent() -> None:
    own, lost = cell(pool="own", queue="own"), cell(pool="gone:batch=1")
    same_name = cell(pool="own", queue="gone")  # which is a pool's name, and the program's to refuse
    leaving = SimpleNamespace(leave_out_not_built=True)
    assert built.keep(leaving, [own, lost, same_name], PROGRAMS) == ([own, same_name], {"gone": "libgone-dev"})


def test_objects_are_named_once_each_and_without_parameters() -> None:
    cells = [cell(queue="./b.so:capacity=1"), cell(queue="./b.so"), cell(queue="own"),
             cell(job_queue="own", ready_queue="/a/a.so:x=1")]
    assert built.objects(cells) == ["./b.so", "/a/a.so"]


def test_what_is_broken_goes_with_the_traits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a queue that is not built nothing is known."""
    listed = [{"name": "good", "traits": {"order": "fifo"}},
              {"name": "bad", "traits": {"order": "fifo"}, "broken": "loses"}, {"name": "absent"}]
    asked: list[tuple[str, ...]] = []
    one = object.__new__(program.Program)
    monkeypatch.setattr(program.Program, "_told", lambda self, *words: asked.append(words) or {"queues": listed})
    assert one.queues(["./a.so"]) == {"good": {"order": "fifo", "broken": None},
                                      "bad": {"order": "fifo", "broken": "loses"}}
    assert asked == [("list", "--json", "queues", "./a.so")]
