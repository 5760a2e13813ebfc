"""Reads the simplestreams trees that the demo server copies images from.

Source: the simplestreams layout as LXD reads it: `streams/v1/index.json`, then products, versions, items; the
`combined_*_sha256` of a metadata item is the fingerprint of the image it makes with a root item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ..store.image_records import Record
from ..store.refusals import Refusal
from ..versions.flavours import NEVER, Flavour
from .peers import Peer

__all__ = ["find_image"]

_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64", "armhf": "armv7l", "i386": "i686", "ppc64el": "ppc64le"}
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
    """One image of a tree: its record, its aliases, and the paths of its files relative to the tree."""

    record: Record
    aliases: tuple[str, ...]
    paths: tuple[str, ...]


def find_image(peer: Peer, wanted: str, kind: str, architecture: str, flavour: Flavour) -> StreamImage:
    """The newest image with an alias, or the one with a fingerprint or a prefix of it.

    Raises:
        Refusal: there is none, or the tree cannot be read.
    """
    images = _images_of(peer, flavour)
    for image in images:
        record = image.record
        if wanted in image.aliases and record.type == (kind or "container") and record.architecture == architecture:
            return image
    for image in images:
        if image.record.fingerprint.startswith(wanted):
            return image
    raise Refusal(404, "Failed getting image: The requested image couldn't be found")


def _images_of(peer: Peer, flavour: Flavour) -> list[StreamImage]:
    """Every image of a tree that is made for this product, newest builds first."""
    try:
        index = peer.json("GET", "/streams/v1/index.json")
        found: list[tuple[str, StreamImage]] = []
        for entry in index.get("index", {}).values():
            if entry.get("datatype") == "image-downloads" and entry.get("products"):
                products = peer.json("GET", f"/{entry['path']}").get("products", {})
                for product in products.values():
                    found += _images_of_product(product, flavour)
    except Refusal as refusal:
        raise Refusal(500, f"Failed getting image: Failed parsing stream: {refusal.text}") from refusal
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refusal(500, f"Failed getting image: Failed parsing stream: {error}") from error
    return [image for _, image in sorted(found, key=lambda one: one[0], reverse=True)]


def _images_of_product(product: Mapping[str, Any], flavour: Flavour) -> Iterator[tuple[str, StreamImage]]:
    """The images of a product, each with the serial of its build."""
    aliases = tuple(name.strip() for name in str(product.get("aliases", "")).split(",") if name.strip())
    architecture = str(product.get("arch", ""))
    for serial, version in product.get("versions", {}).items():
        items = {str(item.get("ftype")): item for item in version.get("items", {}).values()}
        metadata = items.get(f"{flavour.product}.tar.xz")
        for kind, key in _ROOTS.items():
            if metadata is None or kind not in items or not metadata.get(key):
                continue
            digits = serial.replace("_", "").replace(":", "")
            paths = (str(metadata["path"]), str(items[kind]["path"]))
            record = Record(
                fingerprint=str(metadata[key]),
                size=int(metadata["size"]) + int(items[kind]["size"]),
                type="virtual-machine" if kind.endswith(".img") else "container",
                architecture=_ARCHITECTURES.get(architecture, architecture),
                created_at=f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}T00:00:00Z",
                uploaded_at=NEVER,
                expires_at=_day(str(product.get("support_eol", ""))),
                # LXD takes the name of the metadata file, Incus leaves the image without a name.
                filename="" if flavour.is_incus else paths[0].rpartition("/")[2],
                properties=_properties(product, flavour.product, str(version.get("label", "")), serial, kind),
            )
            yield serial, StreamImage(record, aliases, paths)


def _day(text: str) -> str:
    """A day as a time; 1970, which is never, where the tree has none."""
    try:
        return f"{date.fromisoformat(text).isoformat()}T00:00:00Z"
    except ValueError:
        return "1970-01-01T00:00:00Z"


def _properties(product: Mapping[str, Any], reader: str, label: str, serial: str, kind: str) -> dict[str, str]:
    properties = {key: str(product.get(key, "")) for key in ("os", "release", "variant", "version")}
    architecture = str(product.get("arch", ""))
    title = [properties["os"], str(product.get("release_title", "")), architecture]
    properties |= {
        "architecture": architecture,
        "description": " ".join([*title, *(f"({text})" for text in (label, serial) if text)]),
        "label": label,
        "serial": serial,
        "type": kind,
    }
    for name in _REQUIREMENTS[reader]:
        if product.get(name):
            properties |= {f"requirements.{key}": str(text) for key, text in product[name].items()}
            break
    return {key: text for key, text in properties.items() if text}
