"""Looking at image files before they are sent: what they are, what a server would refuse.

Nothing is ever extracted. Every read is limited: the bytes decompressed, the members looked at, the size of
metadata.yaml (CVE-2026-41648: 200 MB of YAML take a daemon down; ours must not follow).
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import math
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from lxdimg_nb.client.files.source import Source
from lxdimg_nb.errors import InvalidImageError

__all__ = ["ARCHITECTURES", "ImageInspection", "file_kind", "file_suffix", "inspect_image", "open_tar", "read_metadata"]

_MAGIC = (
    (b"\x1f\x8b", 0, "gz", ".tar.gz"),
    (b"BZh", 0, "bz2", ".tar.bz2"),
    (b"\xfd7zXZ\x00", 0, "xz", ".tar.xz"),
    (b"\x28\xb5\x2f\xfd", 0, "zstd", ".tar.zst"),
    (b"\x5d\x00\x00", 0, "lzma", ".tar.lzma"),
    (b"hsqs", 0, "squashfs", ".squashfs"),
    (b"QFI\xfb", 0, "qcow2", ".qcow2"),
    (b"ustar", 257, "tar", ".tar"),
)
HEAD = 512

MAX_METADATA = 1024 * 1024
MAX_DECOMPRESSED = 256 * 1024 * 1024
MAX_MEMBERS = 20_000

# Names as in metadata.yaml, and what servers make of them (LXD shared/osarch).
ARCHITECTURES = {
    **dict.fromkeys(("x86_64", "amd64", "generic_64"), "x86_64"),
    **dict.fromkeys(("i686", "i386", "i586", "386", "x86", "generic_32"), "i686"),
    **dict.fromkeys(("aarch64", "arm64", "arm64_generic"), "aarch64"),
    **dict.fromkeys(
        ("armv7l", "armel", "armhf", "arm", "armhfp", "armv7a_hardfp", "armv7", "armv7a_vfpv3_hardfp", "armv7hl"),
        "armv7l",
    ),
    **dict.fromkeys(("armv6l", "armv6hl"), "armv6l"),
    "armv8l": "armv8l",
    **dict.fromkeys(("ppc64le", "powerpc64le", "ppc64el"), "ppc64le"),
    **dict.fromkeys(("ppc64", "powerpc64"), "ppc64"),
    **dict.fromkeys(("ppc", "powerpc"), "ppc"),
    **dict.fromkeys(("s390x", "mainframe"), "s390x"),
    **{n: n for n in ("mips", "mips64", "loongarch64", "riscv32", "riscv64")},
}


def file_kind(head: bytes) -> str:
    """What a file is by its first 512 bytes, empty when unknown.

    One of `gz`, `xz`, `bz2`, `zstd`, `lzma`, `tar`, `squashfs`, `qcow2`.
    """
    return next((kind for magic, at, kind, _ in _MAGIC if head[at : at + len(magic)] == magic), "")


def file_suffix(head: bytes) -> str:
    """The file name ending that fits the content, empty when unknown (a raw disk, say)."""
    return next((ending for magic, at, _, ending in _MAGIC if head[at : at + len(magic)] == magic), "")


@dataclass(frozen=True, slots=True)
class ImageInspection:
    """What a file was found to be.

    `kind` as of `kind_of`; `metadata` the content of metadata.yaml (None when there is none); `rootfs` is
    `container`, `virtual-machine` or empty; `whole` whether the archive was read to its end.
    """

    kind: str
    metadata: dict[str, Any] | None = None
    rootfs: str = ""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    whole: bool = True
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def architecture(self) -> str:
        """As servers name it; empty when unknown."""
        return ARCHITECTURES.get(str((self.metadata or {}).get("architecture", "")), "")

    @property
    def is_archive(self) -> bool:
        """Whether it is a tarball, compressed or not."""
        return self.kind in ("gz", "xz", "bz2", "zstd", "lzma", "tar")


class _Limited(io.RawIOBase):
    """Reads no more than a number of decompressed bytes, then raises: bombs do not fill the memory."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._file.read(min(len(buffer), 65536))
        self._left -= len(chunk)
        if self._left < 0:
            raise _TooMuchError
        buffer[: len(chunk)] = chunk
        return len(chunk)


class _TooMuchError(Exception):
    """A limit was reached."""


def _decompressed(kind: str, file: BinaryIO) -> BinaryIO:
    if kind == "gz":
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if kind == "bz2":
        return cast(BinaryIO, bz2.BZ2File(file))
    if kind in ("xz", "lzma"):
        return cast(BinaryIO, lzma.LZMAFile(file))
    if kind == "zstd":
        try:
            import zstandard
        except ImportError as error:
            raise _NoDecoderError from error
        return cast(BinaryIO, zstandard.ZstdDecompressor().stream_reader(file))
    return file


class _NoDecoderError(Exception):
    """zstd without the optional package."""


@contextmanager
def open_tar(kind: str, file: BinaryIO, *, limit: int = MAX_DECOMPRESSED) -> Iterator[tarfile.TarFile]:
    """A tarball as a stream of members, with limits; nothing is extracted.

    Raises:
        InvalidImageError: not readable as a tarball of that kind.
    """
    try:
        limited = io.BufferedReader(_Limited(_decompressed(kind, file), limit))
        with tarfile.open(fileobj=limited, mode="r|") as tar:
            yield tar
    except _TooMuchError as error:
        raise InvalidImageError(f"the archive unpacks to more than {limit} bytes before its metadata.yaml") from error
    except _NoDecoderError as error:
        raise InvalidImageError("looking into zstd archives needs the extra: pip install 'lxdimg-nb[zstd]'") from error
    except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib_error()) as error:
        raise InvalidImageError(f"the archive cannot be read: {str(error) or 'it ends too early'}") from error


