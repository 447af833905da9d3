# SPDX-License-Identifier: Apache-2.0
"""What queues promise, in words; and figures of their own for unlike promises where one would hold too many lines."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas

from benchlib import style
from benchlib.style import Look

LINE, PROMISE, KIND, BASELINE = "line", "promise", "promise_kind", "baseline"
# As many as can be told apart in one set of axes. With fewer, unlike promises stand together and the legend says which.
LINES_TOGETHER = 8
UNKNOWN = "promises not known"
BROKEN = "known to break its promises"
ORDER_WORDS = {"fifo": "FIFO", "per-producer": "FIFO per producer"}
Traits = Mapping[str, Mapping[str, Any]]


def in_full(names: Sequence[str], traits: Traits) -> str:
    """Order, bound and progress of one queue, or of a pool's two where they differ; nothing when unknown."""
    return "; ".join(dict.fromkeys(_of(traits[name]) for name in names if name in traits))


def _of(traits: Mapping[str, Any]) -> str:
    if traits.get("broken"):
        return BROKEN
    into, out = traits["enqueue"], traits["dequeue"]
    bounded = ["bounded"] if traits["capacity"] else []
    return ", ".join([_order(traits), *bounded, into if into == out else f"{into} in, {out} out"])


def _order(traits: Mapping[str, Any]) -> str:
    return ORDER_WORDS.get(traits["order"], traits["order"])


def kind(names: Sequence[str], traits: Traits) -> str:
    """The same more coarsely: what a user chooses by before looking at speed."""
    return "; ".join(dict.fromkeys(_kind(traits[name]) for name in names if name in traits))


def _kind(traits: Mapping[str, Any]) -> str:
    if traits.get("broken"):
        return BROKEN
    inexact = [f"{word} not exact" for word, exact in (("EMPTY", "empty_exact"), ("FULL", "full_exact"))
               if not traits.get(exact, True) and (word == "EMPTY" or traits["capacity"])]
    blocking = "blocking" in (traits["enqueue"], traits["dequeue"])
    return ", ".join([_order(traits), "bounded" if traits["capacity"] else "unbounded",
                      "blocking" if blocking else "lock-free or wait-free", *inexact])


def separate(runs: pandas.DataFrame, looks: Mapping[str, Look]) -> Iterator[tuple[str, pandas.DataFrame, dict[str, Look]]]:
    """The runs of one workload as they go into figures: together, or a kind of promise each with all ceilings.

    Each with a heading, and how its lines look there.
    """
    contestants = runs[runs["verdict"] != BASELINE]
    kinds = sorted(set(contestants[KIND]), key=lambda one: (not one, one))
    if contestants[LINE].nunique() <= LINES_TOGETHER or len(kinds) < 2:
        yield "", runs, dict(looks)
        return
    ceilings = runs[runs["verdict"] == BASELINE]
    for one in kinds:
        mine = contestants[contestants[KIND] == one]
        yield one or UNKNOWN, pandas.concat([mine, ceilings]), looks_of(mine, ceilings)


def looks_of(contestants: pandas.DataFrame, ceilings: pandas.DataFrame) -> dict[str, Look]:
    """As of a whole result, but of these lines alone, so that neighbours differ in colour."""
    below = set(ceilings[LINE])
    return style.looks(sorted({*contestants[LINE], *below}), below)
