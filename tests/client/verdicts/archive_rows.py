"""Rows of the table of verdicts: archives that are cut off, damaged, or go on behind their end."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.client.verdicts.disk_rows import META
from tests.client.verdicts.rows import HEAD, Row, refused, useless
from tests.kit import factory

_DATA = random.Random(1).randbytes(300_000)
_TAR = factory.tar(
    {"metadata.yaml": HEAD.encode(), "rootfs/": b"", "rootfs/etc/": b"", "rootfs/data": _DATA, "rootfs/x": b"y" * 1000}
)
_ROOT = factory.tar({"etc/": b"", "etc/hostname": b"x\n", "data": _DATA})
# Where the header of the last member begins.
_LAST = _TAR.index(b"rootfs/x\0")
_RUBBISH = b"rubbish that is of no use at all"
_SKIPPABLE = struct.pack("<II", 0x184D2A50, 4) + b"abcd"


def _zst(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, mtime=0),
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "zst": _zst,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
}
# What each tool takes behind the end of a stream.
_TAKES = {
    "gz": {"zeros", "three zeros"},
    "xz": {"zeros"},
    "bz2": {"zeros", "three zeros", "rubbish", "zeros and rubbish", "much rubbish"},
    "zst": set[str](),
    "lzma": set[str](),
}


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


def _usable(data: bytes, metadata: bytes | None = None) -> Row:
    return Row(data, metadata, usable=True)


def _compressed(kind: str) -> Iterator[tuple[str, Row]]:
    pack = _PACKERS[kind]
    data = pack(_TAR)
    middle = len(_TAR) // 2
    yield "whole", _usable(data)
    # The old format has no further stream; xz then fails unless a lot is left to read.
    yield "in two streams", (_usable if kind != "lzma" else _useless)(pack(_TAR[:middle]) + pack(_TAR[middle:]))
    yield (
        "twice",
        _usable(data + data) if kind != "lzma" else Row(data + data, says="follows", problem=True, usable=True),
    )
    for count in (1, 4, 9):
        yield f"{count} bytes short", _useless(data[:-count])
    if kind != "bz2":  # whose first block is all that is here
        yield "half", _useless(data[: len(data) // 2])
        yield "a flipped bit in the middle", _useless(_flipped(data, len(data) // 2))
    yield "a flipped bit in the last byte", _useless(_flipped(data, len(data) - 1))
    yield "a flipped bit near the end", _useless(_flipped(data, len(data) - 6))
    # tar closes the pipe at its own end, before the others come to where it breaks.
    if kind != "lzma":
        yield "half a second stream", (_useless if kind == "bz2" else _usable)(data + data[: len(data) // 2])
    tails = {
        "zeros": bytes(512),
        "three zeros": bytes(3),
        "rubbish": _RUBBISH,
        "zeros and rubbish": bytes(8) + _RUBBISH,
    }
    for tail, more in tails.items():
        yield f"and {tail}", (_usable if tail in _TAKES[kind] else _useless)(data + more)


def _useless(data: bytes, metadata: bytes | None = None) -> Row:
    return useless(data, "cannot be unpacked", metadata=metadata, usable=False)


_GZ = _PACKERS["gz"]
_TARS = {
    "cut in a file": _useless(_TAR[: len(_TAR) // 2]),
    "cut in the last file": _useless(_TAR[: _LAST + 512 + 200]),
    "cut before a header": _usable(_TAR[:_LAST]),
    "cut in a header": _usable(_TAR[: _LAST + 100]),
    "a damaged header": _useless(_flipped(_TAR, _LAST + 10)),
    "a damaged file": _usable(_flipped(_TAR, len(_TAR) // 2)),
    "a block of zeros between": _usable(_TAR[:_LAST] + bytes(512) + _TAR[_LAST:]),
    "two blocks of zeros between": _usable(_TAR[:_LAST] + bytes(1024) + _TAR[_LAST:]),
    "rubbish behind its end": _usable(_TAR + _RUBBISH * 100),
}

ROWS: dict[str, Row] = {
    **{f"{kind}: {name}": row for kind in _PACKERS for name, row in _compressed(kind)},
    **{f"tar: {name}": row for name, row in _TARS.items()},
    **{f"tar within gz: {name}": replace(row, data=_GZ(row.data)) for name, row in _TARS.items()},
    "bz2: half": refused(bz2.compress(_TAR)[:100_000], "the archive cannot be read"),
    "zst: a skippable frame behind": _usable(_zst(_TAR) + _SKIPPABLE),
    "zst: a skippable frame before": refused(_SKIPPABLE + _zst(_TAR), "no archive that servers know"),
    "split: whole": _usable(_GZ(_ROOT), META),
    "split: half a root, gz": _useless(_GZ(_ROOT)[:100_000], META),
    "split: half a root, xz": _useless(lzma.compress(_ROOT)[:100_000], META),
    "split: the metadata 4 bytes short": _useless(_GZ(_ROOT), META[:-4]),
    "split: the metadata and rubbish": _useless(_GZ(_ROOT), META + _RUBBISH),
    "split: a broken metadata.yaml and half a root": Row(
        _GZ(_ROOT)[:100_000],
        _GZ(factory.tar({"metadata.yaml": b"architecture: x86_64\n"})),
        "refused",
        "refused",
        "the root file system cannot be unpacked",
        problem=True,
    ),
}
