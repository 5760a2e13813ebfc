"""Simplestreams servers: what their catalogues say, exports that are right or absent, and hostile trees."""

from __future__ import annotations

import contextlib
import gzip
import json
import platform
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies

import lxdimg_nb
from lxdimg_nb.client import simplestreams
from lxdimg_nb.client.catalogue import Catalogue, Problems, read_index, read_products
from lxdimg_nb.client.simplestreams import CatalogueClient
from lxdimg_nb.client.web import Web
from lxdimg_nb.errors import (
    ApiError,
    ConflictError,
    FingerprintMismatchError,
    InvalidRequestError,
    NotAllowedError,
    NotFoundError,
    OperationFailedError,
    ServerUnreachableError,
    UnexpectedReplyError,
)
from tests import certificates, factory, streams
from tests.servers import RunningServer
from tests.streams import Handler, Site, Tree

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "amd64")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An empty web server over TLS."""
    with streams.serving(tmp_path / "site") as served:
        yield served


@pytest.fixture
def ubuntu(site: Site) -> Iterator[CatalogueClient]:
    """A client of a catalogue like Ubuntu's."""
    streams.ubuntu().publish(site)
    client = _connect(site)
    with client:
        yield client


def _connect(site: Site, path: str = "") -> CatalogueClient:
    client = lxdimg_nb.connect(f"simplestreams+{site.url}{path}", server_cert=site.cert)
    assert isinstance(client, CatalogueClient)
    return client


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


def test_a_name_a_fingerprint_and_its_beginning_find_the_same_image(ubuntu: CatalogueClient) -> None:
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


def test_a_beginning_of_several_fingerprints_is_said(site: Site) -> None:
    tree = streams.ubuntu()
    tree.publish(site)
    with _connect(site) as client:
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

    with _connect(site, "/some/where/") as client:
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
    with _connect(site) as client:
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


def test_what_would_write_is_refused_and_sends_nothing(ubuntu: CatalogueClient, site: Site, tmp_path: Path) -> None:
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
        if server.kind == "incus":
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
    with _connect(site) as client:
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


# Hostile trees


def _broken(site: Site, change: Any) -> CatalogueClient:
    """A catalogue of one image, changed before it is published."""
    tree = Tree()
    tree.product("a:1:amd64", os="a", release="1", aliases="a")
    change(tree.version("a:1:amd64", "20240101", 3), tree)
    tree.publish(site)
    return _connect(site)


@pytest.mark.parametrize(
    "path",
    ["../secret", "/etc/passwd", "https://elsewhere/x", "a//b", "a/./b", "a\\..\\b", "a/\n", "", None, 7, "x" * 5000],
)
def test_a_path_that_leads_outside_leaves_the_image_out(site: Site, path: object) -> None:
    with _broken(site, lambda items, _: items["rootfs.squashfs"].update(path=path)) as client:
        assert client.images.all() == []
        assert len(client.problems) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("size", -1), ("size", 0), ("size", "9"), ("size", True), ("size", 1 << 60), ("sha256", "zz"), ("sha256", 5)],
)
def test_a_file_that_makes_no_sense_leaves_the_image_out(site: Site, field: str, value: object) -> None:
    with _broken(site, lambda items, _: items["lxd.tar.xz"].update({field: value})) as client:
        assert client.images.all() == []


def test_a_fingerprint_that_is_none_leaves_the_image_out(site: Site) -> None:
    for value in ("", "../../x", "A" * 64, None, "0" * 63, "0" * 64 + "\n"):
        with _broken(site, lambda items, _, v=value: items["lxd.tar.xz"].update(combined_squashfs_sha256=v)) as client:
            assert client.images.all() == []


def _change_file(suffix: str, data: bytes) -> Any:
    def change(_: object, tree: Tree) -> None:
        path = next(p for p in tree.files if p.endswith(suffix))
        tree.files[path] = data

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_change_file("rootfs.squashfs", b"other bytes"), id="other size"),
        pytest.param(_change_file("rootfs.squashfs", b"x" * 521), id="same size"),
        pytest.param(_change_file("lxd.tar.xz", b"x"), id="metadata"),
        pytest.param(lambda items, _: items["rootfs.squashfs"].update(sha256="0" * 64), id="wrong sha256"),
        pytest.param(lambda items, _: items["lxd.tar.xz"].update(combined_squashfs_sha256="0" * 64), id="combined"),
        pytest.param(lambda items, _: items["rootfs.squashfs"].update(size=9), id="longer than said"),
    ],
)
def test_a_file_that_is_not_what_the_catalogue_says_is_never_kept(site: Site, tmp_path: Path, change: Any) -> None:
    target = tmp_path / "out"
    target.mkdir()
    with _broken(site, change) as client:
        image = client.images.all()[0]

        with pytest.raises(FingerprintMismatchError) as caught:
            image.export(target)

    assert list(target.iterdir()) == []
    assert caught.value.expected != caught.value.actual


