"""Counts and bytes of the images of a frame by any column, for `df.lxdimg.summary` and the plots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory.frame import conditions, schema
from lxdimg_nb.inventory.frame.rows import list_of, needed
from lxdimg_nb.text.styled_frame import StyledFrame, is_missing

__all__ = ["group_names", "summary"]


def summary(frame: pd.DataFrame, by: str | Sequence[str]) -> StyledFrame:
    """See `df.lxdimg.summary`."""
    names = [conditions.find_column(frame, name) for name in ([by] if isinstance(by, str) else by)]
    if not names:
        raise InvalidRequestError("a summary is by something: summary('os'), summary(['os', 'release'])")
    images = pd.DataFrame(
        {
            "group": list(zip(*(group_names(conditions.values(frame, name)) for name in names), strict=True)),
            "image": conditions.stored_images(frame),
            "aliased": needed(frame, "alias").notna().to_numpy(),
            **{name: needed(frame, name).array for name in ("size", "public", "auto_update", "uploaded_at")},
        }
    )
    once = images.drop_duplicates(["group", "image"])
    several = once["image"].map(once["image"].value_counts()) > 1
    groups = images.groupby("group")
    answer = StyledFrame(
        {
            "images": groups.size(),
            "bytes": once.groupby("group")["size"].sum(),
            "shared": once["size"].where(several, 0).groupby(once["group"]).sum(),
            "public": groups["public"].sum(),
            "auto_update": groups["auto_update"].sum(),
            "aliased": groups["aliased"].sum(),
            "newest": groups["uploaded_at"].max(),
        }
    ).astype({"images": "int64", "bytes": "int64", "shared": "int64"})
    shown = [name.removeprefix(schema.PROPERTY) for name in names]
    index = pd.MultiIndex.from_tuples(list(answer.index) or [("",) * len(shown)], names=shown)[: len(answer)]
    answer.index = index.get_level_values(0) if len(shown) == 1 else index
    answer = answer.sort_values("bytes", ascending=False, kind="stable")
    answer.attrs = {**frame.attrs, "bytes": int(once.drop_duplicates("image")["size"].sum())}
    return answer


def group_names(values: Sequence[Any]) -> list[str]:
    """Cells as names of groups: empty if missing, lists joined by commas."""
    return ["" if is_missing(v) else str(v) if (texts := list_of(v)) is None else ", ".join(texts) for v in values]
