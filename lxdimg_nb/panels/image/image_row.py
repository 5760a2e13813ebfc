"""One image as a row of a list, and what is read of its record without building values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from lxdimg_nb.values import ImageRecord, short_fingerprint

__all__ = ["Row", "alias_names", "image_name", "main_alias", "property_of", "row_key"]


@dataclass(frozen=True, slots=True)
class Row:
    """One image of one server."""

    key: str
    record: ImageRecord
    server: str = ""

    @classmethod
    def of(cls, record: ImageRecord, server: str = "") -> Self:
        """The row of an image."""
        return cls(row_key(record.project, record.fingerprint, server), record, server)


def row_key(project: str, fingerprint: str, server: str = "") -> str:
    """`[server/]project/fingerprint`."""
    return f"{server}/{project}/{fingerprint}" if server else f"{project}/{fingerprint}"


def alias_names(record: ImageRecord) -> list[str]:
    """The names of the aliases, without creating `Alias` values."""
    entries = record.raw.get("aliases")
    if not isinstance(entries, list):
        return []
    names = [e.get("name") for e in entries if isinstance(e, dict)]
    return [name if isinstance(name, str) else "" for name in names]


def main_alias(record: ImageRecord) -> str:
    """The shortest alias, as the command line tools show it; empty if there is none."""
    return min(alias_names(record), key=lambda name: (len(name), name), default="")


def image_name(record: ImageRecord) -> str:
    """The shortest alias, else the short fingerprint."""
    return main_alias(record) or short_fingerprint(record.fingerprint)


def property_of(record: ImageRecord, name: str) -> str:
    """One property, without copying all of them."""
    found = record.raw.get("properties")
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) else ""
