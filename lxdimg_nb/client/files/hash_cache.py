"""How far files have been hashed, for as long as a client lives: part files of exports, and what is uploaded.

Hashing 1 GiB again takes two thirds as long as fetching it (SHA-256 in hardware, a local server); an export that
is interrupted and repeated in one session, and an upload that was checked first, need not. What is remembered
holds for exactly the file that was there: the same inode, size and time of change, which nobody can set back.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

__all__ = ["HashCache", "file_stamp", "is_settled"]

MOST = 32
SETTLED_NS = 2_000_000_000

FileStamp = tuple[int, int, int, int]


class HashCache:
    """SHA-256 states by file. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[int, int], tuple[FileStamp, Any]] = {}

    def store(self, fd: int, size: int, sha: Any) -> None:
        """The first `size` bytes of this open file, which are all of it, were hashed so far."""
        now = file_stamp(fd)
        if now[2] != size or not size:
            return
        with self._lock:
            self._known[now[:2]] = now, sha.copy()
            while len(self._known) > MOST:
                del self._known[next(iter(self._known))]

    def pop_state(self, fd: int) -> Any:
        """The state after all bytes of this open file; None when the file is another or has changed."""
        now = file_stamp(fd)
        with self._lock:
            known = self._known.pop(now[:2], None)
        return known[1] if known is not None and known[0] == now else None

    def hexdigest(self, fd: int) -> str:
        """SHA-256 of all bytes of this open file, 64 hexadecimal digits; empty when that is not known."""
        now = file_stamp(fd)
        with self._lock:
            known = self._known.get(now[:2])
        return str(known[1].hexdigest()) if known is not None and known[0] == now else ""


def is_settled(of: FileStamp) -> bool:
    """Whether a file was left alone long enough for every change of it to show as a later time."""
    return time.time_ns() - of[3] > SETTLED_NS


def file_stamp(fd: int) -> FileStamp:
    """What tells an open file from any other, and from itself after a change."""
    facts = os.fstat(fd)
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_ctime_ns
