"""Newer builds upstream: images compared with those of a catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters import Filterable
from lxdimg_nb.filters.fields import alias_names
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.inventory.frame.rows import Rows
from lxdimg_nb.text import formats

__all__ = ["Build", "find_newer", "newer_builds"]


@dataclass(frozen=True, slots=True)
class Build:
    """A newer build in a catalogue."""

    fingerprint: str
    created_at: datetime | None
    reason: str


def newer_builds(frame: pd.DataFrame, catalogue: Any) -> list[Build | None]:
    """For each row of a frame its newest build in the catalogue; None if the row is current, or unknown there."""
    images: Any = getattr(catalogue, "images", None)
    upstream = images.df() if hasattr(images, "df") and not isinstance(catalogue, pd.DataFrame) else catalogue
    if not isinstance(upstream, pd.DataFrame):
        raise InvalidRequestError("a catalogue is a frame of images, or a remote such as connect('ubuntu')")
    if not schema.is_inventory(upstream):
        raise InvalidRequestError("a catalogue is a frame of images, with their fingerprints as index")
    return find_newer(Rows(frame), Rows(upstream), str(upstream.attrs.get("server") or ""))


def find_newer(images: Iterable[Filterable], upstream: Iterable[Filterable], server: str) -> list[Build | None]:
    """As `newer_builds`, for records or rows.

    Args:
        images: to be compared.
        upstream: the images of the catalogue.
        server: the catalogue's address: the alias that an image came from counts only if it came from there.
            Empty counts it anyway.
    """
    by_alias: _Index = {}
    by_product: _Index = {}
    for image in upstream:
        keys = [(by_alias, (name, image.architecture, image.type)) for name in alias_names(image)]
        product = _product(image)
        for index, key in [*keys, *([(by_product, product)] if product else [])]:
            if key not in index or _is_newer(image, index[key]):
                index[key] = image
    address = _address(server)
    return [_newer(image, by_alias, by_product, address) for image in images]


_Index = dict[tuple[str, ...], Filterable]


def _newer(image: Filterable, by_alias: _Index, by_product: _Index, address: str) -> Build | None:
    source = image.update_source
    if source is not None and source.alias and (not address or _address(source.server) == address):
        found = by_alias.get((source.alias, image.architecture, image.type))
        if found is not None:
            current = found.fingerprint == image.fingerprint or _is_newer(found, image) is False
            return None if current else _build(image, found, f"alias {source.alias} it came from")
    found = by_product.get(_product(image) or ())
    if found is None or found.fingerprint == image.fingerprint or not _is_newer(found, image):
        return None
    return _build(image, found, "product")


def _product(image: Filterable) -> tuple[str, ...] | None:
    values = [image.properties.get(key, "").lower() for key in ("os", "release", "variant")]
    return (*values, image.architecture, image.type) if values[0] and values[1] else None


def _is_newer(one: Filterable, other: Filterable) -> bool | None:
    """Whether one build of a product is newer, by serial or else by time of build; None if unknown."""
    serials = one.properties.get("serial", ""), other.properties.get("serial", "")
    if all(serials) and serials[0] != serials[1]:
        return serials[0] > serials[1]
    if one.created_at is not None and other.created_at is not None:
        return one.created_at > other.created_at
    return False if all(serials) else None


def _address(url: str) -> str:
    return url.strip().rstrip("/").lower()


def _build(image: Filterable, found: Filterable, what: str) -> Build:
    reason = f"the {what} is {_version(found)} there, {_version(image)} here"
    return Build(found.fingerprint, found.created_at, reason)


def _version(image: Filterable) -> str:
    created = image.created_at
    return image.properties.get("serial") or (formats.timestamp(created) if created else image.fingerprint[:12])
