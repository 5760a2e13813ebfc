"""Edit an image: send only the fields that changed, and only if nobody else has changed it meanwhile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from lxdimg_nb.client.project import Project
from lxdimg_nb.errors import ChangedMeanwhileError, ConflictError, NotFoundError
from lxdimg_nb.values import ImageRecord, format_time, writable_fields
from lxdimg_nb.values.image_record import WRITABLE, differing_fields

__all__ = ["edit_image", "etag_of"]


def edit_image(project: Project, record: ImageRecord, changes: Mapping[str, Any]) -> ImageRecord:
    """Write changes made to what `record` says; returns what the server has afterwards.

    Raises:
        ChangedMeanwhileError: the server's image is not the one that was changed here, and nothing was written;
            or it shows other values than were written.
        NotFoundError: it is gone.

    Source: PATCH /1.0/images/{fingerprint} for public, auto_update, properties; PUT of all five fields for
    expires_at and profiles, which PATCH ignores silently. Both with If-Match.
    """
    if changes.get("public"):
        project.dialect.check_public(project.name)
    try:
        _write(project, record, changes, etag_of(record))
    except ChangedMeanwhileError:
        raise
    except ConflictError as error:
        if error.status_code != 412:
            raise
        fresh, etag = project.read_tagged(record.fingerprint)
        if etag_of(fresh) != etag_of(record):
            raise _conflict(record, changes, fresh) from error
        # Nothing changed: the server only writes some characters of its JSON in another way than we do.
        _write(project, record, changes, etag)
    except NotFoundError as error:
        if project.holds(record.fingerprint):
            raise
        raise NotFoundError(
            f"the image {record.fingerprint[:12]} is gone; nothing was written", status_code=404
        ) from error
    after = project.read(record.fingerprint)
    now = writable_fields(after)
    lost = differing_fields(changes, now)
    if lost:
        raise ChangedMeanwhileError(
            f"the server took the change of {', '.join(lost)} but shows other values; somebody edits the image too",
            theirs={name: now[name] for name in lost},
            ours=lost,
        )
    return after


def _write(project: Project, record: ImageRecord, changes: Mapping[str, Any], etag: str) -> None:
    if changes.keys() <= {"public", "auto_update", "properties"}:
        _patch(project, record, changes, etag)
    else:
        _put(project, record, changes)


def _patch(project: Project, record: ImageRecord, changes: Mapping[str, Any], etag: str) -> None:
    body = dict(changes)
    if "properties" in body:
        old, new = record.properties, body["properties"]
        removed = {key: "" for key in old if key not in new}
        body["properties"] = {k: v for k, v in new.items() if old.get(k) != v} | removed
    project.write("PATCH", record.fingerprint, body, etag)


def _put(project: Project, record: ImageRecord, changes: Mapping[str, Any]) -> None:
    fresh, etag = project.read_tagged(record.fingerprint)
    theirs, base = writable_fields(fresh), writable_fields(record)
    if differing_fields(theirs, base):
        # The ETag does not cover expiry and profiles, so they are compared here.
        raise _conflict(record, changes, fresh)
    body = theirs | dict(changes)
    if "expires_at" in changes:
        body["expires_at"] = format_time(changes["expires_at"])
    else:
        del body["expires_at"]  # left out means unchanged
    project.write("PUT", record.fingerprint, body, etag)


def _conflict(record: ImageRecord, changes: Mapping[str, Any], fresh: ImageRecord) -> ChangedMeanwhileError:
    theirs, base = writable_fields(fresh), writable_fields(record)
    changed = differing_fields(theirs, base)
    fields = [name for name in WRITABLE if name in changes or name in changed]
    return ChangedMeanwhileError(
        f"somebody else changed the image {record.fingerprint[:12]} since it was read; nothing was written. "
        "reload() shows theirs",
        theirs={name: theirs[name] for name in fields},
        ours={name: changes.get(name, base[name]) for name in fields},
    )


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
