"""What happens on a server, as it happens: the events socket, read by an iterator that reconnects and says so."""

from __future__ import annotations

import json
import socket as socketlib
import threading
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
from lxdimg_nb.values import Event
from lxdimg_nb.values.validation import checked_names

__all__ = ["Events"]

TYPES = frozenset({"lifecycle", "operation", "logging", "ovn", "security", "network-acl"})
# Servers ping every 10 s; three pings without a sign and the line is dead.
SILENCE = 35.0
PAUSES = (0.1, 0.3, 1.0, 3.0, 10.0)


class Events:
    """An endless iterator of `Event`; a context manager; `close()` from any thread ends it.

    When the connection breaks it connects again, with growing pauses, and yields an event of type
    `reconnected`: whatever happened in between was lost, servers repeat nothing.
    `on_lost` is called when it breaks, before the first attempt.
    """

    def __init__(
        self,
        transport: Transport,
        types: Iterable[str],
        *,
        project: str = "default",
        all_projects: bool = False,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        self._on_lost = on_lost
        wanted = sorted(set(checked_names(types, "a type of event")))
        unknown = [t for t in wanted if t not in TYPES]
        if unknown or not wanted:
            raise InvalidRequestError(f"{unknown or 'nothing'} is no type of event; one of {', '.join(sorted(TYPES))}")
        self._transport = transport
        scope = {"all-projects": "true"} if all_projects else {"project": project}
        self._path = "/1.0/events?" + urlencode({"type": ",".join(wanted)} | scope)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._socket: Any = None
        self._connect()

    def _connect(self) -> None:
        import websocket

        raw = self._transport.open_socket()
        end = self._transport.endpoint
        address = "ws://localhost" if end.socket else "wss" + end.base.removeprefix("https")
        headers = [f"Authorization: Bearer {end.bearer}"] if end.bearer else []
        try:
            # An Origin header that is not the server's own is refused (LXD shared/ws/upgrader.go).
            made = websocket.create_connection(
                address + self._path, socket=raw, suppress_origin=True, timeout=SILENCE, header=headers
            )
        except websocket.WebSocketBadStatusException as error:
            raw.close()
            if error.status_code in (401, 403):
                raise NotAllowedError(
                    "this connection may not read the server's events", status_code=error.status_code
                ) from error
            kind = ApiError if error.status_code != 404 else NotFoundError
            raise kind(
                f"the server refused its events (HTTP {error.status_code}); does the project exist?",
                status_code=error.status_code,
            ) from error
        except (websocket.WebSocketException, OSError, ValueError) as error:
            raw.close()
            raise ServerUnreachableError(f"the events of {self._transport.url} cannot be read: {error}") from error
        with self._lock:
            if not self._closed.is_set():
                self._socket = made
                return
        shutdown: Any = made.shutdown
        shutdown()

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        """The next event; waits for it.

        Raises:
            StopIteration: `close()` was called.
            ApiError: the server refuses since the connection broke.
        """
        while not self._closed.is_set():
            try:
                return self._receive()
            except _LostError:
                if self._closed.is_set():
                    break
                if self._on_lost is not None:
                    self._on_lost()
                if not self._again():
                    break
                return Event("reconnected", None, "", "", {})
        raise StopIteration

    def _receive(self) -> Event:
        import websocket

        with self._lock:
            made = self._socket
        if made is None:
            raise _LostError
        while True:
            try:
                with self._reading:
                    code, data = made.recv_data(control_frame=True)
            except (websocket.WebSocketException, OSError, ValueError, AttributeError) as error:
                made.shutdown()
                raise _LostError from error
            if code == websocket.ABNF.OPCODE_CLOSE:
                made.shutdown()
                raise _LostError
            if code not in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
                continue
            try:
                return Event.from_json(json.loads(data))
            except (ValueError, RecursionError, LxdImageError):
                continue  # one message that makes no sense is not worth the connection

    def _again(self) -> bool:
        """Connect again; False when closed meanwhile."""
        attempt = 0
        while not self._closed.wait(PAUSES[min(attempt, len(PAUSES) - 1)]):
            try:
                self._connect()
                return not self._closed.is_set()
            except ServerUnreachableError:
                attempt += 1
            except ApiError as error:
                if error.status_code < 500:
                    raise
                attempt += 1
        return False

    def close(self) -> None:
        """End the iteration, also one that waits in another thread."""
        self._closed.set()
        with self._lock:
            made, self._socket = self._socket, None
        if made is None:
            return
        try:
            # Shutting down wakes a thread that reads, which closing alone would leave waiting.
            made.sock.shutdown(socketlib.SHUT_RDWR)
        except (OSError, AttributeError):
            pass
        with self._reading:
            made.shutdown()

    def __enter__(self) -> Events:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()


class _LostError(Exception):
    """The connection broke."""
