"""Requests to other image servers: LXD, Incus, another demo server or a simplestreams tree.

All calls block and run in a worker thread.

Source: the requests of LXD 5.0.2 to a server it copies from or to, and its errors.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket as sockets
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from ..store.refusals import Refusal
from .upload_body import Spool

__all__ = ["Meter", "Peer"]

_TIMEOUT = 30.0
_JSON_LIMIT = 64 << 20
_BLOCK = 256 << 10


class Peer:
    """One server, by URL and, where its certificate is self-signed, by that certificate.

    Args:
        url: `https://host:port`, with a path where the server has one.
        certificate: PEM to pin, or an empty text for the system's authorities.
    """

    def __init__(self, url: str, certificate: str = "") -> None:
        self.url = url.rstrip("/")
        self._parts = urlsplit(self.url)
        self._pinned = ssl.PEM_cert_to_DER_cert(certificate) if certificate.strip() else None
        self._aborted = threading.Event()
        self._open: http.client.HTTPConnection | None = None

    def abort(self) -> None:
        """End a running request from another thread: it raises a Refusal."""
        self._aborted.set()
        sock = self._open.sock if self._open is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(sockets.SHUT_RDWR)

    def _connection(self, method: str, path: str) -> http.client.HTTPConnection:
        host, scheme = self._parts.hostname, self._parts.scheme
        if scheme not in ("https", "http") or not host:
            raise Refusal(500, f'{method.title()} "{self.url}{path}": unsupported protocol scheme "{scheme}"')
        if scheme == "http":
            return http.client.HTTPConnection(host, self._parts.port or 80, timeout=_TIMEOUT)
        return http.client.HTTPSConnection(host, self._parts.port or 443, timeout=_TIMEOUT, context=self._context)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        if self._pinned is None:
            return ssl.create_default_context()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=self._pinned)
        return context

    @contextlib.contextmanager
    def _exchange(
        self,
        method: str,
        path: str,
        body: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        connection = self._open = self._connection(method, path)
        with contextlib.closing(connection):
            try:
                connection.connect()
                if self._aborted.is_set():
                    raise OSError("aborted")
                connection.request(method, f"{self._parts.path}{path}", body=body, headers=dict(headers or {}))
                response = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                raise Refusal(500, f'{method.capitalize()} "{self.url}{path}": {self._reason(error)}') from error
            yield response

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
        """Send a request, with a body in blocks if given, and return the JSON object of the reply.

        Raises:
            Refusal: nobody answers, the reply is no JSON object, or it is an error envelope.
        """
        with self._exchange(method, path, body, headers) as response:
            try:
                reply = json.loads(response.read(_JSON_LIMIT))
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise Refusal(500, f'{method.capitalize()} "{self.url}{path}": no JSON in the reply') from error
        if not isinstance(reply, dict):
            raise Refusal(500, f'{method.capitalize()} "{self.url}{path}": no object in the reply')
        if reply.get("type") == "error":
            raise Refusal(int(reply.get("error_code") or 500), str(reply.get("error", "")))
        return reply

    def download(self, path: str, spool: Spool, progress: Callable[[int, int], None]) -> None:
        """Write the body of a reply to a spool.

        Args:
            path: to GET.
            spool: where the body goes.
            progress: called with bytes so far and in all (0 where unknown).

        Raises:
            Refusal: nobody answers, the reply is an error, or it breaks off, as after `abort`.
        """
        with self._exchange("GET", path) as response:
            if response.status != 200:
                raise Refusal(404 if response.status == 404 else 500, self._error_in(response))
            spool.begin(response.headers.get("Content-Type", ""))
            total = int(response.headers.get("Content-Length") or 0)
            done = 0
            try:
                while not self._aborted.is_set() and (block := response.read(_BLOCK)):
                    spool.feed(block)
                    done += len(block)
                    progress(done, total)
            except (OSError, http.client.HTTPException) as error:
                raise Refusal(500, "unexpected EOF") from error
            if self._aborted.is_set() or done < total:
                raise Refusal(500, "unexpected EOF")

    @staticmethod
    def _error_in(response: http.client.HTTPResponse) -> str:
        try:
            return str(json.loads(response.read(1 << 20))["error"])
        except (ValueError, KeyError, TypeError, OSError):
            return f"the server answered {response.status}"


class Meter:
    """Reports progress as text, at most ten times a second."""

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
