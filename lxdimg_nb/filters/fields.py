"""What a filter can ask of an image: its attributes, by kind, and what else they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from lxdimg_nb.values import Alias, UpdateSource

__all__ = [
    "AGE_FIELDS",
    "ARCHITECTURES",
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
"""Property names that images carry by convention; known even where no image has them."""

ARCHITECTURES = {
    "amd64": "x86_64",
    "x64": "x86_64",
    "i386": "i686",
    "x86": "i686",
    "arm64": "aarch64",
    "armhf": "armv7l",
    "ppc64el": "ppc64le",
}
"""What distributions call an architecture, to what the kernel and so the server calls it."""


class Filterable(Protocol):
    """What a filter reads; `models.ImageRecord` has it."""

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


def _idle_since(image: Filterable) -> datetime | None:
    return image.last_used_at or image.uploaded_at


def alias_names(image: Filterable) -> Sequence[str]:
    """The names of an image's aliases."""
    return [alias.name for alias in image.aliases]


def _source(part: str) -> Callable[[Filterable], Sequence[str]]:
    def read(image: Filterable) -> Sequence[str]:
        source = image.update_source
        value = "" if source is None else str(getattr(source, part))
        return [value] if value else []

    return read


def _text(name: str) -> Callable[[Filterable], Sequence[str]]:
    def read(image: Filterable) -> Sequence[str]:
        value = str(getattr(image, name))
        return [value] if value else []

    return read


TEXT_FIELDS: dict[str, Callable[[Filterable], Sequence[str]]] = {
    "fingerprint": _text("fingerprint"),
    "alias": alias_names,
    "aliases": alias_names,
    "architecture": _text("architecture"),
    "type": _text("type"),
    "project": _text("project"),
    "filename": _text("filename"),
    "profiles": lambda image: image.profiles,
    "description": lambda image: [v] if (v := image.properties.get("description")) else [],
    "source": _source("server"),
    "source.server": _source("server"),
    "source.protocol": _source("protocol"),
    "source.alias": _source("alias"),
}
BOOLEAN_FIELDS: dict[str, Callable[[Filterable], bool]] = {
    "public": lambda image: image.public,
    "auto_update": lambda image: image.auto_update,
    "cached": lambda image: image.cached,
}
TIME_FIELDS: dict[str, Callable[[Filterable], datetime | None]] = {
    "created": lambda image: image.created_at,
    "uploaded": lambda image: image.uploaded_at,
    "used": lambda image: image.last_used_at,
    "expires": lambda image: image.expires_at,
}
AGE_FIELDS: dict[str, Callable[[Filterable], datetime | None]] = {
    "age": lambda image: image.uploaded_at,
    "idle": _idle_since,
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
"""Attributes a filter knows; `age` counts from the upload, `idle` from the last use, else the upload."""
