"""One listing at a time a server, shared by all callers that wait for the next one.

Two listings at once hold each other up until both meet the server's deadline (LXD 5.0.2: of four, two fail).
Sixteen callers at once would wait for sixteen listings in a row; whoever came before a listing began can share it.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Hashable
from functools import cache
from typing import TypeVar

__all__ = ["SingleFlight"]

T = TypeVar("T")


@cache
def _server_lock(_server: str) -> threading.Lock:
    """One lock a server address for the life of the process."""
    return threading.Lock()


class _Call:
    """A listing that waits for its turn, is running, or has finished."""

    def __init__(self) -> None:
        self.result: list[object] = []
        self.error: BaseException | None = None
        self._finished = False
        self._waiters: list[threading.Lock] = []

    def wait(self) -> None:
        """Wait until it has finished."""
        # A lock a waiter: the lock inside an Event could be left locked by a Ctrl-C, and all others would wait forever.
        lock = threading.Lock()
        lock.acquire()
        self._waiters.append(lock)
        if not self._finished:
            lock.acquire()

    def finish(self) -> None:
        """Wake all waiters. Only its own thread calls it, and may do so twice."""
        self._finished = True
        for lock in self._waiters:
            if lock.locked():
                lock.release()


class SingleFlight:
    """The listings of one connection. Results are shared with no other connection; the turn is, by server address."""

    def __init__(self, server: str) -> None:
        self._server = _server_lock(server)
        self._guard = threading.Lock()
        self._next: dict[Hashable, _Call] = {}

    def run(self, key: Hashable, listing: Callable[[], T]) -> T:
        """The result of `listing()` begun after this call, by this thread or by another that asked for the same key."""
        while True:
            mine = _Call()
            try:
                try:
                    with self._guard:
                        call = self._next.setdefault(key, mine)
                    if call is mine:
                        self._execute(key, mine, listing)
                    else:
                        call.wait()
                finally:
                    self._finish(key, mine)
            finally:
                # A Ctrl-C may come anywhere, in the first of the two as well: nobody must wait for a call that is over.
                self._finish(key, mine)
            if call.error is None:
                return call.result[0]  # type: ignore[return-value]
            if call is mine:
                raise call.error
            if isinstance(call.error, Exception):
                raise copy.copy(call.error) from call.error
            # The other thread was interrupted, which is no answer for this one.

    def _execute(self, key: Hashable, call: _Call, listing: Callable[[], object]) -> None:
        try:
            with self._server:
                with self._guard:
                    # Whoever comes from here on wants to see what was changed since.
                    del self._next[key]
                call.result.append(listing())
        except BaseException as error:  # noqa: BLE001 - raised again by all who wait
            call.error = error

    def _finish(self, key: Hashable, call: _Call) -> None:
        """Let nobody join it any more, and wake those who have."""
        if not call.result and call.error is None:
            call.error = KeyboardInterrupt()
        with self._guard:
            if self._next.get(key) is call:
                del self._next[key]
        call.finish()
