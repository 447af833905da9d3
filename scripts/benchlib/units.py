# SPDX-License-Identifier: Apache-2.0
"""Durations, both ways. One place for units in the scripts; everything else counts in seconds."""

import re

from benchlib.errors import Refused

SECONDS_PER = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str, what: str) -> float:
    """ "1.5s", "250ms", "2m" in seconds. `what` names the value in the sentence of refusal."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.strip())
    if not match or match[2] not in SECONDS_PER:
        raise Refused(
            f'{what} is "{text}", but a duration is a number with one of {", ".join(SECONDS_PER)}, such as 90s'
        )
    value = float(match[1]) * SECONDS_PER[match[2]]
    if value <= 0:
        raise Refused(f'{what} is "{text}", but must be longer than nothing')
    return value


def in_words(value_s: float) -> str:
    """A duration for people: "0.8 s", "14 s", "1 min 26 s", "2 h 5 min"."""
    if value_s < 10:
        return f"{value_s:.1f} s"
    if value_s < 60:
        return f"{value_s:.0f} s"
    minutes, rest = divmod(round(value_s), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
