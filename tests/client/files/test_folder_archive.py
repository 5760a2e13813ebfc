"""Folders packed as images that servers accept."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from lxdimg_nb import Client
from lxdimg_nb.client.files.folder_archive import pack_folder
from lxdimg_nb.errors import InvalidImageError
from lxdimg_nb.values import Progress
from tests.kit import factory
from tests.kit.servers import RunningServer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image, unpacked, with what a root file system has in it."""
    made = tmp_path / "my image"
    made.mkdir()
    with tarfile.open(fileobj=io.BytesIO(factory.small(1))) as tar:
        tar.extractall(made, filter="data")
    (made / "rootfs" / "etc").mkdir(parents=True, exist_ok=True)
    (made / "rootfs" / "etc" / "shadow").write_bytes(b"secret" * 100_000)
    (made / "rootfs" / "etc" / "shadow").chmod(0o640)
    os.link(made / "rootfs" / "etc" / "shadow", made / "rootfs" / "etc" / "same")
    (made / "rootfs" / "bin").symlink_to("/nowhere")
    os.mkfifo(made / "rootfs" / "pipe")
    return made


def test_a_packed_folder_is_an_image_that_servers_take(server: RunningServer, client: Client, folder: Path) -> None:
    with pack_folder(folder) as path:
        image = client.images.create(path, wait=True)

    assert image.properties == factory.properties(1)
    assert image.filename == "my image.tar.gz"
    assert not path.exists()


def test_owners_modes_and_links_are_kept(folder: Path) -> None:
    with pack_folder(folder) as path, tarfile.open(path) as tar:
        found = {member.name: member for member in tar}

    shadow, same = found["rootfs/etc/same"], found["rootfs/etc/shadow"]
    assert next(iter(found)) == "metadata.yaml"
    assert (shadow.mode, shadow.size, shadow.uid, shadow.uname) == (0o640, 600_000, os.getuid(), "")
    assert (same.islnk(), same.linkname) == (True, "rootfs/etc/same")
    assert (found["rootfs/bin"].issym(), found["rootfs/bin"].linkname) == (True, "/nowhere")
    assert found["rootfs/pipe"].isfifo()


def test_extended_attributes_are_kept(folder: Path) -> None:
    value = b"\x01\x00\x00\x02\xff\x00\x80"
    try:
        os.setxattr(folder / "rootfs" / "etc" / "shadow", "user.caps", value)
    except OSError as error:
        pytest.skip(f"this file system keeps none: {error}")

    with pack_folder(folder) as path, tarfile.open(path, errors="surrogateescape") as tar:
        headers = tar.getmember("rootfs/etc/same").pax_headers

    assert headers["SCHILY.xattr.user.caps"].encode("utf-8", "surrogateescape") == value


def test_the_same_folder_makes_the_same_file(folder: Path) -> None:
    with pack_folder(folder) as path:
        first = path.read_bytes()
    with pack_folder(folder) as path:
        assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("missing", "said"), [("metadata.yaml", "no metadata.yaml"), ("rootfs", "neither rootfs/ nor")]
)
def test_a_folder_that_is_not_an_image_is_refused(folder: Path, missing: str, said: str) -> None:
    (folder / missing).rename(folder / "elsewhere")

    with pytest.raises(InvalidImageError, match=said), pack_folder(folder):
        pass


def test_packing_reports_progress_and_can_be_stopped(folder: Path) -> None:
    told: list[Progress] = []

    def stop(progress: Progress) -> None:
        told.append(progress)
        if progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), pack_folder(folder, progress=stop):
        pass

    assert told[-1].phase == "pack"
    assert 0 < told[-1].done <= (told[-1].total or 0)
