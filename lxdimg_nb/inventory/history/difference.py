"""What changed between two inventories: images added and removed, fields changed, aliases moved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.inventory.frame.column_builders import objects
from lxdimg_nb.inventory.frame.rows import level
from lxdimg_nb.inventory.history.redaction import is_redaction
from lxdimg_nb.text.cells import Kind, badge
from lxdimg_nb.text.styled_frame import StyledFrame, frame_table, is_missing
from lxdimg_nb.text.tables import Table
from lxdimg_nb.values import format_attribute, short_fingerprint

__all__ = ["COLUMNS", "Changes", "diff"]

COLUMNS = ("server", "project", "fingerprint", "change", "field", "before", "after")
KINDS = ("added", "removed", "changed", "alias added", "alias removed", "alias moved")
_DERIVED = ("alias", "aliases", "description", "used_by", "extra", "project", "server")
_Key = tuple[str, str, str]


class Changes(StyledFrame):
    """A row a change."""

    def table(self) -> Table:
        if not {*COLUMNS} <= {*self.columns}:
            return frame_table(self)
        shown = self[list(COLUMNS)].head(200).itertuples(index=False, name=None)
        rows = [
            (
                *place,
                short_fingerprint(image),
                badge(kind),
                field,
                _text(kind, field, before),
                _text(kind, field, after),
            )
            for *place, image, kind, field, before, after in shown
        ]
        # Where all happened in one place, the title says it.
        places = {row[:2] for row in rows}
        first = 2 if len(places) == 1 else 0
        counts = self["change"].value_counts()
        title = ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS if counts.get(kind, 0)) or "no change"
        title += "".join(f" · {server}, project {project}" for server, project in places if first)
        left = len(self) - len(rows)
        return Table(
            COLUMNS[first:],
            tuple(row[first:] for row in rows),
            title,
            f"and {left:,} more" if left > 0 else "",
            kinds=(Kind.TEXT, Kind.LINE, Kind.CODE, Kind.LINE, Kind.TEXT, Kind.TEXT, Kind.TEXT)[first:],
        )


def _text(kind: str, field: str, value: Any) -> str:
    if kind.startswith("alias"):
        return "" if is_missing(value) else short_fingerprint(value)
    return format_attribute(field, None if is_missing(value) else value)


def diff(before: pd.DataFrame, after: pd.DataFrame, *, ignore: Collection[str] = ()) -> Changes:
    """Compare two inventories.

    Servers that only one of the two knows are not compared: an image is not removed because its server did not
    answer. Where a server gave only some of its images, nothing was added or removed. A value that looks secret has
    not changed because a history left it out.

    Args:
        before: a frame of images, of one server or of many.
        after: a later one, of the same kind.
        ignore: columns whose changes do not count, `last_used_at` for example.

    Returns:
        A row a change: `server`, `project`, `fingerprint`, `change` (added, removed, changed, alias added,
        alias removed, alias moved), `field` (a column, or the alias), `before`, `after`.

    Raises:
        InvalidRequestError: frames that are no inventories.
    """
    for frame in (before, after):
        if not schema.is_inventory(frame) or "aliases" not in frame.columns:
            raise InvalidRequestError("only whole frames of images can be compared")
    before, after = before[_answered(before, after)], after[_answered(after, before)]
    old, new = _keys(before), _keys(after)
    rows: list[tuple[Any, ...]] = [
        (*key, "removed", "", _title(before, at), None) for key, at in old.items() if key not in new
    ]
    rows += [(*key, "added", "", None, _title(after, at)) for key, at in new.items() if key not in old]
    both = [key for key in old if key in new]
    left, right = [old[key] for key in both], [new[key] for key in both]
    for name in _columns(before, after, ignore):
        rows += _changed(name, both, _values(before, name, left), _values(after, name, right))
    if "aliases" not in ignore:
        rows += _moved(_targets(before), _targets(after))
    return _frame([row for row in rows if not _is_guess(row, before, after)])


def _answered(frame: pd.DataFrame, other: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The rows whose server answered when the other frame was taken, as a mask."""
    missing = set(other.attrs.get("unanswered", ()))
    return np.array([server not in missing for server in _servers(frame)], dtype=bool)


def _is_guess(row: tuple[Any, ...], before: pd.DataFrame, after: pd.DataFrame) -> bool:
    """Whether something may be missing only because its server gave some of its images."""
    lacking = before if row[3] in ("added", "alias added") else after
    return row[3] not in ("changed", "alias moved") and row[0] in lacking.attrs.get("partial", ())


def _frame(rows: list[tuple[Any, ...]]) -> Changes:
    rows.sort(key=lambda row: (*row[:3], KINDS.index(row[3]), row[4]))
    columns: dict[str, Any] = {name: [row[i] for row in rows] for i, name in enumerate(COLUMNS)}
    for name in ("server", "project", "fingerprint", "field"):
        columns[name] = pd.array(columns[name], dtype="string")
    columns["change"] = pd.Categorical(columns["change"], categories=list(KINDS))
    columns |= {name: objects(columns[name]) for name in ("before", "after")}
    return Changes(columns)


def _servers(frame: pd.DataFrame) -> list[str]:
    return [*map(str, level(frame, "server") or [frame.attrs.get("server", "")] * len(frame))]


def _keys(frame: pd.DataFrame) -> dict[_Key, int]:
    projects = level(frame, "project") or [frame.attrs.get("project", "default")] * len(frame)
    keys = zip(_servers(frame), map(str, projects), map(str, level(frame, "fingerprint") or []), strict=True)
    return {key: at for at, key in enumerate(keys)}


def _title(frame: pd.DataFrame, at: int) -> str:
    """The aliases of an image, else its description."""
    names: Any = frame["aliases"].iat[at]
    if len(names):
        return ", ".join(names)
    description = frame["description"].iat[at] if "description" in frame.columns else None
    return description if isinstance(description, str) else ""


def _columns(before: pd.DataFrame, after: pd.DataFrame, ignore: Collection[str]) -> list[str]:
    names = [n for n in (*schema.COLUMNS, *schema.property_columns(before)) if n in before.columns]
    more = [n for n in schema.property_columns(after) if n not in before.columns]
    return [n for n in (*names, *more) if n not in _DERIVED and n not in ignore]


def _values(frame: pd.DataFrame, name: str, at: list[int]) -> np.ndarray[Any, Any]:
    if name not in frame.columns:
        return np.full(len(at), None, dtype=object)
    column = frame[name].take(at)
    values = column.to_numpy(dtype=object, copy=True)
    if name not in schema.LISTS:
        values[column.isna().to_numpy()] = None
    return values


def _changed(
    name: str, keys: list[_Key], before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]
) -> list[tuple[Any, ...]]:
    if name in schema.LISTS:
        where = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if sorted(a) != sorted(b)]
    else:
        where = [i for i in np.flatnonzero(before != after).tolist() if not is_redaction(name, before[i], after[i])]
    return [(*keys[i], "changed", name, before[i], after[i]) for i in where]


def _targets(frame: pd.DataFrame) -> dict[_Key, str]:
    """The fingerprint that each alias of each project of each server points at."""
    aliases = frame["aliases"].tolist()
    return {(server, project, name): fp for (server, project, fp), at in _keys(frame).items() for name in aliases[at]}


def _moved(before: Mapping[_Key, str], after: Mapping[_Key, str]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for server, project, name in sorted({*before, *after}):
        old, new = before.get((server, project, name)), after.get((server, project, name))
        if old != new:
            kind = "alias added" if old is None else "alias removed" if new is None else "alias moved"
            rows.append((server, project, new or old, kind, name, old, new))
    return rows
