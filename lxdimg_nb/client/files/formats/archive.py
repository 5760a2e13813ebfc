"""Tarballs of any compression, read as a stream with a limit on the decompressed bytes. Nothing is extracted."""

from __future__ import annotations

import io
import lzma
import math
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, Self, cast

from lxdimg_nb.client.files.formats.decompression import Decompressed, UncheckedError
from lxdimg_nb.errors import InvalidImageError

__all__ = [
    "MAX_DECOMPRESSED",
    "BoundedInfo",
    "Member",
    "StrictInfo",
    "UncheckedError",
    "find_damage",
    "is_tar",
    "open_decompressed",
    "open_tar",
    "read_decompressed",
    "read_errors",
    "unpack_limit",
]

MAX_DECOMPRESSED = 256 * 1024 * 1024
# Of zeros gzip makes a thousandth; of files hardly less than a twentieth.
MAX_RATIO = 100
# Of the names and attributes before a member, and of those that are for all; what Linux takes is far less.
MAX_HEADER = 1024 * 1024
# Of all that comes before the content of one member, a map of its holes included.
MAX_HEADERS = 4 * MAX_HEADER
# Bytes of one member: no file system takes more.
MAX_MEMBER = 1 << 50
# Reads behind the end of a file, from which tarfile never returns where a member should be larger than the file.
MAX_EMPTY_READS = 1000
PIPE = 64 * 1024

# Headers before headers end in a RecursionError.
_ERRORS = (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error, RecursionError)

_NAME_TYPES = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_MEMBER_KINDS = {
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hard link",
    tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device",
    tarfile.FIFOTYPE: "fifo",
}


@contextmanager
def open_tar(kind: str, file: Any, *, limit: int = MAX_DECOMPRESSED) -> Iterator[tarfile.TarFile]:
    """Open a tarball of one of the kinds in `ARCHIVES` as a stream of members.

    Raises:
        UncheckedError: more than `limit` decompressed bytes, or zstd without the package for it.
        InvalidImageError: not a tarball of that kind.
    """
    with read_errors():
        limited = cast(BinaryIO, open_decompressed(kind, file, limit=limit))
        with tarfile.open(fileobj=limited, mode="r|", tarinfo=BoundedInfo) as tar:
            yield tar


def open_decompressed(kind: str, file: Any, *, limit: int) -> Any:
    """What an archive unpacks to, with a method `read`; UncheckedError after `limit` bytes. See `read_errors`."""
    return _Limited(_decompressed(kind, file), limit)


def unpack_limit(size: int | None) -> int:
    """The most decompressed bytes that an archive of `size` bytes is read to."""
    return MAX_RATIO * (size or 0) + 4 * MAX_DECOMPRESSED


def read_decompressed(kind: str, file: io.BufferedIOBase, size: int) -> bytes:
    """The first `size` bytes that an archive unpacks to.

    Raises:
        UncheckedError: zstd without the package for it.
        InvalidImageError: they cannot be read.
    """
    with read_errors():
        stream = _decompressed(kind, file)
        head = b""
        # A decompressor may give more than it was asked for: zstd 32 MiB of a kilobyte.
        while len(head) < size and (block := stream.read(size - len(head))):
            head += block[: size - len(head)]
        return head


NO_KINDS: Mapping[str, str] = {}
_TYPES = {tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a hard link", tarfile.DIRTYPE: "a folder"}


def find_damage(kind: str, file: Any, *, limit: int, kinds: Mapping[str, str] = NO_KINDS) -> str:
    """Why servers cannot unpack an archive to its end; empty when they can.

    Args:
        kind: as of `file_kind`.
        file: read from where it is.
        limit: decompressed bytes.
        kinds: what members of these names must be, `file` or `folder`, however often they come.

    Raises:
        UncheckedError: more than `limit` decompressed bytes, or zstd without the package for it.
    """
    count = 0
    try:
        stream = cast(BinaryIO, _Limited(_decompressed(kind, file), limit))
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=StrictInfo) as tar:
            while (member := tar.next()) is not None:
                count += 1
                tar.members.clear()  # type: ignore[attr-defined]
                name = member.name.removeprefix("./").rstrip("/")
                wanted = kinds.get(name)
                if wanted and not (member.isreg() if wanted == "file" else member.isdir()):
                    return f"{name} is no {wanted} in it but {_TYPES.get(member.type, 'something else')}"
        # tar does not read behind a tarball's end, so its decompressor fails only with what fits into the pipe.
        left = PIPE if kind != "tar" else 0
        while left > 0 and (block := stream.read(left)):
            left -= len(block)
    except EOFError:
        return "it is cut off"
    except _ERRORS as error:
        cut = "unexpected end" in str(error)
        return f"it is cut off after {count} files" if cut else f"it is damaged: {error}"
    return ""


