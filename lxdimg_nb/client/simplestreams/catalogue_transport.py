"""A transport that answers requests of the image API from a simplestreams catalogue instead of a server.

It answers the reading part of the API of LXD and Incus, so that images, frames, panels and exports work on a catalogue
without knowing it. Whatever would write is refused before anything is sent.
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
from typing import Any
from urllib.parse import unquote

from lxdimg_nb.client.http.endpoint import Endpoint
from lxdimg_nb.client.http.transport import Body, Reply, Stream, Transport
from lxdimg_nb.client.http.web_client import WebClient
from lxdimg_nb.client.simplestreams.catalogue import Catalogue
from lxdimg_nb.client.simplestreams.documents import OversizeDocumentError, fetch_document
from lxdimg_nb.client.simplestreams.downloads import FileStream, multipart_body, read_verified
from lxdimg_nb.client.simplestreams.index_file import read_index
from lxdimg_nb.client.simplestreams.problems import Problems
from lxdimg_nb.client.simplestreams.products import Build, File, read_products
from lxdimg_nb.errors import ApiError, LxdImageError, NotAllowedError, NotFoundError, UnexpectedReplyError

__all__ = ["CatalogueTransport"]

INDEX = "streams/v1/index.json"
SIGNED_INDEX = "streams/v1/index.sjson"
# The catalogue of a public server changes a few times a day; lxc and incus keep it as long.
MAX_AGE = 3600.0
# Of all files together; those of the largest public servers have some tens of MB.
MAX_BYTES = 256 * 1024 * 1024
MAX_SECONDS = 300.0
# LXD strips this from the aliases of Ubuntu's own server.
_DEFAULT_OS = {"cloud-images.ubuntu.com": "ubuntu"}
_PREFIX = re.compile(r"^[0-9a-f]{1,64}$")
_RANGE = re.compile(r"^bytes=(\d{1,18})-$")


@dataclass(frozen=True, slots=True)
class _ProductsFile:
    """A products file as it was read, and the validators that tell whether it has changed."""

    builds: list[Build]
    problems: Problems
    etag: str
    modified: str


class _Fetching:
    """The files of a catalogue within limits of size and time for all of them together."""

    def __init__(self, web: WebClient) -> None:
        self._web = web
        self._left = MAX_BYTES
        self._deadline = time.monotonic() + MAX_SECONDS

    def paths(self, problems: Problems) -> list[str]:
        """The products files that the index names, or the signed index where the other is missing or broken."""
        try:
            return self._named(INDEX, problems)
        except (NotFoundError, UnexpectedReplyError) as error:
            try:
                found = self._named(SIGNED_INDEX, problems)
            except (ApiError, UnexpectedReplyError):
                raise error from error.__cause__
            if not isinstance(error, NotFoundError):
                problems.add(f"{INDEX}: {error}")
            return found

    def _named(self, index: str, problems: Problems) -> list[str]:
        own = Problems()
        found = read_index(self._read(index)[0] or b"", own, base=self._web.path)
        problems.add_all([own])
        return found

    def products(self, path: str, old: _ProductsFile | None) -> _ProductsFile:
        """A products file; the old one when it has not changed."""
        validators = {"If-None-Match": old.etag, "If-Modified-Since": old.modified} if old else {}
        content, headers = self._read(path, {name: value for name, value in validators.items() if value})
        if content is None:
            if old is None:
                raise UnexpectedReplyError(f"{self._web.url} calls {path} unchanged, which it had not sent before")
            return old
        problems = Problems()
        builds = read_products(content, problems, base=self._web.path)
        return _ProductsFile(builds, problems, headers.get("Etag", ""), headers.get("Last-Modified", ""))

    def _read(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[bytes | None, Mapping[str, str]]:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0 or self._left <= 0:
            spent = f"more than {MAX_SECONDS:g} s" if seconds <= 0 else f"more than {MAX_BYTES} bytes"
            raise UnexpectedReplyError(f"{self._web.url}/{path} was not read: the catalogue takes {spent}")
        try:
            found = fetch_document(self._web, path, limit=self._left, seconds=seconds, headers=headers)
        except OversizeDocumentError:
            self._left = 0
            raise
        self._left -= len(found[0] or b"")
        return found


class CatalogueTransport(Transport):
    """Answers GET requests of the image API from a catalogue, which is fetched on first use.

    Args:
        pinned: PEM text of the server's certificate, told to servers that are to fetch from it.
    """

    def __init__(self, web: WebClient, *, pinned: str = "") -> None:
        super().__init__(Endpoint(base="", pinned=pinned))
        self.web = web
        self._loading = threading.Lock()
        self._files: dict[str, _ProductsFile] = {}
        self._catalogue: Catalogue | None = None
        self._read_at = 0.0

    @property
    def url(self) -> str:
        return self.web.url

    def close(self) -> None:
        super().close()
        self.web.close()

    def catalogue(self, *, reload: bool = False) -> Catalogue:
        """The catalogue, at most an hour old.

        Args:
            reload: ask the server even if it is younger; unchanged files are not sent again.

        Raises:
            ServerUnreachableError, ApiError: it cannot be read.
            UnexpectedReplyError: it is no simplestreams catalogue, or larger or slower than one can be.
        """
        with self._loading:
            if self._catalogue is None or reload or time.monotonic() - self._read_at > MAX_AGE:
                self._catalogue = self._fetch()
                self._read_at = time.monotonic()
            return self._catalogue

    def _fetch(self) -> Catalogue:
        fetching = _Fetching(self.web)
        problems = Problems()
        files: dict[str, _ProductsFile] = {}
        failed: list[LxdImageError] = []
        for path in fetching.paths(problems):
            try:
                files[path] = fetching.products(path, self._files.get(path))
            except (ApiError, UnexpectedReplyError) as error:
                # One broken file does not hide the images of the others, nor what it held before.
                failed.append(error)
                problems.add(f"{path}: {error}")
                if path in self._files:
                    files[path] = self._files[path]
        if failed and not files:
            raise failed[0]
        problems.add_all(file.problems for file in files.values())
        known = self._catalogue
        if known is not None and files == self._files and known.problems == problems.texts:
            return known
        self._files = files
        host = self.url.removeprefix("https://").partition("/")[0]
        return Catalogue(
            (build for file in files.values() for build in file.builds),
            default_os=_DEFAULT_OS.get(host, ""),
            problems=problems.texts,
            left_out=len(problems),
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
        limit: int | None = None,  # noqa: ARG002
    ) -> Reply:
        """What a server would answer to a reading request; anything else is refused."""
        if method != "GET":
            raise self.refusal()
        project = (params or {}).get("project", "default")
        if project != "default":
            raise NotFoundError(f"a simplestreams server has no projects, so no {project!r}", status_code=404)
        answers: dict[str, Callable[[], Any]] = {
            "/1.0/images": lambda: [record.raw for record in self.catalogue().records.values()],
            "/1.0/images/aliases": lambda: [self._alias(name) for name in self.catalogue().alias_names()],
            "/1.0/projects": lambda: [{"name": "default", "config": {}}],
            "/1.0/projects/default": lambda: {"used_by": [f"/1.0/images/{f}" for f in self.catalogue().builds]},
            "/1.0/operations": dict,
            "/1.0/instances": list,
        }
        if path in answers:
            return Reply(answers[path](), 200)
        for prefix, answer in (("/1.0/images/aliases/", self._alias), ("/1.0/images/", self._image)):
            if path.startswith(prefix):
                return Reply(answer(unquote(path.removeprefix(prefix))), 200)
        raise NotFoundError(f"a simplestreams server has no {path[:100]}", status_code=404)

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
        found = [f for f in records if f.startswith(prefix)] if _PREFIX.match(prefix) else []
        if len(found) > 1:
            raise ApiError(f"{len(found)} images begin with {prefix}", status_code=500)
        if not found:
            raise NotFoundError(f"no image {prefix[:12]} on {self.url}", status_code=404)
        return records[found[0]].raw

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,  # noqa: ARG002
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> Iterator[Stream]:
        """The files of an image as a server exports them: one as it is, two as a multipart form."""
        fingerprint = path.removeprefix("/1.0/images/").removesuffix("/export")
        build = self.catalogue().builds.get(fingerprint)
        if build is None:
            raise NotFoundError(f"no image {fingerprint[:12]} on {self.url}", status_code=404)
        if len(build.files) == 1:
            found = _RANGE.match((headers or {}).get("Range", ""))
            body = self._unified(build.files[0], int(found[1]) if found else None)
        else:
            body = self._split(build)
        with closing(body):
            yield body

    def _unified(self, file: File, start: int | None) -> FileStream:
        begin: dict[str, str] = {}
        chunks = read_verified(self.web, file, start or 0, begin)
        # The header of the reply tells whether it begins at `start`.
        first = next(chunks, b"")
        if start == 0 and file.size:
            begin["Content-Range"] = f"bytes 0-{file.size - 1}/{file.size}"
        length = file.size - (start or 0 if "Content-Range" in begin else 0) if file.size else None
        headers = {"Content-Type": "application/octet-stream", **begin}
        return FileStream(chunks, headers, length, first)

    def _split(self, build: Build) -> FileStream:
        boundary = secrets.token_hex(16)
        root = "rootfs.img" if build.raw["type"] == "virtual-machine" else "rootfs"
        parts = tuple(zip(("metadata", root), build.files, strict=True))
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return FileStream(multipart_body(self.web, boundary, parts), headers, None)

    def open_socket(self) -> socket.socket:
        raise NotAllowedError("a simplestreams server sends no events", status_code=403)

    def refusal(self) -> NotAllowedError:
        """The error for whatever would write."""
        return NotAllowedError(
            f"{self.url} is a simplestreams server: its images can be read and exported, not changed. Bring one to "
            "a server of yours with image.copy(client)",
            status_code=403,
        )
