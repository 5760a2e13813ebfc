"""Images as a pandas DataFrame: one row an image, every attribute a typed column."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import pandas as pd

from lxdimg_nb.inventory.frame.column_builders import objects, text_array
from lxdimg_nb.inventory.frame.frame_builder import CHUNK, FrameBuilder, gc_paused
from lxdimg_nb.inventory.frame.inventory_table import inventory_table
from lxdimg_nb.inventory.frame.json_decoder import decode_images
from lxdimg_nb.inventory.frame.schema import is_inventory
from lxdimg_nb.text import formats
from lxdimg_nb.text.styled_frame import StyledFrame, sanitize_lines
from lxdimg_nb.text.tables import Table

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
    """A frame as an InventoryFrame, with its `attrs`."""
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
    left_out: int = 0,
    clock_offset: float = 0.0,
) -> InventoryFrame:
    """The inventory as a frame.

    Args:
        records: the images. Records of an iterator can be freed as they are read, which at 100,000 images saves
            as much memory as the columns take.
        server: the server's address, for `attrs`.
        project: the project asked, for servers that do not send it.
        all_projects: make the project an index level instead of a column.
        taken_at: when the server was asked; by default now.
        product: `lxd`, `incus` or `simplestreams`, for `attrs`.
        identity: the server's certificate fingerprint, for `attrs`; plans are bound to it.
        filter: the filter that the images match, for `attrs`; a history keeps only whole inventories.
        extra: add a column `extra` with everything the server sent that has no column.
        used_by: instances and snapshots by fingerprint of their image; adds the column `used_by`.
        left_out: entries of a catalogue that are no images, for `attrs`; not there for 0.
        clock_offset: seconds that the server's clock is ahead, for `attrs`; not there below 5 min.

    Returns:
        Rows in the order given. `attrs` has server, project, taken (ISO 8601, UTC), product, identity, `images`
        (how many there were), and `unknown`, fields the server sent that have no column.
    """
    attrs = _attrs(server, "*" if all_projects else project, taken_at, product, identity)
    if filter:
        attrs["filter"] = filter
    if left_out:
        attrs["left_out"] = left_out
    if formats.clock_in_words(clock_offset):
        attrs["clock_offset"] = clock_offset
    return _build(
        _record_batches(records), attrs, project=project, extra=extra, used_by=used_by, all_projects=all_projects
    )


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
    """The same frame from the JSON of a server: the fastest way, with the least memory.

    Args:
        payload: the reply to `GET /1.0/images?recursion=1`, or only its `metadata`, as bytes; or the list of
            image objects.

    The other arguments are those of `make_frame`.

    Raises:
        UnexpectedReplyError: not JSON, or not a list of images with valid fingerprints.
    """
    attrs = _attrs(server, "*" if all_projects else project, taken_at, product, identity)
    images = ((batch, None) for batch in decode_images(payload, CHUNK))
    return _build(images, attrs, project=project, extra=extra, all_projects=all_projects)


def fleet_frame(
    parts: Sequence[Part],
    *,
    extra: bool = False,
    used_by: bool = False,
    attrs: Mapping[str, Any] | None = None,
) -> InventoryFrame:
    """The images of many servers as one frame, indexed by `(server, project, fingerprint)`.

    Joining frames of each server would take more than twice as long.

    Args:
        parts: the answers of the servers.
        extra: as in `make_frame`.
        used_by: add that column even if no server said.
        attrs: for the frame's `attrs`, beside `taken`, `images` and `unknown`.
    """
    users: list[list[str] | None] | None = None
    if used_by or any(part.used_by is not None for part in parts):
        users = [
            None if part.used_by is None else list(part.used_by.get(record.fingerprint, ()))
            for part in parts
            for record in part.records
        ]
    records = (record for part in parts for record in part.records)
    servers = pd.Categorical(text_array([p.server for p in parts]).repeat([len(p.records) for p in parts]))
    servers = servers.set_categories(text_array(sorted(part.server for part in parts)))
    attrs = _attrs("", "*", None, "", "") | dict(attrs or {})
    return _build(_record_batches(records), attrs, extra=extra, used_by=users, all_projects=True, servers=servers)


@dataclass(frozen=True, slots=True)
class Part:
    """The answer of one server of a fleet; `used_by` maps fingerprints to instances, None if that is not known."""

    server: str
    records: Sequence[ImageRecord]
    used_by: Mapping[str, Sequence[str]] | None = None


_Batches = Iterable[tuple[Sequence[Mapping[str, Any]], Sequence[str] | None]]
"""The JSON of some images, and the project of each."""


def _record_batches(records: Iterable[ImageRecord]) -> _Batches:
    rows = iter(records)
    while part := list(islice(rows, CHUNK)):
        yield [r.raw for r in part], [r.default_project for r in part]


def _build(
    batches: _Batches,
    attrs: Mapping[str, Any],
    *,
    project: str = "default",
    extra: bool,
    used_by: Mapping[str, Sequence[str]] | Sequence[list[str] | None] | None = None,
    all_projects: bool,
    servers: pd.Categorical | None = None,
) -> InventoryFrame:
    with gc_paused():
        builder = FrameBuilder(project=project, extra=extra)
        for images, projects in batches:
            builder.add(images, projects)
        arrays, fingerprints = builder.finish()
        if isinstance(used_by, Mapping):
            used_by = [list(used_by.get(f, ())) for f in fingerprints]
        if used_by is not None:
            arrays["used_by"] = objects(used_by)
        levels: dict[str, Any] = {} if servers is None else {"server": servers}
        if all_projects:
            levels["project"] = arrays.pop("project")
        index = pd.Index(fingerprints, name="fingerprint")
        if levels:
            index = pd.MultiIndex.from_arrays([*map(pd.Index, levels.values()), index], names=[*levels, "fingerprint"])
        made = InventoryFrame(arrays, index=index, copy=False)
    if builder.left_out:
        warnings.warn(
            f"the images have {builder.left_out:,} more property keys than a frame can hold; the rarest were left out",
            stacklevel=4,
        )
    made.attrs |= {**attrs, "images": builder.length, "unknown": sorted(builder.unknown)[:100]}
    return made


def _attrs(server: str, project: str, taken_at: datetime | None, product: str, identity: str) -> dict[str, Any]:
    taken = (taken_at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="microseconds")
    return {
        "server": server,
        "project": project,
        "taken": taken.replace("+00:00", "Z"),
        "product": product,
        "identity": identity,
    }
