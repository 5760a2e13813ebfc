"""Dates as Go's YAML knows them.

Source: go.yaml.in/yaml, resolve.go, allowedTimestampFormats; imports into Incus 7.0.2 and 7.5.1.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["is_date"]

_LAYOUTS = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:(?:[Tt](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d+)?(?:Z|[-+]\d\d:\d\d))"
    r"|(?: (\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d+)?))?",
    re.ASCII,
)


def is_date(text: str) -> bool:
    """Whether a text without quotes is a day, alone or with a time: after a T with a zone, after a space without."""
    found = _LAYOUTS.fullmatch(text)
    if found is None:
        return False
    year, month, day, *clock = (int(part) for part in found.groups() if part)
    hour, minute, second = clock or (0, 0, 0)
    try:
        datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return False
    return True
