"""Images made by the server from an instance or a snapshot (publish is not: making an image public)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lxdimg_nb.client.arrival import checked_aliases
from lxdimg_nb.client.names import checked
from lxdimg_nb.client.progress import Report
from lxdimg_nb.errors import InvalidRequestError, NotFoundError, OperationFailedError
from lxdimg_nb.models import format_time

if TYPE_CHECKING:
    from lxdimg_nb.client.images import Images

__all__ = ["publish"]


def publish(
    images: Images,
    instance: str,
    *,
    aliases: str | Iterable[str],
    public: bool,
    properties: Mapping[str, str] | None,
    expires_at: datetime | None,
    compression: str | None,
    format: str | None,
    report: Report,
) -> str:
    """See `Images.publish`; returns the fingerprint."""
    name, _, snapshot = checked(instance, "an instance").partition("/")
    if not name or (snapshot and "/" in snapshot):
        raise InvalidRequestError(f"{instance!r} names neither an instance nor a snapshot (web, web/snap0)")
    if public:
        images.dialect.check_public(images.project)
    names = checked_aliases(images, aliases)
    document: dict[str, Any] = {
        "source": {"type": "snapshot" if snapshot else "instance", "name": instance},
        "public": public,
        "aliases": [{"name": alias, "description": ""} for alias in names],
    }
    if properties is not None:
        document["properties"] = {str(k): str(v) for k, v in properties.items()}
    if expires_at is not None:
        document["expires_at"] = format_time(expires_at)
    if compression is not None:
        document["compression_algorithm"] = images.dialect.check_compression(compression)
    if format is not None:
        if format not in ("unified", "split"):
            raise InvalidRequestError(f"an image is published unified or split, not {format!r}")
        images.dialect.need("instance_publish_split", "choose the format of a published image")
        document["format"] = format
    _check_instance(images, name, snapshot)
    # Instances and images may be in two projects: the server puts the image where it belongs.
    params = {"project": images.instances}
    reply = images.transport.request("POST", "/1.0/images", params=params, json=document)
    done = images.operations.wait(images.operations.started(reply), progress=report)
    if not done.fingerprint:
        raise OperationFailedError(f"publishing {instance} ended without an image", operation_id=done.id)
    if not images.exists(done.fingerprint):
        raise NotFoundError(f"the image {done.fingerprint[:12]} published from {instance} is gone again")
    return done.fingerprint


def _check_instance(images: Images, name: str, snapshot: str) -> None:
    """Raise when there is no such instance or snapshot; Incus says so only in the operation, after a while."""
    path = f"/1.0/instances/{quote(name, safe='')}" + (f"/snapshots/{quote(snapshot, safe='')}" if snapshot else "")
    try:
        instance = images.transport.request("GET", path, params={"project": images.instances}).metadata
    except NotFoundError as error:
        what = f"snapshot {snapshot!r} of instance {name!r}" if snapshot else f"instance {name!r}"
        raise NotFoundError(
            f"no {what} in project {images.instances} on {images.transport.url}", status_code=404
        ) from error
    if not snapshot and isinstance(instance, dict) and instance.get("status") == "Running":
        raise InvalidRequestError(f"the instance {name!r} is running; stop it, or publish a snapshot of it")
