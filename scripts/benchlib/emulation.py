# SPDX-License-Identifier: Apache-2.0
"""Refuses to vary an option that a queue only emulates: both its values would then measure the same thing.

The pool's option `batch` is none of these. Where a queue emulates taking many items at once, a batch still saves what
the pool does once a batch instead of once a job: acquiring the ready lock, and telling the scheduler.
"""

from collections.abc import Sequence
from typing import Any

from benchlib import params
from benchlib.errors import Refused

# The options of pools and of queue workloads that ask something optional of a queue: the option, the operation in
# `optional_ops`, and whose it is.
POOL_OPTIONS = (("elements", "ready_prepare", "ready_queue"), ("freeing", "job_garbage", "job_queue"))
WORKLOAD_OPTIONS = (("batch", "enqueue_batch", "queue"), ("batch", "dequeue_batch", "queue"))


def check(part: str, resolved: Sequence[dict[str, Any]]) -> None:
    """Holds the resolved records of one part against each other."""
    for owner, options in (("pool", POOL_OPTIONS), ("workload", WORKLOAD_OPTIONS)):
        for option, operation, queue in options:
            if len({params.split(record.get(f"{owner}_params")).get(option) for record in resolved}) < 2:
                continue
            for record in resolved:
                if params.split(record.get("optional_ops")).get(operation) == "emulated":
                    raise Refused(
                        f'part "{part}" varies {owner}.{option}, which queue {record[queue]} cannot honour '
                        f"({operation} is emulated): leave one of them out, or set allow_emulated = true"
                    )
