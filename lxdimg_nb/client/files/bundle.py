"""Both files of a split image in one: an uncompressed tar that `create()` takes back with the same fingerprint.

A bundle holds `lxdimg-bundle.json`, then `metadata`, then `rootfs` or `rootfs.img`, byte for byte as the server has
them; recompressing or repacking would change the fingerprint.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from dataclasses import dataclass
from typing import BinaryIO

from lxdimg_nb.client.files.formats.archive import BoundedInfo
from lxdimg_nb.errors import InvalidImageError

__all__ = ["Section", "read_bundle", "write_bundle"]

MANIFEST = "lxdimg-bundle.json"


def write_bundle(file: BinaryIO, fd: int, cut: int, part_name: str) -> None:
    """Pack the two files that lie one after the other in `fd`, the second from byte `cut` on."""
    size = os.fstat(fd).st_size
    manifest = json.dumps({"bundle": 1, "metadata": cut, part_name: size - cut}).encode()
    with (
        open(fd, "rb", buffering=1024 * 1024, closefd=False) as parts,
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        parts.seek(0)
        for name, count, content in (
            (MANIFEST, len(manifest), io.BytesIO(manifest)),
            ("metadata", cut, parts),
            (part_name, size - cut, parts),
        ):
            member = tarfile.TarInfo(name)
            member.size, member.mode = count, 0o644
            tar.addfile(member, content)


@dataclass(frozen=True, slots=True)
class Section:
    """Where one file lies in a bundle: bytes [offset, offset+size)."""

    name: str
    offset: int
    size: int


def read_bundle(file: io.BufferedIOBase) -> tuple[Section, Section] | None:
    """The metadata and root sections of a bundle; None when the file is not a bundle.

    Raises:
        InvalidImageError: it begins like a bundle but is damaged.
    """
    head = file.read(512)
    if not head.startswith(MANIFEST.encode() + b"\0") or head[257:262] != b"ustar":
        return None
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:", tarinfo=BoundedInfo) as tar:
            members = [tar.next() for _ in range(3)]
            sections = [Section(m.name, m.offset_data, m.size) for m in members[1:] if m is not None and m.isfile()]
            end = file.seek(0, os.SEEK_END)
    except tarfile.TarError as error:
        raise InvalidImageError(f"the bundle is damaged: {error}") from error
    if (
        len(sections) != 2
        or sections[0].name != "metadata"
        or sections[1].name not in ("rootfs", "rootfs.img")
        or any(s.offset + s.size > end for s in sections)
    ):
        raise InvalidImageError("the bundle is damaged: it does not hold metadata and rootfs whole")
    return sections[0], sections[1]
