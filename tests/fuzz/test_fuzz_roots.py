"""Generated root file systems, container images, squashfs and disks: they become an image, or are refused in words."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

import lxdimg_nb
from lxdimg_nb.client.files.formats.archive_contents import ArchiveNames
from lxdimg_nb.client.files.inside.disk import read_disk_facts
from lxdimg_nb.client.files.inside.elf import elf_architecture
from lxdimg_nb.client.files.inside.os_release import parse_os_release
from lxdimg_nb.client.files.inside.squashfs import open_squashfs
from lxdimg_nb.client.files.root_tarball import root_tarball
from lxdimg_nb.values.architecture import kernel_architecture
from tests.kit import container_images as oci
from tests.kit import disks, factory
from tests.kit.container_images import Image, layer, member
from tests.kit.fuzz import fuzz, mutated, odd_json, sentences

TOP = layer(member("etc/.wh.hosts"), member("etc/more", b"more"), member("usr/.wh..wh..opq"))
APP = Image([oci.system(), TOP])
LAYOUT = oci.oci_files(APP, docker=True)


def _made(data: bytes) -> None:
    """Make metadata and the tarball, and look at both."""
    metadata = lxdimg_nb.image_metadata(data)
    assert kernel_architecture(metadata.architecture)
    assert repr(metadata) and metadata._repr_html_()
    with root_tarball(data, metadata) as (file, _):
        if isinstance(file, Path):
            _check(file)


def _check(path: Path) -> None:
    """A merged tarball unpacks to what it says: each name once, none through a link, targets before their links."""
    seen: dict[str, bytes] = {}
    with tarfile.open(path) as tar:
        for info in tar:
            parts = info.name.split("/")
            assert info.name not in seen and ".." not in parts and not info.name.startswith("/")
            assert not any(seen.get("/".join(parts[:i])) == tarfile.SYMTYPE for i in range(1, len(parts)))
            assert not info.islnk() or info.linkname in seen
            seen[info.name] = info.type


@fuzz("root file systems", mutated([oci.system(), gzip.compress(oci.system(), mtime=0)]))
def test_a_root_file_system(data: bytes) -> None:
    _made(data)


@fuzz("docker save", mutated([oci.docker_save(APP), oci.docker_save(APP, APP)]))
def test_a_docker_save_file(data: bytes) -> None:
    _made(data)


@fuzz("OCI archives", mutated([oci.oci_archive(LAYOUT), oci.oci_archive(oci.oci_files(APP, nested=True))]))
def test_an_oci_archive(data: bytes) -> None:
    _made(data)


_JSON = [name for name, content in LAYOUT.items() if content.startswith((b"{", b"["))]


@st.composite
def _changed_layout(draw: st.DrawFn) -> bytes:
    """A layout with one changed document, under a digest of its own that its index names, and so on."""
    files: dict[str, Any] = dict(LAYOUT)
    name = draw(st.sampled_from(_JSON))
    document = draw(odd_json([json.loads(files[name])]))
    content = json.dumps(document).encode()
    old, new = name.rpartition("/")[2], oci.digest(content)[7:]
    del files[name]
    while "/" in name:
        files[f"blobs/sha256/{new}"] = content
        name = next(path for path, text in files.items() if path in _JSON and old.encode() in text)
        content = files.pop(name).replace(old.encode(), new.encode())
        old, new = name.rpartition("/")[2], oci.digest(content)[7:]
    return oci.oci_archive({**files, name: content})


@fuzz("OCI documents", _changed_layout(), quick=60)
def test_the_documents_of_a_container_image(data: bytes) -> None:
    _made(data)


_PARTS = st.sampled_from(["a", "b", "c", ".wh.a", ".wh.b", ".wh..wh..opq", ".wh..wh.plnk", "..", ".", "", ".wh."])
_NAMES = st.lists(_PARTS.filter(lambda part: part not in ("..", ".wh.")) | st.just("a"), min_size=1, max_size=4)
_TARGETS = st.lists(st.sampled_from(["a", "b", "c", "..", ""]), min_size=1, max_size=5)
_TYPES = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, b"V"]


@st.composite
def _members(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo("/".join(draw(_NAMES)) or "./")
    info.type = draw(st.sampled_from(_TYPES))
    content = draw(st.binary(max_size=3)) if info.type == tarfile.REGTYPE else b""
    info.size = len(content)
    linked = info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE)
    info.linkname = "/".join(draw(_TARGETS) if info.type == tarfile.SYMTYPE else draw(_NAMES)) if linked else ""
    return info, content


_LAYERS = st.lists(st.lists(_members(), max_size=8).map(lambda members: layer(*members)), min_size=1, max_size=4)


@fuzz("layers", _LAYERS, quick=100)
def test_layers_of_all_kinds_of_members(layers: list[bytes]) -> None:
    _made(oci.docker_save(Image(layers)))


@fuzz("kinds of tarballs", st.lists(st.text(max_size=12), max_size=20))
def test_the_names_in_a_tarball(names: list[str]) -> None:
    found = ArchiveNames()
    for name in names:
        found.add(tarfile.TarInfo(name))

    assert all(isinstance(text, str) for text in found.describe())


_WORDS = ["ID", "VERSION_ID", "PRETTY_NAME", "=", '"', "'", "\n", "\\", "$(id)", "#", " ", "\0", "\x1b[31m", "12"]


@fuzz("os-release", sentences(_WORDS, most=20))
def test_an_os_release(text: str) -> None:
    found = parse_os_release(text.encode("utf-8", "surrogatepass"))

    assert all(key.isidentifier() and "\0" not in value for key, value in found.items())


@fuzz("ELF headers", mutated([oci.elf(62), oci.elf(40, bits=32), oci.elf(22, little=False)]))
def test_an_elf_header(head: bytes) -> None:
    found = elf_architecture(head)

    assert not found or kernel_architecture(found) == found


_EFI = disks.fat(["BOOTAA64.EFI"])
_DISKS = [disks.gpt((disks.ESP, _EFI))[: 1 << 20], disks.iso(["BOOTX64.EFI"]), _EFI[:40_000], disks.fat([], wide=True)]


@fuzz("disks", mutated([disk[:60_000] for disk in _DISKS]))
def test_a_raw_disk(data: bytes) -> None:
    found = read_disk_facts("", io.BytesIO(data), len(data))

    assert not found.architecture[0] or kernel_architecture(found.architecture[0])


@fuzz("qcow2", mutated([disks.qcow2(_EFI[:30_000], bits=9), disks.qcow2(_EFI[:60_000], compressed=True, bits=12)]))
def test_a_qcow2(data: bytes) -> None:
    lxdimg_nb.image_metadata(data, architecture="arm64")


def _squashfs(files: Mapping[str, bytes]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder) / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        command = ["mksquashfs", f"{folder}/root", f"{folder}/made", "-noappend", "-quiet", "-no-progress"]
        try:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        except OSError:
            return b""
        return (Path(folder) / "made").read_bytes()


_SQUASHFS = _squashfs(
    {
        "metadata.yaml": factory.metadata_yaml(1),
        "etc/os-release": oci.DEBIAN,
        "bin/sh": oci.elf() + bytes(300_000),
        **{f"usr/{i}": b"%d" % i for i in range(200)},
    }
)


@pytest.mark.skipif(not _SQUASHFS, reason="mksquashfs is not installed")
@fuzz("squashfs", mutated([_SQUASHFS or b"hsqs"]), quick=100)
def test_a_squashfs(data: bytes) -> None:
    with open_squashfs(io.BytesIO(data)) as files:
        for path in ("metadata.yaml", "etc/os-release", "bin/sh", "usr/nothing/here"):
            assert files.readlink(path) is None
            content = files.read(path, 1000)
            assert content is None or len(content) <= 1000
        assert sum(1 for _ in files.members()) < 10_000
