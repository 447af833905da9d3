# SPDX-License-Identifier: Apache-2.0
"""A session of a calibration: goes on with a stream, or begins it, until its time is over or somebody stops it.

A new stream is sized (if something is injected) and given a pilot, which fixes how many pairs a look has, for all of
its checks. From then on each block is what the check under way needs next.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchlib import paths, units
from benchlib.errors import Refused
from benchlib.gate import calibration_search, calibration_size, planning, source
from benchlib.gate.calibration_cut import Cutter
from benchlib.gate.calibration_kinds import ONE_TRY, Arms, Kind, Pair, beside, environments, scratch
from benchlib.gate.calibration_search import Search
from benchlib.gate.calibration_stream import Stream, tests_told, thresholds_of, thresholds_told
from benchlib.gate.gate_file import Gate
from benchlib.gate.measure import Measurement, told
from benchlib.gate.model import Block, Outcome, Phase
from benchlib.interrupt import Interrupt

PILOT_BLOCKS = 8  # as many as a check's pilot has
PILOT_ATTEMPTS = 40  # beside a neighbour most blocks may be vetoed
SCRATCH = "calibration"
ADVISORY_KINDS = ("tail", "contention")  # of which it is worth knowing what the advisory tests say
Say = Callable[[str], None]


@dataclass(frozen=True)
class Question:
    """What is asked of a session."""

    kind: Kind
    level: float | None
    gate: Gate
    given_thresholds: Mapping[str, Any]  # on the command line
    commit: str | None  # to build; None: the stream's own, or HEAD
    seed: int
    budget_s: float | None  # of one check, as --budget plans it
    work: Path


class Session:
    """One sitting. `make` makes the Measurement."""

    def __init__(
        self, question: Question, stream: Stream, interrupt: Interrupt, say: Say, make: Callable[..., Any] = Measurement
    ) -> None:
        self._asked, self._stream, self._interrupt, self._say = question, stream, interrupt, say
        self._make = make
        tests = question.gate.tests
        self._tests = tests if question.kind.name in ADVISORY_KINDS else tuple(one for one in tests if one.gated)
        self._seed = int(stream.meta.get("seed", question.seed))

    def run(self, deadline: float) -> None:
        """Measures until `deadline`, by the monotonic clock. Whatever was measured is in the stream's journal."""
        asked = self._asked
        given = asked.commit or self._own_commit() or "HEAD"
        self._arms = Arms(asked.kind, given, self._seed, asked.work, self._say, self._interrupt)
        self._settle(self._identity(self._arms.check(asked.gate.cells)))
        try:
            self._sit(deadline)
        finally:
            self._arms.drop()

    def _own_commit(self) -> str | None:
        """What the stream began with, while it is there: histories are rewritten, programs stay."""
        own = self._stream.meta.get("commit")
        if not own or source.is_commit(own, paths.ROOT) or Path(own).exists():
            return own
        self._say(f"commit {own}, with which {paths.shown(self._stream.folder)} began, is not known here; HEAD is "
                  "built, and goes on if it is the same program")  # fmt: skip
        return None

    def _sit(self, deadline: float) -> None:
        asked = self._asked
        name = f"{asked.kind.name}-"
        with scratch(asked.work / SCRATCH, name) as folder, beside(asked.kind, self._session_seed()):
            self._measurement = self._make(
                (self._arms.base, self._arms.base),
                asked.gate.cells,
                self._tests,
                self._session_seed(),
                folder,
                self._interrupt,
                self._say,
                rules=ONE_TRY,
            )
            try:
                self._measure(deadline)
            finally:
                self._measurement.close()

    def _session_seed(self) -> int:
        """Another for every session, so that no order of runs comes twice."""
        kept = calibration_search.count(self._stream.folder)
        looked = f":{kept}" if kept else ""
        return random.Random(f"{self._seed}:{len(self._stream.entries)}{looked}").getrandbits(32)

    def _identity(self, machine: str) -> dict[str, Any]:
        """What must be the same in every session. Not the commit: many commits make one program."""
        asked = self._asked
        return {
            "kind": asked.kind.name,
            "level": asked.level,
            "machine": machine,
            "program_sha256": self._arms.base.sha256,
            "cells": {cell.name: told(cell) for cell in asked.gate.cells},
            "tests": tests_told(self._tests),
        }

    def _settle(self, identity: Mapping[str, Any]) -> None:
        """Writes down what a new stream is; refuses to mix another into an old one."""
        stream = self._stream
        if stream.fresh:
            base = self._arms.base
            thresholds = thresholds_told(self._asked.gate.thresholds)
            stream.fix(**identity, commit=base.commit or base.given, thresholds=thresholds, seed=self._seed)
            return
        other = [name for name, value in identity.items() if stream.meta.get(name) != value]
        told = stream.meta["thresholds"]
        other += [name for name, value in self._asked.given_thresholds.items() if told[name] != value]
        if other:
            raise Refused(
                f"{stream.folder} was begun with another {' and another '.join(other)}, and one stream is of one "
                "thing; go on as it began, or name another --folder"
            )

    def _measure(self, deadline: float) -> None:
        texts = self._injection(deadline)
        self._pilot(deadline)
        while "first_pairs" in self._stream.meta and self._goes_on(deadline):
            want = self._stream.cutter.want
            for block in self._blocks(want.phase, self._arms.of(want.layout), texts):
                if self._stream.append(block):
                    self._tell(self._stream.cutter, deadline)

    def _goes_on(self, deadline: float) -> bool:
        return not self._interrupt.requested and time.monotonic() < deadline

    def _blocks(self, phase: Phase, pair: Pair, texts: Mapping[str, str]) -> Sequence[Block]:
        """One block; none after a signal."""
        blocks: list[Block] = self._measurement.blocks(phase, 1, arms=pair, environments=environments(texts))
        assert len(blocks) <= 1, "a vetoed block was measured again unseen"
        return blocks

    def _injection(self, deadline: float) -> Mapping[str, str]:
        """What READYQ_INJECT is in each cell of B: sized once for a stream."""
        asked, meta = self._asked, self._stream.meta
        if asked.kind.is_alike:
            return {}
        if "injection" not in meta:
            assert asked.level is not None
            search, over = Search(self._stream.folder, self._tests), False
            try:
                texts, rounds = self._size(asked.level, search, deadline)
                self._stream.fix(injection=texts, sizing=rounds, sizing_s=round(search.seconds, 1))
                over = True
            except calibration_size.Unsized:
                over = True  # another hour may show it, and must not be led the same way
                raise
            except _Interrupted:
                self._say("what to inject is not found yet; the same command goes on looking")
                return {}
            finally:
                search.close(over)
        injection: Mapping[str, str] = self._stream.meta["injection"]
        return injection

    def _size(self, level: float, search: Search, deadline: float) -> tuple[dict[str, str], list[dict[str, Any]]]:
        kind = self._asked.kind

        def measure(texts: Mapping[str, str], count: int) -> list[Block]:
            return [self._sizing_block(texts, search, deadline) for _ in range(count)]

        if kind.name == "tail":
            return calibration_size.tail(self._tests, level, measure({}, PILOT_BLOCKS)), []
        return calibration_size.size(kind.inject, self._tests, level, kind.together, measure, self._say)

    def _sizing_block(self, texts: Mapping[str, str], search: Search, deadline: float) -> Block:
        """One that is not vetoed; it is in no check. Raises _Interrupted when time is up."""
        before = search.again(texts)
        if before:
            return before
        while self._goes_on(deadline):
            for block in self._blocks(Phase.PILOT, self._arms.of(0), texts):
                if not block.vetoed:
                    return search.append(texts, block)
        raise _Interrupted

    def _pilot(self, deadline: float) -> None:
        """Fixes the pairs of each look, once for a stream."""
        stream = self._stream
        if "first_pairs" in stream.meta or (not self._asked.kind.is_alike and "injection" not in stream.meta):
            return
        base = self._arms.of(0)[0]
        while sum(not one.vetoed for one in stream.pilot()) < PILOT_BLOCKS:
            if len(stream.pilot()) >= PILOT_ATTEMPTS:
                break
            if not self._goes_on(deadline):
                return
            for block in self._blocks(Phase.PILOT, (base, base), {}):
                stream.append_pilot(block)
        usable = [block for block in stream.pilot() if not block.vetoed]
        if not usable:
            raise Refused(f"all {PILOT_ATTEMPTS} blocks of the pilot were vetoed, so no check can be planned")
        pair_s = sum(block.wall_s for block in usable) / len(usable) / 2
        thresholds = thresholds_of(stream.meta)
        try:
            plan = planning.plan(stream.tests, usable, thresholds, pair_s, self._budget_left(usable))
        except planning.TooNoisy as reason:
            raise Refused(f"{reason}; give --budget, which the pilot that was measured does for, too") from reason
        stream.fix(
            first_pairs=plan.first_pairs,
            second_pairs=plan.second_pairs,
            pair_s=round(pair_s, 3),
            plan=list(plan.sentences),
        )
        self._say("; ".join(plan.sentences))

    def _budget_left(self, pilot: Sequence[Block]) -> float | None:
        """Of a check's budget, which has to pay for its pilot too. (Builds and counts are not in it here.)"""
        budget_s = self._asked.budget_s
        return None if budget_s is None else budget_s - sum(block.wall_s for block in pilot)

    def _tell(self, cutter: Cutter, deadline: float) -> None:
        """What the check that ended found, and how it stands."""
        last = cutter.finished[-1]
        counts = {outcome: sum(one.outcome is outcome for one in cutter.finished) for outcome in Outcome}
        told = ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items() if count)
        left = units.in_words(max(0.0, deadline - time.monotonic()))
        self._say(f"check {last.number}: {last.outcome.value} ({last.reason}); so far {told}; {left} left")


class _Interrupted(Exception):
    """While something was sized."""
