"""A DataFrame subclass that is displayed for people, and sanitized; the base of all frames of the package.

The only module of `text` that loads pandas.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from lxdimg_nb.text import formats
from lxdimg_nb.text.display import Table, format_value, sanitize

__all__ = ["LONG_TEXT_COLUMNS", "StyledFrame", "frame_table", "is_missing", "sanitize_lines"]

LONG_TEXT_COLUMNS = ("reason", "protection", "change", "detail", "error")
"""Columns that may hold longer text."""
_BYTES = ("size", "bytes", "shared", "size_before", "size_after")
_EXACT = ("taken", "supported_until")
"""Times that are displayed as such, because an age would say too little."""
_NEVER = ("last_used_at", "expires_at")
_FINGERPRINT = re.compile("[0-9a-f]{64}")

if TYPE_CHECKING:
    _Series = pd.Series[Any]
else:
    _Series = pd.Series


def sanitize_lines(text: str) -> str:
    """Sanitize text line by line, such as the output of pandas."""
    return "\n".join(sanitize(line, 10_000) for line in text.split("\n"))


class StyledSeries(_Series):
    """A column or row of a styled frame."""

    @property
    def _constructor(self) -> type[Self]:
        return type(self)

    def _constructor_from_mgr(self, mgr: Any, axes: Any) -> Self:
        return type(self)._from_mgr(mgr, axes)  # type: ignore[attr-defined, no-any-return]

    def __repr__(self) -> str:
        return sanitize_lines(super().__repr__())


class StyledFrame(pd.DataFrame):
    """A DataFrame displayed for people. Frames derived from it keep the class and `attrs`."""

    @property
    def _constructor(self) -> type[Self]:
        return type(self)

    @property
    def _constructor_sliced(self) -> type[StyledSeries]:
        return StyledSeries

    # pandas 2.2.0 and 2.2.1 warn when these go through the constructors.

    def _constructor_from_mgr(self, mgr: Any, axes: Any) -> Self:
        return type(self)._from_mgr(mgr, axes)  # type: ignore[attr-defined, no-any-return]

    def _constructor_sliced_from_mgr(self, mgr: Any, axes: Any) -> StyledSeries:
        return StyledSeries._from_mgr(mgr, axes)  # type: ignore[attr-defined, no-any-return]

    def __finalize__(self, other: Any, method: str | None = None, **options: Any) -> Self:
        made: Self = super().__finalize__(other, method=method, **options)  # type: ignore[misc]
        # pandas drops `attrs` when something is merged into a frame.
        if method == "merge" and not made.attrs:
            left = getattr(other, "left", None)
            made.attrs = dict(getattr(left, "attrs", {}))
        return made

    def table(self) -> Table:
        """The frame as it is displayed."""
        return frame_table(self)

    def __repr__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table().html()


def is_missing(value: object) -> bool:
    """Whether a value is missing; lists and arrays never are."""
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))  # type: ignore[call-overload]


def frame_table(
    frame: pd.DataFrame,
    *,
    now: datetime | None = None,
    title: str = "",
    columns: Sequence[int] | None = None,
    words: bool = True,
) -> Table:
    """Return a frame as a table with sizes, ages and short fingerprints.

    Of a long frame the first and last rows are shown, as many as pandas shows (`display.max_rows`, `display.min_rows`).

    Args:
        frame: any frame.
        now: what ages are counted from; by default the current time.
        title: above the table.
        columns: positions of the columns to show; by default the first 30.
        words: format columns that are named like sizes, and leave out an index of row numbers.
    """
    moment = now or datetime.now(UTC)
    names = list(frame.columns)
    at = list(range(min(30, len(names)))) if columns is None else columns
    hidden = [sanitize(n, 40) for i, n in enumerate(names) if i not in set(at)]
    levels = [] if isinstance(frame.index, pd.RangeIndex) and words else list(frame.index.names)
    shown = [*levels, *(names[i] for i in at)]
    part, gap = _head_and_tail(frame)
    cells = [
        [_cell(name, value, moment, words) for name, value in zip(shown, _values(part, row, at, levels), strict=True)]
        for row in range(len(part))
    ]
    notes = [f"{len(part):,} of {len(frame):,} rows shown."] if gap else []
    if hidden:
        more = ", ".join(hidden[:12]) + (", …" if len(hidden) > 12 else "")
        notes.append(f"{formats.plural(len(hidden), 'more column')}: {more}")
    return Table(
        tuple("" if n is None else sanitize(n, 60).removesuffix("_at") for n in shown),
        tuple(tuple(cell for cell, _ in row) for row in cells),
        title,
        " ".join(notes),
        numeric=frozenset(len(levels) + k for k, i in enumerate(at) if frame.dtypes.iloc[i].kind in "iuf"),
        monospace=frozenset(i for i, n in enumerate(shown) if n == "fingerprint"),
        tooltips=tuple(tuple(hint for _, hint in row) for row in cells),
        gap=gap,
    )


def _head_and_tail(frame: pd.DataFrame) -> tuple[pd.DataFrame, int | None]:
    """The rows to show and, if some are left out, the number of rows before the gap."""
    most, least = pd.get_option("display.max_rows"), pd.get_option("display.min_rows")
    if not most or len(frame) <= most:
        return frame, None
    half = max(1, min(most, least or most) // 2)
    return frame.take([*range(half), *range(len(frame) - half, len(frame))]), half


def _values(frame: pd.DataFrame, row: int, columns: Sequence[int], levels: list[Any]) -> list[Any]:
    key = frame.index[row] if levels else ()
    return [*(key if isinstance(key, tuple) else (key,)), *(frame.iat[row, i] for i in columns)]


def _cell(name: object, value: Any, now: datetime, words: bool) -> tuple[str, str]:
    """The text of a cell, and its tooltip."""
    if is_missing(value):
        return "never" if name in _NEVER else "", ""
    if name == "fingerprint" or (isinstance(value, str) and _FINGERPRINT.fullmatch(value)):
        return sanitize(str(value)[:12]), sanitize(value)
    if isinstance(value, datetime):
        if name in _EXACT:
            return formats.timestamp(value).removesuffix(" 00:00 UTC"), sanitize(value)
        return formats.age(value.astimezone(UTC), now) if value.tzinfo else sanitize(value), sanitize(value)
    if name in _BYTES and words:
        return formats.size(int(value)), f"{int(value):,} bytes"
    if name == "mode" and pd.api.types.is_integer(value):
        return f"{value:04o}", ""  # octal, as for chmod
    if pd.api.types.is_list_like(value):
        return format_value(value, limit=80), ""
    if pd.api.types.is_bool(value):
        return format_value(bool(value)), ""
    text = sanitize(value, 200 if name in LONG_TEXT_COLUMNS else 80)
    return text, sanitize(value, 400) if text.endswith("…") else ""
