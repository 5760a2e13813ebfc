"""Images made from what lies elsewhere: in a simplestreams catalogue, fetched by the server, or behind a URL."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal
from urllib.parse import unquote, urlsplit

from lxdimg_nb.client.config.remotes import find_remote
from lxdimg_nb.client.files.progress import ProgressArgument, Report, reporting
from lxdimg_nb.client.http.endpoint import read_pem
from lxdimg_nb.client.http.web_client import WebClient
from lxdimg_nb.client.image_attributes import checked_properties, moment
from lxdimg_nb.client.verbs.finish_import import checked_aliases, follow_up, wanted_profiles
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
from lxdimg_nb.values import FINGERPRINT, Progress
from lxdimg_nb.values.validation import checked

if TYPE_CHECKING:
    from lxdimg_nb.client.image import Image
    from lxdimg_nb.client.images import Images

__all__ = ["from_simplestreams", "from_url"]

BLOCK = 1024 * 1024
# Left on the disk beside the file.
SPARE = 64 * BLOCK
MAX_SIZE = 64 * 1024**3


def from_simplestreams(
    images: Images,
    server: str,
    alias: str,
    public: bool = False,
    auto_update: bool = False,
    *,
    type: str | None = None,
    server_cert: str | os.PathLike[str] | None = None,
    properties: Mapping[str, str] | None = None,
    aliases: str | Iterable[str] = (),
    expires_at: datetime | str | None = None,
    profiles: Sequence[str] | None = None,
    progress: ProgressArgument = None,
) -> Image:
    """Have the server fetch an image from a simplestreams server. It can be refreshed from there later.

    An image that is there already is kept, and gets the settings named here. Servers remember a catalogue for
    about an hour, so the newest build may come later to them than to `connect("ubuntu")`.

    Args:
        server: `https://cloud-images.ubuntu.com/releases`, or the name of such a remote: `ubuntu`.
        alias: as the catalogue has it, for example `24.04` or `24.04/arm64`; or a full fingerprint, which
            cannot be refreshed.
        public: visible without authentication.
        auto_update: let the server fetch newer builds on its own.
        type: `container` or `virtual-machine`; None is the server's choice: container.
        server_cert: the simplestreams server's certificate, where authorities do not know it: a path or PEM text.
        properties: added to those of the catalogue.
        aliases: names for it here.
        expires_at, profiles: as the attributes of `Image`.
        progress: True for a bar, or a callable.

    Raises:
        OperationFailedError: the server could not fetch it: no such alias, or the files are not what was announced.
        ConflictError: an alias is taken; nothing was fetched.

    Source: POST /1.0/images, source.type image, protocol simplestreams.
    """
    checked(alias, "an image")
    url, pinned = _catalogue_address(checked(server, "a server"))
    if type not in (None, "container", "virtual-machine"):
        raise InvalidRequestError(f"an image's type is container or virtual-machine, not {type!r}")
    source: dict[str, Any] = {"type": "image", "mode": "pull", "protocol": "simplestreams", "server": url}
    source["fingerprint" if FINGERPRINT.fullmatch(alias) else "alias"] = alias
    if type is not None:
        source["image_type"] = type
    if server_cert is not None or pinned:
        source["certificate"] = read_pem(os.fspath(server_cert if server_cert is not None else pinned))
    settings = _Settings(images, public, auto_update, properties, aliases, expires_at, profiles)
    with reporting(progress, alias[:40]) as report:
        fingerprint = _by_server(images, source, public, auto_update, report)
    return settings.apply(fingerprint)


def from_url(
    images: Images,
    url: str,
    public: bool = False,
    auto_update: bool = False,
    *,
    sha256: str | None = None,
    by: Literal["auto", "client", "server"] = "auto",
    server_cert: str | os.PathLike[str] | None = None,
    max_size: int = MAX_SIZE,
    properties: Mapping[str, str] | None = None,
    aliases: str | Iterable[str] = (),
    expires_at: datetime | str | None = None,
    profiles: Sequence[str] | None = None,
    progress: ProgressArgument = None,
    exist_ok: bool = False,
) -> Image:
    """Make an image of a file on the web.

    Args:
        url: of a unified image. By the client, `https://` only: redirects are followed to https, and never from
            a public host to a private one.
        public: visible without authentication.
        auto_update: let the server look for newer ones, where it fetches itself.
        sha256: what the file must be, 64 hexadecimal digits: its fingerprint. None takes what comes.
        by: `client` fetches here, checks and imports; `server` has the server fetch, which wants the web server
            to send `LXD-Image-Hash` and `LXD-Image-URL` (Incus: `Incus-Image-…`), and is gone from LXD 6.9 on.
            `auto` is the client when `sha256` is given or the server cannot, else the server.
        server_cert: the web server's certificate, for the client: a path or PEM text.
        max_size: bytes; the client stops at more.
        properties, aliases, expires_at, profiles, progress, exist_ok: as in `create()`.

    Raises:
        FingerprintMismatchError: another file than `sha256` says; nothing was imported.
        ImageExistsError: it is there already.
        NotFoundError, ApiError, ServerUnreachableError: the web server's answer, or silence.
        OperationFailedError: the server could not fetch it.

    Source: POST /1.0/images, source.type url (LXD to 6.8, Incus; CVE-2026-28385).
    """
    if by not in ("auto", "client", "server"):
        raise InvalidRequestError(f"a URL is fetched by auto, client or server, not by {by!r}")
    if urlsplit(checked(url, "an address")).scheme not in ("https", "http"):
        raise InvalidRequestError(f"{url[:200]!r} is no address on the web; write https://host/file")
    if sha256 is not None:
        sha256 = sha256.lower()
        if not FINGERPRINT.fullmatch(sha256):
            raise InvalidRequestError("sha256 has 64 hexadecimal digits")
        if images.exists(sha256):
            return _already(images, sha256, exist_ok)
    if by == "auto":
        by = "client" if sha256 is not None or not images.dialect.url_source else "server"
    if by == "client":
        if auto_update:
            raise InvalidRequestError("what the client fetched has no source to be updated from; use by='server'")
        name = Path(unquote(urlsplit(url).path)).name
        with (
            reporting(progress, name[:40]) as report,
            tempfile.TemporaryDirectory(prefix="lxdimg-url-") as folder,
        ):
            path = Path(folder) / "image"
            _download(url, path, sha256, server_cert, max_size, report)
            return images.create(
                path,
                public,
                True,
                filename=name,
                properties=properties,
                aliases=aliases,
                expires_at=expires_at,
                profiles=profiles,
                progress=report,
                exist_ok=exist_ok,
            )
    if not images.dialect.url_source:
        raise InvalidRequestError("this server does not fetch from URLs; use by='client'")
    settings = _Settings(images, public, auto_update, properties, aliases, expires_at, profiles)
    with reporting(progress) as report:
        try:
            fingerprint = _by_server(images, {"type": "url", "url": url}, public, auto_update, report)
        except OperationFailedError as error:
            error.add_note("Most web servers do not send what a server wants there; by='client' needs none of it.")
            raise
    if sha256 is not None and fingerprint != sha256:
        images.delete(fingerprint)
        raise _other_file(sha256, fingerprint)
    return settings.apply(fingerprint)


class _Settings:
    """What is set when the image is there; checked before it is fetched."""

    def __init__(
        self,
        images: Images,
        public: bool,
        auto_update: bool,
        properties: Mapping[str, str] | None,
        aliases: str | Iterable[str],
        expires_at: datetime | str | None,
        profiles: Sequence[str] | None,
    ) -> None:
        if public:
            images.dialect.check_public(images.project)
        self._images = images
        self._public = bool(public)
        self._auto_update = bool(auto_update)
        self._properties = checked_properties(properties) if properties is not None else None
        self._expires_at = moment(expires_at)
        self._profiles = wanted_profiles(images, profiles)
        self._aliases = checked_aliases(images, aliases)

    def apply(self, fingerprint: str) -> Image:
        """Set it; returns the image."""
        follow_up(
            self._images,
            fingerprint,
            self._aliases,
            self._properties,
            self._auto_update,
            self._expires_at,
            self._profiles,
            self._public,
        )
        return self._images.image(self._images.read(fingerprint))


def _catalogue_address(server: str) -> tuple[str, str]:
    """The URL for a name or URL, and the path of the certificate that the name goes with."""
    if "://" in server:
        url = server.removeprefix("simplestreams+")
        if not url.startswith("https://"):
            raise InvalidRequestError("a simplestreams server is an https address, or a remote's name")
        return url, ""
    remote = find_remote(server.removesuffix(":"))
    if remote.protocol != "simplestreams" or not remote.addresses:
        raise InvalidRequestError(f"the remote {server} is no simplestreams server; use image.copy() from it")
    if remote.userinfo:
        raise InvalidRequestError(f"{server} wants a password, which the server would show to all; use image.copy()")
    return remote.addresses[0], remote.server_cert


def _by_server(images: Images, source: Mapping[str, Any], public: bool, auto_update: bool, report: Report) -> str:
    """Have the server fetch; returns the fingerprint."""
    document = {"source": dict(source), "public": bool(public), "auto_update": bool(auto_update)}
    reply = images.transport.request("POST", "/1.0/images", params=images.params, json=document)
    operation = images.operations.started(reply)
    try:
        done = images.operations.wait(operation, progress=report)
    except NotFoundError as error:
        raise OperationFailedError(
            "the server has forgotten how its fetching ended; list the images", operation_id=operation.id
        ) from error
    if not done.fingerprint:
        raise OperationFailedError("the server's fetching ended without an image", operation_id=done.id)
    return done.fingerprint


def _already(images: Images, fingerprint: str, exist_ok: bool) -> Image:
    if exist_ok:
        return images.image(images.read(fingerprint))
    raise ImageExistsError(
        f"the image {fingerprint[:12]} is already there; nothing was fetched (exist_ok=True returns it)",
        fingerprint=fingerprint,
    )


def _download(
    url: str,
    path: Path,
    sha256: str | None,
    server_cert: str | os.PathLike[str] | None,
    max_size: int,
    report: Report,
) -> None:
    web = WebClient(url, pinned=read_pem(os.fspath(server_cert)) if server_cert is not None else "")
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
