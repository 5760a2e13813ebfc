"""Files of a public web server: https only, redirects that cannot lead inside, limits on size and time."""

from __future__ import annotations

import base64
import ipaddress
import socket
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from urllib.parse import quote, unquote, urljoin, urlsplit

from lxdimg_nb.client.http.transport import READ_TIMEOUT, RETRIES, TIMEOUTS, Endpoint, Stream, Transport
from lxdimg_nb.errors import (
    ApiError,
    InvalidRequestError,
    NotAllowedError,
    NotFoundError,
    ServerUnreachableError,
    UnexpectedReplyError,
)

__all__ = ["WebClient"]

BLOCK = 1024 * 1024
MAX_REDIRECTS = 5
# More other hosts than that are no mirror network.
MAX_HOSTS = 16
# RFC 3986, pchar: what a path holds as it is. Mirrors are plain file servers and not all decode the rest alike.
_SAFE = "/:@!$&'()*+,;=~"


class _Host(Transport):
    """One web server: its status codes are those of the web, and error pages are not read."""

    @contextmanager
    def get(self, target: str, headers: Mapping[str, str]) -> Iterator[Stream]:
        response = self._send("GET", target, None, None, None, headers, None, stream=True)
        stream = Stream(response, self.url)
        try:
            yield stream
        finally:
            stream.close()


class WebClient:
    """GET below one https address. Safe to use from several threads.

    Args:
        url: where the files are; a name and password in it are sent to that host and to no other.
        pinned: PEM text of the one certificate to accept there; empty lets authorities decide.
        timeout: seconds without a byte.

    Raises:
        InvalidRequestError: no https address.
    """

    def __init__(self, url: str, *, pinned: str = "", timeout: float = READ_TIMEOUT) -> None:
        self._origin, path, query = _taken_apart(url)
        self._path = path.rstrip("/") if not query else path
        self._query = query
        self._timeout = timeout
        self._hosts = {self._origin: _Host(Endpoint(self._origin, pinned=pinned), timeout=timeout)}
        self._guard = threading.Lock()
        userinfo = urlsplit(url).netloc.rpartition("@")[0]
        self._authorization = f"Basic {base64.b64encode(unquote(userinfo).encode()).decode()}" if userinfo else ""

    @property
    def url(self) -> str:
        """The address without name and password, and without a query, which may hold a signature."""
        return self._origin + self._path

    def __repr__(self) -> str:
        return f"<WebClient {self.url}>"

    @contextmanager
    def open(self, path: str = "", *, headers: Mapping[str, str] | None = None) -> Iterator[Stream]:
        """The reply to a GET with status 200, 206 or 304, its body not yet read.

        Args:
            path: below the address, not quoted; empty is the address itself.

        Raises:
            NotFoundError, NotAllowedError, ApiError: the server's refusal.
            ServerUnreachableError: nobody answers, or shows another certificate.
            UnexpectedReplyError: redirects without end, or to where they may not lead.
        """
        target = self._path + (f"/{quote(path, safe=_SAFE)}" if path else "") or "/"
        target += f"?{self._query}" if self._query and not path else ""
        origin, shown = self._origin, self.url + (f"/{path}" if path else "")
        with ExitStack() as stack:
            for _ in range(MAX_REDIRECTS + 1):
                sent = dict(headers or {})
                if self._authorization and origin == self._origin:
                    sent["Authorization"] = self._authorization
                stream = stack.enter_context(self._host(origin).get(target, sent))
                if stream.status_code not in (301, 302, 303, 307, 308):
                    _check(stream.status_code, shown)
                    yield stream
                    return
                location = stream.headers.get("Location", "")
                stack.close()
                origin, target = self._redirected(origin + target, location, shown)
        raise UnexpectedReplyError(f"{shown} redirects again and again; give the final address")

    def _redirected(self, current: str, location: str, shown: str) -> tuple[str, str]:
        try:
            origin, path, query = _taken_apart(urljoin(current, location))
        except (InvalidRequestError, ValueError) as error:
            raise UnexpectedReplyError(f"{shown} redirects to something that is no https address") from error
        if origin != self._origin and _inside(origin) and not _inside(self._origin):
            raise UnexpectedReplyError(f"{shown} redirects to a private address; that is not followed")
        return origin, (path or "/") + (f"?{query}" if query else "")

    def _host(self, origin: str) -> _Host:
        with self._guard:
            if origin not in self._hosts:
                if len(self._hosts) >= MAX_HOSTS:
                    raise UnexpectedReplyError(f"{self.url} redirects to too many hosts")
                self._hosts[origin] = _Host(Endpoint(origin), timeout=self._timeout)
            return self._hosts[origin]

    def read(
        self, path: str, *, limit: int, seconds: float, headers: Mapping[str, str] | None = None
    ) -> tuple[bytes | None, Mapping[str, str]]:
        """A whole small file, asked for compressed; None when it has not changed (304). Tried again when it breaks off.

        Args:
            limit: bytes it may have.
            seconds: that it may take, all tries together.

        Raises:
            UnexpectedReplyError: it is larger, or takes longer.
        """
        end = time.monotonic() + seconds
        attempt = 0
        while True:
            begun = False
            try:
                with self.open(path, headers={"Accept-Encoding": "gzip", **(headers or {})}) as stream:
                    begun = True
                    if stream.status_code == 304:
                        return None, stream.headers
                    return _read_all(stream, limit=limit, end=end, what=f"{self.url}/{path}"), stream.headers
            except ServerUnreachableError as error:
                attempt += 1
                if not begun or attempt >= RETRIES or isinstance(error.__cause__, TIMEOUTS):
                    raise
            time.sleep(0.1 * 4**attempt)

    def close(self) -> None:
        """Close the kept connections."""
        with self._guard:
            for host in self._hosts.values():
                host.close()


