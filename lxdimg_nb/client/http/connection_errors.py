"""Why a server was not reached, read from a chain of exceptions."""

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
    reasons: tuple[tuple[type[BaseException], str], ...] = (
        (PermissionError, "you may not open the socket; join the group lxd or incus-admin, or use a TLS remote"),
        (FileNotFoundError, "there is no such socket; is the daemon running?"),
        (ConnectionRefusedError, "nobody listens there; is the daemon running?"),
        (socket.gaierror, "there is no host of that name"),
    )
    chain = list(exception_chain(error))
    found = (text for kind, text in reasons if any(isinstance(cause, kind) for cause in chain))
    return next(found, "the connection broke; is the daemon running?")
