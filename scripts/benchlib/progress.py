# SPDX-License-Identifier: Apache-2.0
"""How far the sweep is, for people, on stderr: a bar on a terminal, else a line per block; failures at once."""

import sys
import time
from typing import Protocol, TextIO

from tqdm import tqdm

from benchlib import units


class Progress(Protocol):
    """What the sweep tells whoever watches."""

    def say(self, sentence: str) -> None:
        """Something to read now."""

    def run_ended(self) -> None:
        """One more run is done."""

    def block_ended(self, block: int, blocks: int) -> None:
        """All runs of a block are done."""

    def close(self) -> None:
        """Nothing more will come."""


class Bar:
    """A bar with the time left, by tqdm."""

    def __init__(self, runs: int, stream: TextIO) -> None:
        tqdm.monitor_interval = 0  # no thread beside the runs that are measured
        self._bar = tqdm(total=runs, unit="run", file=stream, dynamic_ncols=True, smoothing=0)

    def say(self, sentence: str) -> None:
        self._bar.write(sentence, file=self._bar.fp)

    def run_ended(self) -> None:
        self._bar.update()

    def block_ended(self, block: int, blocks: int) -> None:
        self._bar.set_description(f"block {block} of {blocks}")

    def close(self) -> None:
        self._bar.close()


class Lines:
    """A line per block, for logs."""

    def __init__(self, runs: int, stream: TextIO) -> None:
        self._runs, self._done, self._stream, self._started = runs, 0, stream, time.monotonic()

    def say(self, sentence: str) -> None:
        print(sentence, file=self._stream, flush=True)

    def run_ended(self) -> None:
        self._done += 1

    def block_ended(self, block: int, blocks: int) -> None:
        spent_s = time.monotonic() - self._started
        left_s = spent_s / max(self._done, 1) * (self._runs - self._done)
        left = f", about {units.in_words(left_s)} left" if self._done < self._runs else ""
        self.say(f"block {block} of {blocks}: {self._done} of {self._runs} runs, {units.in_words(spent_s)}{left}")

    def close(self) -> None:
        pass


def make(runs: int) -> Progress:
    """The one that fits where stderr leads."""
    if sys.stderr.isatty():
        return Bar(runs, sys.stderr)
    return Lines(runs, sys.stderr)
