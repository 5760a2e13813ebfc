"""Images as a pandas DataFrame: one row an image, every attribute a typed column."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from lxdimg_nb.inventory.columns import CHUNK, Columns, collector_off, objects
from lxdimg_nb.inventory.decode import batches
from lxdimg_nb.inventory.display import frame_table
from lxdimg_nb.inventory.schema import is_inventory

if TYPE_CHECKING:
    from lxdimg_nb.models import ImageRecord

__all__ = ["InventoryFrame", "as_inventory", "frame", "frame_from_json"]


class InventoryFrame(pd.DataFrame):
    """A DataFrame in all but its looks: while each row is an image, sizes and ages are shown in words,
    fingerprints short, and the servers' texts defused. Whatever is derived from it is one, too.
    """

    @property
    def _constructor(self) -> Callable[..., InventoryFrame]:
        return InventoryFrame

    def __repr__(self) -> str:
        return str(frame_table(self)) if is_inventory(self) else super().__repr__()

    def _repr_html_(self) -> str:
        return frame_table(self).html()


def as_inventory(frame: pd.DataFrame) -> InventoryFrame:
    """The same frame with the looks of an inventory."""
    made = InventoryFrame(frame)
    made.attrs = dict(frame.attrs)
    return made


def frame(
    records: Iterable[ImageRecord],
    *,
    server: str = "",
    project: str = "default",
    all_projects: bool = False,
    taken_at: datetime | None = None,
    product: str = "",
    identity: str = "",
    extra: bool = False,
    used_by: Mapping[str, Sequence[str]] | None = None,
) -> InventoryFrame:
    """The inventory as a frame.

    Args:
        records: the images, as the client read them.
        server: who said so, for `attrs`.
        project: the project asked, for servers that do not send it.
        all_projects: make the project an index level instead of a column.
        taken_at: when the server was asked; by default now.
        product: `lxd`, `incus` or `simplestreams`, for `attrs`.
        identity: the server's certificate fingerprint, for `attrs`; plans are bound to it.
        extra: a column `extra` with whatever the server sent that has no column.
        used_by: by fingerprint the instances and snapshots made from it; makes the column `used_by`.

    Returns:
        Rows in the order given. `attrs` has server, project, taken (ISO 8601, UTC), product, identity, and
        `unknown`: fields the server sent that have no column.
    """
    with collector_off():
        columns = Columns(project=project, extra=extra)
        rows = records if isinstance(records, Sequence) else list(records)
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            columns.add([r.raw for r in part], [r.default_project for r in part])
        made = _assemble(columns, all_projects, used_by)
    made.attrs |= _attrs(columns, server, project if not all_projects else "*", taken_at, product, identity)
    return made


def frame_from_json(
    payload: bytes | bytearray | memoryview | Sequence[Any],
    *,
    server: str = "",
    project: str = "default",
    all_projects: bool = False,
    taken_at: datetime | None = None,
    product: str = "",
    identity: str = "",
    extra: bool = False,
    used_by: Mapping[str, Sequence[str]] | None = None,
) -> InventoryFrame:
    """The same frame, straight from the server's document: the quickest way, and the one with least memory.

    Args:
        payload: the reply to `GET /1.0/images?recursion=1`, whole or its `metadata` alone, as bytes; or the
            list of image objects.

    The other arguments are those of `frame`.

    Raises:
        UnexpectedReplyError: not JSON, or no list of images with proper fingerprints.
    """
    with collector_off():
        columns = Columns(project=project, extra=extra)
        for batch in batches(payload, CHUNK):
            columns.add(batch)
        made = _assemble(columns, all_projects, used_by)
    made.attrs |= _attrs(columns, server, project if not all_projects else "*", taken_at, product, identity)
    return made


def _assemble(columns: Columns, all_projects: bool, used_by: Mapping[str, Sequence[str]] | None) -> InventoryFrame:
    arrays, fingerprints = columns.finish()
    if used_by is not None:
        arrays["used_by"] = objects([list(used_by.get(f, ())) for f in fingerprints])
    index = pd.Index(fingerprints, name="fingerprint")
    if all_projects:
        projects = pd.Index(arrays.pop("project"))
        index = pd.MultiIndex.from_arrays([projects, index], names=["project", "fingerprint"])
    if columns.left_out:
        warnings.warn(
            f"the images have {columns.left_out:,} more property keys than a frame can hold; the rarest were left out",
            stacklevel=4,
        )
    return InventoryFrame(arrays, index=index, copy=False)


def _attrs(
    columns: Columns, server: str, project: str, taken_at: datetime | None, product: str, identity: str
) -> dict[str, Any]:
    taken = (taken_at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="microseconds")
    return {
        "server": server,
        "project": project,
        "taken": taken.replace("+00:00", "Z"),
        "product": product,
        "identity": identity,
        "unknown": sorted(columns.unknown)[:100],
    }
