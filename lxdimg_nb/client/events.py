"""Events of a server as they happen: an iterator over its websocket that reconnects and says so."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket as socketlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from lxdimg_nb.client.http.transport import Transport
from lxdimg_nb.errors import (
    ApiError,
    InvalidRequestError,
    LxdImageError,
    NotAllowedError,
    NotFoundError,
    ServerUnreachableError,
)
from lxdimg_nb.text.secret import Secret, inner_frames_hidden
from lxdimg_nb.values import Event
from lxdimg_nb.values.validation import checked_names

__all__ = ["Events"]

TYPES = frozenset({"lifecycle", "operation", "logging", "ovn", "security", "network-acl"})
# Servers ping every 10 s; after three missing pings the connection is dead.
READ_TIMEOUT = 35.0
# Bytes of one message, or of the reply that begins the connection, and pieces that come one right after the other.
# Those of servers have a few kB in one piece.
MAX_MESSAGE = 4 * 1024 * 1024
MAX_PIECES = 10_000
RETRY_DELAYS = (0.1, 0.3, 1.0, 3.0, 10.0)


class Events:
    """An endless iterator of `Event`; a context manager; `close()` from any thread ends it.

    When the connection breaks it connects again, with growing pauses, and yields an event of type
    `reconnected`: what happened in between is lost, servers repeat nothing.

    Args:
        on_lost: called when the connection breaks, before the first attempt to reconnect.
    """

    def __init__(
        self,
        transport: Transport,
        types: Iterable[str],
        *,
        project: str = "default",
        all_projects: bool = False,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        wanted = sorted(set(checked_names(types, "a type of event")))
        unknown = [t for t in wanted if t not in TYPES]
        if unknown or not wanted:
            raise InvalidRequestError(f"{unknown or 'nothing'} is no type of event; one of {', '.join(sorted(TYPES))}")
        self._transport = transport
        self._on_lost = on_lost
        scope = {"all-projects": "true"} if all_projects else {"project": project}
        self._path = "/1.0/events?" + urlencode({"type": ",".join(wanted)} | scope)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._socket: Any = None
        self._connect()

    def _connect(self) -> None:
        import websocket

        raw: Any = _BoundedSocket(self._transport.open_socket(), self._transport.timeout)
        end = self._transport.endpoint
        address = "ws://localhost" if end.socket else "wss" + end.base.removeprefix("https")
        headers = [Secret(f"Authorization: Bearer {end.bearer}")] if end.bearer else []
        try:
            # An Origin header that is not the server's own is refused (LXD shared/ws/upgrader.go).
            with inner_frames_hidden():
                connected: Any = websocket.create_connection(
                    address + self._path, socket=raw, suppress_origin=True, header=headers, redirect_limit=0
                )
            raw.begin()
        except websocket.WebSocketBadStatusException as error:
            raw.close()
            status = error.status_code
            if status in (401, 403):
                raise NotAllowedError("this connection may not read the server's events", status_code=status) from error
            raise (NotFoundError if status == 404 else ApiError)(
                f"the server refused its events (HTTP {status}); does the project exist?", status_code=status
            ) from error
        except (websocket.WebSocketException, OSError, ValueError) as error:
            raw.close()
            raise ServerUnreachableError(f"the events of {self._transport.url} cannot be read: {error}") from error
        with self._lock:
            if not self._closed.is_set():
                self._socket = connected
                return
        connected.shutdown()

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        """The next event; waits for it.

        Raises:
            StopIteration: `close()` was called.
            ApiError: the server refused to be connected to again.
        """
        while not self._closed.is_set():
            try:
                return self._receive()
            except _LostError:
                if self._closed.is_set():
                    break
                self._on_lost()
                if not self._reconnect():
                    break
                return Event("reconnected", None, "", "", {})
        raise StopIteration

    def _receive(self) -> Event:
        import websocket

        with self._lock:
            connected = self._socket
        while connected is not None:
            try:
                with self._reading:
                    connected.sock.begin()
                    message = connected.recv()
                if not message:
                    raise ConnectionResetError("the server closed the connection")
            except (websocket.WebSocketException, OSError, ValueError, AttributeError) as error:
                connected.shutdown()
                raise _LostError from error
            # One message that makes no sense is not worth the connection.
            with contextlib.suppress(ValueError, RecursionError, LxdImageError):
                return Event.from_json(json.loads(message))
        raise _LostError

    def _reconnect(self) -> bool:
        """Whether it is connected again; False when it was closed meanwhile."""
        for delay in itertools.chain(RETRY_DELAYS, itertools.repeat(RETRY_DELAYS[-1])):
            if self._closed.wait(delay):
                break
            try:
                self._connect()
                return not self._closed.is_set()
            except ServerUnreachableError:
                pass
            except ApiError as error:
                if error.status_code < 500:
                    raise
        return False

    def close(self) -> None:
        """End the iteration, also in another thread that waits for an event."""
        self._closed.set()
        with self._lock:
            connected, self._socket = self._socket, None
        if connected is None:
            return
        with contextlib.suppress(OSError, AttributeError):
            # Shutting down wakes a thread that reads; closing alone would leave it waiting.
            connected.sock.shutdown(socketlib.SHUT_RDWR)
        with self._reading:
            connected.shutdown()

    def __enter__(self) -> Events:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()


class _BoundedSocket:
    """A socket whose peer can send only so much in one message, and must send the reply that begins it in time.

    Args:
        sock: connected; everything else is its own.
        seconds: until the first call of `begin`.
    """

    def __init__(self, sock: socketlib.socket, seconds: float) -> None:
        self._sock = sock
        self._left, self._pieces = MAX_MESSAGE, 0
        self._last = time.monotonic()
        self._deadline: float | None = time.monotonic() + seconds
        sock.settimeout(seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def begin(self) -> None:
        """A message may begin, and take its time."""
        if self._deadline is not None:
            self._sock.settimeout(READ_TIMEOUT)
        self._left, self._pieces, self._deadline = MAX_MESSAGE, 0, None

    def recv(self, size: int) -> bytes:
        """The next bytes.

        Raises:
            OSError: there is no end of them.
        """
        now = time.monotonic()
        if self._deadline is not None and now > self._deadline:
            raise TimeoutError("the reply takes too long")
        found = self._sock.recv(size)
        # Pings, which come every few seconds, are no part of a message.
        self._pieces = self._pieces + 1 if now - self._last < 1 else 0
        self._left, self._last = self._left - len(found), now
        if self._left < 0 or (self._pieces > MAX_PIECES and self._deadline is None):
            raise ConnectionAbortedError("a message without end")
        return found


class _LostError(Exception):
    """The connection broke."""
