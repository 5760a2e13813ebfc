"""A DataFrame subclass that is displayed for people, and sanitized; the base of all frames of the package."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from lxdimg_nb.text.column_formats import column_format, is_missing
from lxdimg_nb.text.display import sanitize
from lxdimg_nb.text.tables import Table

__all__ = ["StyledFrame", "frame_table", "is_missing", "sanitize_lines"]

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


def frame_table(
    frame: pd.DataFrame,
    *,
    now: datetime | None = None,
    title: str = "",
    columns: Sequence[int] | None = None,
    words: bool = True,
    whole: bool = False,
) -> Table:
    """Return a frame as a table with sizes, ages and short fingerprints.

    Of a long frame the first and last rows are shown, as many as pandas shows (`display.max_rows`, `display.min_rows`).

    Args:
        frame: any frame.
        now: what ages are counted from; by default the current time.
        title: above the table.
        columns: positions of the columns to show, in this order; by default the first 30.
        words: format columns that are named like sizes, and leave out an index of row numbers.
        whole: show every row.
    """
    moment = now or datetime.now(UTC)
    names = list(frame.columns)
    at = list(range(min(30, len(names)))) if columns is None else columns
    levels = [] if isinstance(frame.index, pd.RangeIndex) and words else list(frame.index.names)
    dtypes = [frame.index.get_level_values(i).dtype for i in range(len(levels))]
    shown = [*levels, *(names[i] for i in at)]
    kept = [
        column_format(n, d, measures=words)
        for n, d in zip(shown, [*dtypes, *(frame.dtypes.iloc[i] for i in at)], strict=True)
    ]
    part, gap = (frame, None) if whole else _head_and_tail(frame)
    cells = [
        [form.cell(value, moment) for form, value in zip(kept, _values(part, row, at, levels), strict=True)]
        for row in range(len(part))
    ]
    return Table(
        tuple("" if n is None else sanitize(n, 60).removesuffix("_at") for n in shown),
        tuple(tuple(cell for cell, _ in row) for row in cells),
        title,
        "" if gap is None else f"{len(part):,} of {len(frame):,} rows shown.",
        kinds=tuple(form.kind for form in kept),
        tooltips=tuple(tuple(hint for _, hint in row) for row in cells),
        gap=gap,
        hidden=tuple(str(name)[:100] for i, name in enumerate(names) if i not in set(at)),
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
