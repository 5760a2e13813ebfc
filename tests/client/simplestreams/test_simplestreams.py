"""Simplestreams servers: what their catalogues say, exports that are right or absent."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb.client.simplestreams.catalogue_client import CatalogueClient
from lxdimg_nb.errors import (
    ConflictError,
    NotAllowedError,
    NotFoundError,
    OperationFailedError,
    ServerUnreachableError,
)
from tests.kit import factory, streams
from tests.kit.servers import RunningServer
from tests.kit.streams import Site, Tree

pytestmark = pytest.mark.usefixtures("short_pauses")

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "amd64")


@pytest.fixture
def ubuntu(site: Site) -> Iterator[CatalogueClient]:
    """A client of a catalogue like Ubuntu's."""
    streams.ubuntu().publish(site)
    client = streams.connect(site)
    with client:
        yield client


def test_a_catalogue_is_listed_like_a_server(ubuntu: CatalogueClient) -> None:
    images = ubuntu.images.all()

    # 2 architectures that servers know × 3 versions × squashfs, root.tar.xz and a disk.
    assert len(images) == 18
    assert {i.architecture for i in images} == {"x86_64", "aarch64"}
    assert {i.type for i in images} == {"container", "virtual-machine"}
    assert all(i.public and not i.cached and not i.auto_update for i in images)
    assert ubuntu.info.product == "simplestreams"
    assert not ubuntu.info.trusted
    assert any("pdp11" in text for text in ubuntu.problems)


def test_the_fields_are_those_that_servers_show(ubuntu: CatalogueClient) -> None:
    image = ubuntu.images.get("noble/arm64")

    assert image.created_at == datetime(2024, 6, 8, tzinfo=UTC)
    assert image.expires_at == datetime(2029, 5, 31, tzinfo=UTC)
    assert image.last_used_at is None
    assert image.filename == "lxd.tar.xz"
    assert image.properties == {
        "os": "ubuntu",
        "release": "noble",
        "version": "24.04",
        "architecture": "arm64",
        "label": "release",
        "serial": "20240608",
        "type": "squashfs",
        "description": "ubuntu 24.04 LTS arm64 (release) (20240608)",
    }


def test_an_alias_is_the_newest_build_of_its_architecture_and_type(ubuntu: CatalogueClient) -> None:
    images = ubuntu.images

    own = images.get("24.04")
    machine = images.get("24.04", type="virtual-machine")
    other = images.get("24.04", architecture="arm64" if ARCH == "amd64" else "amd64")

    assert own.properties["architecture"] == ARCH
    assert own.type == "container"
    assert machine.type == "virtual-machine"
    assert other.architecture != own.architecture
    assert {i.properties["serial"] for i in (own, machine, other)} == {"20240608"}
    assert "24.04" in [a.name for a in own.aliases]
    assert "24.04" not in [a.name for a in other.aliases]
    assert f"24.04/{other.properties['architecture']}" in [a.name for a in other.aliases]
    named = [i for i in images.all() if i.aliases]
    assert {i.properties["serial"] for i in named} == {"20240608"}
    with pytest.raises(NotFoundError):
        images.get("24.04", architecture="s390x")


def test_an_alias_a_fingerprint_and_its_prefix_find_the_same_image(ubuntu: CatalogueClient) -> None:
    image = ubuntu.images.get("noble")

    assert ubuntu.images.get(image.fingerprint) == image
    assert ubuntu.images.get(image.fingerprint[:12]) == image
    assert ubuntu.images.exists("noble", alias=True)
    assert not ubuntu.images.exists("jammy")
    assert ubuntu.images.aliases.get("noble").target == image.fingerprint
    assert "lts/amd64" in [a.name for a in ubuntu.images.aliases.all()]
    for wrong in ("jammy", "0" * 64, "../index", "noble/"):
        with pytest.raises(NotFoundError):
            ubuntu.images.get(wrong)


def test_an_ambiguous_prefix_of_a_fingerprint_is_an_error(site: Site) -> None:
    tree = streams.ubuntu()
    tree.publish(site)
    with streams.connect(site) as client:
        firsts = [i.fingerprint[:1] for i in client.images.all()]
        common = max(firsts, key=firsts.count)

        with pytest.raises(ConflictError, match="give more digits"):
            client.images.get(common)


