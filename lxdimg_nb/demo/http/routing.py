"""One request as the handlers see it, and the table that finds the handler.

Source: LXD 5.0.2: 404 for paths nobody serves, 501 for methods a path does not have, 403 for strangers.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..store.background_operations import Operation
from ..store.event_hub import Requestor
from .go_structs import Struct, decode
from .replies import FileReply, PartsReply, Refusal, Reply, not_found
from .upload_body import Spool

if TYPE_CHECKING:
    from ..store.daemon import Daemon

__all__ = ["Answer", "Call", "Caller", "Handler", "Routes", "answer"]

Answer = Reply | FileReply | PartsReply
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        trusted: the unix socket, or a certificate in the trust store.
        certificate: the client certificate in DER, if one was shown.
        projects: the projects a restricted certificate may use; None for all.
    """

    trusted: bool
    requestor: Requestor
    certificate: bytes | None = None
    projects: tuple[str, ...] | None = None


@dataclass
class Call:
    """One request."""

    daemon: Daemon
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    caller: Caller
    body: bytes = b""
    spool: Spool | None = None

    @property
    def project(self) -> str:
        """The project that the request names, `default` where it names none."""
        return self.query.get("project") or "default"

    @property
    def recursion(self) -> int:
        """The recursion level; what is no integer counts as 0."""
        text = self.query.get("recursion", "0")
        return int(text) if text.isascii() and text.isdigit() else 0

    def header(self, name: str) -> str:
        """One of the product's own request headers, as in `header("public")`; empty where absent."""
        # Tornado reads bytes as Latin-1; Go takes them for the UTF-8 that clients send.
        said: str = self.headers.get(self.daemon.flavour.prefix + name, "")
        return said.encode("latin-1", "replace").decode(errors="replace")

    def json(self, shape: Struct) -> dict[str, Any]:
        """The body, read into a structure."""
        incus = self.daemon.flavour.is_incus
        loose = ("jmap.Map" if incus else "shared.Jmap") if self.method == "PATCH" else ""
        return decode(self.body, shape, incus=incus, map_type=loose)

    def images_of(self, complaint: str = "Check if project has images: fetch project: ") -> str:
        """The project that holds the images of the request's project."""
        return self.daemon.store.project_with("images", self.project, complaint)

    def check_etag(self, current: str) -> None:
        """Compare with If-Match.

        Raises:
            Refusal: 412.
        """
        wanted = self.headers.get("If-Match", "")
        if wanted and wanted.strip('"') != current:
            raise Refusal(412, f"ETag doesn't match: {current} vs {wanted.strip(chr(34))}")

    def tell(
        self,
        action: str,
        source: str,
        project: str,
        context: dict[str, Any] | None = None,
        *,
        plain: bool = False,
    ) -> None:
        """Send a lifecycle event about something this request did."""
        self.daemon.events.lifecycle(action, source, project, self.caller.requestor, context, plain=plain)

    def redeem(self, purpose: str, secret: str, fingerprint: str) -> Operation | None:
        """Use a token up, see `Operations.redeem`."""
        return self.daemon.operations.redeem(purpose, secret, fingerprint, self.caller.requestor)

    def start(
        self,
        description: str,
        work: Callable[[Operation], Awaitable[None]],
        *,
        project: str | None = None,
        resources: dict[str, list[str]] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Reply:
        """Begin an operation and answer 202 with it."""
        operation = self.daemon.operations.start(
            project or self.project,
            description,
            work,
            origin=(self.method, self.path),
            resources=resources,
            metadata=metadata,
        )
        return self.accepted(operation)

    def accepted(self, operation: Operation) -> Reply:
        """The 202 for an operation that just began."""
        url = f"/1.0/operations/{operation.id}"
        document = operation.document(self.daemon.flavour)
        return Reply(document, 202, operation=url, headers={"Location": url})


Handler = Callable[..., Answer | Awaitable[Answer]]


@dataclass(frozen=True)
class _Route:
    method: str
    pattern: re.Pattern[str]
    handler: Handler
    open_to_all: bool
    products: tuple[str, ...]


class Routes:
    """Handlers by method and path. A `{name}` is one segment, a `{name*}` the rest of the path."""

    def __init__(self) -> None:
        self._routes: list[_Route] = []

    def add(self, method: str, path: str, *, open_to_all: bool = False, only: str = "") -> Callable[[Handler], Handler]:
        """Register a handler; `open_to_all` for one that strangers may call, `only` for one product's paths."""
        pattern = re.sub(r"\\\{(\w+)\\\*\\\}", r"(?P<\1>.+)", re.escape(path))
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", pattern)

        def register(handler: Handler) -> Handler:
            products = (only,) if only else ("lxd", "incus")
            self._routes.append(_Route(method, re.compile(pattern), handler, open_to_all, products))
            return handler

        return register

    def include(self, other: Routes) -> None:
        """Take over the routes of another table."""
        self._routes += other._routes

    def find(self, method: str, path: str, caller: Caller, product: str) -> tuple[Handler, dict[str, str]]:
        """The handler and the names in the path.

        Raises:
            Refusal: 404, 403 or 501.
        """
        if method not in _METHODS:
            raise Refusal(404, f'Method "{method}" not found')
        wanted: str | None = None
        for route in self._routes:
            found = route.pattern.fullmatch(path) if product in route.products else None
            if found is None or wanted not in (None, route.pattern.pattern):
                continue
            wanted = route.pattern.pattern
            if route.method == method:
                if not (caller.trusted or route.open_to_all):
                    raise Refusal(403, "not authorized")
                return route.handler, {name: unquote(text) for name, text in found.groupdict().items()}
        if wanted is None:
            raise not_found()
        raise Refusal(501, "not implemented") if caller.trusted else Refusal(403, "not authorized")


async def answer(handler: Handler, call: Call, names: dict[str, str]) -> Answer:
    """Run a handler, plain or coroutine."""
    result = handler(call, **names)
    return await result if inspect.isawaitable(result) else result
