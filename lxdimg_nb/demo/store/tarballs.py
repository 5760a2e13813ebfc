"""Small images that are real: tarballs with metadata.yaml and a root file system, byte for byte repeatable.

Source: the image format of LXD: a unified tarball holds metadata.yaml and rootfs/ (or rootfs.img), a split
image is a metadata tarball and a root file system.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Mapping

import yaml

__all__ = ["METADATA_ROOM", "metadata_yaml", "recipe", "tarball", "tarball_from_recipe"]

METADATA_ROOM = 1024
"""Bytes that a recipe's metadata.yaml fills, so that all such tarballs share their headers."""


def metadata_yaml(*, architecture: str, creation_date: int, properties: Mapping[str, str], expiry_date: int = 0) -> str:
    """The text of a metadata.yaml."""
    described: dict[str, object] = {"architecture": architecture, "creation_date": creation_date}
    if expiry_date:
        described["expiry_date"] = expiry_date
    return yaml.safe_dump(described | {"properties": dict(properties)}, allow_unicode=True)


def tarball(files: Mapping[str, bytes | None], *, compression: str = "gz", mtime: int = 0) -> bytes:
    """A tarball.

    Args:
        files: path -> content, or None for a directory.
        compression: `gz`, `xz`, `bz2` or an empty text for none.
        mtime: seconds since 1970 of every member.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.mtime = mtime
            if content is None:
                member.type = tarfile.DIRTYPE
                member.mode = 0o755
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    raw = buffer.getvalue()
    if compression == "gz":
        return gzip.compress(raw, mtime=0)
    if compression == "xz":
        return lzma.compress(raw, preset=1)
    return bz2.compress(raw) if compression == "bz2" else raw


def recipe(text: str) -> str:
    """The metadata.yaml of a recipe, filled with comment lines to the size all recipes share.

    Raises:
        ValueError: the text is too long.
    """
    room = METADATA_ROOM - len(text.encode()) - 1
    if room < 0:
        raise ValueError(f"a recipe has room for {METADATA_ROOM - 1} bytes of metadata")
    return text + "#" * room + "\n"


def _frame() -> tuple[bytes, bytes]:
    marker = b"M" * METADATA_ROOM
    whole = tarball({"metadata.yaml": marker, "rootfs": None}, compression="")
    start = whole.index(marker)
    end = start + METADATA_ROOM
    return whole[:start], whole[end : end + 512] + b"\0" * 1024


_HEAD, _TAIL = _frame()


def tarball_from_recipe(text: str) -> bytes:
    """The plain tarball of a recipe: always the same bytes for the same text."""
    return _HEAD + text.encode() + _TAIL
