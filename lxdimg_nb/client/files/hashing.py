"""SHA-256 of what is uploaded, in the calling thread or in the background; what is in the cache is not read again."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Sequence

from lxdimg_nb.client.files.hash_cache import HashCache, file_stamp, is_settled
from lxdimg_nb.client.files.source import BLOCK, Source

__all__ = ["BackgroundHash", "hash_sources", "is_cached"]


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
        before = file_stamp(file.fileno())
        sha = _hash(sources, report)
        # A file that is being written might change once more without a later time.
        if is_settled(before) and file_stamp(file.fileno()) == before:
            cache.store(file.fileno(), before[2], sha)
        return sha.hexdigest()


def is_cached(sources: Sequence[Source], cache: HashCache) -> bool:
    """Whether `hash_sources` would read nothing."""
    if not _is_cacheable(sources):
        return False
    with sources[0].open() as file:
        return bool(cache.hexdigest(file.fileno()))


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


class BackgroundHash:
    """SHA-256 of sources computed in a thread, while they are sent."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._stop = threading.Event()
        self._result = ""
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="lxdimg-hash", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        def check(_: int) -> None:
            if self._stop.is_set():
                raise InterruptedError("stopped")

        try:
            self._result = hash_sources(self._sources, check)
        except BaseException as error:  # noqa: BLE001 - raised by result()
            self._error = error

    def result(self) -> str:
        """The fingerprint; waits for it."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result

    def stop(self) -> None:
        """Give up; returns when the thread has ended."""
        self._stop.set()
        with contextlib.suppress(RuntimeError):  # interrupted within start(): it has not begun
            self._thread.join()
