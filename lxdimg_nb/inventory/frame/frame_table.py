"""Frames in words: sizes, ages, short fingerprints. The escaping is that of `views`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.inventory.frame.rows import absent
from lxdimg_nb.text.styled_frame import Looks
from lxdimg_nb.text import formats
from lxdimg_nb.text.display import Table, format_value, sanitize
from lxdimg_nb.values import short_fingerprint

__all__ = ["ESSENTIAL", "WordsFrame", "frame_table"]

ESSENTIAL = (
    "alias",
    "description",
    "architecture",
    "type",
    "size",
    "public",
    "auto_update",
    "uploaded_at",
    "last_used_at",
    "used_by",
)

_BYTES = ("size", "bytes", "shared", "size_before", "size_after")
_EXACT = ("taken", "supported_until")
"""Times that are shown as such: their ages would say too little."""
_SENTENCES = ("reason", "protection", "change", "detail", "error")
_FINGERPRINT = re.compile("[0-9a-f]{64}")


class WordsFrame(Looks):
    """A DataFrame in all but its looks: it is shown in words, with the servers' texts defused."""

    def __repr__(self) -> str:
        return str(frame_table(self, words=True))

    def _repr_html_(self) -> str:
        return frame_table(self, words=True).html()


def frame_table(
    frame: pd.DataFrame, *, now: datetime | None = None, title: str = "", words: bool | None = None
) -> Table:
    """A frame in words: sizes, ages, short fingerprints, few rows and, of a whole inventory, few columns.

    How many rows is pandas' own choice (`display.max_rows`, `display.min_rows`).

    Args:
        frame: of images, or anything else.
        now: ages are counted from here; by default the clock.
        title: above the table; an inventory has one of its own.
        words: whether columns called like sizes are sizes; by default in an inventory only.
    """
    moment = now or datetime.now(UTC)
    inventory = schema.is_inventory(frame)
    words = inventory if words is None else words
    names = list(frame.columns)
    whole = inventory and set(schema.COLUMNS) - {"project"} <= set(names)
    at = _chosen(names) if whole else list(range(min(30, len(names))))
    left = [sanitize(n, 40) for i, n in enumerate(names) if i not in set(at)]
    # Rows that are just numbered need no numbers.
    levels = [] if isinstance(frame.index, pd.RangeIndex) and words else list(frame.index.names)
    shown = [*levels, *(names[i] for i in at)]
    part, gap = _few(frame)
    cells = [
        [_cell(name, value, moment, words) for name, value in zip(shown, _values(part, row, at, levels), strict=True)]
        for row in range(len(part))
    ]
    notes = [f"{len(part):,} of {len(frame):,} rows shown."] if gap else []
    if left:
        more = ", ".join(left[:12]) + (", …" if len(left) > 12 else "")
        notes.append(f"{formats.plural(len(left), 'more column')}: {more}")
    return Table(
        tuple("" if n is None else sanitize(n, 60).removesuffix("_at") for n in shown),
        tuple(tuple(cell for cell, _ in row) for row in cells),
        title or (_headline(frame) if inventory else ""),
        " ".join(notes),
        numeric=frozenset(len(levels) + k for k, i in enumerate(at) if frame.dtypes.iloc[i].kind in "iuf"),
        monospace=frozenset(i for i, n in enumerate(shown) if n == "fingerprint"),
        tooltips=tuple(tuple(hint for _, hint in row) for row in cells),
        gap=gap,
    )


def _chosen(names: list[Any]) -> list[int]:
    """Of a whole inventory the essential columns, then those that a question or a user has added."""
    essential = [names.index(name) for name in ESSENTIAL if name in names]
    known = {*schema.COLUMNS, *ESSENTIAL, "extra", "group"}
    own = [i for i, n in enumerate(names) if n not in known and not str(n).startswith(schema.PROPERTY)]
    own.sort(key=lambda i: names[i] in _SENTENCES)
    return [*essential, *own[:20]]


def _few(frame: pd.DataFrame) -> tuple[pd.DataFrame, int | None]:
    """The rows to show and, where some are left out, behind how many of them."""
    most, least = pd.get_option("display.max_rows"), pd.get_option("display.min_rows")
    if not most or len(frame) <= most:
        return frame, None
    half = max(1, min(most, least or most) // 2)
    return frame.take([*range(half), *range(len(frame) - half, len(frame))]), half


def _values(frame: pd.DataFrame, row: int, columns: list[int], levels: list[Any]) -> list[Any]:
    key = frame.index[row] if levels else ()
    return [*(key if isinstance(key, tuple) else (key,)), *(frame.iat[row, i] for i in columns)]


def _headline(frame: pd.DataFrame) -> str:
    parts = [formats.plural(len(frame), "image")]
    if "size" in frame.columns and len(frame):
        parts.append(formats.size(int(frame["size"].sum())))
    attrs = frame.attrs
    if attrs.get("server"):
        parts.append(sanitize(f"{attrs['server']}, project {attrs.get('project', 'default')}"))
    return " · ".join(parts)


def _cell(name: object, value: Any, now: datetime, words: bool) -> tuple[str, str]:
    """What is shown of a value, and what is shown when the pointer rests on it."""
    if absent(value):
        return ("never" if name in schema.TIMES[2:] else ""), ""
    if name == "fingerprint" or (isinstance(value, str) and _FINGERPRINT.fullmatch(value)):
        return short_fingerprint(value), sanitize(value)
    if isinstance(value, datetime):
        return (_exact(value) if name in _EXACT else _age(value, now)), sanitize(value)
    if name in _BYTES and words:
        return formats.size(int(value)), f"{int(value):,} bytes"
    if name == "mode" and pd.api.types.is_integer(value):
        return f"{value:04o}", ""  # as chmod takes it
    if isinstance(value, list | tuple | set | dict | np.ndarray):
        return format_value(value, limit=80), ""
    if str(value) in ("True", "False") and not isinstance(value, str):
        return format_value(bool(value)), ""
    text = sanitize(value, 200 if name in _SENTENCES else 80)
    return text, sanitize(value, 400) if text.endswith("…") else ""


def _age(value: datetime, now: datetime) -> str:
    return formats.age(value.astimezone(UTC), now) if value.tzinfo else sanitize(value)


def _exact(value: datetime) -> str:
    return formats.timestamp(value).removesuffix(" 00:00 UTC")
