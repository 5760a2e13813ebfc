"""Check values from the user: names, paths, booleans, times, properties, profiles."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

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
    "expanded_path",
]


def checked_name(name: object, what: str) -> str:
    """Return a name if it can be part of a request.

    Args:
        what: what has the name, for the message: `an alias`, `a project`.

    Raises:
        InvalidRequestError: not a string, empty, `.` or `..` (which change the URL), or not valid Unicode.
    """
    if not isinstance(name, str):
        raise InvalidRequestError(f"the name of {what} is a string, not {_kind(name)}")
    if name in ("", ".", ".."):
        raise InvalidRequestError(f"{name!r} cannot be the name of {what}: it would change the URL of the request")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"{name!r} cannot be the name of {what}: it is not valid Unicode") from error
    return name


def checked_names(given: object, what: str) -> list[str]:
    """Return one name or several as a list.

    Raises:
        InvalidRequestError: not a string or strings.
    """
    found = [given] if isinstance(given, str) else given
    if isinstance(found, bytes | Mapping) or not isinstance(found, Iterable):
        raise InvalidRequestError(f"{what} is a string, several are a list of strings, not {_kind(given)}")
    return [checked_name(name, what) if name != "" else "" for name in found]


def checked_path(path: object) -> None:
    """Check that a value can be the path of a file.

    Raises:
        InvalidRequestError: neither a string nor a path, or not possible as a path.
    """
    found = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(found, str):
        raise InvalidRequestError(f"the path of a file is a string or a path, not {_kind(path)}")
    try:
        # File names are bytes; surrogates stand for those that are not valid Unicode.
        parts = os.fsencode(found).split(b"/")
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"{found!r} cannot be the path of a file: it is not valid Unicode") from error
    if "\0" in found or len(found) > 4095 or any(len(part) > 255 for part in parts):
        raise InvalidRequestError(f"{found!r} cannot be the path of a file")


def expanded_path(path: object) -> Path:
    """Return the path of a file or a folder, with `~` replaced by the user's home.

    Raises:
        InvalidRequestError: empty, not possible as a path, or there is no such home.
    """
    checked_path(path)
    found = os.fspath(path)  # type: ignore[call-overload]
    if not found:
        raise InvalidRequestError("the path is empty; '.' is the current folder")
    try:
        return Path(found).expanduser()
    except RuntimeError as error:
        raise InvalidRequestError(f"{found!r} begins with a home that is not known; write the whole path") from error


def checked_bool(name: str, value: object) -> bool:
    """Return a boolean.

    Raises:
        InvalidRequestError: anything else, such as the string "no".
    """
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{name} is True or False, not {value!r}")
    return value


def checked_properties(value: object) -> dict[str, str]:
    """Return properties if servers can store them.

    Raises:
        InvalidRequestError: not a mapping of strings to strings, or a server would cut or change a string.
    """
    if not isinstance(value, Mapping) or not all(isinstance(k, str) and isinstance(v, str) for k, v in value.items()):
        raise InvalidRequestError("properties are a mapping of strings to strings")
    for text in (text for item in value.items() for text in item):
        # Servers cut strings at a zero byte (LXD 5.0.2, Incus 6.0.4) and replace lone surrogates.
        if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
            raise InvalidRequestError(f"{text[:100]!r} cannot be stored in a property: it is not valid text")
    return dict(value)


def checked_profiles(value: object) -> list[str]:
    """Return the names of profiles as a list.

    Raises:
        InvalidRequestError: not names, or one of them is given twice.
    """
    given = checked_names(value, "a profile")
    if "" in given or len(set(given)) != len(given):
        raise InvalidRequestError("profiles are a list of different names")
    return given


def checked_time(value: date | str | None) -> datetime | None:
    """Return a time in UTC; every spelling of never is None.

    Raises:
        InvalidRequestError: not a time.
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise InvalidRequestError(f"{value!r} is not a time; write 2027-01-31 or 2027-01-31T12:00+00:00") from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise InvalidRequestError("expires_at is a datetime, a string like 2027-01-31, or None for never")
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return parse_time(value.isoformat())


def _kind(value: object) -> str:
    kind = type(value).__name__
    return "None" if value is None else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
