"""Looking inside images without downloading them, on all three servers."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
from pathlib import Path

import pytest

from lxdimg_nb import Client
from lxdimg_nb.errors import InvalidImageError, InvalidRequestError
from tests.kit import factory
from tests.kit.servers import RunningServer

MIB = 1024 * 1024


def test_an_image_is_a_seekable_file(server: RunningServer, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "big.tar"
    factory.big(path, 5 * MIB, seed=3)
    image = client.images.create(path, wait=True)
    content = path.read_bytes()
    choice = random.Random(4)

    with image.open() as file:
        for _ in range(20):
            at, count = choice.randrange(len(content) + 10), choice.randrange(MIB)
            file.seek(at)
            assert file.read(count) == content[at : at + count]
        file.seek(-100, io.SEEK_END)
        assert file.read() == content[-100:]
        file.seek(0)
        assert hashlib.sha256(file.read()).hexdigest() == image.fingerprint
        with pytest.raises(ValueError, match="before"):
            file.seek(-1)


def test_a_tarball_is_read_over_the_line(server: RunningServer, client: Client) -> None:
    server.add_image(factory.small(1, compression="none", rootfs_files={"etc/motd": b"hello\n"}), aliases=["x"])

    with client.images.get("x").open() as file, tarfile.open(fileobj=file) as tar:
        motd = tar.extractfile("rootfs/etc/motd")
        assert motd is not None
        assert motd.read() == b"hello\n"


def test_a_split_image_cannot_be_opened_as_one_file(server: RunningServer, client: Client) -> None:
    fingerprint = server.add_image(factory.split(1))

    with pytest.raises(InvalidRequestError, match="split"):
        client.images.get(fingerprint).open()


@pytest.mark.parametrize("compression", ["gz", "xz", "bz2", "none"])
def test_the_contents_are_metadata_and_a_frame_of_files(
    server: RunningServer, client: Client, compression: str
) -> None:
    data = factory.small(2, compression=compression, rootfs_files={"etc/motd": b"hello\n"})  # type: ignore[arg-type]
    fingerprint = server.add_image(data)

    contents = client.images.get(fingerprint).contents()

    assert contents.metadata["architecture"] == "x86_64"
    assert contents.metadata["properties"] == factory.properties(2)
    assert contents.complete
    files = contents.files
    assert files.loc["rootfs/etc/motd", "size"] == 6
    assert files.loc["rootfs/etc/motd", "kind"] == "file"
    assert files.index.name == "path"
    assert "0644" in repr(files), "a mode is read as chmod takes it"
    assert str(files["modified_at"].dtype) == "datetime64[us, UTC]"


def test_of_a_split_image_the_metadata_part_is_listed(server: RunningServer, client: Client) -> None:
    fingerprint = server.add_image(factory.split(3))

    contents = client.images.get(fingerprint).contents()

    assert list(contents.files.index) == ["metadata.yaml"]
    assert not contents.complete
    # The connection is fit for another request after a body that was not read to its end.
    assert client.images.get(fingerprint).fingerprint == fingerprint


def test_two_images_are_compared_in_one_line(server: RunningServer, client: Client) -> None:
    one = server.add_image(factory.small(4, rootfs_files={"same": b"1", "changed": b"1", "gone": b"1"}))
    two = server.add_image(factory.small(4, rootfs_files={"same": b"1", "changed": b"22", "new": b"1"}))

    diff = client.images.get(one).contents().compare(client.images.get(two).contents())

    found = diff["change"].astype(str).to_dict()
    assert found == {"rootfs/changed": "changed", "rootfs/gone": "removed", "rootfs/new": "added"}
    assert diff.loc["rootfs/changed", "size_after"] == 2


def test_what_cannot_be_listed_is_said(server: RunningServer, client: Client) -> None:
    # A member whose header lies about its size: servers take it, they look at metadata.yaml only.
    data = bytearray(factory.small(5, compression="none", rootfs_files={"x": b"1" * 5000}))
    fingerprint = server.add_image(bytes(data[: len(data) - 12 * 1024]) if len(data) > 16 * 1024 else bytes(data))

    contents = client.images.get(fingerprint)

    try:
        contents.contents()
    except InvalidImageError as error:
        assert "\n" not in str(error)
