"""The fields of filters: which attribute of an image each reads, and other names for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Protocol

from lxdimg_nb.values import Alias, UpdateSource

__all__ = [
    "AGE_FIELDS",
    "BOOLEANS",
    "BOOLEAN_FIELDS",
    "COMMON_PROPERTIES",
    "FIELDS",
    "SYNONYMS",
    "TEXT_FIELDS",
    "TIME_FIELDS",
    "Filterable",
    "alias_names",
]

COMMON_PROPERTIES = frozenset(
    ["architecture", "description", "label", "name", "os", "release", "serial", "type", "variant", "version"]
)
"""Properties that images have by convention; a filter may name them even if no image at hand does."""

BOOLEANS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
"""What people write for a boolean."""


class Filterable(Protocol):
    """The attributes that filters read: an `ImageRecord`, or a row of a frame."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def aliases(self) -> Sequence[Alias]: ...
    @property
    def architecture(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def project(self) -> str: ...
    @property
    def public(self) -> bool: ...
    @property
    def auto_update(self) -> bool: ...
    @property
    def cached(self) -> bool: ...
    @property
    def size(self) -> int: ...
    @property
    def filename(self) -> str: ...
    @property
    def profiles(self) -> Sequence[str]: ...
    @property
    def created_at(self) -> datetime | None: ...
    @property
    def uploaded_at(self) -> datetime | None: ...
    @property
    def last_used_at(self) -> datetime | None: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def properties(self) -> Mapping[str, str]: ...
    @property
    def update_source(self) -> UpdateSource | None: ...


def alias_names(image: Filterable) -> Sequence[str]:
    """The names of an image's aliases."""
    return [alias.name for alias in image.aliases]


def _text(name: str) -> Callable[[Filterable], Sequence[str]]:
    return lambda image: [text] if (text := str(getattr(image, name))) else []


def _source(name: str) -> Callable[[Filterable], Sequence[str]]:
    return lambda image: [text] if (text := str(getattr(image.update_source, name, ""))) else []


TEXT_FIELDS: dict[str, Callable[[Filterable], Sequence[str]]] = {
    **{name: _text(name) for name in ("fingerprint", "architecture", "type", "project", "filename")},
    "alias": alias_names,
    "aliases": alias_names,
    "profiles": attrgetter("profiles"),
    "description": lambda image: [text] if (text := image.properties.get("description")) else [],
    "source": _source("server"),
    "source.server": _source("server"),
    "source.protocol": _source("protocol"),
    "source.alias": _source("alias"),
}
BOOLEAN_FIELDS: dict[str, Callable[[Filterable], bool]] = {
    name: attrgetter(name) for name in ("public", "auto_update", "cached")
}
TIME_FIELDS: dict[str, Callable[[Filterable], datetime | None]] = {
    "created": attrgetter("created_at"),
    "uploaded": attrgetter("uploaded_at"),
    "used": attrgetter("last_used_at"),
    "expires": attrgetter("expires_at"),
}
AGE_FIELDS: dict[str, Callable[[Filterable], datetime | None]] = {
    "age": attrgetter("uploaded_at"),
    "idle": lambda image: image.last_used_at or image.uploaded_at,
}
SYNONYMS = {
    "arch": "architecture",
    "autoupdate": "auto_update",
    "auto-update": "auto_update",
    "profile": "profiles",
    "created_at": "created",
    "uploaded_at": "uploaded",
    "last_used_at": "used",
    "last_used": "used",
    "used_at": "used",
    "expires_at": "expires",
    "expiry": "expires",
    "properties.description": "description",
}

FIELDS = (*TEXT_FIELDS, *BOOLEAN_FIELDS, "size", *TIME_FIELDS, *AGE_FIELDS)
"""All fields but properties. `age` counts from the upload, `idle` from the last use or else the upload."""
