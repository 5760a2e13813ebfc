"""Between a client and a server's unix socket: counts what is asked, and cuts, stalls, garbles or rewrites it.

Faults are given for requests by method and path. Offsets count from the first byte of the request's (`up`) or
the reply's (`down`) head, so a test can aim at a head, a body, or anywhere by a seed.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import re
import socket as sockets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Header = tuple[str, str]
BLOCK = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """A whole reply of the server, for rewriting."""

    status: int
    headers: tuple[Header, ...]
    body: bytes

    def header(self, name: str) -> str:
        """A header's value, empty without it."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def render(self, *, status: int = 0, body: bytes | None = None, **headers: str | None) -> bytes:
        """The reply as bytes, changed. `Content_Length="7"` sets a header, None leaves it out."""
        content = self.body if body is None else body
        changed = {name.replace("_", "-").lower(): (name.replace("_", "-"), v) for name, v in headers.items()}
        changed = {"content-length": ("Content-Length", str(len(content))), "transfer-encoding": ("", None)} | changed
        kept = [(k, v) for k, v in self.headers if k.lower() not in changed]
        lines = kept + [(name, value) for name, value in changed.values() if value is not None]
        head = f"HTTP/1.1 {status or self.status} X\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines)
        return f"{head}\r\n".encode("latin-1") + content


@dataclass
class Fault:
    """What happens to one exchange.

    Attributes:
        kind: `cut` closes both sides, `stall` lets nothing more through, `garble` replaces bytes, `call` calls
            `action` and goes on, `rewrite` sends what `rewrite` makes of the whole reply.
        at: bytes of that direction let through before.
        times: for so many exchanges.
    """

    kind: Literal["cut", "stall", "garble", "call", "rewrite"]
    direction: Literal["up", "down"] = "down"
    at: int = 0
    seed: int = 0
    length: int = 16
    times: int = 1
    action: Callable[[], object] | None = None
    rewrite: Callable[[Answer], bytes] | None = None
    path: re.Pattern[str] = field(default_factory=lambda: re.compile(""))
    method: str = ""


@dataclass
class _Exchange:
    """One request and its reply, under way."""

    fault: Fault | None
    passed: dict[str, int] = field(default_factory=lambda: {"up": 0, "down": 0})
    done: bool = False


class _EndedError(Exception):
    """This connection is over."""


