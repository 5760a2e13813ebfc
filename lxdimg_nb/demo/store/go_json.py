"""JSON and times as Go writes them, so that ETags and timestamps are those of a real daemon.

Source: Go's encoding/json and time packages; checked against ETags of LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import hashlib
import json
import time
from datetime import UTC, datetime
from typing import Any

__all__ = ["compact", "etag", "etag_of", "from_epoch", "nanos_text", "now_text"]

_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def compact(value: Any) -> str:
    """The value as JSON without spaces, with its keys in their order."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def etag_of(document: Any, *, sort_keys: bool = False) -> str:
    """The ETag, without quotes, that LXD and Incus make of a structure.

    It is the SHA-256 of its JSON as Go's encoder writes it, with `<`, `>` and `&` escaped and a newline after it.
    """
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, sort_keys=sort_keys)
    return hashlib.sha256(text.translate(_ESCAPES).encode("utf-8", "replace") + b"\n").hexdigest()


def etag(fields: list[Any]) -> str:
    """The ETag of some fields, whose maps Go sorts by key."""
    return etag_of(fields, sort_keys=True)


def nanos_text(nanos: int) -> str:
    """Nanoseconds since 1970 in RFC 3339 with as many digits as needed, as Go prints them."""
    seconds, rest = divmod(nanos, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return whole + (f".{rest:09d}".rstrip("0") if rest else "") + "Z"


def now_text() -> str:
    """The current time in UTC, to the nanosecond."""
    return nanos_text(time.time_ns())


def from_epoch(seconds: int) -> str:
    """Seconds since 1970 in RFC 3339; times after the year 9999 become its end."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    except (OverflowError, ValueError, OSError):
        return "9999-12-31T23:59:59Z" if seconds > 0 else "0001-01-01T00:00:00Z"
