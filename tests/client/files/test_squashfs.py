"""squashfs is looked into, where the extra for it is installed: metadata.yaml, os-release, programs, the list."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.errors import InvalidImageError
from tests.conftest import missing
from tests.kit import container_images as oci
from tests.kit import factory
from tests.kit.servers import RunningServer

Pack = Callable[..., Path]


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """Makes a squashfs of files: name → content; a name that ends in `@` is a link to the content."""
    if shutil.which("mksquashfs") is None:
        missing("mksquashfs is not installed")

    def make(files: dict[str, bytes], compression: str = "gzip") -> Path:
        folder = tmp_path / "folder"
        for name, content in files.items():
            path = folder / name.rstrip("@")
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("@"):
                path.symlink_to(content.decode())
            else:
                path.write_bytes(content)
        target = tmp_path / f"image.{compression}.squashfs"
        command = ["mksquashfs", folder, target, "-comp", compression, "-noappend", "-quiet", "-no-progress"]
        subprocess.run([*command, "-all-time", str(oci.CREATED_SECONDS), "-mkfs-time", "1700000000"], check=True)
        return target

    return make


ROOT = {
    "usr/lib/os-release": oci.DEBIAN,
    "etc/os-release@": b"../usr/lib/os-release",
    "etc/hostname": b"builder\n",
    "bin@": b"usr/bin",
    "usr/bin/dash": oci.elf(183) + os.urandom(300_000),
    "usr/bin/sh@": b"dash",
}
UNIFIED = {"metadata.yaml": factory.metadata_yaml(1), **{f"rootfs/{name}": content for name, content in ROOT.items()}}


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_a_root_file_system_tells_what_it_is(pack: Pack, compression: str) -> None:
    path = pack(ROOT, compression)

    made = lxdimg_nb.image_metadata(path)

    assert (made.architecture, made.properties["release"]) == ("aarch64", "bookworm")
    assert made.document["creation_date"] == oci.CREATED_SECONDS
    assert list(made.document["templates"]) == ["/etc/hostname"]
    assert made == lxdimg_nb.image_metadata(path.read_bytes())


def test_metadata_yaml_within_a_unified_image_is_read(client: Client, server: RunningServer, pack: Pack) -> None:
    path = pack(UNIFIED)

    found = client.images.check(path)
    image = client.images.create(path, wait=True)

    assert (found.problems, found.notes) == ((), ())
    assert (found.type, found.architecture) == ("container", "x86_64")
    assert found.properties == factory.properties(1) == server.get(f"images/{image.fingerprint}")["properties"]
    contents = image.contents()
    assert contents.complete and contents.metadata["architecture"] == "x86_64"
    files = contents.files
    assert files.loc["rootfs/usr/bin/dash", "size"] == len(ROOT["usr/bin/dash"])
    assert files.loc["rootfs/bin", "target"] == "usr/bin"
    assert files.loc["rootfs/etc", "kind"] == "directory"


def test_a_bad_metadata_yaml_is_told(demo: RunningServer, pack: Pack) -> None:
    with lxdimg_nb.connect(demo.url) as client:
        bad = client.images.check(pack(UNIFIED | {"metadata.yaml": b"architecture: pdp11\n"}))
        with pytest.raises(InvalidImageError, match="pdp11"):
            client.images.create(pack({}))

    assert any("'pdp11' is not known to servers" in problem for problem in bad.problems)


def test_without_metadata_it_is_told_what_it_is_and_with_them_it_is_well(demo: RunningServer, pack: Pack) -> None:
    path = pack(ROOT)

    with lxdimg_nb.connect(demo.url) as client:
        alone = client.images.check(path)
        split = client.images.check(path, metadata=lxdimg_nb.image_metadata(path))

    assert "it is the squashfs of a root file system" in alone.problems[0]
    assert (split.problems, split.notes, split.kind) == ((), (), "split")


@pytest.fixture
def without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if PySquashfsImage were not installed."""
    monkeypatch.setitem(sys.modules, "PySquashfsImage", None)


def test_a_missing_extra_is_named(without_the_extra: None, demo: RunningServer, pack: Pack) -> None:
    path = pack(UNIFIED)

    with lxdimg_nb.connect(demo.url) as client:
        found = client.images.check(path)
        image = client.images.create(path, wait=True)
        with pytest.raises(InvalidImageError, match=r"pip install 'lxdimg-nb\[inside\]'"):
            image.contents()
    with pytest.raises(InvalidImageError, match=r"pip install 'lxdimg-nb\[inside\]'"):
        lxdimg_nb.image_metadata(path)
    given = lxdimg_nb.image_metadata(path, architecture="arm64", os="Mine")

    assert found.problems == () and "pip install 'lxdimg-nb[inside]'" in found.notes[0]
    assert "not looked inside" in repr(given)


def test_a_damaged_one_is_not_taken_for_a_good_one(demo: RunningServer, pack: Pack) -> None:
    data = pack(ROOT).read_bytes()

    with pytest.raises(InvalidImageError, match="the squashfs cannot be read"):
        lxdimg_nb.image_metadata(data[: len(data) // 2])
    with lxdimg_nb.connect(demo.url) as client:
        assert "the squashfs cannot be read" in client.images.check(b"hsqs" + bytes(600)).notes[0]
