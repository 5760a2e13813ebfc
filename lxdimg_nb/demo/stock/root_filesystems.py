"""Root file systems for split images: as small as possible, and readable by the real tools.

Source: the squashfs was made with `mksquashfs -all-root -all-time 0 -mkfs-time 0 -nopad`; the layout of an
empty qcow2 disk is that of QEMU's docs/interop/qcow2.txt.
"""

from __future__ import annotations

import base64
import struct

__all__ = ["empty_disk", "init_program", "squashfs"]

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


def init_program(architecture: str) -> bytes:
    """A program of 189 bytes for `/sbin/init`: it waits until it is to halt, so that a container starts and stops.

    It blocks the signals that LXD and Incus ask an init to end with, waits for one of them, and exits.

    Returns:
        A static ELF program for x86_64; empty for another architecture.

    Source: System V ABI, ELF-64; lxc.signal.halt and lxc.signal.reboot of lxc.container.conf(5).
    """
    if architecture != "x86_64":
        return b""
    signals = sum(1 << (number - 1) for number in (2, 15, 30, 37))  # SIGINT, SIGTERM, SIGPWR, SIGRTMIN+3
    wait = bytes.fromhex(
        "b880000000"  # mov eax, 128 (rt_sigtimedwait)
        "488d3d19000000"  # lea rdi, [signals]
        "31f6"  # xor esi, esi
        "31d2"  # xor edx, edx
        "41ba08000000"  # mov r10d, 8
        "0f05"  # syscall
        "85c0"  # test eax, eax
        "78e4"  # js wait (interrupted by another signal)
    )
    code = (
        bytes.fromhex(
            "b80e000000"  # mov eax, 14 (rt_sigprocmask)
            "31ff"  # xor edi, edi (SIG_BLOCK)
            "488d352f000000"  # lea rsi, [signals]
            "31d2"  # xor edx, edx
            "41ba08000000"  # mov r10d, 8
            "0f05"  # syscall
        )
        + wait
        + bytes.fromhex("b83c00000031ff0f05")  # exit(0)
    )
    base, start = 0x400000, 64 + 56
    size = start + len(code) + 8
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, base + start, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return header + segment + code + struct.pack("<Q", signals)
