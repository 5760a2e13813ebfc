"""Writing a download to disk and hashing it in a second thread, so that neither waits for the other."""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from lxdimg_nb.client.files.hashing import HashCache
from lxdimg_nb.errors import InvalidRequestError, UnexpectedReplyError

__all__ = ["HashingWriter"]

# Splicing from socket to file inside the kernel took as much processor time as reading and writing blocks of
# 1 MiB, and hashing what was written, read back from the file, a fifth more (1 GiB, LXD 5.0.2, Linux 6).
BLOCK = 1024 * 1024
BUFFERS = 6


class ByteStream(Protocol):
    """The body of a reply. `length` is the number of bytes announced, None when it is not known."""

    length: int | None
    received: int

    def readinto(self, buffer: memoryview) -> int: ...


class HashingWriter:
    """Appends to a file descriptor and hashes all that is in the file. Memory: six buffers of 1 MiB.

    Args:
        limit: largest size of the file in bytes, so that no server can fill the disk; None is no limit.
    """

    def __init__(self, fd: int, *, limit: int | None = None) -> None:
        self._fd = fd
        self._limit = limit
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._full: queue.SimpleQueue[tuple[bytearray, int] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.reset()

    def __enter__(self) -> HashingWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._stop()

    def reset(self) -> None:
        """Start again, after the file was emptied."""
        self._stop()
        self._sha = hashlib.sha256()
        self.size = self._hashed = 0

    def resume(self, state: Any, count: int) -> bool:
        """Continue after the first `count` bytes, given their hash state; False when the state is None."""
        if state is None:
            return False
        self._sha, self.size, self._hashed = state, count, count
        os.lseek(self._fd, count, os.SEEK_SET)
        return True

    def save_state(self, cache: HashCache) -> None:
        """Store the hash state for whoever resumes this file."""
        self._stop()
        if self._hashed == self.size:
            cache.store(self._fd, self.size, self._sha)

    def rehash(self, count: int, report: Callable[[int], None]) -> None:
        """Hash the first `count` bytes of the file and continue after them."""
        view = memoryview(bytearray(BLOCK))
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
        self._write(memoryview(chunk))

    def receive(self, stream: ByteStream, report: Callable[[int], None]) -> None:
        """Write and hash a whole stream; `report` is called with the bytes received and may raise to stop.

        Raises:
            ServerUnreachableError: the connection broke; what was received is in the file.
            InvalidRequestError, UnexpectedReplyError: as `write`.
        """
        if stream.length is not None:
            self._check_limit(stream.length)
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
                    # Also what was received before the connection broke: the next export resumes after it.
                    if filled:
                        self._full.put((buffer, filled))
                        self._write(view[:filled])
                if filled:
                    report(stream.received)
                if filled < BLOCK:
                    return
        finally:
            self._stop()

    def hexdigest(self) -> str:
        """SHA-256 of everything in the file, 64 hexadecimal digits."""
        self._stop()
        return self._sha.hexdigest()

    def _check_limit(self, more: int) -> None:
        if self._limit is not None and self.size + more > self._limit:
            raise UnexpectedReplyError(
                f"the server sends more than the {self._limit} bytes that the image has; nothing was kept"
            )

    def _write(self, data: memoryview) -> None:
        self._check_limit(len(data))
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
