"""Rows of the table of verdicts: disks and other files as the root file system of a split image, or alone."""

from __future__ import annotations

import gzip
import lzma
import struct

from tests.client.verdicts.rows import HEAD, Row, refused, taken, useless
from tests.kit import factory

META = factory.compress(factory.tar({"metadata.yaml": HEAD.encode()}))
ROOT = factory.tar({"etc/": b"", "etc/hostname": b"x\n"})


def _raw(at: int, magic: bytes, size: int = 80_000) -> bytes:
    return bytes(at) + magic + bytes(size - at - len(magic))


def _qcow2(*, version: int = 3, flags: int = 0, backing: bytes = b"", crypt: int = 0, size: int = 1 << 20) -> bytes:
    """An empty qcow2 of this version, with as much of it changed as a test wants."""
    disk = bytearray(factory.qcow2(size))
    struct.pack_into(">I", disk, 4, version)
    struct.pack_into(">QQQII", disk, 72, flags, 0, 0, 4, 104)
    struct.pack_into(">I", disk, 32, crypt)
    if backing:
        struct.pack_into(">QI", disk, 8, 400, len(backing))
        disk[400 : 400 + len(backing)] = backing
    return bytes(disk)


def _big_qcow2() -> bytes:
    """A disk of 20 GiB in clusters of 64 KiB, as far as its header says."""
    disk = bytearray(_qcow2() + bytes(10**6))
    struct.pack_into(">IQII", disk, 20, 16, 20 << 30, 0, 40)
    return bytes(disk)


def _machine(disk: bytes) -> bytes:
    return factory.compress(factory.tar({"metadata.yaml": HEAD.encode(), "rootfs.img": disk}))


_CONVERT = "qemu-img convert -O qcow2"
_GPT = _raw(510, b"\x55\xaaEFI PART")
_RAW = {
    "GPT": (_GPT, "a raw disk (GPT)"),
    "GPT of 4096-byte sectors": (_raw(4096, b"EFI PART"), "a raw disk (GPT)"),
    "MBR": (_raw(510, b"\x55\xaa"), "a raw disk (MBR)"),
    "ext4": (_raw(1080, b"\x53\xef"), "a raw disk (ext2, ext3 or ext4)"),
    "XFS": (_raw(0, b"XFSB"), "a raw disk (XFS)"),
    "Btrfs": (_raw(65600, b"_BHRfS_M"), "a raw disk (Btrfs)"),
    "VMDK": (_raw(0, b"KDMV\x01"), "a VMDK disk"),
    "VMDK descriptor": (b"# Disk DescriptorFile\nversion=1\n" * 20, "without the disk"),
    "VHD": (_raw(0, b"conectix"), "a VHD disk"),
    "VHD, fixed": (_raw(80_000 - 512, b"conectix"), "a VHD disk"),
    "VHDX": (_raw(0, b"vhdxfile"), "a VHDX disk"),
    "VDI": (_raw(64, b"\x7f\x10\xda\xbe"), "a VDI disk"),
    "QED": (_raw(0, b"QED\0"), "a QED disk"),
    "DMG": (_raw(80_000 - 512, b"koly"), "a DMG disk"),
    "LUKS": (_raw(0, b"LUKS\xba\xbe"), "an encrypted (LUKS) disk"),
}
_UNKNOWN = {
    "zeros": bytes(4096),
    "a letter named disk.qcow2": b"This is a letter.\n" * 40,
    "one byte": b"Q",
}
_OTHER = {
    "ISO": (_raw(32769, b"CD001"), "--type=iso"),
    "ZIP": (_raw(0, b"PK\x03\x04", 600), "a ZIP archive"),
    "7z": (_raw(0, b"7z\xbc\xaf\x27\x1c", 600), "a 7z archive"),
    "RAR": (_raw(0, b"Rar!\x1a\x07", 600), "a RAR archive"),
    "lz4": (_raw(0, b"\x04\x22\x4d\x18", 600), "compressed with lz4"),
    "lzip": (_raw(0, b"LZIP\x01", 600), "compressed with lzip"),
    "a web page": (b"<!DOCTYPE html><title>404</title>" * 20, "fetch it again"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n" * 9, "git lfs pull"),
    "gzip of a raw disk": (gzip.compress(_GPT, mtime=0), "a raw disk (GPT) within gz compression"),
    "xz of a qcow2": (lzma.compress(factory.qcow2()), "a qcow2 disk within xz compression"),
    "gzip of text": (gzip.compress(b"text" * 200, mtime=0), "no tarball within gz compression"),
}
_QCOW2 = {
    "version 1": (_qcow2(version=1), "a qcow of version 1"),
    "version 9": (_qcow2(version=9), "damaged qcow2 header"),
    "backing file": (_qcow2(backing=b"/etc/shadow"), "its backing file '/etc/shadow'"),
    "external data file": (_qcow2(flags=4), "in another file"),
    "encrypted": (_qcow2(crypt=2), "is encrypted"),
    "marked as corrupt": (_qcow2(flags=2), "qemu-img check -r all"),
    "without a size": (_qcow2(size=0), "a size of 0 bytes"),
    "cut off": (_qcow2()[:1600], "its tables end at 1792"),
    "cut off within the header": (_qcow2()[:60], "is cut off"),
}

ROWS: dict[str, Row] = {
    "split container": taken(factory.compress(ROOT), metadata=META),
    "split container, uncompressed": taken(ROOT, metadata=META),
    "split container, an empty tarball": taken(factory.compress(factory.tar({})), metadata=META),
    "split virtual machine, qcow2": taken(factory.qcow2(), metadata=META),
    "split virtual machine, qcow2 of version 3": taken(_qcow2(), metadata=META),
    "split virtual machine, not closed": taken(_qcow2(flags=1), "not closed properly", metadata=META),
    "split virtual machine, 20 GiB": taken(_big_qcow2(), "root disk of 20.0 GiB", metadata=META),
    **{
        f"root file: {name}": useless(data, says, metadata=META, usable=False)
        for name, (data, says) in (_RAW | _OTHER).items()
    },
    **{
        f"root file: {name}": useless(data, "no tarball, squashfs or qcow2", metadata=META, usable=False)
        for name, data in _UNKNOWN.items()
    },
    # These need QEMU's tools on the server.
    **{f"qcow2: {name}": useless(data, says, metadata=META) for name, (data, says) in _QCOW2.items()},
    **{f"alone: {name}": refused(data, says) for name, (data, says) in _RAW.items()},
    **{f"alone: {name}": refused(data, "no archive that servers know") for name, data in _UNKNOWN.items()},
    "alone: qcow2": refused(factory.qcow2(), "give it together with metadata="),
    "alone: a raw disk": refused(_GPT, _CONVERT),
    "a raw disk and metadata": useless(_GPT, _CONVERT, metadata=META, usable=False),
    "unified virtual machine, qcow2": taken(_machine(factory.qcow2())),
    "unified virtual machine, raw": useless(_machine(_GPT), "a raw disk (GPT)"),
    "unified virtual machine, overlay": useless(_machine(_qcow2(backing=b"/etc/shadow")), "backing file"),
    "unified virtual machine, a letter": useless(_machine(b"letter" * 99), "no tarball, squashfs or qcow2"),
}
