"""The products files of simplestreams, parsed into images and the files they are made of.

Nothing is fetched here. The content is untrusted: what makes no sense is left out and reported in `problems`, and
the work is linear in the size of the file. What lxc and incus read of odd files is read, too.

Source: simplestreams' products format as cloud-images.ubuntu.com and images.linuxcontainers.org use it;
shared/simplestreams of LXD and Incus for what makes an image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from lxdimg_nb.client.simplestreams.documents import parse_document
from lxdimg_nb.client.simplestreams.index_file import checked_path
from lxdimg_nb.client.simplestreams.problems import MAX_TEXT, Problems
from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.values import FINGERPRINT, format_time
from lxdimg_nb.values.architecture import kernel_architecture

__all__ = ["Build", "File", "read_products"]

MAX_ALIASES = 64
MAX_IMAGES = 300_000
MAX_SIZE = 1 << 44

_SERIAL = re.compile(r"^(\d{8})(?:_(\d{2}):?(\d{2}))?")
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
    """One file of an image: its checked path below the catalogue's address, SHA-256 (may be empty), size in bytes.

    A size of 0 is one that the catalogue does not tell.
    """

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


def read_products(content: bytes, problems: Problems, *, base: str = "") -> list[Build]:
    """All images of one products file.

    Args:
        problems: gets whatever is not an image, with the reason.
        base: the path of the catalogue's address, `/releases`.

    Raises:
        UnexpectedReplyError: not a products file, or implausibly many images.
    """
    products = parse_document(content, "the simplestreams products file").get("products")
    if not isinstance(products, dict):
        raise UnexpectedReplyError("this is no list of simplestreams products")
    found: list[Build] = []
    for key, product in products.items():
        versions = product.get("versions") if isinstance(product, dict) else None
        if not isinstance(versions, dict) or not versions:
            problems.add(f"{key}: a product without versions")
            continue
        architecture = kernel_architecture(_text(product, "arch"))
        if not architecture:
            problems.add(f"{key}: the architecture {_text(product, 'arch')!r} is not known")
            continue
        parsed = _Product.of(key, product, architecture, base)
        before, without = len(found), []
        for serial, version in versions.items():
            items = version.get("items") if isinstance(version, dict) else None
            by_type = _by_type(items) if isinstance(items, dict) else {}
            if any(name in by_type for name in (*_METADATA, *_COMBINED)):
                found += parsed.builds(serial, _text(version, "label"), by_type, problems)
            else:
                only = f", only {', '.join(sorted(by_type))}" if by_type else ""
                without.append(f"{key} {serial}: no image of LXD or Incus in it{only}")
        # Public catalogues keep products that never were images of LXD or Incus: one entry each.
        for text in without if len(found) > before else without[-1:]:
            problems.add(text)
        if len(found) > MAX_IMAGES:
            raise UnexpectedReplyError(f"the catalogue lists more than {MAX_IMAGES} images; that cannot be right")
    return found


def _by_type(items: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The items of a version by their type; of several of one type the first by name."""
    found: dict[str, Mapping[str, Any]] = {}
    for _, item in sorted(items.items()):
        if isinstance(item, dict) and (kind := _text(item, "ftype")):
            found.setdefault(kind, item)
    return found


@dataclass(frozen=True, slots=True)
class _Product:
    """What all images of a product have in common."""

    key: str
    title: str
    aliases: tuple[str, ...]
    properties: Mapping[str, str]
    shared: Mapping[str, Any]
    base: str

    @classmethod
    def of(cls, key: str, data: Mapping[str, Any], architecture: str, base: str) -> _Product:
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
        return cls(key, title, _aliases(data), properties, shared, base)

    def builds(
        self, serial: str, label: str, by_type: Mapping[str, Mapping[str, Any]], problems: Problems
    ) -> list[Build]:
        """The images of one version: one for each pair of metadata and root, and one for each combined file."""
        created = _created(serial)
        if created is None:
            problems.add(f"{self.key} {serial}: the version is no date")
            return []
        pairs: list[tuple[Mapping[str, Any], Mapping[str, Any] | None, str]] = []
        roots = [root for root in _ROOTS if root in by_type]
        for name in _METADATA:
            if name in by_type:
                pairs += [(by_type[name], by_type[root], root) for root in roots]
        pairs += [(by_type[name], None, "tar.gz") for name in _COMBINED if name in by_type]
        if not pairs:
            problems.add(f"{self.key} {serial}: metadata without a root file system")
        shared = {**self.shared, "created_at": format_time(created), "uploaded_at": format_time(created)}
        serial = serial[:MAX_TEXT]
        found: list[Build] = []
        wrong: dict[str, str] = {}
        for metadata, root, kind in pairs:
            fingerprint = _fingerprint(metadata, kind if root is not None else "")
            checked: list[File] = []
            why = "" if fingerprint else "no fingerprint"
            for item in (metadata, root):
                file, reason = _file(item, self.base) if item is not None else (None, "")
                why = why or reason
                checked += [file] if file is not None else []
            if why:
                wrong.setdefault(kind, why)
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
            found.append(Build(raw, tuple(checked), self.aliases, self._order(serial, kind)))
        # The metadata of LXD and of Incus make the same image; one that can be read is enough.
        readable = {build.raw["properties"]["type"] for build in found}
        for kind, why in wrong.items():
            if kind not in readable:
                problems.add(f"{self.key} {serial} {kind}: {why}")
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
    if isinstance(written, str):
        written = written[: MAX_ALIASES * MAX_TEXT].split(",")
    if not isinstance(written, list):
        return ()
    names = (name.strip() for name in written[:MAX_ALIASES] if isinstance(name, str))
    return tuple(dict.fromkeys(name for name in names if 0 < len(name) <= MAX_TEXT))


def _fingerprint(metadata: Mapping[str, Any], root: str) -> str:
    fields = _ROOTS[root] if root else ("sha256",)
    return next((found for name in fields if (found := _sha256(metadata.get(name)))), "")


def _sha256(value: object) -> str:
    """64 lower-case digits; empty for anything else."""
    text = value.lower() if isinstance(value, str) else ""
    return text if FINGERPRINT.fullmatch(text) else ""


def _size(value: object) -> int | None:
    """A number of bytes, also written as a text or with a fraction of 0; 0 where there is none, None for nonsense."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None:
        return 0
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_SIZE else None


def _file(item: Mapping[str, Any], base: str) -> tuple[File | None, str]:
    """A file, or what is wrong with it."""
    path, why = checked_path(item.get("path"), base)
    if not path:
        return None, why
    size, sha256 = _size(item.get("size")), item.get("sha256")
    if size is None:
        return None, "its size makes no sense"
    if sha256 is not None and not _sha256(sha256):
        return None, "its SHA-256 makes no sense"
    return File(path, _sha256(sha256), size), ""


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
