"""Between a client and a server's TLS address: passes bytes on, and resets a connection when told to.

A unix socket cannot be reset; here the other side gets ECONNRESET in the middle of whatever it does.
"""

from __future__ import annotations

import contextlib
import socket as sockets
import struct
import threading
from typing import Literal
from urllib.parse import urlsplit

__all__ = ["Relay"]

BLOCK = 16 * 1024
# Closing then sends RST in place of FIN.
_LINGER = struct.pack("ii", 1, 0)


class Relay:
    """Listens on a port of 127.0.0.1 until it is closed; a context manager."""

    def __init__(self, https_url: str) -> None:
        parts = urlsplit(https_url)
        self._upstream = (str(parts.hostname), int(parts.port or 443))
        self._listener = sockets.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._open: set[sockets.socket] = set()
        self._left: dict[str, int] = {}
        self._times = 0
        self.resets = 0
        self._threads = [threading.Thread(target=self._accept, name="relay", daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """What `lxdimg_nb.connect` takes."""
        return f"https://127.0.0.1:{self._listener.getsockname()[1]}"

    def reset_after(self, count: int, direction: Literal["up", "down"], *, times: int = 1) -> None:
        """Reset the connection that passes so many more bytes, and as many later ones at their first byte.

        Args:
            count: of bytes, over all connections together.
            direction: `up` from the client, `down` from the server.
            times: how many connections.
        """
        with self._lock:
            self._left, self._times = {direction: count}, times

    def heal(self) -> None:
        """No more resets."""
        with self._lock:
            self._left, self._times = {}, 0

    def close(self) -> None:
        """End every connection and thread."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(sockets.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            still_open = [*self._open]
        for sock in still_open:
            with contextlib.suppress(OSError):
                sock.shutdown(sockets.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Threads

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                self._closed.wait(0.01)
                continue
            try:
                server = sockets.create_connection(self._upstream)
            except OSError:
                client.close()
                continue
            for sock in (client, server):
                sock.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            ways = ((client, server, "up"), (server, client, "down"))
            for way in ways:
                thread = threading.Thread(target=self._pass, args=way, name="relay", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pass(self, source: sockets.socket, target: sockets.socket, direction: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(BLOCK):
                allowed = self._allowed(direction, len(data))
                target.sendall(data[:allowed])
                if allowed < len(data):
                    self.resets += 1
                    for sock in (source, target):
                        sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, _LINGER)
                    break
        for sock in (source, target):
            with contextlib.suppress(OSError):
                # Wakes the other direction's thread; a socket that lingers for nothing is reset when it is closed.
                sock.shutdown(sockets.SHUT_RD)
        with self._lock:
            first = source in self._open
            self._open -= {source, target}
        if not first:
            source.close()
            target.close()

    def _allowed(self, direction: str, count: int) -> int:
        """How many of these bytes go on."""
        with self._lock:
            if self._times == 0 or direction not in self._left:
                return count
            left = self._left[direction]
            if left >= count:
                self._left[direction] = left - count
                return count
            self._times -= 1
            self._left[direction] = 0
            return left
