"""Generated image files: archives, compressed streams, disks, bundles, metadata.yaml."""

from __future__ import annotations

import contextlib
import io
import lzma
import zlib
from typing import Any

import yaml

from lxdimg_nb.client.files.bundle import read_bundle
from lxdimg_nb.client.files.formats.archive import Member, open_tar
from lxdimg_nb.client.files.formats.decompression import Decompressed
from lxdimg_nb.client.files.formats.disk_images import check_qcow2, check_squashfs, describe_format
from lxdimg_nb.client.files.formats.file_kinds import ARCHIVES, file_kind, file_suffix
from lxdimg_nb.client.files.formats.metadata_yaml import parse_metadata
from lxdimg_nb.client.files.image_files import ImageFiles
from tests.kit import factory
from tests.kit.fuzz import fuzz, mutated, odd_json, sentences

LIMIT = 1 << 20

_TAR = factory.small(1, compression="none")
_PACKED = {kind: factory.compress(_TAR, kind) for kind in ("gz", "bz2", "xz", "zst", "lzma")}
_METADATA, _ROOT = factory.split(2)
_QCOW2 = factory.qcow2()
_YAML = factory.metadata_yaml(1, expiry_date=0)
_DISKS = [
    _QCOW2,
    b"QFI\xfb" + (2).to_bytes(4, "big") + bytes(500),
    b"KDMV" + bytes(508),
    b"vhdxfile" + bytes(504),
    b"hsqs" + bytes(92),
    b"<<< Oracle VM VirtualBox Disk Image >>>" + bytes(500),
    bytes(510) + b"\x55\xaa" + b"EFI PART" + bytes(504),
]


@fuzz("images, unified", mutated([_TAR, *_PACKED.values(), _QCOW2]))
def test_a_unified_image(data: bytes) -> None:
    """What `check()` and an import find out."""
    files = ImageFiles.of(data or b"x").read_to_the_end(lambda _: None)

    assert all(isinstance(text, str) for text in (*files.problems, *files.notes, files.name))


@fuzz("images, split", mutated([_METADATA, _ROOT, _TAR, *_DISKS]))
def test_a_split_image(data: bytes) -> None:
    """Either part may be anything."""
    for root, metadata in ((data or b"x", _METADATA), (_ROOT, data or b"x")):
        ImageFiles.of(root, metadata).read_to_the_end(lambda _: None)


@fuzz("tarballs", mutated([_TAR, factory.tar({"a/../b": b"x", "/c": b"", "d" * 150: b"y" * 600})]))
def test_a_tarball(data: bytes) -> None:
    with open_tar("tar", io.BytesIO(data), limit=LIMIT) as tar:  # type: ignore[arg-type]
        for info in tar:
            assert Member.from_tar(info).size >= 0


@fuzz("compressed streams", mutated(list(_PACKED.values())))
def test_a_compressed_stream(data: bytes) -> None:
    kind = {"tar.gz": "gz", "tar.bz2": "bz2", "tar.xz": "xz", "tar.zst": "zstd", "tar.lzma": "lzma"}.get(
        file_kind(data)
    )
    for one in [kind] if kind else ("gz", "bz2", "xz", "zstd", "lzma"):
        with contextlib.suppress(EOFError, OSError, lzma.LZMAError, zlib.error):
            stream, size = Decompressed(one, io.BytesIO(data)), 0
            while size < LIMIT and (piece := stream.read(65536)):
                assert len(piece) <= 2 * LIMIT
                size += len(piece)


@fuzz("disks and other files", mutated([*_DISKS, _TAR[:600], _PACKED["xz"]]))
def test_the_beginning_of_a_file(head: bytes) -> None:
    assert file_kind(head) in (*ARCHIVES, "qcow2", "squashfs", "")
    assert not file_suffix(head) or file_suffix(head).startswith(".")
    for size in (None, 0, len(head), 1 << 40):
        problems, notes = check_qcow2(head, size)
        assert all([*problems, *notes]) or not [*problems, *notes]
        assert isinstance(check_squashfs(head, size), str)
    assert len(describe_format(head, head[-512:])) == 2


def _bundle() -> bytes:
    file = io.BytesIO()
    for name, content in (("lxdimg-bundle.json", b"{}"), ("metadata", _METADATA), ("rootfs", _ROOT)):
        file.write(factory.tar({name: content})[: -2 * 512])
    return file.getvalue() + bytes(1024)


@fuzz("bundles", mutated([_bundle()]))
def test_a_bundle(data: bytes) -> None:
    found = read_bundle(io.BytesIO(data))

    assert found is None or all(0 < one.offset <= one.offset + one.size <= len(data) for one in found)


_TOKENS = [
    *("architecture", "creation_date", "expiry_date", "properties", "templates", "os", "a", "x86_64", "1700000000"),
    *(
        ": ",
        ":\n  ",
        "\n",
        "\n  ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&a ",
        "*a",
        "<<: ",
        "!!int ",
        "!x ",
        "|\n ",
        "> ",
        "'",
    ),
    *(
        '"',
        "#",
        "~",
        "null",
        "yes",
        "0x1f",
        "1e400",
        "12:30:45",
        "2026-01-31",
        ".nan",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\t",
    ),
]


@fuzz("metadata.yaml, bytes", mutated([_YAML]))
def test_a_changed_metadata_yaml(content: bytes) -> None:
    _metadata(content)


@fuzz("metadata.yaml, syntax", sentences(_TOKENS, most=14))
def test_a_metadata_yaml_of_words(text: str) -> None:
    _metadata(text.encode(errors="replace"))


@fuzz("metadata.yaml, values", odd_json([yaml.safe_load(_YAML)]))
def test_a_metadata_yaml_with_odd_values(document: Any) -> None:
    _metadata(yaml.safe_dump(document).encode(errors="replace"))


def _metadata(content: bytes) -> None:
    found, problems, _ = parse_metadata(content)

    assert isinstance(found, dict)
    assert all(isinstance(text, str) and text for text in problems)
    properties = found.get("properties", {})
    assert not isinstance(properties, dict) or problems or all(isinstance(v, str) for v in properties.values())
