"""Numbers to words, and words to numbers: sizes, ages, times. No I/O, no clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

__all__ = ["age", "duration", "parse_duration", "parse_size", "percent", "plural", "rate", "size", "timestamp"]

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?)(b?)\s*$", re.IGNORECASE)
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(s|sec|m|min|h|d|day|days|w|week|weeks|month|months|y|year|years)\s*$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "month": 30 * 86400, "y": 365 * 86400}


def size(count: int | float) -> str:
    """Bytes in words: `size(1536)` is `'1.5 KiB'`."""
    value = float(count)
    for unit in _UNITS:
        if abs(value) < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    if unit == "B":
        return f"{int(value)} B"
    return (
        f"{value:.2f} {unit}"
        if abs(value) < 10
        else f"{value:.1f} {unit}"
        if abs(value) < 100
        else f"{value:.0f} {unit}"
    )


def parse_size(text: str) -> int:
    """Words to bytes: `1GiB`, `1.5 MB`, `300k`, `4096`. KiB counts 1024, KB and K count 1000 and 1024.

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
    """Words to a duration: `90d`, `90D`, `12h`, `2 weeks`, `1y` (365 days), `1month` (30 days).

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
    """Seconds in words: `duration(75)` is `'1 min 15 s'`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def age(then: datetime | None, now: datetime) -> str:
    """How long ago, in one unit: `'3 days'`, `'in 2 months'`; `'never'` for None."""
    if then is None:
        return "never"
    seconds = (now - then).total_seconds()
    ahead, seconds = seconds < 0, abs(seconds)
    for unit, length in (
        ("year", 365 * 86400),
        ("month", 30 * 86400),
        ("day", 86400),
        ("hour", 3600),
        ("minute", 60),
    ):
        if seconds >= length:
            words = plural(int(seconds // length), unit)
            return f"in {words}" if ahead else words
    return "in a moment" if ahead and seconds >= 1 else "now"


def timestamp(moment: datetime | None) -> str:
    """A time in UTC to the minute, `'never'` for None."""
    return "never" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def rate(count: float, seconds: float) -> str:
    """Bytes a second in words; empty when nothing can be said yet."""
    return f"{size(count / seconds)}/s" if seconds > 0 and count > 0 else ""


def percent(done: int, total: int | None) -> str:
    """`'37 %'`, or empty without a total."""
    return f"{100 * done // total} %" if total else ""


def plural(count: int, noun: str) -> str:
    """`'1 image'`, `'2 images'`."""
    ending = "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}{ending}"