def test_filters_and_frames_work_on_a_catalogue(ubuntu: CatalogueClient) -> None:
    found = ubuntu.images.all(filter="arch=arm64 type=virtual-machine serial=20240608")
    df = ubuntu.images.df(filter="type=container")

    assert len(found) == 1
    assert len(df) == 12
    assert df["properties.release"].eq("noble").all()
    assert df.index.is_unique
    assert len(ubuntu.images.df(all_projects=True)) == 18


def test_incus_items_and_daily_serials_are_understood(site: Site) -> None:
    streams.linuxcontainers().publish(site, "/some/where")

    with streams.connect(site, "/some/where/") as client:
        default = client.images.get("debian/12")
        cloud = client.images.get("debian/12/cloud")
        disk = client.images.get("debian/12", type="virtual-machine")

        assert len(client.images.all()) == 12
    assert default.filename == "incus.tar.xz"
    assert default.created_at == datetime(2026, 11, 22, 5, 24, tzinfo=UTC)
    assert default.properties["requirements.secureboot"] == "false"
    assert cloud.properties["variant"] == "cloud"
    assert disk.properties["type"] == "disk-kvm.img"
    assert "(cloud)" in cloud.properties["description"]
    assert "(default)" not in default.properties["description"]


@pytest.mark.parametrize(("type_", "root"), [("container", ".squashfs"), ("virtual-machine", ".qcow2")])
def test_an_export_is_two_files_whose_hash_is_the_fingerprint(
    ubuntu: CatalogueClient, tmp_path: Path, type_: str, root: str
) -> None:
    image = ubuntu.images.get("noble/amd64", type=type_)
    told: list[int] = []

    made = image.export(tmp_path, progress=lambda p: told.append(p.done))

    assert factory.fingerprint(*made.paths) == image.fingerprint
    assert [p.name for p in made.paths] == [f"meta-{image.fingerprint}.tar.xz", f"{image.fingerprint}{root}"]
    assert made.size == image.size == told[-1]
    assert {p.name for p in tmp_path.iterdir() if p.is_file()} == {p.name for p in made.paths}


def test_a_unified_image_is_exported_resumed_and_read_in_place(site: Site, tmp_path: Path) -> None:
    data = factory.small(7, rootfs_files={"blob": bytes(range(256)) * 64}, compression="none")
    tree = Tree()
    tree.product("busybox:1:amd64", os="busybox", release="1", aliases="busybox")
    tree.unified("busybox:1:amd64", "20240101", data)
    tree.publish(site)
    with streams.connect(site) as client:
        image = client.images.get("busybox/amd64")
        assert image.fingerprint == factory.fingerprint(data)
        assert image.export() == data
        (tmp_path / f".{image.fingerprint}.part").write_bytes(data[:5000])

        made = image.export(tmp_path)
        with image.open() as file:
            file.seek(5000)
            middle = file.read(10)
        members = {m.path for m in image.contents().members}

    assert made.received == len(data) - 5000
    assert made.path.read_bytes() == data
    assert middle == data[5000:5010]
    assert "metadata.yaml" in members


def test_the_contents_of_a_split_image_need_its_metadata_only(ubuntu: CatalogueClient, site: Site) -> None:
    site.asked.clear()

    contents = ubuntu.images.get("noble").contents()

    assert contents.metadata["architecture"] == "x86_64"
    assert len(site.asked) <= 2


def test_writing_is_refused_and_sends_nothing(ubuntu: CatalogueClient, site: Site, tmp_path: Path) -> None:
    image = ubuntu.images.get("noble")
    site.asked.clear()

    image.public = False
    for write in (
        image.update,
        image.delete,
        image.secret,
        lambda: image.add_alias("x"),
        lambda: ubuntu.images.create(factory.small(1)),
        lambda: ubuntu.images.publish("web"),
        lambda: ubuntu.images.aliases.create("x", image),
        lambda: ubuntu.images.aliases.delete("noble"),
    ):
        with pytest.raises(NotAllowedError, match="simplestreams"):
            write()

    assert site.asked == []


