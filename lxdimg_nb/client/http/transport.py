"""One HTTP exchange with a server: unix socket or TLS, timeouts, pinning, envelope to metadata or error.

The only module that knows requests, urllib3 and requests-unixsocket. Everything that leaves it is either a
`Reply`, a `Stream` of bytes, or an error of `lxdimg_nb.errors`.
"""

from __future__ import annotations

import json as jsonlib
import socket as socketlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote

import requests
import requests_unixsocket
import urllib3
from requests.adapters import HTTPAdapter

from lxdimg_nb.client.http.connection_errors import exception_chain, explain
from lxdimg_nb.client.http.connection_pool import ConnectionQueue
from lxdimg_nb.client.http.endpoint import (
    CONNECT_TIMEOUT,
    Endpoint,
    pem_fingerprint,
    read_pem,
    server_certificate,
    unix_socket,
)
from lxdimg_nb.client.http.envelope import Reply, is_envelope, parse_error, parse_reply
from lxdimg_nb.client.http.response_body import BLOCK, FileBlock, Stream
from lxdimg_nb.client.http.retry import retry
from lxdimg_nb.client.http.single_flight import SingleFlight
from lxdimg_nb.errors import LxdImageError, ServerUnreachableError, UnexpectedReplyError

__all__ = [
    "READ_TIMEOUT",
    "RETRIES",
    "TIMEOUTS",
    "Body",
    "Endpoint",
    "Reply",
    "Stream",
    "Transport",
    "pem_fingerprint",
    "read_pem",
    "server_certificate",
]

# A cluster that loses its leader answers after 6 s, one that gives up after 20 s (LXD 5.0.2).
READ_TIMEOUT = 30.0
RETRIES = 3

TIMEOUTS = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
BROKEN = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError)


class Body(Protocol):
    """What is sent: read like a file; `len()` announces the bytes, 0 sends in chunks of unknown number.

    Blocks of a file go over a unix socket only.
    """

    def read(self, size: int = -1, /) -> bytes | FileBlock: ...


class _UnixPool(urllib3.HTTPConnectionPool):
    """All connections to one socket. requests-unixsocket makes a pool per URL, so nothing is kept alive."""

    QueueCls = ConnectionQueue

    def __init__(self, path: str, *, maxsize: int) -> None:
        super().__init__("localhost", maxsize=maxsize)
        self.path = path

    def _new_conn(self) -> _UnixConnection:
        return _UnixConnection(self.path)


