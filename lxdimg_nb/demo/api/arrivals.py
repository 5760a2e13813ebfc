"""How an image takes its place: files first, then the record, then the event, then its aliases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..http.replies import Refusal
from ..http.routing import Call
from ..store.image_records import ImageRow, Record

__all__ = ["announce", "install"]


def install(call: Call, project: str, record: Record, files: Sequence[Path]) -> ImageRow:
    """Move the files of a new image into place and write its record.

    Args:
        call: the request that brings it, for the event.
        project: the project that holds the image.
        record: what is known of it.
        files: one file, or metadata and rootfs, in the server's folder of images. They are moved.
    """
    images = call.daemon.images
    for path, place in zip(files, images.paths(record.fingerprint), strict=False):
        path.replace(place)
    try:
        image = images.add(project, record)
    except BaseException:
        images.sweep(record.fingerprint)
        raise
    return image


def announce(call: Call, project: str, record: Record, aliases: Iterable[dict[str, str]]) -> None:
    """Tell that an image has arrived, and point names at it; Incus does it the other way round.

    Raises:
        Refusal: a name is taken. The image stays, as on the real daemons.
    """
    if call.daemon.flavour.is_incus:
        _add_aliases(call, project, record.fingerprint, aliases)
    call.tell("image-created", f"/1.0/images/{record.fingerprint}", call.project, {"type": record.type})
    if not call.daemon.flavour.is_incus:
        _add_aliases(call, project, record.fingerprint, aliases)


def _add_aliases(call: Call, project: str, fingerprint: str, aliases: Iterable[dict[str, str]]) -> None:
    images = call.daemon.images
    for alias in aliases:
        if images.has_alias(project, alias["name"]):
            raise Refusal(500, f"Alias already exists: {alias['name']}")
        images.add_alias(images.find(project, fingerprint), alias["name"], alias["description"])
        if call.daemon.flavour.is_incus:
            url = call.daemon.events.alias_url(alias["name"])
            call.tell("image-alias-created", url, call.project, {"target": fingerprint})