def _read_all(stream: Stream, *, limit: int, end: float, what: str) -> bytes:
    """The body of a reply, decompressed, within a limit of bytes and until a moment of `time.monotonic()`.

    Raises:
        UnexpectedReplyError: it is larger, takes longer, or is compressed wrongly.
    """
    encoding = stream.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise UnexpectedReplyError(f"{what} came in an encoding that was not asked for")
    unpacker = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
    content = bytearray()
    while chunk := stream.read(BLOCK):
        while chunk:
            if unpacker is None:
                piece, chunk = chunk, b""
            else:
                try:
                    piece = unpacker.decompress(chunk, BLOCK)
                except zlib.error as error:
                    raise UnexpectedReplyError(f"{what} is compressed wrongly") from error
                chunk = unpacker.unconsumed_tail
            content += piece
            if len(content) > limit:
                raise UnexpectedReplyError(f"{what} has more than {limit} bytes; that cannot be right")
            if time.monotonic() > end:
                raise UnexpectedReplyError(f"{what} comes too slowly; try again")
    if unpacker is not None and not unpacker.eof:
        raise UnexpectedReplyError(f"{what} is compressed wrongly")
    return bytes(content)


def _taken_apart(url: str) -> tuple[str, str, str]:
    """Origin, path and query of an https address.

    Raises:
        InvalidRequestError: anything else.
    """
    parts = urlsplit(url)
    bad = any(ord(c) <= 32 or ord(c) == 127 for c in url)
    try:
        port = parts.port
    except ValueError:
        bad, port = True, None
    if parts.scheme != "https" or not parts.hostname or bad:
        shown = url.rpartition("@")[2].partition("?")[0][:200]
        raise InvalidRequestError(f"{shown!r} is no https address")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"https://{host}" + (f":{port}" if port else ""), parts.path, parts.query


def _inside(origin: str) -> bool:
    """Whether a host is on this machine or in a private network, or cannot be told."""
    parts = urlsplit(origin)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True
    return any(not ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_global for entry in found)


def _check(status: int, shown: str) -> None:
    if status in (200, 206, 304):
        return
    if status in (404, 410):
        raise NotFoundError(f"{shown} is not there", status_code=404)
    if status in (401, 403, 407):
        raise NotAllowedError(f"{shown} may not be read (HTTP {status})", status_code=status)
    raise ApiError(f"{shown} cannot be had (HTTP {status}); try again later", status_code=status)
