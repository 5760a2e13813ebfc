"""One file for a split image: an uncompressed tar that `create()` takes back with the same fingerprint.

The bundle holds `lxdimg-bundle.json`, then `metadata`, then `rootfs` or `rootfs.img`, byte for byte as the
server has them; recompressing or repacking would change the fingerprint.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from dataclasses import dataclass
from typing import BinaryIO, cast

from lxdimg_nb.errors import InvalidImageError

__all__ = ["Section", "read_bundle", "write_bundle"]

MARK = "lxdimg-bundle.json"


class _Range(io.RawIOBase):
    """Bytes [at, at+size) of a file descriptor."""

    def __init__(self, fd: int, at: int, size: int) -> None:
        self._fd, self._at, self._end = fd, at, at + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        count = os.preadv(self._fd, [view[: min(len(view), self._end - self._at)]], self._at)
        self._at += count
        return count


def write_bundle(file: BinaryIO, fd: int, cut: int, part_name: str) -> None:
    """Pack the two files that lie one behind the other in `fd`, the second from `cut` on."""
    size = os.fstat(fd).st_size
    head = json.dumps({"bundle": 1, "metadata": cut, part_name: size - cut}).encode()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, count, content in (
            (MARK, len(head), io.BytesIO(head)),
            ("metadata", cut, io.BufferedReader(_Range(fd, 0, cut))),
            (part_name, size - cut, io.BufferedReader(_Range(fd, cut, size - cut), 1024 * 1024)),
        ):
            member = tarfile.TarInfo(name)
            member.size, member.mode = count, 0o644
            tar.addfile(member, cast(BinaryIO, content))


@dataclass(frozen=True, slots=True)
class Section:
    """Where one file lies in a bundle: bytes [offset, offset+size)."""

    name: str
    offset: int
    size: int


def read_bundle(file: BinaryIO) -> tuple[Section, Section] | None:
    """The metadata and root sections of a bundle; None when the file is none.

    Raises:
        InvalidImageError: it begins like a bundle but is damaged.
    """
    head = file.read(512)
    if not head.startswith(MARK.encode() + b"\0") or head[257:262] != b"ustar":
        return None
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
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
