"""What an image says of itself, and the five things that can be changed before they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.values import Alias, ImageRecord, UpdateSource, parse_time, writable
from lxdimg_nb.values.validation import names

__all__ = ["WRITABLE", "ImageAttributes", "checked_profiles", "checked_properties", "flag", "moment"]

WRITABLE = ("public", "auto_update", "properties", "expires_at", "profiles")


class ImageAttributes:
    """The attributes of an image: read without I/O, five of them assignable, nothing sent."""

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
        """What the server said, without the changes made here."""
        return self._record

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the image, 64 lower-case hexadecimal digits: its identity."""
        return self._record.fingerprint

    @property
    def aliases(self) -> tuple[Alias, ...]:
        """Names that point at the image."""
        return self._record.aliases

    @property
    def architecture(self) -> str:
        """Kernel name of the architecture, for example `x86_64`."""
        return self._record.architecture

    @property
    def cached(self) -> bool:
        """Whether the server fetched it on its own for an instance."""
        return self._record.cached

    @property
    def created_at(self) -> datetime | None:
        """When it was built, UTC."""
        return self._record.created_at

    @property
    def uploaded_at(self) -> datetime | None:
        """When the server got it, UTC."""
        return self._record.uploaded_at

    @property
    def last_used_at(self) -> datetime | None:
        """When an instance was last made from it, UTC; None is never."""
        return self._record.last_used_at

    @property
    def filename(self) -> str:
        """The file name given at upload; not a safe path."""
        return self._record.filename

    @property
    def size(self) -> int:
        """Bytes; of a split image both files together."""
        return self._record.size

    @property
    def type(self) -> str:
        """`container` or `virtual-machine`."""
        return self._record.type

    @property
    def project(self) -> str:
        """The project that holds it."""
        return self._record.project

    @property
    def update_source(self) -> UpdateSource | None:
        """Where a refresh would fetch from; None when there is no source."""
        return self._record.update_source

    @property
    def locations(self) -> tuple[str, ...]:
        """Cluster members that hold the files, where the server says so; none on a server of its own."""
        return self._record.locations

    @property
    def public(self) -> bool:
        """Visible without authentication. Can be assigned."""
        return bool(self._edits.get("public", self._record.public))

    @public.setter
    def public(self, value: bool) -> None:
        self._edit("public", flag("public", value))

    @property
    def auto_update(self) -> bool:
        """Whether the server refreshes it from its source. Can be assigned."""
        return bool(self._edits.get("auto_update", self._record.auto_update))

    @auto_update.setter
    def auto_update(self, value: bool) -> None:
        self._edit("auto_update", flag("auto_update", value))

    @property
    def properties(self) -> dict[str, str]:
        """Free texts on the image. Assign a mapping, or change the one returned; an empty value removes the key."""
        if "properties" not in self._edits:
            self._edits["properties"] = self._record.properties
        found: dict[str, str] = self._edits["properties"]
        return found

    @properties.setter
    def properties(self, value: Mapping[str, str]) -> None:
        self._edit("properties", checked_properties(value))

    @property
    def expires_at(self) -> datetime | None:
        """When it is meant to expire, UTC; None is never. Advice: no server enforces it. Can be assigned."""
        found: datetime | None = self._edits.get("expires_at", self._record.expires_at)
        return found

    @expires_at.setter
    def expires_at(self, value: date | str | None) -> None:
        self._edit("expires_at", moment(value))

    @property
    def profiles(self) -> list[str]:
        """Profiles that instances made from it get. Can be assigned."""
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
        """What `update()` would send: the fields changed here, with their new values.

        Raises:
            InvalidRequestError: something else than texts was put into properties or profiles.
        """
        before = writable(self._record)
        after = {name: self._edits[name] for name in WRITABLE if name in self._edits}
        if "properties" in after:
            # A server drops empty values; so they are no change where there was none.
            after["properties"] = {k: v for k, v in checked_properties(after["properties"]).items() if v != ""}
        if "profiles" in after:
            after["profiles"] = checked_profiles(after["profiles"])
        return {
            name: value
            for name, value in after.items()
            if (sorted(value) != sorted(before[name]) if name == "profiles" else value != before[name])
        }


def flag(name: str, value: object) -> bool:
    """True or False.

    Raises:
        InvalidRequestError: anything else, such as the text "no".
    """
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{name} is True or False, not {value!r}")
    return value


def checked_properties(value: object) -> dict[str, str]:
    """Properties as servers can keep them.

    Raises:
        InvalidRequestError: no mapping of text to text, or a text that a server would cut or change.
    """
    if not isinstance(value, Mapping) or not all(isinstance(k, str) and isinstance(v, str) for k, v in value.items()):
        raise InvalidRequestError("properties are a mapping of text to text")
    for text in (text for item in value.items() for text in item):
        # Servers cut at a zero byte (LXD 5.0.2, Incus 6.0.4), and JSON of a lone surrogate is another text.
        if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
            raise InvalidRequestError(f"{text[:100]!r} cannot stand in a property: it is no proper text")
    return dict(value)


def checked_profiles(value: object) -> list[str]:
    """Names of profiles, each once.

    Raises:
        InvalidRequestError: something else.
    """
    given = names(value, "a profile")
    if "" in given or len(set(given)) != len(given):
        raise InvalidRequestError("profiles are a list of different names")
    return given


def moment(value: date | str | None) -> datetime | None:
    """A time as a user gives it, in UTC; every spelling of never is None.

    Raises:
        InvalidRequestError: not a time.
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise InvalidRequestError(f"{value!r} is no time; write 2027-01-31 or 2027-01-31T12:00:00+00:00") from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise InvalidRequestError("expires_at is a datetime, a text like 2027-01-31, or None for never")
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return parse_time(value.isoformat())
