"""One image of a server: read its attributes, change five of them, move its bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client.usage import users_of_images
from lxdimg_nb.errors import ChangedMeanwhileError, ConflictError, InvalidRequestError, NotFoundError
from lxdimg_nb.models import (
    Alias,
    Change,
    ImageRecord,
    Operation,
    UpdateSource,
    format_time,
    parse_time,
    writable,
)

if TYPE_CHECKING:
    import os

    from lxdimg_nb.client.images import Images
    from lxdimg_nb.client.progress import ProgressArgument

__all__ = ["Image", "etag_of"]

_WRITABLE = ("public", "auto_update", "properties", "expires_at", "profiles")


class Image:
    """An image as the server described it when it was read, with the changes made here and not yet sent.

    Reading an attribute is never I/O; `reload()` reads again. `public`, `auto_update`, `properties`,
    `expires_at` and `profiles` can be assigned and are sent by `update()`; nothing else can be assigned.
    """

    __slots__ = ("_edits", "_images", "_record", "operation")

    def __init__(self, record: ImageRecord, images: Images, operation: Operation | None = None) -> None:
        object.__setattr__(self, "_record", record)
        object.__setattr__(self, "_images", images)
        object.__setattr__(self, "_edits", {})
        object.__setattr__(self, "operation", operation)

    _record: ImageRecord
    _images: Images
    _edits: dict[str, Any]
    operation: Operation | None
    """The import that is still running, after `create(…, wait=False)`."""

    def __setattr__(self, name: str, value: object) -> None:
        prop = getattr(type(self), name, None)
        if isinstance(prop, property) and prop.fset is not None:
            prop.fset(self, value)
            return
        if isinstance(prop, property) or name in self.__slots__:
            raise AttributeError(f"{name} cannot be assigned; an image's {', '.join(_WRITABLE)} can")
        raise AttributeError(f"an image has no attribute {name!r}")

    def __repr__(self) -> str:
        from lxdimg_nb import formats

        names = ", ".join(a.name for a in self.aliases) or "no alias"
        flags = " public" if self.public else ""
        text = f"<Image {self.fingerprint[:12]} ({names}) {formats.size(self.size)} {self.architecture}{flags}>"
        return "".join(c if c.isprintable() else "?" for c in text[:500])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Image):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, str, str]:
        return self._images.transport.url, self.project, self.fingerprint

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
        """Cluster members that hold the files, where the server says so."""
        return self._record.locations

    @property
    def public(self) -> bool:
        """Visible without authentication. Can be assigned."""
        return bool(self._edits.get("public", self._record.public))

    @public.setter
    def public(self, value: bool) -> None:
        self._edit("public", _flag("public", value))

    @property
    def auto_update(self) -> bool:
        """Whether the server refreshes it from its source. Can be assigned."""
        return bool(self._edits.get("auto_update", self._record.auto_update))

    @auto_update.setter
    def auto_update(self, value: bool) -> None:
        self._edit("auto_update", _flag("auto_update", value))

    @property
    def properties(self) -> dict[str, str]:
        """Free texts on the image. Assign a mapping, or change the one returned; an empty value removes the key."""
        if "properties" not in self._edits:
            self._edits["properties"] = self._record.properties
        found: dict[str, str] = self._edits["properties"]
        return found

    @properties.setter
    def properties(self, value: Mapping[str, str]) -> None:
        if not isinstance(value, Mapping) or not all(
            isinstance(k, str) and isinstance(v, str) for k, v in value.items()
        ):
            raise InvalidRequestError("properties are a mapping of text to text")
        self._edit("properties", dict(value))

    @property
    def expires_at(self) -> datetime | None:
        """When it is meant to expire, UTC; None is never. Advice: no server enforces it. Can be assigned."""
        found: datetime | None = self._edits.get("expires_at", self._record.expires_at)
        return found

    @expires_at.setter
    def expires_at(self, value: datetime | str | None) -> None:
        self._edit("expires_at", _moment(value))

    @property
    def profiles(self) -> list[str]:
        """Profiles that instances made from it get. Can be assigned."""
        if "profiles" not in self._edits:
            self._edits["profiles"] = list(self._record.profiles)
        found: list[str] = self._edits["profiles"]
        return found

    @profiles.setter
    def profiles(self, value: Iterable[str]) -> None:
        names = [value] if isinstance(value, str) else list(value)
        if not all(isinstance(n, str) and n for n in names) or len(set(names)) != len(names):
            raise InvalidRequestError("profiles are a list of different names")
        self._edit("profiles", names)

    def _edit(self, name: str, value: object) -> None:
        self._edits[name] = value

    @property
    def changes(self) -> dict[str, Any]:
        """What `update()` would send: the fields changed here, with their new values."""
        before = writable(self._record)
        after = {name: self._edits[name] for name in _WRITABLE if name in self._edits}
        if "properties" in after:
            # A server drops empty values; so they are no change where there was none.
            after["properties"] = {k: v for k, v in after["properties"].items() if v != ""}
        return {
            name: value
            for name, value in after.items()
            if (sorted(value) != sorted(before[name]) if name == "profiles" else value != before[name])
        }

    def reload(self) -> Image:
        """Read the image again; changes made here and not sent are dropped.

        Raises:
            NotFoundError: it is gone.
        """
        object.__setattr__(self, "_record", self._images.read(self.fingerprint))
        self._edits.clear()
        return self

    def update(self) -> Change:
        """Send what was changed, and nothing else: profiles, expiry and properties not touched stay as they are.

        Returns:
            The changed fields before and after, as the server has them.

        Raises:
            ChangedMeanwhileError: somebody else edited the image since it was read. Nothing was written; the
                changes stay on this object, `reload()` drops them.
            NotFoundError: the image is gone.
            ApiError: the server refused a value, an unknown profile for example.

        Source: PATCH /1.0/images/{fingerprint} for public, auto_update and properties; PUT of all five fields
        for expires_at and profiles, which PATCH ignores silently. Both with If-Match.
        """
        changes = self.changes
        if not changes:
            self._edits.clear()
            return Change(self.fingerprint, {}, {})
        if changes.get("public"):
            self._images.dialect.check_public(self.project)
        before = writable(self._record)
        try:
            self._send(changes, etag_of(self._record))
        except ChangedMeanwhileError:
            raise
        except ConflictError as error:
            if error.status_code != 412:
                raise
            fresh, etag = self._images.read_tagged(self.fingerprint)
            if etag_of(fresh) != etag_of(self._record):
                raise self._conflict(changes, fresh) from error
            # Nothing changed, the server only writes some characters of its JSON in another way than we do.
            self._send(changes, etag)
        except NotFoundError as error:
            if self._images.exists(self.fingerprint):
                raise
            raise NotFoundError(f"the image {self.fingerprint[:12]} is gone; nothing was written") from error
        after = self._images.read(self.fingerprint)
        now = writable(after)
        object.__setattr__(self, "_record", after)
        self._edits.clear()
        lost = [name for name in changes if not _same(name, now[name], changes[name])]
        if lost:
            raise ChangedMeanwhileError(
                f"the server took the change of {', '.join(lost)} but shows other values; somebody edits the image too",
                theirs={name: now[name] for name in lost},
                ours={name: changes[name] for name in lost},
            )
        return Change(self.fingerprint, {name: before[name] for name in changes}, {name: now[name] for name in changes})

    save = update

    def _send(self, changes: Mapping[str, Any], etag: str) -> None:
        if changes.keys() <= {"public", "auto_update", "properties"}:
            self._patch(changes, etag)
        else:
            self._put(changes)

    def _patch(self, changes: Mapping[str, Any], etag: str) -> None:
        body = dict(changes)
        if "properties" in body:
            old, new = self._record.properties, body["properties"]
            removed = {key: "" for key in old if key not in new}
            body["properties"] = {k: v for k, v in new.items() if old.get(k) != v} | removed
        self._images.write("PATCH", self.fingerprint, body, etag)

    def _put(self, changes: Mapping[str, Any]) -> None:
        fresh, etag = self._images.read_tagged(self.fingerprint)
        theirs, base = writable(fresh), writable(self._record)
        if any(not _same(name, theirs[name], base[name]) for name in _WRITABLE):
            # The ETag does not cover expiry and profiles, so they are compared here.
            raise self._conflict(changes, fresh)
        body = theirs | dict(changes)
        if "expires_at" in changes:
            body["expires_at"] = format_time(changes["expires_at"])
        else:
            del body["expires_at"]  # left out means unchanged
        self._images.write("PUT", self.fingerprint, body, etag)

    def _conflict(self, changes: Mapping[str, Any], fresh: ImageRecord) -> ChangedMeanwhileError:
        theirs, base = writable(fresh), writable(self._record)
        fields = [n for n in _WRITABLE if n in changes or not _same(n, theirs[n], base[n])]
        return ChangedMeanwhileError(
            f"somebody else changed the image {self.fingerprint[:12]} since it was read; nothing was written. "
            "reload() shows theirs",
            theirs={name: theirs[name] for name in fields},
            ours={name: changes.get(name, base[name]) for name in fields},
        )

    def delete(self, wait: bool = True) -> Operation:
        """Delete the image with its aliases. Instances made from it stay.

        Raises:
            NotFoundError: it is gone already.

        Source: DELETE /1.0/images/{fingerprint}.
        """
        return self._images.delete(self.fingerprint, wait=wait)

    def add_alias(self, name: str, description: str = "") -> Alias:
        """A new name for the image.

        Raises:
            ConflictError: the name is taken.
        """
        made = self._images.aliases.create(name, self, description=description)
        self._reread()
        return made

    def delete_alias(self, name: str) -> None:
        """Remove one of the image's names.

        Raises:
            NotFoundError: the image has no such name.
        """
        if self._images.aliases.get(name).target != self.fingerprint:
            raise NotFoundError(f"the alias {name!r} points at another image; nothing was changed", status_code=404)
        self._images.aliases.delete(name)
        self._reread()

    def _reread(self) -> None:
        object.__setattr__(self, "_record", self._images.read(self.fingerprint))

    def used_by(self) -> list[str]:
        """Instances and snapshots made from the image: `project/instance`, `project/instance/snapshot`.

        Source: GET /1.0/instances?recursion=2&all-projects=true, `volatile.base_image`.
        """
        return users_of_images(self._images.transport).get(self.fingerprint, [])

    def export(
        self,
        target: str | os.PathLike[str] | None = None,
        *,
        resume: bool = True,
        bundle: bool = False,
        sidecar: bool = False,
        progress: ProgressArgument = None,
    ) -> Any:
        """The image's bytes, or its file or files, verified against the fingerprint.

        Args:
            target: an existing folder, or the name of the file to make; None returns the bytes.
            resume: go on from what an earlier, interrupted export of this image left behind.
            bundle: put the two files of a split image into one file that `create()` takes back.
            sidecar: write `<fingerprint>.json` beside it: aliases, properties, profiles, provenance.
            progress: True for a bar, or a callable; raising in it cancels.

        Returns:
            `bytes` without a target, else an `Export`.

        Raises:
            FingerprintMismatchError: what came is not the image; no file has its final name.
            InvalidRequestError: a split image without a target, a target that cannot be written.
            ServerUnreachableError: the connection broke; call again to go on.

        Source: GET /1.0/images/{fingerprint}/export.
        """
        from lxdimg_nb.client import export

        if target is None:
            return export.to_bytes(self._images, self._record, progress)
        return export.to_path(
            self._images,
            self._record,
            target,
            resume=resume,
            bundle=bundle,
            sidecar=sidecar,
            progress=progress,
        )

    def panel(self) -> Any:
        """A panel for this image, for the end of a notebook cell."""
        from lxdimg_nb.panels import image_panel

        return image_panel(self)


def etag_of(record: ImageRecord) -> str:
    """The ETag that servers compute for an image, so that a listing is enough for If-Match.

    SHA-256 of `[public,auto_update,properties]` in Go's JSON and a newline (LXD 5.0.2, Incus 6.0.4, both mains).
    """
    properties = dict(sorted(record.properties.items(), key=lambda item: item[0].encode(errors="replace")))
    values = [record.public, record.auto_update, properties]
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return hashlib.sha256((text + "\n").encode(errors="replace")).hexdigest()


def _same(name: str, one: Any, other: Any) -> bool:
    if name == "profiles":
        return sorted(one) == sorted(other)
    if name == "properties":
        return {k: v for k, v in one.items() if v} == {k: v for k, v in other.items() if v}
    return bool(one == other)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{name} is True or False, not {value!r}")
    return value


def _moment(value: datetime | str | None) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise InvalidRequestError(f"{value!r} is no time; write 2027-01-31 or 2027-01-31T12:00:00+00:00") from error
    if not isinstance(value, datetime):
        raise InvalidRequestError("expires_at is a datetime, a text like 2027-01-31, or None for never")
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return parse_time(value.isoformat())
