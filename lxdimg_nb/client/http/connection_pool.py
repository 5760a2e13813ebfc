"""Connection pools over a unix socket and TLS, as adapters of requests.

requests-unixsocket makes a pool for each URL and so keeps no connection alive; here all URLs of a socket share one.
urllib3's own queue enters a lock in Python code, which a Ctrl-C can leave locked.
"""

from __future__ import annotations

import logging
import queue
import socket
import ssl
from collections import deque
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar

import requests
import requests_unixsocket
import urllib3
from requests.adapters import HTTPAdapter

from lxdimg_nb.client.http.endpoint import CONNECT_TIMEOUT, pem_fingerprint, unix_socket
from lxdimg_nb.client.http.response_body import BLOCK, BoundedResponse, FileBlock
from lxdimg_nb.errors import InvalidRequestError, redact

__all__ = ["ConnectionQueue", "PlainSession", "RedactedLog", "TlsAdapter", "UnixAdapter", "open_socket"]

HIDDEN_FRAMES = True
POOL_SIZE = 32

T = TypeVar("T")


class ConnectionQueue(queue.LifoQueue[T]):
    """Connection-pool queue that a KeyboardInterrupt cannot leave locked: the calls of a deque are not interrupted.

    Nobody waits for a connection, so it neither blocks nor needs a lock.

    Args:
        maxsize: connections held; several threads at once may add one or two more.
    """

    def __init__(self, maxsize: int = 0) -> None:
        # The parent's __init__ would make the locks.
        self._maxsize = maxsize
        self._items: deque[T] = deque()

    def qsize(self) -> int:
        """The number of connections held."""
        return len(self._items)

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002 - as in queue
        """Hold one more.

        Raises:
            queue.Full: it holds enough.
        """
        if len(self._items) >= self._maxsize:
            raise queue.Full
        self._items.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> T:  # noqa: ARG002 - as in queue
        """Take the one that was put last.

        Raises:
            queue.Empty: there is none.
        """
        try:
            return self._items.pop()
        except IndexError:
            raise queue.Empty from None


class _UnixConnection(urllib3.connection.HTTPConnection):
    response_class = BoundedResponse

    def __init__(self, path: str) -> None:
        super().__init__("localhost", blocksize=BLOCK)
        self.path = path

    def connect(self) -> None:
        self.sock = unix_socket(self.path)
        # While a request is sent: how long the server may stop reading.
        self.sock.settimeout(self.timeout)

    def send(self, data: Any) -> None:
        if isinstance(data, FileBlock):
            data.send(self.sock)
        else:
            super().send(data)


class _UnixPool(urllib3.HTTPConnectionPool):
    QueueCls = ConnectionQueue

    def __init__(self, path: str) -> None:
        super().__init__("localhost", maxsize=POOL_SIZE)
        self.path = path

    def _new_conn(self) -> _UnixConnection:
        return _UnixConnection(self.path)


class UnixAdapter(requests_unixsocket.UnixAdapter):  # type: ignore[misc]
    """All connections to one unix socket, whatever the URL."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._pool = _UnixPool(path)

    def get_connection_with_tls_context(self, *_: object, **__: object) -> urllib3.HTTPConnectionPool:
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


class _TlsConnection(urllib3.connection.HTTPSConnection):
    response_class = BoundedResponse


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection
    QueueCls = ConnectionQueue


class TlsAdapter(HTTPAdapter):
    """TLS verified by certificate authorities, or by one certificate, whatever names and dates are in it.

    Args:
        pinned: PEM text of that certificate, the only one to accept.
    """

    def __init__(self, pinned: str = "") -> None:
        self._pinned: dict[str, Any] = {}
        if pinned:
            fingerprint = pem_fingerprint(pinned)
            self._pinned = {"ssl_context": _pinned_context(pinned), "assert_fingerprint": fingerprint}
        super().__init__(pool_maxsize=POOL_SIZE)

    def cert_verify(self, conn: Any, url: str, verify: bool | str, cert: Any) -> None:
        """Set what a connection is verified with; beside a pinned certificate there are no authorities."""
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        if self._pinned:
            conn.ca_certs = conn.ca_cert_dir = None

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(self._pinned, blocksize=BLOCK)
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _TlsPool}


class PlainSession(requests.Session):
    """A session that keeps no cookies and sees no redirects: even one that is not followed has its body read."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))

    def get_redirect_target(self, _: object) -> None:
        return None


class RedactedLog(logging.Filter):
    """A filter that masks secrets in addresses, for the debug log of urllib3."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask secrets in the arguments of a record, which is always kept."""
        if isinstance(record.args, tuple):
            record.args = tuple(redact(value) if isinstance(value, str) else value for value in record.args)
        return True


def _pinned_context(pem: str) -> ssl.SSLContext:
    """TLS settings with one certificate as the only authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # It need not be an authority's, and is what it is whatever the clocks say (X509_V_FLAG_NO_CHECK_TIME).
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | 0x200000
    try:
        context.load_verify_locations(cadata=pem)
    except ssl.SSLError as error:
        raise InvalidRequestError("the server certificate is no PEM certificate; give its file or text") from error
    return context


def open_socket(session: requests.Session, url: str) -> socket.socket:
    """Connect outside of the pool, with the certificates of the session. Times out on connecting, not on reading."""
    adapter: Any = session.get_adapter(url)
    request = requests.Request("GET", url).prepare()
    pool = adapter.get_connection_with_tls_context(request, session.verify, cert=session.cert)
    adapter.cert_verify(pool, url, session.verify, session.cert)
    connection = pool._new_conn()
    connection.timeout = CONNECT_TIMEOUT
    connection.connect()
    opened: socket.socket = connection.sock
    return opened
