"""One request as the handlers see it, and the tables in which they are registered by method and path."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..store.background_operations import Operation
from ..store.daemon import Daemon
from ..store.database import Store
from ..store.event_hub import Requestor
from ..store.image_records import Images
from ..store.refusals import Refusal
from ..versions import facts
from ..versions.facts import Fact
from .go_structs import Struct, Words, decode
from .replies import Reply, accepted
from .upload_body import Spool

__all__ = ["Call", "Caller", "Route", "Routes"]

_SMALL_BODY = 1 << 20


@dataclass(frozen=True)
class Caller:
    """Who sends a request.

    Attributes:
        trusted: came over the unix socket, or with a certificate in the trust store.
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
    def store(self) -> Store:
        """The database."""
        return self.daemon.store

    @property
    def images(self) -> Images:
        """The images and aliases in the database."""
        return self.daemon.images

    @property
    def incus(self) -> bool:
        """Whether the server imitates Incus."""
        return self.daemon.flavour.is_incus

    def does(self, fact: Fact) -> bool:
        """Whether a fact is true of the imitated version."""
        return self.daemon.flavour.does(fact)

    @property
    def project(self) -> str:
        """The project that the request names, or `default`."""
        return self.query.get("project") or "default"

    @property
    def recursion(self) -> int:
        """The recursion level; 0 if it is not an integer."""
        text = self.query.get("recursion", "0")
        return int(text) if text.isascii() and text.isdigit() else 0

    def header(self, name: str) -> str:
        """A request header with the prefix of the product, such as `header("public")`; empty if absent."""
        # Tornado reads bytes as Latin-1; clients send UTF-8.
        text: str = self.headers.get(self.daemon.flavour.prefix + name, "")
        return text.encode("latin-1", "replace").decode(errors="replace")

    def json(self, shape: Struct) -> dict[str, Any]:
        """The body, read into a structure."""
        loose = ("jmap.Map" if self.incus else "shared.Jmap") if self.method == "PATCH" else ""
        if len(self.body) > _SMALL_BODY and self.does(facts.SMALL_BODIES):
            raise Refusal(400, "http: request body too large")
        return decode(self.body, shape, words=self._words, map_type=loose)

    @property
    def _words(self) -> Words:
        return Words(new_go=self.does(facts.NEW_GO), names_keys=self.does(facts.GO_KEYS))

    def images_project(self, complaint: str = "Check if project has images: fetch project: ") -> str:
        """The project that holds the images of the request's project."""
        return self.store.project_with("images", self.project, complaint)

    def check_etag(self, current: str) -> None:
        """Raise a Refusal with 412 unless `If-Match` is absent or the current ETag."""
        wanted = self.headers.get("If-Match", "").strip('"')
        if wanted and wanted != current:
            raise Refusal(412, f"ETag doesn't match: {current} vs {wanted}")

    def send_event(
        self, action: str, source: str, project: str, context: dict[str, Any] | None = None, *, plain: bool = False
    ) -> None:
        """Send a lifecycle event about something that this request changed."""
        self.daemon.events.lifecycle(action, source, project, self.caller.requestor, context, plain=plain)

    def redeem(self, purpose: str, secret: str, fingerprint: str) -> Operation | None:
        """Use up a token, see `Operations.redeem`."""
        return self.daemon.operations.redeem(purpose, secret, fingerprint, self.caller.requestor)

    def start(
        self,
        description: str,
        work: Callable[[Operation], Awaitable[object]],
        *,
        resources: dict[str, list[str]] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Reply:
        """Start an operation and reply 202 with it."""
        operation = self.daemon.operations.start(
            self.project,
            description,
            work,
            origin=(self.method, self.path),
            resources=resources,
            metadata=metadata,
            requestor=self.caller.requestor,
        )
        return self.accepted(operation)

    def accepted(self, operation: Operation) -> Reply:
        """The 202 for an operation that has just been started."""
        return accepted(f"/1.0/operations/{operation.id}", operation.document(self.daemon.flavour))


Handler = Callable[..., Reply | Awaitable[Reply]]


@dataclass(frozen=True)
class Route:
    """A handler, and whether strangers may call it."""

    handler: Handler
    open_to_all: bool


class Routes:
    """Handlers by path and method: a `{name}` in a path is one segment, a `{name*}` the rest of it."""

    def __init__(self, *tables: Routes) -> None:
        self._routes: list[tuple[str, str, str, Route]] = [route for table in tables for route in table._routes]

    def add(self, method: str, path: str, *, open_to_all: bool = False, only: str = "") -> Callable[[Handler], Handler]:
        """Register a handler; `open_to_all` if strangers may call it, `only` for the paths of one product."""
        pattern = re.sub(r"\{(\w+)\*\}", r"(?P<\1>.+)", path.replace(".", r"\."))
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)

        def register(handler: Handler) -> Handler:
            self._routes.append((pattern, method, only, Route(handler, open_to_all)))
            return handler

        return register

    def of(self, product: str) -> dict[str, dict[str, Route]]:
        """The routes of one product: pattern of the path -> method -> route."""
        found: dict[str, dict[str, Route]] = {}
        for pattern, method, only, route in self._routes:
            if only in ("", product):
                found.setdefault(pattern, {})[method] = route
        return found
