# SPDX-License-Identifier: Apache-2.0
"""What a tracer recorded of one run, paired by job: how long each job took from one probe to the next."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import pandas

KINDS = ("put", "get", "reply", "ready")  # in the order of a job's way
# What lies between two of them.
STAGES = {
    "job_queue": ("put", "get"),
    "service": ("get", "reply"),
    "ready_queue": ("reply", "ready"),
    "total": ("put", "ready"),
}
# Whose length each of them tells.
QUEUES = {"put": "job", "get": "job", "reply": "ready", "ready": "ready"}
COLUMNS = ["kind", "time_ns", "id", "length"]  # kind: the place in KINDS; length: -1 where the queue doesn't tell it


@dataclass(frozen=True)
class Recording:
    """All events of one run. `lost` is how many the tracer had to throw away."""

    tracer: str
    events: pandas.DataFrame
    lost: int


def table(kinds: Sequence[int], times: Sequence[int], ids: Sequence[int], lengths: Sequence[int]) -> pandas.DataFrame:
    """The events as a table, in the order of their times."""
    columns = (numpy.asarray(values, dtype=numpy.int64) for values in (kinds, times, ids, lengths))
    return pandas.DataFrame(dict(zip(COLUMNS, columns, strict=True))).sort_values("time_ns", kind="stable")


class Jobs:
    """The events by job. `times[stage]` are nanoseconds, one a job that has both events of the stage.

    `others` counts events of no job: of the records by which stop=poison ends the workers, whose id is 0.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.events = events = recording.events[recording.events["id"] > 0]
        self.others = len(recording.events) - len(events)
        of_kind = {kind: events[events["kind"] == number] for number, kind in enumerate(KINDS)}
        self.counts = {kind: len(rows) for kind, rows in of_kind.items()}
        self.repeated = {kind: int(rows["id"].duplicated().sum()) for kind, rows in of_kind.items()}
        known = (events["length"] >= 0).to_numpy()
        self.lengths = {
            kind: events.loc[known & (events["kind"] == number), "length"].to_numpy()
            for number, kind in enumerate(KINDS)
        }
        # An id that comes twice names no job: neither of its events is paired.
        moments = {
            kind: rows.drop_duplicates("id", keep=False).set_index("id")["time_ns"] for kind, rows in of_kind.items()
        }
        way = pandas.concat(moments, axis=1)
        self.count = events["id"].nunique()
        self.whole = len(way.dropna())
        self.times: dict[str, numpy.ndarray] = {}
        self.overtaken: dict[str, int] = {}
        for stage, (begin, end) in STAGES.items():
            both = pandas.concat([moments[begin], moments[end]], axis=1, join="inner")
            spent = both.iloc[:, 1].to_numpy() - both.iloc[:, 0].to_numpy()
            # An event is written just after the job has gone over: who takes it may be the first to tell.
            self.overtaken[stage] = int((spent < 0).sum())
            self.times[stage] = numpy.maximum(spent, 0)
