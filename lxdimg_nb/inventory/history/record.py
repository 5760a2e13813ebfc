"""Records of a history: which servers and projects each covers, and what several of them say together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.inventory.frame.rows import level
from lxdimg_nb.inventory.history.redaction import redacted
from lxdimg_nb.text import formats

__all__ = ["Moment", "Record", "combined", "covered", "end_of", "scopes_of"]

Scope = tuple[str, str]
"""A server and a project, `*` for all projects."""


@dataclass(frozen=True, slots=True, repr=False)
class Record:
    """One inventory in a history: when it was taken, its file, and the servers and projects it covers."""

    taken: datetime
    path: Path
    scopes: tuple[Scope, ...]
    images: int

    def __repr__(self) -> str:
        return f"<Record {formats.timestamp(self.taken)}: {formats.plural(self.images, 'image')}, {self.path.name}>"

    def covers(self, server: str, project: str) -> bool:
        """Whether it says which images that project of that server had."""
        return (server, "*") in self.scopes or (server, project) in self.scopes

    def is_covered(self, later: Iterable[Record]) -> bool:
        """Whether later records cover all of its servers and projects."""
        return all(any(record.covers(*scope) for record in later) for scope in self.scopes)


Moment = str | date | datetime | pd.Timestamp | Record


def scopes_of(frame: pd.DataFrame) -> list[Scope]:
    """What a frame covers: servers that answered in full, including those without images."""
    attrs = frame.attrs
    if "server" not in frame.index.names:
        return [(redacted(str(attrs.get("server", ""))), str(attrs.get("project", "default")))]
    missing = {*attrs.get("unanswered", ()), *attrs.get("partial", ())}
    everything = attrs.get("project") == "*"
    return sorted(
        (redacted(name), "*" if everything else str(facts.get("project")))
        for name, facts in attrs.get("servers", {}).items()
        if name not in missing
    )


def covered(frame: pd.DataFrame, records: Sequence[Record]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The rows that one of the records covers, as a mask."""
    pairs = list(zip(*(map(str, level(frame, name) or []) for name in ("server", "project")), strict=True))
    answers = {pair: any(record.covers(*pair) for record in records) for pair in set(pairs)}
    return np.array([answers[pair] for pair in pairs], dtype=bool)


def combined(parts: Iterable[tuple[Record, pd.DataFrame]], within: Record | None = None) -> pd.DataFrame | None:
    """Each project of each server as in the newest record that covers it; None if there is no image.

    Args:
        parts: records and their frames, the newest first.
        within: only servers and projects that this record covers.
    """
    seen: list[Record] = []
    found: list[pd.DataFrame] = []
    for record, frame in parts:
        mask = ~covered(frame, seen)
        if within is not None:
            mask &= covered(frame, [within])
        if mask.any():
            found.append(frame[mask])
        seen.append(record)
    if len(found) < 2:
        return found[0] if found else None
    whole = pd.concat(found)
    # Categories differ from day to day; pandas makes objects of them.
    names = [name for name in whole.columns if schema.is_category(name)]
    whole = whole.astype(dict.fromkeys(names, "string")).astype(dict.fromkeys(names, "category"))
    ordered = [*schema.COLUMNS, *sorted(schema.property_columns(whole)), "used_by"]
    return whole[[name for name in ordered if name in whole.columns]]


def end_of(value: Moment) -> datetime:
    """A time in UTC: the end of a date, the time a record was taken.

    Raises:
        InvalidRequestError: not a time.
    """
    if isinstance(value, Record):
        return value.taken
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
        except ValueError as exc:
            raise InvalidRequestError(f"{value!r} is no time; write 2026-06-01 or 2026-06-01T12:00") from exc
    if not isinstance(value, date):
        raise InvalidRequestError(f"{value!r} is no time; write 2026-06-01, a datetime, or give a record")
    if not isinstance(value, datetime):
        return datetime.combine(value, datetime.max.time(), tzinfo=UTC)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
