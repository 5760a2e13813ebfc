"""A simplestreams server as an image server: read-only, answered out of its catalogue.

`CatalogueTransport` stands where a connection to LXD or Incus would stand and answers the reading part of
their REST API, so that `Images`, `Image`, frames, panels and exports work on a catalogue as they are. Whatever
would write is refused before anything is sent.
"""

from __future__ import annotations

import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn
from urllib.parse import unquote

from lxdimg_nb.client.client import Client
from lxdimg_nb.client.http.endpoint import Endpoint
from lxdimg_nb.client.http.transport import READ_TIMEOUT, Body, Reply, Stream, Transport
from lxdimg_nb.client.http.web_client import WebClient
from lxdimg_nb.client.image import Image
from lxdimg_nb.client.images import Images
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.simplestreams.catalogue import Build, Catalogue, File, Problems, read_index, read_products
from lxdimg_nb.client.simplestreams.downloads import FileStream, multipart_body, read_verified
from lxdimg_nb.errors import (
    ApiError,
    NotAllowedError,
    NotFoundError,
    UnexpectedReplyError,
)
from lxdimg_nb.values import ServerInfo

__all__ = ["CatalogueClient", "connect"]

INDEX = "streams/v1/index.json"
# The catalogue of a public server changes a few times a day; lxc and incus keep it as long.
FRESH_SECONDS = 3600.0
# Together; the largest public ones have some tens of MB.
MAX_BYTES = 256 * 1024 * 1024
MAX_SECONDS = 300.0
# LXD strips this from the aliases of Ubuntu's own server.
_DEFAULT_OS = {"cloud-images.ubuntu.com": "ubuntu"}
_PREFIX = re.compile(r"^[0-9a-f]{1,64}$")
_RANGE = re.compile(r"^bytes=(\d{1,18})-$")


@dataclass(frozen=True, slots=True)
class _Kept:
    """A products file as it was read, and what tells whether it has changed."""

    builds: list[Build]
    problems: tuple[str, ...]
    etag: str
    modified: str


