# SPDX-License-Identifier: Apache-2.0
"""A trace as text for a terminal."""

from collections.abc import Callable, Iterator

import numpy

from benchlib import style, trace_bins
from benchlib.trace_events import KINDS, QUEUES, STAGES, Jobs

BAR = 40  # characters of the longest bar
WORDS = {
    "job_queue": "waiting in the job queue (put to get)",
    "service": "service (get to reply)",
    "ready_queue": "waiting in the ready queue (reply to ready)",
    "total": "the whole way (put to ready)",
}


def lines(jobs: Jobs) -> Iterator[str]:
    """Everything."""
    yield recorded(jobs)
    yield from doubts(jobs)
    for stage in STAGES:
        yield ""
        yield from _histogram(WORDS[stage], jobs.times[stage], style.nanoseconds, "no job has both events")
    for kind in KINDS:
        yield ""
        title = f"length of the {QUEUES[kind]} queue at {kind}"
        yield from _histogram(title, jobs.lengths[kind], style.plain, "not known: no queue tells it")


def recorded(jobs: Jobs) -> str:
    """How many events there are, and how many there should have been besides."""
    counts = ", ".join(f"{jobs.counts[kind]:,} {kind}" for kind in KINDS)
    lost = jobs.recording.lost
    return (
        f"{len(jobs.events):,} events of {jobs.count:,} jobs recorded by {jobs.recording.tracer} ({counts}), "
        + (f"besides {jobs.others:,} of no job, " if jobs.others else "")
        + (f"{lost:,} LOST" if lost else "none lost")
    )


def doubts(jobs: Jobs) -> Iterator[str]:
    """What a reader must know before trusting the histograms."""
    if jobs.recording.lost:
        yield "Events were made faster than they could be stored: the histograms lack them, and are not a fair sample."
    repeated = sum(jobs.repeated.values())
    if repeated:
        yield f"{repeated:,} events came again for an id that had come before; those ids are in no time."
    if jobs.whole < jobs.count:
        yield f"{jobs.count - jobs.whole:,} jobs lack an event, and are only in the times whose two events they have."
    early = sum(count for stage, count in jobs.overtaken.items() if stage != "total")
    if early:
        yield (
            f"{early:,} times count as 0 ns: the later event was told first, for who hands a job on tells of it "
            "afterwards."
        )


def _histogram(title: str, values: numpy.ndarray, text: Callable[[float], str], nothing: str) -> Iterator[str]:
    if not len(values):
        yield f"{title}: {nothing}"
        return
    p50, p99 = numpy.percentile(values, [50, 99], method="inverted_cdf")
    yield f"{title}: p50 {text(p50)}, p99 {text(p99)}, max {text(values.max())}, {len(values):,} samples"
    edges = trace_bins.steps(values)
    counts = numpy.histogram(values, edges)[0]
    # numpy's last bin takes its upper edge in, but no value stands there.
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        bar = "#" * round(BAR * count / counts.max()) or "." * bool(count)
        yield f"  from {text(low):>6} {count:>11,} {100 * count / len(values):5.1f} % {bar}".rstrip()
