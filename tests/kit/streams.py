"""A web server over TLS on loopback, and simplestreams trees for it, made of the small images of `factory`."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

import lxdimg_nb
from lxdimg_nb.client.simplestreams.catalogue_client import CatalogueClient
from tests.kit import certificates, factory

Answer = Callable[["Handler"], None]


@dataclass
class Site:
    """A running web server: what it serves, what it was asked, and its certificate.

    `files` are contents by path, `answers` functions that answer instead.
    """

    url: str
    cert: str
    pem: str
    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [path for _, path, _ in self.asked]

    def add(self, files: Mapping[str, bytes]) -> None:
        """Serve these as well."""
        self.files |= files


class Handler(http.server.BaseHTTPRequestHandler):
    """Files with ETag, gzip and ranges, as the public servers answer."""

    protocol_version = "HTTP/1.1"
    # A body would wait 40 ms for its head to be acknowledged.
    disable_nagle_algorithm = True
    site: Site

    def do_POST(self) -> None:
        self.do_GET()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.site.asked.append((self.command, self.path, dict(self.headers)))
        if path in self.site.answers:
            self.site.answers[path](self)
        elif path not in self.site.files:
            self.reply(404, b"<html>no such file</html>")
        else:
            self._file(self.site.files[path])

    def _file(self, content: bytes) -> None:
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == etag:
            self.reply(304, b"", {"ETag": etag})
            return
        headers = {"ETag": etag, "Last-Modified": formatdate(factory.FIRST_DAY, usegmt=True)}
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes="):
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.reply(206, content[start:], headers)
            return
        if "gzip" in self.headers.get("Accept-Encoding", "") and self.path.endswith(".json"):
            content, headers["Content-Encoding"] = gzip.compress(content), "gzip"
        self.reply(200, content, headers)

    def reply(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Status, headers and a body of known length."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class _Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # clients that refuse the certificate or go away are what tests are about


@contextmanager
def serving(folder: Path) -> Iterator[Site]:
    """A site at https://127.0.0.1:<port>, its files empty; its certificate and key lie in the folder."""
    cert, key = certificates.pair(folder, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    handler = type("SiteHandler", (Handler,), {})
    with _Quiet(("127.0.0.1", 0), handler) as web:
        web.socket = context.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
        site = Site(f"https://127.0.0.1:{web.server_address[1]}", str(cert), cert.read_text())
        handler.site = site  # type: ignore[attr-defined]
        thread = threading.Thread(target=web.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield site
        finally:
            web.shutdown()
            thread.join()


COMBINED = {
    "squashfs": "combined_squashfs_sha256",
    "root.tar.xz": "combined_rootxz_sha256",
    "disk-kvm.img": "combined_disk-kvm-img_sha256",
    "disk1.img": "combined_disk1-img_sha256",
    "uefi1.img": "combined_uefi1-img_sha256",
}


def connect(site: Site, path: str = "") -> CatalogueClient:
    """A client of the catalogue at the site, which is closed by the caller."""
    client = lxdimg_nb.connect(f"simplestreams+{site.url}{path}", server_cert=site.cert)
    assert isinstance(client, CatalogueClient)
    return client


class Tree:
    """A simplestreams tree that is being made: products with versions, and the files they name."""

    def __init__(self, content_id: str = "images") -> None:
        self.products: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self._content_id = content_id

    def product(self, key: str, arch: str = "amd64", **fields: Any) -> dict[str, Any]:
        """A product, made when it is not there."""
        return self.products.setdefault(key, {"arch": arch, "versions": {}, **fields})

    def version(
        self, key: str, serial: str, i: int, *, metadata: str = "lxd.tar.xz", roots: tuple[str, ...] = ("squashfs",)
    ) -> dict[str, Any]:
        """A version of a product: image `i` of the factory, a metadata file and a root for each name; its items."""
        items: dict[str, Any] = {}
        folder = f"images/{key.replace(':', '/')}/{serial}"
        meta = factory.split(i, compression="xz")[0]
        items[metadata] = self.item(metadata, f"{folder}/{metadata}", meta)
        for root in roots:
            data = b"QFI\xfb" + factory.qcow2()[4:] if root.endswith(".img") else factory.split(i)[1]
            data += root.encode() + str(i).encode()
            name = {"squashfs": "rootfs.squashfs", "disk-kvm.img": "disk.qcow2"}.get(root, root)
            items[name] = self.item(root, f"{folder}/{name}", data)
            items[metadata][COMBINED[root]] = factory.fingerprint(meta, data)
        if "squashfs" in roots:
            delta = self.item("squashfs.vcdiff", f"{folder}/delta.vcdiff", b"delta")
            items["delta.vcdiff"] = delta | {"delta_base": "20200101"}
        self.products[key]["versions"][serial] = {"items": items, "label": "release"}
        return items

    def unified(self, key: str, serial: str, data: bytes, *, product: str = "lxd") -> dict[str, Any]:
        """A version that is one file."""
        name = f"{product}_combined.tar.gz"
        items = {name: self.item(name, f"images/{key.replace(':', '/')}/{serial}/{name}", data)}
        self.products[key]["versions"][serial] = {"items": items}
        return items

    def item(self, ftype: str, path: str, data: bytes) -> dict[str, Any]:
        """A file of the tree, and the item that describes it."""
        self.files[f"/{path}"] = data
        return {"ftype": ftype, "path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def publish(self, site: Site, prefix: str = "") -> None:
        """Serve the tree as it is now."""
        index = {
            "format": "index:1.0",
            "index": {
                self._content_id: {
                    "datatype": "image-downloads",
                    "path": f"streams/v1/{self._content_id}.json",
                    "products": list(self.products),
                    "format": "products:1.0",
                },
                "files": {"datatype": "file-downloads", "path": "streams/v1/files.json", "products": ["x"]},
                "none": {"datatype": "image-downloads", "path": "streams/v1/none.json", "products": []},
            },
        }
        document = {"format": "products:1.0", "content_id": self._content_id, "products": self.products}
        site.add({prefix + path: data for path, data in self.files.items()})
        site.add(
            {
                f"{prefix}/streams/v1/index.json": json.dumps(index).encode(),
                f"{prefix}/streams/v1/{self._content_id}.json": json.dumps(document).encode(),
            }
        )


def ubuntu() -> Tree:
    """As cloud-images.ubuntu.com/releases: LXD's own, squashfs and disks, deltas, an old release without support."""
    tree = Tree("com.ubuntu.cloud:released:download")
    for a, arch in enumerate(("amd64", "arm64", "pdp11")):
        key = f"com.ubuntu.cloud:server:24.04:{arch}"
        tree.product(
            key,
            arch,
            os="ubuntu",
            release="noble",
            release_title="24.04 LTS",
            release_codename="Noble Numbat",
            version="24.04",
            aliases="24.04,n,noble,default,lts,ubuntu/24.04",
            support_eol="2029-05-31",
            supported=True,
        )
        for n, serial in enumerate(("20240423", "20240608", "20240523.1")):
            tree.version(key, serial, 10 * n + a, roots=("squashfs", "root.tar.xz", "disk1.img"))
    return tree


def noble(site: Site, *, metadata: str = "lxd.tar.xz") -> Callable[[], None]:
    """Serve a catalogue with one build of `noble`; returns what publishes a newer one.

    Args:
        metadata: `incus.tar.xz` for what Incus reads.
    """
    key, tree = "com.ubuntu.cloud:server:24.04:amd64", Tree()
    tree.product(key, os="ubuntu", release="noble", version="24.04", aliases="noble,24.04")
    tree.version(key, "20240423", 1, metadata=metadata)
    tree.publish(site)

    def newer() -> None:
        tree.version(key, "20240608", 2, metadata=metadata)
        tree.publish(site)

    return newer


def linuxcontainers() -> Tree:
    """As images.linuxcontainers.org: Incus' own, squashfs and qcow2, daily builds, variants."""
    tree = Tree("images")
    for variant in ("default", "cloud"):
        key = f"debian:bookworm:amd64:{variant}"
        names = f"debian/12/{variant},debian/bookworm/{variant}"
        tree.product(
            key,
            os="Debian",
            release="bookworm",
            release_title="bookworm",
            variant=variant,
            aliases=names + (",debian/12,debian/bookworm" if variant == "default" else ""),
            requirements={"secureboot": "false"},
        )
        for n, serial in enumerate(("20261120_05:24", "20261121_05:24", "20261122_05:24")):
            i = 100 + n + (50 if variant == "cloud" else 0)
            tree.version(key, serial, i, metadata="incus.tar.xz", roots=("squashfs", "disk-kvm.img"))
    return tree
