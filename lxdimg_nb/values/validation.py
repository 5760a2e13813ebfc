"""Names as a user gives them, before they become part of a request."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from lxdimg_nb.errors import InvalidRequestError

__all__ = ["checked", "checked_path", "names"]


def checked(name: object, what: str) -> str:
    """The name, when it is one that a request can carry.

    Args:
        what: what it names, for the message: `an alias`, `a project`.

    Raises:
        InvalidRequestError: no text, empty, `.` or `..` (which change the address of a request), or no proper UTF-8.
    """
    if not isinstance(name, str):
        raise InvalidRequestError(f"{what} is named by a text, not by {_kind(name)}")
    if name in ("", ".", ".."):
        raise InvalidRequestError(f"{name!r} cannot be the name of {what}: it would change the address of the request")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"{name!r} cannot be the name of {what}: it is no proper Unicode") from error
    return name


def names(given: object, what: str) -> list[str]:
    """One name, or several, as a list.

    Raises:
        InvalidRequestError: something else than texts.
    """
    found = [given] if isinstance(given, str) else given
    if isinstance(found, bytes | Mapping) or not isinstance(found, Iterable):
        raise InvalidRequestError(f"{what} is a text, several are a list of texts, not {_kind(given)}")
    return [checked(name, what) if name != "" else "" for name in found]


def checked_path(path: object) -> None:
    """Raise unless it can be the path of a file.

    Raises:
        InvalidRequestError: no text and no path, or one that no file can have.
    """
    found = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(found, str):
        raise InvalidRequestError(f"a file is named by a path, not by {_kind(path)}")
    try:
        # Names of files are bytes: those that are no text are spelled with surrogates.
        parts = os.fsencode(found).split(b"/")
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"{found!r} cannot be the path of a file: it is no proper Unicode") from error
    if "\0" in found or any(len(part) > 255 for part in parts):
        raise InvalidRequestError(f"{found!r} cannot be the path of a file")


def _kind(value: object) -> str:
    kind = type(value).__name__
    return "None" if value is None else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
