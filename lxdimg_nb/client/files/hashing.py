"""SHA-256 of what is to be uploaded, in the thread that asks or beside it; what was hashed once is not read again."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence

from lxdimg_nb.client.files.hash_cache import Midstates, settled, stamp
from lxdimg_nb.client.files.source import BLOCK, Borrowed, Source
from lxdimg_nb.client.http.threads import join

__all__ = ["BackgroundDigest", "digest", "known_already"]


def digest(sources: Sequence[Source], report: Callable[[int], None], known: Midstates | None = None) -> str:
    """SHA-256 over all sources one after the other, as servers make a fingerprint; 64 hexadecimal digits.

    Args:
        report: told the bytes hashed so far; may raise to stop.
        known: what was hashed before. A file that is there unchanged is not read again; one that is read is noted.
    """
    if known is None or len(sources) != 1 or not sources[0].file:
        return _summed(sources, report).hexdigest()
    with sources[0].open() as file:
        summed = known.whole(file.fileno())
        if summed:
            report(sources[0].size or 0)
            return summed
        before = stamp(file.fileno())
        sha = _summed(sources, report)
        # What is being written might change once more without a newer time.
        if settled(before) and stamp(file.fileno()) == before:
            known.remember(file.fileno(), before[2], sha)
        return sha.hexdigest()


def known_already(sources: Sequence[Source], known: Midstates) -> bool:
    """Whether `digest` would not have to read anything."""
    if len(sources) != 1 or not sources[0].file:
        return False
    with sources[0].open() as file:
        return bool(known.whole(file.fileno()))


def _summed(sources: Sequence[Source], report: Callable[[int], None]) -> hashlib._Hash:
    sha = hashlib.sha256()
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    done = 0
    for source in sources:
        with source.open() as file:
            readinto = getattr(file, "readinto", None)
            while True:
                if readinto is not None and not isinstance(file, Borrowed):
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


class BackgroundDigest:
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
            self._result = digest(self._sources, check)
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
        join(self._thread)
