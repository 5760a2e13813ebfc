"""From the line to the disk and through the hash, without waiting for each other."""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from lxdimg_nb.client.files.hash_cache import HashCache
from lxdimg_nb.errors import InvalidRequestError, UnexpectedReplyError

__all__ = ["HashingWriter"]

# Splicing from socket to file inside the kernel took as much processor time as reading and writing blocks of
# 1 MiB, and hashing what was written, read back from the file, a fifth more (1 GiB, LXD 5.0.2, Linux 6).
BLOCK = 1024 * 1024
BUFFERS = 6


class ByteStream(Protocol):
    """The body of a reply: the bytes announced (None when unknown), the bytes received, and reading into a buffer."""

    length: int | None
    received: int

    def readinto(self, buffer: memoryview) -> int: ...


class HashingWriter:
    """Writes to a file descriptor at its end and hashes everything that is in the file, in a second thread.

    Six buffers of 1 MiB go round; nothing else is held.

    Args:
        limit: bytes that the file may have in the end, so that no server can fill the disk; None is no limit.
    """

    def __init__(self, fd: int, *, limit: int | None = None) -> None:
        self._fd = fd
        self._limit = limit
        self._sha = hashlib.sha256()
        self.size = self._hashed = 0
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._full: queue.SimpleQueue[tuple[bytearray, int] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> HashingWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._stop()

    def reset(self) -> None:
        """Forget what was hashed; the file was emptied."""
        self._stop()
        self._sha = hashlib.sha256()
        self.size = self._hashed = 0

    def resume(self, state: Any, count: int) -> bool:
        """Go on behind the first `count` bytes, hashed before; False when there is no state of them."""
        if state is None:
            return False
        self._sha, self.size, self._hashed = state, count, count
        os.lseek(self._fd, count, os.SEEK_SET)
        return True

    def save_state(self, states: HashCache) -> None:
        """Remember how far the hash is, for whoever goes on with this file."""
        self._stop()
        if self._hashed == self.size:
            states.store(self._fd, self.size, self._sha)

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
            self._hashed += got
            report(self.size)
        os.lseek(self._fd, self.size, os.SEEK_SET)
        os.ftruncate(self._fd, self.size)

    def write(self, chunk: bytes) -> None:
        """Write and hash one chunk.

        Raises:
            InvalidRequestError: the disk does not take it.
            UnexpectedReplyError: more than the limit.
        """
        self._sha.update(chunk)
        self._hashed += len(chunk)
        self._put(memoryview(chunk))

    def receive(self, stream: ByteStream, report: Callable[[int], None]) -> None:
        """Everything a stream has to give; `report` is told the bytes received and may raise to stop.

        Raises:
            ServerUnreachableError: the connection broke; what came until then is in the file.
            InvalidRequestError, UnexpectedReplyError: as `write`.
        """
        if stream.length is not None:
            self._allow(stream.length)
        self._start()
        try:
            while True:
                buffer = self._free.get()
                view = memoryview(buffer)
                filled = 0
                try:
                    while filled < BLOCK and (count := stream.readinto(view[filled:])):
                        filled += count
                finally:
                    # Also what came before the connection broke: the next export goes on behind it.
                    if filled:
                        self._full.put((buffer, filled))
                        self._put(view[:filled])
                if filled:
                    report(stream.received)
                if filled < BLOCK:
                    return
        finally:
            self._stop()

    def _allow(self, more: int) -> None:
        if self._limit is not None and self.size + more > self._limit:
            raise UnexpectedReplyError(
                f"the server sends more than the {self._limit} bytes that the image has; nothing was kept"
            )

    def _put(self, data: memoryview) -> None:
        self._allow(len(data))
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
            self._hashed += count
            self._free.put(buffer)

    def _stop(self) -> None:
        if self._thread is not None:
            self._full.put(None)
            with contextlib.suppress(RuntimeError):  # interrupted within start(): it has not begun
                self._thread.join()
            self._thread = None
            while not self._free.empty():
                self._free.get()

    def hexdigest(self) -> str:
        """SHA-256 of everything in the file, 64 hexadecimal digits."""
        self._stop()
        return self._sha.hexdigest()
