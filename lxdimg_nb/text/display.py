"""Text and HTML that are safe to show, whatever a server said: the one place that sanitizes and escapes."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice

from lxdimg_nb.text import formats

__all__ = ["csv_cell", "escape", "format_value", "sanitize"]

_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_NEXT_CELL = re.compile(r"(;\s*)(?=[=+@＝＋＠-])")
_SPACES = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
# Control characters, bidirectional and invisible characters, and lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def sanitize(value: object, limit: int = 200) -> str:
    """Return a value as one line of safe text, at most `limit` characters long.

    Terminal sequences are removed, line breaks become spaces, and each control, bidirectional or invisible
    character becomes `�`, so that a name always reads as what it is.
    """
    text = str(value)
    text, cut = text[: 8 * limit], len(text) > 8 * limit
    text = _UNSAFE.sub("\ufffd", _SPACES.sub(" ", _ANSI.sub("", text)))
    if len(text) > limit or cut:
        text = text[: max(0, limit - 1)] + "…"
    return text


def escape(value: object, limit: int = 200) -> str:
    """Return a value as safe text that may stand anywhere in HTML, including attributes."""
    return html.escape(sanitize(value, limit), quote=True)


def csv_cell(value: object) -> str:
    """Return a value as a CSV cell that no spreadsheet takes for a formula."""
    text = sanitize(value, 32_000)
    # Where the comma is for decimals, a spreadsheet takes what follows a semicolon for the next cell.
    text = _NEXT_CELL.sub(r"\1'", text)
    # Spreadsheets themselves write a leading apostrophe to keep a text from being evaluated.
    return "'" + text if text.lstrip(" \u00a0\u3000")[:1] in tuple("=+-@|%＝＋－＠") else text


def format_value(value: object, *, now: datetime | None = None, limit: int = 200) -> str:
    """Return any value as text.

    Booleans become `yes` or `no`, times dates (or ages, if `now` is given), lists are joined by commas, and
    None is empty.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return formats.timestamp(value) if now is None else formats.age(value, now)
    if isinstance(value, Mapping):
        # Each takes two characters or more, so that no others are ever seen.
        return sanitize(", ".join(f"{k}={sanitize(v, limit)}" for k, v in islice(value.items(), limit)), limit)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return sanitize(", ".join(sanitize(v, limit) for v in islice(value, limit)), limit)
    return sanitize(value, limit)
