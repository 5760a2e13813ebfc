"""Frames in words: sizes, ages, short fingerprints. The escaping is that of `views`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from lxdimg_nb import formats
from lxdimg_nb.inventory import schema
from lxdimg_nb.views import Table, ago, plain, short, word

__all__ = ["ESSENTIAL", "frame_table"]

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
    "reason",
)


def frame_table(frame: pd.DataFrame, *, now: datetime | None = None, title: str = "") -> Table:
    """A frame in words: sizes, ages, short fingerprints, few rows and, of a whole inventory, few columns.

    How many rows is pandas' own choice (`display.max_rows`, `display.min_rows`).
    """
    moment = now or datetime.now(UTC)
    inventory = schema.is_inventory(frame)
    names = list(frame.columns)
    whole = inventory and set(schema.COLUMNS) - {"project"} <= set(names)
    at = [i for i, n in enumerate(names) if n in ESSENTIAL] if whole else list(range(min(30, len(names))))
    if whole:
        at.sort(key=lambda i: ESSENTIAL.index(names[i]))
    left = [plain(n, 40) for i, n in enumerate(names) if i not in set(at)]
    levels = list(frame.index.names)
    shown = [*levels, *(names[i] for i in at)]
    part, gap = _few(frame)
    cells = [
        [_cell(name, value, moment, inventory) for name, value in zip(shown, _values(part, row, at), strict=True)]
        for row in range(len(part))
    ]
    notes = [f"{len(part):,} of {len(frame):,} rows shown."] if gap else []
    if left:
        more = ", ".join(left[:12]) + (", …" if len(left) > 12 else "")
        notes.append(f"{formats.plural(len(left), 'more column')}: {more}")
    return Table(
        tuple("" if n is None else plain(n, 60).removesuffix("_at") for n in shown),
        tuple(tuple(cell for cell, _ in row) for row in cells),
        title or (_headline(frame) if inventory else ""),
        " ".join(notes),
        right=frozenset(len(levels) + k for k, i in enumerate(at) if frame.dtypes.iloc[i].kind in "iuf"),
        code=frozenset(i for i, n in enumerate(levels) if n == "fingerprint"),
        titles=tuple(tuple(hint for _, hint in row) for row in cells),
        gap=gap,
    )


def _few(frame: pd.DataFrame) -> tuple[pd.DataFrame, int | None]:
    """The rows to show and, where some are left out, behind how many of them."""
    most, least = pd.get_option("display.max_rows"), pd.get_option("display.min_rows")
    if not most or len(frame) <= most:
        return frame, None
    half = max(1, min(most, least or most) // 2)
    return frame.take([*range(half), *range(len(frame) - half, len(frame))]), half


def _values(frame: pd.DataFrame, row: int, columns: list[int]) -> list[Any]:
    key = frame.index[row]
    return [*(key if isinstance(key, tuple) else (key,)), *(frame.iat[row, i] for i in columns)]


def _headline(frame: pd.DataFrame) -> str:
    parts = [formats.plural(len(frame), "image")]
    if "size" in frame.columns and len(frame):
        parts.append(formats.size(int(frame["size"].sum())))
    attrs = frame.attrs
    if attrs.get("server"):
        parts.append(plain(f"{attrs['server']}, project {attrs.get('project', 'default')}"))
    return " · ".join(parts)


def _cell(name: object, value: Any, now: datetime, inventory: bool) -> tuple[str, str]:
    """What is shown of a value, and what is shown when the pointer rests on it."""
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return ("never" if name in schema.TIMES[2:] else ""), ""
    if name == "fingerprint":
        return short(value), plain(value)
    if isinstance(value, datetime):
        return ago(value.astimezone(UTC), now) if value.tzinfo else plain(value), plain(value)
    if name in ("size", "bytes") and inventory:
        return formats.size(int(value)), f"{int(value):,} bytes"
    if isinstance(value, list | tuple | set | dict):
        return word(value, limit=80), ""
    if str(value) in ("True", "False") and not isinstance(value, str):
        return word(bool(value)), ""
    text = plain(value, 80)
    return text, plain(value, 400) if text.endswith("…") else ""
