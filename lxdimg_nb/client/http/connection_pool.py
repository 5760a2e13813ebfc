"""What kept connections wait in: a queue that an interrupt cannot leave locked."""

from __future__ import annotations

import queue
from collections import deque
from typing import TypeVar

__all__ = ["ConnectionQueue"]

T = TypeVar("T")


class ConnectionQueue(queue.LifoQueue[T]):
    """Last in, first out, as urllib3 wants it of the queue of a pool that does not wait for connections.

    `queue.LifoQueue` enters a lock in Python code: a Ctrl-C between taking it and being able to give it back
    leaves it taken, and every later request of that pool waits for ever. A deque's own calls cannot be interrupted.

    Args:
        maxsize: so many are held; several threads at once may put in one or two more.
    """

    def __init__(self, maxsize: int = 0) -> None:
        # Not the parent's, which makes the locks.
        self._maxsize = maxsize
        self._held: deque[T] = deque()

    def qsize(self) -> int:
        """How many are held."""
        return len(self._held)

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002 - as in queue
        """Hold one more.

        Raises:
            queue.Full: there are enough.
        """
        if len(self._held) >= self._maxsize:
            raise queue.Full
        self._held.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> T:  # noqa: ARG002 - as in queue
        """Take the one that came last.

        Raises:
            queue.Empty: there is none; it is not waited for.
        """
        try:
            return self._held.pop()
        except IndexError:
            raise queue.Empty from None