class _Headers:
    """The file of a tarball while the headers of one member are read, of which there may only be so many bytes."""

    def __init__(self, file: Any) -> None:
        self._file, self._left = file, MAX_HEADERS

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int) -> bytes:
        data: bytes = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise tarfile.ReadError("headers without end")
        return data


class BoundedInfo(tarfile.TarInfo):
    """A header of a tarball; one with gigabytes of names, attributes or holes is refused before they are read."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse 512 bytes."""
        info = super().frombuf(buf, encoding, errors)
        if info.type in _NAME_TYPES and info.size > MAX_HEADER:
            raise tarfile.ReadError(f"a tar header of {info.size} bytes")
        return info

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        """Read the next one."""
        if sum(map(len, tar.pax_headers.values())) > MAX_HEADER:
            raise tarfile.ReadError("attributes for all files without end")
        outer: Any = tar.fileobj
        if isinstance(outer, _Headers):
            return super().fromtarfile(tar)
        tar.fileobj = cast(Any, _Headers(outer))
        try:
            info = super().fromtarfile(tar)
        except (ValueError, ArithmeticError, LookupError) as error:
            raise tarfile.ReadError(f"a map of holes that makes no sense: {error}") from error
        except RecursionError:
            raise tarfile.ReadError("headers before headers without end") from None
        finally:
            tar.fileobj = outer
        if not 0 <= info.size <= MAX_MEMBER:
            raise tarfile.ReadError(f"a file of {info.size} bytes")
        if not math.isfinite(info.mtime):
            info.mtime = 0
        return info


class StrictInfo(BoundedInfo):
    """A header of a tarball; a damaged one is no end, as it is for tarfile."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        """Read the next one."""
        try:
            return super().fromtarfile(tar)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "InvalidHeaderError":
                raise tarfile.ReadError(f"a tar header has a {error}") from error
            raise


def is_tar(head: bytes) -> bool:
    """Whether a tarball begins so, an empty one included."""
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return not any(head)
    return True


@contextmanager
def read_errors() -> Iterator[None]:
    """Turn what decompressors and tarfile raise into InvalidImageError."""
    try:
        yield
    except _ERRORS as error:
        raise InvalidImageError(f"the archive cannot be read: {str(error) or 'it ends too early'}") from error


def _decompressed(kind: str, file: Any) -> Any:
    return file if kind == "tar" else Decompressed(kind, file)


class _Limited:
    """Raises after a number of bytes, or of reads at the end, so that no bomb fills memory or time."""

    def __init__(self, file: Any, limit: int) -> None:
        self._file, self._limit, self._left = file, limit, limit
        self._empty = 0

    def read(self, size: int) -> bytes:
        chunk: bytes = self._file.read(size)
        self._empty = 0 if chunk else self._empty + 1
        if self._empty > MAX_EMPTY_READS:
            raise EOFError("unexpected end of data")
        self._left -= len(chunk)
        if self._left < 0:
            raise UncheckedError(
                f"the archive unpacks to more than {self._limit} bytes; the rest is too far back to be read"
            )
        return chunk


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an image as its archive describes it; a hostile image can say anything here."""

    path: str
    kind: str
    size: int
    mode: int
    uid: int
    gid: int
    modified_at: datetime | None
    target: str

    @classmethod
    def from_tar(cls, info: tarfile.TarInfo) -> Member:
        """Read a header of a tar archive."""
        kind = "file" if info.isreg() else _MEMBER_KINDS.get(info.type, "other")
        try:
            modified = datetime.fromtimestamp(info.mtime, UTC)
        except (ValueError, OverflowError, OSError):
            modified = None
        path = info.name.removeprefix("./") or "."
        return cls(path, kind, info.size, info.mode, info.uid, info.gid, modified, info.linkname)

    @property
    def state(self) -> tuple[str, int, int, int, int, str]:
        """What counts as a change of the file; every build has times of its own."""
        return self.kind, self.size, self.mode, self.uid, self.gid, self.target
