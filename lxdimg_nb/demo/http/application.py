"""The tornado application: it streams request bodies to disk, and sends envelopes, files and events.

Source: LXD REST API; replies of LXD 5.0.2: 404 for a path that is not served, 501 for a method that a path
does not have, 403 for strangers.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import ipaddress
import json
import logging
from collections import deque
from collections.abc import Iterable
from http.client import responses
from typing import Any
from urllib.parse import urlsplit

from tornado import httputil, web, websocket
from tornado.iostream import StreamClosedError
from tornado.routing import Matcher, Rule

from ..store.daemon import Daemon
from ..store.event_hub import Listener, Requestor
from ..store.refusals import Dropped, Refusal
from ..store.trust_store import find_trusted
from ..versions import facts
from .faults import Fault, Faults
from .permissions import forbid, forbid_events, project_asked
from .replies import Reply, refused
from .routing import Call, Caller, Route, Routes
from .upload_body import Spool

__all__ = ["application"]

_BODY_LIMIT = 64 << 20
_LAGGING = 16 << 20
_TYPES = {"operation", "logging", "lifecycle"}
_TITLES = {"not authorized": "Forbidden", "not found": "Not Found", "not implemented": "Not Implemented"}
_BROWSER_TYPES = ("application/json", "application/octet-stream", "multipart/form-data")
_log = logging.getLogger(__name__)

RequestLog = deque[tuple[str, str]]


def application(daemon: Daemon, faults: Faults, routes: Routes, requests: RequestLog) -> web.Application:
    """The tornado application of one demo server."""
    daemon.events.drop = faults.drops_events
    daemon.events.cut = faults.cuts_events
    daemon.operations.failure_of = faults.failure_of
    context = {"daemon": daemon, "faults": faults, "requests": requests}
    table: dict[str, dict[str, Route]] = routes.of(daemon.flavour.product) | {".*": {}}
    return web.Application(
        [
            Rule(_Upgrades(), EventsSocket, context),
            *((path, ApiHandler, context | {"methods": methods}) for path, methods in table.items()),
        ],
        log_function=lambda _handler: None,
        websocket_ping_interval=10,
        websocket_ping_timeout=10,
    )


def _refuse_other_pages(headers: httputil.HTTPHeaders) -> None:
    """Refuse a page in a browser that is not the server's own, whatever certificate the browser shows for it.

    A name that somebody bound to this address shows itself in `Host` (DNS rebinding).
    """
    host, origin = headers.get("Host", ""), headers.get("Origin")
    try:
        name = urlsplit(f"//{host}").hostname or ""
        local = name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        local = False
    own = origin is None or origin == f"https://{host}"
    if not (local and own and headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")):
        raise Refusal(403, "not authorized: the demo server answers no page of another place")


class _Upgrades(Matcher):
    """Matches a request to turn `/1.0/events` into a websocket."""

    def match(self, request: httputil.HTTPServerRequest) -> dict[str, Any] | None:
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        return {} if request.path == "/1.0/events" and request.method == "GET" and upgrade else None


class _Handler(web.RequestHandler):
    """What both handlers have in common: the log of requests, faults on demand, and the caller."""

    def initialize(
        self, daemon: Daemon, faults: Faults, requests: RequestLog, methods: dict[str, Route] | None = None
    ) -> None:
        """Called by tornado with what `application` gives the handler."""
        self._daemon = daemon
        self._faults = faults
        self._requests = requests
        self._methods = methods or {}
        self._fault = Fault()

    async def _receive(self) -> None:
        request = self.request
        method, uri = request.method or "GET", request.uri or ""
        self._query = {
            name: values[0].decode("utf-8", "replace") for name, values in request.query_arguments.items() if values
        }
        self._requests.append((method, uri))
        self._caller = self._identify()
        self._fault = self._faults.for_request(method, uri)
        self._check_browser()
        if request.protocol == "https":
            _refuse_other_pages(request.headers)
        if self._fault.latency:
            await asyncio.sleep(self._fault.latency)
        if self._fault.status:
            raise Refusal(self._fault.status, "The demo server was told to fail here")

    def _check_browser(self) -> None:
        """Raise a Refusal for what a browser sends for another site's page, or with an odd type."""
        flavour, headers = self._daemon.flavour, self.request.headers
        if headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and flavour.does(facts.FETCH_SITE_REFUSED):
            raise Refusal(403, "Forbidden Sec-Fetch-Site header value")
        if headers.get("User-Agent", "").startswith("Mozilla") and flavour.does(facts.BROWSER_TYPES):
            kind = headers.get("Content-Type", "").partition(";")[0].strip()
            known = _BROWSER_TYPES if self.request.path == "/1.0/images" else _BROWSER_TYPES[:1]
            if (kind or headers.get("Content-Length", "0") != "0") and kind not in known:
                raise Refusal(415, "Unsupported Content-Type for this request")

    def _identify(self) -> Caller:
        """Everybody on the unix socket is trusted; on TLS, a certificate of the trust store is."""
        request = self.request
        if request.protocol != "https":
            return Caller(trusted=True, requestor=Requestor("root", "unix", "@"))
        try:
            shown = request.get_ssl_certificate(binary_form=True)
        except AttributeError:
            shown = None  # tornado has no socket left: the client has gone
        der = shown if isinstance(shown, bytes) else None
        row = find_trusted(self._daemon.store, der) if der else None
        if row is None:
            return Caller(trusted=False, requestor=Requestor("", "tls", request.remote_ip or ""), certificate=der)
        projects = tuple(json.loads(row["projects"])) if row["restricted"] else None
        requestor = Requestor(row["fingerprint"], "tls", request.remote_ip or "")
        return Caller(trusted=True, requestor=requestor, certificate=der, projects=projects)

    def set_default_headers(self) -> None:
        """Headers without tornado's name."""
        self.clear_header("Server")
        self.set_header("Content-Type", "application/json")

    def decode_argument(self, value: bytes, name: str | None = None) -> str:  # noqa: ARG002
        """Decode a name in a path, whatever its bytes."""
        return value.decode("utf-8", "replace")

    def compute_etag(self) -> str | None:
        """No ETag of tornado's own: the API has its own."""
        return None

    def _set_head(self, reply: Reply) -> None:
        self.set_status(reply.status, responses.get(reply.status, "Unknown"))
        for name, text in reply.headers.items():
            self.set_header(name, text)
        if not reply.chunked and reply.status != 304:
            self.set_header("Content-Length", str(reply.length))

    def _refused(self, refusal: Refusal) -> Reply:
        words = _TITLES.get(refusal.text) if self._daemon.flavour.does(facts.TITLE_TEXTS) else None
        return refused(Refusal(refusal.code, words, status=refusal.status) if words else refusal)

    def _refuse(self, refusal: Refusal) -> None:
        reply = self._refused(refusal)
        self._set_head(reply)
        self.finish(b"".join(reply.blocks()))


