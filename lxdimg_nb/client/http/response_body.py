"""A reply read with one copy and within limits, and blocks of a file sent with none."""

from __future__ import annotations

import http.client
import io
import socket as socketlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lxdimg_nb.errors import ServerUnreachableError, UnexpectedReplyError

__all__ = ["BLOCK", "MAX_LISTING", "BoundedResponse", "ChunkFile", "FileBlock", "Stream", "is_oversize", "read_reply"]

HIDDEN_FRAMES = True
BLOCK = 256 * 1024
# ValueError: a chunk whose size is no number.
BROKEN = (OSError, http.client.HTTPException, ValueError)
# Bytes a second, over twice the time that a server may be silent.
MIN_RATE = 1024
# Of status lines, headers, sizes of chunks and trailers, beside as many bytes as the body has.
MAX_FRAMING = 1024 * 1024
# Bytes of a reply that is no image, and seconds that it may take once it has begun. A list of 100,000 images, more
# than any server can send before its deadline, has 110 MB.
MAX_REPLY = 32 * 1024 * 1024
MAX_LISTING = 4 * MAX_REPLY
MAX_SECONDS = 300.0
# Of the bytes of a longer one as Python's objects: nested empty objects take thirty times their text.
MAX_GROWTH = 8


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


class OversizeError(http.client.HTTPException):
    """The lines around a body take more bytes than any honest reply's."""


class _TooSlowError(TimeoutError):
    """Bytes come, but so few that the end is not worth waiting for."""


class BoundedResponse(http.client.HTTPResponse):
    """A reply that ends: it neither comes byte by byte, nor with headers, chunks or trailers for ever.

    Reading raises TimeoutError where it comes too slowly, and OversizeError.
    """

    def __init__(self, sock: socketlib.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: io.BufferedReader = _Lines(_PacedFile(self.fp.detach(), 2 * (sock.gettimeout() or 0)))


class _PacedFile(io.RawIOBase):
    """A socket's file; raises where it gave less than `MIN_RATE` in so many seconds of waiting.

    Neither the time before the first byte counts, in which the server works, nor that between two reads.
    """

    def __init__(self, raw: io.RawIOBase, seconds: float) -> None:
        self._raw, self._seconds = raw, seconds
        self._waited = 0.0
        self._lately = self.received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        begin = time.monotonic()
        count: int | None = self._raw.readinto(buffer)
        if self.received:
            self._waited += time.monotonic() - begin
            self._lately += count or 0
        self.received += count or 0
        if self._seconds and self._waited >= self._seconds:
            if self._lately < MIN_RATE * self._waited:
                raise _TooSlowError(f"less than {MIN_RATE} bytes came in a second")
            self._waited, self._lately = 0.0, 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Lines(io.BufferedReader):
    """A buffered file that counts what is read in lines: in a reply all but its body."""

    def __init__(self, raw: _PacedFile) -> None:
        super().__init__(raw)
        self._file, self._framing = raw, 0

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        self._framing += len(line)
        if 2 * self._framing > MAX_FRAMING + self._file.received:
            raise OversizeError("the lines around the body have no end")
        return line


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
        advice: called when the body ends early; gives the `advice` of the error.

    Attributes:
        length: bytes of the body; None where the server does not announce it.
        received: bytes that were read.
        transfer_codings: compressions of the transfer, as in `Transfer-Encoding: gzip, chunked`.
    """

    def __init__(self, response: Any, where: str, advice: Callable[[], Sequence[str]] = tuple) -> None:
        self._response = response
        self._where = where
        self._advice = advice
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
        known = length.isascii() and length.isdigit() and len(length) < 20 and not self._body.chunked
        self.length = int(length) if known else None
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
        if isinstance(cause, _TooSlowError):
            return ServerUnreachableError(
                f"{self._where} sends too slowly: {cause}, {self.received} bytes in all; try again"
            )
        if isinstance(cause, TimeoutError):
            return ServerUnreachableError(f"{self._where} stopped sending after {self.received} bytes; try again")
        return ServerUnreachableError(
            f"the connection to {self._where} broke after {self.received} bytes; try again", advice=self._advice()
        )

    def close(self) -> None:
        """Give the connection back, or drop it when bytes are left in it."""
        if self._body.isclosed():
            self._response.raw.release_conn()
        self._response.close()
        super().close()


def read_reply(response: Any, where: str, limit: int | None = None) -> bytearray:
    """The body of a reply of the API, as it came: packed it may be a bomb, and none is asked for.

    Args:
        response: of requests, its body not read; it is closed.
        where: the server, for messages.
        limit: the most bytes of the body; None is 32 MiB.

    Raises:
        ServerUnreachableError: the connection broke, or it comes too slowly.
        UnexpectedReplyError: it is packed, or takes more memory than any honest one.
    """
    limit = limit or MAX_REPLY
    stream, found, deadline = Stream(response, where), bytearray(), time.monotonic() + MAX_SECONDS
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    try:
        if coding not in ("", "identity"):
            raise UnexpectedReplyError(f"{where} sends its reply packed ({coding[:40]}), which it was not asked for")
        while block := stream.read1(BLOCK):
            found += block
            if len(found) > limit:
                raise UnexpectedReplyError(f"{where} sends a reply of more than {limit} bytes; no server does")
            if time.monotonic() > deadline:
                raise ServerUnreachableError(f"{where} still sends its reply after {MAX_SECONDS:g} s; try again")
    finally:
        stream.close()
    if len(found) > MAX_REPLY // 2 and _decoded_size(found) > MAX_GROWTH * limit:
        raise UnexpectedReplyError(f"{where} sends a reply that is made to fill the memory; check the address")
    return found


def _decoded_size(content: bytearray) -> int:
    """About how many bytes a JSON text takes as Python's objects, at least."""
    return len(content) + 56 * content.count(b",") + 64 * content.count(b"[") + 184 * content.count(b"{")


def is_oversize(errors: Iterable[BaseException]) -> bool:
    """Whether a reply had more or longer lines than http.client or we take, by the errors that this led to."""
    return any(type(e) in (http.client.HTTPException, http.client.LineTooLong, OversizeError) for e in errors)
