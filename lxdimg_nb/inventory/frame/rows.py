"""The rows of a frame with the attributes of image records, so that one filter serves listings, frames and plans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.values import Alias, UpdateSource

__all__ = ["Row", "Rows", "level", "list_of", "needed"]


def level(frame: pd.DataFrame, name: str) -> list[Any] | None:
    """The values of an index level or else of a column; None if the frame has neither."""
    if name in frame.index.names:
        return list(frame.index.get_level_values(name))
    return list(frame[name]) if name in frame.columns else None


def needed(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
    """A column that must be there.

    Raises:
        InvalidRequestError: there is none, or a column of times holds something else.
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


def list_of(value: Any) -> list[str] | None:
    """The texts of a cell that holds several (an array after a Parquet file); None for any other."""
    return [str(v) for v in value] if isinstance(value, list | tuple | np.ndarray) else None


class Rows(Sequence["Row"]):
    """All rows of a frame. A column is read when it is first used."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self._columns: dict[str, list[Any]] = {}
        self._keys: list[list[str]] | None = None

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [Row(self, i) for i in range(*position.indices(len(self)))]
        return Row(self, range(len(self))[position])

    def column(self, name: str) -> list[Any]:
        """The values of a column or index level; missing ones are None.

        Raises:
            InvalidRequestError: the frame has none of that name.
        """
        if name not in self._columns:
            in_index = name in self.frame.index.names
            values = pd.Series(
                list(self.frame.index.get_level_values(name) if in_index else needed(self.frame, name)), dtype=object
            )
            self._columns[name] = values.where(values.notna(), None).tolist()
        return self._columns[name]

    def keys(self, at: int) -> list[str]:
        """The keys of the properties that a row has."""
        if self._keys is None:
            self._keys = [[] for _ in range(len(self))]
            for name in schema.property_columns(self.frame):
                key = name.removeprefix(schema.PROPERTY)
                for row in np.flatnonzero(self.frame[name].notna().to_numpy()).tolist():
                    self._keys[row].append(key)
        return self._keys[at]

    def find(self, name: str) -> list[Any] | None:
        """As `column`; None if the frame has none of that name."""
        known = name in self._columns or name in self.frame.columns or name in self.frame.index.names
        return self.column(name) if known else None


class _Properties(Mapping[str, str]):
    def __init__(self, rows: Rows, at: int) -> None:
        self._rows, self._at = rows, at

    def __getitem__(self, key: str) -> str:
        values = self._rows.find(schema.PROPERTY + key)
        if values is None or values[self._at] is None:
            raise KeyError(key)
        return str(values[self._at])

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows.keys(self._at))

    def __len__(self) -> int:
        return len(self._rows.keys(self._at))


def _text(name: str) -> property:
    return property(lambda row: str(row._get(name) or ""))


def _flag(name: str) -> property:
    return property(lambda row: bool(row._get(name)))


def _time(name: str) -> property:
    return property(lambda row: None if (t := row._get(name)) is None else t.to_pydatetime(warn=False))


class Row:
    """One row with the attributes of an image record, and the `server` that it is from."""

    __slots__ = ("_at", "_rows")

    def __init__(self, rows: Rows, at: int) -> None:
        self._rows, self._at = rows, at

    def _get(self, name: str) -> Any:
        return self._rows.column(name)[self._at]

    def _origin(self, name: str, default: str) -> str:
        values = self._rows.find(name)
        return str(self._rows.frame.attrs.get(name, default) if values is None else values[self._at] or "")

    fingerprint = _text("fingerprint")
    architecture = _text("architecture")
    type = _text("type")
    filename = _text("filename")
    public = _flag("public")
    auto_update = _flag("auto_update")
    cached = _flag("cached")
    created_at = _time("created_at")
    uploaded_at = _time("uploaded_at")
    last_used_at = _time("last_used_at")
    expires_at = _time("expires_at")

    @property
    def server(self) -> str:
        return self._origin("server", "")

    @property
    def project(self) -> str:
        return self._origin("project", "default")

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies the image: server, project and fingerprint."""
        return self.server, self.project, self.fingerprint

    @property
    def aliases(self) -> Sequence[Alias]:
        return [Alias(name, "", self.fingerprint) for name in list_of(self._get("aliases")) or ()]

    @property
    def size(self) -> int:
        value = self._get("size") or 0
        try:
            return int(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidRequestError(f"the column 'size' holds {str(value)[:40]!r}, not a number of bytes") from error

    @property
    def profiles(self) -> Sequence[str]:
        return list_of(self._get("profiles")) or []

    @property
    def properties(self) -> Mapping[str, str]:
        return _Properties(self._rows, self._at)

    @property
    def update_source(self) -> UpdateSource | None:
        parts = [str(self._get(name) or "") for name in schema.SOURCES]
        return UpdateSource(*parts) if any(parts) else None

    @property
    def used_by(self) -> list[str] | None:
        """Instances and snapshots made from the image; None if the frame does not say."""
        values = self._rows.find("used_by")
        return None if values is None else list_of(values[self._at])
