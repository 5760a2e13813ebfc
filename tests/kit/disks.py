"""Small disks for tests: a partition table, an EFI partition, an ISO disc, and qcow2 around any of them."""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Sequence

ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
DATA = "0fc63daf-8483-4772-8e79-3d69d8477de4"
ROOT_ARM64 = "b921b045-1df0-41c3-af44-4c6f280d3fae"

_SECTOR = 512


def fat(names: Sequence[str], *, wide: bool = False) -> bytes:
    """A FAT file system of 512-byte clusters with these empty files in /EFI/BOOT; `wide` is FAT32, else FAT12."""
    reserved, fat_size, total = 32 if wide else 1, 64, 4096
    boot = bytearray(_SECTOR)
    struct.pack_into(
        "<3s8sHBHBHHBHHHII", boot, 0, b"\xeb\x3c\x90", b"MSDOS5.0", 512, 1, reserved, 1, *_tail(wide, total)
    )
    if wide:
        struct.pack_into("<I4xI", boot, 36, fat_size, 2)
        boot[82:90] = b"FAT32   "
    else:
        boot[54:62] = b"FAT12   "
    boot[510:512] = b"\x55\xaa"
    # The root is cluster 2 of FAT32; EFI is 3, BOOT is 4.
    root = _entry("EFI", 3, folder=True)
    efi = _entry(".", 3, folder=True) + _entry("BOOT", 4, folder=True)
    files = b"".join(_long(name) + _entry(name, 0) for name in names)
    ends = {2: root, 3: efi, 4: files}
    table = bytearray(fat_size * _SECTOR)
    for cluster in range(5):
        if wide:
            struct.pack_into("<I", table, 4 * cluster, 0x0FFF_FFFF)
        else:
            at, end = cluster * 3 // 2, 0xFFF << (4 if cluster % 2 else 0)
            struct.pack_into("<H", table, at, struct.unpack_from("<H", table, at)[0] | end)
    fixed = b"" if wide else root.ljust(16 * 32, b"\0")
    clusters = b"".join(ends[number].ljust(_SECTOR, b"\0") for number in (2, 3, 4))
    return (bytes(boot).ljust(reserved * _SECTOR, b"\0") + bytes(table) + fixed + clusters).ljust(total * 512, b"\0")


def _tail(wide: bool, total: int) -> tuple[int, ...]:
    return (0 if wide else 16, 0 if wide else total, 0xF8, 0 if wide else 64, 0, 0, 0, total if wide else 0)


def _entry(name: str, cluster: int, *, folder: bool = False) -> bytes:
    stem, _, suffix = name.partition(".") if name != "." else (".", "", "")
    short = stem[:8].ljust(8).encode() + suffix[:3].ljust(3).encode()
    return short + bytes([0x10 if folder else 0x20]) + bytes(8) + struct.pack("<HIHI", 0, 0, cluster, 0)


def _long(name: str) -> bytes:
    """The entries before a name that 8.3 cannot hold, the last part first."""
    if len(name.partition(".")[0]) <= 8:
        return b""
    text = (name + "\0").encode("utf-16-le").ljust((len(name) // 13 + 1) * 26, b"\xff")
    parts = [text[at : at + 26] for at in range(0, len(text), 26)]
    return b"".join(
        bytes([i + 1]) + part[:10] + b"\x0f\0\0" + part[10:22] + b"\0\0" + part[22:26]
        for i, part in reversed(list(enumerate(parts)))
    )


def gpt(*partitions: tuple[str, bytes]) -> bytes:
    """A disk with these partitions: type and content."""
    table, content, at = b"", b"", 2048
    for kind, data in partitions:
        count = -(-len(data) // _SECTOR)
        table += uuid.UUID(kind).bytes_le + bytes(16) + struct.pack("<QQ", at, at + count - 1) + bytes(80)
        content += data.ljust(count * _SECTOR, b"\0")
        at += count
    header = b"EFI PART" + bytes(64) + struct.pack("<QII", 2, len(partitions), 128)
    mbr = bytes(450) + b"\xee" + bytes(59) + b"\x55\xaa"
    return (mbr + header.ljust(512, b"\0") + table).ljust(2048 * _SECTOR, b"\0") + content


def iso(names: Sequence[str]) -> bytes:
    """A disc of ISO 9660 with these empty files in /EFI/BOOT."""

    def record(name: bytes, block: int) -> bytes:
        length = 33 + len(name) + (1 - len(name) % 2)
        place = struct.pack("<I", block) + struct.pack(">I", block) + struct.pack("<I", 2048) + struct.pack(">I", 2048)
        return (bytes([length, 0]) + place + bytes(14) + bytes([len(name)]) + name).ljust(length, b"\0")

    volume = bytearray(2048)
    volume[:7] = b"\x01CD001\x01"
    volume[156:190] = record(b"\0", 18)
    root = record(b"\0", 18) + record(b"\x01", 18) + record(b"EFI", 19)
    efi = record(b"\0", 19) + record(b"\x01", 18) + record(b"BOOT", 20)
    boot = record(b"\0", 20) + record(b"\x01", 19) + b"".join(record(f"{name};1".encode(), 21) for name in names)
    blocks = [bytes(volume), b"\xffCD001\x01", root, efi, boot, b""]
    return bytes(32768) + b"".join(block.ljust(2048, b"\0") for block in blocks)


def qcow2(disk: bytes, *, compressed: bool = False, bits: int = 16) -> bytes:
    """A disk as qcow2 of version 3; clusters of zeros are left out."""
    size = 1 << bits
    clusters = [disk[at : at + size] for at in range(0, len(disk), size)]
    tables = -(-len(clusters) // (size // 8))
    content, entries = b"", [0] * (tables * size // 8)
    # Header, reference counts (two clusters, which nothing reads here), L1 table, L2 tables, content.
    l2_start = (3 + -(-8 * tables // size)) * size
    first = l2_start + tables * size
    for number, cluster in enumerate(clusters):
        if not any(cluster):
            continue
        offset = first + len(content)
        if compressed:
            packer = zlib.compressobj(wbits=-12)
            packed = packer.compress(cluster.ljust(size, b"\0")) + packer.flush()
            shift = 62 - (bits - 8)
            sectors = (offset % 512 + len(packed) - 1) // 512
            entries[number] = 1 << 62 | sectors << shift | offset
            content += packed
        else:
            entries[number] = 1 << 63 | offset
            content += cluster.ljust(size, b"\0")
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        *(b"QFI\xfb", 3, 0, 0, bits, len(disk), 0, tables, 3 * size, size, 1, 0, 0, 0, 0, 0, 4, 104),
    )
    l1 = b"".join(struct.pack(">Q", 1 << 63 | l2_start + i * size) for i in range(tables))
    l2 = struct.pack(f">{len(entries)}Q", *entries)
    counts = struct.pack(">Q", 2 * size)
    parts = b"".join(part.ljust(size, b"\0") for part in (header, counts, b""))
    return (parts + l1).ljust(l2_start, b"\0") + l2 + content.ljust(-(-len(content) // 512) * 512, b"\0")