def test_there_is_one_project(ubuntu: CatalogueClient) -> None:
    assert ubuntu.projects() == ["default"]
    assert ubuntu.in_project("default") is ubuntu
    with pytest.raises(NotFoundError):
        ubuntu.in_project("web")


def test_an_image_is_copied_to_a_server(ubuntu: CatalogueClient, server: RunningServer) -> None:
    image = ubuntu.images.get("noble/amd64")
    with lxdimg_nb.connect(server.url) as client:
        made = image.copy(client, aliases="noble")

        assert made.fingerprint == image.fingerprint
        assert client.images.get("noble") == made
    shown = server.get(f"images/{image.fingerprint}")
    assert shown["type"] == "container"
    assert shown["properties"]["serial"] == "20240608"
    assert shown["profiles"] == ["default"]


@pytest.mark.parametrize("auto_update", [False, True])
def test_a_server_fetches_a_copy_itself_and_can_refresh_it(
    ubuntu: CatalogueClient, server: RunningServer, auto_update: bool
) -> None:
    image = ubuntu.images.get("noble/amd64")
    with lxdimg_nb.connect(server.url) as client:
        if server.product == "incus":
            # Incus takes incus.tar.xz only; this catalogue is made for LXD, so the copy goes through this machine.
            with pytest.raises(OperationFailedError):
                image.copy(client, mode="pull", auto_update=auto_update)
            assert image.copy(client).fingerprint == image.fingerprint
            return
        made = image.copy(client, mode="pull", auto_update=auto_update)

        assert made.fingerprint == image.fingerprint
        assert made.auto_update is auto_update
        assert made.profiles == ["default"]
        if auto_update:
            assert made.update_source is not None
            assert made.update_source.protocol == "simplestreams"
            assert made.refresh() == made


# The catalogue is kept for an hour


def test_a_catalogue_is_read_once_and_asked_for_changes_after_an_hour(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = streams.ubuntu()
    tree.publish(site)
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with streams.connect(site) as client:
        for _ in range(3):
            client.images.all()
            client.images.get("noble")
        assert len(site.asked) == 2

        now[0] += 3601
        client.images.all()
        unchanged = site.asked[2:]
        tree.product("new:1:amd64", os="new", release="1", aliases="fresh")
        tree.version("new:1:amd64", "20261101", 900)
        tree.publish(site)
        client.images.all()
        assert not client.images.exists("fresh/amd64")
        client.reload()

        assert client.images.exists("fresh/amd64")
    assert len(unchanged) == 2
    assert "If-None-Match" in unchanged[1][2]


def test_the_catalogue_is_asked_for_compressed(ubuntu: CatalogueClient, site: Site) -> None:
    assert all(headers["Accept-Encoding"] == "gzip" for _, _, headers in site.asked)


def test_name_and_password_of_an_address_go_to_that_host_only_and_are_never_shown(site: Site, tmp_path: Path) -> None:
    with streams.serving(tmp_path / "other") as other:
        streams.ubuntu().publish(site)
        path = "/streams/v1/index.json"
        other.files[path] = site.files.pop(path)
        seen: list[str] = []
        site.answers[path] = lambda h: h.reply(302, b"", {"Location": f"{other.url}{path}"})
        address = f"simplestreams+https://max:geheim%21@{site.url.removeprefix('https://')}"

        with pytest.raises(ServerUnreachableError) as caught:
            lxdimg_nb.connect(address, server_cert=site.cert)
        site.files[path] = other.files[path]
        del site.answers[path]
        with lxdimg_nb.connect(address, server_cert=site.cert) as client:
            seen += [repr(client), repr(client.images), client.url, repr(client.transport)]

    # The other host's certificate is not the pinned one, and pinning does not reach it.
    assert other.asked == []
    assert site.asked[-1][2]["Authorization"] == "Basic bWF4OmdlaGVpbSE="
    assert not any("geheim" in text or "max:" in text for text in [*seen, str(caught.value)])
