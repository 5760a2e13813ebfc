"""What screen readers are told of changes that others made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from lxdimg_nb.panels.image.image_row import Row, image_name
from lxdimg_nb.text import display, formats

__all__ = ["announcement"]


def announcement(
    before: Mapping[str, Row], rows: Iterable[Row], gone: Iterable[str], *, busy: Collection[str] = ()
) -> str:
    """Say in a sentence or two what is new, changed or gone; empty if nothing is.

    Args:
        before: the rows by key, as they were.
        rows: those that may be new or changed.
        gone: the keys of those that are gone.
        busy: the keys of images that are being written here, whose result is shown anyway.
    """
    rows = [row for row in rows if row.key not in busy]
    new = [row for row in rows if row.key not in before]
    changed = [row for row in rows if row.key in before and before[row.key].record.raw != row.record.raw]
    deleted = [before[key] for key in gone if key in before and key not in busy]
    found = {"New": new, "Changed": changed, "Deleted": deleted}
    return " ".join(f"{word}: {_names(some)}." for word, some in found.items() if some)


def _names(rows: list[Row]) -> str:
    if len(rows) > 1:
        return formats.plural(len(rows), "image")
    return display.sanitize(image_name(rows[0].record), 80)
