"""Why a server was not reached, read from a chain of exceptions; for the transport."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from types import TracebackType

import requests

from lxdimg_nb.client.http.diagnosis.socket_advice import permission_advice, start_advice

__all__ = [
    "OuterErrorLeftOut",
    "advise",
    "exception_chain",
    "unreachable_reason",
    "without_request",
]


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


class OuterErrorLeftOut:
    """Context manager that takes an error which is being handled outside out of the chain of one from inside.

    Python puts it there, and it would be taken for a reason: `except FileNotFoundError: lxdimg.connect(…)`.
    """

    def __enter__(self) -> None:
        self.outer = sys.exception()

    def __exit__(self, _: object, error: BaseException | None, __: TracebackType | None) -> None:
        for one in exception_chain(error) if self.outer is not None else ():
            if one is not self.outer and one.__context__ is self.outer:
                one.__context__ = None
        self.outer = None


def advise(error: BaseException | None, socket: str) -> tuple[str, ...]:
    """What to do when a server was not reached at a unix socket, as far as that is known."""
    chain = list(exception_chain(error))
    if any(isinstance(cause, PermissionError) for cause in chain):
        return (permission_advice(socket),)
    missing = any(isinstance(cause, FileNotFoundError | ConnectionRefusedError) for cause in chain)
    command = start_advice(socket) if missing else ""
    return (command,) if command else ()


def without_request(error: BaseException) -> BaseException:
    """The same kind of error without the request that it came from, whose address and headers may be secret.

    Its text is that of the cause at the bottom, such as `[Errno 111] Connection refused`.
    """
    outside = [e for e in exception_chain(error) if type(e).__module__.split(".")[0] not in ("requests", "urllib3")]
    text = str(outside[-1]) if outside else type(error).__name__
    kind = type(error) if isinstance(error, requests.RequestException | OSError) else ConnectionError
    return kind(text)


def unreachable_reason(error: BaseException | None) -> str:
    """Why a server was not reached."""
    reasons: tuple[tuple[type[BaseException], str], ...] = (
        (PermissionError, "you may not open the socket"),
        (FileNotFoundError, "there is no such socket; is the daemon running?"),
        (ConnectionRefusedError, "nobody listens there; is the daemon running?"),
        (socket.gaierror, "there is no host of that name"),
    )
    chain = list(exception_chain(error))
    found = (text for kind, text in reasons if any(isinstance(cause, kind) for cause in chain))
    return next(found, "the connection broke; is the daemon running?")
