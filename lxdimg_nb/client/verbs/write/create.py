"""Import an image: inspect the files, hash, send in constant memory, wait, set what an upload cannot carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from lxdimg_nb.client.files.hashing import UploadHash
from lxdimg_nb.client.files.image_files import ImageFiles
from lxdimg_nb.client.files.progress import ProgressArgument, reporting
from lxdimg_nb.client.files.root_tarball import root_tarball
from lxdimg_nb.client.files.source import Data
from lxdimg_nb.client.http.request_body import UploadBody
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.read.listing import is_new_size
from lxdimg_nb.client.verbs.write.settings import Settings, free_aliases
from lxdimg_nb.client.verbs.write.wait import wait_for_import
from lxdimg_nb.errors import (
    ConflictError,
    ImageExistsError,
    InvalidRequestError,
    OperationCancelledError,
    ServerUnreachableError,
)
from lxdimg_nb.values import ImageRecord, Operation, Progress, short_fingerprint
from lxdimg_nb.values.validation import checked_names, checked_path

__all__ = ["Created", "create_image"]

# The answer to an upload may take so many times longer than others: the server writes the image to its disk.
PATIENCE = 20


@dataclass(frozen=True, slots=True)
class Created:
    """An imported image. With an operation the import is still running, and the record holds only what was sent."""

    record: ImageRecord
    operation: Operation | None = None


def create_image(
    project: Project,
    data: Data,
    settings: Settings,
    *,
    wait: bool,
    metadata: Data | None = None,
    type: str | None = None,
    filename: str | None = None,
    aliases: str | Iterable[str] = (),
    progress: ProgressArgument = None,
    exist_ok: bool = False,
) -> Created:
    """See `Images.create`. Source: POST /1.0/images."""
    if filename is not None:
        checked_path(filename)
    settings.check(project)
    if not wait and (settings.auto_update is not None or settings.profiles is not None):
        raise InvalidRequestError("auto_update and profiles are set when the image is there; use wait=True")
    names = checked_names(aliases, "an alias")
    with root_tarball(data, metadata, progress=progress) as given:
        files = ImageFiles.acceptable(*given, type)
        name = filename if filename is not None else files.name
        return _import(project, files, settings, names, name, wait=wait, progress=progress, exist_ok=exist_ok)


def _import(
    project: Project,
    files: ImageFiles,
    settings: Settings,
    names: Sequence[str],
    name: str,
    *,
    wait: bool,
    progress: ProgressArgument,
    exist_ok: bool,
) -> Created:
    wanted, taken = list(names), None
    try:
        wanted = free_aliases(project, wanted)
    except ConflictError as error:
        if not (exist_ok and files.rereadable):
            raise
        taken = error  # perhaps by the same image
    with_token = not wait and bool(wanted or settings.properties is not None or settings.expires_at is not None)
    if with_token and files.properties is None:
        raise InvalidRequestError(
            "properties, aliases and expires_at cannot go along with this image, whose metadata.yaml cannot be "
            "read here; use wait=True"
        )

    with reporting(progress, name) as report, UploadHash(files.sources, project.hashes) as sha256:
        # An image that may exist already is hashed first; any other while it is sent or while the server works.
        fingerprint = sha256.before_sending(
            lambda done: report(Progress("hash", done, files.size)),
            lambda: bool(taken or with_token or (files.rereadable and not is_new_size(project, files.size))),
        )
        there = project.find(fingerprint) if fingerprint else None
        if there is not None and not exist_ok:
            raise ImageExistsError(
                f"the image {short_fingerprint(fingerprint)} is already there; nothing was sent "
                "(exist_ok=True returns it)",
                fingerprint=fingerprint,
            )
        own = {alias.name for alias in there.aliases} if there is not None else set()
        if taken and (there is None or any(alias not in own and project.has_alias(alias) for alias in wanted)):
            raise taken
        if there is not None:
            return Created(there)

        body = UploadBody(
            files.sources,
            lambda done: report(Progress("send", done, files.size)),
            sha256,
            virtual_machine=files.virtual_machine,
            filename=name,
            sendfile=project.transport.can_sendfile,
        )
        token = settings.token(fingerprint, name, files.properties or {}, wanted) if with_token else None
        operation = _send(project, body, settings, fingerprint, token)

        if not wait:
            raw = {"fingerprint": sha256.result(), "size": files.size or 0, "public": settings.public}
            return Created(ImageRecord(raw, project.name), operation)
        try:
            record = wait_for_import(project, operation, sha256.result, report)
        except ImageExistsError as error:
            if not exist_ok:
                raise
            return Created(project.read(error.fingerprint))
    return Created(settings.apply(project, record, wanted))


def _send(
    project: Project,
    body: UploadBody,
    settings: Settings,
    fingerprint: str,
    token: Mapping[str, Any] | None,
) -> Operation:
    """Stream the content; returns the server's operation.

    Args:
        token: the request for an upload token, with which the server sets aliases, properties and expiry as well.

    Raises:
        ServerUnreachableError: the connection broke; the server keeps nothing of a body it did not get whole.

    Source: POST /1.0/images; with a token once more before it, source.mode push.
    """
    secret = project.start_token("/1.0/images", json=dict(token)).secret if token else ""
    values = {"public": "true" if settings.public else "false", "fingerprint": fingerprint, "secret": secret}
    values["filename"] = body.filename
    if settings.profiles is not None and project.dialect.profiles_on_upload and not secret:
        values["profiles"] = urlencode([("profile", name) for name in settings.profiles])
    headers = project.dialect.headers({name: value for name, value in values.items() if value})
    try:
        return project.start(
            "POST",
            "/1.0/images",
            body=body,
            headers={"Content-Type": body.content_type, **headers},
            timeout=PATIENCE * project.transport.timeout,
        )
    except (ServerUnreachableError, OperationCancelledError, KeyboardInterrupt) as error:
        if body.complete:
            error.add_note("All of it was sent, so the server may have the image all the same.")
        elif isinstance(error, KeyboardInterrupt):
            error.add_note("The server keeps nothing of an upload that breaks off.")
        raise
    finally:
        body.close()
