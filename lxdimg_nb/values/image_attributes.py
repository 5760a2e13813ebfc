"""Base class of `Image`: the attributes of an image, five of which can be assigned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from lxdimg_nb.values.alias import Alias
from lxdimg_nb.values.image_record import WRITABLE, ImageRecord, UpdateSource, differing_fields, writable_fields
from lxdimg_nb.values.validation import checked_bool, checked_profiles, checked_properties, checked_time

__all__ = ["ImageAttributes"]


class ImageAttributes:
    """The attributes of an image. Reading and assigning them sends nothing."""

    __slots__ = ("_edits", "_record")

    _record: ImageRecord
    _edits: dict[str, Any]

    def __init__(self, record: ImageRecord) -> None:
        object.__setattr__(self, "_record", record)
        object.__setattr__(self, "_edits", {})

    def __setattr__(self, name: str, value: object) -> None:
        prop = getattr(type(self), name, None)
        if isinstance(prop, property) and prop.fset is not None:
            prop.fset(self, value)
            return
        if prop is not None:
            raise AttributeError(f"{name} cannot be assigned; an image's {', '.join(WRITABLE)} can")
        raise AttributeError(f"an image has no attribute {name!r}")

    @property
    def record(self) -> ImageRecord:
        """What the server said, without unsent changes."""
        return self._record

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the image, 64 lower-case hexadecimal digits."""
        return self._record.fingerprint

    @property
    def aliases(self) -> tuple[Alias, ...]:
        """The aliases of the image."""
        return self._record.aliases

    @property
    def architecture(self) -> str:
        """The kernel's name of the architecture, for example `x86_64`."""
        return self._record.architecture

    @property
    def cached(self) -> bool:
        """Whether the server fetched the image on its own for an instance."""
        return self._record.cached

    @property
    def created_at(self) -> datetime | None:
        """When the image was built, UTC."""
        return self._record.created_at

    @property
    def uploaded_at(self) -> datetime | None:
        """When the image came to the server, UTC."""
        return self._record.uploaded_at

    @property
    def last_used_at(self) -> datetime | None:
        """When an instance was last made from the image, UTC; None is never."""
        return self._record.last_used_at

    @property
    def filename(self) -> str:
        """The file name given at the upload; not safe as a path."""
        return self._record.filename

    @property
    def size(self) -> int:
        """Bytes; for a split image those of both files."""
        return self._record.size

    @property
    def type(self) -> str:
        """`container` or `virtual-machine`."""
        return self._record.type

    @property
    def project(self) -> str:
        """The project that holds the image."""
        return self._record.project

    @property
    def update_source(self) -> UpdateSource | None:
        """Where a refresh fetches from; None if the image has no source."""
        return self._record.update_source

    @property
    def locations(self) -> tuple[str, ...]:
        """The cluster members that have the files, if the server says so; empty without a cluster."""
        return self._record.locations

    @property
    def public(self) -> bool:
        """Whether the image is visible without authentication. Can be assigned."""
        return bool(self._edits.get("public", self._record.public))

    @public.setter
    def public(self, value: bool) -> None:
        self._edit("public", checked_bool("public", value))

    @property
    def auto_update(self) -> bool:
        """Whether the server refreshes the image from its source. Can be assigned."""
        return bool(self._edits.get("auto_update", self._record.auto_update))

    @auto_update.setter
    def auto_update(self, value: bool) -> None:
        self._edit("auto_update", checked_bool("auto_update", value))

    @property
    def properties(self) -> dict[str, str]:
        """Arbitrary keys and values. Assign a mapping or change the returned one; an empty value removes the key."""
        if "properties" not in self._edits:
            self._edits["properties"] = self._record.properties
        found: dict[str, str] = self._edits["properties"]
        return found

    @properties.setter
    def properties(self, value: Mapping[str, str]) -> None:
        self._edit("properties", checked_properties(value))

    @property
    def expires_at(self) -> datetime | None:
        """When the image expires, UTC; None is never. No server enforces it. Can be assigned."""
        found: datetime | None = self._edits.get("expires_at", self._record.expires_at)
        return found

    @expires_at.setter
    def expires_at(self, value: date | str | None) -> None:
        self._edit("expires_at", checked_time(value))

    @property
    def profiles(self) -> list[str]:
        """The profiles of instances made from the image. Can be assigned."""
        if "profiles" not in self._edits:
            self._edits["profiles"] = list(self._record.profiles)
        found: list[str] = self._edits["profiles"]
        return found

    @profiles.setter
    def profiles(self, value: Iterable[str]) -> None:
        self._edit("profiles", checked_profiles(value))

    def _edit(self, name: str, value: object) -> None:
        self._edits[name] = value

    @property
    def changes(self) -> dict[str, Any]:
        """The changed fields with their new values, as `update()` would send them.

        Raises:
            InvalidRequestError: properties or profiles contain something other than strings.
        """
        after = {name: self._edits[name] for name in WRITABLE if name in self._edits}
        if "properties" in after:
            # Servers drop empty values, so that they change nothing if there was none.
            after["properties"] = {k: v for k, v in checked_properties(after["properties"]).items() if v != ""}
        if "profiles" in after:
            after["profiles"] = checked_profiles(after["profiles"])
        return differing_fields(after, writable_fields(self._record))
