"""Tarballs of small images, reproducible byte for byte.

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

__all__ = ["metadata_yaml", "recipe", "tarball", "tarball_from_recipe"]

# Size of a recipe's metadata.yaml: all tarballs made from recipes share their headers.
_METADATA_SIZE = 1024


def metadata_yaml(*, architecture: str, creation_date: int, properties: Mapping[str, str]) -> str:
    """The text of a metadata.yaml."""
    described = {"architecture": architecture, "creation_date": creation_date, "properties": dict(properties)}
    return yaml.safe_dump(described, allow_unicode=True)


def tarball(files: Mapping[str, bytes | None], *, compression: str = "gz", mtime: int = 0) -> bytes:
    """A tarball.

    Args:
        files: path -> content, or None for a directory; what is a program may be executed.
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
                member.mode = 0o755 if content.startswith((b"\x7fELF", b"#!")) else 0o644
                tar.addfile(member, io.BytesIO(content))
    raw = buffer.getvalue()
    if compression == "gz":
        return gzip.compress(raw, mtime=0)
    if compression == "xz":
        return lzma.compress(raw, preset=1)
    return bz2.compress(raw) if compression == "bz2" else raw


def recipe(text: str) -> str:
    """A recipe: a metadata.yaml padded with a comment to the size that all recipes have.

    Raises:
        ValueError: the text is too long.
    """
    room = _METADATA_SIZE - len(text.encode()) - 1
    if room < 0:
        raise ValueError(f"a recipe has room for {_METADATA_SIZE - 1} bytes of metadata")
    return text + "#" * room + "\n"


def _frame() -> tuple[bytes, bytes]:
    marker = b"M" * _METADATA_SIZE
    whole = tarball({"metadata.yaml": marker, "rootfs": None}, compression="")
    start = whole.index(marker)
    end = start + _METADATA_SIZE
    return whole[:start], whole[end : end + 512] + b"\0" * 1024


_HEAD, _TAIL = _frame()


def tarball_from_recipe(text: str) -> bytes:
    """The uncompressed tarball of a recipe."""
    return _HEAD + text.encode() + _TAIL