def zlib_error() -> type[Exception]:
    """zlib's own error class."""
    import zlib

    return zlib.error


def inspect_image(source: Source, *, budget: int = MAX_DECOMPRESSED) -> ImageInspection:
    """What a rereadable file is, and what a server would refuse about it.

    Reads the first members of a tarball until metadata.yaml and the root were seen, at most `budget`
    decompressed bytes and 20,000 members.
    """
    with source.open() as file:
        head = file.read(HEAD)
    kind = file_kind(head)
    if kind == "squashfs":
        note = "whether there is a metadata.yaml in it only the server can tell; without one, give metadata="
        return ImageInspection(kind, notes=(note,))
    if not kind or kind == "qcow2":
        return ImageInspection(kind)
    try:
        with source.open() as file, open_tar(kind, file, limit=budget) as tar:
            return _scan(kind, tar)
    except InvalidImageError as error:
        if "extra" in error.message:
            return ImageInspection(kind, notes=(error.message,), whole=False)
        if "more than" in error.message:
            return ImageInspection(kind, notes=("metadata.yaml stands too far back to be checked here",), whole=False)
        return ImageInspection(kind, problems=(error.message,))


def _scan(kind: str, tar: tarfile.TarFile) -> ImageInspection:
    metadata: dict[str, Any] | None = None
    problems: list[str] = []
    notes: list[str] = []
    rootfs = ""
    for number, member in enumerate(tar):
        name = member.name.removeprefix("./").rstrip("/")
        if name == "metadata.yaml":
            metadata, trouble = read_metadata(tar, member)
            problems += trouble
        elif name == "rootfs.img":
            rootfs = "virtual-machine"
        elif not rootfs and (name == "rootfs" or name.startswith("rootfs/")):
            rootfs = "container"
            if name == "rootfs" and member.issym():
                problems.append("rootfs is a symbolic link")
        if member.name.startswith("/") or ".." in member.name.split("/"):
            notes.append(f"a member is named {member.name[:80]!r}")
        if metadata is not None and rootfs:
            return _judged(kind, metadata, rootfs, problems, notes, whole=False)
        if number >= MAX_MEMBERS:
            return _judged(kind, metadata, rootfs, problems, notes, whole=False)
    return _judged(kind, metadata, rootfs, problems, notes, whole=True)


def read_metadata(tar: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[dict[str, Any] | None, list[str]]:
    """The content of metadata.yaml, read with limits, and what is wrong with it."""
    import yaml

    if not member.isfile():
        return {}, ["metadata.yaml is no ordinary file"]
    if member.size > MAX_METADATA:
        return {}, [f"metadata.yaml has {member.size} bytes; servers take {MAX_METADATA}"]
    file = tar.extractfile(member)
    assert file is not None
    try:
        data = yaml.safe_load(file.read(MAX_METADATA + 1))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return {}, [f"metadata.yaml is no YAML: {' '.join(str(error).split())[:200]}"]
    if _unfolded(data, {}) > MAX_METADATA:
        # References within references: a few lines that are gigabytes once written out. Go's YAML refuses them, too.
        return {}, ["metadata.yaml repeats itself by references more often than servers take"]
    return (data, []) if isinstance(data, dict) else ({}, ["metadata.yaml holds no mapping"])


def _unfolded(node: object, known: dict[int, float]) -> float:
    """How many values a document has with its references written out; endless where one holds itself."""
    if not isinstance(node, dict | list | set | tuple):
        return 1
    if id(node) not in known:
        known[id(node)] = math.inf
        inner = [*node.keys(), *node.values()] if isinstance(node, dict) else node
        known[id(node)] = 1 + sum(_unfolded(item, known) for item in inner)
    return known[id(node)]


def _judged(
    kind: str,
    metadata: dict[str, Any] | None,
    rootfs: str,
    problems: list[str],
    notes: list[str],
    *,
    whole: bool,
) -> ImageInspection:
    if metadata is None:
        if whole:
            return ImageInspection(kind, None, rootfs, tuple(problems), tuple(notes), whole)
        return ImageInspection(
            kind,
            None,
            rootfs,
            tuple(problems),
            (*notes, "metadata.yaml was not among the first files"),
            whole,
        )
    if metadata or not problems:
        architecture = metadata.get("architecture")
        if str(architecture) not in ARCHITECTURES:
            problems.append(f"metadata.yaml: architecture {architecture!r} is not known to servers")
        date = metadata.get("creation_date")
        if not isinstance(date, int) or isinstance(date, bool) or date == 0:
            problems.append("metadata.yaml: creation_date is missing; it must be seconds since 1970, not 0")
    expiry = metadata.get("expiry_date")
    if isinstance(expiry, int) and 0 < expiry < time.time():
        notes.append("the image says it has expired; servers take it all the same")
    stated = metadata.get("properties")
    properties = {str(k): _scalar(v) for k, v in stated.items()} if isinstance(stated, dict) else {}
    return ImageInspection(kind, metadata, rootfs, tuple(problems), tuple(notes), whole, properties)


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
