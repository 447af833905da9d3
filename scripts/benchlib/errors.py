# SPDX-License-Identifier: Apache-2.0
"""The one way in which a script refuses: a sentence for a person, and exit code 2."""

EXIT_OK = 0
EXIT_FAILED = 1  # a run failed: it is in the data
EXIT_REFUSED = 2  # bad input, or the system refused a resource
EXIT_INCONCLUSIVE = 3  # the runs do not say


class Refused(Exception):
    """Bad input or a refused resource. Its text is one sentence that names what was wrong and what would be right."""


def os_reason(error: OSError) -> str:
    """What the system said, without the path (the caller names that)."""
    return error.strerror or type(error).__name__
