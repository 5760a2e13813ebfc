"""Sending the changes of an image: only what changed, only if nobody else changed it meanwhile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client.image_attributes import WRITABLE
from lxdimg_nb.errors import ChangedMeanwhileError, ConflictError, NotFoundError
from lxdimg_nb.values import ImageRecord, format_time, writable

if TYPE_CHECKING:
    from lxdimg_nb.client.images import Images

__all__ = ["etag_of", "send"]


def send(images: Images, record: ImageRecord, changes: Mapping[str, Any]) -> ImageRecord:
    """Write changes made to what `record` says; returns what the server has afterwards.

    Raises:
        ChangedMeanwhileError: the server's image is not the one that was changed here; nothing was written.
        NotFoundError: it is gone.

    Source: PATCH /1.0/images/{fingerprint} for public, auto_update, properties; PUT for the rest. Both If-Match.
    """
    try:
        _write(images, record, changes, etag_of(record))
    except ChangedMeanwhileError:
        raise
    except ConflictError as error:
        if error.status_code != 412:
            raise
        fresh, etag = images.read_tagged(record.fingerprint)
        if etag_of(fresh) != etag_of(record):
            raise _conflict(record, changes, fresh) from error
        # Nothing changed: the server only writes some characters of its JSON in another way than we do.
        _write(images, record, changes, etag)
    except NotFoundError as error:
        if images.exists(record.fingerprint):
            raise
        raise NotFoundError(
            f"the image {record.fingerprint[:12]} is gone; nothing was written", status_code=404
        ) from error
    return images.read(record.fingerprint)


def _write(images: Images, record: ImageRecord, changes: Mapping[str, Any], etag: str) -> None:
    if changes.keys() <= {"public", "auto_update", "properties"}:
        _patch(images, record, changes, etag)
    else:
        _put(images, record, changes)


def _patch(images: Images, record: ImageRecord, changes: Mapping[str, Any], etag: str) -> None:
    body = dict(changes)
    if "properties" in body:
        old, new = record.properties, body["properties"]
        removed = {key: "" for key in old if key not in new}
        body["properties"] = {k: v for k, v in new.items() if old.get(k) != v} | removed
    images.write("PATCH", record.fingerprint, body, etag)


def _put(images: Images, record: ImageRecord, changes: Mapping[str, Any]) -> None:
    fresh, etag = images.read_tagged(record.fingerprint)
    theirs, base = writable(fresh), writable(record)
    if any(not same(name, theirs[name], base[name]) for name in WRITABLE):
        # The ETag does not cover expiry and profiles, so they are compared here.
        raise _conflict(record, changes, fresh)
    body = theirs | dict(changes)
    if "expires_at" in changes:
        body["expires_at"] = format_time(changes["expires_at"])
    else:
        del body["expires_at"]  # left out means unchanged
    images.write("PUT", record.fingerprint, body, etag)


def _conflict(record: ImageRecord, changes: Mapping[str, Any], fresh: ImageRecord) -> ChangedMeanwhileError:
    theirs, base = writable(fresh), writable(record)
    fields = [n for n in WRITABLE if n in changes or not same(n, theirs[n], base[n])]
    return ChangedMeanwhileError(
        f"somebody else changed the image {record.fingerprint[:12]} since it was read; nothing was written. "
        "reload() shows theirs",
        theirs={name: theirs[name] for name in fields},
        ours={name: changes.get(name, base[name]) for name in fields},
    )


def same(name: str, one: Any, other: Any) -> bool:
    """Whether two values of a writable field are the same to a server: order of profiles, empty properties."""
    if name == "profiles":
        return sorted(one) == sorted(other)
    if name == "properties":
        return {k: v for k, v in one.items() if v} == {k: v for k, v in other.items() if v}
    return bool(one == other)


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
