"""A frame of images to a Parquet table and back: one schema for all, and no secret in it.

Properties are one map column, so that files of different days fit together for pandas, DuckDB and Dask alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb.errors import InvalidRequestError, redact
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.inventory.frame.column_kinds import categorical, objects
from lxdimg_nb.inventory.frame.columns import Properties
from lxdimg_nb.inventory.frame.frame import InventoryFrame
from lxdimg_nb.inventory.frame.rows import level

__all__ = ["from_table", "harmless", "parquet", "to_table"]

_SECRET_KEY = re.compile(r"secret|token|passw|credential|private|certificate", re.IGNORECASE)
_PEM = re.compile(r"-----BEGIN [A-Z ]{1,40}-----")
_LOGIN = re.compile(r"(\w://)[^/@\s]+@")
_LEFT_OUT = "(left out)"
_TEXTS = ("alias", "description", "filename")


def parquet() -> tuple[Any, Any]:
    """pyarrow and its Parquet module.

    Raises:
        InvalidRequestError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as exc:
        raise InvalidRequestError("a history needs pyarrow: pip install 'lxdimg-nb[parquet]'") from exc
    return pyarrow, pyarrow.parquet


def harmless(text: str) -> str:
    """The text without logins in addresses, secrets in queries, and PEM blocks."""
    if _PEM.search(text):
        return _LEFT_OUT
    return _LOGIN.sub(r"\1", redact(text))


def _property(key: str, value: str) -> str:
    return _LEFT_OUT if _SECRET_KEY.search(key) else harmless(value)


def _fields(pa: Any) -> Any:
    text, time = pa.string(), pa.timestamp("us", "UTC")
    kinds = {
        **dict.fromkeys(("server", "project", "fingerprint", *_TEXTS), text),
        **dict.fromkeys(("architecture", "type", *schema.SOURCES), pa.dictionary(pa.int32(), text)),
        "size": pa.int64(),
        **dict.fromkeys(schema.FLAGS, pa.bool_()),
        **dict.fromkeys(schema.TIMES, time),
        **dict.fromkeys((*schema.LISTS, "used_by"), pa.list_(text)),
        "properties": pa.map_(text, text),
        "taken": time,
    }
    return pa.schema(list(kinds.items()))


def to_table(frame: pd.DataFrame, taken: pd.Timestamp, notes: Mapping[bytes, bytes]) -> Any:
    """The images of a frame as a table; the certificate of a source, `extra`, and whatever looks secret stay out.

    Args:
        frame: whole, as `images.df()` or a fleet makes it.
        taken: when; a column, so that rows of several days can be told apart.
        notes: what else to keep with the table.

    Raises:
        InvalidRequestError: columns are missing.
    """
    pa, _ = parquet()
    wanted = _fields(pa)
    arrays = []
    for field in wanted:
        values = _column(frame, field.name, taken)
        if values is None:
            raise InvalidRequestError(f"a history keeps whole frames; this one has no column {field.name!r}")
        arrays.append(pa.array(values, type=field.type, from_pandas=True))
    return pa.Table.from_arrays(arrays, schema=wanted.with_metadata(dict(notes)))


def _column(frame: pd.DataFrame, name: str, taken: pd.Timestamp) -> Any:
    if name == "taken":
        return [taken] * len(frame)
    if name == "properties":
        return _maps(frame)
    if name in (*schema.TIMES, *schema.FLAGS, "size"):
        return frame[name] if name in frame.columns else None
    values = level(frame, name)
    if values is None and name == "server":
        values = [str(frame.attrs.get("server", ""))] * len(frame)
    if values is None and name == "used_by":
        return [None] * len(frame)
    if values is not None and (name in _TEXTS or name in schema.SOURCES or name == "server"):
        return [harmless(v) if isinstance(v, str) else None for v in values]
    return values


def _maps(frame: pd.DataFrame) -> list[list[tuple[str, str]]]:
    maps: list[list[tuple[str, str]]] = [[] for _ in range(len(frame))]
    for name in schema.property_columns(frame):
        key = name.removeprefix(schema.PROPERTY)
        values = frame[name].to_numpy(dtype=object)
        for row in np.flatnonzero(frame[name].notna().to_numpy()):
            maps[row].append((key, _property(key, str(values[row]))))
    return maps


def from_table(table: Any) -> InventoryFrame:
    """The frame that a table was made of, with the index `(server, project, fingerprint)` and the same dtypes."""
    length = table.num_rows
    found: dict[str, Any] = {}
    for name in schema.COLUMNS:
        if name == "project":
            continue
        column = table[name]
        if name in schema.LISTS:
            found[name] = objects(column.to_pylist())
        elif name in schema.CATEGORY:
            found[name] = _category(column.to_pylist())
        elif name in schema.TIMES:
            found[name] = _times(column)
        elif name in _TEXTS:
            found[name] = pd.array(column.to_pylist(), dtype="string")
        else:
            found[name] = column.to_numpy()
    properties = Properties()
    properties.add([dict(pairs or ()) for pairs in table["properties"].to_pylist()], 0)
    found |= properties.finish(length)[0]
    used_by = table["used_by"]
    if used_by.null_count < length:
        found["used_by"] = objects(used_by.to_pylist())
    levels = [_category(table[name].to_pylist()) for name in ("server", "project")]
    fingerprints = pd.Index(pd.array(table["fingerprint"].to_pylist(), dtype="string"))
    names = ["server", "project", "fingerprint"]
    index = pd.MultiIndex.from_arrays([*(pd.Index(part) for part in levels), fingerprints], names=names)
    return InventoryFrame(found, index=index, copy=False)


def _category(values: Iterable[str | None]) -> pd.Categorical:
    numbers: dict[str, int] = {}
    codes = [-1 if v is None else numbers.setdefault(v, len(numbers)) for v in values]
    return categorical(list(numbers), np.array(codes, dtype=np.int32))


def _times(column: Any) -> Any:
    times = column.cast("int64").fill_null(0).to_numpy().astype("datetime64[us]")
    times[column.is_null().to_numpy()] = np.datetime64("NaT", "us")
    return pd.DatetimeIndex(times).tz_localize("UTC").array
