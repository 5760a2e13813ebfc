"""Image files as the server reads them after an upload: their compression and where their metadata.yaml lies.

Nothing is ever extracted; tarballs are read as streams, with limits on bytes and members.

Source: errors of LXD 5.0.2 for some twenty broken files.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from .image_metadata import ImageFacts, parse_facts
from .refusals import Refusal

__all__ = ["ImageFacts", "extension_of", "facts_of"]

_METADATA_LIMIT = 1 << 20
_SCAN_LIMIT = 8 << 30
_MEMBER_LIMIT = 2_000_000
_MAGIC = (
    (0, b"BZh", "bz2", ".tar.bz2"),
    (0, b"\x1f\x8b", "gz", ".tar.gz"),
    (0, b"\xfd7zXZ\x00", "xz", ".tar.xz"),
    (0, b"\x5d\x00\x00", "xz", ".tar.lzma"),
    (0, b"\x28\xb5\x2f\xfd", "zst", ".tar.zst"),
    (257, b"ustar", "", ".tar"),
    (0, b"hsqs", "squashfs", ".squashfs"),
    (0, b"QFI\xfb", "qcow2", ".qcow2"),
)


def _sniff(path: Path) -> tuple[str, str] | None:
    with path.open("rb") as file:
        start = file.read(300)
    if not start:
        raise Refusal(500, "EOF")
    for offset, magic, packing, extension in _MAGIC:
        if start[offset : offset + len(magic)] == magic:
            return packing, extension
    return None


def extension_of(path: Path) -> str:
    """The ending of an export's file name: `.tar.gz`, ..., or none."""
    try:
        found = _sniff(path)
    except Refusal:
        return ""
    return found[1] if found else ""


def facts_of(path: Path, *, split: bool, virtual_machine: bool = False) -> ImageFacts:
    """Read the metadata of an image.

    Args:
        path: the unified tarball, or the metadata tarball of a split image.
        split: whether it is the latter.
        virtual_machine: for a split image, whether its second part is a disk.

    Raises:
        Refusal: with the text that a daemon's operation fails with.
    """
    found = _sniff(path)
    if found is None or found[0] == "qcow2":
        raise Refusal(500, "Unsupported compression")
    try:
        text, kind = _scan(path, found[0], split=split)
    except (EOFError, zlib.error, lzma.LZMAError, OSError, tarfile.TarError) as error:
        raise Refusal(500, "unexpected EOF") from error
    if text is None:
        raise Refusal(500, "Metadata tarball is missing metadata.yaml")
    if split:
        kind = "virtual-machine" if virtual_machine else "container"
    elif not kind:
        raise Refusal(500, "Invalid instance type")
    return parse_facts(text, kind)


def _scan(path: Path, packing: str, *, split: bool) -> tuple[bytes | None, str]:
    try:
        return _scan_in_blocks(path, packing, tarfile.BLOCKSIZE * 20, split=split)
    except EOFError:
        # The file is cut off: smaller blocks read as much of it as possible, which decides the error.
        return _scan_in_blocks(path, packing, tarfile.BLOCKSIZE, split=split)


def _scan_in_blocks(path: Path, packing: str, size: int, *, split: bool) -> tuple[bytes | None, str]:
    text: bytes | None = None
    kind = ""
    with _unpacked(path, packing) as stream, tarfile.open(fileobj=stream, mode="r|", bufsize=size) as tar:
        for count, member in enumerate(tar):
            name = member.name.removeprefix("./")
            if name == "metadata.yaml":
                text = _read_metadata(tar, member)
            elif name == "rootfs" or name.startswith("rootfs/"):
                kind = "container"
            elif name == "rootfs.img":
                kind = "virtual-machine"
            if text is not None and (split or kind):
                break
            if count > _MEMBER_LIMIT or member.offset > _SCAN_LIMIT:
                raise Refusal(500, "unexpected EOF")
    return text, kind


def _read_metadata(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    try:
        content = tar.extractfile(member)
        text = b"" if content is None else content.read(_METADATA_LIMIT + 1)
    except (EOFError, zlib.error, lzma.LZMAError, OSError, tarfile.TarError) as error:
        raise Refusal(500, "yaml: input error: unexpected EOF") from error
    if len(text) > _METADATA_LIMIT:
        raise Refusal(500, "yaml: input error: input data too large")
    if len(text) < member.size:
        raise Refusal(500, "yaml: input error: unexpected EOF")
    return text


@contextlib.contextmanager
def _unpacked(path: Path, packing: str) -> Iterator[IO[bytes]]:
    openers: dict[str, Callable[..., Any]] = {"gz": gzip.open, "xz": lzma.open, "bz2": bz2.open, "": open}
    if packing in openers:
        with openers[packing](path, "rb") as file:
            yield file
        return
    command = ["zstd", "-dcq"] if packing == "zst" else ["sqfs2tar"]
    try:
        child = subprocess.Popen([*command, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise Refusal(500, f'exec: "{command[0]}": executable file not found in $PATH') from error
    assert child.stdout is not None
    with child:
        try:
            yield child.stdout
        finally:
            child.kill()
