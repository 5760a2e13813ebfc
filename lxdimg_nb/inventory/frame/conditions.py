"""Conditions on the images of a frame, each a mask: the same for questions and for plans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import pandas as pd

from lxdimg_nb import filters
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters import Filter
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.inventory.frame.rows import Rows, level, needed
from lxdimg_nb.text import formats
from lxdimg_nb.text.styled_frame import is_missing

__all__ = [
    "PRODUCT",
    "as_of",
    "column",
    "duration",
    "expired",
    "holders",
    "idle_since",
    "matching",
    "product",
    "unused",
    "uploaded_since",
    "used",
    "values",
]

PRODUCT = ("properties.os", "properties.release", "properties.variant", "architecture", "type")
"""What makes two images builds of one product, unless somebody says otherwise."""


def as_of(frame: pd.DataFrame, now: datetime | None) -> datetime:
    """The moment to count from: the one given, else when the frame was taken, else the clock's.

    Raises:
        InvalidRequestError: not a time.
    """
    if now is not None and not isinstance(now, datetime):
        raise InvalidRequestError(f"now is a datetime, not {now!r}")
    if now is not None:
        return now.astimezone(UTC) if now.tzinfo else now.replace(tzinfo=UTC)
    taken = frame.attrs.get("taken")
    return datetime.fromisoformat(taken) if isinstance(taken, str) else datetime.now(UTC)


def duration(value: str | timedelta) -> timedelta:
    """`90D`, or a timedelta.

    Raises:
        InvalidRequestError: not a duration.
    """
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise InvalidRequestError(f"{value!r} is not a duration; write '90D', '12h', '2w', '1y', or give a timedelta")
    try:
        return formats.parse_duration(value)
    except (ValueError, OverflowError) as exc:
        raise InvalidRequestError(str(exc)) from exc


def column(frame: pd.DataFrame, name: str) -> str:
    """A column by its name, a property also by its bare key, with the synonyms of the filters.

    A property that images carry by convention is known also where none of these does.

    Raises:
        InvalidRequestError: there is none; says what there is.
    """
    names = {str(n) for n in [*frame.columns, *frame.index.names] if n is not None}
    synonyms = {"arch": "architecture", "uploaded": "uploaded_at", "used": "last_used_at", "created": "created_at"}
    for candidate in (name, schema.PROPERTY + name, synonyms.get(name, name)):
        if candidate in names:
            return candidate
    if name.removeprefix(schema.PROPERTY) in filters.COMMON_PROPERTIES:
        return schema.PROPERTY + name.removeprefix(schema.PROPERTY)
    bare = sorted({n.removeprefix(schema.PROPERTY) for n in names})
    near = filters.closest_match(name, bare)
    hint = f"did you mean {near!r}? " if near else ""
    raise InvalidRequestError(f"no column {name!r}; {hint}known: {', '.join(bare[:40])}")


def values(frame: pd.DataFrame, name: str) -> list[Any]:
    """The values of a column that `column` found; all missing where no image has that property."""
    found = level(frame, name)
    return [None] * len(frame) if found is None else found


def matching(frame: pd.DataFrame, chosen: str | Iterable[str] | Filter | None, now: datetime) -> pd.Series[bool]:
    """The rows that a filter lets through."""
    keys = [name.removeprefix(schema.PROPERTY) for name in schema.property_columns(frame)]
    parsed = filters.parse(chosen, known_properties=keys)
    return pd.Series([parsed.matches(row, now) for row in Rows(frame)], index=frame.index, dtype=bool)


def idle_since(frame: pd.DataFrame) -> pd.Series[Any]:
    """When an image was last used, else when it came; NaT where neither is known."""
    return needed(frame, "last_used_at").fillna(needed(frame, "uploaded_at"))


def uploaded_since(frame: pd.DataFrame, moment: datetime) -> pd.Series[bool]:
    """Images that came at that moment or later."""
    return needed(frame, "uploaded_at") >= pd.Timestamp(moment)


def unused(frame: pd.DataFrame) -> pd.Series[bool]:
    """Images that no instance and no snapshot was made from; where that is not known they are not among them.

    Raises:
        InvalidRequestError: the frame does not know who uses what.
    """
    if "used_by" not in frame.columns or (len(frame) and all(map(is_missing, frame["used_by"]))):
        raise InvalidRequestError("this frame does not know who uses an image; take it with df(used_by=True)")
    return _users(frame, lambda count: count == 0)


def used(frame: pd.DataFrame) -> pd.Series[bool]:
    """Images that an instance or snapshot was made from, as far as the frame knows."""
    if "used_by" not in frame.columns:
        return pd.Series(False, index=frame.index, dtype=bool)
    return _users(frame, lambda count: count > 0)


def _users(frame: pd.DataFrame, fits: Callable[[int], bool]) -> pd.Series[bool]:
    mask = [not is_missing(users) and fits(len(users)) for users in frame["used_by"]]
    return pd.Series(mask, index=frame.index, dtype=bool)


def expired(frame: pd.DataFrame, now: datetime) -> pd.Series[bool]:
    """Images whose date of expiry has passed."""
    return needed(frame, "expires_at") <= pd.Timestamp(now)


def holders(frame: pd.DataFrame) -> pd.Series[Any]:
    """The server that holds the bytes of each row, for counting an image once a server."""
    servers = level(frame, "server")
    if servers is None:
        servers = [frame.attrs.get("server", "")] * len(frame)
    return pd.Series(servers, index=frame.index, dtype=object)


def product(frame: pd.DataFrame, per: Sequence[str] = PRODUCT) -> pd.Series[Any]:
    """A label for each image's product, the same for its builds; missing where the system or release is unknown.

    Builds are counted within one project of one server.
    """
    default = tuple(per) == PRODUCT
    names = [column(frame, name) for name in per if not default or name in frame.columns]
    required = [name for name in PRODUCT[:2] if default or name in names]
    if not names or not {*required} <= {*names}:
        return pd.Series(None, index=frame.index, dtype=object)
    parts = pd.DataFrame({name: values(frame, name) for name in names}, dtype=object)
    known = parts.notna()
    scope = [pd.Series(found, dtype=object) for name in ("server", "project") if (found := level(frame, name))]
    texts = [*scope, *(parts[name].where(known[name], "") for name in names)]
    labels = reduce(lambda left, right: left + " / " + right, (text.astype(str) for text in texts))
    labels = labels.where(known[required].all(axis=1) & known.any(axis=1), None)
    return labels.set_axis(frame.index)
