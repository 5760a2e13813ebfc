"""Hostile and broken simplestreams trees: nothing wrong is shown, kept or followed."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies

import lxdimg_nb
from lxdimg_nb.client.http.web_client import WebClient
from lxdimg_nb.client.simplestreams import catalogue_transport
from lxdimg_nb.client.simplestreams.catalogue import Catalogue
from lxdimg_nb.client.simplestreams.catalogue_client import CatalogueClient
from lxdimg_nb.client.simplestreams.index_file import read_index
from lxdimg_nb.client.simplestreams.problems import Problems
from lxdimg_nb.client.simplestreams.products import read_products
from lxdimg_nb.errors import (
    ApiError,
    FingerprintMismatchError,
    InvalidRequestError,
    NotAllowedError,
    NotFoundError,
    ServerUnreachableError,
    UnexpectedReplyError,
)
from tests.kit import certificates, factory, streams
from tests.kit.streams import Handler, Site, Tree

pytestmark = pytest.mark.usefixtures("short_pauses")


def _broken(site: Site, change: Any) -> CatalogueClient:
    """A catalogue of one image, changed before it is published."""
    tree = Tree()
    tree.product("a:1:amd64", os="a", release="1", aliases="a")
    change(tree.version("a:1:amd64", "20240101", 3), tree)
    tree.publish(site)
    return streams.connect(site)


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "a/../../secret",
        "..",
        "../base",
        "https://elsewhere/x",
        "a\\..\\b",
        "a/\n",
        "",
        None,
        7,
        "x" * 5000,
    ],
)
def test_a_path_that_leads_outside_leaves_the_image_out(site: Site, path: object) -> None:
    tree = Tree()
    tree.product("a:1:amd64", os="a", release="1", aliases="a")
    tree.version("a:1:amd64", "20240101", 3)["rootfs.squashfs"]["path"] = path
    tree.publish(site, "/base")

    with streams.connect(site, "/base") as client:
        assert client.images.all() == []
        assert len(client.problems) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("size", -1), ("size", "-9"), ("size", 0.5), ("size", True), ("size", 1 << 60), ("sha256", "zz"), ("sha256", 5)],
)
def test_a_file_that_makes_no_sense_leaves_the_image_out(site: Site, field: str, value: object) -> None:
    with _broken(site, lambda items, _: items["lxd.tar.xz"].update({field: value})) as client:
        assert client.images.all() == []


def test_a_fingerprint_that_is_none_leaves_the_image_out(site: Site) -> None:
    for value in ("", "../../x", "G" * 64, None, "0" * 63, "0" * 64 + "\n"):
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


def test_an_endless_body_is_cut_at_the_announced_size(site: Site, tmp_path: Path) -> None:
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
    with streams.connect(site) as client:
        image = client.images.all()[0]

        with pytest.raises(FingerprintMismatchError, match="more than"):
            image.export(tmp_path / "image")

    assert sent[0] < 64 << 20


def test_a_file_that_the_mirror_lacks_is_an_error(site: Site, tmp_path: Path) -> None:
    streams.ubuntu().publish(site)
    with streams.connect(site) as client:
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
        b'{"index": {"x": {"datatype": "image-downloads", "products": ["p"], "path": "https://h/x"}}}',
        b"[" * 200_000,
    ],
)
def test_something_other_than_a_catalogue_is_an_error(site: Site, index: bytes) -> None:
    site.files["/streams/v1/index.json"] = index

    with pytest.raises(UnexpectedReplyError):
        streams.connect(site)


def test_a_server_without_a_catalogue_is_an_error(site: Site) -> None:
    with pytest.raises(NotFoundError, match="is not there"):
        streams.connect(site)
    site.answers["/streams/v1/index.json"] = lambda h: h.reply(500, b"oops")
    with pytest.raises(ApiError, match="500"):
        streams.connect(site)
    site.answers["/streams/v1/index.json"] = lambda h: h.reply(403, b"no")
    with pytest.raises(NotAllowedError):
        streams.connect(site)


def test_a_catalogue_that_unpacks_to_too_much_is_not_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_transport, "MAX_BYTES", 8 << 20)
    bomb = gzip.compress(b'{"index": "' + b" " * (64 << 20) + b'"}')
    site.answers["/streams/v1/index.json"] = lambda h: h.reply(200, bomb, {"Content-Encoding": "gzip"})

    with pytest.raises(UnexpectedReplyError, match="more than"):
        streams.connect(site)


def test_a_catalogue_that_is_compressed_wrongly_is_an_error(site: Site) -> None:
    packed = gzip.compress(b'{"index": {}}')
    for body, encoding in ((packed[:-4], "gzip"), (b"plain", "gzip"), (b"x", "br")):
        site.answers["/streams/v1/index.json"] = (
            lambda h, b=body, e=encoding: h.reply(200, b, {"Content-Encoding": e})  # type: ignore[misc]
        )
        with pytest.raises(UnexpectedReplyError):
            streams.connect(site)


def test_redirects_are_followed_on_https_only_and_not_forever(site: Site) -> None:
    streams.ubuntu().publish(site, "/moved")
    index = "/streams/v1/index.json"
    site.answers[index] = lambda h: h.reply(301, b"", {"Location": f"/moved{index}"})
    products = next(p for p in site.files if p.endswith("download.json"))
    site.answers[products.removeprefix("/moved")] = lambda h: h.reply(302, b"", {"Location": products})
    with streams.connect(site) as client:
        assert len(client.images.all()) == 18

    for location in (f"http://127.0.0.1{index}", "file:///etc/passwd", "https://", index):
        site.answers[index] = lambda h, to=location: h.reply(302, b"", {"Location": to})  # type: ignore[misc]
        with pytest.raises(UnexpectedReplyError, match="redirects"):
            streams.connect(site)


def test_a_redirect_from_a_public_to_a_private_address_is_not_followed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lxdimg_nb.client.http import web_client

    monkeypatch.setattr(web_client, "_is_private", lambda origin: origin != site.url)
    site.answers["/streams/v1/index.json"] = lambda h: h.reply(302, b"", {"Location": "https://10.0.0.1/secret"})

    with pytest.raises(UnexpectedReplyError, match="private"):
        streams.connect(site)


def test_private_addresses_are_told_from_public_ones() -> None:
    from lxdimg_nb.client.http.web_client import _is_private

    assert all(
        _is_private(f"https://{h}") for h in ("127.0.0.1", "10.1.2.3", "[::1]", "169.254.169.254", "192.168.1.1")
    )
    assert not _is_private("https://91.189.91.38")


def test_another_certificate_than_the_pinned_one_is_refused(site: Site, tmp_path: Path) -> None:
    streams.ubuntu().publish(site)
    other, _ = certificates.pair(tmp_path, "other")

    for pinned in (other, None):
        with pytest.raises(ServerUnreachableError, match="certificate"):
            lxdimg_nb.connect(f"simplestreams+{site.url}", server_cert=pinned)
    assert site.asked == []


@pytest.mark.parametrize("address", ["simplestreams+http://h", "simplestreams+https://", "simplestreams+https://h:x/"])
def test_an_impossible_address_is_an_error(address: str) -> None:
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
    assert len(problems) == 4


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
        for path in read_index(content, Problems(), base="/a/b"):
            assert not path.startswith("/")
            assert ".." not in path.split("/")
    with contextlib.suppress(UnexpectedReplyError):
        catalogue = Catalogue(read_products(content, Problems()))
        for record in catalogue.records.values():
            assert len(record.fingerprint) == 64
            assert record.size >= 0


def test_many_threads_fetch_the_catalogue_once(site: Site) -> None:
    streams.ubuntu().publish(site)
    transport = catalogue_transport.CatalogueTransport(WebClient(site.url, pinned=site.pem))
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
    with streams.connect(site) as client:
        image = client.images.get("ok/amd64")

        assert image.properties["os"] == nasty
        assert "\x1b" not in repr(image)
        shown: Any = client.images.df()
        assert "<script>" not in shown._repr_html_()


def test_a_catalogue_that_breaks_off_is_read_again(site: Site) -> None:
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
    with streams.connect(site) as client:
        assert len(client.images.all()) == 18
    assert site.paths().count(index) == 2


def test_a_server_that_hangs_up_is_one_error(site: Site) -> None:
    site.answers["/streams/v1/index.json"] = lambda h: h.connection.shutdown(socket.SHUT_RDWR)

    with pytest.raises(ServerUnreachableError, match="connection broke"):
        streams.connect(site)