def test_a_wrong_metadata_file_stops_the_export_before_the_root_file_is_fetched(site: Site, tmp_path: Path) -> None:
    with _broken(site, lambda items, _: items["lxd.tar.xz"].update(sha256="0" * 64)) as client:
        image = client.images.all()[0]

        with pytest.raises(FingerprintMismatchError):
            image.export(tmp_path)

    assert not any(path.endswith("rootfs.squashfs") for path in site.paths())


def test_a_body_without_end_is_cut_where_the_catalogue_says_it_ends(site: Site, tmp_path: Path) -> None:
    sent = [0]

    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        while sent[0] < 1 << 30:
            handler.wfile.write(b"x" * 65536)
            sent[0] += 65536

    tree = Tree()
    tree.product("a:1:amd64", os="a", release="1", aliases="a")
    items = tree.unified("a:1:amd64", "20240101", factory.small(1))
    tree.publish(site)
    site.answers["/" + items["lxd_combined.tar.gz"]["path"]] = endless
    with _connect(site) as client:
        image = client.images.all()[0]

        with pytest.raises(FingerprintMismatchError, match="more than"):
            image.export(tmp_path / "image")

    assert sent[0] < 64 << 20


def test_a_file_that_the_mirror_lacks_is_said(site: Site, tmp_path: Path) -> None:
    streams.ubuntu().publish(site)
    with _connect(site) as client:
        image = client.images.get("noble/amd64")
        for path in [p for p in site.files if p.endswith("rootfs.squashfs")]:
            del site.files[path]

        with pytest.raises(NotFoundError, match="is not there"):
            image.export(tmp_path)

    assert [p for p in tmp_path.iterdir() if p.is_file()] == []


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"index": []}',
        b'{"index": {"x": {"datatype": "image-downloads", "products": ["p"], "path": "../../x"}}}',
        b"[" * 200_000,
    ],
)
def test_what_is_no_catalogue_is_said(site: Site, index: bytes) -> None:
    site.files["/streams/v1/index.json"] = index

    with pytest.raises(UnexpectedReplyError):
        _connect(site)


def test_a_server_without_a_catalogue_is_said(site: Site) -> None:
    with pytest.raises(NotFoundError, match="is not there"):
        _connect(site)
    site.answers["/streams/v1/index.json"] = lambda h: h.reply(500, b"oops")
    with pytest.raises(ApiError, match="500"):
        _connect(site)
    site.answers["/streams/v1/index.json"] = lambda h: h.reply(403, b"no")
    with pytest.raises(NotAllowedError):
        _connect(site)


def test_a_catalogue_that_unpacks_to_too_much_is_not_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simplestreams, "MAX_BYTES", 8 << 20)
    bomb = gzip.compress(b'{"index": "' + b" " * (64 << 20) + b'"}')
    site.answers["/streams/v1/index.json"] = lambda h: h.reply(200, bomb, {"Content-Encoding": "gzip"})

    with pytest.raises(UnexpectedReplyError, match="more than"):
        _connect(site)


def test_a_catalogue_that_was_packed_wrongly_is_said(site: Site) -> None:
    packed = gzip.compress(b'{"index": {}}')
    for body, encoding in ((packed[:-4], "gzip"), (b"plain", "gzip"), (b"x", "br")):
        site.answers["/streams/v1/index.json"] = (
            lambda h, b=body, e=encoding: h.reply(200, b, {"Content-Encoding": e})  # type: ignore[misc]
        )
        with pytest.raises(UnexpectedReplyError):
            _connect(site)


def test_redirects_are_followed_on_https_only_and_not_for_ever(site: Site) -> None:
    streams.ubuntu().publish(site, "/moved")
    index = "/streams/v1/index.json"
    site.answers[index] = lambda h: h.reply(301, b"", {"Location": f"/moved{index}"})
    products = next(p for p in site.files if p.endswith("download.json"))
    site.answers[products.removeprefix("/moved")] = lambda h: h.reply(302, b"", {"Location": products})
    with _connect(site) as client:
        assert len(client.images.all()) == 18

    for location in (f"http://127.0.0.1{index}", "file:///etc/passwd", "https://", index):
        site.answers[index] = lambda h, to=location: h.reply(302, b"", {"Location": to})  # type: ignore[misc]
        with pytest.raises(UnexpectedReplyError, match="redirects"):
            _connect(site)


def test_a_redirect_from_outside_to_the_inside_is_not_followed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from lxdimg_nb.client import web

    monkeypatch.setattr(web, "_inside", lambda origin: origin != site.url)
    site.answers["/streams/v1/index.json"] = lambda h: h.reply(302, b"", {"Location": "https://10.0.0.1/secret"})

    with pytest.raises(UnexpectedReplyError, match="private"):
        _connect(site)


def test_private_addresses_are_told_from_public_ones() -> None:
    from lxdimg_nb.client.web import _inside

    assert all(_inside(f"https://{h}") for h in ("127.0.0.1", "10.1.2.3", "[::1]", "169.254.169.254", "192.168.1.1"))
    assert not _inside("https://91.189.91.38")


