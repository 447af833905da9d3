# SPDX-License-Identifier: Apache-2.0
"""Puts each mutant into the copy of the tree and throws it at the rungs. What the journal knows is not done again."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from benchlib import mutants_ladder as ladder
from benchlib import units
from benchlib.mutants_journal import BASELINE, Journal, Line
from benchlib.mutants_ladder import Rung, Sources, Step
from benchlib.mutants_list import BASE_PRESET, Mutant
from benchlib.mutants_tree import BuildFails

GUESS_S = 10.0  # a rung of which nothing is known yet
CODE = "code"


class Workplace(Protocol):
    """What of the copied tree is used here."""

    def sources_digest(self, tests: bool) -> str: ...
    def mutated(self, mutant: Mutant) -> AbstractContextManager[None]: ...
    def build(self, preset: str, targets: Sequence[str]) -> None: ...
    def call(self, words: Sequence[str], timeout_s: float) -> int | None: ...
    def last_words(self) -> str: ...
    def machine_code(self, preset: str) -> dict[str, str]: ...


class BaselineFails(Exception):
    """A step fails on the tree as it is, so that it can't tell a mutant. The text says which, and its last words."""


@dataclass(frozen=True)
class Row:
    """What became of one mutant, by rung; a rung that has nothing to say of it, or was not asked, is missing."""

    mutant: Mutant
    lines: dict[str, Line]

    @property
    def killers(self) -> list[str]:
        return [name for name, line in self.lines.items() if line.outcome in (ladder.KILLED, ladder.HANGS)]

    @property
    def unbuilt(self) -> bool:
        return any(line.outcome == ladder.UNBUILT for line in self.lines.values())


