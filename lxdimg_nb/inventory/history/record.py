"""Records of a history: of what each speaks, and what several of them say together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.inventory.frame.frame import InventoryFrame
from lxdimg_nb.inventory.frame.rows import level
from lxdimg_nb.inventory.history.parquet import harmless

__all__ = ["Moment", "Part", "Record", "covered", "end_of", "joined", "known_before", "replaced", "spoken_for"]

Scope = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Record:
    """One inventory in a history: when it was taken, its file, and the (server, project) pairs it covers."""

    taken: datetime
    path: Path
    scopes: tuple[Scope, ...]
    images: int

    def covers(self, server: str, project: str) -> bool:
        """Whether it says what that project of that server held."""
        return (server, "*") in self.scopes or (server, project) in self.scopes


Moment = str | date | datetime | pd.Timestamp | Record


def spoken_for(frame: pd.DataFrame) -> list[Scope]:
    """What the frame speaks for: a server that did not answer, or not in full, is not there, one without images is."""
    attrs = frame.attrs
    if "server" not in frame.index.names:
        return [(harmless(str(attrs.get("server", ""))), str(attrs.get("project", "default")))]
    servers, silent = attrs.get("servers", {}), {*attrs.get("unanswered", ()), *attrs.get("partial", ())}
    everything = attrs.get("project") == "*"
    return sorted(
        (harmless(n), "*" if everything else str(s.get("project"))) for n, s in servers.items() if n not in silent
    )


def _pairs(frame: pd.DataFrame) -> list[Scope]:
    servers, projects = (level(frame, name) or [] for name in ("server", "project"))
    return [(str(server), str(project)) for server, project in zip(servers, projects, strict=True)]


def covered(frame: pd.DataFrame, records: list[Record]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The rows of which one of the records speaks, as a mask."""
    pairs = _pairs(frame)
    answers = {pair: any(record.covers(*pair) for record in records) for pair in set(pairs)}
    return np.array([answers[pair] for pair in pairs], dtype=bool)


Part = tuple[Record, InventoryFrame]


def known_before(parts: list[Part], record: Record, frame: InventoryFrame) -> pd.DataFrame:
    """What was known of a record's servers and projects before it; `parts` are the newest first."""
    seen: list[Record] = []
    found: list[pd.DataFrame] = []
    for earlier, there in parts:
        mask = covered(there, [record]) & ~covered(there, seen)
        if mask.any():
            found.append(there[mask])
        seen.append(earlier)
    return joined(found) if len(found) > 1 else found[0] if found else frame.iloc[:0]


def replaced(earlier: Record, later: Record) -> bool:
    """Whether the later record says all that the earlier one says, of another time."""
    return all(later.covers(*scope) for scope in earlier.scopes)


def joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Frames on top of each other; categories are united, as pandas would make objects of them."""
    whole = pd.concat(
        [p.assign(**{n: p[n].astype("string") for n in p.columns if p[n].dtype == "category"}) for p in parts]
    )
    names = [n for n in whole.columns if any(n in p.columns and p[n].dtype == "category" for p in parts)]
    ordered = [*schema.COLUMNS, *sorted(schema.property_columns(whole)), "used_by"]
    whole = whole.astype(dict.fromkeys(names, "category"))
    return whole[[n for n in ordered if n in whole.columns]]


def end_of(value: Moment | None) -> datetime | None:
    """A moment as users name it in UTC; of a date its end, of a record when it was taken.

    Raises:
        InvalidRequestError: not a time.
    """
    if value is None:
        return None
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
