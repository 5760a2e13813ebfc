"""Images to typed columns, a few thousand at a time, so that 100,000 cost little more than their columns.

The JSON objects are read column by column. Each column has a quick way that trusts the server and, for
the part of the column where that fails, a careful one that reads every value as `models` does.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb.inventory import schema
from lxdimg_nb.models import parse_time

__all__ = ["CHUNK", "Columns", "Properties", "categorical", "collector_off", "objects", "text_array", "time_array"]

CHUNK = 2_000
"""Images read at once: few enough to stay in the processor's cache."""

CELLS = 50_000_000
"""How many property cells a frame may have, so that a server cannot fill the memory with odd keys."""

Raw = Mapping[str, Any]
_SURROGATE = re.compile("[\ud800-\udfff]")
_NEVER = np.datetime64("NaT", "us")


@contextmanager
def collector_off() -> Iterator[None]:
    """No cyclic garbage collection meanwhile: it costs two thirds of the time at 100,000 images."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _clean(text: str) -> str:
    """Half a surrogate pair is legal in JSON and cannot be written as UTF-8: shown as its escape."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-8", "backslashreplace").decode()


class _Codes(dict[object, int]):
    """Texts to small numbers, in the order they are met; what is no text is -1."""

    def __missing__(self, value: object) -> int:
        if not isinstance(value, str):
            return -1
        clean = _clean(value)
        if clean is not value and clean in self:
            self[value] = self[clean]
            return self[clean]
        self.names.append(clean)
        self[value] = self[clean] = len(self.names) - 1
        return self[value]

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []


class _Category:
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
    column = _Text()
    column.add(values)
    return column.finish()


def _arrow_text(values: Sequence[object]) -> Any:
    import pyarrow as pa

    try:
        return pa.array(values, type=pa.large_string())
    except (TypeError, ValueError):  # pyarrow's own errors are among these; UnicodeEncodeError, too
        return pa.array([_clean(v) if isinstance(v, str) else None for v in values], type=pa.large_string())


class _Text:
    """A column of many values."""

    def __init__(self) -> None:
        self.arrow = pd.StringDtype().storage == "pyarrow"
        self.parts: list[Any] = []

    def add(self, values: Sequence[object]) -> None:
        if self.arrow:
            self.parts.append(_arrow_text(values))
        else:
            self.parts.extend(_clean(v) if isinstance(v, str) else None for v in values)

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
        if rows is not None and len(rows) < length:
            place = np.full(length, -1, dtype=np.int64)
            place[rows] = np.arange(len(rows))
            column = column.take(pa.array(place, mask=place < 0))
        dtype: Any = pd.StringDtype()
        return dtype.__from_arrow__(column)


class _Time:
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
        # A UTC time of 0 to 9 digits; numpy reads six and knows no zone.
        texts = [v[:26].rstrip("Z") if v[-1] == "Z" and v[10] == "T" else _odd(v) for v in values]  # type: ignore[index]
        part = np.array(texts, dtype="datetime64[us]")
    except (ValueError, TypeError, LookupError):
        part = np.array([_stamp(v) for v in values], dtype="datetime64[us]")
    part[(part < np.datetime64("0002-01-01")) | (part == np.datetime64(0, "us"))] = _NEVER
    return part


def _odd(value: object) -> str:
    raise ValueError(f"not the usual way to write a time: {value!r:.40}")


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


class _Flag(_Numpy):
    def add(self, values: Sequence[object]) -> None:
        self.parts.append(np.array([v is True for v in values], dtype=bool))


class _Size(_Numpy):
    def add(self, values: Sequence[object]) -> None:
        whole = [v if type(v) is int else 0 for v in values]
        try:
            part = np.array(whole, dtype=np.int64)
        except OverflowError:
            top = 2**63 - 1
            part = np.array([max(-top, min(top, v)) for v in whole], dtype=np.int64)
        self.parts.append(part)


