"""What changed between two inventories: images added and removed, fields changed, aliases moved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.inventory.frame.rows import level
from lxdimg_nb.text import display, formats
from lxdimg_nb.text.styled_frame import StyledFrame, is_missing
from lxdimg_nb.values import format_attribute, short_fingerprint

__all__ = ["COLUMNS", "Changes", "diff"]

COLUMNS = ("server", "project", "fingerprint", "change", "field", "before", "after")
KINDS = ("added", "removed", "changed", "alias added", "alias removed", "alias moved")
_DERIVED = ("alias", "aliases", "description", "used_by", "extra", "project", "server")
_Key = tuple[str, str, str]


class Changes(StyledFrame):
    """A row a change, in words when shown; otherwise a DataFrame."""

    def table(self) -> display.Table:
        """The changes in words."""
        if not {*COLUMNS} <= {*self.columns}:
            return display.Table(
                tuple(map(str, self.columns)), tuple(tuple(map(display.format_value, r)) for r in self.to_numpy())
            )
        rows = [
            (
                *(str(r) for r in row[:2]),
                short_fingerprint(row[2]),
                str(row[3]),
                _word("", row[4]),
                *_values_of(*row[3:7]),
            )
            for row in self[list(COLUMNS)].head(200).itertuples(index=False, name=None)
        ]
        counts = self["change"].value_counts()
        title = ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS if counts.get(kind, 0)) or "no change"
        left = len(self) - len(rows)
        return display.Table(
            COLUMNS, tuple(rows), title, f"and {left:,} more" if left > 0 else "", monospace=frozenset({2})
        )


def _values_of(kind: str, name: str, before: Any, after: Any) -> tuple[str, str]:
    """What was and what is, in words; fingerprints short."""
    if kind.startswith("alias"):
        return tuple(short_fingerprint(v) if isinstance(v, str) else "" for v in (before, after))  # type: ignore[return-value]
    return _word(name, before), _word(name, after)


def _word(name: str, value: Any) -> str:
    if is_missing(value):
        return format_attribute(name, None)
    if isinstance(value, pd.Timestamp):
        return formats.timestamp(value.to_pydatetime(warn=False))
    if isinstance(value, np.bool_):
        return display.format_value(bool(value))
    return display.format_value(value)


def diff(
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    ignore: Collection[str] = (),
    scope: pd.Series[bool] | None = None,
) -> Changes:
    """Compare two inventories.

    Servers of which one of the two knows nothing are not compared, and where one knows only a part, what is
    missing there has neither come nor gone.

    Args:
        before: a frame of images, of one server or of many.
        after: a later one, of the same kind.
        ignore: columns whose changes do not count, `last_used_at` for example.
        scope: the rows of `before` that `after` speaks of: images on servers that did not answer are not
            removed. By default those on servers that answered, by `attrs["unanswered"]`.

    Returns:
        A row a change: `server`, `project`, `fingerprint`, `change` (added, removed, changed, alias added,
        alias removed, alias moved), `field` (a column, or the alias), `before`, `after`.

    Raises:
        InvalidRequestError: frames that are no inventories.
    """
    for frame in (before, after):
        if not schema.is_inventory(frame) or "aliases" not in frame.columns:
            raise InvalidRequestError("only whole frames of images can be compared")
    if scope is None:
        scope = _answered(before, after)
    before, after = before[scope.to_numpy(dtype=bool)], after[_answered(after, before).to_numpy(dtype=bool)]
    old, new = _keys(before), _keys(after)
    rows: list[tuple[Any, ...]] = [
        (*key, "removed", "", _name(before, at), None) for key, at in old.items() if key not in new
    ]
    rows += [(*key, "added", "", None, _name(after, at)) for key, at in new.items() if key not in old]
    both = [key for key in old if key in new]
    left, right = [old[key] for key in both], [new[key] for key in both]
    for name in _columns(before, after, ignore):
        rows += _changed(name, both, _values(before, name, left), _values(after, name, right))
    if "aliases" not in ignore:
        rows += _aliases(_targets(before), _targets(after))
    return Changes(_frame([row for row in rows if not _guessed(row, before, after)]))


def _answered(frame: pd.DataFrame, other: pd.DataFrame) -> pd.Series[bool]:
    """The rows of servers that answered when the other frame was taken, too."""
    missing = set(other.attrs.get("unanswered", ()))
    return pd.Series([str(s) not in missing for s in _servers(frame)], index=frame.index, dtype=bool)


def _guessed(row: tuple[Any, ...], before: pd.DataFrame, after: pd.DataFrame) -> bool:
    """Whether something is missing only because a server gave a part of its images."""
    there = before if row[3] in ("added", "alias added") else after
    return row[3] not in ("changed", "alias moved") and row[0] in there.attrs.get("partial", ())


def _frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    order = {kind: i for i, kind in enumerate(KINDS)}
    rows.sort(key=lambda row: (row[0], row[1], row[2], order[row[3]], row[4]))
    columns = {name: [row[i] for row in rows] for i, name in enumerate(COLUMNS)}
    made: dict[str, Any] = {
        name: pd.array(columns[name], dtype="string") for name in ("server", "project", "fingerprint")
    }
    made["change"] = pd.Categorical(columns["change"], categories=list(KINDS))
    made["field"] = pd.array(columns["field"], dtype="string")
    for name in ("before", "after"):
        values = np.empty(len(rows), dtype=object)
        values[:] = columns[name]
        made[name] = values
    return pd.DataFrame(made)


def _servers(frame: pd.DataFrame) -> list[str]:
    found = level(frame, "server")
    return [str(frame.attrs.get("server", ""))] * len(frame) if found is None else [str(s) for s in found]


def _keys(frame: pd.DataFrame) -> dict[_Key, int]:
    projects = level(frame, "project") or [frame.attrs.get("project", "default")] * len(frame)
    fingerprints = level(frame, "fingerprint") or []
    keys = zip(_servers(frame), map(str, projects), map(str, fingerprints), strict=True)
    return {key: at for at, key in enumerate(keys)}


def _name(frame: pd.DataFrame, at: int) -> str:
    """What an image is called where it comes or goes: its aliases, else its description."""
    names: Any = frame["aliases"].iat[at]
    if len(names):
        return ", ".join(names)
    words = frame["description"].iat[at] if "description" in frame.columns else None
    return words if isinstance(words, str) else ""


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
        where = np.flatnonzero(before != after).tolist()
    return [(*keys[i], "changed", name, before[i], after[i]) for i in where]


def _targets(frame: pd.DataFrame) -> dict[tuple[str, str, str], str]:
    keys = _keys(frame)
    aliases = frame["aliases"].tolist()
    return {(server, project, name): fp for (server, project, fp), at in keys.items() for name in aliases[at]}


def _aliases(before: Mapping[_Key, str], after: Mapping[_Key, str]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        kind = "alias added" if old is None else "alias removed" if new is None else "alias moved"
        rows.append((*key[:2], new or old, kind, key[2], old, new))
    return rows
