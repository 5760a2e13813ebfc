"""One HTTP exchange with a server: a request becomes a `Reply`, a `Stream` of bytes, or an error of `errors.py`."""

from __future__ import annotations

import json as jsonlib
import logging
import socket as socketlib
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http import HTTPStatus
from typing import Any, Protocol

import requests
import urllib3

from lxdimg_nb.client.http.connection_pool import PlainSession, RedactedLog, TlsAdapter, UnixAdapter, open_socket
from lxdimg_nb.client.http.diagnosis.certificate_errors import client_certificate_dates, tls_error
from lxdimg_nb.client.http.diagnosis.connection_errors import (
    OuterErrorLeftOut,
    advise,
    exception_chain,
    unreachable_reason,
    without_request,
)
from lxdimg_nb.client.http.endpoint import CONNECT_TIMEOUT, Endpoint
from lxdimg_nb.client.http.envelope import Reply, is_envelope, parse_clock_offset, parse_error, parse_json, parse_reply
from lxdimg_nb.client.http.response_body import BLOCK, MAX_LISTING, FileBlock, Stream, is_oversize, read_reply
from lxdimg_nb.client.http.retry import retry
from lxdimg_nb.client.http.single_flight import SingleFlight
from lxdimg_nb.errors import (
    ApiError,
    InvalidRequestError,
    LxdImageError,
    NotAllowedError,
    ServerUnreachableError,
    UnexpectedReplyError,
)
from lxdimg_nb.text.secret import Secret, hide_inner_frames, hide_values, inner_frames_hidden

__all__ = ["MAX_LISTING", "READ_TIMEOUT", "RETRIES", "TIMEOUTS", "Body", "Reply", "Stream", "Transport"]

# A cluster that loses its leader answers after 6 s, one that gives up after 20 s (LXD 5.0.2).
READ_TIMEOUT = 30.0
RETRIES = 3

TIMEOUTS = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
BROKEN = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError)

_REDACTED_LOG = RedactedLog()
# Not http://, whose paths requests would normalise. The adapter knows the socket.
_UNIX = "http+unix://localhost"


class Body(Protocol):
    """A request body, read like a file; `len()` is its size in bytes, 0 when unknown (then it is sent in chunks).

    Blocks of a file are for unix sockets only.
    """

    def read(self, size: int = -1, /) -> bytes | FileBlock: ...


class Cluster(Protocol):
    """What a connection to a member of a cluster says in its errors."""

    def advice(self) -> tuple[str, ...]:
        """What to do when this member cannot be reached."""

    def advice_after_waiting(self) -> tuple[str, ...]:
        """What to do when it takes a request and does not answer."""

    def trouble(self) -> str:
        """Which members do not answer, as the cluster says when asked; empty when all do."""