class _Objects(_Numpy):
    def __init__(self) -> None:
        super().__init__("object")

    def add(self, values: Sequence[object]) -> None:
        self.parts.append(objects(values))


def objects(values: Sequence[object]) -> np.ndarray[Any, Any]:
    """An array of Python objects, lists among them."""
    part = np.empty(len(values), dtype=object)
    part[:] = values
    return part


class Properties:
    """One sparse column a key."""

    def __init__(self) -> None:
        self.cells: dict[str, tuple[list[int], list[str]]] = {}
        self.columns: dict[str, tuple[list[np.ndarray[Any, Any]], _Category | _Text]] = {}
        self.counts: dict[str, int] = {}

    def add(self, properties: Sequence[object], start: int) -> None:
        """The properties of some images, the first of them in row `start`."""
        shapes: dict[tuple[str, ...], tuple[list[int], list[Mapping[str, object]]]] = {}
        for row, found in enumerate(properties, start):
            if type(found) is dict:
                rows, members = shapes.setdefault(tuple(found), ([], []))
                rows.append(row)
                members.append(found)
        for keys, (rows, members) in shapes.items():
            for key, column in zip(keys, zip(*(m.values() for m in members), strict=True), strict=False):
                self._note(key, rows, column)
        for key, cell in self.cells.items():
            if len(cell[0]) >= 256:
                self._flush(key, *cell)

    def _note(self, key: str, rows: Sequence[int], values: Sequence[Any]) -> None:
        if {*map(type, values)} != {str}:
            texts = [(row, value) for row, value in zip(rows, values, strict=True) if type(value) is str]
            if not texts:
                return
            rows, values = zip(*texts, strict=True)
        all_rows, all_values = self.cells.setdefault(key, ([], []))
        all_rows.extend(rows)
        all_values.extend(values)

    def _flush(self, key: str, rows: list[int], values: list[str]) -> None:
        if key not in self.columns:
            self.columns[key] = ([], _Category() if key in schema.CATEGORY_PROPERTIES else _Text())
        places, column = self.columns[key]
        places.append(np.array(rows, dtype=np.int64))
        column.add(values)
        self.counts[key] = self.counts.get(key, 0) + len(rows)
        rows.clear()
        values.clear()

    def finish(self, length: int) -> tuple[dict[str, Any], int]:
        """The columns by name, and how many keys were left out because there were too many."""
        counts = {key: self.counts.get(key, 0) + len(rows) for key, (rows, _) in self.cells.items()}
        most = max(100, min(1_000, CELLS // max(1, length)))
        kept = counts if len(counts) <= most else sorted(counts, key=lambda k: (-counts[k], k))[:most]
        done: dict[str, Any] = {}
        for key in sorted(kept):
            rows, values = self.cells[key]
            if rows:
                self._flush(key, rows, values)
            places, column = self.columns[key]
            where = np.concatenate(places)
            name = schema.PROPERTY + _clean(key)
            while name in done:
                name += "~"
            if isinstance(column, _Text):
                done[name] = column.finish(where, length)
            else:
                codes = np.full(length, -1, dtype=np.int32)
                codes[where] = np.concatenate(column.parts)
                done[name] = categorical(column.codes.names, codes)
        return done, len(counts) - len(kept)


def _names(entries: object) -> list[str]:
    if not isinstance(entries, list):
        return []
    names = (entry.get("name") for entry in entries if isinstance(entry, dict))
    return [_clean(name) for name in names if isinstance(name, str)]


def _texts(value: object) -> list[str]:
    if type(value) is list and len(value) == 1 and type(value[0]) is str and value[0].isascii():
        return [value[0]]
    return [_clean(v) for v in value if isinstance(v, str)] if isinstance(value, list) else []


_ALWAYS = (
    "fingerprint",
    "filename",
    "architecture",
    *schema.FLAGS,
    "size",
    *schema.TIMES,
    "type",
    "aliases",
    "profiles",
    "properties",
)
_always = itemgetter(*_ALWAYS)


def _fields(images: Sequence[Raw]) -> dict[str, Sequence[Any]]:
    """The fields that every known server sends, each of all images."""
    try:
        rows = [*map(_always, images)]
    except KeyError:
        return {name: [image.get(name) for image in images] for name in _ALWAYS}
    return dict(zip(_ALWAYS, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(_ALWAYS, ())


def _keys(objects: Iterable[Raw]) -> set[str]:
    """The keys that any of the objects has; most of them have the same."""
    found: set[str] = set()
    return found.union(*{tuple(one) for one in objects})


class Columns:
    """All columns of an inventory, filled by `add` and made by `finish`."""

    def __init__(self, *, project: str, extra: bool = False) -> None:
        self.project = project
        self.length = 0
        self.unknown: set[str] = set()
        self.left_out = 0
        self._properties = Properties()
        self._columns: dict[str, Any] = {"fingerprint": _Text()}
        kinds: list[tuple[Sequence[str], Callable[[], Any]]] = [
            (("alias", "description", "filename"), _Text),
            (schema.CATEGORY, _Category),
            (schema.FLAGS, lambda: _Flag("bool")),
            (schema.TIMES, _Time),
            (schema.LISTS, _Objects),
            (("size",), lambda: _Size("int64")),
        ]
        for names, kind in kinds:
            self._columns.update({name: kind() for name in names})
        if extra:
            self._columns["extra"] = _Objects()

    def add(self, images: Sequence[Raw], projects: Sequence[str] | None = None) -> None:
        """Read some images; their fingerprints have been checked."""
        columns = self._columns
        found = _fields(images)
        for name in ("fingerprint", "filename", "architecture", *schema.FLAGS, "size", *schema.TIMES):
            columns[name].add(found[name])
        columns["type"].add([kind or "container" for kind in found["type"]])
        fallback = [self.project] * len(images) if projects is None else projects
        columns["project"].add([image.get("project") or p for image, p in zip(images, fallback, strict=True)])
        aliases = [_names(entries) if entries else [] for entries in found["aliases"]]
        columns["aliases"].add(aliases)
        columns["alias"].add([min(names, key=len) if names else None for names in aliases])
        columns["profiles"].add([_texts(names) for names in found["profiles"]])
        self._sources(images)
        properties = found["properties"]
        columns["description"].add([p.get("description") if type(p) is dict else None for p in properties])
        self._properties.add(properties, self.length)
        self.length += len(images)
        self.unknown.update(_clean(field) for field in _keys(images) - schema.KNOWN_FIELDS)
        if "extra" in columns:
            columns["extra"].add([_extra(image) for image in images])

    def _sources(self, images: Sequence[Raw]) -> None:
        found = [s if type(s := image.get("update_source")) is dict else {} for image in images]
        for part in ("server", "protocol", "alias"):
            self._columns[f"source.{part}"].add([source.get(part) for source in found])
        self.unknown.update(_clean(f"update_source.{field}") for field in _keys(found) - schema.KNOWN_SOURCE)

    def finish(self) -> tuple[dict[str, Any], Any]:
        """The columns in their order, the properties sorted at the end, and the fingerprints."""
        done = {name: self._columns[name].finish() for name in schema.COLUMNS}
        properties, self.left_out = self._properties.finish(self.length)
        done |= properties
        if "extra" in self._columns:
            done["extra"] = self._columns["extra"].finish()
        return done, self._columns["fingerprint"].finish()


def _extra(image: Raw) -> dict[str, Any]:
    """What the server sent and no column holds; never a certificate."""
    more = {key: value for key, value in image.items() if key not in schema.KNOWN_FIELDS}
    source = image.get("update_source")
    if isinstance(source, dict):
        more |= {f"update_source.{k}": v for k, v in source.items() if k not in schema.KNOWN_SOURCE}
    properties = image.get("properties")
    if isinstance(properties, dict):
        more |= {f"{schema.PROPERTY}{k}": v for k, v in properties.items() if not isinstance(v, str)}
    return more
