"""What all frames of the package with looks of their own have in common: they stay DataFrames, and stay themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from lxdimg_nb.text.display import sanitize

__all__ = ["Looks", "defused"]

if TYPE_CHECKING:
    _Series = pd.Series[Any]
else:
    _Series = pd.Series


def defused(text: str) -> str:
    """Lines that pandas made of servers' texts, with nothing in them that a terminal obeys."""
    return "\n".join(sanitize(line, 10_000) for line in text.split("\n"))


class Column(_Series):
    """A column or row of such a frame: a Series that shows servers' texts defused."""

    @property
    def _constructor(self) -> type[Self]:
        return type(self)

    def _constructor_from_mgr(self, mgr: Any, axes: Any) -> Self:
        return type(self)._from_mgr(mgr, axes)  # type: ignore[attr-defined, no-any-return]

    def __repr__(self) -> str:
        return defused(super().__repr__())


class Looks(pd.DataFrame):
    """A DataFrame of which whatever is derived is of the same class, and knows where it is from."""

    @property
    def _constructor(self) -> type[Self]:
        return type(self)

    @property
    def _constructor_sliced(self) -> type[Column]:
        return Column

    # By way of the constructors, pandas 2.2.0 and 2.2.1 warn of what they do themselves.

    def _constructor_from_mgr(self, mgr: Any, axes: Any) -> Self:
        return type(self)._from_mgr(mgr, axes)  # type: ignore[attr-defined, no-any-return]

    def _constructor_sliced_from_mgr(self, mgr: Any, axes: Any) -> Column:
        return Column._from_mgr(mgr, axes)  # type: ignore[attr-defined, no-any-return]

    def __finalize__(self, other: Any, method: str | None = None, **options: Any) -> Self:
        made: Self = super().__finalize__(other, method=method, **options)  # type: ignore[misc]
        # pandas itself forgets `attrs` where something is joined to a frame: it is still that inventory.
        if method == "merge" and not made.attrs:
            left = getattr(other, "left", None)
            made.attrs = dict(getattr(left, "attrs", {}))
        return made