class CatalogueTransport(Transport):
    """Answers GET requests of the image API out of a catalogue, which it fetches when first asked."""

    def __init__(self, web: WebClient, *, default_os: str = "", pinned: str = "") -> None:
        # Other servers that are to fetch from here are told which certificate to accept.
        super().__init__(Endpoint(base="", pinned=pinned))
        self.web = web
        self._default_os = default_os
        self._loading = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._catalogue: Catalogue | None = None
        self._read_at = 0.0

    @property
    def url(self) -> str:
        return self.web.url

    def close(self) -> None:
        self.web.close()

    def catalogue(self, *, reload: bool = False) -> Catalogue:
        """The catalogue, not older than an hour.

        Args:
            reload: ask the server also when it is younger; unchanged files are not sent twice.

        Raises:
            ServerUnreachableError, ApiError: it cannot be had.
            UnexpectedReplyError: it is no simplestreams catalogue, or larger or slower than one can be.
        """
        with self._loading:
            if self._catalogue is None or reload or time.monotonic() - self._read_at > FRESH_SECONDS:
                self._catalogue = self._fetched()
                self._read_at = time.monotonic()
            return self._catalogue

    def _fetched(self) -> Catalogue:
        end, left = time.monotonic() + MAX_SECONDS, MAX_BYTES
        content, _ = self.web.read(INDEX, limit=left, seconds=MAX_SECONDS)
        left -= len(content or b"")
        kept: dict[str, _Kept] = {}
        for path in read_index(content or b""):
            old = self._kept.get(path)
            conditions = {"If-None-Match": old.etag, "If-Modified-Since": old.modified} if old else {}
            sent = {name: value for name, value in conditions.items() if value}
            content, headers = self.web.read(path, limit=left, seconds=max(1.0, end - time.monotonic()), headers=sent)
            if content is None:
                if old is None:
                    raise UnexpectedReplyError(f"{self.url} calls {path} unchanged, which it had not sent before")
                kept[path] = old
                continue
            left -= len(content)
            problems = Problems()
            builds = read_products(content, problems)
            etag, modified = headers.get("Etag", ""), headers.get("Last-Modified", "")
            kept[path] = _Kept(builds, tuple(problems.texts), etag, modified)
        if self._catalogue is not None and kept == self._kept:
            return self._catalogue
        self._kept = kept
        return Catalogue(
            (build for file in kept.values() for build in file.builds),
            default_os=self._default_os,
            problems=(text for file in kept.values() for text in file.problems),
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,  # noqa: ARG002
        body: Body | bytes | None = None,  # noqa: ARG002
        headers: Mapping[str, str] | None = None,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
    ) -> Reply:
        """What a server would answer to a reading request; anything else is refused."""
        if method != "GET":
            raise self.refusal()
        project = (params or {}).get("project", "default")
        if project != "default":
            raise NotFoundError(f"a simplestreams server has no projects, so no {project!r}", status_code=404)
        answers: dict[str, Callable[[], Any]] = {
            "/1.0/images": self._images,
            "/1.0/images/aliases": self._aliases,
            "/1.0/projects": lambda: [{"name": "default", "config": {}}],
            "/1.0/projects/default": lambda: {"used_by": [f"/1.0/images/{f}" for f in self.catalogue().builds]},
            "/1.0/operations": dict,
            "/1.0/instances": list,
        }
        if path in answers:
            return Reply(answers[path](), 200)
        if path.startswith("/1.0/images/aliases/"):
            return Reply(self._alias(unquote(path.removeprefix("/1.0/images/aliases/"))), 200)
        if path.startswith("/1.0/images/"):
            return Reply(self._image(unquote(path.removeprefix("/1.0/images/"))), 200)
        raise NotFoundError(f"a simplestreams server has no {path[:100]}", status_code=404)

    def _images(self) -> list[Mapping[str, Any]]:
        return [record.raw for record in self.catalogue().records.values()]

    def _aliases(self) -> list[dict[str, str]]:
        return [self._alias(name) for name in self.catalogue().alias_names()]

    def _alias(self, name: str) -> dict[str, str]:
        catalogue = self.catalogue()
        target = catalogue.target(name)
        if not target:
            raise NotFoundError(f"no alias {name[:100]!r} on {self.url}", status_code=404)
        return {"name": name, "target": target, "description": "", "type": catalogue.records[target].type}

    def _image(self, prefix: str) -> Mapping[str, Any]:
        records = self.catalogue().records
        if prefix in records:
            return records[prefix].raw
        alike = [f for f in records if f.startswith(prefix)] if _PREFIX.match(prefix) else []
        if len(alike) > 1:
            raise ApiError(f"{len(alike)} images begin with {prefix}", status_code=500)
        if not alike:
            raise NotFoundError(f"no image {prefix[:12]} on {self.url}", status_code=404)
        return records[alike[0]].raw

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,  # noqa: ARG002
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> Iterator[Stream]:
        """The files of an image as a server's export sends them: one as it is, two as multipart."""
        fingerprint = path.removeprefix("/1.0/images/").removesuffix("/export")
        build = self.catalogue().builds.get(fingerprint)
        if build is None:
            raise NotFoundError(f"no image {fingerprint[:12]} on {self.url}", status_code=404)
        if len(build.files) == 1:
            found = _RANGE.match((headers or {}).get("Range", ""))
            opened = self._single(build.files[0], int(found[1]) if found else None)
        else:
            opened = self._double(build)
        with closing(opened) as made:
            yield made

    def _single(self, file: File, start: int | None) -> FileStream:
        begin: dict[str, str] = {}
        chunks = read_verified(self.web, file, start or 0, begin)
        # The reply's own header says whether only the rest comes.
        first = next(chunks, b"")
        if start == 0:
            begin["Content-Range"] = f"bytes 0-{file.size - 1}/{file.size}"
        length = file.size - (start or 0 if "Content-Range" in begin else 0)
        kind = {"Content-Type": "application/octet-stream", **begin}
        return FileStream(self.url, chunks, kind, length, first)

    def _double(self, build: Build) -> FileStream:
        boundary = secrets.token_hex(16)
        root = "rootfs.img" if build.raw["type"] == "virtual-machine" else "rootfs"
        parts = tuple(zip(("metadata", root), build.files, strict=True))
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return FileStream(self.url, multipart_body(self.web, boundary, parts), kind, None)

    def open_socket(self) -> socket.socket:
        raise NotAllowedError("a simplestreams server sends no events", status_code=403)

    def refusal(self) -> NotAllowedError:
        """The error for whatever would write."""
        return NotAllowedError(
            f"{self.url} is a simplestreams server: its images can be read and exported, not changed. Bring one to "
            "a server of yours with image.copy(client)",
            status_code=403,
        )


