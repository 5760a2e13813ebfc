"""Odd catalogues, each with what lxc and incus make of it and what this package does.

Images are named by letters: `a` and `b` are split, `c` is combined.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import zstandard

from tests.kit import factory
from tests.kit.streams import Handler, Site, Tree

REFUSED = "refused"
INDEX, PRODUCTS = "/streams/v1/index.json", "/streams/v1/images.json"
Publish = Callable[[Site, str], None]


@dataclass(frozen=True)
class Row:
    """One catalogue, published on a site below a path.

    Attributes:
        theirs: the images that `lxc image list` and `incus image list` show, or `refused`.
        ours: the images in `client.images`, or `refused`.
        left_out: how many entries are reported.
        says: a part of the error or of the problems.
        exports: whether the images can be exported.
    """

    publish: Publish
    theirs: str
    ours: str
    left_out: int = 0
    says: str = ""
    exports: bool = True


def split(tree: Tree, letter: str = "a", **fields: Any) -> dict[str, Any]:
    """Add a product with one split image for LXD and Incus; returns its items."""
    key = f"{letter}:1:amd64"
    tree.product(key, os=letter, release="1", release_title="1", **{"aliases": f"{letter}/1,{letter}", **fields})
    items = tree.version(key, "20240101", {"a": 1, "b": 2}[letter])
    items["incus.tar.xz"] = {**items["lxd.tar.xz"], "ftype": "incus.tar.xz"}
    return items


def combined(tree: Tree, items: dict[str, Any]) -> None:
    """Add the image `c` to the items of a version."""
    for product in ("lxd", "incus"):
        name = f"{product}_combined.tar.gz"
        items[name] = tree.item(name, "images/c.tar.gz", factory.small(5))


def fingerprints() -> dict[str, str]:
    """The letter of each image, by fingerprint."""
    tree = Tree()
    found = {split(tree, letter)["lxd.tar.xz"]["combined_squashfs_sha256"]: letter for letter in "ab"}
    return {**found, factory.fingerprint(factory.small(5)): "c"}


def _items(change: Callable[[Tree, dict[str, Any]], object]) -> Publish:
    """The image `a`, changed before it is published."""

    def publish(site: Site, prefix: str) -> None:
        tree = Tree()
        change(tree, split(tree))
        tree.publish(site, prefix)

    return publish


def _plain(site: Site, prefix: str) -> None:
    """The image `a`, published below a path."""
    tree = Tree()
    split(tree)
    tree.publish(site, prefix)


def _each(change: Callable[[dict[str, Any]], object]) -> Publish:
    """The image `a` with each of its files changed."""
    return _items(lambda _, items: [change(items[n]) for n in ("lxd.tar.xz", "incus.tar.xz", "rootfs.squashfs")])


def _metadata(change: Callable[[dict[str, Any]], object]) -> Publish:
    return _items(lambda _, items: [change(items[name]) for name in ("lxd.tar.xz", "incus.tar.xz")])


def _bytes(path: str, change: Callable[[bytes], bytes]) -> Publish:
    """The image `a`, with a changed index or products file."""

    def publish(site: Site, prefix: str) -> None:
        _plain(site, prefix)
        site.files[prefix + path] = change(site.files[prefix + path])

    return publish


def _product(key: str, value: object) -> Publish:
    """The image `a`, and a product `b` without it and with this field."""

    def change(tree: Tree, _: object) -> None:
        product = tree.product("b:1:amd64", os="b", release="1", aliases="b")
        product[key] = value
        if value is None:
            del product[key]

    return _items(change)


def _sent(pack: Callable[[bytes], bytes], headers: Mapping[str, str]) -> Publish:
    """The image `a`, with an index and products that are sent packed."""

    def publish(site: Site, prefix: str) -> None:
        _plain(site, prefix)
        for path in (prefix + INDEX, prefix + PRODUCTS):
            site.answers[path] = lambda h, p=path: h.reply(200, pack(site.files[p]), headers)  # type: ignore[misc]

    return publish


def _in_chunks(site: Site, prefix: str) -> None:
    """The transfer itself is compressed, as RFC 9112 has it."""
    _plain(site, prefix)

    def answer(handler: Handler, path: str) -> None:
        packed = gzip.compress(site.files[path])
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "gzip, chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed))

    for path in (prefix + INDEX, prefix + PRODUCTS):
        site.answers[path] = lambda h, p=path: answer(h, p)  # type: ignore[misc]


def _second(content: bytes | None) -> Publish:
    """The image `a`, and a second content id whose products file has other bytes, or is not there."""

    def publish(site: Site, prefix: str) -> None:
        _plain(site, prefix)
        index = json.loads(site.files[prefix + INDEX])
        index["index"]["second"] = {**index["index"]["images"], "path": "streams/v1/second.json"}
        site.files[prefix + INDEX] = json.dumps(index).encode()
        if content is not None:
            site.files[f"{prefix}/streams/v1/second.json"] = content

    return publish


def _several_ids(site: Site, prefix: str) -> None:
    indexes = []
    for letter, content_id in (("a", "images"), ("b", "daily")):
        tree = Tree(content_id)
        split(tree, letter)
        tree.publish(site, prefix)
        indexes.append(json.loads(site.files[prefix + INDEX]))
    indexes[0]["index"] |= indexes[1]["index"]
    site.files[prefix + INDEX] = json.dumps(indexes[0]).encode()


def _same_twice(tree: Tree, items: dict[str, Any]) -> None:
    tree.product("b:1:amd64", os="b", release="1", aliases="b")["versions"]["20240101"] = {"items": items}


def _moved(name: str, *, all_files: bool = True) -> Publish:
    """The image `a`, elsewhere on the server, which has two names; each file, or the index alone, says where."""

    def publish(site: Site, prefix: str) -> None:
        _plain(site, prefix)
        _plain(site, f"{prefix}/moved")
        for path in [path for path in site.files if path.startswith(f"{prefix}/moved/")]:
            old = path.replace("/moved/", "/", 1)
            if all_files or old == prefix + INDEX:
                to = site.url.replace("127.0.0.1", name) + path
                site.answers[old] = lambda h, to=to: h.reply(302, b"", {"Location": to})  # type: ignore[misc]

    return publish


def _signed(content: bytes) -> bytes:
    head, foot = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n", b"\n-----BEGIN PGP SIGNATURE-----\n\niQ=\n"
    return head + content + foot + b"-----END PGP SIGNATURE-----\n"


def _signed_only(site: Site, prefix: str) -> None:
    _plain(site, prefix)
    index = site.files.pop(prefix + INDEX).replace(b"images.json", b"images.sjson")
    site.files[f"{prefix}/streams/v1/index.sjson"] = _signed(index)
    site.files[f"{prefix}/streams/v1/images.sjson"] = _signed(site.files.pop(prefix + PRODUCTS))


def _broken_beside_a_signed_one(site: Site, prefix: str) -> None:
    _plain(site, prefix)
    site.files[f"{prefix}/streams/v1/index.sjson"] = _signed(site.files[prefix + INDEX])
    site.files[prefix + INDEX] = bytes(700)


def _both(site: Site, prefix: str) -> None:
    _plain(site, prefix)
    site.files[f"{prefix}/streams/v1/index.sjson"] = _signed(b"rubbish")


def _outside(site: Site, prefix: str) -> None:
    _each(lambda item: item.update(path=f"..{prefix}/{item['path']}"))(site, prefix)


def _sized(number: bytes) -> Publish:
    return _bytes(PRODUCTS, lambda content: re.sub(rb'"size": (\d+)', rb'"size": ' + number, content))


_ZSTD = zstandard.ZstdCompressor().compress
_AGAIN = "try again later, or another mirror"

ROWS: dict[str, Row] = {
    "plain": Row(_plain, "a", "a"),
    "redirects": Row(_moved("127.0.0.1"), "a", "a"),
    "redirects-to-another-host": Row(_moved("localhost"), "a", "a"),
    "index-on-another-host": Row(_moved("localhost", all_files=False), "a", "a"),
    "index-nul": Row(_bytes(INDEX, lambda c: bytes(len(c))), REFUSED, REFUSED, says="nothing but NUL bytes"),
    "index-truncated": Row(_bytes(INDEX, lambda c: c[:100]), REFUSED, REFUSED, says=_AGAIN),
    "index-empty-file": Row(_bytes(INDEX, lambda _: b""), REFUSED, REFUSED, says="is empty"),
    "index-with-nul-at-its-end": Row(_bytes(INDEX, lambda c: c + bytes(100)), REFUSED, "a"),
    "index-is-a-page": Row(_bytes(INDEX, lambda _: b"<html>"), REFUSED, REFUSED, says="is a web page"),
    "index-with-a-mark": Row(_bytes(INDEX, lambda c: b"\xef\xbb\xbf" + c), REFUSED, "a"),
    "index-without-entries": Row(_bytes(INDEX, lambda _: b'{"index": {}}'), "", ""),
    "products-nul": Row(_bytes(PRODUCTS, lambda c: bytes(len(c))), REFUSED, REFUSED, says="nothing but NUL bytes"),
    "products-truncated": Row(_bytes(PRODUCTS, lambda c: c[:-50]), REFUSED, REFUSED, says=_AGAIN),
    "products-of-another-id-nul": Row(_second(bytes(500)), REFUSED, "a", 1, "streams/v1/second.json"),
    "products-of-another-id-truncated": Row(_second(b'{"products": {'), REFUSED, "a", 1, "streams/v1/second.json"),
    "products-of-another-id-missing": Row(_second(None), REFUSED, "a", 1, "is not there"),
    "products-elsewhere": Row(
        _bytes(INDEX, lambda c: c.replace(b'"streams/v1/images.json"', b'"https://elsewhere.invalid/images.json"')),
        REFUSED,
        REFUSED,
        says="another server",
    ),
    "products-relative": Row(_bytes(INDEX, lambda c: c.replace(b"v1/images", b"v1/../v1/images")), "a", "a"),
    "several-content-ids": Row(_several_ids, "ab", "ab"),
    "combined-and-split": Row(_items(combined), "ac", "ac"),
    "only-combined": Row(_items(lambda tree, items: (items.clear(), combined(tree, items))), "c", "c"),
    "no-root": Row(_items(lambda _, items: items.pop("rootfs.squashfs")), "", "", 1, "without a root file system"),
    "no-metadata": Row(
        _items(lambda _, items: (items.pop("lxd.tar.xz"), items.pop("incus.tar.xz"))), "", "", 1, "only squashfs"
    ),
    "only-for-incus": Row(_items(lambda _, items: items.pop("lxd.tar.xz")), "a in incus", "a"),
    "same-image-twice": Row(_items(_same_twice), "aa", "a"),
    "size-as-text": Row(_sized(rb'"\1"'), REFUSED, "a"),
    "size-with-a-fraction": Row(_sized(rb"\1.0"), REFUSED, "a"),
    "size-nonsense": Row(_sized(rb'"big"'), REFUSED, "", 1, "size makes no sense"),
    "size-missing": Row(_each(lambda item: item.pop("size")), "a", "a"),
    "size-zero": Row(_sized(rb"0"), "a", "a"),
    # lxc and incus do not look at sizes; here no more is fetched than announced.
    "size-wrong": Row(_sized(rb"9"), "a", "a", exports=False),
    "path-with-dots": Row(_each(lambda item: item.update(path=f"images/x/.././../{item['path']}")), "a", "a"),
    "path-that-comes-back": Row(_outside, "a", "a"),
    "path-from-the-root": Row(_each(lambda item: item.update(path=f"/{item['path']}")), "a", "a"),
    "path-with-doubled-slashes": Row(_each(lambda item: item.update(path=item["path"].replace("/", "//"))), "a", "a"),
    "path-outside": Row(_each(lambda item: item.update(path="../x")), "a", "", 1, "outside of the catalogue's address"),
    "sha256-missing": Row(_each(lambda item: item.pop("sha256")), "a", "a"),
    "sha256-missing-of-combined": Row(
        _items(lambda tree, items: (items.clear(), combined(tree, items), [i.pop("sha256") for i in items.values()])),
        "",
        "",
        1,
        "no fingerprint",
    ),
    "sha256-missing-of-the-image": Row(
        _metadata(lambda item: item.pop("combined_squashfs_sha256")), "", "", 1, "no fingerprint"
    ),
    "sha256-in-capitals": Row(
        _metadata(lambda item: item.update(combined_squashfs_sha256=item["combined_squashfs_sha256"].upper())), "a", "a"
    ),
    "aliases-with-spaces": Row(
        _items(lambda t, _: t.products["a:1:amd64"].update(aliases="a b, c ,,d/e:f,ü")), "a", "a"
    ),
    "aliases-as-a-list": Row(_items(lambda t, _: t.products["a:1:amd64"].update(aliases=["a,b", "c"])), REFUSED, "a"),
    "aliases-missing": Row(_items(lambda t, _: t.products["a:1:amd64"].pop("aliases")), "a", "a"),
    "product-without-versions": Row(_product("versions", None), "a", "a", 1, "b:1:amd64: a product without versions"),
    "product-with-no-versions": Row(_product("versions", {}), "a", "a", 1, "b:1:amd64: a product without versions"),
    "product-with-a-list-of-versions": Row(_product("versions", [1]), REFUSED, "a", 1, "without versions"),
    "product-with-a-list-of-items": Row(
        _product("versions", {"20240101": {"items": [1]}}), REFUSED, "a", 1, "no image"
    ),
    "product-of-another-architecture": Row(
        _items(lambda t, _: t.products["a:1:amd64"].update(arch="pdp11")), "", "", 1, "pdp11"
    ),
    "version-that-is-no-date": Row(_product("versions", {"new": {"items": {}}}), "a", "a", 1, "b:1:amd64 new"),
    "version-of-nine-digits": Row(_bytes(PRODUCTS, lambda c: c.replace(b'"20240101"', b'"202401011"')), "a", "a"),
    "gzip": Row(_sent(gzip.compress, {"Content-Encoding": "gzip"}), "a", "a"),
    "zstd": Row(_sent(_ZSTD, {"Content-Encoding": "zstd"}), REFUSED, "a"),
    "brotli": Row(_sent(lambda c: c, {"Content-Encoding": "br"}), "a", REFUSED, says="'br'"),
    "gzip-without-a-word": Row(_sent(gzip.compress, {}), REFUSED, "a"),
    "zstd-without-a-word": Row(_sent(_ZSTD, {}), REFUSED, "a"),
    "gzip-twice": Row(
        _sent(lambda c: gzip.compress(gzip.compress(c)), {"Content-Encoding": "gzip, gzip"}), REFUSED, "a"
    ),
    "gzip-cut-off": Row(
        _sent(lambda c: gzip.compress(c)[:-9], {"Content-Encoding": "gzip"}), REFUSED, REFUSED, says=_AGAIN
    ),
    "gzip-in-the-transfer": Row(_in_chunks, REFUSED, "a"),
    "signed-only": Row(_signed_only, REFUSED, "a"),
    "signed-beside-a-broken-one": Row(_broken_beside_a_signed_one, REFUSED, "a", 1, "index.json"),
    "signed-too": Row(_both, "a", "a"),
}
