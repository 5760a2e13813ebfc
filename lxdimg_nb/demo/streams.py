"""A simplestreams tree as the demo server reads it to copy from one.

Source: the simplestreams layout as LXD reads it: `streams/v1/index.json`, then products, versions, items; the
`combined_*_sha256` of a metadata item is the fingerprint of the image it makes with a root item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .peers import Peer
from .wire import Refusal

__all__ = ["StreamImage", "find_image", "images_of"]

ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64", "armhf": "armv7l", "i386": "i686", "ppc64el": "ppc64le"}
_METADATA = ("lxd.tar.xz", "incus.tar.xz")
_ROOTS = {
    "squashfs": "combined_squashfs_sha256",
    "root.tar.xz": "combined_rootxz_sha256",
    "disk-kvm.img": "combined_disk-kvm-img_sha256",
    "disk1.img": "combined_disk1-img_sha256",
    "uefi1.img": "combined_uefi1-img_sha256",
}


@dataclass(frozen=True)
class StreamImage:
    """One image of a tree.

    Attributes:
        paths: of its one or two files, relative to the tree.
        size: of them together.
    """

    fingerprint: str
    aliases: tuple[str, ...]
    architecture: str
    type: str
    serial: str
    properties: dict[str, str]
    paths: tuple[str, ...]
    size: int


def images_of(peer: Peer) -> list[StreamImage]:
    """Every image of a tree, newest builds first.

    Raises:
        Refusal: the tree cannot be read.
    """
    try:
        index = peer.json("GET", "/streams/v1/index.json")
        found: list[StreamImage] = []
        for entry in index.get("index", {}).values():
            if entry.get("datatype") == "image-downloads" and entry.get("products"):
                products = peer.json("GET", f"/{entry['path']}").get("products", {})
                for product in products.values():
                    found += _images_of_product(product)
    except Refusal as refusal:
        raise Refusal(500, f"Failed getting image: Failed parsing stream: {refusal.text}") from refusal
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refusal(500, f"Failed getting image: Failed parsing stream: {error}") from error
    return sorted(found, key=lambda image: image.serial, reverse=True)


def _images_of_product(product: Mapping[str, Any]) -> Iterator[StreamImage]:
    aliases = tuple(name.strip() for name in str(product.get("aliases", "")).split(",") if name.strip())
    architecture = str(product.get("arch", ""))
    for serial, version in product.get("versions", {}).items():
        items = {str(item.get("ftype")): item for item in version.get("items", {}).values()}
        metadata = next((items[name] for name in _METADATA if name in items), None)
        for kind, key in _ROOTS.items():
            if metadata is None or kind not in items or not metadata.get(key):
                continue
            yield StreamImage(
                fingerprint=str(metadata[key]),
                aliases=aliases,
                architecture=ARCHITECTURES.get(architecture, architecture),
                type="virtual-machine" if kind.endswith(".img") else "container",
                serial=str(serial),
                properties=_properties(product, str(serial), kind),
                paths=(str(metadata["path"]), str(items[kind]["path"])),
                size=int(metadata["size"]) + int(items[kind]["size"]),
            )


def _properties(product: Mapping[str, Any], serial: str, kind: str) -> dict[str, str]:
    told = {key: str(product.get(key, "")) for key in ("os", "release", "variant", "version")}
    release = product.get("release_title") or told["release"]
    told |= {
        "architecture": str(product.get("arch", "")),
        "description": f"{told['os']} {release} {product.get('arch', '')} ({serial})",
        "serial": serial,
        "type": kind,
    }
    return {key: text for key, text in told.items() if text}


def find_image(peer: Peer, wanted: str, kind: str, architectures: tuple[str, ...]) -> StreamImage:
    """The newest image of an alias, or the one of a fingerprint or a prefix of it.

    Raises:
        Refusal: there is none, or the tree cannot be read.
    """
    images = images_of(peer)
    for image in images:
        if wanted in image.aliases and image.type == (kind or "container") and image.architecture in architectures:
            return image
    for image in images:
        if image.fingerprint.startswith(wanted):
            return image
    raise Refusal(404, "Failed getting image: The requested image couldn't be found")
