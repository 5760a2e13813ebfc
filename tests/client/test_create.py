"""Imports of every kind, on all three servers: what is asked of them is there afterwards, or nothing is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from lxdimg_nb import Client
from lxdimg_nb.errors import (
    ConflictError,
    ImageExistsError,
    InvalidImageError,
    InvalidRequestError,
)
from lxdimg_nb.values import Progress
from tests.kit import factory
from tests.kit.servers import RunningServer


@pytest.mark.parametrize("form", ["bytes", "path", "file", "stream"])
def test_an_image_comes_from_bytes_path_or_file(
    server: RunningServer, client: Client, tmp_path: Path, form: str
) -> None:
    data = factory.small(20)
    path = tmp_path / "twenty.tar.gz"
    path.write_bytes(data)
    seen: list[Progress] = []

    if form == "bytes":
        image = client.images.create(data, wait=True, progress=seen.append)
    elif form == "path":
        image = client.images.create(path, wait=True, progress=seen.append)
    elif form == "file":
        with path.open("rb") as file:
            image = client.images.create(file, wait=True, progress=seen.append)
            assert not file.closed
    else:
        image = client.images.create(_Once(data), wait=True, progress=seen.append)

    assert image.fingerprint == factory.fingerprint(data)
    assert image.filename == ("twenty.tar.gz" if form in ("path", "file") else "")
    assert [p.done for p in seen if p.phase == "send"][-1] == len(data)


class _Once(io.RawIOBase):
    """A stream that can be read once, like a download."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        return self._inner.readinto(buffer)


