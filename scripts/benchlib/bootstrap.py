# SPDX-License-Identifier: Apache-2.0
"""Intervals by resampling, for what has no exact one. They describe; nothing is decided by them.

Apart from `benchlib.stats`, since this needs numpy, and what decides must run where there is only Python.
"""

import math
from collections.abc import Callable, Sequence

import numpy
import numpy.typing

from benchlib.stats import CONFIDENCE, Estimate

NDArray = numpy.typing.NDArray[numpy.float64]

BOOTSTRAP = "the runs are independent, and enough of them that resampling them resembles drawing new ones"
BOOTSTRAP_MIN_RUNS = 10
RESAMPLES = 10_000


def bootstrap(
    samples: Sequence[Sequence[float]],
    statistic: Callable[..., NDArray],
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Estimate:
    """A percentile bootstrap interval of `statistic(*samples, axis=-1)`, for what has no exact one.

    The samples are independent, and each is resampled by itself. The seed is fixed, so that the same runs always
    give the same figure.
    """
    arrays = [numpy.asarray(sample, dtype=float) for sample in samples]
    n = min(len(array) for array in arrays)
    if n == 0:
        return _without_interval(0, math.nan, "a sample has no run")
    value = float(statistic(*arrays, axis=-1))
    if n == 1:
        return _without_interval(1, value, "one run says nothing of its spread")
    generator = numpy.random.default_rng(seed)
    drawn = [array[generator.integers(len(array), size=(resamples, len(array)))] for array in arrays]
    tail = (1 - confidence) / 2
    low, high = numpy.quantile(statistic(*drawn, axis=-1), [tail, 1 - tail])
    return Estimate(n, value, float(low), float(high), confidence, BOOTSTRAP, _few(n))


def _few(n: int) -> tuple[str, ...]:
    if n >= BOOTSTRAP_MIN_RUNS:
        return ()
    return (f"{n} runs are few for a bootstrap: its interval is too narrow below {BOOTSTRAP_MIN_RUNS}",)


def _without_interval(n: int, value: float, warning: str) -> Estimate:
    return Estimate(n, value, math.nan, math.nan, 0.0, BOOTSTRAP, (warning,))