class Climb:
    """Some mutants, some rungs, one tree, one journal. `say` tells a person how far it is."""

    def __init__(
        self,
        tree: Workplace,
        journal: Journal,
        mutants: Sequence[Mutant],
        rungs: Sequence[Rung],
        say: Callable[[str], None],
    ) -> None:
        self._tree, self._journal, self._say = tree, journal, say
        self._mutants, self._rungs = mutants, rungs
        self._sources = Sources(tree.sources_digest(tests=False), tree.sources_digest(tests=True))
        self._original: dict[str, str] = {}  # machine code

    def missing(self) -> list[tuple[Mutant, list[Rung]]]:
        """What the journal does not know."""
        found = []
        for mutant in self._mutants:
            dead = self._is_dead(mutant)
            rungs = [rung for rung in self._rungs if ladder.applies(rung, mutant) and not self._known(rung, mutant)]
            rungs = [rung for rung in rungs if not (rung.last and dead)]
            if rungs:
                found.append((mutant, rungs))
        return found

    def seconds_left(self, work: Sequence[tuple[Mutant, Sequence[Rung]]]) -> float:
        """By what the same, or else any mutant, took on these rungs."""
        return sum(self._expected(mutant, rung) for mutant, rungs in work for rung in rungs)

    def run(self) -> None:
        """Does all that is missing. Raises BaselineFails before the first mutant that it concerns."""
        if not self.missing():
            self._say(f"all {len(self._mutants)} mutants are known from before; nothing to do")
        for last in (False, True):  # so that what the last rungs need is not built for mutants that die before
            work = [(mutant, [rung for rung in rungs if rung.last == last]) for mutant, rungs in self.missing()]
            self._run([(mutant, rungs) for mutant, rungs in work if rungs and not (last and self._row(mutant).unbuilt)])

    def _run(self, work: Sequence[tuple[Mutant, Sequence[Rung]]]) -> None:
        self._baseline(work)
        known = len(self._mutants) - len(work)
        for number, (mutant, rungs) in enumerate(work, 1):
            lines = list(self._climb(mutant, rungs))
            left_s = self.seconds_left(work[number:])
            left = f"; about {units.in_words(left_s)} left" if number < len(work) else ""
            spent = units.in_words(sum(line.seconds for line in lines))
            place = f"{known + number} of {len(self._mutants)}"
            self._say(f"{place} {mutant.name}: {self._in_words(mutant)}, {spent}{left}")

    def rows(self) -> list[Row]:
        """All that is known now."""
        return [self._row(mutant) for mutant in self._mutants]

    def _row(self, mutant: Mutant) -> Row:
        dead = self._is_dead(mutant)
        rungs = [rung for rung in self._rungs if ladder.applies(rung, mutant) and not (rung.last and dead)]
        lines = {rung.name: self._known(rung, mutant) for rung in rungs}
        return Row(mutant, {name: line for name, line in lines.items() if line})

    def _in_words(self, mutant: Mutant) -> str:
        """Of all rungs, also those that were known before."""
        row = self._row(mutant)
        if row.killers:
            return f"killed by {', '.join(row.killers)}"
        return "/".join({line.outcome: 0 for line in row.lines.values()})

    def _known(self, rung: Rung, mutant: Mutant) -> Line | None:
        return self._journal.find(ladder.key(rung, mutant, self._sources))

    def _expected(self, mutant: Mutant, rung: Rung) -> float:
        return self._journal.seconds_of(mutant.name, rung.name) or self._journal.mean_seconds(rung.name) or GUESS_S

    def _baseline(self, work: Sequence[tuple[Mutant, Sequence[Rung]]]) -> None:
        """Each step once, on the tree without a mutant."""
        wanted = {step.digest: step for mutant, rungs in work for rung in rungs for step in rung.steps(mutant)}
        if any(rung.name == CODE for _, rungs in work for rung in rungs):
            self._tree.build(BASE_PRESET, ["readyq"])
            self._original = self._tree.machine_code(BASE_PRESET)
        steps = [step for step in wanted.values() if step.words != ladder.OBJDUMP]
        steps = [step for step in steps if not self._journal.find(ladder.step_key(step, self._sources))]
        if not steps:
            return
        self._say(f"without any mutant first: {len(steps)} steps must pass")
        self._build(steps)
        for step in steps:
            outcome, seconds = self._take(step)
            if outcome != ladder.SURVIVED:
                words = self._tree.last_words()
                raise BaselineFails(f"{step.name} ({step.preset}) {outcome} without any mutant:\n{words}")
            key = ladder.step_key(step, self._sources)
            self._journal.append(Line(BASELINE, step.preset, key, outcome, step.name, seconds))

    def _climb(self, mutant: Mutant, rungs: Sequence[Rung]) -> Iterator[Line]:
        with self._tree.mutated(mutant):
            for rung in rungs:
                if rung.last and self._is_dead(mutant):
                    continue
                started = time.monotonic()
                outcome, by = self._judge(rung, mutant)
                key = ladder.key(rung, mutant, self._sources)
                line = Line(mutant.name, rung.name, key, outcome, by, round(time.monotonic() - started, 2))
                self._journal.append(line)
                yield line
                if outcome == ladder.UNBUILT:
                    self._say(f"{mutant.name} does not build:\n{by}")
                    return

    def _judge(self, rung: Rung, mutant: Mutant) -> tuple[str, str]:
        """The outcome, and what decided it."""
        if rung.native and self._is_same(mutant):
            return ladder.SAME, ""
        steps = rung.steps(mutant)
        try:
            self._build(steps)
        except BuildFails as failure:
            return ladder.UNBUILT, str(failure)
        if rung.name == CODE:
            same = self._tree.machine_code(BASE_PRESET) == self._original
            return (ladder.SAME if same else ladder.DIFFERS), ""
        for step in steps:
            outcome, _ = self._take(step)
            if outcome != ladder.SURVIVED:
                return outcome, step.name
        return ladder.SURVIVED, ""

    def _is_dead(self, mutant: Mutant) -> bool:
        """By one of the rungs that every mutant gets."""
        first = {rung.name: rung for rung in (*ladder.LADDER, *self._rungs) if not rung.last}
        lines = [self._known(rung, mutant) for rung in first.values() if ladder.applies(rung, mutant)]
        return any(line and line.outcome in (ladder.KILLED, ladder.HANGS) for line in lines)

    def _is_same(self, mutant: Mutant) -> bool:
        code = next(rung for rung in (*self._rungs, *ladder.LADDER) if rung.name == CODE)
        known = self._known(code, mutant)
        return known is not None and known.outcome == ladder.SAME

    def _build(self, steps: Sequence[Step]) -> None:
        targets: dict[str, list[str]] = {}
        for step in steps:
            targets.setdefault(step.preset, []).extend(step.targets)
        for preset, names in targets.items():
            if names:
                self._tree.build(preset, sorted(set(names)))

    def _take(self, step: Step) -> tuple[str, float]:
        started = time.monotonic()
        code = self._tree.call(step.words, step.timeout_s)
        outcome = ladder.HANGS if code is None else ladder.SURVIVED if code == 0 else ladder.KILLED
        return outcome, round(time.monotonic() - started, 2)
