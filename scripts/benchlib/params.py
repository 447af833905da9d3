# SPDX-License-Identifier: Apache-2.0
"""The text in which records keep parameters: "window=16;service=0"."""

import re


def split(text: str | None) -> dict[str, str]:
    """Names and values; none where there is no text. A value may hold a semicolon, as long as no name= follows it."""
    return dict(pair.split("=", 1) for pair in re.split(r";(?=[a-z][a-z0-9_]*=)", text)) if text else {}
