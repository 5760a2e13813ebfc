"""One builder for each type of column: takes values in parts and makes one typed array of them.

Each tries a fast way that trusts the server; values for which that fails are read one by one, as image records do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb.values import parse_time

__all__ = [
    "CategoryColumn",
    "FlagColumn",
    "ObjectColumn",
    "SizeColumn",
    "TextColumn",
    "TimeColumn",
    "escape_surrogates",
    "objects",
    "text_array",
    "time_array",
]

_SURROGATE = re.compile("[\ud800-\udfff]")
# A UTC time as Go writes it.
_GO_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z").fullmatch
_NAT = np.datetime64("NaT", "us")
_Rows = np.ndarray[Any, np.dtype[np.int64]]


def escape_surrogates(text: str) -> str:
    """Escape lone surrogates, which are legal in JSON and cannot be encoded as UTF-8."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-8", "backslashreplace").decode()


class _Codes(dict[object, int]):
    """Numbers of texts in the order they are met; -1 for anything else."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __missing__(self, value: object) -> int:
        if not isinstance(value, str):
            return -1
        name = escape_surrogates(value)
        if name is not value and name in self:
            self[value] = self[name]
            return self[name]
        self.names.append(name)
        self[value] = self[name] = len(self.names) - 1
        return self[value]


class CategoryColumn:
    """Texts of which there are few different ones."""

    def __init__(self) -> None:
        self._codes = _Codes()
        self._parts = [np.empty(0, np.int32)]

    def add(self, values: Sequence[object]) -> None:
        try:
            codes = [*map(self._codes.__getitem__, values)]
        except TypeError:  # a value that cannot be hashed
            codes = [self._codes[v] if isinstance(v, str) else -1 for v in values]
        self._parts.append(np.array(codes, dtype=np.int32))

    def finish(self, rows: _Rows | None = None, length: int = 0) -> pd.Categorical:
        """The whole column. With `rows` the values go there, and the rest of `length` is missing."""
        codes = np.concatenate(self._parts)
        if rows is not None:
            given, codes = codes, np.full(length, -1, dtype=np.int32)
            codes[rows] = given
        names = self._codes.names
        # Sorted, so that frames of the same images are equal.
        found = pd.Categorical.from_codes(codes, pd.Index(names, dtype="string"))
        return found.reorder_categories(pd.Index(sorted(names), dtype="string"))


class TextColumn:
    """Texts of which there are many different ones."""

    def __init__(self) -> None:
        self._arrow = pd.StringDtype().storage == "pyarrow"
        self._parts: list[Any] = []

    def add(self, values: Sequence[object]) -> None:
        if self._arrow:
            self._parts.append(_arrow_text(values))
        else:
            self._parts.extend(escape_surrogates(v) if isinstance(v, str) else None for v in values)

    def finish(self, rows: _Rows | None = None, length: int = 0) -> Any:
        """The whole column. With `rows` the values go there, and the rest of `length` is NA."""
        if not self._arrow:
            values: Any = self._parts
            if rows is not None:
                values = np.full(length, None, dtype=object)
                values[rows] = self._parts
            return pd.array(values, dtype=pd.StringDtype())
        import pyarrow as pa

        column = pa.chunked_array(self._parts, type=pa.large_string())
        # Even where all images have a property, it may have been read in another order.
        if rows is not None and not np.array_equal(rows, np.arange(length)):
            place = np.full(length, -1, dtype=np.int64)
            place[rows] = np.arange(len(rows))
            column = column.take(pa.array(place, mask=place < 0))
        dtype: Any = pd.StringDtype()
        return dtype.__from_arrow__(column)


def _arrow_text(values: Sequence[object]) -> Any:
    import pyarrow as pa

    try:
        return pa.array(values, type=pa.large_string())
    except (TypeError, ValueError):  # these include pyarrow's own errors and UnicodeEncodeError
        texts = [escape_surrogates(v) if isinstance(v, str) else None for v in values]
        return pa.array(texts, type=pa.large_string())


def text_array(values: Sequence[str | None]) -> Any:
    """Texts as a string array, None as NA; lone surrogates are escaped."""
    column = TextColumn()
    column.add(values)
    return column.finish()


class _NumpyColumn:
    dtype: str

    def __init__(self) -> None:
        self._parts = [np.empty(0, self.dtype)]

    def finish(self) -> Any:
        return np.concatenate(self._parts)


class FlagColumn(_NumpyColumn):
    """Booleans."""

    dtype = "bool"

    def add(self, values: Sequence[object]) -> None:
        self._parts.append(np.array([v is True for v in values], dtype=bool))


class SizeColumn(_NumpyColumn):
    """Numbers of bytes."""

    dtype = "int64"

    def add(self, values: Sequence[object]) -> None:
        numbers = [v if type(v) is int else 0 for v in values]
        try:
            self._parts.append(np.array(numbers, dtype=np.int64))
        except OverflowError:
            limit = 2**63 - 1
            self._parts.append(np.array([max(-limit, min(limit, v)) for v in numbers], dtype=np.int64))


class ObjectColumn(_NumpyColumn):
    """Lists and other objects."""

    dtype = "object"

    def add(self, values: Sequence[object]) -> None:
        self._parts.append(objects(values))


def objects(values: Sequence[object]) -> np.ndarray[Any, Any]:
    """An array of Python objects, lists among them."""
    part = np.empty(len(values), dtype=object)
    part[:] = values
    return part


class TimeColumn(_NumpyColumn):
    """Times in UTC; "never" is NaT."""

    dtype = "datetime64[us]"

    def add(self, values: Sequence[object]) -> None:
        try:
            known = dict.fromkeys(values)
            # Most times are "never", or those of a few builds: each is parsed once.
            if 2 * len(known) < len(values):
                places = dict(zip(known, range(len(known)), strict=True))
                self._parts.append(_times(list(known))[[*map(places.__getitem__, values)]])
                return
        except TypeError:  # a value that cannot be hashed
            pass
        self._parts.append(_times(values))

    def finish(self) -> Any:
        return _utc(super().finish())


def _times(values: Sequence[object]) -> np.ndarray[Any, Any]:
    try:
        if not all(map(_GO_TIME, values)):  # type: ignore[arg-type]
            raise ValueError("not as Go writes times")
        # numpy reads six digits and no time zone.
        part = np.array([v[:26].rstrip("Z") for v in values], dtype="datetime64[us]")  # type: ignore[index]
    except (ValueError, TypeError):
        part = _stamps(map(parse_time, values))
    part[(part < np.datetime64("0002-01-01")) | (part == np.datetime64(0, "us"))] = _NAT
    return part


def time_array(values: Iterable[date | None]) -> Any:
    """Times as an array in UTC; a date is its midnight, None is NaT."""
    return _utc(_stamps(values))


def _stamps(values: Iterable[date | None]) -> np.ndarray[Any, Any]:
    naive = (v.astimezone(UTC).replace(tzinfo=None) if isinstance(v, datetime) else v for v in values)
    return np.array([_NAT if v is None else np.datetime64(v, "us") for v in naive], dtype="datetime64[us]")


def _utc(stamps: np.ndarray[Any, Any]) -> Any:
    return pd.DatetimeIndex(stamps).tz_localize("UTC").array
