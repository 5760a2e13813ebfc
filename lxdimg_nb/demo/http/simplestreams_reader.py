"""Reads the simplestreams trees that the demo server copies images from.

Source: the simplestreams layout as LXD reads it: `streams/v1/index.json`, then products, versions, items; the
`combined_*_sha256` of a metadata item is the fingerprint of the image it makes with a root item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ..store.refusals import Refusal
from .peers import Peer

__all__ = ["StreamImage", "find_image", "images_of"]

ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64", "armhf": "armv7l", "i386": "i686", "ppc64el": "ppc64le"}
_REQUIREMENTS = {"lxd": ("lxd_requirements", "requirements"), "incus": ("requirements",)}
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
        paths: paths of its files, relative to the tree.
        size: of all files together.
        expires_at: the end of support; 1970, which is never, where the tree does not say.
    """

    fingerprint: str
    aliases: tuple[str, ...]
    architecture: str
    type: str
    serial: str
    properties: dict[str, str]
    paths: tuple[str, ...]
    size: int
    expires_at: str


def images_of(peer: Peer, reader: str) -> list[StreamImage]:
    """Every image of a tree that is made for LXD or for Incus, newest builds first.

    Args:
        reader: `lxd` or `incus`: each takes the metadata files called after it, and no others.

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
                    found += _images_of_product(product, reader)
    except Refusal as refusal:
        raise Refusal(500, f"Failed getting image: Failed parsing stream: {refusal.text}") from refusal
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refusal(500, f"Failed getting image: Failed parsing stream: {error}") from error
    return sorted(found, key=lambda image: image.serial, reverse=True)


def _images_of_product(product: Mapping[str, Any], reader: str) -> Iterator[StreamImage]:
    aliases = tuple(name.strip() for name in str(product.get("aliases", "")).split(",") if name.strip())
    architecture = str(product.get("arch", ""))
    expires = _day(str(product.get("support_eol", "")))
    for serial, version in product.get("versions", {}).items():
        items = {str(item.get("ftype")): item for item in version.get("items", {}).values()}
        metadata = items.get(f"{reader}.tar.xz")
        for kind, key in _ROOTS.items():
            if metadata is None or kind not in items or not metadata.get(key):
                continue
            yield StreamImage(
                fingerprint=str(metadata[key]),
                aliases=aliases,
                architecture=ARCHITECTURES.get(architecture, architecture),
                type="virtual-machine" if kind.endswith(".img") else "container",
                serial=str(serial),
                properties=_properties(product, reader, str(version.get("label", "")), str(serial), kind),
                expires_at=expires,
                paths=(str(metadata["path"]), str(items[kind]["path"])),
                size=int(metadata["size"]) + int(items[kind]["size"]),
            )


def _day(text: str) -> str:
    try:
        return f"{date.fromisoformat(text).isoformat()}T00:00:00Z"
    except ValueError:
        return "1970-01-01T00:00:00Z"


def _properties(product: Mapping[str, Any], reader: str, label: str, serial: str, kind: str) -> dict[str, str]:
    told = {key: str(product.get(key, "")) for key in ("os", "release", "variant", "version")}
    architecture = str(product.get("arch", ""))
    title = [told["os"], str(product.get("release_title", "")), architecture]
    told |= {
        "architecture": architecture,
        "description": " ".join([*title, *(f"({text})" for text in (label, serial) if text)]),
        "label": label,
        "serial": serial,
        "type": kind,
    }
    for name in _REQUIREMENTS[reader]:
        if product.get(name):
            told |= {f"requirements.{key}": str(text) for key, text in product[name].items()}
            break
    return {key: text for key, text in told.items() if text}


def find_image(peer: Peer, wanted: str, kind: str, architecture: str, *, reader: str) -> StreamImage:
    """The newest image of an alias, or the one of a fingerprint or a prefix of it.

    Raises:
        Refusal: there is none, or the tree cannot be read.
    """
    images = images_of(peer, reader)
    for image in images:
        if wanted in image.aliases and image.type == (kind or "container") and image.architecture == architecture:
            return image
    for image in images:
        if image.fingerprint.startswith(wanted):
            return image
    raise Refusal(404, "Failed getting image: The requested image couldn't be found")
