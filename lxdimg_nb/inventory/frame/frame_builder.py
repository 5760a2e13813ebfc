"""Images to typed columns, a few thousand at a time, so that 100,000 cost little more than their columns.

The JSON objects are read column by column: what they have in common is done for all of them at once.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

import numpy as np

from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.inventory.frame.column_builders import (
    CategoryColumn,
    FlagColumn,
    ObjectColumn,
    SizeColumn,
    TextColumn,
    TimeColumn,
    categorical,
    clean,
)

__all__ = ["CHUNK", "Columns", "Properties", "collector_off"]

CHUNK = 2_000
"""Images read at once: few enough to stay in the processor's cache."""

CELLS = 50_000_000
"""How many property cells a frame may have, so that a server cannot fill the memory with odd keys."""

Raw = Mapping[str, Any]


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


class Properties:
    """One sparse column a key."""

    def __init__(self) -> None:
        self.cells: dict[str, tuple[list[int], list[str]]] = {}
        self.columns: dict[str, tuple[list[np.ndarray[Any, Any]], CategoryColumn | TextColumn]] = {}
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
            self.columns[key] = ([], CategoryColumn() if key in schema.CATEGORY_PROPERTIES else TextColumn())
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
            name = schema.PROPERTY + clean(key)
            while name in done:
                name += "~"
            if isinstance(column, TextColumn):
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
    return [clean(name) for name in names if isinstance(name, str)]


def _texts(value: object) -> list[str]:
    if type(value) is list and len(value) == 1 and type(value[0]) is str and value[0].isascii():
        return [value[0]]
    return [clean(v) for v in value if isinstance(v, str)] if isinstance(value, list) else []


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
        self._columns: dict[str, Any] = {"fingerprint": TextColumn()}
        kinds: list[tuple[Sequence[str], Callable[[], Any]]] = [
            (("alias", "description", "filename"), TextColumn),
            (schema.CATEGORY, CategoryColumn),
            (schema.FLAGS, lambda: FlagColumn("bool")),
            (schema.TIMES, TimeColumn),
            (schema.LISTS, ObjectColumn),
            (("size",), lambda: SizeColumn("int64")),
        ]
        for names, kind in kinds:
            self._columns.update({name: kind() for name in names})
        if extra:
            self._columns["extra"] = ObjectColumn()

    def add(self, images: Sequence[Raw], projects: Sequence[str] | None = None) -> None:
        """Read some images; their fingerprints have been checked."""
        columns = self._columns
        found = _fields(images)
        for name in ("fingerprint", "filename", "architecture", *schema.FLAGS, "size", *schema.TIMES):
            columns[name].add(found[name])
        columns["type"].add([kind or "container" for kind in found["type"]])
        fallback = [self.project] * len(images) if projects is None else projects
        said = [image.get("project") for image in images]
        columns["project"].add([s if isinstance(s, str) and s else p for s, p in zip(said, fallback, strict=True)])
        aliases = [_names(entries) if entries else [] for entries in found["aliases"]]
        columns["aliases"].add(aliases)
        columns["alias"].add([min(names, key=len) if names else None for names in aliases])
        columns["profiles"].add([_texts(names) for names in found["profiles"]])
        self._sources(images)
        properties = found["properties"]
        columns["description"].add([p.get("description") if type(p) is dict else None for p in properties])
        self._properties.add(properties, self.length)
        self.length += len(images)
        self.unknown.update(clean(field) for field in _keys(images) - schema.KNOWN_FIELDS)
        if "extra" in columns:
            columns["extra"].add([_extra(image) for image in images])

    def _sources(self, images: Sequence[Raw]) -> None:
        found = [s if type(s := image.get("update_source")) is dict else {} for image in images]
        for part in ("server", "protocol", "alias"):
            self._columns[f"source.{part}"].add([source.get(part) for source in found])
        self.unknown.update(clean(f"update_source.{field}") for field in _keys(found) - schema.KNOWN_SOURCE)

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
