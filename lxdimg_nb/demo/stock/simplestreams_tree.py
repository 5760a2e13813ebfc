"""The demo server's own simplestreams tree: the official builds of its inventory, and newer ones.

Images can be copied from it, refreshed from it and compared with it: some images of the inventory have a
newer build in it, others are current.

Source: the simplestreams layout as LXD and Incus read it.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace
from datetime import date
from typing import Any

from .builds import BUILDS, NEWER, Build, Content, content_of

__all__ = ["tree"]


@functools.cache
def catalogue_builds(day: date) -> tuple[tuple[Build, Content], ...]:
    """The builds in the tree: the split builds of the inventory that were not published, and newer ones."""
    official = [
        build
        for build in (*BUILDS, *NEWER)
        if build.project == "default" and not build.published and build.shape in ("squashfs", "vm")
    ]
    return tuple((build, content_of(replace(build, public=True), day)) for build in official)


def _folder(build: Build, serial: str) -> str:
    name, release, _, architecture = build.name.split()
    return f"images/{name}/{release}/{architecture}/{build.variant}/{serial}_07:42"


def _product_name(build: Build) -> str:
    name, release, _, architecture = build.name.split()
    return f"{name}:{release}:{architecture}:{build.variant}"


@functools.cache
def tree(product: str, day: date) -> dict[str, Any]:
    """The tree for one product and the day of the server's first start: path -> JSON or bytes."""
    metadata_name = f"{product}.tar.xz"
    products: dict[str, Any] = {}
    files: dict[str, Any] = {}
    for build, content in catalogue_builds(day):
        serial = build.serial(day)
        name, release, version, architecture = build.name.split()
        root_name, kind, combined = (
            ("disk.qcow2", "disk-kvm.img", "combined_disk-kvm-img_sha256")
            if build.shape == "vm"
            else ("rootfs.squashfs", "squashfs", "combined_squashfs_sha256")
        )
        entry = products.setdefault(_product_name(build), _product(build, name, release, version, architecture))
        metadata, root = content.files
        paths = {part: f"{_folder(build, serial)}/{part}" for part in (metadata_name, root_name)}
        first = _item(metadata_name, paths[metadata_name], metadata) | {combined: content.record.fingerprint}
        second = _item(kind, paths[root_name], root)
        items = entry["versions"].setdefault(f"{serial}_07:42", {"items": {}})["items"]
        items |= {metadata_name: items.get(metadata_name, {}) | first, root_name: second}
        files |= {paths[metadata_name]: metadata, paths[root_name]: root}
    files["streams/v1/images.json"] = {
        "content_id": "images",
        "datatype": "image-downloads",
        "format": "products:1.0",
        "products": products,
    }
    entry = {"datatype": "image-downloads", "path": "streams/v1/images.json", "products": sorted(products)}
    files["streams/v1/index.json"] = {"format": "index:1.0", "index": {"images": entry}}
    return files


def _product(build: Build, name: str, release: str, version: str, architecture: str) -> dict[str, Any]:
    variant = "" if build.variant == "default" else f"/{build.variant}"
    names = dict.fromkeys(f"{name}/{text}{variant}" for text in (version, release))
    return {
        "aliases": ",".join(names),
        "arch": architecture,
        "os": name.capitalize(),
        "release": release,
        "release_title": version,
        "variant": build.variant,
        "version": version,
        "versions": {},
    }


def _item(kind: str, path: str, content: bytes) -> dict[str, Any]:
    return {"ftype": kind, "path": path, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
