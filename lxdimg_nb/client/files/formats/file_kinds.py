"""What a file is by its first bytes: a tarball, squashfs or qcow2."""

from __future__ import annotations

__all__ = ["ARCHIVES", "HEAD_SIZE", "file_kind", "file_suffix"]

HEAD_SIZE = 512
ARCHIVES = frozenset({"gz", "xz", "bz2", "zstd", "lzma", "tar"})

_SIGNATURES = (
    (0, b"\x1f\x8b", "gz", ".tar.gz"),
    (0, b"BZh", "bz2", ".tar.bz2"),
    (0, b"\xfd7zXZ\x00", "xz", ".tar.xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd", ".tar.zst"),
    (0, b"\x5d\x00\x00", "lzma", ".tar.lzma"),
    (0, b"hsqs", "squashfs", ".squashfs"),
    (0, b"QFI\xfb", "qcow2", ".qcow2"),
    (257, b"ustar", "tar", ".tar"),
)


def file_kind(head: bytes) -> str:
    """The kind of a file by its first 512 bytes: one of `ARCHIVES`, `squashfs`, `qcow2`, or empty when unknown."""
    return _match(head)[0]


def file_suffix(head: bytes) -> str:
    """The file name suffix that fits the content, empty when unknown (a raw disk, for example)."""
    return _match(head)[1]


def _match(head: bytes) -> tuple[str, str]:
    found = (entry[2:] for entry in _SIGNATURES if head.startswith(entry[1], entry[0]))
    return next(found, ("", ""))
