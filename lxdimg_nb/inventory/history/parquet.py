"""A frame of images to a Parquet table and back: one schema for all, and no secret in it.

Properties are one map column, so that files of different days fit together for pandas, DuckDB and Dask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.inventory.frame.column_builders import objects
from lxdimg_nb.inventory.frame.frame import InventoryFrame
from lxdimg_nb.inventory.frame.frame_builder import PropertyColumns
from lxdimg_nb.inventory.frame.rows import level
from lxdimg_nb.inventory.history.redaction import redacted, redacted_property

__all__ = ["from_table", "parquet", "to_table"]

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
    """The images of a frame as a table, without certificates, `extra` and whatever looks secret.

    Args:
        frame: whole, as `images.df()` or a fleet makes it.
        taken: when; a column, so that rows of several days can be told apart.
        notes: metadata of the table.

    Raises:
        InvalidRequestError: columns are missing.
    """
    pa, _ = parquet()
    fields = _fields(pa)
    arrays = []
    for field in fields:
        values = _values(frame, field.name, taken)
        if values is None:
            raise InvalidRequestError(f"a history keeps whole frames; this one has no column {field.name!r}")
        arrays.append(pa.array(values, type=field.type, from_pandas=True))
    return pa.Table.from_arrays(arrays, schema=fields.with_metadata(dict(notes)))


def _values(frame: pd.DataFrame, name: str, taken: pd.Timestamp) -> Any:
    """What a column of the table holds; None if the frame lacks it."""
    if name == "taken":
        return [taken] * len(frame)
    if name == "properties":
        return _properties(frame)
    if name in (*schema.TIMES, *schema.FLAGS, "size"):
        return frame.get(name)
    values = level(frame, name)
    if values is None and name in ("server", "used_by"):
        values = [frame.attrs.get("server", "") if name == "server" else None] * len(frame)
    if values is not None and name in (*_TEXTS, *schema.SOURCES, "server"):
        return [redacted(v) if isinstance(v, str) else None for v in values]
    return values


def _properties(frame: pd.DataFrame) -> list[list[tuple[str, str]]]:
    maps: list[list[tuple[str, str]]] = [[] for _ in range(len(frame))]
    for name in schema.property_columns(frame):
        key = name.removeprefix(schema.PROPERTY)
        values = frame[name].to_numpy(dtype=object)
        for row in np.flatnonzero(frame[name].notna().to_numpy()):
            maps[row].append((key, redacted_property(key, str(values[row]))))
    return maps


def from_table(table: Any) -> InventoryFrame:
    """The frame that a table was made of, with the index `(server, project, fingerprint)` and the same dtypes."""
    columns = {name: _column(table[name]) for name in schema.COLUMNS if name != "project"}
    properties = PropertyColumns()
    properties.add([dict(pairs or ()) for pairs in table["properties"].to_pylist()], 0)
    columns |= properties.finish(table.num_rows)[0]
    if table["used_by"].null_count < table.num_rows:
        columns["used_by"] = objects(table["used_by"].to_pylist())
    names = ["server", "project", "fingerprint"]
    levels = [pd.Index(_column(table[name])) for name in names]
    levels[:2] = [values.astype("category") for values in levels[:2]]
    index = pd.MultiIndex.from_arrays(levels, names=names)
    return InventoryFrame(columns, index=index, copy=False)


def _column(column: Any) -> Any:
    kind = str(column.type)
    if kind.startswith("list"):
        return objects(column.to_pylist())
    if kind.startswith("timestamp"):
        return column.to_pandas().dt.tz_convert("UTC").array
    if kind in ("int64", "bool"):
        return column.to_numpy()
    texts = pd.array(column.to_pylist(), dtype="string")
    return pd.Categorical(texts) if kind.startswith("dictionary") else texts