@pytest.mark.parametrize("vm", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_split_image_is_told_apart_by_content(server: RunningServer, client: Client, vm: bool, swapped: bool) -> None:
    metadata, rootfs = factory.split(1, vm=vm)

    image = client.images.create(
        *((metadata,) if swapped else (rootfs,)), wait=True, metadata=rootfs if swapped else metadata
    )

    assert image.fingerprint == factory.fingerprint(metadata, rootfs)
    assert server.get(f"images/{image.fingerprint}")["type"] == ("virtual-machine" if vm else "container")


@pytest.mark.parametrize("given", [None, 'other "name".squashfs'])
def test_a_split_image_keeps_the_name_of_its_root_file(
    server: RunningServer, client: Client, tmp_path: Path, given: str | None
) -> None:
    metadata, rootfs = factory.split(4)
    (tmp_path / "meta.tar.gz").write_bytes(metadata)
    (tmp_path / "naïve.squashfs").write_bytes(rootfs)

    image = client.images.create(
        tmp_path / "naïve.squashfs", metadata=tmp_path / "meta.tar.gz", wait=True, filename=given
    )

    assert image.filename == ("other _name_.squashfs" if given else "naïve.squashfs")


@pytest.mark.parametrize(
    "name", ["naïve файл 日本.tar.gz", "100%+a&b;c=d.tar.gz", " led by a space.tar.gz", "a\tb\n.tar"]
)
@pytest.mark.parametrize("wait", [True, False])
def test_a_file_name_arrives_as_it_is_written(
    server: RunningServer, client: Client, tmp_path: Path, name: str, wait: bool
) -> None:
    (tmp_path / name).write_bytes(factory.small(5))

    image = client.images.create(tmp_path / name, wait=wait, aliases="a")

    if image.operation is not None:
        client.operations.wait(image.operation)
    # Headers hold no control characters and do not begin with a space.
    assert server.get(f"images/{image.fingerprint}")["filename"] == name.strip().replace("\t", "_").replace("\n", "_")


def test_create_sets_everything_at_once(server: RunningServer, client: Client) -> None:
    image = client.images.create(
        factory.small(21, with_properties=False),
        public=True,
        wait=True,
        filename="naïve файл.tar.gz",
        properties={"os": "debian", "кто": "мы"},
        aliases=["one", "two/deep"],
        auto_update=True,
        expires_at="2035-06-01",
        profiles=[],
    )

    raw = server.get(f"images/{image.fingerprint}")
    assert raw["properties"] == {"os": "debian", "кто": "мы"}
    assert sorted(a["name"] for a in raw["aliases"]) == ["one", "two/deep"]
    assert (raw["public"], raw["auto_update"], raw["profiles"]) == (True, True, [])
    assert raw["expires_at"].startswith("2035-06-01T00:00:00")
    assert raw["filename"] == "naïve файл.tar.gz"
    assert server.alive


def test_without_waiting_the_fingerprint_is_right_and_the_operation_runs(server: RunningServer, client: Client) -> None:
    data = factory.small(22)

    image = client.images.create(data)

    assert image.fingerprint == factory.fingerprint(data)
    assert image.operation is not None
    client.operations.wait(image.operation)
    assert image.reload().size == len(data)


@pytest.mark.parametrize("form", ["unified", "split", "vm"])
def test_without_waiting_names_properties_and_expiry_go_along(server: RunningServer, client: Client, form: str) -> None:
    data: bytes = factory.small(22)
    metadata = None
    if form != "unified":
        metadata, data = factory.split(22, vm=form == "vm")

    image = client.images.create(
        data,
        metadata=metadata,
        public=True,
        filename="f.bin",
        properties={"os": "mine", "new": "ü"},
        aliases=["one"],
        expires_at="2035-06-01",
    )
    assert image.operation is not None
    client.operations.wait(image.operation)

    raw = server.get(f"images/{image.fingerprint}")
    assert raw["properties"] == factory.properties(22) | {"os": "mine", "new": "ü"}
    assert [a["name"] for a in raw["aliases"]] == ["one"]
    assert raw["expires_at"].startswith("2035-06-01")
    assert raw["public"] is True
    with pytest.raises(InvalidRequestError, match="wait=True"):
        client.images.create(factory.small(23), auto_update=True)
    with pytest.raises(InvalidRequestError, match="wait=True"):
        client.images.create(_Once(factory.small(23)), aliases="two")


def test_an_image_that_is_there_is_refused_before_a_byte_is_sent(server: RunningServer, client: Client) -> None:
    data = factory.small(23)
    fingerprint = server.add_image(data, public=True)
    seen: list[Progress] = []

    with pytest.raises(ImageExistsError) as caught:
        client.images.create(data, wait=True, progress=seen.append)

    assert caught.value.fingerprint == fingerprint
    assert {p.phase for p in seen} == {"hash"}
    assert client.images.create(data, wait=True, exist_ok=True).public is True


def test_an_import_can_be_run_again_with_its_aliases(server: RunningServer, client: Client) -> None:
    data, other = factory.small(27), factory.small(28)
    fingerprint = server.add_image(data, aliases=["web"], properties={"mine": "yes"})

    again = client.images.create(data, wait=True, aliases=["web", "new"], properties={"mine": "no"}, exist_ok=True)

    assert (again.fingerprint, again.properties["mine"]) == (fingerprint, "yes")
    assert [a.name for a in again.aliases] == ["web"]
    server.add_image(other, aliases=["db"])
    for taken in (["db"], ["web", "db"]):
        with pytest.raises(ConflictError, match="taken"):
            client.images.create(data, wait=True, aliases=taken, exist_ok=True)
    with pytest.raises(ConflictError, match="taken"):
        client.images.create(factory.small(29), wait=True, aliases="web", exist_ok=True)
    assert len(server.get("images")) == 2


def test_a_stream_that_is_there_already_is_said_afterwards(server: RunningServer, client: Client) -> None:
    data = factory.small(24)
    server.add_image(data)

    with pytest.raises(ImageExistsError):
        client.images.create(_Once(data), wait=True)

    assert client.images.create(_Once(data), wait=True, exist_ok=True).fingerprint == factory.fingerprint(data)


BROKEN = {**factory.BROKEN, "disk alone": factory.qcow2()}


@pytest.mark.parametrize("what", sorted(BROKEN))
def test_a_file_that_is_no_image_is_refused_before_it_is_sent(server: RunningServer, client: Client, what: str) -> None:
    with pytest.raises(InvalidImageError) as caught:
        client.images.create(BROKEN[what], wait=True)
    with pytest.raises(InvalidImageError, match="create_from_url"):
        client.images.create("https://host/image.tar.gz", wait=True)

    assert "\n" not in str(caught.value)
    assert server.get("images") == []
    assert server.alive


def test_a_taken_alias_is_said_before_a_byte_is_sent(server: RunningServer, client: Client) -> None:
    server.add_image(factory.small(25), aliases=["taken"])

    with pytest.raises(ConflictError, match="taken"):
        client.images.create(factory.small(26), wait=True, aliases=["taken"])

    assert len(server.get("images")) == 1


def test_check_says_what_an_import_would_meet(server: RunningServer, client: Client, tmp_path: Path) -> None:
    data = factory.small(27)

    found = client.images.check(data)

    assert (found.fingerprint, found.kind, found.type) == (factory.fingerprint(data), "unified", "container")
    assert (found.architecture, found.size, found.exists, found.ok) == ("x86_64", len(data), False, True)
    assert found.properties == factory.properties(27)
    server.add_image(data)
    assert client.images.check(data).exists
    metadata, rootfs = factory.split(3, vm=True)
    split = client.images.check(metadata, rootfs)
    assert (split.kind, split.type, split.swapped) == ("split", "virtual-machine", True)
    assert split.fingerprint == factory.fingerprint(metadata, rootfs)
    assert "metadata=" in client.images.check(b"hsqs" + bytes(600)).notes[0]
    for broken in BROKEN.values():
        if broken:
            assert client.images.check(broken).problems
    assert len(server.get("images")) == 1
