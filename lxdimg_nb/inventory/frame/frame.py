"""Images as a pandas DataFrame: one row an image, every attribute a typed column."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lxdimg_nb.inventory.frame.column_builders import categorical, objects
from lxdimg_nb.inventory.frame.frame_builder import CHUNK, Columns, collector_off
from lxdimg_nb.inventory.frame.inventory_table import inventory_table
from lxdimg_nb.inventory.frame.json_decoder import batches
from lxdimg_nb.inventory.frame.schema import is_inventory
from lxdimg_nb.text.display import Table
from lxdimg_nb.text.styled_frame import StyledFrame, sanitize_lines

if TYPE_CHECKING:
    from lxdimg_nb.values import ImageRecord

__all__ = ["InventoryFrame", "Part", "as_inventory", "fleet_frame", "frame_from_json", "make_frame"]


class InventoryFrame(StyledFrame):
    """A DataFrame displayed in words while each row is an image. Frames derived from it have this class, too."""

    def table(self) -> Table:
        return inventory_table(self)

    def __repr__(self) -> str:
        return super().__repr__() if is_inventory(self) else sanitize_lines(pd.DataFrame.__repr__(self))


def as_inventory(frame: pd.DataFrame) -> InventoryFrame:
    """The same frame with the looks of an inventory."""
    made = InventoryFrame(frame)
    made.attrs = dict(frame.attrs)
    return made


def make_frame(
    records: Iterable[ImageRecord],
    *,
    server: str = "",
    project: str = "default",
    all_projects: bool = False,
    taken_at: datetime | None = None,
    product: str = "",
    identity: str = "",
    filter: str = "",
    extra: bool = False,
    used_by: Mapping[str, Sequence[str]] | None = None,
) -> InventoryFrame:
    """The inventory as a frame.

    Args:
        records: the images, as the client read them; from an iterator each is let go once it is read, which
            at 100,000 images saves the memory of the columns.
        server: who said so, for `attrs`.
        project: the project asked, for servers that do not send it.
        all_projects: make the project an index level instead of a column.
        taken_at: when the server was asked; by default now.
        product: `lxd`, `incus` or `simplestreams`, for `attrs`.
        identity: the server's certificate fingerprint, for `attrs`; plans are bound to it.
        filter: what the images were chosen by, for `attrs`; a history keeps only whole inventories.
        extra: a column `extra` with whatever the server sent that has no column.
        used_by: by fingerprint the instances and snapshots made from it; makes the column `used_by`.

    Returns:
        Rows in the order given. `attrs` has server, project, taken (ISO 8601, UTC), product, identity, and
        `images` (how many there were), `unknown`: fields the server sent that have no column.
    """
    with collector_off():
        columns = Columns(project=project, extra=extra)
        rows = iter(records)
        while part := list(islice(rows, CHUNK)):
            columns.add([r.raw for r in part], [r.default_project for r in part])
        made = _assemble(columns, used_by, all_projects=all_projects)
    made.attrs |= _attrs(columns, server, project if not all_projects else "*", taken_at, product, identity)
    if filter:
        made.attrs["filter"] = filter
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
        made = _assemble(columns, None, all_projects=all_projects)
    made.attrs |= _attrs(columns, server, project if not all_projects else "*", taken_at, product, identity)
    return made


def fleet_frame(
    parts: Sequence[Part],
    *,
    extra: bool = False,
    used_by: bool = False,
    attrs: Mapping[str, Any] | None = None,
) -> InventoryFrame:
    """The images of many servers as one frame, with the index `(server, project, fingerprint)`.

    One frame is built for all: a frame a server and then joining them takes more than twice as long.

    Args:
        parts: what each server sent.
        extra: as in `frame`.
        used_by: make that column, also where no server told.
        attrs: for the frame's `attrs`, beside `taken` and `unknown`.
    """
    with collector_off():
        columns = Columns(project="default", extra=extra)
        for part in parts:
            for start in range(0, len(part.records), CHUNK):
                some = part.records[start : start + CHUNK]
                columns.add([r.raw for r in some], [r.default_project for r in some])
        counts = [len(part.records) for part in parts]
        names = sorted(part.server for part in parts)
        codes = np.repeat([names.index(part.server) for part in parts], counts).astype(np.int32)
        users: list[list[str] | None] | None = None
        if used_by or any(part.used_by is not None for part in parts):
            users = [_users(part, record) for part in parts for record in part.records]
        made = _assemble(columns, users, all_projects=True, servers=categorical(names, codes))
    made.attrs |= _attrs(columns, "", "*", None, "", "") | dict(attrs or {})
    return made


@dataclass(frozen=True, slots=True)
class Part:
    """What one server of a fleet sent; `used_by` maps fingerprints to instances, None when that is not known."""

    server: str
    records: Sequence[ImageRecord]
    used_by: Mapping[str, Sequence[str]] | None = None


def _users(part: Part, record: ImageRecord) -> list[str] | None:
    return None if part.used_by is None else list(part.used_by.get(record.fingerprint, ()))


def _assemble(
    columns: Columns,
    used_by: Mapping[str, Sequence[str]] | Sequence[list[str] | None] | None,
    *,
    all_projects: bool,
    servers: pd.Categorical | None = None,
) -> InventoryFrame:
    arrays, fingerprints = columns.finish()
    if isinstance(used_by, Mapping):
        used_by = [list(used_by.get(f, ())) for f in fingerprints]
    if used_by is not None:
        arrays["used_by"] = objects(used_by)
    levels = {"server": servers} if servers is not None else {}
    if all_projects:
        levels["project"] = arrays.pop("project")
    index = pd.Index(fingerprints, name="fingerprint")
    if levels:
        index = pd.MultiIndex.from_arrays(
            [*(pd.Index(values) for values in levels.values()), index], names=[*levels, "fingerprint"]
        )
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
        "images": columns.length,
        "unknown": sorted(columns.unknown)[:100],
    }
