"""What all frames of the package with looks of their own have in common: they stay DataFrames, and stay themselves."""

from __future__ import annotations

from typing import Any, Self

import pandas as pd

__all__ = ["Looks"]


class Looks(pd.DataFrame):
    """A DataFrame of which whatever is derived is of the same class, and knows where it is from."""

    @property
    def _constructor(self) -> type[Self]:
        return type(self)

    def _constructor_from_mgr(self, mgr: Any, axes: Any) -> Self:
        # By way of `_constructor`, pandas 2.2.0 and 2.2.1 warn of what they do themselves.
        return type(self)._from_mgr(mgr, axes)  # type: ignore[attr-defined, no-any-return]

    def __finalize__(self, other: Any, method: str | None = None, **options: Any) -> Self:
        made: Self = super().__finalize__(other, method=method, **options)  # type: ignore[misc]
        # pandas itself forgets `attrs` where something is joined to a frame: it is still that inventory.
        if method == "merge" and not made.attrs:
            left = getattr(other, "left", None)
            made.attrs = dict(getattr(left, "attrs", {}))
        return made
