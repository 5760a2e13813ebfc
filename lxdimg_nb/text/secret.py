"""Secrets are kept out of what is shown of errors: texts that mask themselves, and tracebacks without inner frames.

A verbose traceback, as of `%xmode Verbose`, shows the local variables of every frame.
"""

from __future__ import annotations

import re
import sys
from types import TracebackType
from typing import Any, SupportsIndex, TypeVar, cast

__all__ = [
    "Secret",
    "hide_address",
    "hide_addresses",
    "hide_inner_frames",
    "hide_values",
    "inner_frames_hidden",
    "shown_address",
]

# A name and password, or a query, which may be a signature or a one-time secret; or a key, given instead of its path.
_PRIVATE_ADDRESS = re.compile(r"^(?!unix:)[^/?#]*(?://|:)[^/?#]*@|\?|PRIVATE KEY-----")
_PRIVATE_KEY = re.compile(r"secret|token|password", re.IGNORECASE)
# Their frames hold what is sent in forms of their own: headers, bodies, bytes.
_LIBRARIES = frozenset({"requests", "requests_unixsocket", "urllib3", "websocket", "yaml"})
HIDDEN_FRAMES = True
_INNER = sys.stdlib_module_names | _LIBRARIES

T = TypeVar("T")


class Secret(str):
    """A text like any other, whose repr is `'***'`. A part of it is a `Secret`, too; what is made of it is not."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: SupportsIndex | slice) -> Secret:
        return Secret(super().__getitem__(key))


def hide_address(address: T, always: bool = False) -> T | Secret:
    """The text, as a `Secret` if there is a password, a query or a key in it, or `always`; no text stays as it is."""
    private = isinstance(address, str) and (always or _PRIVATE_ADDRESS.search(address))
    return Secret(address) if private else address


def hide_addresses(value: T) -> T:
    """Lists, tuples and dicts with each address in them as `hide_address` gives it."""
    if isinstance(value, dict):
        return cast(T, {key: hide_addresses(one) for key, one in value.items()})
    if isinstance(value, list | tuple):
        return cast(T, type(value)([hide_addresses(one) for one in value]))
    return cast(T, hide_address(value))


def shown_address(address: str) -> str:
    """An address without the name and password, and without the query, that may be in it."""
    # Numbers only: no local variable holds the password.
    begin, end = address.find("://") + 3, address.find("?")
    end = len(address) if end < 0 else end
    slash = address.find("/", begin, end)
    at = address.rfind("@", begin, end if slash < 0 else slash)
    return address[:begin] + address[max(begin, at + 1) : end] if begin > 2 else address


def hide_values(mapping: T) -> T:
    """A dict with the texts below keys such as `secret` and `password` as `Secret`; anything else as it is."""
    if not isinstance(mapping, dict):
        return mapping
    hidden = {
        key: Secret(value) if isinstance(value, str) and _PRIVATE_KEY.search(str(key)) else value
        for key, value in mapping.items()
    }
    return cast(T, hidden)


class inner_frames_hidden:  # noqa: N801 (reads as a clause: with inner_frames_hidden())
    """Context manager that takes the frames of the standard library and of HTTP from the traceback of an error.

    Frames of this package and of the user's own functions stay, but for modules that set `HIDDEN_FRAMES`.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if error is not None:
            hide_inner_frames(error)


def hide_inner_frames(error: BaseException) -> None:
    """Take inner frames from the tracebacks of an error and of those that it came from, if they are not inner ones."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        found.__traceback__ = _without_inner(found.__traceback__)
        # Errors of requests and urllib3 name addresses with their queries.
        if _is_library(found.__cause__):
            found.__cause__ = None
        if _is_library(found.__context__):
            found.__context__ = None
        found = found.__cause__ or found.__context__


def _without_inner(traceback: TracebackType | None) -> TracebackType | None:
    frames = []
    while traceback is not None:
        if not _is_inner(traceback.tb_frame.f_globals):
            frames.append(traceback)
        traceback = traceback.tb_next
    kept: TracebackType | None = None
    for frame in reversed(frames):
        kept = TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return kept


def _is_inner(variables: dict[str, Any]) -> bool:
    """Whether a module's functions handle what is sent: a library's, or one that sets `HIDDEN_FRAMES`."""
    module = str(variables.get("__name__", ""))
    own = module.startswith("namedtuple_") or variables.get("HIDDEN_FRAMES") is True
    return own or module.partition(".")[0] in _INNER


def _is_library(error: BaseException | None) -> bool:
    return error is not None and type(error).__module__.partition(".")[0] in _LIBRARIES
