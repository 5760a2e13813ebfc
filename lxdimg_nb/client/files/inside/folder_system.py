"""A folder on disk as a file system of its own: no link in it leads out of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["FolderSystem"]


class FolderSystem:
    """The files of a folder, as a `FileSystem`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def readlink(self, path: str) -> str | None:
        """Where a symbolic link points; None for what is none."""
        try:
            return os.readlink(self._folder / path)
        except (OSError, ValueError):
            return None

    def read(self, path: str, size: int) -> bytes | None:
        """The first bytes of a regular file; None for what is none."""
        try:
            # A pipe would keep us waiting, and a link is not to be followed.
            fd = os.open(self._folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (OSError, ValueError):
            return None
        with open(fd, "rb") as file:
            return file.read(size) if stat.S_ISREG(os.fstat(fd).st_mode) else None
