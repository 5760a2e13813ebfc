"""An image as a server described it, and where it came from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.text.display import Table
from lxdimg_nb.values.alias import Alias
from lxdimg_nb.values.image_table import image_table
from lxdimg_nb.values.json_fields import Json, integer, mapping, parse_time, string, strings

__all__ = ["FINGERPRINT", "WRITABLE", "ImageRecord", "UpdateSource", "fingerprints", "same_value", "writable_fields"]

FINGERPRINT = re.compile(r"^[0-9a-f]{64}\Z")
WRITABLE = ("public", "auto_update", "properties", "expires_at", "profiles")


@dataclass(frozen=True, slots=True)
class UpdateSource:
    """Where the server fetched the image from, and so can refresh it from."""

    server: str
    protocol: str
    alias: str
    certificate: str = field(default="", repr=False)
    image_type: str = ""
    image_registry: str = ""

    @classmethod
    def from_json(cls, data: Json) -> UpdateSource:
        """From an image's `update_source`."""
        keys = ("server", "protocol", "alias", "certificate", "image_type", "image_registry")
        return cls(*(string(data.get(key)) for key in keys))


@dataclass(frozen=True, slots=True, eq=False)
class ImageRecord:
    """One image as a server described it at one moment: a thin, read-only reading of its JSON object.

    `raw` is the object as received (`images_all_projects` servers put `project` in it); `default_project`
    is the project that was asked, for servers that do not say.
    """

    raw: Json
    default_project: str = "default"

    @classmethod
    def from_json(cls, data: object, *, project: str = "default") -> ImageRecord:
        """From an entry of GET /1.0/images?recursion=1 or GET /1.0/images/{fingerprint}.

        Raises:
            UnexpectedReplyError: not an object with a fingerprint of 64 hexadecimal digits.
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
        """The names that point at the image, in the server's order."""
        entries = self.raw.get("aliases")
        if not isinstance(entries, list):
            return ()
        return tuple(
            Alias(string(e.get("name")), string(e.get("description")), self.fingerprint, self.type)
            for e in entries
            if isinstance(e, dict)
        )

    @property
    def architecture(self) -> str:
        """Kernel name of the architecture, for example `x86_64`."""
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
        """When the image was built, UTC; said by the image itself."""
        return parse_time(self.raw.get("created_at"))

    @property
    def expires_at(self) -> datetime | None:
        """When the image is meant to expire, UTC; advice, no server enforces it."""
        return parse_time(self.raw.get("expires_at"))

    @property
    def last_used_at(self) -> datetime | None:
        """When an instance was last made from it, UTC; None is never."""
        return parse_time(self.raw.get("last_used_at"))

    @property
    def uploaded_at(self) -> datetime | None:
        """When the server got the image, UTC."""
        return parse_time(self.raw.get("uploaded_at"))

    @property
    def filename(self) -> str:
        """The file name given at upload; not a safe path."""
        return string(self.raw.get("filename"))

    @property
    def profiles(self) -> tuple[str, ...]:
        """Profiles that instances made from the image get."""
        return strings(self.raw.get("profiles"))

    @property
    def project(self) -> str:
        """The project that holds the image."""
        return string(self.raw.get("project")) or self.default_project

    @property
    def properties(self) -> dict[str, str]:
        """Free texts on the image, a copy."""
        return {k: v for k, v in mapping(self.raw.get("properties")).items() if isinstance(v, str)}

    @property
    def public(self) -> bool:
        """Visible without authentication."""
        return self.raw.get("public") is True

    @property
    def size(self) -> int:
        """Bytes; of a split image both files together."""
        return integer(self.raw.get("size"))

    @property
    def type(self) -> str:
        """`container` or `virtual-machine`."""
        return string(self.raw.get("type")) or "container"

    @property
    def update_source(self) -> UpdateSource | None:
        """Where a refresh would fetch from; None when the image has no source."""
        source = self.raw.get("update_source")
        return UpdateSource.from_json(source) if isinstance(source, dict) and source else None

    @property
    def locations(self) -> tuple[str, ...]:
        """Cluster members that hold the files, where the server says so; none on a server of its own."""
        # Incus 7 calls itself "none" then, a name that no member can have.
        return tuple(member for member in strings(self.raw.get("locations")) if member != "none")

    def table(self, *, now: datetime | None = None, title: str = "") -> Table:
        """Every attribute, one a row; ages are counted from `now`, by default the clock."""
        return image_table(self, now=now, title=title)

    def _repr_html_(self) -> str:
        return self.table().html()


def writable_fields(record: ImageRecord) -> dict[str, Any]:
    """The five writable fields as a PUT body would carry them (expiry None when there is none)."""
    return {
        "public": record.public,
        "auto_update": record.auto_update,
        "properties": record.properties,
        "expires_at": record.expires_at,
        "profiles": list(record.profiles),
    }


def same_value(name: str, one: Any, other: Any) -> bool:
    """Whether two values of a writable field are the same to a server: order of profiles, empty properties."""
    if name == "profiles":
        return sorted(one) == sorted(other)
    if name == "properties":
        return {k: v for k, v in one.items() if v} == {k: v for k, v in other.items() if v}
    return bool(one == other)


def fingerprints(urls: Iterable[object]) -> list[str]:
    """The fingerprints at the end of image URLs (a project's `used_by`, a list without recursion)."""
    found = (re.search(r"^/1\.0/images/([0-9a-f]{64})(?:\?.*)?$", url) for url in urls if isinstance(url, str))
    return [match[1] for match in found if match]
