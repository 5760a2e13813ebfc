"""Import an image from a simplestreams server or a URL, fetched by the server or by the client."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.parse import unquote, urlsplit

from lxdimg_nb.client.config.remotes import find_remote
from lxdimg_nb.client.files.progress import ProgressArgument, Report, reporting
from lxdimg_nb.client.files.temporary_folder import temporary_folder
from lxdimg_nb.client.http.endpoint import read_pem
from lxdimg_nb.client.http.web_client import WebClient
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.read.listing import list_records
from lxdimg_nb.client.verbs.write.create import create_image
from lxdimg_nb.client.verbs.write.settings import Settings, free_aliases
from lxdimg_nb.client.verbs.write.wait import remove_made, wait_or_cancel
from lxdimg_nb.errors import (
    FingerprintMismatchError,
    ImageExistsError,
    InvalidImageError,
    InvalidRequestError,
    LxdImageError,
    NotFoundError,
    OperationFailedError,
    UnexpectedReplyError,
)
from lxdimg_nb.text import formats
from lxdimg_nb.text.secret import hide_address, shown_address
from lxdimg_nb.values import FINGERPRINT, ImageRecord, Operation, Progress
from lxdimg_nb.values.validation import checked_name, checked_names

__all__ = ["MAX_SIZE", "fetch_from_simplestreams", "fetch_from_url"]

BLOCK = 1024 * 1024
# Disk space to leave free.
SPARE = 64 * BLOCK
MAX_SIZE = 64 * 1024**3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GOES_ON = "The server goes on fetching it and cannot be stopped; look with images.all(), delete what you do not want."


def fetch_from_simplestreams(
    project: Project,
    server: str,
    alias: str,
    settings: Settings,
    *,
    type: str | None = None,
    server_cert: str | os.PathLike[str] | None = None,
    aliases: str | Iterable[str] = (),
    progress: ProgressArgument = None,
    exist_ok: bool = False,
) -> ImageRecord:
    """See `Images.create_from_simplestreams`. Source: POST /1.0/images, source.type image."""
    checked_name(alias, "an image")
    url, pinned = _catalogue_address(checked_name(server, "a server"))
    if type not in (None, "container", "virtual-machine"):
        raise InvalidRequestError(f"an image's type is container or virtual-machine, not {type!r}")
    source: dict[str, Any] = {"type": "image", "mode": "pull", "protocol": "simplestreams", "server": url}
    source["fingerprint" if FINGERPRINT.fullmatch(alias) else "alias"] = alias
    if type is not None:
        source["image_type"] = type
    if server_cert is not None or pinned:
        source["certificate"] = read_pem(server_cert if server_cert is not None else pinned)
    settings.check(project)
    if exist_ok and (there := _fetched_before(project, source)) is not None:
        own = {found.name for found in there.aliases}
        free_aliases(project, [name for name in checked_names(aliases, "an alias") if name not in own])
        return there
    free = free_aliases(project, aliases)
    with reporting(progress, alias[:40]) as report:
        record, _ = _by_server(project, source, settings, report)
    return settings.apply(project, record, free)


def _fetched_before(project: Project, source: Mapping[str, Any]) -> ImageRecord | None:
    """The image that the server has from that source, of several the newest; None when there is none."""
    if "fingerprint" in source:
        return project.find(source["fingerprint"])
    wanted = (source["server"].rstrip("/"), "simplestreams", source["alias"], source.get("image_type", "container"))
    found = [
        record
        for record in list_records(project)
        if (origin := record.update_source) is not None
        and (origin.server.rstrip("/"), origin.protocol, origin.alias, record.type) == wanted
    ]
    return max(found, key=lambda record: (record.created_at or _EPOCH, record.fingerprint), default=None)


def fetch_from_url(
    project: Project,
    url: str,
    settings: Settings,
    *,
    sha256: str | None = None,
    by: Literal["auto", "client", "server"] = "auto",
    server_cert: str | os.PathLike[str] | None = None,
    max_size: int = MAX_SIZE,
    aliases: str | Iterable[str] = (),
    progress: ProgressArgument = None,
    exist_ok: bool = False,
) -> ImageRecord:
    """See `Images.create_from_url`. Source: POST /1.0/images, source.type url."""
    if by not in ("auto", "client", "server"):
        raise InvalidRequestError(f"a URL is fetched by auto, client or server, not by {by!r}")
    if urlsplit(checked_name(url, "an address")).scheme not in ("https", "http"):
        raise InvalidRequestError(f"{url[:200]!r} is no address on the web; write https://host/file")
    if sha256 is not None:
        sha256 = sha256.lower()
        if not FINGERPRINT.fullmatch(sha256):
            raise InvalidRequestError("sha256 has 64 hexadecimal digits")
        there = project.find(sha256)
        if there is not None:
            if exist_ok:
                return there
            raise ImageExistsError(
                f"the image {sha256[:12]} is already there; nothing was fetched (exist_ok=True returns it)",
                fingerprint=sha256,
            )
    if by == "auto":
        by = "client" if sha256 is not None or not project.dialect.url_source else "server"
    if by == "client":
        if settings.auto_update:
            raise InvalidRequestError("what the client fetched has no source to be updated from; use by='server'")
        name = Path(unquote(urlsplit(url).path)).name
        with reporting(progress, name[:40]) as report, temporary_folder("url") as folder:
            path = folder / "image"
            _download(url, path, sha256, server_cert, max_size, report)
            return create_image(
                project,
                path,
                replace(settings, auto_update=None),
                wait=True,
                filename=name,
                aliases=aliases,
                progress=report,
                exist_ok=exist_ok,
            ).record
    if not project.dialect.url_source:
        raise InvalidRequestError("this server does not fetch from URLs; use by='client'")
    settings.check(project)
    free = free_aliases(project, aliases)
    with reporting(progress) as report:
        try:
            record, done = _by_server(project, {"type": "url", "url": url}, settings, report)
        except OperationFailedError as error:
            error.add_note("Most web servers do not send what a server wants there; by='client' needs none of it.")
            raise
    if sha256 is not None and record.fingerprint != sha256:
        remove_made(project, done)
        raise _other_file(sha256, record.fingerprint)
    return settings.apply(project, record, free)


def _catalogue_address(server: str) -> tuple[str, str]:
    """The URL for a name or URL, and the path of the certificate that the name goes with."""
    if "://" in server:
        url = hide_address(server.removeprefix("simplestreams+"))
        if not url.startswith("https://"):
            raise InvalidRequestError("a simplestreams server is an https address, or a remote's name")
        if shown_address(url) != url:
            raise InvalidRequestError(
                "an address with a password or a query stays with the image, and the server would show it to all; "
                "leave that out, or use image.copy() from there"
            )
        return url, ""
    remote = find_remote(server.removesuffix(":"))
    if remote.protocol != "simplestreams" or not remote.addresses:
        raise InvalidRequestError(f"the remote {server} is no simplestreams server; use image.copy() from it")
    if remote.userinfo:
        raise InvalidRequestError(f"{server} wants a password, which the server would show to all; use image.copy()")
    return remote.addresses[0], remote.server_cert


def _by_server(
    project: Project, source: Mapping[str, Any], settings: Settings, report: Report
) -> tuple[ImageRecord, Operation]:
    """Have the server fetch: the image, and the operation that made it."""
    document = {"source": dict(source), "public": settings.public, "auto_update": bool(settings.auto_update)}
    operation = project.start("POST", "/1.0/images", json=document)
    try:
        done = wait_or_cancel(project, operation, report, "fetching the image", _GOES_ON)
    except NotFoundError as error:
        raise OperationFailedError(
            "the server has forgotten how its fetching ended; list the images", operation_id=operation.id
        ) from error
    if not done.fingerprint:
        raise OperationFailedError("the server's fetching ended without an image", operation_id=done.id)
    return project.read(done.fingerprint), done


def _download(
    url: str,
    path: Path,
    sha256: str | None,
    server_cert: str | os.PathLike[str] | None,
    max_size: int,
    report: Report,
) -> None:
    web = WebClient(url, pinned=read_pem(server_cert) if server_cert is not None else "")
    digest = hashlib.sha256()
    try:
        with web.open() as stream, path.open("xb") as file:
            if stream.status_code != 200:
                raise UnexpectedReplyError(f"{web.url} answers {stream.status_code} where a whole file was asked for")
            _check_size(web.url, stream.length or 0, max_size)
            _check_space(path, stream.length or 0)
            while chunk := stream.read(BLOCK):
                digest.update(chunk)
                _written(file, chunk)
                if stream.received % (64 * BLOCK) < len(chunk):
                    _check_space(path, 0)
                _check_size(web.url, stream.received, max_size)
                report(Progress("receive", stream.received, stream.length))
    finally:
        web.close()
    if sha256 is not None and digest.hexdigest() != sha256:
        raise _other_file(sha256, digest.hexdigest())


def _written(file: BinaryIO, chunk: bytes) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        raise InvalidRequestError(f"cannot write to the disk: {error.strerror}") from error


def _check_size(url: str, size: int, max_size: int) -> None:
    if size > max_size:
        raise InvalidImageError(f"{url} has more than {formats.size(max_size)}; nothing was imported (max_size=…)")


def _check_space(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < needed + SPARE:
        raise InvalidRequestError(
            f"{path.parent.parent} has {formats.size(free)} free, too little for the file; TMPDIR names another folder"
        )


def _other_file(expected: str, actual: str) -> LxdImageError:
    return FingerprintMismatchError(
        f"the file at that URL has the SHA-256 {actual[:12]}…, not {expected[:12]}…; nothing was kept",
        expected=expected,
        actual=actual,
    )
