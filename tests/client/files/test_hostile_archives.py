"""Archives that are meant to harm, through everything that reads one: told in words, in bounded memory and time."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import tarfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.client.files.formats import archive
from lxdimg_nb.client.files.image_files import ImageFiles
from lxdimg_nb.client.files.root_tarball import root_tarball
from tests.fuzz.test_fuzz_roots import _check as check_merged
from tests.kit.counts import count, long_run
from tests.kit.hostile_server import HostileServer, http_reply, survives
from tests.kit.inventories import image

MIB = 1 << 20
# How often what is repeated is repeated.
MANY = 200_000 if long_run() else 4_000
BOMB = (300 if long_run() else 16) * MIB
MEMORY = (1024 if long_run() else 192) * MIB
END = bytes(1024)


def header(name: str, size: int = 0, type: bytes = b"0", link: str = "", **fields: Any) -> bytes:
    """512 bytes before a member."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, type, link
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT)


def file(name: str, content: bytes) -> bytes:
    return header(name, len(content)) + content + bytes(-len(content) % 512)


def pax(name: str, fields: dict[str, str], content: bytes = b"") -> bytes:
    """A member with extended attributes."""
    info = tarfile.TarInfo(name)
    info.size, info.pax_headers = len(content), fields
    return info.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % 512)


def sparse(name: str, more: bytes = b"") -> bytes:
    """A sparse file of 8 GiB of the old GNU kind, with further blocks of its map."""
    block = bytearray(header(name, 0, b"S"))
    block[386:482] = b"%011o\0" % 1 * 8
    block[482] = bool(more)
    block[483:495] = b"%011o\0" % (8**11 - 1)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + more


def base256(name: str, size: bytes) -> bytes:
    """A member whose size is written in twelve bytes of binary."""
    block = bytearray(header(name))
    block[124:136] = size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


GOOD = file("metadata.yaml", b"architecture: x86_64\ncreation_date: 1700000000\n")
MAP = (b"%011o\0" % 1 * 42 + b"\1").ljust(512, b"\0")
HUGE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
HOLES = b"9999999999\n" + b"0\n512\n" * MANY
HOLES += bytes(-len(HOLES) % 512)