class _UnixConnection(urllib3.connection.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", blocksize=BLOCK)
        self.path = path

    def connect(self) -> None:
        self.sock = unix_socket(self.path)
        # Until the answer is due: the pause allowed in sending.
        self.sock.settimeout(self.timeout)

    def send(self, data: Any) -> None:
        if isinstance(data, FileBlock):
            data.send(self.sock)
        else:
            super().send(data)


class _UnixAdapter(requests_unixsocket.UnixAdapter):  # type: ignore[misc]
    """The adapter of requests-unixsocket with one pool a socket and blocks of 256 KiB."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._pool = _UnixPool(path, maxsize=32)

    def get_connection_with_tls_context(self, *_: object, **__: object) -> urllib3.HTTPConnectionPool:
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


class _TlsPool(urllib3.HTTPSConnectionPool):
    QueueCls = ConnectionQueue


class _TlsAdapter(HTTPAdapter):
    """TLS by authorities, or to exactly one certificate, compared by SHA-256: then names do not matter."""

    def __init__(self, fingerprint: str = "") -> None:
        self._pinned = {"assert_fingerprint": fingerprint, "assert_hostname": False} if fingerprint else {}
        super().__init__(pool_maxsize=32)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(self._pinned, blocksize=BLOCK)
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _TlsPool}


class Transport:
    """Requests to one server. Safe to use from several threads.

    Args:
        endpoint: where and how; nothing is sent before the first request.
        timeout: seconds to wait for an answer to a control request.
        authenticated: ask servers to refuse rather than to answer as if to a stranger.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float = READ_TIMEOUT, authenticated: bool = False) -> None:
        self.endpoint = endpoint
        self.timeout = timeout
        self._authenticated = authenticated
        self._session: requests.Session | None = None
        self._lock = threading.Lock()
        self.listings = SingleFlight(endpoint.url)
        # What client/files knows of hashed files; connect() sets it.
        self.hashes: Any = None

    @property
    def url(self) -> str:
        """The server's address as people write it."""
        return self.endpoint.url

    @property
    def send_timeout(self) -> float:
        """Seconds that a server may stop reading for: its disk may be busy."""
        return 2 * self.timeout

    @property
    def can_sendfile(self) -> bool:
        """Whether a body may consist of blocks of a file: there is no TLS in between."""
        return bool(self.endpoint.socket)

    def _connected(self) -> requests.Session:
        with self._lock:
            if self._session is None:
                self._session = self._open()
            return self._session

    def _open(self) -> requests.Session:
        session = requests.Session()
        # REQUESTS_CA_BUNDLE would beat the pinned certificate, proxies make no sense for a socket.
        session.trust_env = False
        session.headers.clear()
        session.headers.update({"User-Agent": "lxdimg_nb", "Accept-Encoding": "identity", "Accept": "*/*"})
        if self._authenticated:
            session.headers.update({"X-LXD-authenticated": "true", "X-Incus-authenticated": "true"})
        end = self.endpoint
        if end.bearer:
            session.headers["Authorization"] = f"Bearer {end.bearer}"
        if end.socket:
            session.mount("http+unix://", _UnixAdapter(end.socket))
            return session
        if end.cert:
            session.cert = end.cert
        if end.pinned:
            session.verify = False
            session.mount(end.base, _TlsAdapter(pem_fingerprint(end.pinned)))
        else:
            session.verify = end.ca or True
            session.mount(end.base, _TlsAdapter())
        return session

    def _address(self, path: str) -> str:
        end = self.endpoint
        return (f"http+unix://{quote(end.socket, safe='')}" if end.socket else end.base) + path

    def close(self) -> None:
        """Close the kept connections. A later request opens new ones."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        body: Body | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """One request, its envelope opened.

        A GET is repeated with growing pauses when the connection breaks or the server is still starting (503);
        anything else is sent once.

        Args:
            path: from `/1.0` on, already quoted.
            timeout: seconds without a byte from the server; None is the transport's own.

        Raises:
            ApiError: the server refused (a subclass tells how).
            ServerUnreachableError: nobody answers or the connection broke.
            UnexpectedReplyError: the answer is no envelope of LXD or Incus.

        Source: LXD doc/rest-api.md, "Return values".
        """
        attempts = RETRIES if method == "GET" else 1
        return retry(attempts, TIMEOUTS, lambda: self._once(method, path, params, json, body, headers, timeout))

    def _once(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        json: Any,
        body: Body | bytes | None,
        headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> Reply:
        response = self._send(method, path, params, json, body, headers, timeout, stream=False)
        try:
            envelope = jsonlib.loads(response.content)
        except RecursionError as error:
            raise self._unexpected(response) from error
        except ValueError as error:
            raise self._unexpected(response) if _framed(response) else self._unreachable(error) from error
        finally:
            response.close()
        if not is_envelope(envelope):
            raise self._unexpected(response)
        return parse_reply(envelope, response.status_code, response.headers)

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Iterator[Stream]:
        """GET whose body is not JSON. The connection is given back, or dropped if the body was not read whole.

        Repeated as `request` is, until the body begins.

        Raises:
            ApiError: the server refused.
            ServerUnreachableError: nobody answers, the connection broke or stalled.
        """
        body = retry(RETRIES, TIMEOUTS, lambda: self._begun(path, params, headers, timeout))
        try:
            yield body
        finally:
            body.close()

    def _begun(
        self, path: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None, timeout: float | None
    ) -> Stream:
        response = self._send("GET", path, params, None, None, headers, timeout, stream=True)
        if response.status_code >= 400:
            raise self._refusal(response)
        if not _framed(response):
            response.close()
            raise self._unreachable(None)
        return Stream(response, self.url)

    def _refusal(self, response: requests.Response) -> LxdImageError:
        try:
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return parse_error({}, response.status_code)  # said in plain text
            envelope = jsonlib.loads(response.content)
            return parse_error(envelope, response.status_code) if is_envelope(envelope) else self._unexpected(response)
        except (ValueError, RecursionError, *BROKEN):
            return self._unexpected(response)
        finally:
            response.close()

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        json: Any,
        body: Body | bytes | None,
        headers: Mapping[str, str] | None,
        timeout: float | None,
        *,
        stream: bool,
    ) -> requests.Response:
        try:
            return self._connected().request(
                method,
                self._address(path),
                params=dict(params) if params else None,
                json=json,
                data=_sendable(body),
                headers=dict(headers) if headers else None,
                timeout=(self.send_timeout if body is not None else CONNECT_TIMEOUT, timeout or self.timeout),
                stream=stream,
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            raise ServerUnreachableError(
                f"{self.url} did not show the certificate that was expected; compare fingerprints, then pin it"
            ) from error
        except TIMEOUTS as error:
            raise self._silent(timeout) from error
        except BROKEN as error:
            # urllib3 calls a refused connection a kind of timeout.
            refused = urllib3.exceptions.NewConnectionError
            told = (cause for cause in exception_chain(error) if not isinstance(cause, refused))
            silent = next((cause for cause in told if isinstance(cause, TIMEOUTS)), None)
            if silent is not None:
                # Silence within a reply comes as a broken connection.
                raise self._silent(timeout) from silent
            raise self._unreachable(error) from error

    def _silent(self, timeout: float | None) -> ServerUnreachableError:
        return ServerUnreachableError(
            f"{self.url} did not answer within {timeout or self.timeout:g} s; is the server overloaded?"
        )

    def _unreachable(self, error: BaseException | None) -> ServerUnreachableError:
        return ServerUnreachableError(f"{self.url} is not reachable: {explain(error)}")

    def _unexpected(self, response: requests.Response) -> UnexpectedReplyError:
        return UnexpectedReplyError(
            f"{self.url} answers, but not as LXD or Incus does (HTTP {response.status_code}); check the address"
        )

    def open_socket(self) -> socketlib.socket:
        """A connection of its own, for a websocket. Times out on connecting, not on reading.

        Raises:
            ServerUnreachableError: nobody answers.
        """
        try:
            return self.endpoint.open_socket()
        except OSError as error:
            raise self._unreachable(error) from error


def _sendable(body: Body | bytes | None) -> Any:
    """A body of unknown length must be an iterator for requests to send it in chunks."""
    if body is None or isinstance(body, bytes) or len(body):  # type: ignore[arg-type]
        return body
    return iter(lambda: body.read(BLOCK), b"")


def _framed(response: requests.Response) -> bool:
    """Whether the reply says where it ends, as LXD and Incus do; a head that was cut does not."""
    length = response.headers.get("Content-Length", "")
    return (length.isascii() and length.isdigit()) or "Transfer-Encoding" in response.headers
