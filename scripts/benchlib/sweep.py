# SPDX-License-Identifier: Apache-2.0
"""The sweep itself: every run of every block that is not in the store yet, one after the other."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchlib import manifest as manifests
from benchlib import progress, runner, schedule, views
from benchlib.errors import EXIT_FAILED, EXIT_OK, Refused
from benchlib.files import write_whole
from benchlib.interrupt import Interrupt
from benchlib.journal import Entry
from benchlib.manifest import json_text, now
from benchlib.points import Point
from benchlib.progress import Progress
from benchlib.runner import Outcome
from benchlib.store import Store

# Of the sweep's time, what refreshing the views may take: with ten thousands of runs one time takes seconds. The
# journal and the records have every run at once; the end, whatever it is, refreshes the views too.
REFRESH_SHARE = 0.05


@dataclass
class Sweep:
    """All that one sweep needs. The manifest carries what was decided when it began: seed, repeats, machine, ..."""

    fields: dict[str, list[dict[str, Any]]]
    points: Sequence[Point]
    manifest: dict[str, Any]
    store: Store
    fail_fast: bool
    _refreshed: float = 0.0  # when the views were
    _refresh_s: float = 0.0  # and how long that took

    def missing(self) -> list[tuple[int, int, Point]]:
        """The runs that are still to be made, as (block, order, point)."""
        done = {(entry.cell_id, entry.arm, entry.block) for entry in self.store.journal.entries if entry.finished}
        tasks = [point.cell.task for point in self.points]
        slots = schedule.slots(self.manifest["seed"], self.manifest["repeats"], tasks)
        every = [(block, order, self.points[cell]) for block, order, cell in slots]
        return [(block, order, point) for block, order, point in every if (*point.name, block) not in done]

    def failed(self) -> int:
        """How many of the runs in the store failed."""
        return sum(entry.finished and entry.status != runner.OK for entry in self.store.journal.entries)

    def announce(self) -> None:
        """Makes a folder of the store that others can read and resume, before the first run."""
        self._refresh(manifests.RUNNING)

    def measure(self) -> int:
        """Makes the missing runs. Returns the exit code; the store is valid whenever and however this ends."""
        missing = self.missing()
        watcher = progress.make(len(missing))
        with Interrupt(watcher.say) as interrupt:
            try:
                outcome = self._blocks(missing, watcher, interrupt)
                self._refresh(outcome)
            except Refused as refusal:
                raise Refused(
                    f"{refusal}; what was measured until then is kept, and --resume goes on from there"
                ) from refusal
            finally:
                watcher.close()
            if interrupt.requested:
                return interrupt.exit_code
        return EXIT_FAILED if self.failed() else EXIT_OK

    def _blocks(self, missing: list[tuple[int, int, Point]], watcher: Progress, interrupt: Interrupt) -> str:
        for number, (block, order, point) in enumerate(missing):
            entry, detail = self._run(block, order, point, interrupt)
            watcher.run_ended()
            if entry.status != runner.OK:
                watcher.say(f"run {entry.run_id} failed, {entry.exit_reason}: {point.cell.label}{detail}")
            if interrupt.requested:
                return manifests.INTERRUPTED
            if self.fail_fast and entry.status != runner.OK:
                return manifests.STOPPED
            last = number + 1 == len(missing)
            if last or missing[number + 1][0] != block:
                watcher.block_ended(block, self.manifest["repeats"])
                if not last and time.monotonic() - self._refreshed >= self._refresh_s / REFRESH_SHARE:
                    self._refresh(manifests.RUNNING)
        return manifests.COMPLETE

    def _run(self, block: int, order: int, point: Point, interrupt: Interrupt) -> tuple[Entry, str]:
        """One attempt, from its name to its line in the journal; and what the program found wrong, if it said."""
        entries = self.store.journal.entries
        tried = sum((entry.cell_id, entry.arm, entry.block) == (*point.name, block) for entry in entries)
        tags: dict[str, str | int] = {
            "plan_hash": self.manifest["plan"]["hash"],
            "run_id": f"{self.manifest['run_prefix']}-{block:03}-{order:04}-{tried + 1}",
            "block": block,
            "order": order,
            "attempt": tried + 1,
        }
        if point.arm:
            tags["arm"] = point.arm
        if "seed" not in point.cell.settings:
            tags["seed"] = schedule.run_seed(self.manifest["seed"], block)
        started = now()
        command = point.program.command(point.arguments, tags)
        out, err = self.store.output_paths(str(tags["run_id"]))
        timeout_s = self.manifest["timeout_s"] + schedule.judging_seconds(point.resolved)
        outcome = runner.execute(command, out, err, timeout_s, interrupt)
        record = self._record(point, tags | {"started": started}, outcome)
        entry = Entry(
            run_id=record["run_id"],
            cell_id=point.cell_id,
            part=point.cell.part,
            block=block,
            order=order,
            attempt=tried + 1,
            started=started,
            wall_s=round(outcome.wall_s, 3),
            status=record["status"],
            exit_reason=record["exit_reason"],
            exit_code=outcome.exit_code,
            arm=point.arm or "",
        )
        self.store.keep(entry, record)
        return entry, f": {record['verdict_detail']}" if "verdict_detail" in record else ""

    def _record(self, point: Point, known: dict[str, str | int], outcome: Outcome) -> dict[str, Any]:
        """The record to keep: the program's, or for want of one what was known before the run; never another run's."""
        printed, reason = outcome.record, outcome.exit_reason
        if printed and (printed.get("run_id"), printed.get("cell_id")) != (known["run_id"], point.cell_id):
            printed, reason = None, runner.NO_RECORD if reason == runner.OK else reason
        status = runner.OK if reason == runner.OK else "failed"
        base = printed if printed else point.resolved | known
        return base | {"status": status, "exit_reason": reason, "machine": self.manifest["machine"]}

    def _refresh(self, outcome: str) -> None:
        """Makes the views of the store anew, between blocks, where it disturbs no run."""
        began = time.monotonic()
        views.write(self.store.folder, self.fields, self.store.records())
        manifests.update(self.manifest, self.store.journal.entries, outcome)
        write_whole(self.store.manifest_path, json_text(self.manifest))
        self._refreshed = time.monotonic()
        self._refresh_s = self._refreshed - began
