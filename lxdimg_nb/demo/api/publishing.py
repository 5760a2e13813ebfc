"""An image made from an instance or a snapshot of one.

Instances of the demo server have no root file system of their own: what is published is the root file system
of the image they were made from, with their name in `etc/hostname`.

Source: `POST /1.0/images` with a source of type instance or snapshot, on LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import tarfile
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..http.routing import Call
from ..store.background_operations import Operation
from ..store.flavours import NEVER
from ..store.go_json import now_text
from ..store.image_inspection import BadImageError, facts_of
from ..store.image_records import Record
from ..store.refusals import Refusal
from ..store.tarballs import metadata_yaml, tarball
from .image_routes import announce, known_profiles

__all__ = ["check_compression", "publish", "publishable"]

_LXD_COMPRESSIONS = ("bzip2", "gzip", "lzma", "pigz", "pzstd", "squashfs", "xz", "zstd", "none")
_INCUS_COMPRESSIONS = (*_LXD_COMPRESSIONS, "lz4", "pxz")
_COPY_LIMIT = 32 << 20


def check_compression(call: Call, command: str) -> str:
    """The name of a compression, `gzip` where none is asked for.

    Raises:
        Refusal: it is none of those the server knows.
    """
    name = (shlex.split(command) or [""])[0] if command else "gzip"
    if call.daemon.flavour.is_incus:
        if name not in _INCUS_COMPRESSIONS:
            raise Refusal(500, f'Compression algorithm "{name}" isn\'t currently supported')
    elif name not in _LXD_COMPRESSIONS:
        raise Refusal(400, f'Invalid compression algorithm "{command}"')
    return name


def publishable(call: Call, source: Mapping[str, str]) -> dict[str, Any]:
    """The document of the instance or snapshot that a source names.

    Raises:
        Refusal: there is none, or the name and the type do not fit.
    """
    full = source.get("name", "")
    if not full:
        if call.daemon.flavour.is_incus or source.get("type") == "snapshot":
            raise Refusal(500, "No source provided")
        return {}
    name, _, snapshot = full.partition("/")
    if source.get("type") == "snapshot" and not snapshot and call.daemon.flavour.is_incus:
        raise Refusal(500, "Not a snapshot")
    store = call.daemon.store
    row = store.find("instances", project=call.project, name=name)
    if row is not None and snapshot:
        row = store.find("snapshots", instance=row["id"], name=snapshot)
    if row is None:
        raise Refusal(404, _missing(call, full))
    document: dict[str, Any] = json.loads(row["document"])
    if source.get("type") == "snapshot" and not snapshot:
        return document | {"not_a_snapshot": True}
    return document


def _missing(call: Call, name: str) -> str:
    if call.daemon.flavour.is_incus:
        parent, _, snapshot = name.partition("/")
        if snapshot and call.daemon.store.find("instances", project=call.project, name=parent):
            text = f'Failed to fetch snapshot "{snapshot}" of instance "{parent}" in project "{call.project}"'
            return f"{text}: Instance_snapshot not found"
        return f'Failed to fetch instance "{name}" in project "{call.project}": Instance not found'
    return "Instance not found"


async def publish(call: Call, body: Mapping[str, Any], operation: Operation) -> None:
    """Build the image and let it take its place.

    Raises:
        Refusal: with the text that the operation fails with.
    """
    daemon = call.daemon
    instance = publishable(call, body["source"])
    if not instance:
        raise Refusal(500, "No source provided")
    if instance.get("not_a_snapshot"):
        raise Refusal(500, "Not a snapshot")
    if instance.get("status") == "Running":
        raise Refusal(500, "a running instance cannot be published; stop it first")
    compression = check_compression(call, body.get("compression_algorithm", ""))
    project = call.images_of()
    aliases = body.get("aliases", [])
    if daemon.flavour.is_incus:
        for alias in aliases:
            if daemon.images.has_alias(project, alias["name"]):
                raise Refusal(500, f"Alias already exists: {alias['name']}")
    origin = daemon.images.exact(project, instance["config"].get("volatile.base_image", ""))
    base = daemon.images.files(origin)[0] if origin is not None else None
    properties = body.get("properties")
    if properties is None or daemon.flavour.is_incus:
        # LXD takes what is asked for in their place, Incus on top of them.
        own = await daemon.in_worker(_told_by, base) or _remembered(instance["config"])
        properties = own | (properties or {})
    created = int(time.time())
    text = metadata_yaml(architecture=instance["architecture"], creation_date=created, properties=properties)
    path = await daemon.in_worker(_build, daemon.store.blobs, text, instance["name"], base, compression)
    try:
        content = path.read_bytes()
        fingerprint = hashlib.sha256(content).hexdigest()
        daemon.operations.progress(operation, fingerprint=fingerprint, size=str(len(content)))
        if daemon.images.exact(project, fingerprint) is not None:
            raise Refusal(500, f"The image already exists: {fingerprint}")
        record = Record(
            fingerprint=fingerprint,
            size=len(content),
            type=instance["type"],
            architecture=instance["architecture"],
            created_at=now_text(),
            uploaded_at=now_text(),
            expires_at=body.get("expires_at", NEVER),
            filename=body.get("filename", ""),
            public=body.get("public", False),
            auto_update=body.get("auto_update", False),
            properties=properties,
            profiles=known_profiles(call, body.get("profiles", ["default"])),
        )
        daemon.images.install(project, record, [path])
    finally:
        path.unlink(missing_ok=True)
    announce(call, project, record, aliases)


def _told_by(base: Path | None) -> dict[str, str] | None:
    """The properties in an image's own metadata.yaml: an instance holds that, not what was edited since."""
    if base is None:
        return None
    try:
        return facts_of(base, split=True).properties
    except BadImageError:
        return None


def _remembered(config: Mapping[str, str]) -> dict[str, str]:
    return {key[6:]: value for key, value in config.items() if key.startswith("image.")}


def _build(folder: Path, text: str, name: str, base: Path | None, compression: str) -> Path:
    """Write the tarball of an instance to a file in the folder."""
    files: dict[str, bytes | None] = {"metadata.yaml": text.encode(), "rootfs": None, "rootfs/etc": None}
    files["rootfs/etc/hostname"] = f"{name}\n".encode()
    if base is not None and base.stat().st_size < _COPY_LIMIT:
        files |= _root_of(base)
    packed = {"none": "", "bzip2": "bz2", "xz": "xz", "lzma": "xz"}.get(compression, "gz")
    with tempfile.NamedTemporaryFile(prefix="upload-", dir=folder, delete=False) as file:
        file.write(tarball(files, compression=packed, mtime=int(time.time())))
    return Path(file.name)


def _root_of(base: Path) -> dict[str, bytes | None]:
    """The plain files of a unified tarball's root file system, as far as they fit a demo."""
    found: dict[str, bytes | None] = {}
    total = 0
    try:
        with tarfile.open(base, mode="r:*") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                content = tar.extractfile(member) if member.isreg() else None
                if content is None or not name.startswith("rootfs/") or name == "rootfs/etc/hostname":
                    continue
                total += member.size
                if total > _COPY_LIMIT:
                    break
                found[name] = content.read()
    except (tarfile.TarError, OSError, EOFError):
        return {}
    return found
