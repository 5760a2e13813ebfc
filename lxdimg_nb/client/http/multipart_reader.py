"""Reading a multipart reply (the export of a split image) in constant memory.

The parts are gigabytes, and the standard library's `email` parser wants the whole in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxdimg_nb.client.http.response_body import Stream
from lxdimg_nb.errors import UnexpectedReplyError

__all__ = ["MultipartReader"]

BLOCK = 1024 * 1024
MAX_HEADERS = 16 * 1024
# RFC 2046, 5.1.1.
MAX_BOUNDARY = 70
# Before the first part and after the last one there is nothing, in what servers send.
MAX_OUTSIDE = 64 * 1024
# Servers send two.
MAX_PARTS = 16
_NONSENSE = "the server's multipart reply makes no sense"
_NAME = re.compile(rb'[;\s]name="([^"]*)"')


class MultipartReader:
    """The parts of a multipart body, in order; each must be read to its end before the next.

    Raises (while reading):
        UnexpectedReplyError: not the framing that was announced, or it ends in the middle.
    """

    def __init__(self, stream: Stream) -> None:
        if len(stream.boundary) > MAX_BOUNDARY:
            raise UnexpectedReplyError(_NONSENSE)
        self._stream = stream
        self._delimiter = b"\r\n--" + stream.boundary.encode()
        # The first delimiter has no line end before it; one in front makes all alike.
        self._buffer = b"\r\n"
        self._at_delimiter = False

    def parts(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Each part's name and its content in blocks."""
        self._skip(self._content())  # the preamble
        for _ in range(MAX_PARTS + 1):
            while len(self._buffer) < 2 and self._fill():
                pass
            if self._buffer[:2] == b"--":
                self._skip(iter(lambda: self._stream.read(BLOCK) or b"", b""))  # the epilogue
                return
            yield self._name(), self._content()
            if not self._at_delimiter:
                raise UnexpectedReplyError("a part of the reply was not read to its end")
        raise UnexpectedReplyError(_NONSENSE)

    def _skip(self, blocks: Iterator[bytes]) -> None:
        size = 0
        for block in blocks:
            size += len(block)
            if size > MAX_OUTSIDE:
                raise UnexpectedReplyError(_NONSENSE)

    def _name(self) -> str:
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > MAX_HEADERS or not self._fill():
                raise UnexpectedReplyError(_NONSENSE)
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        if self._buffer.startswith(self._delimiter[2:]):
            # An empty part has its delimiter right after the headers.
            self._buffer = b"\r\n" + self._buffer
        found = _NAME.search(b";" + head)
        return found[1].decode(errors="replace") if found else ""

    def _content(self) -> Iterator[bytes]:
        """Everything up to the next delimiter, which is skipped."""
        self._at_delimiter = False
        keep = len(self._delimiter) - 1
        while True:
            content, delimiter, rest = self._buffer.partition(self._delimiter)
            if delimiter:
                self._buffer, self._at_delimiter = rest, True
                if content:
                    yield content
                return
            if len(content) > keep:
                self._buffer = content[-keep:]
                yield content[:-keep]
            if not self._fill():
                raise UnexpectedReplyError("the server's reply ends in the middle of a file; try again")

    def _fill(self) -> bool:
        chunk = self._stream.read(BLOCK) or b""
        self._buffer += chunk
        return bool(chunk)