def zeros(size: int) -> bytes:
    """Zeros, gzipped."""
    return gzip.compress(bytes(MIB), 1) * (size // MIB)


# What lies between metadata.yaml and the end, or instead of it; packed with gzip.
MEMBERS: dict[str, Callable[[], bytes]] = {
    "many files": lambda: GOOD + header("rootfs/a") * (5 * MANY),
    "long names": lambda: GOOD + pax("x", {"path": "rootfs/" + "n" * 900_000}) * (MANY // 200),
    "attributes for all": lambda: GOOD
    + b"".join(tarfile.TarInfo.create_pax_global_header({f"k{i}": "v" * 900_000}) for i in range(MANY // 100)),
    "headers before headers": lambda: GOOD + header("././@LongLink", 10, b"L") * 5000,
    "a name of 4 GiB": lambda: GOOD + header("././@LongLink", 1 << 32, b"L"),
    "a file of 2^70 bytes": lambda: GOOD + pax("rootfs/x", {"size": str(1 << 70)}),
    "a file of 2^49 bytes": lambda: GOOD + pax("rootfs/x", {"size": str(1 << 49)}),
    "a file of -5000 bytes": lambda: GOOD + pax("rootfs/x", {"size": "-5000"}),
    "2^94 bytes in binary": lambda: GOOD + base256("rootfs/x", b"\x80" + b"\x7f" * 11),
    "-1 byte in binary": lambda: GOOD + base256("rootfs/x", b"\xff" * 12),
    "times that are none": lambda: pax("etc/x", {"mtime": "nan", "uid": "inf", "gid": "-7"})
    + pax("etc/y", {"mtime": "1e400"})
    + pax("etc/z", {"mtime": "-1e18"}),
    "a map of holes without end": lambda: GOOD + pax("rootfs/x", HUGE, HOLES),
    "a map of holes that is none": lambda: GOOD + pax("rootfs/x", {"GNU.sparse.map": "x,,y", "GNU.sparse.size": "z"}),
    "a map of holes of half a pair": lambda: GOOD + pax("rootfs/x", HUGE, b"7\n1\n".ljust(512, b"\0")),
    "an old map of holes without end": lambda: GOOD + sparse("rootfs/x", MAP * (MANY // 4)),
    "metadata of holes": lambda: sparse("metadata.yaml"),
    "an os-release of holes": lambda: sparse("etc/os-release"),
    "metadata of 200 MB": lambda: header("metadata.yaml", 200 * MIB) + b"a: bcdef\n" * (200 * MANY),
    "metadata again and again": lambda: file("metadata.yaml", b"a: b\n" * 2000) * (MANY // 1000),
    "metadata that is a link": lambda: header("metadata.yaml", 0, b"2", "/etc/shadow"),
    "metadata that is a hard link": lambda: header("metadata.yaml", 0, b"1", "../../etc/shadow"),
    "metadata that is a device": lambda: header("metadata.yaml", 0, b"3", devmajor=1, devminor=3),
    "metadata that is a pipe": lambda: header("metadata.yaml", 0, b"6"),
    "metadata that is a folder": lambda: header("metadata.yaml", 0, b"5"),
    "links in a circle": lambda: GOOD + header("rootfs/a", 0, b"2", "b")
    + header("rootfs/b", 0, b"2", "a")
    + file("rootfs/a/x", b"1"),
    "links out of it": lambda: header("etc", 0, b"2", "/tmp") + file("etc/os-release", b"ID=x") + file("usr/x", b""),
    "a link to itself": lambda: header("etc/x", 0, b"1", "etc/x") + header("usr/x", 0, b"1", "usr/x"),
    "links to links": lambda: b"".join(header(f"etc/{i}", 0, b"2", f"{i + 1}") for i in range(MANY // 10)),
    "absolute names": lambda: file("/etc/os-release", b"ID=x") + file("//usr/x", b"") + file("/metadata.yaml", b""),
    "names that lead out": lambda: GOOD + file("rootfs/../../../../tmp/owned", b"x") * MANY,
    "names of nothing": lambda: file(".", b"x") + file("./.", b"x") + file("/", b"x") + header("", 0),
    "names of NUL": lambda: pax("etc/x", {"path": "etc/a\0b", "linkpath": "\0"}) + file("usr/x", b""),
    "files as folders": lambda: file("etc", b"x") + file("etc/os-release", b"")
    + header("etc/os-release/x", 0, b"5"),
    "deep folders": lambda: file("usr/" + "a/" * 1900 + "x", b"") + file("etc/x", b""),
    "devices and pipes": lambda: b"".join(header("dev/x", 0, kind, devmajor=1 << 20) for kind in (b"3", b"4", b"6"))
    + file("etc/x", b""),
    "kinds that there are not": lambda: b"".join(header(f"etc/{i}", 0, bytes([i])) for i in range(1, 256)),
}  # fmt: skip
GZ = lambda content: gzip.compress(content, 1)  # noqa: E731
FILES: dict[str, Callable[[], bytes]] = {
    **{name: lambda make=make: GZ(make() + END) for name, make in MEMBERS.items()},  # type: ignore[misc]
    "a bomb of gzip": lambda: GZ(GOOD + header("rootfs/x", 300 * MIB)) + zeros(300 * MIB) + GZ(END),
    "a bomb of xz": lambda: lzma.compress(GOOD + header("rootfs/x", BOMB) + bytes(BOMB) + END, preset=0),
    "a bomb of bzip2": lambda: bz2.compress(GOOD + header("rootfs/x", BOMB) + bytes(BOMB) + END, 1),
    # Blocks of a frame that each repeat a zero 128 Ki times.
    "a bomb of zstd": lambda: b"\x28\xb5\x2f\xfd\0\x58" + b"\2\0\x10\0" * (BOMB // (8 << 10)),
    "gzip of gzip of gzip": lambda: GZ(GZ(GZ(GOOD + END))),
    "nothing, packed again and again": lambda: GZ(GOOD + END) + gzip.compress(b"") * MANY,
    "nothing by zstd": lambda: b"\x28\xb5\x2f\xfd\x20\0\1\0\0" * MANY,
    "an old map of holes that breaks off": lambda: GZ(GOOD + sparse("rootfs/x", MAP)[:-100]),
    "zeros": lambda: zeros(64 * MIB),
}


@cache
def hostile(kind: str) -> bytes:
    return FILES[kind]()


def check(data: bytes, _: Client) -> None:
    """As `images.check`."""
    files = ImageFiles.of(data).read_to_the_end(lambda _: None)
    assert all(isinstance(text, str) and len(text) < 2000 for text in (*files.problems, *files.notes))
    assert len(files.problems) + len(files.notes) < 30


def check_root(data: bytes, _: Client) -> None:
    """As `images.check` of a split image, as its root file system."""
    files = ImageFiles.of(data, GZ(GOOD + END)).read_to_the_end(lambda _: None)
    assert len(files.problems) + len(files.notes) < 30


def make_metadata(data: bytes, _: Client) -> None:
    """As `create(…, metadata=image_metadata(…))`."""
    metadata = lxdimg_nb.image_metadata(data, architecture="x86_64")
    with root_tarball(data, metadata) as (made, _path):
        if isinstance(made, Path):
            check_merged(made)


def contents(_: bytes, client: Client) -> None:
    """What an image on a server holds."""
    found = client.images.all()[0].contents()
    assert repr(found) and len(found.files) == len(found.members)


READERS = {"check": check, "root": check_root, "metadata": make_metadata, "contents": contents}


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, which is also the current one."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@cache
def unit() -> float:
    """Seconds of the processor for 64 MiB, packed and hashed: what others take is measured in these."""
    begin = time.process_time()
    hashlib.sha256(gzip.compress(bytes(64 * MIB), 1)).hexdigest()
    return time.process_time() - begin


def reads(server: HostileServer, data: bytes, reader: str, memory: int = MEMORY) -> None:
    """Read a file within memory and time."""
    digest = hashlib.sha256(data).hexdigest()
    server.images = {digest: image(fingerprint=digest, size=len(data))}
    server.answers = {"/export": http_reply(data)}
    with lxdimg_nb.connect(server.url) as client:
        begin = time.process_time()
        survives("hostile archives", lambda: READERS[reader](data, client), memory=memory)
        assert time.process_time() - begin < (3000 if long_run() else 100) * unit()


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
def test_a_hostile_archive_is_told_in_words(server: HostileServer, temporary: Path, kind: str) -> None:
    # How it is packed is all that a root file system adds to what `check` reads.
    for reader in READERS if kind not in MEMBERS else [name for name in READERS if name != "root"]:
        reads(server, hostile(kind), reader)

        assert list(temporary.iterdir()) == []
    count("hostile archives", lost=len(list(Path("/tmp").glob("owned*"))))


def test_headers_without_a_limit_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = GZ(GOOD + sparse("rootfs/x", MAP * 20_000))
    assert "without end" in str(ImageFiles.of(data).problems)

    monkeypatch.setattr(archive, "MAX_HEADERS", 1 << 40)
    assert "without end" not in str(ImageFiles.of(data).problems)
