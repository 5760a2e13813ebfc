"""One listing at a time for a server, and one for all who wait for the next.

Two listings at once hold each other up until both meet the server's deadline (LXD 5.0.2: of four, two fail).
Sixteen callers at once would wait for sixteen listings in a row; whoever came before a listing began can share it.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Hashable
from functools import cache
from typing import Generic, TypeVar

__all__ = ["SingleFlight"]

T = TypeVar("T")


@cache
def _lock(_server: str) -> threading.Lock:
    """One lock a server address for the life of the process."""
    return threading.Lock()


class _Call(Generic[T]):
    """A listing that has not begun, or is under way."""

    def __init__(self) -> None:
        # Held until it ends. An Event's own lock could be left taken by a Ctrl-C, and all others would wait for ever.
        self._going = threading.Lock()
        self._going.acquire()
        self.result: list[T] = []
        self.error: BaseException | None = None

    def wait(self) -> None:
        self._going.acquire()
        self.end()

    def end(self) -> None:
        """Let go all who wait; once more does no harm."""
        try:
            self._going.release()
        except RuntimeError:
            pass


class SingleFlight:
    """The listings of one connection's owner. What one may see is shared with nobody else; the turn is, by address."""

    def __init__(self, server: str) -> None:
        self._server = _lock(server)
        self._guard = threading.Lock()
        self._next: dict[Hashable, _Call[object]] = {}

    def run(self, key: Hashable, listing: Callable[[], T]) -> T:
        """The result of `listing()`, begun after this call was, by this thread or another that asks for the same."""
        while True:
            mine: _Call[object] = _Call()
            try:
                try:
                    with self._guard:
                        turn = self._next.setdefault(key, mine)
                    if turn is mine:
                        self._run(key, mine, listing)
                    else:
                        turn.wait()
                finally:
                    self._over(key, mine)
            finally:
                # Ctrl-C may come anywhere, in the first of the two as well: nobody waits for a turn that will not be.
                self._over(key, mine)
            if turn.error is None:
                return turn.result[0]  # type: ignore[return-value]
            if turn is mine:
                raise turn.error
            if isinstance(turn.error, Exception):
                raise copy.copy(turn.error) from turn.error
            # The other thread was interrupted, which is no answer for this one.

    def _run(self, key: Hashable, turn: _Call[object], listing: Callable[[], object]) -> None:
        try:
            with self._server:
                with self._guard:
                    # Whoever comes from here on wants to see what was changed since.
                    del self._next[key]
                turn.result.append(listing())
        except BaseException as error:  # noqa: BLE001 - raised again by everyone who waits
            turn.error = error

    def _over(self, key: Hashable, turn: _Call[object]) -> None:
        """Nobody joins it any more, and whoever has goes on."""
        if not turn.result and turn.error is None:
            turn.error = KeyboardInterrupt()
        with self._guard:
            if self._next.get(key) is turn:
                del self._next[key]
        turn.end()
