"""Images made by the server from an instance or a snapshot (publish is not: making an image public)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lxdimg_nb.client.files.progress import Report
from lxdimg_nb.client.image_attributes import checked_properties
from lxdimg_nb.client.verbs.finish_import import checked_aliases, finished
from lxdimg_nb.errors import ImageExistsError, InvalidRequestError, LxdImageError, NotFoundError, OperationFailedError
from lxdimg_nb.values import format_time
from lxdimg_nb.values.validation import checked

if TYPE_CHECKING:
    from lxdimg_nb.client.images import Images

__all__ = ["is_running", "publish"]

_GOES_ON = "The server goes on publishing and cannot be stopped; look with images.all(), delete what you do not want."


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
    stop: bool,
    report: Report,
) -> str:
    """See `Images.publish`; returns the fingerprint."""
    name, snapshot = _parts(instance)
    if public:
        images.dialect.check_public(images.project)
    names = checked_aliases(images, aliases)
    document: dict[str, Any] = {
        "source": {"type": "snapshot" if snapshot else "instance", "name": instance},
        "public": public,
        "aliases": [{"name": alias, "description": ""} for alias in names],
    }
    if properties is not None:
        document["properties"] = checked_properties(properties)
    if expires_at is not None:
        document["expires_at"] = format_time(expires_at)
    if compression is not None:
        document["compression_algorithm"] = images.dialect.check_compression(compression)
    if format is not None:
        if format not in ("unified", "split"):
            raise InvalidRequestError(f"an image is published unified or split, not {format!r}")
        images.dialect.require("instance_publish_split", "choose the format of a published image")
        document["format"] = format
    found = _instance(images, name, snapshot)
    if not snapshot and not _at_rest(found):
        if not stop:
            raise InvalidRequestError(
                f"the instance {name!r} is running; publish a snapshot of it, or have it stopped meanwhile (stop=True)"
            )
        with _stopped(images, name, found):
            return _made(images, instance, document, report)
    return _made(images, instance, document, report)


def is_running(images: Images, instance: str) -> bool:
    """Whether publishing it means to stop it first; a snapshot never runs.

    Raises:
        NotFoundError: there is none.
    """
    name, snapshot = _parts(instance)
    found = _instance(images, name, snapshot)
    return not snapshot and not _at_rest(found)


def _parts(instance: str) -> tuple[str, str]:
    name, _, snapshot = checked(instance, "an instance").partition("/")
    if not name or (snapshot and "/" in snapshot):
        raise InvalidRequestError(f"{instance!r} names neither an instance nor a snapshot (web, web/snap0)")
    return name, snapshot


def _made(images: Images, instance: str, document: Mapping[str, Any], report: Report) -> str:
    # Instances and images may be in two projects: the server puts the image where it belongs.
    params = {"project": images.instances}
    reply = images.transport.request("POST", "/1.0/images", params=params, json=dict(document))
    operation = images.operations.started(reply)
    try:
        done = finished(images, operation, report, _GOES_ON)
    except NotFoundError as error:
        raise OperationFailedError(
            f"the server has forgotten how publishing {instance} ended; list the images", operation_id=operation.id
        ) from error
    except OperationFailedError as error:
        # Servers pack first and notice then; which image it is they say in their sentence alone.
        named = re.search(r"\b[0-9a-f]{64}\b", str(error.__dict__.get("reason", "")))
        if named is None or not images.exists(named[0]):
            raise
        raise ImageExistsError(
            f"an image of {instance} as it is now is already there: {named[0][:12]}", fingerprint=named[0]
        ) from error
    if not done.fingerprint:
        raise OperationFailedError(f"publishing {instance} ended without an image", operation_id=done.id)
    if not images.exists(done.fingerprint):
        raise NotFoundError(f"the image {done.fingerprint[:12]} published from {instance} is gone again")
    return done.fingerprint


def _at_rest(instance: Mapping[str, Any]) -> bool:
    return instance.get("status") in (None, "Stopped")


@contextmanager
def _stopped(images: Images, name: str, instance: Mapping[str, Any]) -> Iterator[None]:
    """Stop an instance for a while, as `lxc publish --force` does; it is started again whatever happens meanwhile.

    Source: PUT /1.0/instances/{name}/state.
    """
    if instance.get("ephemeral"):
        raise InvalidRequestError(
            f"the instance {name!r} is ephemeral: to stop it deletes it; publish a snapshot of it"
        )
    try:
        _put_state(images, name, "stop")
        yield
    except BaseException as error:
        try:
            if _at_rest(_instance(images, name, "")):
                _put_state(images, name, "start")
        except LxdImageError as failed:
            error.add_note(f"The instance {name} was stopped and could not be started again: {failed}")
        raise
    _put_state(images, name, "start")


def _put_state(images: Images, name: str, action: str) -> None:
    body = {"action": action, "timeout": -1, "force": action == "stop", "stateful": False}
    path = f"/1.0/instances/{quote(name, safe='')}/state"
    reply = images.transport.request("PUT", path, params={"project": images.instances}, json=body)
    images.operations.wait(images.operations.started(reply))


def _instance(images: Images, name: str, snapshot: str) -> Mapping[str, Any]:
    """The instance or snapshot as the server describes it; where there is none Incus says so late, so it is asked."""
    path = f"/1.0/instances/{quote(name, safe='')}" + (f"/snapshots/{quote(snapshot, safe='')}" if snapshot else "")
    try:
        found = images.transport.request("GET", path, params={"project": images.instances}).metadata
    except NotFoundError as error:
        what = f"snapshot {snapshot!r} of instance {name!r}" if snapshot else f"instance {name!r}"
        raise NotFoundError(
            f"no {what} in project {images.instances} on {images.transport.url}", status_code=404
        ) from error
    return found if isinstance(found, dict) else {}
