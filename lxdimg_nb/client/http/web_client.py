"""Files of a public web server: https only, and no redirects into private networks."""

from __future__ import annotations

import base64
import ipaddress
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import quote, unquote, urljoin, urlsplit

from lxdimg_nb.client.http.endpoint import Endpoint
from lxdimg_nb.client.http.transport import READ_TIMEOUT, Stream, Transport
from lxdimg_nb.errors import (
    ApiError,
    InvalidRequestError,
    NotAllowedError,
    NotFoundError,
    UnexpectedReplyError,
)
from lxdimg_nb.text.secret import Secret, hide_address, inner_frames_hidden, shown_address

__all__ = ["WebClient"]

MAX_REDIRECTS = 5
# A mirror network redirects to fewer other hosts.
MAX_HOSTS = 16
# RFC 3986, pchar: not quoted in a path. Mirrors are plain file servers, and not all of them decode the rest alike.
_SAFE = "/:@!$&'()*+,;=~"


class _Host(Transport):
    """One web server, whose error pages are not read."""

    def get(self, target: str, headers: Mapping[str, str]) -> Stream:
        return Stream(self._send("GET", target, headers=headers), self.url)


class WebClient:
    """GET below one https address. Safe to use from several threads.

    Args:
        url: where the files are; a name and password in it are sent to that host and to no other.
        pinned: PEM text of the one server certificate to accept there; empty lets authorities decide.
        timeout: seconds without a byte.

    Raises:
        InvalidRequestError: not an https address.
    """

    def __init__(self, url: str, *, pinned: str = "", timeout: float = READ_TIMEOUT) -> None:
        self._origin, path, query = _split_url(url)
        self._path = path.rstrip("/") if not query else path
        self._query = query
        self._timeout = timeout
        self._hosts = {self._origin: _Host(Endpoint(self._origin, pinned=pinned), timeout=timeout)}
        self._lock = threading.Lock()
        userinfo = Secret(url.partition("//")[2].partition("/")[0].rpartition("@")[0])
        self._authorization = _basic(userinfo) if userinfo else ""

    @property
    def url(self) -> str:
        """The address without name and password, and without its query, which may hold a signature."""
        return self._origin + self._path

    @property
    def path(self) -> str:
        """The path of the address."""
        return self._path

    def __repr__(self) -> str:
        return f"<WebClient {self.url}>"

    @contextmanager
    def open(self, path: str = "", *, headers: Mapping[str, str] | None = None) -> Iterator[Stream]:
        """The reply to a GET with status 200, 206 or 304, its body not yet read.

        Args:
            path: below the address, not quoted; empty is the address itself.

        Raises:
            NotFoundError, NotAllowedError, ApiError: the server refused.
            ServerUnreachableError: nobody answers, or the server has another certificate.
            UnexpectedReplyError: too many redirects, or one to a place that is not allowed.
        """
        target = self._path + (f"/{quote(path, safe=_SAFE)}" if path else "") or "/"
        target = Secret(target + f"?{self._query}") if self._query and not path else target
        origin, shown = self._origin, self.url + (f"/{path}" if path else "")
        with ExitStack() as stack:
            for _ in range(MAX_REDIRECTS + 1):
                sent = dict(headers or {})
                if self._authorization and origin == self._origin:
                    sent["Authorization"] = self._authorization
                stream = stack.enter_context(closing(self._host(origin).get(target, sent)))
                if stream.status_code not in (301, 302, 303, 307, 308):
                    _check_status(stream.status_code, shown)
                    yield stream
                    return
                location = stream.headers.get("Location", "")
                stack.close()
                origin, target = self._redirect(origin + target, location, shown)
        raise UnexpectedReplyError(f"{shown} redirects again and again; give the final address")

    def _redirect(self, current: str, location: str, shown: str) -> tuple[str, str]:
        try:
            origin, path, query = _split_url(urljoin(current, location))
        except (InvalidRequestError, ValueError) as error:
            raise UnexpectedReplyError(f"{shown} redirects to something that is no https address") from error
        if origin != self._origin and _is_private(origin) and not _is_private(self._origin):
            raise UnexpectedReplyError(f"{shown} redirects to a private address; that is not followed")
        return origin, hide_address((path or "/") + (f"?{query}" if query else ""))

    def _host(self, origin: str) -> _Host:
        with self._lock:
            if origin not in self._hosts:
                if len(self._hosts) >= MAX_HOSTS:
                    raise UnexpectedReplyError(f"{self.url} redirects to too many hosts")
                self._hosts[origin] = _Host(Endpoint(origin), timeout=self._timeout)
            return self._hosts[origin]

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            for host in self._hosts.values():
                host.close()


def _basic(userinfo: str) -> Secret:
    """The header that logs in with a name and a password."""
    with inner_frames_hidden():
        return Secret(f"Basic {base64.b64encode(unquote(userinfo).encode()).decode()}")


def _split_url(url: str) -> tuple[str, str, str]:
    """Origin, path and query of an https address.

    Raises:
        InvalidRequestError: anything else.
    """
    address, query = shown_address(url.partition("#")[0]), Secret(url.partition("#")[0].partition("?")[2])
    bad = any(ord(c) <= 32 or ord(c) == 127 for c in url)
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        bad, port = True, None
    if bad or parts.scheme != "https" or not parts.hostname:
        # A password may hold whatever ends it in an address.
        shown = url.rpartition("@")[2].partition("?")[0][:200]
        raise InvalidRequestError(f"{shown!r} is no https address")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"https://{host}" + (f":{port}" if port else ""), parts.path, query


def _is_private(origin: str) -> bool:
    """Whether a host is this machine or in a private network, or its address cannot be found."""
    parts = urlsplit(origin)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True
    return any(not ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_global for entry in found)


def _check_status(status: int, shown: str) -> None:
    if status in (200, 206, 304):
        return
    if status in (404, 410):
        raise NotFoundError(f"{shown} is not there", status_code=404)
    if status in (401, 403, 407):
        raise NotAllowedError(f"{shown} may not be read (HTTP {status})", status_code=status)
    raise ApiError(f"{shown} cannot be had (HTTP {status}); try again later", status_code=status)
