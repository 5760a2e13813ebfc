"""Background operations: started, waited for, cancelled, and removed five seconds after they ended.

Source: `/1.0/operations` of LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from ..versions import facts
from ..versions.flavours import Flavour
from .event_hub import Events, Requestor
from .go_json import now_text
from .refusals import Refusal

__all__ = ["Operation", "Operations"]

RETENTION_SECONDS = 5.0
_CODES = {
    "Pending": 105,
    "Running": 103,
    "Cancelling": 104,
    "Success": 200,
    "Failure": 400,
    "Cancelled": 401,
}


@dataclass
class Operation:
    """One operation; belongs to the server's loop.

    Attributes:
        kind: `task` or `token`.
        origin: method and path of the request that started it.
        requestor: who sent that request.
        error_code: the code of the error that Incus' `/wait` replies with: 404, 500, ...
        purpose: what a token is for, with the details that its use needs.
    """

    project: str
    description: str
    kind: str = "task"
    resources: dict[str, list[str]] | None = None
    metadata: dict[str, Any] | None = None
    may_cancel: bool = False
    purpose: dict[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: str = field(default_factory=now_text)
    updated_at: str = ""
    status: str = "Pending"
    error: str = ""
    error_code: int = 500
    done: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    origin: tuple[str, str] = ("", "")
    requestor: Requestor | None = None

    def document(self, flavour: Flavour) -> dict[str, Any]:
        """The operation as the API shows it."""
        resources: Any = self.resources
        if resources is None and flavour.does(facts.EMPTY_RESOURCES):
            resources = {}
        metadata: Any = self.metadata
        if metadata is None and flavour.does(facts.EMPTY_METADATA):
            metadata = {}
        if flavour.does(facts.ENTITY_URL) and self.resources:
            metadata = {"entity_url": next(iter(self.resources.values()))[0], **metadata}
        document = {
            "id": self.id,
            "class": self.kind,
            "description": self.description,
            "created_at": self.created_at,
            "updated_at": self.updated_at or self.created_at,
            "status": self.status,
            "status_code": _CODES[self.status],
            "resources": resources,
            "metadata": None if metadata is None else dict(sorted(metadata.items())),
            "may_cancel": self.may_cancel or flavour.does(facts.ALWAYS_CANCELLABLE),
            "err": self.error,
        }
        if flavour.does(facts.ERROR_CODE):
            document["err_code"] = self.error_code if self.error else 0
        document["location"] = "none"
        if self.requestor is not None and flavour.does(facts.REQUESTOR):
            document["requestor"] = asdict(self.requestor)
        return document


class Operations:
    """All operations of a server."""

    def __init__(self, flavour: Flavour, events: Events) -> None:
        self._flavour = flavour
        self._events = events
        self._all: dict[str, Operation] = {}
        self.failure_of: Callable[[str, str], str | None] = lambda _method, _path: None

    def start(
        self,
        project: str,
        description: str,
        work: Callable[[Operation], Awaitable[object]],
        *,
        origin: tuple[str, str] = ("", ""),
        resources: dict[str, list[str]] | None = None,
        metadata: dict[str, Any] | None = None,
        requestor: Requestor | None = None,
    ) -> Operation:
        """Start a task; an exception of its work becomes its error."""
        operation = Operation(
            project, description, resources=resources, metadata=metadata, origin=origin, requestor=requestor
        )
        self._begin(operation)
        operation.task = asyncio.get_running_loop().create_task(self._run(operation, work))
        return operation

    def token(
        self,
        project: str,
        description: str,
        purpose: dict[str, Any],
        *,
        resources: dict[str, list[str]] | None = None,
        **metadata: Any,
    ) -> Operation:
        """Start a token operation: it runs until it is used or cancelled."""
        operation = Operation(project, description, "token", resources, may_cancel=True, purpose=purpose)
        operation.metadata = {"secret": secrets.token_hex(32), **metadata}
        self._begin(operation)
        return operation

    def _begin(self, operation: Operation) -> None:
        self._all[operation.id] = operation
        self._change(operation, "Pending")
        self._change(operation, "Running")

    async def _run(self, operation: Operation, work: Callable[[Operation], Awaitable[object]]) -> None:
        status = "Failure"
        try:
            failure = self.failure_of(*operation.origin)
            if failure is not None:
                raise Refusal(500, failure)
            await work(operation)
            status = "Success"
        except asyncio.CancelledError:
            operation.error = "context canceled"
            if self._flavour.does(facts.ALWAYS_CANCELLABLE):
                status = "Cancelled"
        except Refusal as refusal:
            operation.error = refusal.text
            if refusal.code in (403, 404, 409):
                operation.error_code = refusal.code
        except Exception as error:  # noqa: BLE001 - the operation carries it to the caller
            operation.error = str(error) or type(error).__name__
        self._finish(operation, status)

    def _change(self, operation: Operation, status: str) -> None:
        operation.status = status
        operation.updated_at = operation.created_at if status in ("Pending", "Running") else now_text()
        self._announce(operation)

    def _finish(self, operation: Operation, status: str) -> None:
        if operation.done.is_set():
            return
        self._change(operation, status)
        operation.done.set()
        loop = asyncio.get_running_loop()
        loop.call_later(RETENTION_SECONDS, self._all.pop, operation.id, None)

    def _announce(self, operation: Operation) -> None:
        self._events.send("operation", operation.document(self._flavour), operation.project)

    def progress(self, operation: Operation, **metadata: Any) -> None:
        """Add keys to the operation's metadata and send an event."""
        operation.metadata = {**(operation.metadata or {}), **metadata}
        if not operation.done.is_set():
            operation.updated_at = now_text()
            self._announce(operation)

    def get(self, name: str) -> Operation:
        """The operation of this id.

        Raises:
            Refusal: 404; there is none, or it ended more than five seconds ago.
        """
        operation = self._all.get(name)
        if operation is None:
            raise Refusal(404, "Operation not found")
        return operation

    def listed(self, project: str | None) -> list[Operation]:
        """The operations of a project, or of all projects."""
        return [one for one in self._all.values() if project is None or one.project == project]

    def _end_token(self, operation: Operation, requestor: Requestor | None) -> None:
        url = f"/1.0/operations/{operation.id}"
        self._events.lifecycle("operation-cancelled", url, operation.project, requestor)
        self._change(operation, "Cancelling")
        self._finish(operation, "Cancelled")

    def cancel(self, operation: Operation, requestor: Requestor | None = None) -> None:
        """Cancel a running operation.

        Raises:
            Refusal: 400; it has ended, or it cannot be cancelled.
        """
        if operation.done.is_set():
            raise Refusal(400, "Only running operations can be cancelled")
        if not operation.may_cancel and not self._flavour.does(facts.ALWAYS_CANCELLABLE):
            raise Refusal(400, "This operation can't be cancelled")
        if operation.task is not None:
            operation.task.cancel()
        else:
            self._end_token(operation, requestor)

    def redeem(
        self, purpose: str, secret: str, fingerprint: str, requestor: Requestor | None = None
    ) -> Operation | None:
        """Use up the token with this secret, purpose and fingerprint, and return it.

        A token for an export stays valid until it is removed, because a client asks for the record first and for
        the file afterwards.
        """
        for operation in self._all.values():
            if (
                operation.kind == "token"
                and operation.purpose.get("for") == purpose
                and operation.purpose.get("fingerprint") == fingerprint
                and (purpose == "export" or not operation.done.is_set())
                and secrets.compare_digest((operation.metadata or {})["secret"].encode(), secret.encode())
            ):
                if not operation.done.is_set():
                    self._end_token(operation, requestor)
                return operation
        return None

    def stop(self) -> None:
        """Cancel all running tasks."""
        for operation in self._all.values():
            if operation.task is not None:
                operation.task.cancel()
