"""Other image servers as the demo server calls them: HTTPS to LXD, Incus, another demo or a simplestreams tree.

Everything here blocks and runs in a worker thread.

Source: what LXD 5.0.2 asks of a server it copies from or to, and the texts it fails with.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket as sockets
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..store.refusals import Refusal

__all__ = ["Meter", "Peer", "download_file"]

_TIMEOUT = 30.0
_JSON_LIMIT = 64 << 20
_BLOCK = 256 << 10


class Stopped(Exception):  # noqa: N818 - somebody asked for it
    """The operation was cancelled while bytes flowed."""


class Peer:
    """One server, by URL and, where its certificate is its own work, by that certificate.

    Args:
        url: `https://host:port`, with a path where the server has one.
        certificate: PEM to pin, or an empty text for the system's authorities.
    """

    def __init__(self, url: str, certificate: str = "") -> None:
        self.url = url.rstrip("/")
        self._parts = urlsplit(self.url)
        self._pinned = ssl.PEM_cert_to_DER_cert(certificate) if certificate.strip() else None
        self._stop = threading.Event()
        self._open: http.client.HTTPConnection | None = None

    def abort(self) -> None:
        """Break off what runs, from another thread: `download` ends with Stopped."""
        self._stop.set()
        sock = self._open.sock if self._open is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(sockets.SHUT_RDWR)

    def _connection(self, path: str) -> http.client.HTTPConnection:
        host, scheme = self._parts.hostname, self._parts.scheme
        if scheme not in ("https", "http") or not host:
            raise Refusal(500, f'Get "{self.url}{path}": unsupported protocol scheme "{scheme}"')
        if scheme == "http":
            return http.client.HTTPConnection(host, self._parts.port or 80, timeout=_TIMEOUT)
        context = ssl.create_default_context()
        if self._pinned is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
            context.load_verify_locations(cadata=self._pinned)
        return http.client.HTTPSConnection(host, self._parts.port or 443, timeout=_TIMEOUT, context=context)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Iterable[bytes] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """One exchange; the caller reads the reply and closes the connection.

        Raises:
            Refusal: nobody answers there.
        """
        connection = self._connection(path)
        target = f"{self._parts.path}{path}"
        try:
            self._open = connection
            connection.connect()
            if self._stop.is_set():
                raise Stopped
            connection.request(method, target, body=body, headers=dict(headers or {}))
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if self._stop.is_set():
                raise Stopped from error
            raise Refusal(500, f'{method.capitalize()} "{self.url}{path}": {self._reason(error)}') from error
        except BaseException:
            connection.close()
            raise

    def _reason(self, error: Exception) -> str:
        address = f"{self._parts.hostname}:{self._parts.port or 443}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return "x509: certificate signed by unknown authority"
        if isinstance(error, ConnectionRefusedError):
            return f"Unable to connect to: {address} ([dial tcp {address}: connect: connection refused])"
        return f"Unable to connect to: {address} ([{error}])"

    def json(
        self,
        method: str,
        path: str,
        *,
        body: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """One exchange that answers JSON; an error envelope is raised with its text.

        Args:
            method: of HTTP.
            path: with the query.
            body: blocks to upload.
            headers: of the request.

        Raises:
            Refusal: nobody answers, the reply is no JSON, or it is an error.
        """
        connection, response = self.request(method, path, body=body, headers=headers)
        try:
            text = response.read(_JSON_LIMIT)
            reply = json.loads(text)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Refusal(500, f'{method.capitalize()} "{self.url}{path}": no JSON in the reply') from error
        finally:
            connection.close()
        if not isinstance(reply, dict):
            raise Refusal(500, f'{method.capitalize()} "{self.url}{path}": no object in the reply')
        if reply.get("type") == "error":
            raise Refusal(int(reply.get("error_code") or 500), str(reply.get("error", "")))
        return reply

    def download(
        self,
        path: str,
        take: Callable[[bytes], None],
        *,
        progress: Callable[[int, int], None],
        begin: Callable[[http.client.HTTPMessage], None] | None = None,
    ) -> None:
        """Read a reply in blocks and hand each on.

        Args:
            path: to GET.
            take: called with each block.
            progress: called with bytes so far and in all (0 where unknown).
            begin: called with the headers of the reply before the first block.

        Raises:
            Refusal: nobody answers, an error is answered, or the reply breaks off.
            Stopped: `abort` was called meanwhile.
        """
        connection, response = self.request("GET", path)
        try:
            if response.status != 200:
                raise Refusal(404 if response.status == 404 else 500, self._error_in(response))
            if begin is not None:
                begin(response.headers)
            total = int(response.headers.get("Content-Length") or 0)
            done = 0
            while block := response.read(_BLOCK):
                if self._stop.is_set():
                    raise Stopped
                take(block)
                done += len(block)
                progress(done, total)
            if self._stop.is_set():
                raise Stopped
            if total and done < total:
                raise Refusal(500, "unexpected EOF")
        except (OSError, http.client.HTTPException) as error:
            if self._stop.is_set():
                raise Stopped from error
            raise Refusal(500, "unexpected EOF") from error
        finally:
            connection.close()

    @staticmethod
    def _error_in(response: http.client.HTTPResponse) -> str:
        try:
            return str(json.loads(response.read(1 << 20))["error"])
        except (ValueError, KeyError, TypeError, OSError):
            return f"the server answered {response.status}"


def download_file(
    folder: Path, peer: Peer, path: str, also: Callable[[bytes], None], meter: Callable[[int, int], None]
) -> Path:
    """Write what a peer answers to a file of the folder.

    Args:
        folder: where the file is made.
        peer: whom to ask.
        path: what to ask for.
        also: called with each block, as a hash wants it.
        meter: called with bytes so far and in all.
    """
    with tempfile.NamedTemporaryFile(prefix="upload-", dir=folder, delete=False) as file:

        def take(block: bytes) -> None:
            file.write(block)
            also(block)

        try:
            peer.download(path, take, progress=meter)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return Path(file.name)


class Meter:
    """Progress in words, a few times a second at most."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._began = time.monotonic()
        self._last = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last < 0.1 and done != total:
            return
        self._last = now
        rate = done / max(now - self._began, 0.001)
        shown = f"{done * 100 // total}% ({_bytes(rate)}/s)" if total else f"{_bytes(done)} ({_bytes(rate)}/s)"
        self._say(shown)


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.2f}{unit}"
        count /= 1000
    return f"{count:.2f}GB"
