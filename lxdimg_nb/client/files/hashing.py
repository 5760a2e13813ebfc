"""SHA-256 of files that are uploaded or resumed, and a cache of it for the life of a client.

Hashing 1 GiB again takes two thirds as long as fetching it (SHA-256 in hardware, a local server); an export that is
resumed in one session, and an upload that was checked first, need not.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from lxdimg_nb.client.files.source import BLOCK, Source

__all__ = ["HashCache", "UploadHash", "hash_sources"]

MAX_ENTRIES = 32
SETTLED_NS = 2_000_000_000

# Device, inode, size and change time: no other file has the same, nor the file itself after a change.
_Stamp = tuple[int, int, int, int]


def _stamp(fd: int) -> _Stamp:
    facts = os.fstat(fd)
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_ctime_ns


class HashCache:
    """SHA-256 states by file; an entry holds for exactly the file that was hashed. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[tuple[int, int], tuple[_Stamp, Any]] = {}

    def store(self, fd: int, size: int, sha: Any) -> None:
        """Remember the state after the first `size` bytes of an open file, if these are all of it."""
        stamp = _stamp(fd)
        if stamp[2] != size or not size:
            return
        with self._lock:
            self._states[stamp[:2]] = stamp, sha.copy()
            while len(self._states) > MAX_ENTRIES:
                del self._states[next(iter(self._states))]

    def pop_state(self, fd: int) -> Any:
        """Remove and return the state after all bytes of an open file; None when it is not known."""
        stamp = _stamp(fd)
        with self._lock:
            stored, sha = self._states.pop(stamp[:2], (None, None))
        return sha if stored == stamp else None

    def hexdigest(self, fd: int) -> str:
        """SHA-256 of all bytes of an open file, 64 hexadecimal digits; empty when it is not known."""
        stamp = _stamp(fd)
        with self._lock:
            stored, sha = self._states.get(stamp[:2], (None, None))
        return str(sha.hexdigest()) if sha is not None and stored == stamp else ""


def hash_sources(sources: Sequence[Source], report: Callable[[int], None], cache: HashCache | None = None) -> str:
    """SHA-256 over all sources one after the other, which is a fingerprint; 64 hexadecimal digits.

    Args:
        report: called with the bytes hashed so far; may raise to stop.
        cache: an unchanged file in it is not read again; a file that is read is stored in it.
    """
    if cache is None or not _is_cacheable(sources):
        return _hash(sources, report).hexdigest()
    with sources[0].open() as file:
        known = cache.hexdigest(file.fileno())
        if known:
            report(sources[0].size or 0)
            return known
        before = _stamp(file.fileno())
        sha = _hash(sources, report)
        # A file that was just written might change once more without a later time.
        if time.time_ns() - before[3] > SETTLED_NS and _stamp(file.fileno()) == before:
            cache.store(file.fileno(), before[2], sha)
        return sha.hexdigest()


def _is_cacheable(sources: Sequence[Source]) -> bool:
    return len(sources) == 1 and sources[0].is_file


def _hash(sources: Sequence[Source], report: Callable[[int], None]) -> hashlib._Hash:
    sha = hashlib.sha256()
    buffer = memoryview(bytearray(BLOCK))
    done = 0
    for source in sources:
        with source.open() as file:
            while count := file.readinto(buffer):
                sha.update(buffer[:count])
                done += count
                report(done)
    return sha


class UploadHash:
    """SHA-256 of an upload, which is its fingerprint: from the cache, read first, or computed beside the sending.

    Files are hashed by a thread once they were sent, while the server works on them, for which it takes longer
    (LXD 5.0.2: threefold); what can be read only once is hashed block by block. Use it as a context manager.
    """

    def __init__(self, sources: Sequence[Source], cache: HashCache) -> None:
        self._sources = sources
        self._cache = cache
        self._sha = hashlib.sha256()
        self._known = ""
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._error: BaseException | None = None

    def cached(self) -> str:
        """The fingerprint, if the file was hashed before; else empty."""
        if _is_cacheable(self._sources):
            with self._sources[0].open() as file:
                self._known = self._cache.hexdigest(file.fileno())
        return self._known

    def read(self, report: Callable[[int], None]) -> str:
        """The fingerprint, by reading everything if it is not cached; `report` may raise to stop."""
        self._known = hash_sources(self._sources, report, self._cache)
        return self._known

    def before_sending(self, report: Callable[[int], None], needed: Callable[[], bool]) -> str:
        """The fingerprint, if it is cached or `needed()` says that everything is to be read first; else empty."""
        if self.cached() or needed():
            self.read(report)
        return self._known

    @property
    def wants_blocks(self) -> bool:
        """Whether `update` must be given what is sent."""
        return not self._known and not all(source.parallel for source in self._sources)

    def update(self, block: bytes) -> None:
        """Hash a block that is sent."""
        self._sha.update(block)

    def finish(self) -> None:
        """Everything was sent."""
        if not self._known and not self.wants_blocks and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lxdimg-hash", daemon=True)
            self._thread.start()

    def result(self) -> str:
        """The fingerprint of what was sent; waits for it."""
        if self._known:
            return self._known
        if self._thread is None:
            return self._sha.hexdigest()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._known

    def _run(self) -> None:
        def check(_: int) -> None:
            if self._stop.is_set():
                raise InterruptedError("stopped")

        try:
            self._known = hash_sources(self._sources, check)
        except BaseException as error:  # noqa: BLE001 - raised by result()
            self._error = error

    def __enter__(self) -> UploadHash:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._stop.set()
        if self._thread is not None:
            with contextlib.suppress(RuntimeError):  # interrupted within start(): it has not begun
                self._thread.join()
