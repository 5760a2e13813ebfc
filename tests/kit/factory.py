"""Images for tests: small ones, split ones, big ones and broken ones, the same bytes for the same number.

Every image is what a server accepts (or, in `BROKEN`, refuses), made here and not fetched: a few hundred
bytes, and a fingerprint of its own for every number. The big ones are written in constant memory.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import random
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import yaml

Compression = Literal["gz", "xz", "bz2", "zst", "none"]

DAY = 86_400
FIRST_DAY = 1_700_000_000
"""Creation date of image 0, in seconds since 1970; image i is i days younger."""

_BLOCK = 1 << 20
_SYSTEMS = (
    ("Debian", "bookworm"),
    ("Ubuntu", "noble"),
    ("Alpine", "3.20"),
    ("Fedora", "41"),
    ("openSUSE", "15.6"),
)


def properties(i: int = 0) -> dict[str, str]:
    """The properties that image `i` carries when a test does not name its own."""
    system, release = _SYSTEMS[i % len(_SYSTEMS)]
    return {
        "description": f"{system} {release} amd64 (test image {i})",
        "name": f"test-{i:06d}",
        "os": system,
        "release": release,
        "serial": f"2023{i:06d}",
        "variant": "default" if i % 3 else "cloud",
    }


def small(
    i: int = 0,
    *,
    properties: Mapping[str, object] | None = None,
    arch: str = "x86_64",
    type: Literal["container", "virtual-machine"] = "container",
    compression: Compression = "gz",
    creation_date: int | None = None,
    expiry_date: int | None = None,
    with_properties: bool = True,
    rootfs_files: Mapping[str, bytes] | None = None,
) -> bytes:
    """A unified image of about 400 bytes.

    Args:
        i: the image's number: another number is another fingerprint.
        properties: instead of those of `properties(i)`.
        arch: as metadata.yaml says it; `amd64` is a spelling that servers normalise.
        type: decides between `rootfs/` and `rootfs.img` in the tarball.
        compression: of the tarball; `zst` needs the extra `zstd`.
        creation_date: seconds since 1970.
        expiry_date: seconds since 1970; None leaves it out.
        with_properties: False leaves the mapping out of metadata.yaml.
        rootfs_files: further files of a container: path below rootfs/ → content.
    """
    document = metadata_yaml(i, properties, arch, creation_date, expiry_date, with_properties)
    entries = {"metadata.yaml": document}
    if type == "virtual-machine":
        entries["rootfs.img"] = qcow2()
    else:
        entries["rootfs/"] = b""
        entries["rootfs/id"] = b"%d\n" % i
        entries.update({f"rootfs/{path}": data for path, data in (rootfs_files or {}).items()})
    return compress(tar(entries), compression)


def split(
    i: int = 0,
    vm: bool = False,
    *,
    rootfs: Literal["squashfs", "tar"] = "squashfs",
    compression: Compression = "gz",
) -> tuple[bytes, bytes]:
    """A split image: the metadata tarball and the root file system.

    A server never looks into the second part. `squashfs` has the magic bytes and nothing that could be
    mounted; `tar` is real, so that an instance can be made of it; a virtual machine's is an empty qcow2 disk.
    """
    metadata = compress(tar({"metadata.yaml": metadata_yaml(i)}), compression)
    if vm:
        return metadata, qcow2()
    if rootfs == "tar":
        return metadata, compress(tar({"etc/": b"", "etc/hostname": b"test-%d\n" % i}), compression)
    return metadata, b"hsqs" + random.Random(i).randbytes(508)


def big(path: Path, size: int, seed: int = 0) -> str:
    """Write an uncompressed unified image with `size` bytes of payload; returns its fingerprint."""
    with path.open("wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
        _add(archive, "metadata.yaml", metadata_yaml(seed))
        _add(archive, "rootfs/", b"")
        member = _member("rootfs/payload", size)
        archive.addfile(member, Payload(size, seed))
    return fingerprint(path)


def bigsplit(metadata: Path, rootfs: Path, size: int, seed: int = 0) -> str:
    """Write a split image whose root file system is `size` bytes; returns its fingerprint."""
    metadata.write_bytes(compress(tar({"metadata.yaml": metadata_yaml(seed)})))
    source = Payload(size, seed)
    with rootfs.open("wb") as file:
        while block := source.read(_BLOCK):
            file.write(block)
    return fingerprint(metadata, rootfs)


def fingerprint(*parts: bytes | Path) -> str:
    """SHA-256 over the parts in their order: the image's identity for a server.

    Source: lxd/images.go, getImgPostInfo (unified: the file; split: metadata, then rootfs).
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, bytes):
            digest.update(part)
            continue
        with part.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


