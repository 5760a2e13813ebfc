"""From the line to the disk and through the hash, without waiting for each other."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Callable
from types import TracebackType

from lxdimg_nb.client.transport import Stream
from lxdimg_nb.errors import InvalidRequestError

__all__ = ["Sink"]

BLOCK = 1024 * 1024
BUFFERS = 4


class Sink:
    """Writes to a file descriptor at its end and hashes everything that is in the file, in a second thread.

    Four buffers of 1 MiB go round; nothing else is held.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._sha = hashlib.sha256()
        self.size = 0
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._full: queue.SimpleQueue[tuple[bytearray, int] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._stop()

    def restart(self) -> None:
        """Forget what was hashed; the file was emptied."""
        self._stop()
        self._sha = hashlib.sha256()
        self.size = 0

    def rehash(self, count: int, report: Callable[[int], None]) -> None:
        """Take the first `count` bytes of the file as written: hash them, and go on behind them."""
        buffer = bytearray(BLOCK)
        view = memoryview(buffer)
        while self.size < count:
            got = os.preadv(self._fd, [view[: min(BLOCK, count - self.size)]], self.size)
            if not got:
                break
            self._sha.update(view[:got])
            self.size += got
            report(self.size)
        os.lseek(self._fd, self.size, os.SEEK_SET)
        os.ftruncate(self._fd, self.size)

    def write(self, chunk: bytes) -> None:
        """Write and hash one chunk."""
        self._sha.update(chunk)
        self._put(memoryview(chunk))

    def receive(self, stream: Stream, report: Callable[[int], None]) -> None:
        """Everything a stream has to give; `report` is told the bytes received and may raise to stop."""
        self._start()
        try:
            while True:
                buffer = self._free.get()
                view = memoryview(buffer)
                filled = 0
                while filled < BLOCK:
                    count = stream.readinto(view[filled:])
                    if not count:
                        break
                    filled += count
                if filled:
                    self._full.put((buffer, filled))
                    self._put(view[:filled])
                if filled < BLOCK:
                    return
                report(stream.received)
        finally:
            self._stop()

    def _put(self, data: memoryview) -> None:
        try:
            while data:
                count = os.write(self._fd, data)
                self.size += count
                data = data[count:]
        except OSError as error:
            raise InvalidRequestError(f"cannot write to the disk: {error.strerror}") from error

    def _start(self) -> None:
        for _ in range(BUFFERS):
            self._free.put(bytearray(BLOCK))
        self._thread = threading.Thread(target=self._hash, name="lxdimg-hash", daemon=True)
        self._thread.start()

    def _hash(self) -> None:
        while (item := self._full.get()) is not None:
            buffer, count = item
            self._sha.update(memoryview(buffer)[:count])
            self._free.put(buffer)

    def _stop(self) -> None:
        if self._thread is not None:
            self._full.put(None)
            self._thread.join()
            self._thread = None
            while not self._free.empty():
                self._free.get()

    def hexdigest(self) -> str:
        """SHA-256 of everything in the file, 64 hexadecimal digits."""
        self._stop()
        return self._sha.hexdigest()
