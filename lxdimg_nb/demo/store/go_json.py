"""JSON and times written as Go writes them, so that ETags and timestamps agree with a real daemon.

Source: Go's encoding/json and time packages; checked against ETags of LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

__all__ = ["compact", "etag", "etag_of", "from_epoch", "nanos_text", "now_text"]

_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def compact(value: Any) -> str:
    """The value as JSON without spaces, in the order its keys have."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def etag_of(document: Any) -> str:
    """The ETag of a structure: its keys stay in the order they have."""
    text = compact(document).translate(_ESCAPES)
    return hashlib.sha256(text.encode("utf-8", "replace") + b"\n").hexdigest()


def etag(fields: Iterable[Any]) -> str:
    """The ETag, without quotes, that LXD and Incus make of these fields.

    It is the SHA-256 of each field as Go's encoder writes it, a newline after each: maps sorted by key, `<`,
    `>` and `&` as escapes.
    """
    digest = hashlib.sha256()
    text = json.dumps(list(fields), separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    digest.update(text.translate(_ESCAPES).encode("utf-8", "replace") + b"\n")
    return digest.hexdigest()


def nanos_text(nanos: int) -> str:
    """Nanoseconds since 1970 in RFC 3339 with as many digits as needed, as Go prints them."""
    seconds, rest = divmod(nanos, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return whole + (f".{rest:09d}".rstrip("0") if rest else "") + "Z"


def now_text() -> str:
    """The time of day, UTC, to the nanosecond."""
    return nanos_text(time.time_ns())


def from_epoch(seconds: int) -> str:
    """Seconds since 1970 in RFC 3339; years beyond 9999 are cut to the last that can be written."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    except (OverflowError, ValueError, OSError):
        return "9999-12-31T23:59:59Z" if seconds > 0 else "0001-01-01T00:00:00Z"