def test_another_certificate_than_the_pinned_one_is_refused(site: Site, tmp_path: Path) -> None:
    streams.ubuntu().publish(site)
    other, _ = certificates.pair(tmp_path, "other")

    for pinned in (other, None):
        with pytest.raises(ServerUnreachableError, match="certificate"):
            lxdimg_nb.connect(f"simplestreams+{site.url}", server_cert=pinned)
    assert site.asked == []


@pytest.mark.parametrize("address", ["simplestreams+http://h", "simplestreams+https://", "simplestreams+https://h:x/"])
def test_an_address_that_makes_no_sense_is_said(address: str) -> None:
    with pytest.raises(InvalidRequestError):
        lxdimg_nb.connect(address)


def test_a_catalogue_cannot_make_the_work_grow_faster_than_itself() -> None:
    items = {
        f"{kind}{n}": {"ftype": kind, "path": f"x/{n}", "size": 1}
        for n in range(300)
        for kind in ("lxd.tar.xz", "squashfs")
    }
    for item in items.values():
        item["combined_squashfs_sha256"] = f"{len(str(item)):064x}"
    product = {
        "arch": "amd64",
        "os": "o" * 100_000,
        "aliases": ",".join(f"a{n}" for n in range(10_000)),
        "requirements": {f"r{n}": "x" * 10_000 for n in range(1000)},
        "versions": {"20240101": {"items": items}, "not a date": {"items": items}, "20241399": {"items": items}},
    }
    problems = Problems()

    builds = read_products(json.dumps({"products": {"p": product, "q": 5, "r": {"versions": 3}}}).encode(), problems)

    assert len(builds) == 1
    record = Catalogue(builds).records[builds[0].fingerprint]
    assert len(json.dumps(record.raw)) < 100_000
    assert len(problems.texts) == 4


_KEYS = [
    "index",
    "datatype",
    "path",
    "products",
    "versions",
    "20240101",
    "items",
    "lxd.tar.xz",
    "squashfs",
    "arch",
    "ftype",
    "size",
    "sha256",
    "combined_squashfs_sha256",
    "aliases",
    "os",
    "requirements",
    "support_eol",
]
_JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text(),
    lambda inner: (
        strategies.lists(inner, max_size=4)
        | strategies.dictionaries(
            strategies.sampled_from(_KEYS),
            inner | strategies.sampled_from(["image-downloads", "amd64", "lxd.tar.xz", "squashfs", "a/b", "0" * 64]),
            max_size=8,
        )
    ),
    max_leaves=40,
)


@given(_JSON)
def test_whatever_a_catalogue_says_it_is_read_or_refused(data: object) -> None:
    content = json.dumps(data).encode()
    with contextlib.suppress(UnexpectedReplyError):
        for path in read_index(content):
            assert not path.startswith("/")
            assert ".." not in path.split("/")
    with contextlib.suppress(UnexpectedReplyError):
        catalogue = Catalogue(read_products(content, Problems()))
        for record in catalogue.records.values():
            assert len(record.fingerprint) == 64
            assert record.size > 0


def test_many_threads_fetch_the_catalogue_once(site: Site) -> None:
    streams.ubuntu().publish(site)
    transport = simplestreams.CatalogueTransport(Web(site.url, pinned=site.pem))
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: transport.catalogue(), range(64)))
    transport.close()

    assert len({id(catalogue) for catalogue in found}) == 1
    assert len(site.asked) == 2


def test_servers_text_stays_text(site: Site) -> None:
    tree = Tree()
    nasty = "<script>alert(1)</script>\x1b[31m"
    tree.product("a:1:amd64", os=nasty, release=nasty, aliases=f"{nasty},ok")
    tree.version("a:1:amd64", "20240101", 3)
    tree.publish(site)
    with _connect(site) as client:
        image = client.images.get("ok/amd64")

        assert image.properties["os"] == nasty
        assert "\x1b" not in repr(image)
        shown: Any = client.images.df()
        assert "<script>" not in shown._repr_html_()


def test_a_catalogue_that_breaks_off_is_asked_for_again(site: Site) -> None:
    streams.ubuntu().publish(site)
    index, left = "/streams/v1/index.json", [1]

    def breaking(handler: Handler) -> None:
        content = site.files[index]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: 10 if left[0] else None])
        handler.close_connection = bool(left[0])
        left[0] -= 1 if left[0] else 0

    site.answers[index] = breaking
    with _connect(site) as client:
        assert len(client.images.all()) == 18
    assert site.paths().count(index) == 2


def test_a_server_that_hangs_up_is_one_error(site: Site) -> None:
    site.answers["/streams/v1/index.json"] = lambda h: h.connection.shutdown(socket.SHUT_RDWR)

    with pytest.raises(ServerUnreachableError, match="connection broke"):
        _connect(site)
