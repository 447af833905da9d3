# SPDX-License-Identifier: Apache-2.0
"""The words for what queues promise, in full and by kinds."""

import pytest

from benchlib import promise

FREE = {"order": "fifo", "capacity": None, "enqueue": "lock-free", "dequeue": "lock-free", "empty_exact": True,
        "full_exact": True, "broken": None}


@pytest.mark.parametrize(
    ("traits", "full", "kind"),
    [
        ({}, "FIFO, lock-free", "FIFO, unbounded, lock-free or wait-free"),
        ({"order": "per-producer", "capacity": 4}, "FIFO per producer, bounded, lock-free",
         "FIFO per producer, bounded, lock-free or wait-free"),
        ({"enqueue": "wait-free"}, "FIFO, wait-free in, lock-free out", "FIFO, unbounded, lock-free or wait-free"),
        ({"enqueue": "blocking"}, "FIFO, blocking in, lock-free out", "FIFO, unbounded, blocking"),
        ({"dequeue": "blocking"}, "FIFO, lock-free in, blocking out", "FIFO, unbounded, blocking"),
        ({"empty_exact": False}, "FIFO, lock-free", "FIFO, unbounded, lock-free or wait-free, EMPTY not exact"),
        ({"full_exact": False}, "FIFO, lock-free", "FIFO, unbounded, lock-free or wait-free"),
        ({"full_exact": False, "capacity": 4}, "FIFO, bounded, lock-free",
         "FIFO, bounded, lock-free or wait-free, FULL not exact"),
        ({"broken": "loses items"}, "known to break its promises", "known to break its promises"),
    ],
)
def test_in_words(traits: dict[str, object], full: str, kind: str) -> None:
    known = {"q": FREE | traits}
    assert (promise.in_full(["q"], known), promise.kind(["q"], known)) == (full, kind)


def test_of_two_queues_each_promise_once() -> None:
    known = {"a": FREE, "b": dict(FREE), "c": FREE | {"dequeue": "blocking"}}
    assert promise.kind(["a", "b"], known) == "FIFO, unbounded, lock-free or wait-free"
    assert promise.in_full(["a", "c"], known) == "FIFO, lock-free; FIFO, lock-free in, blocking out"
    assert promise.kind(["unheard of"], known) == promise.in_full([], known) == ""
