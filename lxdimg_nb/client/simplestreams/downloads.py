"""The files behind an image of a catalogue, as the body of an export: checked, never more than was announced."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Mapping
from typing import Any

from lxdimg_nb.client.http.transport import Stream
from lxdimg_nb.client.http.web_client import WebClient
from lxdimg_nb.client.simplestreams.catalogue import File
from lxdimg_nb.errors import FingerprintMismatchError, UnexpectedReplyError

__all__ = ["FileStream", "multipart_body", "read_verified"]

BLOCK = 1024 * 1024

Chunks = Generator[bytes, None, None]


class FileStream(Stream):
    """Blocks of bytes as the body of a reply; `length` is None where it is not announced."""

    def __init__(
        self, where: str, chunks: Chunks, headers: Mapping[str, str], length: int | None, first: bytes = b""
    ) -> None:
        self._where = where
        self._chunks = chunks
        self._rest = memoryview(first)
        self.status_code = 206 if "Content-Range" in headers else 200
        self.headers = headers
        self.length = length
        self.received = 0

    @property
    def socket(self) -> Any:
        return None

    def readinto(self, buffer: memoryview) -> int:
        while not self._rest and len(buffer):
            chunk = next(self._chunks, b"")
            if not chunk:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self.received += count
        return count

    def read(self, size: int = BLOCK) -> bytes:
        buffer = bytearray(size)
        return bytes(memoryview(buffer)[: self.readinto(memoryview(buffer))])

    def read_buffered(self) -> bytes:
        return self.read(64 * 1024)

    def close(self) -> None:
        self._chunks.close()


def read_verified(web: WebClient, file: File, start: int, begin: dict[str, str]) -> Chunks:
    """The bytes of one file, never more than the catalogue announces; checked by SHA-256 at its end when whole.

    `begin` gets the reply's `Content-Range`, when only the rest comes, before the first block.

    Raises:
        FingerprintMismatchError: other bytes than the catalogue says.
    """
    asked = {"Range": f"bytes={start}-"} if start else {}
    with web.open(file.path, headers=asked) as stream:
        if stream.status_code == 206 and not start:
            raise UnexpectedReplyError(f"{web.url} sends a part of {file.path} where the whole was asked for")
        if stream.status_code == 206:
            begin["Content-Range"] = stream.headers.get("Content-Range", "")
        else:
            start = 0
        left = file.size - start
        if stream.length is not None and stream.length != left:
            raise _mismatch(web, file, f"{start + stream.length} bytes")
        digest = hashlib.sha256()
        while chunk := stream.read(BLOCK):
            left -= len(chunk)
            if left < 0:
                raise _mismatch(web, file, f"more than {file.size} bytes")
            digest.update(chunk)
            yield chunk
        if left:
            raise _mismatch(web, file, f"{file.size - left} bytes")
        if file.sha256 and not start and digest.hexdigest() != file.sha256:
            raise _mismatch(web, file, digest.hexdigest())


def _mismatch(web: WebClient, file: File, actual: str) -> FingerprintMismatchError:
    return FingerprintMismatchError(
        f"{web.url}/{file.path} is not the file that the catalogue describes ({actual[:16]} where "
        f"{file.size} bytes, SHA-256 {file.sha256[:12]} are due); the mirror may be out of step, try again later",
        expected=file.sha256 or f"{file.size} bytes",
        actual=actual,
    )


def multipart_body(web: WebClient, boundary: str, parts: Iterable[tuple[str, File]]) -> Chunks:
    mark = ""
    for name, file in parts:
        yield f'{mark}--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        yield from read_verified(web, file, 0, {})
        mark = "\r\n"
    yield f"\r\n--{boundary}--\r\n".encode()