class CatalogueImages(Images):
    """The images of a simplestreams server. What writes raises `NotAllowedError`."""

    def __init__(self, project: Project, streams: CatalogueTransport) -> None:
        super().__init__(project)
        self._streams = streams

    def get(self, name: str, *, architecture: str = "", type: str = "") -> Image:
        """One image by alias, fingerprint, or unique beginning of a fingerprint.

        Args:
            name: an alias names the newest build: `24.04`, `debian/12`, `debian/12/cloud`, `24.04/arm64`.
            architecture: of an alias' image; empty prefers this machine's.
            type: `container` or `virtual-machine`; empty prefers containers.

        Raises:
            NotFoundError: none of that name.
            ConflictError: several fingerprints begin like that.
        """
        if not architecture and not type:
            return super().get(name)
        target = self._streams.catalogue().target(name, architecture=architecture, type=type)
        if not target:
            kind = " ".join(word for word in (architecture, type) if word)
            raise NotFoundError(f"no alias {name[:100]!r} for {kind} on {self._streams.url}", status_code=404)
        return self.image(self.read(target))

    def create(self, *_: object, **__: object) -> NoReturn:
        """Refused: read-only."""
        raise self._streams.refusal()

    def publish(self, *_: object, **__: object) -> NoReturn:
        """Refused: read-only."""
        raise self._streams.refusal()


class CatalogueClient(Client):
    """A simplestreams server: as `Client`, read-only, with a catalogue that is read again after an hour."""

    def __init__(self, streams: CatalogueTransport) -> None:
        self.streams = streams
        info = ServerInfo(
            product="simplestreams",
            version="",
            auth="untrusted",
            project="default",
            cluster=False,
            public=True,
        )
        super().__init__(Project(streams, info))

    @cached_property
    def images(self) -> CatalogueImages:
        """The images of the catalogue."""
        return CatalogueImages(self.server_project, self.streams)

    @property
    def problems(self) -> tuple[str, ...]:
        """What the catalogue lists and cannot be an image, in words; the first hundred."""
        return self.streams.catalogue().problems

    def in_project(self, name: str) -> CatalogueClient:
        """This client for `default`: a simplestreams server has no projects.

        Raises:
            NotFoundError: any other name.
        """
        if name != "default":
            raise NotFoundError(f"a simplestreams server has no projects, so no {name!r}", status_code=404)
        return self

    def reload(self) -> ServerInfo:
        """Ask for the catalogue again, however young it is; files that have not changed are not sent again."""
        self.streams.catalogue(reload=True)
        return self.info

    def __enter__(self) -> CatalogueClient:
        return self

    def __repr__(self) -> str:
        return f"<CatalogueClient simplestreams at {self.url}, read-only>"


def connect(url: str, *, pinned: str = "", timeout: float = READ_TIMEOUT) -> CatalogueClient:
    """A client of a simplestreams server, its catalogue read.

    Args:
        url: the https address above `streams/v1/index.json`.
        pinned: PEM text of the one server certificate to accept; empty lets authorities decide.
        timeout: seconds without a byte.

    Raises:
        ServerUnreachableError: nobody answers.
        NotFoundError, UnexpectedReplyError: there is no catalogue.
        InvalidRequestError: no https address.
    """
    web = WebClient(url, pinned=pinned, timeout=timeout)
    host = web.url.removeprefix("https://").partition("/")[0]
    streams = CatalogueTransport(web, default_os=_DEFAULT_OS.get(host, ""), pinned=pinned)
    try:
        streams.catalogue()
    except BaseException:
        streams.close()
        raise
    return CatalogueClient(streams)
