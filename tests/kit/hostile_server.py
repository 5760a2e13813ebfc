"""A server that answers in raw bytes whatever a test says: without end, byte by byte, with wrong lengths, with lies."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxdimg_nb.errors import LxdImageError
from tests.kit.counts import count
from tests.kit.fuzz import MAX_MEMORY, bounded_memory

__all__ = ["INFO", "HostileServer", "Peer", "Request", "envelope", "http_reply", "operation", "survives"]

# What a test sends of something endless, should nobody stop it.
ENDLESS = 2 << 30
OPERATION = "5d0c5b7c-9b2d-4d5c-a1e7-0a1b2c3d4e5f"
INFO = {
    "api_status": "stable",
    "api_version": "1.0",
    "api_extensions": ["image_types", "projects", "images_all_projects", "image_profiles"],
    "auth": "trusted",
    "environment": {"server": "incus", "server_version": "6.0.4", "project": "default"},
    "config": {},
}


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Peer:
    """One connection, as an answer sees it."""

    def __init__(self, server: HostileServer, sock: socket.socket) -> None:
        self.server, self.sock = server, sock

    def send(self, data: bytes) -> None:
        """Send bytes; OSError ends the answer when the client has gone."""
        self.sock.sendall(data)
        self.server.sent += len(data)

    def forever(self, block: bytes, *, most: int = ENDLESS) -> None:
        """Send a block again and again until the client goes away."""
        block *= max(1, 65536 // len(block))
        while self.server.sent < most:
            self.send(block)

    def drip(self, data: bytes, seconds: float = 0.05) -> None:
        """Send byte by byte, with pauses."""
        for byte in data:
            self.send(bytes([byte]))
            if self.server.closed.wait(seconds):
                return

    def hold(self) -> None:
        """Send nothing more and keep the connection open."""
        self.server.closed.wait()

    def upgrade(self, request: Request) -> None:
        """Accept a websocket."""
        key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()  # noqa: S324 - RFC 6455
        head = f"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        self.send(head.encode())

    def message(self, value: Any) -> None:
        """Send one message through the websocket."""
        data = json.dumps(value).encode()
        self.send(b"\x81\x7f" + struct.pack("!Q", len(data)) + data)


Answer = Callable[[Peer, Request], object] | bytes


class HostileServer:
    """Listens on a unix socket, or on loopback with a certificate, until it is closed; a context manager.

    It presents itself as a decent Incus with these images; `answers` are by a pattern of `METHOD path`, the last one
    that matches counts.

    Args:
        images: as a server describes them.
        certificate: the files of a certificate and its key.
    """

    def __init__(self, *images: Mapping[str, Any], certificate: tuple[Path, Path] | None = None) -> None:
        self.images = {str(one["fingerprint"]): dict(one) for one in images}
        self.answers: dict[str, Answer] = {}
        self.asked: list[Request] = []
        self.sent = 0
        # The Date header of decent answers.
        self.date = ""
        self.closed = threading.Event()
        self._peers: set[socket.socket] = set()
        self._folder = tempfile.TemporaryDirectory(prefix="lxi-odd-", dir="/tmp")
        self._context: ssl.SSLContext | None = None
        if certificate is None:
            self.url = f"unix://{self._folder.name}/unix.socket"
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(f"{self._folder.name}/unix.socket")
        else:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._listener.listen(64)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def paths(self, method: str = "") -> list[str]:
        """What was asked for, in order."""
        return [one.path for one in self.asked if method in ("", one.method)]

    def close(self) -> None:
        """End every connection and thread."""
        self.closed.set()
        for sock in (self._listener, *self._peers):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(timeout=10)
        self._folder.cleanup()

    def __enter__(self) -> HostileServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while not self.closed.is_set():
            with contextlib.suppress(OSError):
                sock, _ = self._listener.accept()
                self._peers.add(sock)
                self._threads.append(threading.Thread(target=self._serve, args=(sock,), daemon=True))
                self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._context is not None:
                self._peers.discard(sock)
                sock = self._context.wrap_socket(sock, server_side=True)
                self._peers.add(sock)
            with sock.makefile("rb") as file:
                while (request := _read_request(file)) is not None:
                    self.asked.append(request)
                    self._answer(Peer(self, sock), request)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()

    def _answer(self, peer: Peer, request: Request) -> None:
        asked = f"{request.method} {request.path}"
        found = next((self.answers[p] for p in reversed(self.answers) if re.search(p, asked)), None)
        if callable(found):
            found(peer, request)
        else:
            head, _, rest = self._decent(request).partition(b"\r\n")
            date = f"\r\nDate: {self.date}".encode("latin-1") if self.date else b""
            peer.send(found if found is not None else head + date + b"\r\n" + rest)

    def _decent(self, request: Request) -> bytes:
        path = request.path.partition("?")[0].removeprefix("/1.0").strip("/")
        room, _, name = path.partition("/")
        if path == "":
            return http_reply(envelope(INFO))
        if path == "images":
            return http_reply(envelope(list(self.images.values())))
        if room == "images" and name in self.images:
            return http_reply(envelope(self.images[name]), ETag="e1")
        if room == "projects" and name:
            used_by = [f"/1.0/images/{one}" for one in self.images]
            return http_reply(envelope({"name": name, "config": {}, "used_by": used_by}))
        if path in ("images/aliases", "instances", "projects", "operations", "profiles"):
            return http_reply(envelope({} if room == "operations" else []))
        return http_reply(json.dumps({"type": "error", "error": "not found", "error_code": 404}).encode(), 404)


def _read_request(file: Any) -> Request | None:
    first = file.readline().decode("latin-1").split()
    if len(first) != 3:
        return None
    headers = {}
    while (line := file.readline().decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Request(first[0], first[1], headers, file.read(int(headers.get("content-length", 0))))


def envelope(metadata: object, **fields: object) -> bytes:
    """A reply's JSON."""
    return json.dumps({"type": "sync", "status": "Success", "status_code": 200, "metadata": metadata} | fields).encode()


def operation(**fields: object) -> bytes:
    """The JSON of a reply that announces background work, or tells of it."""
    found = {"id": OPERATION, "class": "task", "description": "Downloading image", "status": "Running"}
    found |= {"status_code": 103, "may_cancel": True, "err": "", "metadata": None, "resources": None}
    return envelope(found | fields, type="async", status_code=100, operation=f"/1.0/operations/{OPERATION}")


def http_reply(body: bytes, status: int = 200, **headers: str) -> bytes:
    """A whole reply."""
    named = {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode("latin-1") + body


def survives(kind: str, call: Callable[[], object], *, memory: int = MAX_MEMORY) -> LxdImageError | None:
    """Whether a call ends well or with one error of ours, within so many bytes of memory.

    Args:
        kind: its row in the table of counts.

    Returns:
        The error; None when there was none.
    """
    with bounded_memory(memory):
        try:
            call()
        except LxdImageError as error:
            assert 0 < len(str(error)) < 5000, "an error without words, or with too many"
            count(kind, inputs=1, survived=1)
            return error
    count(kind, inputs=1)
    return None
