"""squashfs read by path with the package PySquashfsImage, within limits and without extracting anything.

The package alone reads the whole tree first and decompresses without a limit, which a hostile file can use.
"""

from __future__ import annotations

import io
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import sizeof
from datetime import UTC, datetime
from typing import Any

from lxdimg_nb.client.files.formats.archive import Member
from lxdimg_nb.client.files.formats.decompression import UncheckedError
from lxdimg_nb.errors import InvalidImageError

__all__ = ["Squashfs", "open_squashfs"]

MAX_FILES = 1_000_000
# Blocks of metadata that are read, of 8 KiB each, and those that are kept at a time.
MAX_BLOCKS = 200_000
MAX_KEPT = 1024
# Names and links; files that are read.
MAX_TEXT = 64 * 1024
MAX_FILE = 1024 * 1024 * 1024
METADATA = 8192

_KINDS = {
    1: "directory",
    2: "file",
    3: "symlink",
    4: "block device",
    5: "character device",
    6: "fifo",
    7: "other",
}
# What reading a damaged file raises, in the package and in what it uses.
_ERRORS = (
    *(OSError, EOFError, ValueError, LookupError, RuntimeError, TypeError, ArithmeticError),
    *(struct.error, zlib.error, lzma.LZMAError),
)


class Squashfs:
    """The files of a squashfs, as a `FileSystem`; `open_squashfs` makes it."""

    def __init__(self, image: Any) -> None:
        self._image = image
        self._found: dict[str, Any] = {"": image.root_inode()}
        self.newest = int(image.sblk.mkfs_time)

    def readlink(self, path: str) -> str | None:
        """Where a symbolic link points; None for what is none."""
        inode = self._find(path)
        return _text(inode._symlink) if inode is not None and inode.type in (3, 10) else None

    def read(self, path: str, size: int) -> bytes | None:
        """The first bytes of a regular file; None for what is none."""
        inode = self._find(path)
        return self._image.beginning(inode, size) if inode is not None and inode.type in (2, 9) else None

    def is_folder(self, path: str) -> bool:
        """Whether a folder is there."""
        inode = self._find(path)
        return inode is not None and inode.type in (1, 8)

    def members(self) -> Iterator[Member]:
        """Every file, a folder before what is in it.

        Raises:
            InvalidImageError: it cannot be read, or has more files than any system.
        """
        count = 0
        waiting = [("", self._found[""])]
        seen = set()
        with _read_errors():
            while waiting:
                prefix, folder = waiting.pop()
                if folder.inode_number in seen:
                    raise InvalidImageError("a folder in the squashfs is in itself")
                seen.add(folder.inode_number)
                for name, inode in self._image.entries(folder):
                    count += 1
                    if count > MAX_FILES:
                        raise InvalidImageError(f"the squashfs has more than {MAX_FILES:,} files")
                    yield self._member(prefix + name, inode)
                    if inode.type in (1, 8):
                        waiting.append((f"{prefix}{name}/", inode))

    def _member(self, path: str, inode: Any) -> Member:
        kind = _KINDS[inode.type if inode.type < 8 else inode.type - 7]
        size = int(inode.data) if kind == "file" else 0
        moment = datetime.fromtimestamp(inode.time, UTC)
        target = _text(inode._symlink) if kind == "symlink" else ""
        return Member(path, kind, size, inode.mode & 0o7777, inode.uid, inode.gid, moment, target)

    def _find(self, path: str) -> Any:
        """The inode of a path; None when there is none."""
        if path not in self._found:
            parent, _, name = path.rpartition("/")
            folder = self._find(parent) if parent else self._found[""]
            inside = folder is not None and folder.type in (1, 8)
            with _read_errors():
                entries = self._image.entries(folder) if inside else ()
                self._found[path] = next((inode for known, inode in entries if known == name), None)
        return self._found[path]


@contextmanager
def open_squashfs(file: io.BufferedIOBase) -> Iterator[Squashfs]:
    """Open a squashfs; `file` is read at random.

    Raises:
        UncheckedError: the package for it, or for its compression, is not installed.
        InvalidImageError: it is damaged.
    """
    kind = _image_class()
    with _read_errors():
        image = kind(file, file.tell(), closefd=False)
        yield Squashfs(image)


@contextmanager
def _read_errors() -> Iterator[None]:
    try:
        yield
    except InvalidImageError:
        raise
    except ImportError as error:
        raise UncheckedError(f"this squashfs is compressed in a way for which {error.name} is needed") from error
    except _ERRORS as error:
        raise InvalidImageError(f"the squashfs cannot be read: {str(error)[:200] or type(error).__name__}") from error


