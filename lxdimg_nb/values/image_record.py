"""Images as servers describe them, and their sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.text.display import sanitize
from lxdimg_nb.values.alias import Alias
from lxdimg_nb.values.fingerprint import FINGERPRINT
from lxdimg_nb.values.image_table import image_table
from lxdimg_nb.values.json_fields import Json, integer, mapping, parse_time, string, strings

__all__ = ["WRITABLE", "ImageRecord", "UpdateSource", "differing_fields", "writable_fields"]

WRITABLE = ("public", "auto_update", "properties", "expires_at", "profiles")


@dataclass(frozen=True, slots=True)
class UpdateSource:
    """Where the server fetched the image from, and refreshes it from."""

    server: str
    protocol: str
    alias: str
    certificate: str = field(default="", repr=False)
    image_type: str = ""
    image_registry: str = ""

    @classmethod
    def from_json(cls, data: Json) -> UpdateSource:
        """Make it of the `update_source` of an image."""
        keys = ("server", "protocol", "alias", "certificate", "image_type", "image_registry")
        return cls(*(string(data.get(key)) for key in keys))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ImageRecord:
    """An image as a server described it at one moment: a read-only view of its JSON object.

    Attributes:
        raw: the JSON object. Servers with `images_all_projects` put the project in it.
        default_project: the project that was requested, for servers that do not say.
    """

    raw: Json
    default_project: str = "default"

    @classmethod
    def from_json(cls, data: object, *, project: str = "default") -> ImageRecord:
        """Make a record of an entry of GET /1.0/images?recursion=1 or GET /1.0/images/{fingerprint}.

        Raises:
            UnexpectedReplyError: it is not an object with a fingerprint of 64 hexadecimal digits.
        """
        if not isinstance(data, dict) or not FINGERPRINT.match(string(data.get("fingerprint"))):
            raise UnexpectedReplyError("the server sent an image without a proper fingerprint; is it LXD or Incus?")
        return cls(data, project)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the image, 64 lower-case hexadecimal digits."""
        return string(self.raw.get("fingerprint"))

    @property
    def aliases(self) -> tuple[Alias, ...]:
        """The aliases of the image, in the order of the server."""
        entries = self.raw.get("aliases")
        if not isinstance(entries, list):
            return ()
        fingerprint, kind = self.fingerprint, self.type
        return tuple(
            Alias(string(e.get("name")), string(e.get("description")), fingerprint, kind)
            for e in entries
            if isinstance(e, dict)
        )

    @property
    def architecture(self) -> str:
        """The kernel's name of the architecture, for example `x86_64`."""
        return string(self.raw.get("architecture"))

    @property
    def auto_update(self) -> bool:
        """Whether the server refreshes the image from its source."""
        return self.raw.get("auto_update") is True

    @property
    def cached(self) -> bool:
        """Whether the server fetched the image on its own for an instance."""
        return self.raw.get("cached") is True

    @property
    def created_at(self) -> datetime | None:
        """When the image was built, according to the image itself; UTC."""
        return parse_time(self.raw.get("created_at"))

    @property
    def expires_at(self) -> datetime | None:
        """When the image expires, UTC. No server enforces it."""
        return parse_time(self.raw.get("expires_at"))

    @property
    def last_used_at(self) -> datetime | None:
        """When an instance was last made from the image, UTC; None is never."""
        return parse_time(self.raw.get("last_used_at"))

    @property
    def uploaded_at(self) -> datetime | None:
        """When the image came to the server, UTC."""
        return parse_time(self.raw.get("uploaded_at"))

    @property
    def filename(self) -> str:
        """The file name given at the upload; not safe as a path."""
        return string(self.raw.get("filename"))

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles of instances made from the image."""
        return strings(self.raw.get("profiles"))

    @property
    def project(self) -> str:
        """The project that holds the image."""
        return string(self.raw.get("project")) or self.default_project

    @property
    def properties(self) -> dict[str, str]:
        """Arbitrary keys and values; a copy."""
        return {k: v for k, v in mapping(self.raw.get("properties")).items() if isinstance(v, str)}

    @property
    def public(self) -> bool:
        """Whether the image is visible without authentication."""
        return self.raw.get("public") is True

    @property
    def size(self) -> int:
        """Bytes; for a split image those of both files."""
        return integer(self.raw.get("size"))

    @property
    def type(self) -> str:
        """`container` or `virtual-machine`."""
        return string(self.raw.get("type")) or "container"

    @property
    def update_source(self) -> UpdateSource | None:
        """Where a refresh fetches from; None if the image has no source."""
        source = self.raw.get("update_source")
        return UpdateSource.from_json(source) if isinstance(source, dict) and source else None

    @property
    def locations(self) -> tuple[str, ...]:
        """The cluster members that have the files, if the server says so; empty without a cluster."""
        # Without a cluster Incus 7 says "none", which no member can be called.
        return tuple(member for member in strings(self.raw.get("locations")) if member != "none")

    def __repr__(self) -> str:
        names = sanitize(", ".join(alias.name for alias in self.aliases)) or "no alias"
        return f"<ImageRecord {self.fingerprint[:12]} ({names}) of project {sanitize(self.project)}>"

    def _repr_html_(self) -> str:
        return image_table(self).html()


def writable_fields(record: ImageRecord) -> dict[str, Any]:
    """The writable fields with their values, as for a PUT request."""
    return {
        "public": record.public,
        "auto_update": record.auto_update,
        "properties": record.properties,
        "expires_at": record.expires_at,
        "profiles": list(record.profiles),
    }


def differing_fields(wanted: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the wanted values of writable fields that a server would not take for the ones in `fields`."""
    return {name: value for name, value in wanted.items() if not _same_value(name, value, fields[name])}


def _same_value(name: str, one: Any, other: Any) -> bool:
    """Whether two values of a field are the same to a server, which ignores order of profiles and empty properties."""
    if name == "profiles":
        return sorted(one) == sorted(other)
    if name == "properties":
        return {k: v for k, v in one.items() if v} == {k: v for k, v in other.items() if v}
    return bool(one == other)