class Payload(io.RawIOBase):
    """A readable stream of `size` pseudo-random bytes, the same for the same seed, held a block at a time."""

    def __init__(self, size: int, seed: int) -> None:
        super().__init__()
        self._left = size
        self._random = random.Random(seed)
        self._block = b""
        self._at = 0

    def readable(self) -> bool:
        """Always: it is only ever read."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        pieces = []
        while wanted:
            if self._at == len(self._block):
                self._block, self._at = self._random.randbytes(_BLOCK), 0
            piece = self._block[self._at : self._at + wanted]
            self._at += len(piece)
            pieces.append(piece)
            wanted -= len(piece)
            self._left -= len(piece)
        return b"".join(pieces)


def metadata_yaml(
    i: int = 0,
    own_properties: Mapping[str, object] | None = None,
    arch: str = "x86_64",
    creation_date: int | None = None,
    expiry_date: int | None = None,
    with_properties: bool = True,
) -> bytes:
    """The metadata.yaml of image `i`."""
    document: dict[str, object] = {
        "architecture": arch,
        "creation_date": FIRST_DAY + i * DAY if creation_date is None else creation_date,
    }
    if expiry_date is not None:
        document["expiry_date"] = expiry_date
    if with_properties:
        document["properties"] = properties(i) if own_properties is None else dict(own_properties)
    return yaml.safe_dump(document, allow_unicode=True).encode()


def tar(entries: Mapping[str, bytes]) -> bytes:
    """An uncompressed tarball; a name that ends in a slash is a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in entries.items():
            _add(archive, name, data)
    return buffer.getvalue()


def compress(data: bytes, compression: Compression = "gz") -> bytes:
    """The same bytes for the same data: no time stamp goes in."""
    if compression == "gz":
        return gzip.compress(data, mtime=0)
    if compression == "xz":
        return lzma.compress(data)
    if compression == "bz2":
        return bz2.compress(data)
    if compression == "zst":
        import zstandard

        return zstandard.ZstdCompressor().compress(data)
    return data


def qcow2(virtual_size: int = 1 << 20) -> bytes:
    """An empty qcow2 disk of four 512-byte clusters: header, refcount table, refcount block, L1 table.

    Source: QEMU's docs/interop/qcow2.rst, version 2.
    """
    cluster = 512
    header = struct.pack(
        ">4sIQIIQIIQQIIQ",
        *(b"QFI\xfb", 2, 0, 0, 9, virtual_size, 0),
        *(virtual_size // (cluster * cluster // 8), 3 * cluster, cluster, 1, 0, 0),
    )
    refcount_table = struct.pack(">Q", 2 * cluster)
    refcount_block = struct.pack(">4H", 1, 1, 1, 1)
    return b"".join(part.ljust(cluster, b"\0") for part in (header, refcount_table, refcount_block, b""))


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name.rstrip("/"))
    member.size = size
    member.mode = 0o755 if name.endswith("/") else 0o644
    member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
    return member


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    archive.addfile(_member(name, len(data)), io.BytesIO(data))


_ROOTFS = {"rootfs/": b"", "rootfs/id": b"0\n"}

BROKEN: dict[str, bytes] = {
    "not an archive": b"This is a letter, not an image.\n" * 20,
    "empty": b"",
    "truncated gzip": small(0)[:-150],
    "no metadata.yaml": compress(tar(_ROOTFS)),
    "bad architecture": small(0, arch="pdp11"),
    "no date": compress(tar({"metadata.yaml": b"architecture: x86_64\n", **_ROOTFS})),
    "bad yaml": compress(tar({"metadata.yaml": b"architecture: [x86_64\n\tcreation_date", **_ROOTFS})),
    "neither rootfs": compress(tar({"metadata.yaml": metadata_yaml(0)})),
}
"""What is wrong → the bytes: servers take each with a 202 and then fail the operation."""