class Transport:
    """Requests to one server. Safe to use from several threads.

    `clock_offset` are the seconds that the server's clock was ahead of this machine's in its latest reply.

    Args:
        endpoint: where the server listens; nothing is sent before the first request.
        timeout: seconds to wait for an answer to a control request.
        authenticated: ask servers to refuse rather than to answer as if to a stranger.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float = READ_TIMEOUT, authenticated: bool = False) -> None:
        self.endpoint = endpoint
        self.timeout = timeout
        self._authenticated = authenticated
        self._session: requests.Session | None = None
        self.closed = False
        self.cluster: Cluster | None = None
        self.clock_offset = 0.0
        self._lock = threading.Lock()
        self.listings = SingleFlight(endpoint.url)

    @property
    def url(self) -> str:
        """The server's address as people write it."""
        return self.endpoint.url

    @property
    def _base(self) -> str:
        return _UNIX if self.endpoint.socket else self.endpoint.base

    @property
    def can_sendfile(self) -> bool:
        """Whether a body may consist of blocks of a file: there is no TLS in between."""
        return bool(self.endpoint.socket)

    def _get_session(self) -> requests.Session:
        with self._lock:
            if self._session is None:
                self._session = self._new_session()
            return self._session

    def _new_session(self) -> requests.Session:
        # Added once, however often this runs. urllib3 logs addresses with their queries.
        logging.getLogger("urllib3.connectionpool").addFilter(_REDACTED_LOG)
        session = PlainSession()
        # REQUESTS_CA_BUNDLE would beat the pinned certificate, proxies make no sense for a socket.
        session.trust_env = False
        session.headers.clear()
        session.headers.update({"User-Agent": "lxdimg_nb", "Accept-Encoding": "identity", "Accept": "*/*"})
        if self._authenticated:
            session.headers.update({"X-LXD-authenticated": "true", "X-Incus-authenticated": "true"})
        end = self.endpoint
        if end.bearer:
            session.headers["Authorization"] = Secret(f"Bearer {end.bearer}")
        if end.socket:
            session.mount(_UNIX, UnixAdapter(end.socket))
            return session
        session.cert = end.cert
        session.verify = end.ca or True
        session.mount(end.base, TlsAdapter(end.pinned))
        return session

    def close(self) -> None:
        """Close the idle connections. A later request opens new ones."""
        self.closed = True
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
        limit: int | None = None,
    ) -> Reply:
        """Send a request and read the envelope of the reply.

        A GET is retried with growing pauses when the connection breaks or the server is still starting (503);
        anything else is sent once.

        Args:
            path: from `/1.0` on, already quoted.
            timeout: seconds without a byte from the server; None is the transport's own.
            limit: the most bytes of the reply; None is 32 MiB.

        Raises:
            ApiError: the server refused (a subclass tells how).
            ServerUnreachableError: nobody answers, the connection broke, or the reply comes too slowly.
            UnexpectedReplyError: the answer is no envelope of LXD or Incus, or has no end.

        Source: LXD doc/rest-api.md, "Return values".
        """

        params, json = hide_values(params), hide_values(json)

        def send() -> Reply:
            response = self._send(method, path, params=params, json=json, body=body, headers=headers, timeout=timeout)
            return self._read_reply(response, limit, timeout)

        with self._naming_members():
            return retry(RETRIES if method == "GET" else 1, TIMEOUTS, send)

    def get_once(self, path: str, *, params: Mapping[str, str], timeout: float) -> Reply:
        """As a GET by `request`, but sent once, and no cluster is asked about an error."""
        return self._read_reply(self._send("GET", path, params=params, timeout=timeout), None, timeout)

    def _trouble(self) -> tuple[str, ...]:
        trouble = self.cluster.trouble() if self.cluster else ""
        return (trouble,) if trouble else ()

    @contextmanager
    def _naming_members(self) -> Iterator[None]:
        """Say which members of a cluster do not answer where that may be why the server failed; also odd dates."""
        try:
            yield
        except NotAllowedError as error:
            if not (dates := client_certificate_dates(self.endpoint)):
                raise
            raise _with_more(error, dates) from error
        except ApiError as error:
            if self.cluster is None or error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            trouble = self.cluster.trouble()
            if not trouble:
                raise
            raise _with_more(error, trouble) from error

    def _read_reply(self, response: requests.Response, limit: int | None, timeout: float | None) -> Reply:
        self.clock_offset = parse_clock_offset(response.headers)
        try:
            with inner_frames_hidden():
                envelope = parse_json(read_reply(response, self.url, limit))
        except ServerUnreachableError as error:
            silent = type(error.__cause__) is TimeoutError
            raise (self._timed_out(timeout) if silent else error) from error.__cause__
        except RecursionError as error:
            raise self._unexpected(response) from error
        except ValueError as error:
            raise self._unexpected(response) if _is_framed(response) else self._unreachable(error) from error
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
        """GET whose body is not JSON. The connection is reused, or dropped if the body was not read to its end.

        Retried as `request` is, until the body begins.

        Raises:
            ApiError: the server refused.
            ServerUnreachableError: nobody answers, the connection broke or stalled.
        """

        params = hide_values(params)

        def send() -> Stream:
            response = self._send("GET", path, params=params, headers=headers, timeout=timeout)
            if response.status_code >= 400:
                raise self._refusal(response)
            if response.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                response.close()
                raise self._unexpected(response)
            if not _is_framed(response):
                response.close()
                raise self._unreachable(None)
            return Stream(response, self.url, self._trouble)

        with self._naming_members():
            opened = retry(RETRIES, TIMEOUTS, send)
        with closing(opened) as body:
            yield body

    def _refusal(self, response: requests.Response) -> LxdImageError:
        try:
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return parse_error({}, response.status_code)  # plain text, no envelope
            envelope = jsonlib.loads(read_reply(response, self.url))
            return parse_error(envelope, response.status_code) if is_envelope(envelope) else self._unexpected(response)
        except LxdImageError as error:
            return error
        except (ValueError, RecursionError, *BROKEN):
            return self._unexpected(response)
        finally:
            response.close()

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        body: Body | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> requests.Response:
        """Send a request and read the head of the reply."""
        if not path.startswith("/") or path.startswith("//"):
            # Behind an address it would lead to another host, with all that logs in to this one.
            raise InvalidRequestError(f"{path[:80]!r} is no path on a server")
        # The server may stop reading an upload for longer: its disk may be busy.
        send_timeout = CONNECT_TIMEOUT if body is None else 2 * self.timeout
        try:
            with OuterErrorLeftOut():
                return self._get_session().request(
                    method,
                    self._base + path,
                    params=dict(params) if params else None,
                    json=json,
                    data=_sendable(body),
                    headers=dict(headers) if headers else None,
                    timeout=(send_timeout, timeout or self.timeout),
                    stream=True,
                    allow_redirects=False,
                )
        except requests.exceptions.SSLError as error:
            failure: LxdImageError = tls_error(self.endpoint, error)
            cause = without_request(error)
        except TIMEOUTS as error:
            failure, cause = self._timed_out(timeout), TimeoutError(str(without_request(error)))
        except BROKEN as error:
            cause = without_request(error)
            failure = self._timed_out(timeout) if _is_timeout(error) else self._unreachable(error)
            cause = TimeoutError(str(cause)) if _is_timeout(error) else cause
            failure = self._oversize() if is_oversize(exception_chain(error)) else failure
        except UnicodeError as error:
            hide_inner_frames(error)
            raise InvalidRequestError(f"a name in the request {method} {path[:80]!r} is not valid Unicode") from None
        except BaseException as error:
            hide_inner_frames(error)
            raise
        # Outside of the blocks above, so that the original, with all that was sent, is not part of the chain.
        raise failure from cause

    def _timed_out(self, timeout: float | None) -> ServerUnreachableError:
        return ServerUnreachableError(
            f"{self.url} did not answer within {timeout or self.timeout:g} s; is the server overloaded?",
            advice=self.cluster.advice_after_waiting() if self.cluster else (),
        )

    def _oversize(self) -> UnexpectedReplyError:
        return UnexpectedReplyError(f"{self.url} sends headers without end, as no LXD or Incus does; check the address")

    def _unreachable(self, error: BaseException | None) -> ServerUnreachableError:
        advice = advise(error, self.endpoint.socket) if self.endpoint.socket else ()
        advice += self.cluster.advice() if self.cluster else ()
        return ServerUnreachableError(f"{self.url} is not reachable: {unreachable_reason(error)}", advice=advice)

    def _unexpected(self, response: requests.Response) -> UnexpectedReplyError:
        return UnexpectedReplyError(
            f"{self.url} answers, but not as LXD or Incus does (HTTP {response.status_code}); check the address"
        )

    def open_socket(self) -> socketlib.socket:
        """Open a separate connection, for a websocket. Times out on connecting, not on reading.

        Raises:
            ServerUnreachableError: nobody answers.
        """
        try:
            with OuterErrorLeftOut():
                return open_socket(self._get_session(), self._base)
        except (ssl.SSLError, urllib3.exceptions.SSLError) as error:
            raise tls_error(self.endpoint, error) from error
        except BROKEN as error:
            raise self._unreachable(error) from error


def _with_more(error: ApiError, more: str) -> ApiError:
    """The same refusal, with more about it in its message."""
    text = error.__dict__.get("server_text", "")
    return type(error)(f"{error.message}; {more}", status_code=error.status_code, server_text=text)


def _is_timeout(error: BaseException) -> bool:
    """Whether a broken connection is a timeout within a reply; urllib3 calls a refused connection a timeout, too."""
    refused = urllib3.exceptions.NewConnectionError
    return any(isinstance(e, TIMEOUTS) and not isinstance(e, refused) for e in exception_chain(error))


def _sendable(body: Body | bytes | None) -> Any:
    """The body for requests, which sends in chunks what is an iterator."""
    if body is None or isinstance(body, bytes) or len(body):  # type: ignore[arg-type]
        return body
    return iter(lambda: body.read(BLOCK), b"")


def _is_framed(response: requests.Response) -> bool:
    """Whether the reply says where it ends, as LXD and Incus do; a truncated head does not."""
    length = response.headers.get("Content-Length", "")
    return (length.isascii() and length.isdigit()) or "Transfer-Encoding" in response.headers
