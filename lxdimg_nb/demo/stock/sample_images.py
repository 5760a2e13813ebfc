"""Small real images to try things out with, on a demo server or on a server of one's own; notebooks use them."""

from __future__ import annotations

import hashlib
import json
import platform
import random
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

from ..store.tarballs import metadata_yaml, tarball
from .root_filesystems import init_program

__all__ = ["sample_docker_image", "sample_image", "sample_split_image"]

_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
_FOLDERS = ("bin", "dev", "etc", "proc", "root", "run", "sbin", "sys", "tmp", "var")


def sample_image(
    name: str = "sample",
    *,
    os: str = "Sample",
    release: str = "1",
    created: datetime | None = None,
    size: int = 0,
    files: Mapping[str, str | bytes] | None = None,
    properties: Mapping[str, str] | None = None,
) -> bytes:
    """A small real image: a tarball with metadata.yaml and rootfs/, for a container of this machine's architecture.

    LXD and Incus take it as any other image. Its only program is an init that waits to be stopped, on x86_64: there
    a container made of it starts and stops, elsewhere it does not start.

    Args:
        name: the image's name, also its property `name` and its hostname.
        os: its property `os`.
        release: its property `release`.
        created: when it was built; a time without a zone is UTC. None is now, and every such call makes another
            image; with a time, the same arguments make the same bytes.
        size: bytes of a further file that does not compress, for an image of about that size.
        files: further files, path below the root → content.
        properties: further properties, or other values of those above.

    Returns:
        The tarball, compressed with gzip: about 1 kB and `size`.

    Raises:
        ValueError: a size below 0, or a path that leads out of the root or to what is there already.
    """
    metadata, root, mtime = _content(name, os, release, created, size, files, properties)
    inside = {"rootfs": None, **{f"rootfs/{path}": content for path, content in root.items()}}
    return tarball(metadata | inside, mtime=mtime)


def sample_split_image(
    name: str = "sample",
    *,
    os: str = "Sample",
    release: str = "1",
    created: datetime | None = None,
    size: int = 0,
    files: Mapping[str, str | bytes] | None = None,
    properties: Mapping[str, str] | None = None,
) -> tuple[bytes, bytes]:
    """The same as `sample_image`, as a split image.

    Returns:
        The metadata tarball and the tarball of the root: `images.create(rootfs, metadata=metadata)`.
    """
    metadata, root, mtime = _content(name, os, release, created, size, files, properties)
    return tarball(metadata, compression="xz", mtime=mtime), tarball(root, mtime=mtime)


def sample_docker_image(
    name: str = "sample",
    *,
    os: str = "Sample",
    release: str = "1",
    created: datetime | None = None,
    size: int = 0,
    files: Mapping[str, str | bytes] | None = None,
) -> bytes:
    """The same root as `sample_image`, as the archive that `docker save NAME:latest` writes.

    It has two layers: the root, and one in which /etc/os-release says `VARIANT_ID=docker`. It is no image of a server
    as it is; `lxdimg.image_metadata()` makes the metadata that it lacks.

    Returns:
        The tarball, uncompressed.
    """
    _, root, mtime = _content(name, os, release, created, size, files, None)
    release_file = root["etc/os-release"] or b""
    layers = [
        tarball(root, compression="", mtime=mtime),
        tarball({"etc/os-release": release_file + b"VARIANT_ID=docker\n"}, compression="", mtime=mtime),
    ]
    machine = platform.machine().lower()
    config = json.dumps(
        {
            "architecture": {kernel: go for go, kernel in _ARCHITECTURES.items()}.get(machine, machine),
            "os": "linux",
            "created": datetime.fromtimestamp(mtime, UTC).isoformat(),
            "config": {"Cmd": ["/sbin/init"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha256(layer)}" for layer in layers]},
        }
    ).encode()
    archive: dict[str, bytes | None] = {f"{_sha256(layer)}/layer.tar": layer for layer in layers}
    manifest = [{"Config": f"{_sha256(config)}.json", "RepoTags": [f"{name}:latest"], "Layers": [*archive]}]
    return tarball(
        archive | {f"{_sha256(config)}.json": config, "manifest.json": json.dumps(manifest).encode()},
        compression="",
        mtime=mtime,
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(
    name: str,
    os: str,
    release: str,
    created: datetime | None,
    size: int,
    files: Mapping[str, str | bytes] | None,
    properties: Mapping[str, str] | None,
) -> tuple[dict[str, bytes | None], dict[str, bytes | None], int]:
    """The files beside the root, those below it, and the time of all of them in seconds since 1970."""
    if size < 0:
        raise ValueError(f"an image has 0 bytes or more, and not {size}")
    moment = datetime.now(UTC) if created is None else created
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    serial = moment.astimezone(UTC).strftime("%Y%m%d_%H:%M")
    build = secrets.token_hex(4) if created is None else serial
    machine = platform.machine().lower()
    architecture = _ARCHITECTURES.get(machine, machine)
    described = {
        "description": f"{os} {release} {architecture} ({serial})",
        "name": name,
        "os": str(os),
        "release": str(release),
        "serial": serial,
        **{key: str(value) for key, value in (properties or {}).items()},
    }
    root: dict[str, bytes | None] = dict.fromkeys(_FOLDERS)
    root |= {
        "etc/hostname": f"{name}\n".encode(),
        "etc/os-release": f'NAME="{os}"\nVERSION_ID="{release}"\nBUILD_ID={build}\n'.encode(),
    }
    init = init_program(architecture)
    if init:
        root["sbin/init"] = init
    if size:
        root["var/sample.bin"] = random.Random(f"{name} {build}").randbytes(size)  # noqa: S311 - only a filling
    for path, content in (files or {}).items():
        _add(root, path, content.encode() if isinstance(content, str) else content)
    text = metadata_yaml(architecture=architecture, creation_date=int(moment.timestamp()), properties=described)
    return {"metadata.yaml": text.encode()}, root, int(moment.timestamp())


def _add(root: dict[str, bytes | None], path: str, content: bytes) -> None:
    """Add a file, and the folders above it that are missing."""
    parts = path.split("/")
    if not path or any(part in ("", ".", "..") for part in parts) or "\0" in path:
        raise ValueError(f"a file is named by its path below the root, such as etc/motd, and not by {path!r}")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
    taken = [folder for folder in above if root.get(folder) is not None]
    if taken or (path in root and root[path] is None):
        raise ValueError(f"{path!r} cannot be added: {taken[0] if taken else path!r} is there already")
    for folder in above:
        root.setdefault(folder, None)
    root[path] = content
