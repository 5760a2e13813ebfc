"""Hashes of files for the life of a client: part files of exports, and files that were checked or uploaded.

Hashing 1 GiB again takes two thirds as long as fetching it (SHA-256 in hardware, a local server); an export that is
resumed in one session, and an upload that was checked first, need not. An entry holds for exactly the file that was
hashed: the same inode, size and change time, which nobody can set back.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

__all__ = ["HashCache", "file_stamp", "is_settled"]

MAX_ENTRIES = 32
SETTLED_NS = 2_000_000_000

FileStamp = tuple[int, int, int, int]


class HashCache:
    """SHA-256 states by file. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[tuple[int, int], tuple[FileStamp, Any]] = {}

    def store(self, fd: int, size: int, sha: Any) -> None:
        """Remember the state after the first `size` bytes of an open file, if these are all of it."""
        stamp = file_stamp(fd)
        if stamp[2] != size or not size:
            return
        with self._lock:
            self._states[stamp[:2]] = stamp, sha.copy()
            while len(self._states) > MAX_ENTRIES:
                del self._states[next(iter(self._states))]

    def pop_state(self, fd: int) -> Any:
        """Remove and return the state after all bytes of an open file; None when it is not known."""
        stamp = file_stamp(fd)
        with self._lock:
            stored, sha = self._states.pop(stamp[:2], (None, None))
        return sha if stored == stamp else None

    def hexdigest(self, fd: int) -> str:
        """SHA-256 of all bytes of an open file, 64 hexadecimal digits; empty when it is not known."""
        stamp = file_stamp(fd)
        with self._lock:
            stored, sha = self._states.get(stamp[:2], (None, None))
        return str(sha.hexdigest()) if sha is not None and stored == stamp else ""


def is_settled(stamp: FileStamp) -> bool:
    """Whether the file was left alone for so long that any change of it shows as a later time."""
    return time.time_ns() - stamp[3] > SETTLED_NS


def file_stamp(fd: int) -> FileStamp:
    """Device, inode, size and change time: differs from any other file's, and from its own after a change."""
    facts = os.fstat(fd)
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_ctime_ns
