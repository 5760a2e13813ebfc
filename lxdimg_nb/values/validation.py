"""Checks of what a user gives: names, paths, flags, times, properties, profiles."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.values.json_fields import parse_time

__all__ = [
    "checked_bool",
    "checked_name",
    "checked_names",
    "checked_path",
    "checked_profiles",
    "checked_properties",
    "checked_time",
]


def checked_name(name: object, what: str) -> str:
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


def checked_names(given: object, what: str) -> list[str]:
    """One name, or several, as a list.

    Raises:
        InvalidRequestError: something else than texts.
    """
    found = [given] if isinstance(given, str) else given
    if isinstance(found, bytes | Mapping) or not isinstance(found, Iterable):
        raise InvalidRequestError(f"{what} is a text, several are a list of texts, not {_kind(given)}")
    return [checked_name(name, what) if name != "" else "" for name in found]


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


def checked_bool(name: str, value: object) -> bool:
    """True or False.

    Raises:
        InvalidRequestError: anything else, such as the text "no".
    """
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{name} is True or False, not {value!r}")
    return value


def checked_properties(value: object) -> dict[str, str]:
    """Properties as servers can keep them.

    Raises:
        InvalidRequestError: no mapping of text to text, or a text that a server would cut or change.
    """
    if not isinstance(value, Mapping) or not all(isinstance(k, str) and isinstance(v, str) for k, v in value.items()):
        raise InvalidRequestError("properties are a mapping of text to text")
    for text in (text for item in value.items() for text in item):
        # Servers cut at a zero byte (LXD 5.0.2, Incus 6.0.4), and JSON of a lone surrogate is another text.
        if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
            raise InvalidRequestError(f"{text[:100]!r} cannot stand in a property: it is no proper text")
    return dict(value)


def checked_profiles(value: object) -> list[str]:
    """Names of profiles, each once.

    Raises:
        InvalidRequestError: something else.
    """
    given = checked_names(value, "a profile")
    if "" in given or len(set(given)) != len(given):
        raise InvalidRequestError("profiles are a list of different names")
    return given


def checked_time(value: date | str | None) -> datetime | None:
    """A time as a user gives it, in UTC; every spelling of never is None.

    Raises:
        InvalidRequestError: not a time.
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise InvalidRequestError(f"{value!r} is no time; write 2027-01-31 or 2027-01-31T12:00:00+00:00") from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise InvalidRequestError("expires_at is a datetime, a text like 2027-01-31, or None for never")
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return parse_time(value.isoformat())


def _kind(value: object) -> str:
    kind = type(value).__name__
    return "None" if value is None else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
