"""Read the fields of a server's JSON without trusting it: a value of the wrong type reads as the empty value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = ["Json", "format_time", "integer", "mapping", "parse_time", "string", "strings"]

Json = Mapping[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def string(value: object) -> str:
    """The value if it is a string, otherwise an empty one."""
    return value if isinstance(value, str) else ""


def strings(value: object) -> tuple[str, ...]:
    """The strings in a list."""
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def integer(value: object) -> int:
    """The value if it is an integer, otherwise 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def mapping(value: object) -> Json:
    """The value if it is an object, otherwise an empty one."""
    return value if isinstance(value, dict) else {}


def parse_time(value: object) -> datetime | None:
    """Parse an RFC 3339 time as UTC; every spelling of "never" (missing, year 1, 1970-01-01) is None.

    Servers send up to 9 fractional digits and any offset; Python keeps microseconds.
    """
    if not isinstance(value, str) or len(value) < 10 or value.startswith("0001-"):
        return None
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None if moment.year <= 1 or moment == _EPOCH else moment


def format_time(moment: datetime | None) -> str:
    """Format a time for a server; None is the epoch, which clears an expiry (LXD 5.0.2)."""
    if moment is None:
        return "1970-01-01T00:00:00Z"
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
