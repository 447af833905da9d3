# SPDX-License-Identifier: Apache-2.0
"""Signals while measuring: asked to stop, the sweep ends between runs and leaves its store whole.

The first Ctrl-C lets the present run finish; the second, or SIGTERM or SIGHUP, ends it. Runs live in process
groups of their own, so that a terminal's Ctrl-C reaches the sweep alone.
"""

import contextlib
import signal
import socket
from collections.abc import Callable
from types import FrameType, TracebackType


class Interrupt:
    """While entered, signals are noted instead of raised, and make `fileno` readable, to wake whoever waits.

    `say` tells the user that the first Ctrl-C was heard.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._received: list[int] = []
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interrupt":
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._wakeup_before = signal.set_wakeup_fd(self._wake_write.fileno())
        for number in self.SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.set_wakeup_fd(self._wakeup_before)
        self._wake_read.close()
        self._wake_write.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received.append(number)

    def fileno(self) -> int:
        """Readable after a signal, until `settle`."""
        return self._wake_read.fileno()

    def settle(self) -> None:
        """By who was woken: takes the notice away, so that the next wait sleeps again."""
        with contextlib.suppress(BlockingIOError):
            while self._wake_read.recv(64):
                pass
        if self.requested and not self.at_once:
            self._say("stopping after the present run; Ctrl-C again ends it now")

    @property
    def requested(self) -> bool:
        """No further run should start."""
        return bool(self._received)

    @property
    def at_once(self) -> bool:
        """The present run should not be waited for either."""
        return len(self._received) > 1 or any(number != signal.SIGINT for number in self._received)

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM: what a shell expects."""
        return 128 + self._received[0]
