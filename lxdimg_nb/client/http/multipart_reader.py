"""Reading a multipart reply as it comes, in constant memory: the export of a split image.

A streaming parser, because the parts are gigabytes: the standard library's `email` wants the whole in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxdimg_nb.client.http.transport import Stream
from lxdimg_nb.errors import UnexpectedReplyError

__all__ = ["MultipartReader"]

BLOCK = 1024 * 1024
MAX_HEADERS = 16 * 1024
_NAME = re.compile(rb'[;\s]name="([^"]*)"')


class MultipartReader:
    """The parts of one multipart body, in order; each must be read to its end before the next.

    Raises (while reading):
        UnexpectedReplyError: not the framing that was announced, or it ends in the middle.
    """

    def __init__(self, stream: Stream, boundary: str) -> None:
        self._stream = stream
        self._mark = b"\r\n--" + boundary.encode()
        # The first boundary has no line end before it; one in front makes all alike.
        self._buffer = b"\r\n"
        self._ended = False

    def parts(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Each part's name and its content in blocks."""
        for _ in self._until_mark():
            pass  # a preamble means nothing
        while True:
            self._fill(2)
            if self._buffer[:2] == b"--":
                self._drain()
                return
            yield self._headers(), self._until_mark()
            if not self._at_mark:
                raise UnexpectedReplyError("a part of the reply was not read to its end")

    _at_mark = False

    def _headers(self) -> str:
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > MAX_HEADERS or not self._more():
                raise UnexpectedReplyError("the server's multipart reply makes no sense")
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        found = _NAME.search(b";" + head)
        # An empty part has its boundary right after the headers.
        self._buffer = self._buffer if not self._buffer.startswith(self._mark[2:]) else b"\r\n" + self._buffer
        return found[1].decode(errors="replace") if found else ""

    def _until_mark(self) -> Iterator[bytes]:
        self._at_mark = False
        keep = len(self._mark) - 1
        while True:
            at = self._buffer.find(self._mark)
            if at >= 0:
                content, self._buffer = self._buffer[:at], self._buffer[at + len(self._mark) :]
                self._at_mark = True
                if content:
                    yield content
                return
            if len(self._buffer) > keep:
                content, self._buffer = self._buffer[:-keep], self._buffer[-keep:]
                yield content
            if not self._more():
                raise UnexpectedReplyError("the server's reply ends in the middle of a file; try again")

    def _fill(self, count: int) -> None:
        while len(self._buffer) < count and self._more():
            pass

    def _more(self) -> bool:
        chunk = self._stream.read(BLOCK)
        self._buffer += chunk
        return bool(chunk)

    def _drain(self) -> None:
        while self._stream.read(BLOCK):
            pass
