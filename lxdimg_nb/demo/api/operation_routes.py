"""`/1.0/operations`: list, read, wait for and cancel operations.

Source: LXD REST API; replies of LXD 5.0.2 and Incus 6.0.4, whose `/wait` reports failures differently.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import Any

from ..http.replies import Reply, sync
from ..http.routing import Call, Routes
from ..store.background_operations import Operation
from ..store.refusals import Refusal
from ..versions import facts

__all__ = ["routes"]

routes = Routes()


@routes.add("GET", "/1.0/operations")
def list_operations(call: Call) -> Reply:
    """Operations by status, as URLs or documents."""
    everywhere = call.query.get("all-projects") == "true"
    listed: dict[str, list[Any]] = {}
    for operation in call.daemon.operations.listed(None if everywhere else call.project):
        shown: Any = f"/1.0/operations/{operation.id}"
        if call.recursion:
            shown = _document(call, operation)
        listed.setdefault(operation.status.lower(), []).append(shown)
    return sync(dict(sorted(listed.items())))


@routes.add("GET", "/1.0/operations/{name}")
def get_operation(call: Call, name: str) -> Reply:
    """One operation."""
    return sync(_document(call, call.daemon.operations.get(name)))


def _document(call: Call, operation: Operation) -> dict[str, Any]:
    document = operation.document(call.daemon.flavour)
    if call.does(facts.PROGRESS_IN_EVENTS_ONLY):
        known = document["metadata"] or {}
        document["metadata"] = {key: value for key, value in known.items() if not key.endswith("progress")}
    return document


@routes.add("DELETE", "/1.0/operations/{name}")
def cancel_operation(call: Call, name: str) -> Reply:
    """Cancel an operation."""
    call.daemon.operations.cancel(call.daemon.operations.get(name), call.caller.requestor)
    return sync({})


@routes.add("GET", "/1.0/operations/{name}/wait", open_to_all=True)
async def wait_for_operation(call: Call, name: str) -> Reply:
    """Reply when the operation has ended, or after `timeout` seconds."""
    secret = call.query.get("secret", "")
    if not call.caller.trusted and not secret:
        raise Refusal(403, "not authorized")
    text = call.query.get("timeout", "")
    if text and not re.fullmatch(r"[+-]?\d+", text):
        raise Refusal(500, f'strconv.Atoi: parsing "{text}": invalid syntax')
    operation = call.daemon.operations.get(name)
    if not call.caller.trusted:
        known = str((operation.metadata or {}).get("secret", ""))
        if not known or not secrets.compare_digest(known.encode(), secret.encode()):
            raise Refusal(403, "not authorized")
    seconds = int(text) if text else -1
    try:
        await asyncio.wait_for(operation.done.wait(), None if seconds < 0 else max(seconds, 0.001))
    except TimeoutError:
        if call.does(facts.WAIT_ERROR):
            raise _wait_error(call, 500, "context deadline exceeded") from None
    if operation.error and call.does(facts.WAIT_ERROR):
        raise _wait_error(call, operation.error_code, operation.error)
    return sync(operation.document(call.daemon.flavour))


def _wait_error(call: Call, code: int, text: str) -> Refusal:
    return Refusal(code, text, status=code if call.does(facts.WAIT_STATUS) else 200)


@routes.add("GET", "/1.0/operations/{name}/websocket", open_to_all=True)
def no_websocket(call: Call, name: str) -> Reply:
    """Operations of the demo server have no websocket."""
    if not call.query.get("secret"):
        raise Refusal(400, "Missing websocket secret" if call.does(facts.NEW_GO) else "missing secret")
    call.daemon.operations.get(name)
    raise Refusal(400, "This operation can't be connected to")
