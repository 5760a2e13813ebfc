"""The files inside images as frames: those of one image, and what differs between two. Loads pandas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields

import pandas as pd

from lxdimg_nb.client.files.formats.archive import Member
from lxdimg_nb.text.styled_frame import StyledFrame

__all__ = ["compare_files", "files_frame"]

_DTYPES = {
    "path": "string",
    "kind": "string",
    "size": "int64",
    "mode": "int64",
    "uid": "int64",
    "gid": "int64",
    "modified_at": "datetime64[us, UTC]",
    "target": "string",
}


def files_frame(members: Sequence[Member]) -> StyledFrame:
    """One row a file in the archive's order, indexed by path; see `Contents.files`."""
    frame = pd.DataFrame(list(map(astuple, members)), columns=[f.name for f in fields(Member)], dtype=object)
    return StyledFrame(frame.astype(_DTYPES).astype({"kind": "category"}).set_index("path"))


def compare_files(before: Sequence[Member], after: Sequence[Member]) -> StyledFrame:
    """The paths that were added, removed or changed, sorted; see `Contents.compare`. Times do not count."""
    old, new = ({m.path: m for m in members} for members in (before, after))
    rows: list[tuple[str, str, int | None, int | None]] = []
    for path in sorted(old.keys() | new.keys()):
        one, other = old.get(path), new.get(path)
        if one is None or other is None or one.state != other.state:
            change = "added" if one is None else "removed" if other is None else "changed"
            rows.append((path, change, one.size if one else None, other.size if other else None))
    frame = pd.DataFrame(rows, columns=["path", "change", "size_before", "size_after"], dtype=object)
    frame["change"] = pd.Categorical(frame["change"], categories=["added", "removed", "changed"])
    dtypes = {"path": "string", "size_before": "Int64", "size_after": "Int64"}
    return StyledFrame(frame.astype(dtypes).set_index("path"))
