"""The content of a qcow2 disk, read at random. Source: QEMU's docs/interop/qcow2.rst."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

from lxdimg_nb.client.files.inside.seekable_file import SeekableFile

__all__ = ["Qcow2File"]

_OFFSET = 0x00FF_FFFF_FFFF_FE00
_COMPRESSED, _ZERO = 1 << 62, 1
# Incompatible features: dirty, corrupt and a compression type can be read.
_READABLE = 0b1011


class Qcow2File(SeekableFile):
    """The virtual disk as a file.

    Args:
        file: a qcow2, read at random from its current position.

    Raises:
        ValueError: it is damaged, or its content lies elsewhere, too.
    """

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file, self._start = file, file.tell()
        head = self._read(0, 112)
        if len(head) < 72:
            raise ValueError("the header is cut off")
        version, backing, _, self._bits, size, crypt = struct.unpack_from(">IQIIQI", head, 4)
        self._l1_size, self._l1_offset = struct.unpack_from(">IQ", head, 36)
        features = struct.unpack_from(">Q", head, 72)[0] if version == 3 and len(head) >= 80 else 0
        if version not in (2, 3) or not 9 <= self._bits <= 21 or backing or crypt or features & ~_READABLE:
            raise ValueError("its content cannot be read here")
        super().__init__(int(size))
        self._zstd = bool(features & 8) and len(head) > 104 and head[104] == 1
        self._cluster_size = 1 << self._bits
        self._tables: dict[int, bytes] = {}
        self._cluster: tuple[int, bytes] = (-1, b"")

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        number, at = divmod(self._position, self._cluster_size)
        count = min(len(view), self._cluster_size - at, self.size - self._position)
        if count <= 0:
            return 0
        view[:count] = self._content(number)[at : at + count]
        self._position += count
        return int(count)

    def _content(self, number: int) -> bytes:
        if self._cluster[0] != number:
            content = self._unpacked(self._entry(number))
            self._cluster = number, content.ljust(self._cluster_size, b"\0")[: self._cluster_size]
        return self._cluster[1]

    def _entry(self, number: int) -> int:
        """The entry of a cluster in its L2 table; 0 when it has none."""
        table, index = divmod(number, self._cluster_size // 8)
        if table >= self._l1_size:
            return 0
        if table not in self._tables:
            (pointer,) = struct.unpack(">Q", self._exactly(self._l1_offset + 8 * table, 8))
            offset = pointer & _OFFSET
            if len(self._tables) >= 8:
                self._tables.clear()
            self._tables[table] = self._exactly(offset, self._cluster_size) if offset else b""
        entries = self._tables[table]
        return int(struct.unpack_from(">Q", entries, 8 * index)[0]) if entries else 0

    def _unpacked(self, entry: int) -> bytes:
        if entry & _COMPRESSED:
            shift = 62 - (self._bits - 8)
            offset = entry & ((1 << shift) - 1)
            sectors = (entry >> shift) & ((1 << (self._bits - 8)) - 1)
            packed = self._read(offset, (sectors + 1) * 512 - offset % 512)
            return self._decompress(packed)
        offset = entry & _OFFSET
        return b"" if entry & _ZERO or not offset else self._read(offset, self._cluster_size)

    def _decompress(self, packed: bytes) -> bytes:
        unpack: Callable[[bytes, int], bytes] = zlib.decompressobj(-15).decompress
        if self._zstd:
            from zstandard import ZstdDecompressor

            return bytes(ZstdDecompressor().stream_reader(packed).read(self._cluster_size))
        return unpack(packed, self._cluster_size)

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(self._start + offset)
        return self._file.read(size)

    def _exactly(self, offset: int, size: int) -> bytes:
        found = self._read(offset, size)
        if len(found) != size:
            raise ValueError("a table is cut off")
        return found
