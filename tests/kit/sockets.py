"""HTTP over a server's socket with code of our own and none of the package's, and TCP ports for servers."""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RawReply:
    """What the server said, byte for byte."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def metadata(self) -> Any:
        """The `metadata` of the envelope."""
        return self.json()["metadata"]


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str | Path, timeout: float = 30.0) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self.path)
        except OSError:
            self.sock.close()
            raise


def multipart(metadata: bytes, rootfs: bytes) -> tuple[bytes, str]:
    """A split image as the body and Content-Type of an upload."""
    boundary = "lxdimg-test-boundary"
    second = "rootfs.img" if rootfs.startswith(b"QFI\xfb") else "rootfs"
    body = b""
    for name, data in (("metadata", metadata), (second, rootfs)):
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        body += f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on.

    None of those that Linux gives to whoever asks for any port: it is still free when it is used at last.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
