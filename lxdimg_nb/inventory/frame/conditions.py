"""Conditions on the images of a frame as boolean masks, shared by questions and plans, and what they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb import filters
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters import Filter
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.inventory.frame.rows import Rows, level, needed
from lxdimg_nb.text import display, formats
from lxdimg_nb.text.styled_frame import is_missing

__all__ = [
    "PRODUCT",
    "as_of",
    "checked_duration",
    "clocks_apart",
    "expired",
    "find_column",
    "idle_since",
    "known_clock_offset",
    "matching",
    "moments",
    "product",
    "same_servers",
    "stored_images",
    "times_of_servers",
    "unused",
    "used",
    "values",
]

PRODUCT = ("properties.os", "properties.release", "properties.variant", "architecture", "type")
"""Columns that by default make two images builds of one product."""


def as_of(frame: pd.DataFrame, now: datetime | None) -> datetime:
    """The time to count ages from: the one given, else when the frame was taken, else the clock.

    Raises:
        InvalidRequestError: not a time.
    """
    if now is not None and not isinstance(now, datetime):
        raise InvalidRequestError(f"now is a datetime, not {now!r}")
    if now is not None:
        return now.astimezone(UTC) if now.tzinfo else now.replace(tzinfo=UTC)
    taken = frame.attrs.get("taken")
    return datetime.fromisoformat(taken) if isinstance(taken, str) else datetime.now(UTC)


def times_of_servers(frame: pd.DataFrame, now: datetime) -> pd.Series[Any]:
    """What the clock of each row's server says at `now`, in datetime64[us, UTC]."""
    return _moments(frame, now, lambda seconds: seconds)


def moments(frame: pd.DataFrame, now: datetime) -> pd.Series[Any]:
    """The time that ages are counted from, for each row: `now`, or the time of its server if that clock is behind.

    Neither clock, if wrong, then makes an image look older than it is. In datetime64[us, UTC].
    """
    return _moments(frame, now, lambda seconds: min(0.0, seconds))


def _moments(frame: pd.DataFrame, now: datetime, offset: Callable[[float], float]) -> pd.Series[Any]:
    servers, names = frame.attrs.get("servers"), level(frame, "server")
    if not isinstance(servers, Mapping) or names is None:
        facts: Mapping[str, Any] = dict.fromkeys([""], frame.attrs)
        names = [""] * len(frame)
    else:
        facts = servers
    times = {name: now + timedelta(seconds=offset(known_clock_offset(facts.get(name)))) for name in set(names)}
    return pd.Series([times[name] for name in names], index=frame.index, dtype="datetime64[us, UTC]")


def clocks_apart(frame: pd.DataFrame) -> dict[str, str]:
    """How far clocks are from this machine's, `10 years behind`, by the names of their servers; those that are off."""
    servers = frame.attrs.get("servers")
    facts = servers.items() if isinstance(servers, Mapping) else [("the server", frame.attrs)]
    offsets = {display.sanitize(name, 80): formats.clock_in_words(known_clock_offset(known)) for name, known in facts}
    return {name: words for name, words in offsets.items() if words}


def known_clock_offset(facts: object) -> float:
    """Seconds that a clock is ahead, from the facts about a server or the `attrs` of its frame; 0 if not known.

    A frame may come from a file; no number of it leads beyond the years that a date can have.
    """
    seconds = facts.get("clock_offset") if isinstance(facts, Mapping) else None
    return seconds if isinstance(seconds, float) and -1e10 < seconds < 2.5e11 else 0.0


def checked_duration(value: str | timedelta) -> timedelta:
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


def find_column(frame: pd.DataFrame, name: str) -> str:
    """The full name of a column: properties may be named by their bare key, times as in filters.

    Common properties are known even if no image has them.

    Raises:
        InvalidRequestError: there is no such column; the message names those there are.
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
    """The values of a column that `find_column` found; None where no image has that property."""
    return level(frame, name) or [None] * len(frame)


def matching(frame: pd.DataFrame, filter: str | Iterable[str] | Filter | None, now: datetime) -> pd.Series[bool]:
    """The rows that match a filter."""
    keys = [name.removeprefix(schema.PROPERTY) for name in schema.property_columns(frame)]
    parsed = filters.parse(filter, known_properties=keys)
    times = moments(frame, now)
    found = [parsed.matches(row, at) for row, at in zip(Rows(frame), times, strict=True)]
    return pd.Series(found, index=frame.index, dtype=bool)


def idle_since(frame: pd.DataFrame) -> pd.Series[Any]:
    """When an image was last used, else uploaded; NaT if neither is known."""
    return needed(frame, "last_used_at").fillna(needed(frame, "uploaded_at"))


def unused(frame: pd.DataFrame) -> pd.Series[bool]:
    """Images that no instance and no snapshot was made from; those of unknown use are not among them.

    Raises:
        InvalidRequestError: the frame does not know who uses what.
    """
    counts = _user_counts(frame)
    if counts is None or (len(frame) and counts.isna().all()):
        raise InvalidRequestError("this frame does not know who uses an image; take it with df(used_by=True)")
    return counts == 0


def used(frame: pd.DataFrame) -> pd.Series[bool]:
    """Images that an instance or snapshot was made from, as far as the frame knows."""
    counts = _user_counts(frame)
    return pd.Series(False, index=frame.index) if counts is None else counts > 0


def _user_counts(frame: pd.DataFrame) -> pd.Series[Any] | None:
    if "used_by" not in frame.columns:
        return None
    return frame["used_by"].map(lambda users: np.nan if is_missing(users) else len(users)).astype(float)


def expired(frame: pd.DataFrame, now: datetime) -> pd.Series[bool]:
    """Images whose date of expiry has passed."""
    return needed(frame, "expires_at") <= moments(frame, now)


def stored_images(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """The server and fingerprint of each row: a server, or a cluster, has an image once for all of its projects."""
    servers = level(frame, "server") or [frame.attrs.get("server", "")] * len(frame)
    first = {name: names[0] for names in same_servers(frame.attrs.get("servers")) for name in names}
    return list(zip((first.get(name, name) for name in servers), level(frame, "fingerprint") or [], strict=True))


def same_servers(servers: object) -> list[list[str]]:
    """Names of a fleet that stand for one: members of a cluster, or a server named twice.

    Args:
        servers: what a fleet's frame has as `attrs["servers"]`. All members of a cluster show one certificate.
    """
    found: dict[str, list[str]] = {}
    for name, facts in servers.items() if isinstance(servers, Mapping) else ():
        identity = facts.get("identity") if isinstance(facts, Mapping) else None
        if identity:
            found.setdefault(str(identity), []).append(str(name))
    return [names for names in found.values() if len(names) > 1]


def product(frame: pd.DataFrame, per: Sequence[str] = PRODUCT) -> pd.Series[Any]:
    """A label for each image's product, the same for its builds; missing where the system or release is unknown.

    Builds are counted within one project of one server.
    """
    default = tuple(per) == PRODUCT
    names = [find_column(frame, name) for name in per if not default or name in frame.columns]
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
