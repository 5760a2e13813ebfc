"""Reading what a server said without trusting it: a wrong type reads as the empty value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = ["Json", "format_time", "mapping", "parse_time", "text", "texts", "whole"]

Json = Mapping[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text(value: object) -> str:
    """The value when it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def texts(value: object) -> tuple[str, ...]:
    """The texts of a list."""
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def whole(value: object) -> int:
    """The value when it is a whole number, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def mapping(value: object) -> Json:
    """The value when it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def parse_time(value: object) -> datetime | None:
    """RFC 3339 text to a UTC time; every spelling of "never" (missing, year 1, 1970-01-01) is None.

    Servers send 0 to 9 fractional digits and any offset; Python keeps microseconds.
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
    """A time as servers want it; None is the epoch, the spelling that clears an expiry (LXD 5.0.2)."""
    if moment is None:
        return "1970-01-01T00:00:00Z"
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
