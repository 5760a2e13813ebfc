"""HTTP in front of the handlers: requests in, bodies streamed to disk, envelopes, files and events out.

Source: LXD REST API; tornado's streaming bodies and websockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Iterable
from http.client import responses
from typing import Any

from tornado import httputil, web, websocket
from tornado.iostream import StreamClosedError
from tornado.routing import Matcher, Rule

from ..api.certificate_routes import find_trusted
from ..store.daemon import Daemon
from ..store.event_hub import Listener, Requestor
from .faults import Fault
from .file_replies import Sendable, file_reply, parts_reply
from .permissions import forbid
from .replies import Dropped, FileReply, PartsReply, Refusal, error_body
from .routing import Call, Caller, Handler, Routes, answer
from .upload_body import Spool

__all__ = ["application"]

_BODY_LIMIT = 64 << 20
_LAGGING = 16 << 20
_TYPES = {"operation", "logging", "lifecycle"}
_log = logging.getLogger(__name__)

RequestLog = deque[tuple[str, str]]


def application(daemon: Daemon, routes: Routes, requests: RequestLog) -> web.Application:
    """The tornado application of one demo server."""
    return web.Application(
        [
            Rule(_Upgrades(), EventsSocket, {"daemon": daemon, "requests": requests}),
            (r".*", ApiHandler, {"daemon": daemon, "routes": routes, "requests": requests}),
        ],
        log_function=lambda _handler: None,
        websocket_ping_interval=10,
        websocket_ping_timeout=10,
    )


class _Upgrades(Matcher):
    """A request to turn `/1.0/events` into a websocket."""

    def match(self, request: httputil.HTTPServerRequest) -> dict[str, Any] | None:
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        return {} if request.path == "/1.0/events" and request.method == "GET" and upgrade else None


def _caller(daemon: Daemon, request: httputil.HTTPServerRequest) -> Caller:
    """Who asks: anybody on the unix socket is trusted, on TLS a certificate of the trust store is."""
    if request.protocol != "https":
        return Caller(trusted=True, requestor=Requestor("root", "unix", "@"))
    try:
        shown = request.get_ssl_certificate(binary_form=True)
    except AttributeError:
        shown = None  # tornado has no socket left: whoever asked has gone
    der = shown if isinstance(shown, bytes) else None
    row = find_trusted(daemon.store, der) if der else None
    if row is None:
        return Caller(trusted=False, requestor=Requestor("", "tls", request.remote_ip or ""), certificate=der)
    projects = tuple(json.loads(row["projects"])) if row["restricted"] else None
    requestor = Requestor(row["fingerprint"], "tls", request.remote_ip or "")
    return Caller(trusted=True, requestor=requestor, certificate=der, projects=projects)


def _query(request: httputil.HTTPServerRequest) -> dict[str, str]:
    return {name: values[0].decode("utf-8", "replace") for name, values in request.query_arguments.items() if values}


async def _wait(faults: list[Fault]) -> None:
    for fault in faults:
        if fault.latency:
            await asyncio.sleep(fault.latency)


def _status(faults: list[Fault]) -> int | None:
    return next((fault.status for fault in faults if fault.status), None)


def _cut(faults: list[Fault]) -> int | None:
    return next((fault.cut_after for fault in faults if fault.cut_after is not None), None)


@web.stream_request_body
class ApiHandler(web.RequestHandler):
    """Every request but the events websocket."""

    def initialize(self, daemon: Daemon, routes: Routes, requests: RequestLog) -> None:
        """Called by tornado with the settings of the application."""
        self._daemon = daemon
        self._routes = routes
        self._requests = requests
        self._body = bytearray()
        self._spool: Spool | None = None
        self._refusal: Refusal | None = None
        self._handler: Handler | None = None
        self._names: dict[str, str] = {}
        self._faults: list[Fault] = []
        self._caller: Caller | None = None
        self._upload_left: int | None = None

    def set_default_headers(self) -> None:
        """Nothing about tornado."""
        self.clear_header("Server")
        self.set_header("Content-Type", "application/json")

    def compute_etag(self) -> str | None:
        """ETags are those of the API."""
        return None

    async def prepare(self) -> None:
        """Find the handler before the body arrives, and where the body goes."""
        request = self.request
        method = request.method or "GET"
        self._requests.append((method, request.uri or ""))
        self._caller = _caller(self._daemon, request)
        self._faults = self._daemon.faults.for_request(method, request.uri or "")
        await _wait(self._faults)
        self._upload_left = next((f.cut_upload_after for f in self._faults if f.cut_upload_after is not None), None)
        try:
            self._refuse_if_told(method)
            flavour = self._daemon.flavour
            self._handler, self._names = self._routes.find(method, request.path, self._caller, flavour.product)
        except Refusal as refusal:
            self._refusal = refusal
            return
        if method == "POST" and request.path == "/1.0/images":
            self._spool = Spool(self._daemon.store.blobs, request.headers.get("Content-Type", ""))

    def _refuse_if_told(self, method: str) -> None:
        assert self._caller is not None
        told = _status(self._faults)
        if told:
            raise Refusal(told, "The demo server was told to fail here")
        prefix = self._daemon.flavour.prefix
        if not self._caller.trusted and self.request.headers.get(f"{prefix}authenticated"):
            raise Refusal(403, "not authorized")
        if self._caller.projects is not None:
            project = self.get_query_argument("project", "") or "default"
            forbid(self._daemon.flavour, self._caller.projects, method, self.request.path, project)

    def data_received(self, chunk: bytes) -> None:
        """The next bytes of the body."""
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
        """The client went away; what it sent so far goes too."""
        super().on_connection_close()
        if self._spool is not None:
            self._spool.discard()

    async def _serve(self) -> None:
        # Who has gone need not be told anything.
        with contextlib.suppress(StreamClosedError):
            await self._answer()

    async def _answer(self) -> None:
        try:
            await self._send(await self._result())
        except Dropped:
            self.detach().close()
        except Refusal as refusal:
            await self._send(_refused(refusal))
        except StreamClosedError:
            raise
        except Exception as error:  # noqa: BLE001 - the client is told
            _log.exception("the demo server could not answer %s %s", self.request.method, self.request.path)
            await self._send(_refused(Refusal(500, f"demo server: {error}")))

    get = post = put = patch = delete = head = _serve

    def options(self) -> None:
        """As Go's servers answer it here: 200 and nothing."""
        self.clear_header("Content-Type")

    async def _result(self) -> Sendable:
        if self._refusal is not None:
            if self._spool is not None:
                self._spool.discard()
            raise self._refusal
        assert self._handler is not None and self._caller is not None
        if self._spool is not None:
            self._spool.finish()
        call = Call(
            self._daemon,
            self.request.method or "GET",
            self.request.uri or "",
            _query(self.request),
            self.request.headers,
            self._caller,
            bytes(self._body),
            self._spool,
        )
        reply = await answer(self._handler, call, self._names)
        if isinstance(reply, FileReply):
            return file_reply(reply, self.request.headers, incus=self._daemon.flavour.is_incus)
        if isinstance(reply, PartsReply):
            return parts_reply(reply)
        body = reply.body()
        return Sendable(reply.status, reply.headers, [body], len(body))

    async def _send(self, reply: Sendable) -> None:
        cut = _cut(self._faults)
        self.set_status(reply.status, responses.get(reply.status, "Unknown"))
        for name, text in reply.headers.items():
            self.set_header(name, text)
        if reply.length is not None:
            self.set_header("Content-Length", str(reply.length))
        if reply.status == 304:
            self.clear_header("Content-Length")
        if self.request.method == "HEAD":
            return
        await self._write_out(reply.blocks(), cut)
        if reply.broken_off:
            await self.flush()
            self.detach().close()

    async def _write_out(self, blocks: Iterable[bytes], cut: int | None) -> None:
        left = cut
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
        """What tornado itself refuses, said in the API's way."""
        text = f'Method "{self.request.method}" not found' if status_code == 405 else self._reason
        code = 404 if status_code == 405 else status_code
        self.set_status(code)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(error_body(code, text))


