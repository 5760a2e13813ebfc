"""The files of an image in a catalogue as the body of an export: verified, and never larger than announced."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Generator, Iterable, Mapping
from typing import Any

from lxdimg_nb.client.http.response_body import ChunkFile, Stream
from lxdimg_nb.client.http.web_client import WebClient
from lxdimg_nb.client.simplestreams.products import MAX_SIZE, File
from lxdimg_nb.errors import FingerprintMismatchError, UnexpectedReplyError

__all__ = ["FileStream", "multipart_body", "read_verified"]

BLOCK = 1024 * 1024

Chunks = Generator[bytes, None, None]


class FileStream(Stream):
    """Blocks of bytes as the body of a reply; `length` is None where it is not announced."""

    def __init__(self, chunks: Chunks, headers: Mapping[str, str], length: int | None, first: bytes = b"") -> None:
        self._chunks = chunks
        self._file = ChunkFile(itertools.chain([first] if first else (), chunks))
        self.status_code = 206 if "Content-Range" in headers else 200
        self.headers = headers
        self.length = length
        self.received = 0

    def readinto(self, buffer: Any, /) -> int:
        count = self._file.readinto(buffer)
        self.received += count
        return count

    def close(self) -> None:
        self._chunks.close()
        io.RawIOBase.close(self)


def read_verified(web: WebClient, file: File, start: int, begin: dict[str, str]) -> Chunks:
    """The bytes of one file, never more than the catalogue announces; if whole, checked by SHA-256 at the end.

    Args:
        start: first byte that is wanted.
        begin: filled, before the first block, with the `Content-Range` of a reply that begins there.

    Raises:
        FingerprintMismatchError: not the bytes that the catalogue describes.
    """
    with web.open(file.path, headers={"Range": f"bytes={start}-"} if start else {}) as stream:
        if stream.status_code == 206 and not start:
            raise UnexpectedReplyError(f"{web.url} sends a part of {file.path} where the whole was asked for")
        if stream.status_code == 206:
            begin["Content-Range"] = stream.headers.get("Content-Range", "")
        else:
            start = 0
        # A catalogue that tells no size leaves it to the hash.
        left = file.size - start if file.size else (MAX_SIZE if stream.length is None else stream.length)
        if stream.length is not None and stream.length != left:
            raise _mismatch(web, file, f"{start + stream.length} bytes")
        sha = hashlib.sha256()
        while chunk := stream.read(BLOCK):
            left -= len(chunk)
            if left < 0:
                raise _mismatch(web, file, f"more than {file.size} bytes")
            sha.update(chunk)
            yield chunk
        if left and file.size:
            raise _mismatch(web, file, f"{file.size - left} bytes")
        if file.sha256 and not start and sha.hexdigest() != file.sha256:
            raise _mismatch(web, file, sha.hexdigest())


def _mismatch(web: WebClient, file: File, actual: str) -> FingerprintMismatchError:
    return FingerprintMismatchError(
        f"{web.url}/{file.path} is not the file that the catalogue describes ({actual[:16]} where "
        f"{file.size} bytes, SHA-256 {file.sha256[:12]} are due); the mirror may be out of step, try again later",
        expected=file.sha256 or f"{file.size} bytes",
        actual=actual,
    )


def multipart_body(web: WebClient, boundary: str, parts: Iterable[tuple[str, File]]) -> Chunks:
    """Several files as a multipart form, as a server exports a split image."""
    line_end = ""
    for name, file in parts:
        yield f'{line_end}--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        yield from read_verified(web, file, 0, {})
        line_end = "\r\n"
    yield f"\r\n--{boundary}--\r\n".encode()
