"""Newer builds upstream: images compared with a catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.inventory.frame.rows import Rows
from lxdimg_nb.text import formats

if TYPE_CHECKING:
    from lxdimg_nb.filters import Filterable

__all__ = ["Build", "compared", "newer_builds"]


@dataclass(frozen=True, slots=True)
class Build:
    """A build that a catalogue has."""

    fingerprint: str
    created_at: datetime | None
    reason: str


def _frame(catalogue: Any) -> pd.DataFrame:
    if isinstance(catalogue, pd.DataFrame):
        return catalogue
    images = getattr(catalogue, "images", None)
    if images is None or not hasattr(images, "df"):
        raise InvalidRequestError("a catalogue is a frame of images, or a remote such as connect('ubuntu')")
    found = images.df()
    if not isinstance(found, pd.DataFrame):
        raise InvalidRequestError("a catalogue is a frame of images, or a remote such as connect('ubuntu')")
    return found


def _address(url: object) -> str:
    return str(url or "").strip().rstrip("/").lower()


def _newer_than(one: Filterable, other: Filterable) -> bool | None:
    """Whether one build of a product is newer: by the serial where both have one, else by when they were built;
    None where that cannot be told."""
    serials = one.properties.get("serial", ""), other.properties.get("serial", "")
    if all(serials) and serials[0] != serials[1]:
        return serials[0] > serials[1]
    created = one.created_at, other.created_at
    if created[0] is not None and created[1] is not None:
        return created[0] > created[1]
    return False if all(serials) else None


def _product(row: Filterable) -> tuple[str, ...] | None:
    values = [row.properties.get(key, "").lower() for key in ("os", "release", "variant")]
    return (*values, row.architecture, row.type) if values[0] and values[1] else None


def newer_builds(frame: pd.DataFrame, catalogue: Any) -> list[Build | None]:
    """For each row of the frame the newest build of the catalogue, None where the row is current or unknown there."""
    upstream = _frame(catalogue)
    if not schema.is_inventory(upstream):
        raise InvalidRequestError("a catalogue is a frame of images, with their fingerprints as index")
    return compared(Rows(frame), Rows(upstream), str(upstream.attrs.get("server") or ""))


def compared(images: Iterable[Filterable], upstream: Iterable[Filterable], server: str) -> list[Build | None]:
    """As `newer_builds`, for images as a server or a frame describes them.

    Args:
        server: the catalogue's address: an alias that an image came from counts only where it came from there.
            Empty counts it anyway.
    """
    by_alias, by_product = _newest(upstream)
    address = _address(server)
    return [_newer(image, by_alias, by_product, address) for image in images]


_Index = dict[tuple[str, ...], "Filterable"]


def _newest(rows: Iterable[Filterable]) -> tuple[_Index, _Index]:
    by_alias: _Index = {}
    by_product: _Index = {}
    for row in rows:
        keys = [(by_alias, (alias.name, row.architecture, row.type)) for alias in row.aliases]
        product = _product(row)
        for index, key in [*keys, *([(by_product, product)] if product else [])]:
            if key not in index or _newer_than(row, index[key]):
                index[key] = row
    return by_alias, by_product


def _newer(row: Filterable, by_alias: _Index, by_product: _Index, address: str) -> Build | None:
    source = row.update_source
    if source is not None and source.alias and (not address or _address(source.server) == address):
        there = by_alias.get((source.alias, row.architecture, row.type))
        if there is not None:
            what = f"alias {source.alias} it came from"
            current = there.fingerprint == row.fingerprint or _newer_than(there, row) is False
            return None if current else _build(row, there, what)
    product = _product(row)
    there = by_product.get(product) if product else None
    if there is None or there.fingerprint == row.fingerprint or not _newer_than(there, row):
        return None
    return _build(row, there, "product")


def _build(row: Filterable, there: Filterable, what: str) -> Build:
    def name(one: Filterable) -> str:
        created = one.created_at
        return one.properties.get("serial") or (formats.timestamp(created) if created else one.fingerprint[:12])

    return Build(there.fingerprint, there.created_at, f"the {what} is {name(there)} there, {name(row)} here")
