# SPDX-License-Identifier: Apache-2.0
"""What the scripts' mains have in common: a refusal is one sentence and exit code 2, whatever could not be done.

That goes for standard output too: a full disk behind it is a sentence, and a reader who left, as `head` does, is none.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence

from benchlib.errors import EXIT_REFUSED, Refused, os_reason

EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_NO_READER = 128 + signal.SIGPIPE  # what a shell expects


def carry_out(name: str, work: Callable[[Sequence[str]], int], words: Sequence[str]) -> int:
    """The exit code of `work(words)`; `name` is the script's, for sentences."""
    try:
        try:
            return work(words)
        finally:
            tell()  # --help, too, is written by now or never
    except Refused as refusal:
        print(f"{name}: {refusal}", file=sys.stderr)
        return EXIT_REFUSED
    except BrokenPipeError:
        return EXIT_NO_READER
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def tell(*lines: str) -> None:
    """Writes lines to standard output, now, or refuses."""
    try:
        for line in lines:
            print(line)
        print(end="", flush=True)
    except BrokenPipeError:
        give_up_output()
        raise
    except OSError as error:
        give_up_output()
        raise Refused(f"cannot write to standard output: {os_reason(error)}") from error


def give_up_output() -> None:
    """What is still buffered can never be written: when the interpreter tries once more at its end, it goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
