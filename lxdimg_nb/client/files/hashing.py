"""SHA-256 of what is to be uploaded, in the thread that asks or beside it; what was hashed once is not read again."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Sequence

from lxdimg_nb.client.files.hash_cache import HashCache, file_stamp, is_settled
from lxdimg_nb.client.files.source import BLOCK, NonClosingFile, Source

__all__ = ["BackgroundHash", "hash_sources", "is_cached"]


def hash_sources(sources: Sequence[Source], report: Callable[[int], None], known: HashCache | None = None) -> str:
    """SHA-256 over all sources one after the other, as servers make a fingerprint; 64 hexadecimal digits.

    Args:
        report: told the bytes hashed so far; may raise to stop.
        known: what was hashed before. A file that is there unchanged is not read again; one that is read is noted.
    """
    if known is None or len(sources) != 1 or not sources[0].is_file:
        return _summed(sources, report).hexdigest()
    with sources[0].open() as file:
        summed = known.hexdigest(file.fileno())
        if summed:
            report(sources[0].size or 0)
            return summed
        before = file_stamp(file.fileno())
        sha = _summed(sources, report)
        # What is being written might change once more without a newer time.
        if is_settled(before) and file_stamp(file.fileno()) == before:
            known.store(file.fileno(), before[2], sha)
        return sha.hexdigest()


def is_cached(sources: Sequence[Source], known: HashCache) -> bool:
    """Whether `digest` would not have to read anything."""
    if len(sources) != 1 or not sources[0].is_file:
        return False
    with sources[0].open() as file:
        return bool(known.hexdigest(file.fileno()))


def _summed(sources: Sequence[Source], report: Callable[[int], None]) -> hashlib._Hash:
    sha = hashlib.sha256()
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    done = 0
    for source in sources:
        with source.open() as file:
            readinto = getattr(file, "readinto", None)
            while True:
                if readinto is not None and not isinstance(file, NonClosingFile):
                    count = readinto(view)
                    sha.update(view[:count])
                else:
                    chunk = file.read(BLOCK)
                    count = len(chunk)
                    sha.update(chunk)
                if not count:
                    break
                done += count
                report(done)
    return sha


class BackgroundHash:
    """SHA-256 of files in a thread, while they are being sent."""

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
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asks
            self._error = error

    def result(self) -> str:
        """The fingerprint, waiting for it."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result

    def stop(self) -> None:
        """Give up; returns when the thread has ended."""
        self._stop.set()
        with contextlib.suppress(RuntimeError):  # interrupted within start(): it has not begun
            self._thread.join()
