"""What lies behind an error, and what to tell about a server that is not reached."""

from __future__ import annotations

import socket
from collections.abc import Iterator

__all__ = ["exception_chain", "explain"]


def exception_chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that it was made from, each once."""
    seen: set[int] = set()
    stack: list[object] = [error]
    while stack:
        item = stack.pop()
        if isinstance(item, BaseException) and id(item) not in seen:
            seen.add(id(item))
            yield item
            stack += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]


def explain(error: BaseException | None) -> str:
    """Why a server was not reached, and what to do about it."""
    found = list(exception_chain(error))
    if any(isinstance(c, PermissionError) for c in found):
        return "you may not open the socket; join the group lxd or incus-admin, or use a TLS remote"
    if any(isinstance(c, FileNotFoundError) for c in found):
        return "there is no such socket; is the daemon running?"
    if any(isinstance(c, ConnectionRefusedError) for c in found):
        return "nobody listens there; is the daemon running?"
    if any(isinstance(c, socket.gaierror) for c in found):
        return "there is no host of that name"
    return "the connection broke; is the daemon running?"
