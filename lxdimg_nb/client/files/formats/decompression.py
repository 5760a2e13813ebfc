"""Compressed files read as a stream, to the end and as strictly as by the tools with which servers unpack them."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from lxdimg_nb.errors import InvalidImageError

__all__ = ["Decompressed", "UncheckedError"]

BLOCK = 64 * 1024
# A block of zstd unpacks to 128 KiB at most and takes 4 bytes or more.
ZSTD_PIECE = 1024
# xz -9 takes 65 MiB.
MAX_DICTIONARY = 256 * 1024 * 1024
# In a row. Programs that pack in parallel or by file write many streams, with something in each.
MAX_EMPTY_STREAMS = 1000


class UncheckedError(InvalidImageError):
    """The archive cannot be read here, which says nothing about whether a server can."""


class _Codec(Protocol):
    """A decompressor of one stream, as those of bz2 and lzma."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the methods of bz2's."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _Zstd:
    """zstandard's decompressor with the methods of bz2's; it unpacks small pieces, as it has no limit of its own."""

    def __init__(self) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise UncheckedError("reading zstd archives needs an extra: pip install 'lxdimg-nb[zstd]'") from error
        self._decompressor = zstandard.ZstdDecompressor()
        self._inner: Any = self._decompressor.decompressobj()
        self._error = zstandard.ZstdError
        self._waiting = memoryview(b"")

    def next(self) -> _Zstd:
        """For a stream that follows: making a decompressor takes 50 times as long as reading a short one."""
        self._inner, self._waiting = self._decompressor.decompressobj(), memoryview(b"")
        return self

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data) + bytes(self._waiting)

    def decompress(self, data: bytes, _max_length: int) -> bytes:
        self._waiting = self._waiting or memoryview(data)
        piece, self._waiting = self._waiting[:ZSTD_PIECE], self._waiting[ZSTD_PIECE:]
        try:
            return bytes(self._inner.decompress(piece))
        except self._error as error:
            raise OSError(str(error)) from error


class _Lzma:
    """A decompressor of lzma with a limit: a file may ask for a dictionary of 4 GiB, in 13 bytes."""

    def __init__(self, container: int) -> None:
        self._inner = lzma.LZMADecompressor(container, memlimit=MAX_DICTIONARY)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return self._inner.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        try:
            return self._inner.decompress(data, max_length)
        except lzma.LZMAError as error:
            # The exception has neither a class nor a code for it.
            if error.args[:1] == ("Memory usage limit exceeded",):
                raise UncheckedError(f"unpacking it takes more than {MAX_DICTIONARY >> 20} MiB of memory") from error
            raise


_CODECS: Mapping[str, Callable[[], _Codec]] = {
    "gz": _Gzip,
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: _Lzma(lzma.FORMAT_XZ),
    "lzma": lambda: _Lzma(lzma.FORMAT_ALONE),
    "zstd": _Zstd,
}

# How a further stream begins; what lzma packs is always the only one.
_NEXT = {"gz": b"\x1f", "bz2": b"B", "xz": b"\xfd", "lzma": b""}


class Decompressed:
    """What a file of one or more compressed streams unpacks to.

    After the last stream gzip takes zeros, xz zeros in fours, bzip2 anything, the others nothing. `read` raises
    EOFError where the file ends too early, and OSError, LZMAError or zlib.error where it is damaged.
    """

    def __init__(self, kind: str, file: Any) -> None:
        self._kind = kind
        self._file = file
        self._codec: _Codec | None = _CODECS[kind]()
        self._input = b""
        self._stream_ended = False
        self._empty_streams = 0

    def read(self, size: int) -> bytes:
        """Up to `size` bytes or a little more; none at the end."""
        while self._codec is not None:
            if self._stream_ended:
                self._empty_streams += 1
                if self._empty_streams > MAX_EMPTY_STREAMS:
                    raise OSError("streams without content, without end")
                self._codec, self._stream_ended = self._next_codec(), False
                continue
            data = self._input or (self._file.read(BLOCK) if self._codec.needs_input else b"")
            self._input, starved = b"", not data and self._codec.needs_input
            chunk = self._codec.decompress(data, size)
            self._stream_ended = self._codec.eof
            if self._stream_ended:
                self._input = self._codec.unused_data
            elif starved and not chunk:
                raise EOFError("it ends too early")
            if chunk:
                self._empty_streams = 0
                return chunk
        return b""

    def _next_codec(self) -> _Codec | None:
        """The decompressor of a stream that follows, and its first bytes in `_input`; None at the end."""
        padding = 0
        if self._kind in ("gz", "xz"):
            while data := self._input or self._file.read(BLOCK):
                self._input = data.lstrip(b"\0")
                padding += len(data) - len(self._input)
                if self._input:
                    break
        self._input = self._input or self._file.read(BLOCK)
        if self._kind == "bz2":
            while len(self._input) < 3 and (more := self._file.read(BLOCK)):
                self._input += more
            if not self._input.startswith(b"BZh"):
                return None
        if self._kind == "xz" and padding % 4:
            raise OSError("something else follows its end")
        if not self._input:
            return None
        if self._input[:1] != _NEXT.get(self._kind, self._input[:1]):
            raise OSError("something else follows its end")
        return self._codec.next() if isinstance(self._codec, _Zstd) else _CODECS[self._kind]()