@web.stream_request_body
class ApiHandler(_Handler):
    """All requests except the events websocket."""

    _spool: Spool | None = None
    _refusal: Refusal | None = None
    _route: Route | None = None

    async def prepare(self) -> None:
        """Find the handler and a place for the body, before the body arrives."""
        self._body = bytearray()
        try:
            await self._receive()
            self._route = self._permitted()
        except Refusal as refusal:
            self._refusal = refusal
        else:
            if self.request.method == "POST" and self.request.path == "/1.0/images":
                self._spool = Spool(self._daemon.store.blobs)
                self._spool.begin(self.request.headers.get("Content-Type", ""))
        self._upload_left = self._fault.cut_upload_after

    def _permitted(self) -> Route:
        caller, flavour = self._caller, self._daemon.flavour
        method = self.request.method or "GET"
        stranger = Refusal(403, "not authorized")
        if not caller.trusted and self.request.headers.get(f"{flavour.prefix}authenticated"):
            raise stranger
        if caller.projects is not None:
            forbid(
                flavour,
                caller.projects,
                method,
                self.request.path,
                project_asked(self._daemon, method, self.request.path, self._query.get("project") or "default"),
                everywhere=flavour.is_incus and self._query.get("all-projects") == "true",
            )
        if not self._methods:
            raise Refusal(404, "not found")
        route = self._methods.get(method)
        if not (caller.trusted or (route and route.open_to_all)):
            raise stranger
        if route is None:
            raise Refusal(501, "not implemented")
        return route

    def data_received(self, chunk: bytes) -> None:
        """Called by tornado with the next bytes of the body."""
        if self._upload_left is not None:
            self._upload_left -= len(chunk)
            if self._upload_left < 0:
                self.request.connection.stream.close()  # type: ignore[union-attr]
                return
        if self._refusal is not None:
            return
        if self._spool is not None:
            try:
                self._spool.feed(chunk)
            except OSError as error:
                self._refusal = Refusal(500, f"Failed to write the body: {error.strerror}")
        elif len(self._body) + len(chunk) > _BODY_LIMIT:
            self._refusal = Refusal(413, "Request body too large")
        else:
            self._body += chunk

    def on_connection_close(self) -> None:
        """Remove what a client has sent that went away."""
        super().on_connection_close()
        if self._spool is not None:
            self._spool.discard()

    async def _serve(self, **names: str) -> None:
        # A client that has gone away needs no answer.
        with contextlib.suppress(StreamClosedError):
            try:
                await self._send(await self._result(names))
            except Dropped:
                self.detach().close()
            except Refusal as refusal:
                await self._send(self._refused(refusal))
            except StreamClosedError:
                raise
            except Exception as error:  # noqa: BLE001 - it is reported to the client
                _log.exception("the demo server could not answer %s %s", self.request.method, self.request.path)
                await self._send(refused(Refusal(500, f"demo server: {error}")))

    get = post = put = patch = delete = head = _serve

    def options(self, **_names: str) -> None:
        """Reply as the daemons do: 200 and no body."""
        self.clear_header("Content-Type")

    async def _result(self, names: dict[str, str]) -> Reply:
        if self._refusal is not None:
            if self._spool is not None:
                self._spool.discard()
            raise self._refusal
        assert self._route is not None
        if self._spool is not None:
            self._spool.finish()
        call = Call(
            self._daemon,
            self.request.method or "GET",
            self.request.uri or "",
            self._query,
            self.request.headers,
            self._caller,
            bytes(self._body),
            self._spool,
        )
        answer = self._route.handler(call, **names)
        return await answer if inspect.isawaitable(answer) else answer

    async def _send(self, reply: Reply) -> None:
        self._set_head(reply)
        if self.request.method == "HEAD":
            return
        await self._write_out(reply.blocks(), self._fault.cut_after)
        if reply.announced is not None:
            await self.flush()
            self.detach().close()

    async def _write_out(self, blocks: Iterable[bytes], left: int | None) -> None:
        for block in blocks:
            if left is not None and len(block) >= left:
                self.write(block[:left])
                await self.flush()
                self.detach().close()
                raise StreamClosedError
            left = None if left is None else left - len(block)
            self.write(block)
            await self.flush()

    def write_error(self, status_code: int, **_kwargs: Any) -> None:
        """Reply to an error of tornado's own with an envelope of the API."""
        if status_code == 405:
            self._refuse(Refusal(404, f'Method "{self.request.method}" not found'))
        else:
            self._refuse(Refusal(status_code, self._reason))