class Proxy:
    """Listens on a socket of its own until it is closed; a context manager."""

    def __init__(self, upstream: Path, folder: Path) -> None:
        self.socket = folder / "proxy.socket"
        self.requests: list[tuple[str, str]] = []
        self.connections = 0
        self.bytes = {"up": 0, "down": 0}
        self._upstream = upstream
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._open: set[sockets.socket] = set()
        self._listener = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        self._listener.bind(str(self.socket))
        self._listener.listen(64)
        self._threads = [threading.Thread(target=self._accept, name="proxy", daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """What `lxdimg_nb.connect` takes."""
        return f"unix://{self.socket}"

    def send_to(self, upstream: Path) -> None:
        """Send what connects from here on to another server."""
        self._upstream = upstream

    def inject(self, fault: Fault, path: str = "", method: str = "") -> Fault:
        """Have a fault meet the next requests whose path matches."""
        fault.path, fault.method = re.compile(path), method
        with self._lock:
            self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """No more faults."""
        with self._lock:
            self._faults.clear()

    def count(self, method: str = "", path: str = "") -> int:
        """How many such requests came."""
        with self._lock:
            return sum(1 for m, p in self.requests if (not method or m == method) and re.search(path, p))

    def forget(self) -> None:
        """Count from here on."""
        with self._lock:
            self.requests.clear()
            self.connections = 0
            self.bytes = {"up": 0, "down": 0}

    def close(self) -> None:
        """End every connection and thread."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(sockets.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            still_open = list(self._open)
        for sock in still_open:
            _end(sock)
        for thread in list(self._threads):
            thread.join(timeout=10)
        self.socket.unlink(missing_ok=True)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Threads

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                # Closed, or a test let this process run out of file descriptors for a while.
                self._closed.wait(0.01)
                continue
            try:
                server = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
            except OSError:
                client.close()
                continue
            try:
                server.connect(str(self._upstream))
            except OSError:
                client.close()
                server.close()
                continue
            with self._lock:
                self.connections += 1
                self._open |= {client, server}
            connection = _Connection(self, client, server)
            for work in (connection.up, connection.down):
                thread = threading.Thread(target=self._run, args=(work, client, server), name="proxy", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _run(self, work: Callable[[], None], client: sockets.socket, server: sockets.socket) -> None:
        with contextlib.suppress(OSError, _EndedError, http.client.HTTPException):
            work()
        _end(client)
        _end(server)
        with self._lock:
            self._open -= {client, server}

    def begin(self, method: str, path: str) -> _Exchange:
        """A request came: count it, and choose its fault."""
        with self._lock:
            self.requests.append((method, path))
            for fault in self._faults:
                if fault.times > 0 and (not fault.method or fault.method == method) and fault.path.search(path):
                    fault.times -= 1
                    return _Exchange(fault)
            return _Exchange(None)

    def wait(self) -> None:
        """Nothing happens until the proxy is closed."""
        self._closed.wait()
        raise _EndedError


class _Connection:
    def __init__(self, proxy: Proxy, client: sockets.socket, server: sockets.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._exchange = _Exchange(None)
        self._buffer = b""

    def up(self) -> None:
        """From the client to the server, request by request."""
        while True:
            while b"\r\n\r\n" not in self._buffer:
                self._read()
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            method, path, _ = first.split(" ", 2)
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
            self._exchange = self._proxy.begin(method, path)
            self._pass(head + b"\r\n\r\n", "up")
            if "upgrade" in headers:
                while True:
                    self._forward_buffer()
            elif headers.get("transfer-encoding", "").lower() == "chunked":
                self._chunks()
            else:
                self._exactly(int(headers.get("content-length", "0")))

    def _read(self) -> None:
        data = self._client.recv(BLOCK)
        if not data:
            raise _EndedError
        self._buffer += data

    def _forward_buffer(self) -> None:
        if not self._buffer:
            self._read()
        data, self._buffer = self._buffer, b""
        self._pass(data, "up")

    def _exactly(self, count: int) -> None:
        while count:
            if not self._buffer:
                self._read()
            data, self._buffer = self._buffer[:count], self._buffer[count:]
            count -= len(data)
            self._pass(data, "up")

    def _chunks(self) -> None:
        while True:
            while b"\r\n" not in self._buffer:
                self._read()
            line, _, self._buffer = self._buffer.partition(b"\r\n")
            self._pass(line + b"\r\n", "up")
            size = int(line.split(b";")[0], 16)
            self._exactly(size + 2)
            if not size:
                return

    def down(self) -> None:
        """From the server to the client."""
        while self._server.recv(1, sockets.MSG_PEEK):
            exchange = self._exchange
            if exchange.fault is not None and exchange.fault.kind == "rewrite" and not exchange.done:
                exchange.done = True
                self._rewrite(exchange.fault)
            else:
                self._pass(self._server.recv(BLOCK), "down")

    def _rewrite(self, fault: Fault) -> None:
        reply = http.client.HTTPResponse(self._server)
        reply.begin()
        answer = Answer(reply.status, tuple(reply.getheaders()), reply.read())
        assert fault.rewrite is not None
        data = fault.rewrite(answer)
        self._client.sendall(data)
        if b"connection: close" in data.partition(b"\r\n\r\n")[0].lower():
            raise _EndedError

    def _pass(self, data: bytes, direction: Literal["up", "down"]) -> None:
        exchange = self._exchange
        target = self._server if direction == "up" else self._client
        start = exchange.passed[direction]
        exchange.passed[direction] += len(data)
        fault = exchange.fault
        if fault is not None and fault.direction == direction and fault.kind != "rewrite" and not exchange.done:
            data = self._harm(exchange, fault, data, start, target)
        self._proxy.bytes[direction] += len(data)
        target.sendall(data)

    def _harm(self, exchange: _Exchange, fault: Fault, data: bytes, start: int, target: sockets.socket) -> bytes:
        if fault.kind == "garble":
            noise = random.Random(fault.seed).randbytes(fault.length)
            changed = bytearray(data)
            for i, byte in enumerate(noise):
                if 0 <= fault.at + i - start < len(changed):
                    changed[fault.at + i - start] ^= byte | 1
            return bytes(changed)
        if fault.at >= start + len(data):
            return data
        exchange.done = True
        target.sendall(data[: fault.at - start])
        if fault.kind == "cut":
            raise _EndedError
        if fault.kind == "stall":
            self._proxy.wait()
        if fault.action is not None:
            fault.action()
        return data[fault.at - start :]


def _end(sock: sockets.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(sockets.SHUT_RDWR)
    sock.close()
