"""The index and products files of simplestreams, parsed into images and the files they are made of.

Nothing is fetched here. The content is untrusted: what makes no sense is left out and reported in `problems`, and
the work is linear in the size of the file.

Source: simplestreams' index and products formats as cloud-images.ubuntu.com and images.linuxcontainers.org
use them; shared/simplestreams of LXD and Incus for what makes an image.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.values import FINGERPRINT, format_time
from lxdimg_nb.values.architecture import kernel_architecture

__all__ = ["Build", "File", "Problems", "read_index", "read_products"]

MAX_TEXT = 256
MAX_ALIASES = 64
MAX_IMAGES = 300_000
MAX_PROBLEMS = 100
MAX_SIZE = 1 << 44

_SERIAL = re.compile(r"^(\d{8})(?:_(\d{2}):?(\d{2}))?(?!\d)")
# Items that are the metadata of a split image, and items that are a whole image.
_METADATA = ("incus.tar.xz", "lxd.tar.xz")
_COMBINED = ("incus_combined.tar.gz", "lxd_combined.tar.gz")
# Root file systems in the order that servers prefer, and the fields of the metadata item that hold the fingerprint.
_ROOTS: Mapping[str, tuple[str, ...]] = {
    "squashfs": ("combined_squashfs_sha256",),
    "root.tar.xz": ("combined_rootxz_sha256", "combined_sha256"),
    "disk-kvm.img": ("combined_disk-kvm-img_sha256",),
    "uefi1.img": ("combined_uefi1-img_sha256",),
    "disk1.img": ("combined_disk1-img_sha256",),
}
_PREFERRED = (*_ROOTS, "tar.gz")
_DISKS = ("disk-kvm.img", "uefi1.img", "disk1.img")


@dataclass(frozen=True, slots=True)
class File:
    """One file of an image: its checked path below the catalogue's address, SHA-256 (may be empty), size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Build:
    """One image: its JSON object as a server would show it, its files, and the aliases of its product."""

    raw: dict[str, Any]
    files: tuple[File, ...]
    aliases: tuple[str, ...]
    order: tuple[str, str, str, str, str, int]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the files, one after the other."""
        return str(self.raw["fingerprint"])


@dataclass
class Problems:
    """What was left out of a catalogue and why; the first hundred."""

    texts: list[str] = field(default_factory=list)

    def add(self, what: str) -> None:
        """Add one, without control characters."""
        if len(self.texts) < MAX_PROBLEMS:
            self.texts.append("".join(c if c.isprintable() else "?" for c in what[:MAX_TEXT]))


def read_index(content: bytes) -> list[str]:
    """The paths of the products files with images.

    Raises:
        UnexpectedReplyError: not an index of simplestreams.
    """
    index = _object(content, "index").get("index")
    if not isinstance(index, dict):
        raise UnexpectedReplyError("this is no simplestreams index; check the address")
    found = []
    for entry in index.values():
        if isinstance(entry, dict) and entry.get("datatype") == "image-downloads" and entry.get("products"):
            path = _path(entry.get("path"))
            if not path:
                raise UnexpectedReplyError("the simplestreams index points outside of its own address")
            found.append(path)
    return list(dict.fromkeys(found))


def read_products(content: bytes, problems: Problems) -> list[Build]:
    """All images of one products file.

    Raises:
        UnexpectedReplyError: not a products file, or implausibly many images.
    """
    products = _object(content, "products").get("products")
    if not isinstance(products, dict):
        raise UnexpectedReplyError("this is no list of simplestreams products")
    found: list[Build] = []
    for key, product in products.items():
        versions = product.get("versions") if isinstance(product, dict) else None
        if not isinstance(versions, dict):
            problems.add(f"{key}: a product without versions")
            continue
        architecture = kernel_architecture(_text(product, "arch"))
        if not architecture:
            problems.add(f"{key}: the architecture {_text(product, 'arch')!r} is not known")
            continue
        parsed = _Product.of(key, product, architecture)
        for serial, version in versions.items():
            items = version.get("items") if isinstance(version, dict) else None
            if isinstance(items, dict):
                found += parsed.builds(serial, _text(version, "label"), items, problems)
        if len(found) > MAX_IMAGES:
            raise UnexpectedReplyError(f"the catalogue lists more than {MAX_IMAGES} images; that cannot be right")
    return found


@dataclass(frozen=True, slots=True)
class _Product:
    """What all images of a product have in common."""

    key: str
    title: str
    aliases: tuple[str, ...]
    properties: Mapping[str, str]
    shared: Mapping[str, Any]

    @classmethod
    def of(cls, key: str, data: Mapping[str, Any], architecture: str) -> _Product:
        """From the JSON object of the product."""
        properties = {name: _text(data, name) for name in ("os", "release", "version", "variant")}
        properties["architecture"] = _text(data, "arch")
        for name in ("lxd_requirements", "requirements"):
            wanted = data.get(name)
            if isinstance(wanted, dict) and wanted:
                pairs = list(wanted.items())[:MAX_ALIASES]
                properties |= {f"requirements.{k[:MAX_TEXT]}": v[:MAX_TEXT] for k, v in pairs if isinstance(v, str)}
                break
        variant = properties["variant"] if properties["variant"] != "default" else ""
        words = [properties["os"], _text(data, "release_title") or properties["release"], properties["architecture"]]
        shared = {
            "architecture": architecture,
            "public": True,
            "auto_update": False,
            "cached": False,
            "last_used_at": "0001-01-01T00:00:00Z",
            "expires_at": format_time(_day(_text(data, "support_eol"))),
            "profiles": [],
        }
        title = " ".join(word for word in [*words, f"({variant})" if variant else ""] if word)
        return cls(key, title, _aliases(data), properties, shared)

    def builds(self, serial: str, label: str, items: Mapping[str, Any], problems: Problems) -> list[Build]:
        """The images of one version: one for each pair of metadata and root, and one for each combined file."""
        by_type: dict[str, Mapping[str, Any]] = {}
        for _, item in sorted(items.items()):
            if isinstance(item, dict):
                by_type.setdefault(_text(item, "ftype"), item)
        pairs: list[tuple[Mapping[str, Any], Mapping[str, Any] | None, str]] = []
        for name in _METADATA:
            if name in by_type:
                pairs += [(by_type[name], by_type[root], root) for root in _ROOTS if root in by_type]
        pairs += [(by_type[name], None, "tar.gz") for name in _COMBINED if name in by_type]
        created = _created(serial)
        if pairs and created is None:
            problems.add(f"{self.key} {serial}: the version is no date")
        if not pairs or created is None:
            return []
        shared = {**self.shared, "created_at": format_time(created), "uploaded_at": format_time(created)}
        serial = serial[:MAX_TEXT]
        found = []
        for metadata, root, kind in pairs:
            fingerprint = _fingerprint(metadata, kind if root is not None else "")
            files = [_file(item) for item in (metadata, root) if item is not None]
            checked = tuple(file for file in files if file is not None)
            if not fingerprint or len(checked) < len(files):
                why = "a file that makes no sense" if fingerprint else "no fingerprint"
                problems.add(f"{self.key} {serial} {kind}: {why}")
                continue
            machine = kind in _DISKS or (root is None and metadata.get("combined_type") == "virtual-machine")
            raw = {
                **shared,
                "fingerprint": fingerprint,
                "type": "virtual-machine" if machine else "container",
                "size": sum(file.size for file in checked),
                "filename": checked[0].path.rpartition("/")[2],
                "properties": self._properties(serial, label, kind),
            }
            found.append(Build(raw, checked, self.aliases, self._order(serial, kind)))
        return found

    def _properties(self, serial: str, label: str, kind: str) -> dict[str, str]:
        description = " ".join([self.title, *(f"({text})" for text in (label, serial) if text)])
        own = {"label": label, "serial": serial, "type": kind, "description": description}
        return {k: v for k, v in {**self.properties, **own}.items() if v}

    def _order(self, serial: str, kind: str) -> tuple[str, str, str, str, str, int]:
        known = self.properties
        return known["os"], known["release"], known["variant"], serial, known["architecture"], _PREFERRED.index(kind)


def _aliases(product: Mapping[str, Any]) -> tuple[str, ...]:
    written = product.get("aliases")
    if not isinstance(written, str):
        return ()
    names = (name.strip() for name in written[: MAX_ALIASES * MAX_TEXT].split(",")[:MAX_ALIASES])
    return tuple(dict.fromkeys(name for name in names if 0 < len(name) <= MAX_TEXT))


def _fingerprint(metadata: Mapping[str, Any], root: str) -> str:
    fields = _ROOTS[root] if root else ("sha256",)
    values = (metadata.get(name) for name in fields)
    return next((v for v in values if isinstance(v, str) and FINGERPRINT.fullmatch(v)), "")


def _file(item: Mapping[str, Any]) -> File | None:
    path, size, sha256 = _path(item.get("path")), item.get("size"), item.get("sha256")
    if not path or not isinstance(size, int) or isinstance(size, bool) or not 0 < size < MAX_SIZE:
        return None
    if sha256 is not None and not (isinstance(sha256, str) and FINGERPRINT.fullmatch(sha256)):
        return None
    return File(path, sha256 or "", size)


def _path(value: object) -> str:
    """A path that stays below the catalogue's address; empty for any other."""
    if not isinstance(value, str) or not 0 < len(value) <= 1024 or "\\" in value or not value.isprintable():
        return ""
    parts = value.split("/")
    if any(part in ("", ".", "..") for part in parts) or ":" in parts[0]:
        return ""
    return value


def _created(serial: str) -> datetime | None:
    found = _SERIAL.match(serial)
    if found is None:
        return None
    try:
        day = datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    try:
        return day.replace(hour=int(found[2] or 0), minute=int(found[3] or 0))
    except ValueError:
        return day


def _day(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time.min, UTC)
    except ValueError:
        return None


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _object(content: bytes, what: str) -> Mapping[str, Any]:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnexpectedReplyError(f"the simplestreams {what} file is no JSON; check the address") from error
    if not isinstance(data, dict):
        raise UnexpectedReplyError(f"the simplestreams {what} file is no object; check the address")
    return data
