"""An inventory as a table of words: which of its columns are displayed, and the title."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from lxdimg_nb.inventory.frame import conditions, schema
from lxdimg_nb.text import formats
from lxdimg_nb.text.display import sanitize
from lxdimg_nb.text.styled_frame import frame_table
from lxdimg_nb.text.tables import Table

__all__ = ["ESSENTIAL", "inventory_table"]

ESSENTIAL = (
    "alias",
    "description",
    "size",
    "public",
    "uploaded_at",
    "architecture",
    "type",
    "auto_update",
    "last_used_at",
    "used_by",
)


def inventory_table(frame: pd.DataFrame, *, now: datetime | None = None, title: str = "") -> Table:
    """A frame as a table of words; of a whole inventory only the essential columns.

    Args:
        frame: of images, or derived from one.
        now: ages are counted from here; by default the clock.
        title: above the table, instead of the number of images, their size and their server.
    """
    if not schema.is_inventory(frame):
        return frame_table(frame, now=now, title=title, words=False)
    names = list(frame.columns)
    whole = set(schema.COLUMNS) - {"project"} <= set(names)
    return frame_table(frame, now=now, title=title or _title(frame), columns=_essential(names) if whole else None)


def _essential(names: list[Any]) -> list[int]:
    """The essential columns of an inventory; those that a question or a user has added come first after the name."""
    known = {*schema.COLUMNS, *ESSENTIAL, "extra", "group"}
    added = [i for i, n in enumerate(names) if n not in known and not str(n).startswith(schema.PROPERTY)]
    essential = [names.index(name) for name in ESSENTIAL if name in names]
    return [*essential[:1], *added[:20], *essential[1:]]


def _title(frame: pd.DataFrame) -> str:
    parts = [formats.plural(len(frame), "image")]
    attrs = frame.attrs
    same = conditions.same_servers(attrs.get("servers"))
    if "size" in frame.columns and len(frame):
        sizes = frame["size"]
        if same and "server" in frame.index.names:
            sizes = sizes[~pd.Series(conditions.stored_images(frame), index=frame.index).duplicated()]
        parts.append(formats.size(int(sizes.sum())))
    if attrs.get("server"):
        project = attrs.get("project", "default")
        parts.append(sanitize(f"{attrs['server']}, {'all projects' if project == '*' else f'project {project}'}"))
    parts += [f"{sanitize(', '.join(names), 200)} have the same images, counted once" for names in same]
    words = [f"the clock of {name} is {text} this machine's" for name, text in conditions.clocks_apart(frame).items()]
    parts += [*words[:3], *(["…"] if len(words) > 3 else [])]
    if attrs.get("left_out"):
        parts.append(f"{formats.plural(attrs['left_out'], 'entry')} of the catalogue left out, see client.problems")
    return " · ".join(parts)
