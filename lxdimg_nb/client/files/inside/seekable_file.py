"""What files within disks have in common: a size, a position, and reading from there."""

from __future__ import annotations

import io

__all__ = ["SeekableFile"]


class SeekableFile(io.RawIOBase):
    """A file of a known size whose subclass reads at `_position`.

    Args:
        size: in bytes.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position
