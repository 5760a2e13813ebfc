"""Which format a column of a frame has, by its name or else by its dtype; one table for all frames."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from lxdimg_nb.text import formats
from lxdimg_nb.text.cells import Badge, Kind, badge, limit
from lxdimg_nb.text.display import format_value, sanitize

__all__ = ["ColumnFormat", "column_format", "is_missing"]

_FINGERPRINT = re.compile("[0-9a-f]{64}")
_Cell = tuple[str, str]
"""The text of a cell, and its tooltip."""


def is_missing(value: object) -> bool:
    """Whether a value is missing; lists and arrays never are."""
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))  # type: ignore[call-overload]


@dataclass(frozen=True, slots=True)
class ColumnFormat:
    """How the values of a column are written.

    Attributes:
        kind: how its cells are aligned and wrapped.
        write: makes a cell of a value and the current time.
        missing: what stands for a missing value.
    """

    kind: Kind
    write: Callable[[Any, datetime], _Cell]
    missing: str = ""

    def cell(self, value: Any, now: datetime) -> _Cell:
        """The text of a cell, and its tooltip."""
        return (self.missing, "") if is_missing(value) else self.write(value, now)


def _text(value: Any, now: datetime) -> _Cell:
    """Any value; fingerprints and lists are recognized."""
    if isinstance(value, str):
        return _fingerprint(value, now) if _FINGERPRINT.fullmatch(value) else (value, "")
    if isinstance(value, datetime):
        return _age(value, now)
    if pd.api.types.is_list_like(value):
        whole = format_value(value, limit=2000)
        return whole, whole if len(whole) > limit(Kind.TEXT) else ""
    return _flag(value, now) if pd.api.types.is_bool(value) else (sanitize(value, limit(Kind.TEXT)), "")


def _fingerprint(value: Any, now: datetime) -> _Cell:
    del now
    return sanitize(str(value)[:12]), sanitize(value)


def _bytes(value: Any, now: datetime) -> _Cell:
    del now
    return formats.size(int(value)), f"{int(value):,} bytes"


def _seconds(value: Any, now: datetime) -> _Cell:
    del now
    return f"{float(value):,.3f} s" if float(value) < 1 else formats.duration(float(value)), ""


def _age(value: Any, now: datetime) -> _Cell:
    if not isinstance(value, datetime) or value.tzinfo is None:
        return sanitize(value), ""
    return formats.age(value.astimezone(UTC), now), formats.timestamp(value)


def _expiry(value: Any, now: datetime) -> _Cell:
    text, tooltip = _age(value, now)
    past = isinstance(value, datetime) and value.tzinfo is not None and value <= now
    return (Badge(f"expired {text}", "bad") if past else text), tooltip


def _date(value: Any, now: datetime) -> _Cell:
    del now
    if not isinstance(value, datetime):
        return sanitize(value), ""
    return formats.timestamp(value).removesuffix(" 00:00 UTC"), sanitize(value)


def _flag(value: Any, now: datetime) -> _Cell:
    del now
    return badge(format_value(bool(value))), ""


def _alert(value: Any, now: datetime) -> _Cell:
    """A flag that is worth to be noticed where it is set."""
    text, tooltip = _flag(value, now)
    return (Badge(text, "info") if text == "yes" else text), tooltip


def _state(value: Any, now: datetime) -> _Cell:
    del now
    return badge(str(value)), ""


def _mode(value: Any, now: datetime) -> _Cell:
    del now
    return f"{value:04o}" if pd.api.types.is_integer(value) else sanitize(value), ""  # octal, as for chmod


def _number(value: Any, now: datetime) -> _Cell:
    del now
    return sanitize(value), ""


_TEXT = ColumnFormat(Kind.TEXT, _text)
_PROSE = ColumnFormat(Kind.PROSE, _text)
_BYTES = ColumnFormat(Kind.NUMBER, _bytes)
_NUMBER = ColumnFormat(Kind.NUMBER, _number)
_AGE = ColumnFormat(Kind.LINE, _age)
_DATE = ColumnFormat(Kind.LINE, _date)
_FLAG = ColumnFormat(Kind.LINE, _flag)
_STATE = ColumnFormat(Kind.LINE, _state)
_CODE = ColumnFormat(Kind.CODE, _fingerprint)

_FORMATS = {
    **dict.fromkeys(("fingerprint", "newer"), _CODE),
    **dict.fromkeys(("reason", "protection", "change", "detail", "error"), _PROSE),
    **dict.fromkeys(("state", "action", "support"), _STATE),
    **dict.fromkeys(("taken", "supported_until"), _DATE),
    "last_used_at": ColumnFormat(Kind.LINE, _age, missing="never"),
    "expires_at": ColumnFormat(Kind.LINE, _expiry, missing="never"),
    "mode": ColumnFormat(Kind.NUMBER, _mode),
    "architecture": ColumnFormat(Kind.LINE, _text),
    "type": ColumnFormat(Kind.LINE, _text),
}
_MEASURES = {
    **dict.fromkeys(("size", "bytes", "shared", "size_before", "size_after"), _BYTES),
    "seconds": ColumnFormat(Kind.NUMBER, _seconds),
}


def column_format(name: object, dtype: Any, *, measures: bool = True) -> ColumnFormat:
    """Return the format of a column.

    Args:
        name: of the column.
        dtype: of its values.
        measures: whether numbers in columns that are named so are bytes or seconds; in a frame that somebody has
            computed, `size` may be a count.
    """
    numeric, boolean = pd.api.types.is_numeric_dtype(dtype), pd.api.types.is_bool_dtype(dtype)
    if boolean:
        return ColumnFormat(Kind.LINE, _alert) if name == "public" else _FLAG
    if isinstance(name, str) and measures and numeric and name in _MEASURES:
        return _MEASURES[name]
    if isinstance(name, str) and name in _FORMATS:
        return _FORMATS[name]
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return _AGE
    return _NUMBER if numeric else _TEXT