class EventsSocket(_Handler, websocket.WebSocketHandler):
    """`GET /1.0/events` as a websocket."""

    _listener: Listener | None = None

    def check_origin(self, origin: str) -> bool:
        """Trust depends on the socket or the certificate; newer versions also ask for the page of this very host."""
        if self._daemon.flavour.does(facts.FOREIGN_ORIGIN_REFUSED):
            return super().check_origin(origin)
        return bool(origin)

    async def prepare(self) -> None:
        """Refuse before the handshake what the daemons refuse."""
        try:
            await self._receive()
            self._listener = self._new_listener()
        except Refusal as refusal:
            self._refuse(refusal)
        self._left = self._fault.cut_after

    def _new_listener(self) -> Listener:
        if not self._caller.trusted:
            raise Refusal(403, "not authorized")
        flavour = self._daemon.flavour
        query = self._query
        types = frozenset(query["type"].split(",")) if query.get("type") else frozenset(_TYPES)
        known = _TYPES | ({"network-acl"} if flavour.is_incus else set())
        wrong = sorted(types - known)
        if wrong:
            raise Refusal(
                400 if flavour.does(facts.EVENT_TYPE_400) else 500, f'"{wrong[0]}" isn\'t a supported event type'
            )
        everywhere = query.get("all-projects") == "true"
        if everywhere and query.get("project"):
            raise Refusal(400, "Cannot specify a project when requesting all projects")
        project = query.get("project") or "default"
        if not everywhere:
            if self._caller.projects is not None:
                forbid_events(flavour, self._caller.projects, project)
            self._daemon.store.project_with("images", project, "")
        return Listener(types, None if everywhere else project, self._send_event, self.close, self._cut)

    def open(self, *_args: str, **_kwargs: str) -> None:
        """Called by tornado after the handshake."""
        if self._listener is not None:
            self._daemon.events.add(self._listener)

    def _send_event(self, text: str) -> None:
        stream = self.ws_connection.stream if self.ws_connection is not None else None
        if stream is None or stream.closed():
            return  # on_close is on its way
        if len(stream._write_buffer) > _LAGGING:
            self.close()
            return
        if self._left is not None:
            self._left -= len(text.encode())
            if self._left < 0:
                self._cut()
                return
        with contextlib.suppress(websocket.WebSocketClosedError):
            # A listener may go away at any moment.
            self.write_message(text).add_done_callback(lambda done: done.cancelled() or done.exception())

    def _cut(self) -> None:
        """Cut the connection as a network does, without a closing frame."""
        if self.ws_connection is not None and self.ws_connection.stream is not None:
            self.ws_connection.stream.close()

    def on_message(self, message: str | bytes) -> None:
        """Messages of clients are ignored."""

    def on_close(self) -> None:
        """Called by tornado when the connection has ended."""
        if self._listener is not None:
            self._daemon.events.remove(self._listener)
