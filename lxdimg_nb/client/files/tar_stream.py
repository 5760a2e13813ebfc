"""Tarballs of any compression, read as a stream with a limit on the decompressed bytes. Nothing is extracted."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from lxdimg_nb.errors import InvalidImageError

__all__ = ["MAX_DECOMPRESSED", "UncheckedError", "open_tar"]

MAX_DECOMPRESSED = 256 * 1024 * 1024

_DECOMPRESSORS: Mapping[str, Callable[[BinaryIO], Any]] = {
    "gz": gzip.open,
    "bz2": bz2.open,
    "xz": lzma.open,
    "lzma": lzma.open,
    "tar": lambda file: file,
}


class UncheckedError(InvalidImageError):
    """The archive cannot be read here, which says nothing about whether a server can."""


@contextmanager
def open_tar(kind: str, file: BinaryIO, *, limit: int = MAX_DECOMPRESSED) -> Iterator[tarfile.TarFile]:
    """Open a tarball of a kind of `ARCHIVES` as a stream of members.

    Raises:
        UncheckedError: more than `limit` decompressed bytes, or zstd without the package for it.
        InvalidImageError: not a tarball of that kind.
    """
    try:
        with tarfile.open(fileobj=cast(BinaryIO, _Limited(_decompressed(kind, file), limit)), mode="r|") as tar:
            yield tar
    except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise InvalidImageError(f"the archive cannot be read: {str(error) or 'it ends too early'}") from error


def _decompressed(kind: str, file: BinaryIO) -> BinaryIO:
    if kind != "zstd":
        return cast(BinaryIO, _DECOMPRESSORS[kind](file))
    try:
        import zstandard
    except ImportError as error:
        raise UncheckedError("reading zstd archives needs an extra: pip install 'lxdimg-nb[zstd]'") from error
    return cast(BinaryIO, zstandard.ZstdDecompressor().stream_reader(file))


class _Limited:
    """Raises after a number of bytes, so that a decompression bomb fills neither memory nor time."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file, self._limit, self._left = file, limit, limit

    def read(self, size: int) -> bytes:
        chunk = self._file.read(size)
        self._left -= len(chunk)
        if self._left < 0:
            raise UncheckedError(
                f"the archive unpacks to more than {self._limit} bytes; the rest is too far back to be read"
            )
        return chunk
