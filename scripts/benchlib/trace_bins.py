# SPDX-License-Identifier: Apache-2.0
"""Bins of a trace's histograms: log-linear ones of times, and every single length."""

import numpy
import pandas

BITS = 2  # a doubling is cut into 2^BITS bins, so a bin is at most a quarter of its lowest value wide


def of_times(values: numpy.ndarray) -> pandas.DataFrame:
    """Columns low, high (the greatest value in the bin) and count, ascending; only bins that hold something."""
    values = values.astype(numpy.int64)
    shift = numpy.maximum(numpy.frexp(values.astype(float))[1].astype(numpy.int64) - 1 - BITS, 0)
    low = (values >> shift) << shift
    bins = pandas.DataFrame({"low": low, "high": low + (numpy.int64(1) << shift) - 1})
    return bins.groupby(["low", "high"]).size().rename("count").reset_index()


def of_lengths(values: numpy.ndarray) -> pandas.DataFrame:
    """Columns length and count, ascending."""
    lengths, counts = numpy.unique(values, return_counts=True)
    return pandas.DataFrame({"length": lengths, "count": counts})


def steps(values: numpy.ndarray) -> numpy.ndarray:
    """Edges 0, 1, 2, 5, 10, 20, 50, ... for people, as far as they are needed; [a, b) is one line of text."""
    if not len(values):
        return numpy.array([0, 1])
    edges = [0] + [step * 10**decade for decade in range(19) for step in (1, 2, 5) if step * 10**decade < 2**63]
    last = next(i for i, edge in enumerate(edges) if edge > values.max())
    first = max(i for i, edge in enumerate(edges) if edge <= values.min())
    return numpy.array(edges[first : last + 1])
