"""Format sizes, durations, ages and times for people, and parse what people write. Nothing here reads the clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

__all__ = ["age", "clock_in_words", "duration", "parse_duration", "parse_size", "plural", "size", "timestamp"]

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?)(b?)\s*$", re.IGNORECASE)
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(s|sec|m|min|h|d|day|days|w|week|weeks|month|months|y|year|years)\s*$")
_DAY, _MONTH, _YEAR = 86400, 30 * 86400, 365 * 86400
# Of two clocks; what Kerberos allows.
_NOTABLE = 300
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": _DAY, "w": 7 * _DAY, "month": _MONTH, "y": _YEAR}


def size(count: int | float) -> str:
    """Format a number of bytes: `size(1536)` is `'1.50 KiB'`."""
    value = float(count)
    for unit in _UNITS:
        if abs(value) < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    if unit == "B":
        return f"{int(value)} B"
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:.{digits}f} {unit}"


def parse_size(text: str) -> int:
    """Parse a number of bytes: `1GiB`, `1.5 MB`, `300k`, `4096`. KB is 1000 bytes; KiB and K are 1024.

    Raises:
        ValueError: not a size.
    """
    match = _SIZE.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size; write 1GiB, 300MB or a number of bytes")
    number, prefix, binary, byte = match.groups()
    power = " kmgtp".index(prefix.lower()) if prefix else 0
    base = 1000 if prefix and byte and not binary else 1024
    factor: int = base**power
    return round(float(number) * factor)


def parse_duration(text: str) -> timedelta:
    """Parse a duration: `90d`, `90D`, `12h`, `2 weeks`, `1y` (365 days), `1month` (30 days).

    Raises:
        ValueError: not a duration.
    """
    if re.search(r"[\d\s]M\s*$", text):
        raise ValueError(f"{text!r} may be minutes or months; write 30min or 6month")
    match = _DURATION.match(text.lower())
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write 90d, 12h, 30m, 2w or 1y")
    number, unit = match.groups()
    key = "month" if unit.startswith("month") else unit[0]
    return timedelta(seconds=float(number) * _SECONDS[key])


def duration(seconds: float) -> str:
    """Format a number of seconds: `duration(75)` is `'1 min 15 s'`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def age(moment: datetime | None, now: datetime) -> str:
    """Format the distance of a time from `now` in one unit: `'3 days ago'`, `'in 2 months'`; None is `'never'`."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    words = _in_one_unit(abs(seconds))
    if words:
        return f"in {words}" if seconds < 0 else f"{words} ago"
    return "in a moment" if seconds <= -1 else "now"


def clock_in_words(seconds: float) -> str:
    """Say how far a clock is ahead of this machine's: `'10 years ahead of'`, `'2 hours behind'`; empty below 5 min."""
    if abs(seconds) < _NOTABLE:
        return ""
    return f"{_in_one_unit(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'}"


def _in_one_unit(seconds: float) -> str:
    """`'3 days'`, rounded down; empty below a minute."""
    for unit, length in (("year", _YEAR), ("month", _MONTH), ("day", _DAY), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            return plural(int(seconds // length), unit)
    return ""


def timestamp(moment: datetime | None) -> str:
    """Format a time in UTC to the minute; None is `'never'`."""
    return "never" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def plural(count: int, noun: str) -> str:
    """`'1 image'`, `'2 images'`, `'2 entries'`."""
    if count == 1:
        return f"{count:,} {noun}"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{count:,} {noun[:-1]}ies"
    return f"{count:,} {noun}{'es' if noun.endswith('s') else 's'}"
