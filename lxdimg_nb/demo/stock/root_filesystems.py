"""Root file systems for split images: as small as possible, and readable by the real tools.

Source: the squashfs was made with `mksquashfs -all-root -all-time 0 -mkfs-time 0 -nopad`; the layout of an
empty qcow2 disk is that of QEMU's docs/interop/qcow2.txt.
"""

from __future__ import annotations

import base64
import struct

__all__ = ["empty_disk", "squashfs"]

_SQUASHFS = """
aHNxcwUAAAAAAAAAAAACAAEAAAAEABEAwAIBAAQAAACAAAAAAAAAAKcBAAAAAAAAnwEAAAAAAAD//////////4MAAAAAAAAA9QAA
AAAAAABfAQAAAAAAAJEBAAAAAAAAIyEvYmluL3NoCmVjaG8gImEgZGVtbyBpbWFnZSIKZGVtbwpwAP03elhaAAABaSLeNgPAOKAB
IQECAAAAALzKnibgAJ8AMF0AAQAesE8m1xW1YY4YVSNpXF3c88Mn44FgB+syuY4nEffzYKI1XO8sGtsE8xWzyS6dAEG7xTUAAUyg
AQAAADnmVHM+MA2LAgAAAAABWVpWgAAAAAAAAAAAAgAAAAAAAAACAAMAaW5pdAAAAAAAAAAABAAAAEAAAAACAAcAaG9zdG5hbWUB
AAAAAAAAAAEAAAAgAAAAAQACAGJpbmAAAgABAAIAZXRjEIBgAAAAAAAAACMAAAEAAAAATQEAAAAAAAAogCAAAAAAAAAAAAAAAAAA
AABgAAAAAAAAAEAAAAAAAAAAgAAAAAAAAABnAQAAAAAAAASAAAAAAJkBAAAAAAAA
"""


def squashfs() -> bytes:
    """A squashfs with `bin/init` and `etc/hostname`."""
    return base64.b64decode(_SQUASHFS)


def empty_disk(gibibytes: int = 1) -> bytes:
    """An empty qcow2 disk, version 3: header, refcounts and an empty L1 table.

    Args:
        gibibytes: its virtual size.
    """
    bits = 12
    cluster = 1 << bits
    virtual = gibibytes << 30
    entries = -(-virtual // (cluster * (cluster // 8)))
    l1_clusters = -(-entries * 8 // cluster)
    used = 3 + l1_clusters
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        b"QFI\xfb",
        3,
        0,  # no backing file
        0,
        bits,
        virtual,
        0,  # not encrypted
        entries,
        3 * cluster,  # L1 table
        cluster,  # refcount table
        1,
        0,
        0,  # no snapshots
        0,
        0,
        0,
        4,  # refcounts of 16 bits
        104,
    )
    table = struct.pack(">Q", 2 * cluster)
    counts = struct.pack(f">{used}H", *[1] * used)
    parts = [header + struct.pack(">II", 0, 0), table, counts]
    return b"".join(part.ljust(cluster, b"\0") for part in parts) + bytes(l1_clusters * cluster)
