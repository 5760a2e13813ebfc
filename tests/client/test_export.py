"""Exports that are right or absent, on all three servers."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lxdimg_nb import Client
from lxdimg_nb.errors import FingerprintMismatchError, InvalidRequestError, NotFoundError, OperationCancelledError
from lxdimg_nb.values import Progress
from tests.kit import factory
from tests.kit.servers import RunningServer

MIB = 1024 * 1024


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "big.tar"
    path.parent.mkdir()
    factory.big(path, 5 * MIB, seed=7)
    return path


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "out"
    folder.mkdir()
    yield folder


def test_a_unified_image_becomes_one_file_named_by_its_fingerprint(
    server: RunningServer, client: Client, out: Path
) -> None:
    data = factory.small(1)
    fingerprint = server.add_image(data, filename="../../evil.tar.gz")
    seen: list[Progress] = []

    made = client.images.get(fingerprint).export(out, progress=seen.append)

    assert names(out) == [f"{fingerprint}.tar.gz"]
    assert made.paths == (out / f"{fingerprint}.tar.gz",)
    assert made.path.read_bytes() == data
    assert (made.size, made.received, made.fingerprint) == (len(data), len(data), fingerprint)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_split_image_becomes_two_files_that_import_again(server: RunningServer, client: Client, out: Path) -> None:
    metadata, rootfs = factory.split(2)
    fingerprint = server.add_image((metadata, rootfs))
    image = client.images.get(fingerprint)

    made = image.export(out)

    assert names(out) == [f"{fingerprint}.squashfs", f"meta-{fingerprint}.tar.gz"]
    assert [p.read_bytes() for p in made.paths] == [metadata, rootfs]
    with pytest.raises(InvalidRequestError, match="export\\(folder\\)"):
        image.export()
    image.delete()
    again = client.images.create(made.paths[1], metadata=made.paths[0], wait=True)
    assert again.fingerprint == fingerprint


@pytest.mark.parametrize("vm", [False, True])
def test_a_bundle_is_one_file_that_imports_to_the_same_image(
    server: RunningServer, client: Client, out: Path, vm: bool
) -> None:
    fingerprint = server.add_image(factory.split(3, vm=vm))
    image = client.images.get(fingerprint)

    made = image.export(out, bundle=True)

    assert names(out) == [f"{fingerprint}.bundle.tar"]
    assert client.images.check(made.path).exists
    kind = image.type
    image.delete()
    again = client.images.create(made.path, wait=True)
    assert (again.fingerprint, again.type) == (fingerprint, kind)


def test_progress_ends_at_the_whole(server: RunningServer, client: Client, big: Path, out: Path) -> None:
    for image in (client.images.create(big, wait=True), client.images.get(server.add_image(factory.split(1)))):
        seen: list[Progress] = []

        image.export(out, progress=seen.append)

        assert (seen[-1].phase, seen[-1].done, seen[-1].total) == ("receive", image.size, image.size)
    small = client.images.create(factory.small(1), wait=True)
    for target in (None, out):
        seen = []
        small.export(target, progress=seen.append)
        assert [(p.done, p.total) for p in seen] == [(small.size, small.size)]


def test_a_sidecar_tells_where_it_came_from_and_no_secret(server: RunningServer, client: Client, out: Path) -> None:
    fingerprint = server.add_image(factory.small(4), aliases=["web"], properties={"os": "<b>"})

    made = client.images.get(fingerprint).export(out, sidecar=True)

    facts = json.loads(made.sidecar.read_text())
    assert made.sidecar.name == f"{fingerprint}.json"
    assert facts["aliases"] == [{"name": "web", "description": ""}]
    assert facts["properties"] == factory.properties(4) | {"os": "<b>"}
    assert facts["files"] == [made.path.name]
    assert "certificate" not in made.sidecar.read_text()


def test_an_interrupted_export_goes_on_where_it_was(
    server: RunningServer, client: Client, big: Path, out: Path
) -> None:
    image = client.images.create(big, wait=True)

    def stop(progress: Progress) -> None:
        if progress.done >= 3 * MIB:
            raise OperationCancelledError("enough")

    with pytest.raises(OperationCancelledError):
        image.export(out, progress=stop)
    [part] = out.iterdir()
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    had = part.stat().st_size
    assert 3 * MIB <= had < big.stat().st_size

    made = image.export(out)

    assert names(out) == [f"{image.fingerprint}.tar"]
    assert made.path.read_bytes() == big.read_bytes()
    assert made.received == big.stat().st_size - had


def test_a_part_file_that_is_not_of_this_image_is_never_trusted(
    server: RunningServer, client: Client, big: Path, out: Path
) -> None:
    image = client.images.create(big, wait=True)
    content = bytearray(big.read_bytes()[: 2 * MIB])
    content[MIB] ^= 1
    (out / f".{image.fingerprint}.part").write_bytes(content)

    made = image.export(out)

    assert names(out) == [f"{image.fingerprint}.tar"]
    assert hashlib.sha256(made.path.read_bytes()).hexdigest() == image.fingerprint


@pytest.mark.parametrize("size", [0, 5 * MIB + 20480, 6 * MIB])
def test_a_part_file_of_any_length_ends_well(
    server: RunningServer, client: Client, big: Path, out: Path, size: int
) -> None:
    image = client.images.create(big, wait=True)
    (out / f".{image.fingerprint}.part").write_bytes(big.read_bytes()[:size].ljust(size, b"\0"))

    made = image.export(out)

    assert made.path.read_bytes() == big.read_bytes()


def test_an_interrupted_split_export_leaves_nothing(server: RunningServer, client: Client, out: Path) -> None:
    fingerprint = server.add_image(factory.split(5))

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.images.get(fingerprint).export(out, progress=stop)

    assert names(out) == []


def test_a_link_in_the_way_is_not_followed(server: RunningServer, client: Client, out: Path, tmp_path: Path) -> None:
    fingerprint = server.add_image(factory.small(6))
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (out / f".{fingerprint}.part").symlink_to(victim)
    image = client.images.get(fingerprint)

    with pytest.raises(InvalidRequestError):
        image.export(out)
    (out / f".{fingerprint}.part").unlink()
    (out / f"{fingerprint}.tar.gz").symlink_to(victim)
    image.export(out)

    assert victim.read_text() == "mine"
    assert (out / f"{fingerprint}.tar.gz").read_bytes() == factory.small(6)
    assert not (out / f"{fingerprint}.tar.gz").is_symlink()


def test_a_file_of_the_users_is_not_replaced(server: RunningServer, client: Client, out: Path) -> None:
    fingerprint = server.add_image(factory.small(7))
    mine = out / "mine.tar"
    mine.write_text("mine")
    image = client.images.get(fingerprint)

    with pytest.raises(InvalidRequestError, match="another file"):
        image.export(mine)
    made = image.export(out / "theirs.tar.gz")
    again = image.export(out / "theirs.tar.gz")

    assert mine.read_text() == "mine"
    assert names(out) == ["mine.tar", "theirs.tar.gz"]
    assert made.path.read_bytes() == again.path.read_bytes() == factory.small(7)


def test_a_place_that_cannot_be_written_is_one_clear_error(server: RunningServer, client: Client, out: Path) -> None:
    fingerprint = server.add_image(factory.small(8))

    with pytest.raises(InvalidRequestError, match="no folder"):
        client.images.get(fingerprint).export(path=out / "not" / "there")
    with pytest.raises(InvalidRequestError, match=rf"no folder {out}/new; create it first"):
        client.images.get(fingerprint).export(f"{out}/new/")
    (out / f"{fingerprint}.tar.gz").mkdir()
    with pytest.raises(InvalidRequestError, match="cannot write"):
        client.images.get(fingerprint).export(out)

    assert names(out) == [f"{fingerprint}.tar.gz"]


def test_two_exports_of_one_image_do_not_mix(server: RunningServer, client: Client, big: Path, out: Path) -> None:
    image = client.images.create(big, wait=True)
    inner: list[BaseException] = []

    def again(progress: Progress) -> None:
        if not inner:
            try:
                image.export(out)
            except InvalidRequestError as error:
                inner.append(error)

    image.export(out, progress=again)

    assert "running" in str(inner[0])
    assert names(out) == [f"{image.fingerprint}.tar"]


def test_a_full_disk_is_said_before_anything_comes(
    server: RunningServer, client: Client, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint = server.add_image(factory.small(9))
    image = client.images.get(fingerprint)
    monkeypatch.setattr("shutil.disk_usage", lambda _: _Usage())

    with pytest.raises(InvalidRequestError, match="free"):
        image.export(out)

    assert names(out) == []


class _Usage:
    def __init__(self, free: int = 1000) -> None:
        self.free = free


def test_a_split_image_needs_its_space_twice(
    server: RunningServer, client: Client, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = client.images.get(server.add_image(factory.split(9)))
    monkeypatch.setattr("shutil.disk_usage", lambda _: _Usage(MIB + image.size * 3 // 2))

    with pytest.raises(InvalidRequestError, match="free"):
        image.export(out)

    assert names(out) == []


def test_an_image_that_is_gone_leaves_nothing(server: RunningServer, client: Client, out: Path) -> None:
    fingerprint = server.add_image(factory.small(10))
    image = client.images.get(fingerprint)
    image.delete()

    with pytest.raises(NotFoundError):
        image.export(out)

    assert names(out) == []


@pytest.mark.real
def test_a_damaged_file_on_the_server_never_gets_its_name(lxd: RunningServer, big: Path, out: Path) -> None:
    import lxdimg_nb

    with lxdimg_nb.connect(lxd.url) as client:
        image = client.images.create(big, wait=True)
        stored = lxd.folder / "images" / image.fingerprint
        with stored.open("r+b") as file:
            file.seek(MIB)
            file.write(b"damaged")

        with pytest.raises(FingerprintMismatchError) as caught:
            image.export(out)
        with pytest.raises(FingerprintMismatchError):
            image.export()

    assert caught.value.expected == image.fingerprint
    assert names(out) == []
