"""Builds the columns of a frame from the JSON of images, a few thousand at a time.

The images are read column by column, so that 100,000 cost little more than their columns.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    escape_surrogates,
)

__all__ = ["CHUNK", "FrameBuilder", "PropertyColumns", "gc_paused"]

CHUNK = 2_000
"""Images read at once: few enough for the processor's cache."""

MAX_CELLS = 50_000_000
"""Limit of property cells in a frame, so that a server cannot fill the memory with odd keys."""

Raw = Mapping[str, Any]


@contextmanager
def gc_paused() -> Iterator[None]:
    """Without cyclic garbage collection, which takes two thirds of the time at 100,000 images."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class PropertyColumns:
    """One sparse column for each key."""

    def __init__(self) -> None:
        # Rows and values by key: the few last ones, then all before them.
        self._pending: dict[str, tuple[list[int], list[str]]] = {}
        self._columns: dict[str, tuple[list[np.ndarray[Any, Any]], CategoryColumn | TextColumn]] = {}
        self._counts: dict[str, int] = {}

    def add(self, properties: Sequence[object], start: int) -> None:
        """Add the properties of some images, the first of them in row `start`."""
        # Images with the same keys are read together.
        shapes: dict[tuple[str, ...], tuple[list[int], list[Mapping[str, object]]]] = {}
        for row, found in enumerate(properties, start):
            if type(found) is dict:
                rows, members = shapes.setdefault(tuple(found), ([], []))
                rows.append(row)
                members.append(found)
        for keys, (rows, members) in shapes.items():
            for key, column in zip(keys, zip(*(m.values() for m in members), strict=True), strict=False):
                self._add(key, rows, column)
        for key, pending in self._pending.items():
            if len(pending[0]) >= 256:
                self._flush(key, *pending)

    def _add(self, key: str, rows: Sequence[int], values: Sequence[Any]) -> None:
        if {*map(type, values)} != {str}:
            texts = [(row, value) for row, value in zip(rows, values, strict=True) if type(value) is str]
            if not texts:
                return
            rows, values = zip(*texts, strict=True)
        all_rows, all_values = self._pending.setdefault(key, ([], []))
        all_rows.extend(rows)
        all_values.extend(values)

    def _flush(self, key: str, rows: list[int], values: list[str]) -> None:
        if key not in self._columns:
            self._columns[key] = ([], CategoryColumn() if key in schema.CATEGORY_PROPERTIES else TextColumn())
        places, column = self._columns[key]
        places.append(np.array(rows, dtype=np.int64))
        column.add(values)
        self._counts[key] = self._counts.get(key, 0) + len(rows)
        rows.clear()
        values.clear()

    def finish(self, length: int) -> tuple[dict[str, Any], int]:
        """The columns by name, and how many keys were left out because there were too many."""
        counts = {key: self._counts.get(key, 0) + len(rows) for key, (rows, _) in self._pending.items()}
        limit = max(100, min(1_000, MAX_CELLS // max(1, length)))
        kept = counts if len(counts) <= limit else sorted(counts, key=lambda k: (-counts[k], k))[:limit]
        done: dict[str, Any] = {}
        for key in sorted(kept):
            if self._pending[key][0]:
                self._flush(key, *self._pending[key])
            places, column = self._columns[key]
            name = schema.PROPERTY + escape_surrogates(key)
            while name in done:
                name += "~"
            done[name] = column.finish(np.concatenate(places), length)
        return done, len(counts) - len(kept)


def _names(entries: object) -> list[str]:
    if not isinstance(entries, list):
        return []
    names = (entry.get("name") for entry in entries if isinstance(entry, dict))
    return [escape_surrogates(name) for name in names if isinstance(name, str)]


def _texts(value: object) -> list[str]:
    if type(value) is list and len(value) == 1 and type(value[0]) is str and value[0].isascii():
        return [value[0]]
    return [escape_surrogates(v) for v in value if isinstance(v, str)] if isinstance(value, list) else []


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
    """The fields that every known server sends, by name, each with the values of all images."""
    try:
        rows = [*map(_always, images)]
    except KeyError:
        return {name: [image.get(name) for image in images] for name in _ALWAYS}
    return dict(zip(_ALWAYS, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(_ALWAYS, ())


def _keys(objects: Iterable[Raw]) -> set[str]:
    """The keys that any of the objects has; most have the same."""
    found: set[str] = set()
    return found.union(*{tuple(one) for one in objects})


class FrameBuilder:
    """All columns of an inventory, filled by `add` and made by `finish`."""

    def __init__(self, *, project: str, extra: bool = False) -> None:
        self.project = project
        self.length = 0
        self.unknown: set[str] = set()
        self.left_out = 0
        self._properties = PropertyColumns()
        types: dict[Any, Sequence[str]] = {
            TextColumn: ("fingerprint", "alias", "description", "filename"),
            CategoryColumn: schema.CATEGORY,
            FlagColumn: schema.FLAGS,
            TimeColumn: schema.TIMES,
            ObjectColumn: (*schema.LISTS, "extra") if extra else schema.LISTS,
            SizeColumn: ("size",),
        }
        self._columns: dict[str, Any] = {name: builder() for builder, names in types.items() for name in names}

    def add(self, images: Sequence[Raw], projects: Sequence[str] | None = None) -> None:
        """Add some images, whose fingerprints have been checked, and the projects they are in where they do not say."""
        columns = self._columns
        found = _fields(images)
        for name in ("fingerprint", "filename", "architecture", *schema.FLAGS, "size", *schema.TIMES):
            columns[name].add(found[name])
        columns["type"].add([kind or "container" for kind in found["type"]])
        defaults = [self.project] * len(images) if projects is None else projects
        pairs = zip((image.get("project") for image in images), defaults, strict=True)
        columns["project"].add([name if isinstance(name, str) and name else default for name, default in pairs])
        aliases = [_names(entries) if entries else [] for entries in found["aliases"]]
        columns["aliases"].add(aliases)
        columns["alias"].add([min(names, key=len) if names else None for names in aliases])
        columns["profiles"].add([_texts(names) for names in found["profiles"]])
        self._sources(images)
        properties = found["properties"]
        columns["description"].add([p.get("description") if type(p) is dict else None for p in properties])
        self._properties.add(properties, self.length)
        self.length += len(images)
        self.unknown.update(escape_surrogates(field) for field in _keys(images) - schema.KNOWN_FIELDS)
        if "extra" in columns:
            columns["extra"].add([_extra(image) for image in images])

    def _sources(self, images: Sequence[Raw]) -> None:
        found = [s if type(s := image.get("update_source")) is dict else {} for image in images]
        for part in ("server", "protocol", "alias"):
            self._columns[f"source.{part}"].add([source.get(part) for source in found])
        self.unknown.update(escape_surrogates(f"update_source.{field}") for field in _keys(found) - schema.KNOWN_SOURCE)

    def finish(self) -> tuple[dict[str, Any], Any]:
        """The columns in their order, the properties sorted at the end, and the fingerprints."""
        done = {name: self._columns[name].finish() for name in schema.COLUMNS}
        properties, self.left_out = self._properties.finish(self.length)
        done |= properties
        if "extra" in self._columns:
            done["extra"] = self._columns["extra"].finish()
        return done, self._columns["fingerprint"].finish()


def _extra(image: Raw) -> dict[str, Any]:
    """What the server sent and no column holds, except certificates."""
    more = {key: value for key, value in image.items() if key not in schema.KNOWN_FIELDS}
    source = image.get("update_source")
    if isinstance(source, dict):
        more |= {f"update_source.{k}": v for k, v in source.items() if k not in schema.KNOWN_SOURCE}
    properties = image.get("properties")
    if isinstance(properties, dict):
        more |= {f"{schema.PROPERTY}{k}": v for k, v in properties.items() if not isinstance(v, str)}
    return more
