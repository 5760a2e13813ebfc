"""Background work of a server: list it, wait for it in both dialects of /wait, cancel it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from lxdimg_nb.client.http.transport import Reply, Transport
from lxdimg_nb.errors import (
    ApiError,
    InvalidRequestError,
    NotFoundError,
    OperationCancelledError,
    OperationFailedError,
    OperationTimeoutError,
    UnexpectedReplyError,
)
from lxdimg_nb.values import Operation, Progress

__all__ = ["Operations"]

# Longest wait of one request in seconds, so that progress is reported and an interrupt is noticed.
STEP = 10
# Least seconds between two requests.
PAUSE = 0.2
# Status codes from here to 199 are states of work that goes on; 200 and more are ends.
RUNNING = 100
# Servers call an upload, a copy and a publication so, too.
_MISNOMERS = {"Downloading image": "making the image"}
_ID = re.compile(r"(?:^|/1\.0/operations/)([0-9a-f-]{36})(?:\?.*)?$")


class Operations:
    """`client.operations`: the server's background work in one project."""

    def __init__(self, transport: Transport, project: str) -> None:
        self._transport = transport
        self._project = project

    def __repr__(self) -> str:
        return f"<Operations of project {self._project} on {self._transport.url}>"

    def all(self) -> list[Operation]:
        """Every operation that the server still knows; it forgets one 5 s after its end.

        Source: GET /1.0/operations?recursion=1.
        """
        params = {"recursion": "1", "project": self._project}
        groups = self._transport.request("GET", "/1.0/operations", params=params).document("lists of operations")
        return [Operation.from_json(item) for group in groups.values() if isinstance(group, list) for item in group]

    def get(self, operation: Operation | str) -> Operation:
        """Read one operation again.

        Raises:
            NotFoundError: the server has forgotten it (5 s after its end).

        Source: GET /1.0/operations/{id}.
        """
        return self._read(operation)

    def _read(self, operation: Operation | str, end: str = "", **content: Any) -> Operation:
        path = _path(operation)
        found = Operation.from_json(self._transport.request("GET", path + end, **content).metadata)
        if not path.endswith(found.id):
            raise UnexpectedReplyError(
                f"{self._transport.url} answers with the operation {found.id[:36]} where {path[-36:]} was asked for"
            )
        return found

    def started(self, reply: Reply) -> Operation:
        """The operation that an asynchronous reply announces.

        Raises:
            UnexpectedReplyError: it announces none.
        """
        if not reply.operation:
            raise UnexpectedReplyError("the server did the work at once where it should have begun an operation")
        return Operation.from_json(reply.metadata)

    def wait(
        self,
        operation: Operation | str,
        *,
        timeout: float | None = None,
        progress: Callable[[Progress], None] | None = None,
        what: str = "",
    ) -> Operation:
        """Wait until the server has finished.

        Args:
            operation: as returned by the call that began it, or its id.
            timeout: seconds, over all requests together; None waits forever.
            progress: called about once a second with the progress that the server reports.
            what: what is being done, as errors and progress name it ("the import"); empty: as the server describes it.

        Returns:
            The operation in its final, successful state.

        Raises:
            OperationFailedError: it failed.
            OperationCancelledError: it was cancelled.
            OperationTimeoutError: it is still running; it is not cancelled.
            NotFoundError: the server has forgotten it, so its outcome is unknown.

        Source: GET /1.0/operations/{id}/wait. A failure comes as an operation or as an error body with HTTP 200,
        depending on the version (LXD 5.0.2, LXD 5.0.3 and newer, Incus before and after 6.12).
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            begin = time.monotonic()
            left = STEP if deadline is None else max(0.0, deadline - begin)
            current = self._poll(operation, 1 if progress else min(STEP, left), what)
            if current.done:
                return self._successful(current, what)
            if current.status_code < RUNNING:
                raise UnexpectedReplyError(
                    f"{self._transport.url} says that {_named(what, current)} is in the state {current.status_code}, "
                    "which there is not; list the images to see how it ended"
                )
            if progress:
                progress(current.progress or Progress("server", text=_named(what, current)))
            if deadline is not None and time.monotonic() >= deadline:
                raise OperationTimeoutError(
                    f"operation {current.id} ({_named(what, current)}) is still running after {timeout:g} s; "
                    "wait again or cancel it",
                    operation_id=current.id,
                )
            # Servers answer /wait when something has changed or the time is over, and need not be asked more often.
            time.sleep(max(0.0, min(PAUSE, left) - (time.monotonic() - begin)))

    def _poll(self, operation: Operation | str, seconds: float, what: str) -> Operation:
        try:
            # Only whole seconds are understood; 0 is an error or a snapshot depending on the version.
            params = {"timeout": str(max(1, int(seconds)))}
            timeout = self._transport.timeout + STEP
            return self._read(operation, "/wait", params=params, timeout=timeout)
        except ApiError as refused:
            try:
                return self.get(operation)
            except NotFoundError:
                if refused.status_code == 404:
                    raise
                raise self._failed(_named(what, operation), refused.message, _path(operation)[-36:]) from refused

    def cancel(self, operation: Operation | str) -> None:
        """Ask the server to stop an operation.

        Raises:
            ApiError: it cannot be cancelled, or has ended (400).
            NotFoundError: the server has forgotten it.

        Source: DELETE /1.0/operations/{id}.
        """
        self._transport.request("DELETE", _path(operation))

    def _successful(self, operation: Operation, what: str) -> Operation:
        if operation.succeeded:
            return operation
        name = _named(what, operation)
        if operation.status_code == 401:
            raise OperationCancelledError(f"{name} was cancelled", operation_id=operation.id)
        raise self._failed(name, operation.error or operation.status, operation.id)

    def _failed(self, name: str, reason: str, operation_id: str) -> OperationFailedError:
        trouble = self._transport.cluster.trouble() if self._transport.cluster else ""
        return OperationFailedError(
            f"{name} failed on the server: {reason}{'; ' if trouble else ''}{trouble}",
            operation_id=operation_id,
            reason=reason,
        )


def _named(what: str, operation: Operation | str) -> str:
    """What was being done, for messages."""
    if what or isinstance(operation, str):
        return what or "the operation"
    return _MISNOMERS.get(operation.description, operation.description) or "the operation"


def _path(operation: Operation | str) -> str:
    name = operation.id if isinstance(operation, Operation) else operation
    found = _ID.search(name) if isinstance(name, str) else None
    if found is None:
        raise InvalidRequestError(f"{operation!r} is no operation id")
    return f"/1.0/operations/{found[1]}"
