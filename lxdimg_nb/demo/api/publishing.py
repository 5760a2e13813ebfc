"""Images made from instances and snapshots.

Instances of the demo server have no root file system of their own. The root file system of the image they
were made from is published, with their name in `etc/hostname`.

Source: `POST /1.0/images` with a source of type instance or snapshot, on LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import bz2
import contextlib
import functools
import gzip
import hashlib
import json
import lzma
import re
import shlex
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..http.routing import Call
from ..store.background_operations import Operation
from ..store.go_json import now_text
from ..store.image_inspection import facts_of
from ..store.image_records import Record
from ..store.refusals import Refusal
from ..store.tarballs import metadata_yaml, tarball
from ..versions import facts
from ..versions.flavours import NEVER
from .image_routes import announce, known_profiles

__all__ = ["check_compression", "publish", "publishable", "wrong_compression"]

_LXD_COMPRESSIONS = ("bzip2", "gzip", "lzma", "pigz", "pzstd", "squashfs", "xz", "zstd", "none")
_INCUS_COMPRESSIONS = (*_LXD_COMPRESSIONS, "lz4", "pxz")
_COPY_LIMIT = 32 << 20
_OURS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": functools.partial(gzip.compress, mtime=0),
    "bzip2": bz2.compress,
    "xz": functools.partial(lzma.compress, preset=1),
    "lzma": functools.partial(lzma.compress, preset=1),
}


def wrong_compression(command: str, *, incus: bool) -> str:
    """What the daemon says of a compression that it does not know; empty for one that it knows, with its options."""
    name, *options = shlex.split(command) or [""]
    if not incus:
        return "" if name in _LXD_COMPRESSIONS else f'Invalid compression algorithm "{command}"'
    known = name in _INCUS_COMPRESSIONS and not (options and name in ("none", "squashfs"))
    return "" if known else f'Compression algorithm "{name}" isn\'t currently supported'


def check_compression(call: Call, command: str) -> str:
    """A compression, with its options: the one asked for, else the project's, else the server's, else `gzip`.

    Raises:
        Refusal: it is none of those the server knows.
    """
    row = call.store.find("projects", name=call.images_project())
    key = "images.compression_algorithm"
    command = command or (row is not None and json.loads(row["config"]).get(key)) or call.store.setting(key) or "gzip"
    if wrong := wrong_compression(command, incus=call.incus):
        raise Refusal(500 if call.incus else 400, wrong)
    return command


def publishable(call: Call, source: Mapping[str, str]) -> dict[str, Any]:
    """The document of the instance or snapshot that a source names.

    Raises:
        Refusal: there is none, or the name and the type do not fit.
    """
    full = source.get("name", "")
    if not full:
        if call.incus or source.get("type") == "snapshot":
            raise Refusal(500, "No source provided")
        return {}
    name, _, snapshot = full.partition("/")
    if source.get("type") == "snapshot" and not snapshot and call.incus:
        raise Refusal(500, "Not a snapshot")
    row = call.store.find("instances", project=call.project, name=name)
    if row is not None and snapshot:
        row = call.store.find("snapshots", instance=row["id"], name=snapshot)
    if row is None:
        raise Refusal(404, _missing(call, full))
    document: dict[str, Any] = json.loads(row["document"])
    return document


def _missing(call: Call, name: str) -> str:
    if call.incus:
        parent, _, snapshot = name.partition("/")
        if snapshot and call.store.find("instances", project=call.project, name=parent):
            text = f'Failed to fetch snapshot "{snapshot}" of instance "{parent}" in project "{call.project}"'
            return f"{text}: Instance_snapshot not found"
        project = "projectName" if call.does(facts.PROJECT_NAME) else "project"
        return f'Failed to fetch instance "{name}" in {project} "{call.project}": Instance not found'
    return "Instance not found"


async def publish(call: Call, body: Mapping[str, Any], operation: Operation) -> None:
    """Build the image and add it to the project.

    Raises:
        Refusal: with the text that the operation fails with.
    """
    daemon = call.daemon
    instance = publishable(call, body["source"])
    if not instance:
        raise Refusal(500, "No source provided")
    if body["source"].get("type") == "snapshot" and "/" not in body["source"]["name"]:
        raise Refusal(500, "Not a snapshot")
    if instance.get("status") == "Running":
        raise Refusal(500, "a running instance cannot be published; stop it first")
    compression = check_compression(call, body.get("compression_algorithm", ""))
    project = call.images_project()
    aliases = body.get("aliases", [])
    if daemon.flavour.is_incus:
        for alias in aliases:
            if daemon.images.has_alias(project, alias["name"]):
                raise Refusal(500, f"Alias already exists: {alias['name']}")
    origin = daemon.images.exact(project, instance["config"].get("volatile.base_image", ""))
    base = daemon.images.files(origin)[0] if origin is not None else None
    properties = body.get("properties")
    if properties is None or daemon.flavour.is_incus:
        # The properties asked for replace those of the image on LXD, and are added to them on Incus.
        own = await daemon.in_worker(_own_properties, base)
        if not own:
            own = {key[6:]: text for key, text in instance["config"].items() if key.startswith("image.")}
        properties = own | (properties or {})
    created = int(time.time())
    text = metadata_yaml(architecture=instance["architecture"], creation_date=created, properties=properties)
    split = body.get("format") == "split" and call.does(facts.SPLIT_FORMAT)
    contents = await daemon.in_worker(_tarballs, text, instance["name"], base, compression, split)
    fingerprint, size = hashlib.sha256(b"".join(contents)).hexdigest(), sum(map(len, contents))
    budget = daemon.store.disk_budget(project)
    if budget is not None and size > budget:
        raise Refusal(500, f"reached {size} bytes, exceeding quota of {budget}")
    daemon.operations.progress(operation, fingerprint=fingerprint, size=str(size))
    if daemon.images.exact(project, fingerprint) is not None:
        raise Refusal(500, f"The image already exists: {fingerprint}")
    record = Record(
        fingerprint=fingerprint,
        size=size,
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
    paths = [daemon.store.blobs / f"upload-{fingerprint}{number}" for number, _ in enumerate(contents)]
    try:
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        daemon.images.install(project, record, paths)
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
    announce(call, project, record, aliases)


def _own_properties(base: Path | None) -> dict[str, str] | None:
    """The properties in the metadata.yaml of an image; an instance has these, not those edited since."""
    with contextlib.suppress(Refusal):
        return facts_of(base, split=True).properties if base else None
    return None


def _tarballs(text: str, name: str, base: Path | None, compression: str, split: bool) -> list[bytes]:
    """The tarball of an image, or those of its metadata and of its root file system."""
    files: dict[str, bytes | None] = {"metadata.yaml": text.encode(), "rootfs": None, "rootfs/etc": None}
    files["rootfs/etc/hostname"] = f"{name}\n".encode()
    if base is not None and base.stat().st_size < _COPY_LIMIT:
        files |= _root_of(base)
    parts = [files]
    if split:
        root = {path.removeprefix("rootfs/"): content for path, content in files.items() if path.startswith("rootfs/")}
        parts = [{"metadata.yaml": files["metadata.yaml"]}, root]
    made = [tarball(part, compression="", mtime=int(time.time())) for part in parts]
    return [_compressed(content, compression) for content in made]


def _compressed(content: bytes, compression: str) -> bytes:
    """A tarball compressed by the program that is asked for, or made a squashfs, as the daemons do it."""
    program, *options = shlex.split(compression)
    if program == "none":
        return content
    if program in _OURS:
        return _OURS[program](content)
    levels = [word for word in options if re.fullmatch("-[0-9]+|--rsyncable", word)]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "squashfs")
        command = ["tar2sqfs", "--quiet", str(target)] if program == "squashfs" else [program, "-c", *levels]
        try:
            done = subprocess.run(command, input=content, capture_output=True, check=True)
        except FileNotFoundError as error:
            raise Refusal(500, f'exec: "{command[0]}": executable file not found in $PATH') from error
        except subprocess.CalledProcessError as error:
            raise Refusal(500, f"{program}: exit status {error.returncode}") from error
        return target.read_bytes() if program == "squashfs" else done.stdout


def _root_of(base: Path) -> dict[str, bytes | None]:
    """The regular files in the root file system of a unified tarball, up to the limit."""
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
