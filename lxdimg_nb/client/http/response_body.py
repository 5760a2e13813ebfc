"""The body of a reply read with one copy, and blocks of a file sent with none."""

from __future__ import annotations

import http.client
import io
import socket as socketlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lxdimg_nb.errors import ServerUnreachableError

__all__ = ["BLOCK", "ChunkFile", "FileBlock", "Stream"]

BLOCK = 256 * 1024
# ValueError: a chunk whose size is no number.
BROKEN = (OSError, http.client.HTTPException, ValueError)


@dataclass(frozen=True, slots=True)
class FileBlock:
    """Bytes of a file that the kernel sends by itself, without passing through this process."""

    file: io.BufferedIOBase
    offset: int
    count: int

    def __len__(self) -> int:
        return self.count

    def send(self, sock: socketlib.socket) -> None:
        """Send them.

        Raises:
            OSError: the connection broke, or the file became shorter.
        """
        sent = sock.sendfile(self.file, self.offset, self.count)
        if sent != self.count:
            raise OSError("the file became shorter while it was sent")


class ChunkFile(io.RawIOBase):
    """An iterator over blocks of bytes as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class Stream(io.RawIOBase):
    """The body of a reply, a file that is read once. Reading raises `ServerUnreachableError` when it ends early.

    Args:
        response: of requests, its body not read.
        where: the server, for messages.

    Attributes:
        length: bytes of the body; None where the server does not announce it.
        received: bytes that were read.
        transfer_codings: compressions of the transfer, as in `Transfer-Encoding: gzip, chunked`.
    """

    def __init__(self, response: Any, where: str) -> None:
        self._response = response
        self._where = where
        self.status_code: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        # http.client's own object fills the caller's buffer without a copy, and decodes chunked bodies.
        self._body: http.client.HTTPResponse = response.raw._fp
        codings = [name.strip().lower() for name in response.headers.get("Transfer-Encoding", "").split(",")]
        self.transfer_codings = [name for name in codings if name not in ("", "identity", "chunked")]
        if self.transfer_codings and codings[-1] == "chunked":
            # http.client knows chunks only where nothing else was done to the body.
            self._body.chunked, self._body.chunk_left, self._body.length = True, None, None
        length = response.headers.get("Content-Length", "")
        self.length = int(length) if length.isascii() and length.isdigit() and not self._body.chunked else None
        self.received = 0

    @property
    def boundary(self) -> str:
        """The boundary of a multipart body; empty for any other."""
        kind, _, rest = self.headers.get("Content-Type", "").partition(";")
        if not kind.strip().lower().startswith("multipart/"):
            return ""
        return rest.partition("boundary=")[2].strip().strip('"')

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer with what has arrived; 0 at the end of a complete body."""
        try:
            count = self._body.readinto(buffer)
        except BROKEN as error:
            raise self._broken(error) from error
        self.received += count
        if count == 0 and len(buffer) and self.length is not None and self.received < self.length:
            raise self._broken(None)
        return count

    def read1(self, size: int) -> bytes:
        """What has arrived, at most `size` bytes, waiting only where there is nothing; empty at the end."""
        try:
            data = self._body.read1(size)
        except BROKEN as error:
            raise self._broken(error) from error
        self.received += len(data)
        if not data and self.length is not None and self.received < self.length:
            raise self._broken(None)
        if self.received == self.length:
            self._body.close()  # so that the connection can be kept
        return data

    def _broken(self, cause: BaseException | None) -> ServerUnreachableError:
        if isinstance(cause, TimeoutError):
            return ServerUnreachableError(f"{self._where} stopped sending after {self.received} bytes; try again")
        return ServerUnreachableError(f"the connection to {self._where} broke after {self.received} bytes; try again")

    def close(self) -> None:
        """Give the connection back, or drop it when bytes are left in it."""
        if self._body.isclosed():
            self._response.raw.release_conn()
        self._response.close()
        super().close()
