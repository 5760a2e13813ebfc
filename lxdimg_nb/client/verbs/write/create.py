"""Importing an image: look at the files, hash, send in constant memory, wait, set what an upload cannot carry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from lxdimg_nb.client.files.hashing import BackgroundHash
from lxdimg_nb.client.files.image_files import QUICK_LOOK, ImageFiles
from lxdimg_nb.client.files.progress import ProgressArgument, Report, reporting
from lxdimg_nb.client.files.source import Data
from lxdimg_nb.client.http.request_body import Content, MultipartForm, UploadBody, header_filename
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.read.listing import known_fingerprints, list_records
from lxdimg_nb.client.verbs.write.settings import Settings, free_aliases
from lxdimg_nb.client.verbs.write.wait import wait_for_import
from lxdimg_nb.errors import (
    ConflictError,
    ImageExistsError,
    InvalidRequestError,
    LxdImageError,
    ServerUnreachableError,
)
from lxdimg_nb.values import ImageRecord, Operation, Progress, format_time
from lxdimg_nb.values.validation import checked_names, checked_path

__all__ = ["Created", "create_image"]

# How much longer than any other answer that of an upload may take: the server still writes it to its disk.
PATIENCE = 20
# From this size on a file is worth asking whether its size alone says that it is not there yet.
WORTH_ASKING = 64 * 1024 * 1024
# Listing so many images costs less than hashing 64 MiB.
CHEAP_LISTING = 30


@dataclass(frozen=True, slots=True)
class Created:
    """An imported image; with an operation the server is still at it, and the record is what was promised."""

    record: ImageRecord
    operation: Operation | None = None


def create_image(
    project: Project,
    data: Data,
    public: bool = False,
    wait: bool = False,
    *,
    metadata: Data | None = None,
    type: str | None = None,
    filename: str | None = None,
    properties: Mapping[str, str] | None = None,
    aliases: str | Iterable[str] = (),
    auto_update: bool | None = None,
    expires_at: datetime | str | None = None,
    profiles: Sequence[str] | None = None,
    progress: ProgressArgument = None,
    exist_ok: bool = False,
) -> Created:
    """See `Images.create`. Source: POST /1.0/images."""
    if filename is not None:
        checked_path(filename)
    settings = Settings.checked(
        project,
        public=public,
        auto_update=auto_update,
        properties=properties,
        expires_at=expires_at,
        profiles=profiles,
    )
    if not wait and (auto_update is not None or profiles is not None):
        raise InvalidRequestError("auto_update and profiles are set when the image is there; use wait=True")
    files = ImageFiles.of(data, metadata, type, limit=QUICK_LOOK)
    try:
        free = free_aliases(project, aliases)
    except ConflictError:
        there = _same_image(project, files, checked_names(aliases, "an alias"), progress) if exist_ok else None
        if there is None:
            raise
        return Created(there)
    name = filename if filename is not None else files.sources[-1].name
    files.refuse_problems()
    with reporting(progress, name) as report:
        upload = _Upload(project, files, name, settings, report)
        try:
            if wait:
                operation = upload.send()
                record = wait_for_import(project, operation, upload.fingerprint, report)
            elif free or properties is not None or settings.expires_at is not None:
                operation = upload.send_with_token(free)
            else:
                operation = upload.send()
            if not wait:
                raw = {"fingerprint": upload.fingerprint(), "size": files.size or 0, "public": public}
                return Created(ImageRecord(raw, project.name), operation)
        except ImageExistsError as error:
            if not exist_ok:
                raise
            return Created(project.read(error.fingerprint))
        finally:
            upload.close()
    return Created(settings.apply(project, record, free))


def _same_image(
    project: Project, files: ImageFiles, wanted: list[str], progress: ProgressArgument
) -> ImageRecord | None:
    """The image, when it is there already and whichever of the names are taken are its own."""
    if not files.rereadable:
        return None
    with reporting(progress) as report:
        fingerprint = files.fingerprint(_hashing(files, report), project.hashes)
    if not project.holds(fingerprint):
        return None
    record = project.read(fingerprint)
    own = {alias.name for alias in record.aliases}
    return record if all(name in own or not project.has_alias(name) for name in wanted) else None


def _hashing(files: ImageFiles, report: Report) -> Callable[[int], None]:
    return lambda done: report(Progress("hash", done, files.size))


class _Upload:
    """Sends the files of one image; `fingerprint()` tells afterwards what was sent."""

    def __init__(self, project: Project, files: ImageFiles, filename: str, settings: Settings, report: Report) -> None:
        self._project = project
        self._files = files
        self._filename = filename
        self._settings = settings
        self._report = report
        self._known = ""
        self._digest: BackgroundHash | None = None

    def send(self) -> Operation:
        """Stream the content; returns the server's operation.

        What is or may be there already is hashed first; anything else while it is sent, or while the server works
        on it, for which it takes longer than we do (LXD 5.0.2: threefold).

        Raises:
            ImageExistsError: it is there already; nothing was sent.
            ServerUnreachableError: the connection broke; the server keeps nothing of a body it did not get whole.
        """
        files = self._files
        if files.rereadable and (files.hashed_before(self._project.hashes) or not self._size_is_new()):
            self._hash_first()
        headers = {"public": "true" if self._settings.public else "false"}
        profiles = self._settings.profiles
        if profiles is not None and self._project.dialect.profiles_on_upload:
            headers["profiles"] = urlencode([("profile", name) for name in profiles])
        return self._post(headers)

    def send_with_token(self, aliases: Sequence[str]) -> Operation:
        """As `send`, under a token with which the server sets names, properties and expiry in one go.

        Raises:
            InvalidRequestError: the image's own properties, which a token replaces, cannot be read here.

        Source: POST /1.0/images, source.mode push, then the upload with the secret and fingerprint headers.
        """
        files, settings = self._files, self._settings
        if not files.rereadable or files.verdicts[0].metadata is None:
            raise InvalidRequestError(
                "properties, aliases and expires_at cannot go along with this image, whose metadata.yaml cannot be "
                "read here; use wait=True"
            )
        self._hash_first()
        properties = {**files.verdicts[0].properties, **(settings.properties or {})}
        document: dict[str, object] = {
            "source": {"type": "image", "mode": "push", "fingerprint": self._known},
            "public": settings.public,
            "filename": self._filename,
            "properties": {key: value for key, value in properties.items() if value},
            "aliases": [{"name": name, "description": ""} for name in aliases],
        }
        if settings.expires_at is not None:
            document["expires_at"] = format_time(settings.expires_at)
        token = self._project.start("POST", "/1.0/images", json=document)
        return self._post({"public": "true" if settings.public else "false", "secret": token.secret})

    def fingerprint(self) -> str:
        """What was sent, as the server will name it; waits while it is being computed."""
        if self._digest is not None:
            self._known = self._digest.result()
        return self._known

    def close(self) -> None:
        """Stop computing what nobody waits for any more."""
        if self._digest is not None:
            self._digest.stop()

    def _hash_first(self) -> None:
        fingerprint = self._files.fingerprint(_hashing(self._files, self._report), self._project.hashes)
        if self._project.holds(fingerprint):
            raise ImageExistsError(
                f"the image {fingerprint[:12]} is already there; nothing was sent (exist_ok=True returns it)",
                fingerprint=fingerprint,
            )
        self._known = fingerprint

    def _size_is_new(self) -> bool:
        """Whether no image of this size is there, so that it can be sent while it is hashed.

        Asked only for large files on servers with few images, where the answer is cheaper than a hash.
        """
        size = self._files.size
        if size is None or size < WORTH_ASKING:
            return False
        try:
            if len(known_fingerprints(self._project)) > CHEAP_LISTING * size / WORTH_ASKING:
                return False
            return all(record.size != size for record in list_records(self._project))
        except LxdImageError:
            return False

    def _post(self, headers: dict[str, str]) -> Operation:
        files, transport = self._files, self._project.transport
        parts: list[bytes | Content] = [*files.sources]
        content_type = "application/octet-stream"
        if self._known:
            headers["fingerprint"] = self._known
        if files.split:
            framing = MultipartForm(*files.sources, virtual_machine=files.virtual_machine, filename=self._filename)
            parts, content_type = framing.parts, framing.content_type
        elif said := header_filename(self._filename):
            headers["filename"] = said
        # Files are hashed by a thread while the server works, streams as they are read.
        beside = not self._known and all(source.parallel for source in files.sources)
        body = UploadBody(
            parts,
            lambda done: self._report(Progress("send", done, files.size)),
            hashed=not self._known and not beside,
            sendfile=transport.can_sendfile,
        )
        try:
            operation = self._project.start(
                "POST",
                "/1.0/images",
                body=body,
                headers={"Content-Type": content_type, **self._project.dialect.headers(headers)},
                timeout=PATIENCE * transport.timeout,
            )
        except ServerUnreachableError as error:
            if body.complete:
                error.add_note("All of it was sent, so the server may have the image all the same.")
            raise
        finally:
            body.close()
        if beside:
            self._digest = BackgroundHash(files.sources)
        elif not self._known:
            self._known = body.hexdigest()
        return operation
