"""The partitions of a disk, and which architecture their types are for.

Source: UEFI specification, 5.3 (GPT) and 5.2 (MBR); UAPI Group, Discoverable Partitions Specification.
"""

from __future__ import annotations

import io
import struct
import uuid
from dataclasses import dataclass

__all__ = ["ROOT_TYPES", "Partition", "read_partitions"]

MAX_PARTITIONS = 256

_ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
ROOT_TYPES = {
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "x86_64",
    "b921b045-1df0-41c3-af44-4c6f280d3fae": "aarch64",
    "69dad710-2ce4-4e3c-b16c-21a1d49abed3": "armv7l",
    "44479540-f297-41b2-9af7-d131d5f0458a": "i686",
    "72ec70a6-cf74-40e6-bd49-4bda08e8f224": "riscv64",
    "c31c45e6-3f39-412e-80fb-4809c4980599": "ppc64le",
    "5eead9a9-fe09-4a1e-a1d7-520d00531306": "s390x",
    "77055800-792c-4f94-b39a-98c91b762bb6": "loongarch64",
}
"""Types of root partitions that are for one architecture."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition.

    Attributes:
        type: its GUID in a GPT, else empty.
        offset, size: in bytes.
        efi: whether a boot loader for EFI is in it.
    """

    type: str
    offset: int
    size: int
    efi: bool


def read_partitions(disk: io.BufferedIOBase) -> list[Partition]:
    """The partitions of a disk; none where it has no table."""
    disk.seek(0)
    head = disk.read(8192)
    for sector in (512, 4096):
        if head[sector : sector + 8] == b"EFI PART":
            return _gpt(disk, head[sector : sector + 92], sector)
    if head[510:512] == b"\x55\xaa":
        return _mbr(head)
    return []


def _gpt(disk: io.BufferedIOBase, header: bytes, sector: int) -> list[Partition]:
    first, count, size = struct.unpack_from("<QII", header, 72)
    if not 128 <= size <= 4096:
        return []
    disk.seek(first * sector)
    table = disk.read(min(count, MAX_PARTITIONS) * size)
    found = []
    for at in range(0, len(table) - 127, size):
        kind = str(uuid.UUID(bytes_le=table[at : at + 16]))
        start, end = struct.unpack_from("<QQ", table, at + 32)
        if start and end >= start:
            found.append(Partition(kind, start * sector, (end - start + 1) * sector, kind == _ESP))
    return found


def _mbr(head: bytes) -> list[Partition]:
    found = []
    for at in range(446, 510, 16):
        kind = head[at + 4]
        start, count = struct.unpack_from("<II", head, at + 8)
        if kind and start and count:
            found.append(Partition("", start * 512, count * 512, kind == 0xEF))
    return found
