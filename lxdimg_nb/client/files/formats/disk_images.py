"""Disk images by their first bytes: what no server can start, and what is wrong with a qcow2.

Servers take the root file system of a split image unseen; making an instance of it fails. Source: QEMU's
docs/interop/qcow2.rst and block drivers; LXD's storage/utils.go, ImageUnpack, which reads disks as qcow2 only.
"""

from __future__ import annotations

import struct

from lxdimg_nb.text import formats

__all__ = ["CONVERT", "ISO", "LONG_HEAD", "check_qcow2", "check_squashfs", "describe_format"]

LONG_HEAD = 72 * 1024
DEFAULT_DISK = 10 * 1024**3

CONVERT = "convert it: qemu-img convert -O qcow2 FILE NEW.qcow2"
_TAR = "servers unpack only tarballs and squashfs"
_AGAIN = "fetch it again"
ISO = "for an installer's disc make a custom volume of it: lxc storage volume import POOL FILE NAME --type=iso"
_FORMATS = (
    (0, b"KDMV", "a VMDK disk", CONVERT),
    (0, b"COWD", "a VMDK disk", CONVERT),
    (0, b"# Disk DescriptorFile", "the description of a VMDK disk, without the disk", CONVERT),
    (0, b"conectix", "a VHD disk", CONVERT),
    (0, b"vhdxfile", "a VHDX disk", CONVERT),
    (64, b"\x7f\x10\xda\xbe", "a VDI disk", CONVERT),
    (0, b"QED\0", "a QED disk", CONVERT),
    (0, b"WithoutFreeSpace", "a Parallels disk", CONVERT),
    (0, b"WithouFreSpacExt", "a Parallels disk", CONVERT),
    (0, b"LUKS\xba\xbe", "an encrypted (LUKS) disk", CONVERT),
    (32769, b"CD001", "an ISO 9660 disc", ISO),
    (512, b"EFI PART", "a raw disk (GPT)", CONVERT),
    (4096, b"EFI PART", "a raw disk (GPT)", CONVERT),
    (0, b"XFSB", "a raw disk (XFS)", CONVERT),
    (1080, b"\x53\xef", "a raw disk (ext2, ext3 or ext4)", CONVERT),
    (65600, b"_BHRfS_M", "a raw disk (Btrfs)", CONVERT),
    (510, b"\x55\xaa", "a raw disk (MBR)", CONVERT),
    (0, b"PK\x03\x04", "a ZIP archive", _TAR),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _TAR),
    (0, b"Rar!\x1a\x07", "a RAR archive", _TAR),
    (0, b"\x04\x22\x4d\x18", "compressed with lz4", "take gzip, xz, bzip2 or zstd"),
    (0, b"LZIP", "compressed with lzip", "take gzip, xz, bzip2 or zstd"),
    (0, b"\x1f\x9d", "compressed with compress", "take gzip, xz, bzip2 or zstd"),
    (0, b"version https://git-lfs", "a Git LFS pointer instead of the file", "fetch the file: git lfs pull"),
)


def describe_format(head: bytes, tail: bytes = b"") -> tuple[str, str]:
    """What a file is that is neither a tarball nor squashfs nor qcow2, and the next step; both empty when unknown.

    Args:
        head: the first `LONG_HEAD` bytes.
        tail: the last 512 bytes.
    """
    if head[:15].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page", _AGAIN
    if tail.startswith(b"conectix"):
        return "a VHD disk", CONVERT
    if tail.startswith(b"koly"):
        return "a DMG disk", CONVERT
    return next((found[2:] for found in _FORMATS if head.startswith(found[1], found[0])), ("", ""))


def check_qcow2(head: bytes, size: int | None) -> tuple[list[str], list[str]]:
    """What keeps servers from starting a qcow2, and what is worth knowing.

    Args:
        head: its first bytes.
        size: bytes of the whole file; None when unknown.
    """
    if len(head) < 72:
        return ["the disk is cut off: not even the header of a qcow2 is there"], []
    version, backing, backing_size, cluster_bits, virtual_size, crypt = struct.unpack_from(">IQIIQI", head, 4)
    if version == 1:
        return [f"the disk is a qcow of version 1; {CONVERT}"], []
    if version not in (2, 3) or not 9 <= cluster_bits <= 21:
        return ["the disk has a damaged qcow2 header"], []
    problems, notes = [], []
    flags = struct.unpack_from(">Q", head, 72)[0] if version == 3 and len(head) >= 80 else 0
    l1_entries, l1_offset, refcount_offset, refcount_clusters = struct.unpack_from(">IQQI", head, 36)
    if backing:
        name = head[backing : backing + min(backing_size, 80)].decode("utf-8", "replace")
        problems.append(
            f"the disk holds only the differences to its backing file {name!r}, which would be missing; {CONVERT}"
        )
    if flags & 4:
        problems.append(f"the disk keeps its content in another file, which would be missing; {CONVERT}")
    if crypt:
        problems.append(f"the disk is encrypted, and servers have no key; {CONVERT}")
    if flags & 2:
        problems.append("the disk is marked as corrupt; repair it: qemu-img check -r all FILE")
    elif flags & 1:
        notes.append("the disk was not closed properly; repair it: qemu-img check -r all FILE")
    if not virtual_size:
        problems.append("the disk has a size of 0 bytes")
    end = max(l1_offset + 8 * l1_entries, refcount_offset + refcount_clusters * (1 << cluster_bits) if size else 0)
    if size is not None and end > size:
        problems.append(f"the disk is cut off: {size} bytes are there, its tables end at {end}")
    if virtual_size > DEFAULT_DISK:
        shown = formats.size(virtual_size)
        notes.append(f"an instance needs a root disk of {shown} or more (size=…); the default is 10 GiB")
    return problems, notes


def check_squashfs(head: bytes, size: int | None) -> str:
    """Why a squashfs cannot be unpacked as far as its first bytes tell; empty when nothing is wrong."""
    if size is None or len(head) < 96:
        return ""
    block_size, _, _, log, _, _, major, minor, _, used = struct.unpack_from("<IIHHHHHHQQ", head, 12)
    plausible = (major, minor) == (4, 0) and 12 <= log <= 20 and block_size == 1 << log
    return f"it is cut off: {size} of {used} bytes are there" if plausible and used > size else ""
