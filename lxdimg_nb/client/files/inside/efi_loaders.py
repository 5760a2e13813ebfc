"""The names in the folder /EFI/BOOT of an EFI partition (FAT) or of an ISO 9660 disc.

Source: Microsoft's FAT specification (fatgen103); ECMA-119.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

__all__ = ["boot_files"]

# Of a folder.
MAX_BYTES = 1024 * 1024


def boot_files(disk: io.BufferedIOBase) -> list[str]:
    """The names in /EFI/BOOT, in capitals; none where there is no such folder."""
    disk.seek(0)
    head = disk.read(512)
    disk.seek(32768)
    if disk.read(6) == b"\x01CD001":
        return _iso_files(disk)
    if head[510:512] == b"\x55\xaa" and (head[54:57] == b"FAT" or head[82:85] == b"FAT"):
        return _fat_files(disk, head)
    return []


def _iso_files(disk: io.BufferedIOBase) -> list[str]:
    disk.seek(32768 + 156)
    extent = struct.unpack_from("<I4xI", disk.read(34), 2)
    for folder in ("EFI", "BOOT"):
        found = next((place for name, place in _iso_entries(disk, *extent) if name == folder), None)
        if found is None:
            return []
        extent = found
    return [name for name, _ in _iso_entries(disk, *extent)]


def _iso_entries(disk: io.BufferedIOBase, block: int, size: int) -> Iterator[tuple[str, tuple[int, int]]]:
    disk.seek(block * 2048)
    data = disk.read(min(size, MAX_BYTES))
    at = 0
    while at + 33 <= len(data):
        length = data[at]
        if length < 34:
            at = (at // 2048 + 1) * 2048  # records do not cross blocks
            continue
        name = data[at + 33 : at + 33 + data[at + 32]].decode("latin-1").partition(";")[0]
        yield name.upper(), struct.unpack_from("<I4xI", data, at + 2)
        at += length


def _fat_files(disk: io.BufferedIOBase, head: bytes) -> list[str]:
    sector, per_cluster, reserved, copies, root_entries, total = struct.unpack_from("<HBHBHH", head, 11)
    (fat_size,) = struct.unpack_from("<H", head, 22)
    total = total or struct.unpack_from("<I", head, 32)[0]
    wide = not fat_size
    if wide:
        (fat_size,) = struct.unpack_from("<I", head, 36)
    if sector not in (512, 1024, 2048, 4096) or not per_cluster or not fat_size:
        return []
    root_start = (reserved + copies * fat_size) * sector
    data_start = root_start + (root_entries * 32 + sector - 1) // sector * sector
    clusters = (total * sector - data_start) // (per_cluster * sector)
    bits = 32 if wide else 12 if clusters < 4085 else 16
    size = per_cluster * sector

    def following(cluster: int) -> int:
        disk.seek(reserved * sector + cluster * bits // 8)
        raw = int.from_bytes(disk.read(4), "little")
        value = raw >> (4 if bits == 12 and cluster % 2 else 0)
        return value & {12: 0xFFF, 16: 0xFFFF, 32: 0x0FFF_FFFF}[bits]

    def content(cluster: int) -> bytes:
        blocks: list[bytes] = []
        while 2 <= cluster < clusters + 2 and len(blocks) * size < MAX_BYTES:
            disk.seek(data_start + (cluster - 2) * size)
            blocks.append(disk.read(size))
            cluster = following(cluster)
        return b"".join(blocks)

    if wide:
        data = content(struct.unpack_from("<I", head, 44)[0])
    else:
        disk.seek(root_start)
        data = disk.read(root_entries * 32)
    for folder in ("EFI", "BOOT"):
        cluster = next((first for name, first in _fat_entries(data) if name == folder), 0)
        data = content(cluster)
    return [name for name, _ in _fat_entries(data)]


def _fat_entries(data: bytes) -> Iterator[tuple[str, int]]:
    """Names in capitals and first clusters."""
    long_name = ""
    for at in range(0, len(data) - 31, 32):
        entry = data[at : at + 32]
        if entry[0] == 0:
            return
        if entry[0] == 0xE5:
            long_name = ""
        elif entry[11] == 0x0F:
            part = (entry[1:11] + entry[14:26] + entry[28:32]).decode("utf-16-le", "replace")
            long_name = part.partition("\0")[0] + long_name
        else:
            stem, suffix = (entry[a:b].decode("latin-1").rstrip() for a, b in ((0, 8), (8, 11)))
            short = f"{stem}.{suffix}" if suffix else stem
            high, low = struct.unpack_from("<H4xH", entry, 20)
            yield (long_name or short).upper(), high << 16 | low
            long_name = ""
