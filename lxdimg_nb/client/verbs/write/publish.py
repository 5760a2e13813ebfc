"""Publish: the server makes an image of an instance or a snapshot. (This does not make the image public.)"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote

from lxdimg_nb.client.files.progress import ProgressArgument, Report, reporting
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.write.settings import free_aliases
from lxdimg_nb.client.verbs.write.wait import is_from, wait_or_cancel, warn_of_copies
from lxdimg_nb.errors import ImageExistsError, InvalidRequestError, LxdImageError, NotFoundError, OperationFailedError
from lxdimg_nb.values import ImageRecord, format_time
from lxdimg_nb.values.validation import checked_bool, checked_name, checked_properties, checked_time

__all__ = ["is_running", "publish_instance"]

_GOES_ON = "The server goes on publishing and cannot be stopped; look with images.all(), delete what you do not want."


def publish_instance(
    project: Project,
    instance: str,
    *,
    aliases: str | Iterable[str] = (),
    public: bool = False,
    properties: Mapping[str, str] | None = None,
    expires_at: datetime | str | None = None,
    compression: str | None = None,
    format: str | None = None,
    stop: bool = False,
    progress: ProgressArgument = None,
) -> ImageRecord:
    """See `Images.publish`. Source: POST /1.0/images, source.type instance or snapshot."""
    expiry = checked_time(expires_at)
    for what, given in (("public", public), ("stop", stop)):
        checked_bool(what, given)
    name, snapshot = _parts(instance)
    if public:
        project.dialect.check_public(project.name)
    document: dict[str, Any] = {
        "source": {"type": "snapshot" if snapshot else "instance", "name": instance},
        "public": public,
        "aliases": [{"name": alias, "description": ""} for alias in free_aliases(project, aliases)],
    }
    if properties is not None:
        document["properties"] = checked_properties(properties)
    if expiry is not None:
        document["expires_at"] = format_time(expiry)
    if compression is not None:
        document["compression_algorithm"] = project.dialect.check_compression(compression)
    if format is not None:
        if format not in ("unified", "split"):
            raise InvalidRequestError(f"an image is published unified or split, not {format!r}")
        project.dialect.require("instance_publish_split", "choose the format of a published image")
        document["format"] = format
    found = _instance(project, name, snapshot)
    with reporting(progress, instance[:40]) as report:
        if snapshot or _at_rest(found):
            return _published(project, instance, document, report)
        if not stop:
            raise InvalidRequestError(
                f"the instance {name!r} is running; publish a snapshot of it, or have it stopped meanwhile (stop=True)"
            )
        with _stopped(project, name, found):
            return _published(project, instance, document, report)


def is_running(project: Project, instance: str) -> bool:
    """Whether publishing it means to stop it first; a snapshot never runs.

    Raises:
        NotFoundError: there is none.
    """
    name, snapshot = _parts(instance)
    found = _instance(project, name, snapshot)
    return not snapshot and not _at_rest(found)


def _parts(instance: str) -> tuple[str, str]:
    name, _, snapshot = checked_name(instance, "an instance").partition("/")
    if not name or (snapshot and "/" in snapshot):
        raise InvalidRequestError(f"{instance!r} names neither an instance nor a snapshot (web, web/snap0)")
    return name, snapshot


def _published(project: Project, instance: str, document: Mapping[str, Any], report: Report) -> ImageRecord:
    # Instances and images may be in two projects: the server puts the image where it belongs.
    operation = project.start("POST", "/1.0/images", params={"project": project.instances}, json=dict(document))
    try:
        done = wait_or_cancel(project, operation, report, f"publishing {instance}", _GOES_ON)
    except NotFoundError as error:
        raise OperationFailedError(
            f"the server has forgotten how publishing {instance} ended; list the images", operation_id=operation.id
        ) from error
    except OperationFailedError as error:
        there = _image_of(project, document, error)
        if there is None:
            if project.info.cluster:
                error.add_note("The cluster may have the image all the same; look with images.all().")
            raise
        if project.info.cluster and is_from(project, operation, there):
            warn_of_copies(there.fingerprint, error, report)
            return there
        raise ImageExistsError(
            f"an image of {instance} as it is now is already there: {there.fingerprint[:12]}",
            fingerprint=there.fingerprint,
        ) from error
    if not done.fingerprint:
        raise OperationFailedError(f"publishing {instance} ended without an image", operation_id=done.id)
    try:
        return project.read(done.fingerprint)
    except NotFoundError as error:
        raise NotFoundError(f"the image {done.fingerprint[:12]} published from {instance} is gone again") from error


def _image_of(project: Project, document: Mapping[str, Any], error: OperationFailedError) -> ImageRecord | None:
    """The image that a failed publication speaks of; in a cluster the one that has its alias, which was free."""
    # Servers pack first and notice then; which image it is they say in their sentence alone.
    named = re.search(r"\b[0-9a-f]{64}\b", str(error.__dict__.get("reason", "")))
    if named is not None:
        return project.find(named[0])
    aliases = document["aliases"] if project.info.cluster else ()
    alias = project.find_alias(aliases[0]["name"]) if aliases else None
    return project.find(alias.target) if alias else None


def _at_rest(instance: Mapping[str, Any]) -> bool:
    return instance.get("status") in (None, "Stopped")


@contextmanager
def _stopped(project: Project, name: str, instance: Mapping[str, Any]) -> Iterator[None]:
    """Stop an instance for a while, as `lxc publish --force` does; it is started again whatever happens meanwhile.

    Source: PUT /1.0/instances/{name}/state.
    """
    if instance.get("ephemeral"):
        raise InvalidRequestError(
            f"the instance {name!r} is ephemeral: to stop it deletes it; publish a snapshot of it"
        )
    try:
        _put_state(project, name, "stop")
        yield
    except BaseException as error:
        try:
            if _at_rest(_instance(project, name, "")):
                _put_state(project, name, "start")
        except LxdImageError as failed:
            error.add_note(f"The instance {name} was stopped and could not be started again: {failed}")
        raise
    _put_state(project, name, "start")


def _put_state(project: Project, name: str, action: str) -> None:
    body = {"action": action, "timeout": -1, "force": action == "stop", "stateful": False}
    path = f"/1.0/instances/{quote(name, safe='')}/state"
    operation = project.start("PUT", path, params={"project": project.instances}, json=body)
    project.operations.wait(operation, what=f"the {action} of {name}")


def _instance(project: Project, name: str, snapshot: str) -> Mapping[str, Any]:
    """The instance or snapshot as the server describes it; where there is none Incus says so late, so it is asked."""
    path = f"/1.0/instances/{quote(name, safe='')}" + (f"/snapshots/{quote(snapshot, safe='')}" if snapshot else "")
    try:
        return project.request("GET", path, params={"project": project.instances}).document("an instance")
    except NotFoundError as error:
        what = f"snapshot {snapshot!r} of instance {name!r}" if snapshot else f"instance {name!r}"
        raise NotFoundError(f"no {what} in project {project.instances} on {project.url}", status_code=404) from error
