"""The rows of a frame read as images, so that one filter serves listings, frames and plans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.values import Alias, UpdateSource

__all__ = ["Row", "Rows", "level", "needed", "words_of"]


def level(frame: pd.DataFrame, name: str) -> list[Any] | None:
    """The values of an index level or else of a column, None where a frame has neither."""
    if name in frame.index.names:
        return list(frame.index.get_level_values(name))
    return list(frame[name]) if name in frame.columns else None


def needed(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
    """A column that something cannot do without.

    Raises:
        InvalidRequestError: the frame has none of that name, or of times it holds something else.
    """
    if name not in frame.columns:
        raise InvalidRequestError(f"this frame has no column {name!r}; take the whole frame of images.df()")
    column = frame[name]
    if name in schema.TIMES and not isinstance(column.dtype, pd.DatetimeTZDtype):
        raise InvalidRequestError(
            f"the column {name!r} holds {column.dtype}, not times in UTC; take the frame as images.df() makes it,"
            f" or df[{name!r}] = pd.to_datetime(df[{name!r}], utc=True)"
        )
    return column


def words_of(value: Any) -> list[str] | None:
    """The texts of a cell that holds several, None of any other."""
    return [str(v) for v in value] if isinstance(value, list | tuple | np.ndarray) else None


class Rows(Sequence["Row"]):
    """All rows; a column is read when it is first asked for."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self._read: dict[str, list[Any]] = {}
        self._keys: list[list[str]] | None = None

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [Row(self, i) for i in range(*position.indices(len(self)))]
        if not -len(self) <= position < len(self):
            raise IndexError(position)
        return Row(self, position % len(self))

    def column(self, name: str) -> list[Any]:
        """The values of a column or index level, missing ones as None.

        Raises:
            InvalidRequestError: the frame has none of that name.
        """
        if name not in self._read:
            inside = name in self.frame.index.names
            values = list(self.frame.index.get_level_values(name) if inside else needed(self.frame, name))
            missing = pd.isna(pd.Series(values, dtype=object)).tolist()
            self._read[name] = [None if gone else v for gone, v in zip(missing, values, strict=True)]
        return self._read[name]

    def property(self, key: str) -> list[Any] | None:
        """The values of a property, None where no image has it."""
        name = schema.PROPERTY + key
        return self._read.get(name) or (self.column(name) if self.has(name) else None)

    def keys(self, at: int) -> list[str]:
        """The keys of the properties that a row has."""
        if self._keys is None:
            found: list[list[str]] = [[] for _ in range(len(self))]
            for name in schema.property_columns(self.frame):
                key = name.removeprefix(schema.PROPERTY)
                for row in np.flatnonzero(self.frame[name].notna().to_numpy()).tolist():
                    found[row].append(key)
            self._keys = found
        return self._keys[at]

    def has(self, name: str) -> bool:
        """Whether there is such a column or index level."""
        return name in self.frame.columns or name in self.frame.index.names


class _Properties(Mapping[str, str]):
    def __init__(self, rows: Rows, at: int) -> None:
        self._rows, self._at = rows, at

    def __getitem__(self, key: str) -> str:
        values = self._rows.property(key)
        value = None if values is None else values[self._at]
        if value is None:
            raise KeyError(key)
        return str(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows.keys(self._at))

    def __len__(self) -> int:
        return len(self._rows.keys(self._at))


class Row:
    """One row with the attributes of an image."""

    __slots__ = ("_at", "_rows")

    def __init__(self, rows: Rows, at: int) -> None:
        self._rows, self._at = rows, at

    def _get(self, name: str) -> Any:
        return self._rows.column(name)[self._at]

    def _text(self, name: str) -> str:
        value = self._get(name)
        return "" if value is None else str(value)

    @property
    def fingerprint(self) -> str:
        return self._text("fingerprint")

    @property
    def server(self) -> str:
        """The server's name in a fleet, else where the frame came from."""
        if self._rows.has("server"):
            return self._text("server")
        return str(self._rows.frame.attrs.get("server", ""))

    @property
    def project(self) -> str:
        if self._rows.has("project"):
            return self._text("project")
        return str(self._rows.frame.attrs.get("project", "default"))

    @property
    def aliases(self) -> Sequence[Alias]:
        return [Alias(name, "", self.fingerprint) for name in words_of(self._get("aliases")) or ()]

    @property
    def architecture(self) -> str:
        return self._text("architecture")

    @property
    def type(self) -> str:
        return self._text("type")

    @property
    def filename(self) -> str:
        return self._text("filename")

    @property
    def public(self) -> bool:
        return bool(self._get("public"))

    @property
    def auto_update(self) -> bool:
        return bool(self._get("auto_update"))

    @property
    def cached(self) -> bool:
        return bool(self._get("cached"))

    @property
    def size(self) -> int:
        return int(self._get("size") or 0)

    @property
    def profiles(self) -> Sequence[str]:
        return words_of(self._get("profiles")) or []

    def _time(self, name: str) -> datetime | None:
        value = self._get(name)
        return None if value is None else value.to_pydatetime(warn=False)

    @property
    def created_at(self) -> datetime | None:
        return self._time("created_at")

    @property
    def uploaded_at(self) -> datetime | None:
        return self._time("uploaded_at")

    @property
    def last_used_at(self) -> datetime | None:
        return self._time("last_used_at")

    @property
    def expires_at(self) -> datetime | None:
        return self._time("expires_at")

    @property
    def properties(self) -> Mapping[str, str]:
        return _Properties(self._rows, self._at)

    @property
    def update_source(self) -> UpdateSource | None:
        parts = [self._text(name) for name in schema.SOURCES]
        return UpdateSource(*parts) if any(parts) else None

    @property
    def used_by(self) -> list[str] | None:
        """Instances and snapshots made from the image; None where the frame does not say."""
        users = self._get("used_by") if self._rows.has("used_by") else None
        return words_of(users)
