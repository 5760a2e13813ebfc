"""The kinds of columns: each takes values a part at a time and makes one typed array of them.

Each has a quick way that trusts the server and, for the part where that fails, a careful one that reads every
value as `models` does.
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
    "categorical",
    "clean",
    "objects",
    "text_array",
    "time_array",
]

_SURROGATE = re.compile("[\ud800-\udfff]")
# A UTC time as Go writes it.
_USUAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z").fullmatch
_NEVER = np.datetime64("NaT", "us")


def clean(text: str) -> str:
    """Half a surrogate pair is legal in JSON and cannot be written as UTF-8: shown as its escape."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-8", "backslashreplace").decode()


class _Codes(dict[object, int]):
    """Texts to small numbers, in the order they are met; what is no text is -1."""

    def __missing__(self, value: object) -> int:
        if not isinstance(value, str):
            return -1
        name = clean(value)
        if name is not value and name in self:
            self[value] = self[name]
            return self[name]
        self.names.append(name)
        self[value] = self[name] = len(self.names) - 1
        return self[value]

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []


class CategoryColumn:
    """A column of few values."""

    def __init__(self) -> None:
        self.codes = _Codes()
        self.parts: list[np.ndarray[Any, np.dtype[np.int32]]] = []

    def add(self, values: Sequence[object]) -> None:
        try:
            found = [*map(self.codes.__getitem__, values)]
        except TypeError:  # a list or an object where a text was due
            found = [self.codes[v] if isinstance(v, str) else -1 for v in values]
        self.parts.append(np.array(found, dtype=np.int32))

    def finish(self) -> pd.Categorical:
        """The categories in order, so that two frames of the same images are the same."""
        codes = np.concatenate(self.parts) if self.parts else np.empty(0, np.int32)
        return categorical(self.codes.names, codes)


def categorical(names: list[str], codes: np.ndarray[Any, np.dtype[np.int32]]) -> pd.Categorical:
    """Texts and the numbers that stand for them, as a column with its categories sorted; -1 is missing."""
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.full(len(names) + 1, -1, dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    categories = pd.Index([names[i] for i in order], dtype="string")
    return pd.Categorical.from_codes(place[codes], categories=categories)


def text_array(values: Sequence[str | None]) -> Any:
    """Texts as pandas' string array, None as NA; whatever cannot be stored is cleaned."""
    column = TextColumn()
    column.add(values)
    return column.finish()


def _arrow_text(values: Sequence[object]) -> Any:
    import pyarrow as pa

    try:
        return pa.array(values, type=pa.large_string())
    except (TypeError, ValueError):  # pyarrow's own errors are among these; UnicodeEncodeError, too
        return pa.array([clean(v) if isinstance(v, str) else None for v in values], type=pa.large_string())


class TextColumn:
    """A column of many values."""

    def __init__(self) -> None:
        self.arrow = pd.StringDtype().storage == "pyarrow"
        self.parts: list[Any] = []

    def add(self, values: Sequence[object]) -> None:
        if self.arrow:
            self.parts.append(_arrow_text(values))
        else:
            self.parts.extend(clean(v) if isinstance(v, str) else None for v in values)

    def finish(self, rows: np.ndarray[Any, np.dtype[np.int64]] | None = None, length: int = 0) -> Any:
        """The whole column; with `rows` the values go there and the rest is NA."""
        if not self.arrow:
            values: Any = self.parts
            if rows is not None:
                values = np.full(length, None, dtype=object)
                values[rows] = self.parts
            return pd.array(values, dtype=pd.StringDtype())
        import pyarrow as pa

        column = pa.chunked_array(self.parts, type=pa.large_string())
        # Images are read by which properties they have: even where all have this one, it is not in their order.
        if rows is not None and not np.array_equal(rows, np.arange(length)):
            place = np.full(length, -1, dtype=np.int64)
            place[rows] = np.arange(len(rows))
            column = column.take(pa.array(place, mask=place < 0))
        dtype: Any = pd.StringDtype()
        return dtype.__from_arrow__(column)


class TimeColumn:
    def __init__(self) -> None:
        self.parts: list[np.ndarray[Any, Any]] = []

    def add(self, values: Sequence[object]) -> None:
        try:
            known = dict.fromkeys(values)
            # Most times are "never", or those of a few builds: each is read once.
            if 2 * len(known) < len(values):
                part = dict(zip(known, range(len(known)), strict=True))
                self.parts.append(_times(list(known))[[*map(part.__getitem__, values)]])
                return
        except TypeError:  # a list or an object where a text was due
            pass
        self.parts.append(_times(values))

    def finish(self) -> Any:
        whole = np.concatenate(self.parts) if self.parts else np.empty(0, "datetime64[us]")
        return pd.DatetimeIndex(whole).tz_localize("UTC").array


def _times(values: Sequence[object]) -> np.ndarray[Any, Any]:
    try:
        if not all(map(_USUAL, values)):  # type: ignore[arg-type]
            raise ValueError("not the usual way to write a time")
        # numpy reads six digits and knows no zone.
        part = np.array([v[:26].rstrip("Z") for v in values], dtype="datetime64[us]")  # type: ignore[index]
    except (ValueError, TypeError):
        part = np.array([_stamp(v) for v in values], dtype="datetime64[us]")
    part[(part < np.datetime64("0002-01-01")) | (part == np.datetime64(0, "us"))] = _NEVER
    return part


def _stamp(value: object) -> np.datetime64:
    moment = parse_time(value)
    return _NEVER if moment is None else np.datetime64(moment.replace(tzinfo=None), "us")


def time_array(values: Iterable[date | None]) -> Any:
    """UTC times as a column; a date is its midnight, None is NaT."""
    stamps = [_NEVER if v is None else np.datetime64(_naive(v), "us") for v in values]
    return pd.DatetimeIndex(np.array(stamps, dtype="datetime64[us]")).tz_localize("UTC").array


def _naive(value: date) -> date:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


class _Numpy:
    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.parts: list[np.ndarray[Any, Any]] = []

    def finish(self) -> np.ndarray[Any, Any]:
        return np.concatenate(self.parts) if self.parts else np.empty(0, self.dtype)


class FlagColumn(_Numpy):
    def add(self, values: Sequence[object]) -> None:
        self.parts.append(np.array([v is True for v in values], dtype=bool))


class SizeColumn(_Numpy):
    def add(self, values: Sequence[object]) -> None:
        whole = [v if type(v) is int else 0 for v in values]
        try:
            part = np.array(whole, dtype=np.int64)
        except OverflowError:
            top = 2**63 - 1
            part = np.array([max(-top, min(top, v)) for v in whole], dtype=np.int64)
        self.parts.append(part)


class ObjectColumn(_Numpy):
    def __init__(self) -> None:
        super().__init__("object")

    def add(self, values: Sequence[object]) -> None:
        self.parts.append(objects(values))


def objects(values: Sequence[object]) -> np.ndarray[Any, Any]:
    """An array of Python objects, lists among them."""
    part = np.empty(len(values), dtype=object)
    part[:] = values
    return part
