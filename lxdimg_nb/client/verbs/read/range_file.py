"""A unified image on a server as a seekable file, without downloading it."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager

from lxdimg_nb.client.http.transport import Stream
from lxdimg_nb.client.project import Project
from lxdimg_nb.errors import InvalidRequestError, ServerUnreachableError, UnexpectedReplyError
from lxdimg_nb.values import ImageRecord

__all__ = ["RangeFile", "open_image"]

BLOCK = 256 * 1024
# Up to this many bytes ahead, reading on is cheaper than a new request.
SKIP = 1024 * 1024


class RangeFile(io.RawIOBase):
    """Reads bytes of an image by `Range` requests, one open reply at a time; what is read is not verified."""

    def __init__(self, project: Project, record: ImageRecord) -> None:
        self._project = project
        self._fingerprint = record.fingerprint
        self._size = record.size
        self._position = 0
        self._context: AbstractContextManager[Stream] | None = None
        self._stream: Stream | None = None
        self._at = 0
        self.requests = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}
        if whence not in starts:
            raise ValueError(f"whence is 0, 1 or 2, not {whence!r}")
        start = starts[whence]
        if start + offset < 0:
            raise ValueError("cannot seek before the beginning")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: object) -> int:
        # A server that sends more than it announces is not followed.
        view = memoryview(buffer)[: max(0, self._size - self._position)]  # type: ignore[arg-type]
        if not view:
            return 0
        try:
            count: int = self._positioned().readinto(view)
        except ServerUnreachableError:
            # Hours may lie between two reads: reopen where the connection broke.
            count = self._open().readinto(view)
        self._position += count
        self._at = self._position
        return count

    def _positioned(self) -> Stream:
        ahead = self._position - self._at
        if self._stream is None or not 0 <= ahead <= SKIP:
            return self._open()
        if ahead:
            scrap = memoryview(bytearray(ahead))
            while scrap:
                count = self._stream.readinto(scrap)
                if not count:
                    break
                scrap = scrap[count:]
            self._at = self._position
        return self._stream

    def _open(self) -> Stream:
        self._drop()
        context = self._project.content(self._fingerprint, start=self._position)
        stream = context.__enter__()
        self._context, self._stream, self._at = context, stream, self._position
        self.requests += 1
        if stream.boundary:
            self._drop()
            raise InvalidRequestError("a split image cannot be opened as one file; use export() or contents()")
        expected = f"bytes {self._position}-"
        if stream.status_code != 206 or not stream.headers.get("Content-Range", "").startswith(expected):
            self._drop()
            raise UnexpectedReplyError("the server does not give parts of an image; use export()")
        return stream

    def _drop(self) -> None:
        context, self._context, self._stream = self._context, None, None
        if context is not None:
            context.__exit__(None, None, None)

    def close(self) -> None:
        self._drop()
        super().close()


def open_image(project: Project, record: ImageRecord) -> io.BufferedReader:
    """A buffered, seekable file over the image; fails at once for a split one."""
    raw = RangeFile(project, record)
    try:
        raw._open()
    except BaseException:
        raw.close()
        raise
    return io.BufferedReader(raw, BLOCK)
