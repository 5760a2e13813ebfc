"""The files inside images as frames: the list of one, and what differs between two."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import pandas as pd

from lxdimg_nb.inventory.frame.frame_table import WordsFrame

__all__ = ["Member", "members_diff", "members_frame"]


class Member(Protocol):
    """One file of an image, as its archive describes it."""

    @property
    def path(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def mode(self) -> int: ...
    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...
    @property
    def modified_at(self) -> datetime | None: ...
    @property
    def target(self) -> str: ...


def members_frame(members: Sequence[Member]) -> WordsFrame:
    """One row a file, in the archive's order.

    Returns:
        Index `path` (string); `kind` category; `size` int64, bytes; `mode`, `uid`, `gid` int64;
        `modified_at` datetime64[us, UTC]; `target` string, where a link points, empty otherwise.
    """
    times = pd.Series([m.modified_at for m in members], dtype="object")
    return WordsFrame(
        {
            "kind": pd.Series([m.kind for m in members], dtype="string").astype("category").array,
            "size": pd.array([m.size for m in members], dtype="int64"),
            "mode": pd.array([m.mode for m in members], dtype="int64"),
            "uid": pd.array([m.uid for m in members], dtype="int64"),
            "gid": pd.array([m.gid for m in members], dtype="int64"),
            "modified_at": pd.to_datetime(times, utc=True, errors="coerce").astype("datetime64[us, UTC]").array,
            "target": pd.array([m.target for m in members], dtype="string"),
        },
        index=pd.Index([m.path for m in members], dtype="string", name="path"),
    )


def members_diff(before: Sequence[Member], after: Sequence[Member]) -> WordsFrame:
    """What differs between the files of two images; times do not count, every build has its own.

    Returns:
        Index `path` (string), sorted; `change` category of `added`, `removed`, `changed`; `size_before`,
        `size_after` Int64, NA where the file is not there.
    """
    old, new = ({m.path: m for m in members} for members in (before, after))
    rows: list[tuple[str, str, int | None, int | None]] = []
    for path in sorted(old.keys() | new.keys()):
        one, other = old.get(path), new.get(path)
        if one is None or other is None or _facts(one) != _facts(other):
            change = "added" if one is None else "removed" if other is None else "changed"
            rows.append((path, change, one.size if one else None, other.size if other else None))
    return WordsFrame(
        {
            "change": pd.Categorical([r[1] for r in rows], categories=["added", "removed", "changed"]),
            "size_before": pd.array([r[2] for r in rows], dtype="Int64"),
            "size_after": pd.array([r[3] for r in rows], dtype="Int64"),
        },
        index=pd.Index([r[0] for r in rows], dtype="string", name="path"),
    )


def _facts(member: Member) -> tuple[str, int, int, int, int, str]:
    return member.kind, member.size, member.mode, member.uid, member.gid, member.target