def _image_class() -> Any:
    """The package's class, reading lazily and within limits."""
    try:
        from PySquashfsImage import SquashFsImage
        from PySquashfsImage.structure import DirEntry, DirHeader, FragmentEntry
    except ImportError as error:
        raise UncheckedError("looking inside squashfs needs an extra: pip install 'lxdimg-nb[inside]'") from error

    class Image(SquashFsImage):  # type: ignore[misc]
        def _initialize(self) -> None:
            self._blocks_read = 0
            self._fd.seek(self._offset)
            self._read_super()
            if not 12 <= self._sblk.block_log <= 20 or self._sblk.block_size != 1 << self._sblk.block_log:
                raise ValueError("its block size is none")
            self._read_uids_guids()

        def root_inode(self) -> Any:
            return self._read_inode(self._sblk.root_inode >> 16, self._sblk.root_inode & 0xFFFF)

        def entries(self, folder: Any) -> Iterator[tuple[str, Any]]:
            start, offset = self._sblk.directory_table_start + folder.start, folder.offset
            left = folder.data - 3
            while left > 0:
                data, start, offset = self._read_directory_data(start, offset, sizeof(DirHeader))
                header = DirHeader.from_bytes(data)
                left -= sizeof(DirHeader)
                for _ in range(header.count + 1):
                    data, start, offset = self._read_directory_data(start, offset, sizeof(DirEntry))
                    entry = DirEntry.from_bytes(data)
                    name, start, offset = self._read_directory_data(start, offset, entry.size + 1)
                    left -= sizeof(DirEntry) + entry.size + 1
                    if left < 0:
                        raise ValueError("a folder ends within a name")
                    yield _text(name), self._read_inode(header.start_block, entry.offset)

        def beginning(self, inode: Any, size: int) -> bytes:
            found = b""
            if inode.data > MAX_FILE:
                return found
            for block in self.iter_file(inode):
                found += block
                if len(found) >= size:
                    break
            return found[:size]

        def _get_compressor(self, compression_id: int) -> Any:
            return _BoundedCompressor(super()._get_compressor(compression_id))

        def _read_data_block(self, start: int, size: int) -> bytes:
            count = size & ~(1 << 24)
            if count > self._sblk.block_size:
                raise ValueError("a block is larger than blocks are")
            self._fd.seek(self._offset + start)
            data: bytes = self._fd.read(count)
            return data if size & (1 << 24) else self._comp.uncompress(data, count, self._sblk.block_size)

        def _read_block(self, start: int, _expected: int = METADATA) -> Any:
            self._blocks_read += 1
            if self._blocks_read > MAX_BLOCKS:
                raise ValueError("it has more metadata than any system")
            return super()._read_block(start, METADATA)

        def _read_fragment(self, fragment: int) -> tuple[int, int]:
            self._fd.seek(self._offset + self._sblk.fragment_table_start + fragment // 512 * 8)
            block = self._read_block(self._read_long())[0]
            entry = FragmentEntry.from_bytes(block, fragment % 512 * sizeof(FragmentEntry))
            return entry.start_block, entry.size

        def _read_metadata(self, table: dict[int, Any], block: int, offset: int, length: int) -> Any:
            if length > MAX_TEXT:
                raise ValueError("a name or a list of blocks is longer than any")
            if len(table) > MAX_KEPT:
                table.clear()
            return super()._read_metadata(table, block, offset, length)

    return Image


class _BoundedCompressor:
    """A decompressor of PySquashfsImage that makes no more than was asked for."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def uncompress(self, source: bytes, size: int, most: int) -> bytes:
        """Decompress one block of at most `most` bytes."""
        unpack: dict[str, Callable[[], bytes]] = {
            "gzip": lambda: zlib.decompressobj().decompress(source, most),
            "xz": lambda: lzma.LZMADecompressor().decompress(source, most),
            "zstd": lambda: _zstd(source, most),
        }
        own = unpack.get(self._inner.name)
        found: bytes = own() if own else self._inner.uncompress(source, size, most)
        if len(found) > most:
            raise ValueError("a block is larger than blocks are")
        return found


def _zstd(source: bytes, most: int) -> bytes:
    import zstandard

    try:
        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(source) as reader:
            return bytes(reader.read(most))
    except zstandard.ZstdError as error:
        raise OSError(str(error)) from error


def _text(name: bytes | str) -> str:
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