def _refused(refusal: Refusal) -> Sendable:
    body = error_body(refusal.code, refusal.text)
    return Sendable(refusal.status, {"X-Content-Type-Options": "nosniff"}, [body], len(body))


class EventsSocket(websocket.WebSocketHandler):
    """`GET /1.0/events` as a websocket."""

    def initialize(self, daemon: Daemon, requests: RequestLog) -> None:
        """Called by tornado with the settings of the application."""
        self._daemon = daemon
        self._requests = requests
        self._listener: Listener | None = None
        self._left: int | None = None

    def check_origin(self, origin: str) -> bool:
        """Trust is by socket or certificate, not by page."""
        return bool(origin)

    async def prepare(self) -> None:
        """Refuse before the handshake what the daemons refuse."""
        uri = self.request.uri or ""
        self._requests.append(("GET", uri))
        self.clear_header("Server")
        faults = self._daemon.faults.for_request("GET", uri)
        await _wait(faults)
        self._left = _cut(faults)
        try:
            self._listener = self._wanted(_status(faults))
        except Refusal as refusal:
            self.set_status(refusal.status)
            self.set_header("Content-Type", "application/json")
            self.finish(error_body(refusal.code, refusal.text))

    def _wanted(self, told: int | None) -> Listener:
        caller = _caller(self._daemon, self.request)
        if not caller.trusted:
            raise Refusal(403, "not authorized")
        if told:
            raise Refusal(told, "The demo server was told to fail here")
        incus = self._daemon.flavour.is_incus
        query = _query(self.request)
        types = frozenset(query["type"].split(",")) if query.get("type") else frozenset(_TYPES)
        known = _TYPES | ({"network-acl"} if incus else set())
        wrong = sorted(types - known)
        if wrong:
            raise Refusal(400 if incus else 500, f'"{wrong[0]}" isn\'t a supported event type')
        everywhere = query.get("all-projects") == "true"
        if everywhere and query.get("project"):
            raise Refusal(400, "Cannot specify a project when requesting all projects")
        project = query.get("project") or "default"
        if not everywhere:
            self._daemon.store.project_with("images", project, "")
        return Listener(types, None if everywhere else project, self._tell, self.close, self._break_off)

    def open(self, *_args: str, **_kwargs: str) -> None:
        """The handshake is done."""
        if self._listener is not None:
            self._daemon.events.add(self._listener)

    def _tell(self, text: str) -> None:
        stream = self.ws_connection.stream if self.ws_connection is not None else None
        if stream is None or stream.closed():
            return  # on_close is on its way
        if len(stream._write_buffer) > _LAGGING:
            self.close()
            return
        if self._left is not None:
            self._left -= len(text.encode())
            if self._left < 0:
                self._break_off()
                return
        with contextlib.suppress(websocket.WebSocketClosedError):
            # Who goes away in the middle of it need not be mourned.
            self.write_message(text).add_done_callback(lambda done: done.cancelled() or done.exception())

    def _break_off(self) -> None:
        """As a network does it: without the closing words of a websocket."""
        if self.ws_connection is not None and self.ws_connection.stream is not None:
            self.ws_connection.stream.close()

    def on_message(self, message: str | bytes) -> None:
        """Clients have nothing to say here."""

    def on_close(self) -> None:
        """The listener is gone."""
        if self._listener is not None:
            self._daemon.events.remove(self._listener)
