"""The image builds in the demo server's stock, and the files of each.

Builds are so many days older than the day of the server's first start, so servers that start on the same day have
the same fingerprints.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from ..store.go_json import from_epoch
from ..store.image_records import Record
from ..store.tarballs import metadata_yaml, tarball
from ..versions.flavours import NEVER
from .root_filesystems import empty_disk, squashfs

__all__ = ["BUILDS", "NEWER", "Build", "Content", "content_of"]

_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Build:
    """One image of the inventory.

    Attributes:
        name: os, release, version and architecture, separated by spaces.
        age: days between its build and the first start of the server.
        shape: `tar`, `tar.xz`, `split`, `squashfs` or `vm`.
        aliases: its aliases, separated by spaces.
        uploaded: days ago.
        used: days ago it was last used, or None for never.
        expires: in days from now, negative for the past; None for never.
        source: its alias in the demo server's own simplestreams tree, if it comes from there.
        published: it was made from an instance.
    """

    name: str
    age: int
    shape: str = "tar"
    aliases: str = ""
    uploaded: int = 30
    used: int | None = None
    expires: int | None = None
    public: bool = False
    cached: bool = False
    auto_update: bool = False
    source: str = ""
    published: bool = False
    variant: str = "default"
    project: str = "default"
    comment: str = ""

    def serial(self, day: date) -> str:
        """The day of the build, YYYYMMDD, for a server that was first started on `day`."""
        return f"{day - timedelta(days=self.age):%Y%m%d}"


BUILDS = (
    Build("ubuntu noble 24.04 amd64", 31, "squashfs", aliases="ubuntu/24.04 noble", uploaded=20, used=1,
          auto_update=True, source="ubuntu/24.04"),
    Build("ubuntu noble 24.04 amd64", 101, uploaded=95, used=88),
    Build("ubuntu noble 24.04 amd64", 157, uploaded=150),
    Build("ubuntu jammy 22.04 amd64", 62, "squashfs", aliases="ubuntu/22.04", uploaded=60, used=12, cached=True,
          auto_update=True, source="ubuntu/22.04"),
    Build("ubuntu jammy 22.04 arm64", 62, "squashfs", aliases="ubuntu/22.04/arm64", uploaded=60),
    Build("ubuntu focal 20.04 amd64", 949, aliases="ubuntu/20.04", uploaded=640, used=410, expires=-180),
    Build("ubuntu noble 24.04 amd64", 45, "vm", aliases="ubuntu/24.04/vm", uploaded=41, used=3,
          variant="cloud"),
    Build("debian bookworm 12 amd64", 39, aliases="debian/12", uploaded=28, used=2, public=True),
    Build("debian bookworm 12 amd64", 39, "squashfs", aliases="debian/12/cloud", uploaded=28, used=5,
          variant="cloud"),
    Build("debian bookworm 12 arm64", 74, "tar.xz", aliases="debian/12/arm64", uploaded=70),
    Build("debian bullseye 11 amd64", 804, aliases="debian/11", uploaded=500, used=380, expires=-40),
    Build("debian trixie 13 amd64", 92, "squashfs", aliases="debian/13", uploaded=90, used=9,
          source="debian/13"),
    Build("alpine edge 3.20 amd64", 126, "squashfs", aliases="alpine/3.20", uploaded=120, used=33),
    Build("alpine v3.18 3.18 amd64", 669, "tar.xz", uploaded=600, expires=-300),
    Build("fedora 40 40 amd64", 259, "vm", aliases="fedora/40", uploaded=240, expires=45),
    Build("rockylinux 9 9 amd64", 60, "split", aliases="rocky/9 el9", uploaded=55, used=14),
    Build("archlinux current current amd64", 142, uploaded=140, used=135, auto_update=True),
    Build("almalinux 9 9 amd64", 63, "vm", uploaded=8, cached=True),
    Build("ubuntu noble 24.04 amd64", 25, aliases="frontend", uploaded=15, used=4, public=True,
          published=True, project="web", comment="web frontend, published from web-1"),
    Build("ubuntu noble 24.04 amd64", 82, aliases="frontend/previous", uploaded=80, used=16,
          public=True, published=True, project="web", comment="web frontend, published from web-1"),
    Build("debian bookworm 12 amd64", 52, "split", aliases="nginx", uploaded=50, used=7, project="web",
          comment="nginx on Debian 12"),
    Build("debian bookworm 12 amd64", 39, aliases="debian/12", uploaded=27, project="web"),
    Build("ubuntu jammy 22.04 amd64", 24, aliases="runner runner/3", uploaded=14, used=1,
          published=True, project="ci", comment="ci runner, build 3"),
    Build("ubuntu jammy 22.04 amd64", 87, aliases="runner/2", uploaded=76, used=15, published=True,
          project="ci", comment="ci runner, build 2"),
    Build("ubuntu jammy 22.04 amd64", 176, aliases="runner/1", uploaded=165, published=True,
          expires=-20, project="ci", comment="ci runner, build 1"),
    Build("ubuntu jammy 22.04 arm64", 24, "split", aliases="runner/arm64", uploaded=14, published=True,
          project="ci", comment="ci runner, build 3, arm64"),
)  # fmt: skip
NEWER = (
    Build("ubuntu noble 24.04 amd64", 2, "squashfs"),
    Build("debian trixie 13 amd64", 6, "squashfs"),
    Build("debian bookworm 12 amd64", 4, "squashfs", variant="cloud"),
    Build("alpine edge 3.20 amd64", 11, "squashfs"),
)
"""Builds that are in the simplestreams tree, but not in the inventory."""


@dataclass(frozen=True)
class Content:
    """A build's record, without times of upload and use, and its one or two files."""

    record: Record
    files: tuple[bytes, ...]


def _properties_of(build: Build, serial: str) -> dict[str, str]:
    """The properties of a build in its metadata.yaml."""
    name, release, version, architecture = build.name.split()
    description = build.comment or f"{name.capitalize()} {release} {architecture} ({serial}_07:42)"
    kind = {"vm": "disk-kvm.img", "squashfs": "squashfs"}.get(build.shape, "tar.gz")
    return {
        "architecture": architecture,
        "description": description,
        "name": f"{name}-{release}-{architecture}-{build.variant}-{serial}",
        "os": name.capitalize(),
        "release": release,
        "serial": f"{serial}_07:42",
        "type": kind,
        "variant": build.variant,
        "version": version,
    }


def content_of(build: Build, day: date) -> Content:
    """The record of a build, without times of upload and use, and its files, for a server first started on `day`."""
    serial = build.serial(day)
    properties = _properties_of(build, serial)
    created = int(datetime.combine(day - timedelta(days=build.age), time(7, 42), UTC).timestamp())
    architecture = _ARCHITECTURES[properties["architecture"]]
    text = metadata_yaml(architecture=architecture, creation_date=created, properties=properties)
    release = f'NAME="{properties["os"]}"\nVERSION_ID="{properties["version"]}"\nBUILD_ID={serial}\n'
    root: dict[str, bytes | None] = {
        "etc": None,
        "etc/hostname": b"demo\n",
        "etc/os-release": release.encode(),
        "var": None,
        "var/log": None,
        "var/log/build.log": (f"built {serial}\n" * (40 + len(build.name) * 7)).encode(),
    }
    template = {"templates": None, "templates/hostname.tpl": b"{{ container.name }}\n"}
    metadata: dict[str, bytes | None] = {"metadata.yaml": text.encode(), **template}
    if build.shape in ("tar", "tar.xz"):
        inside = {"rootfs": None, **{f"rootfs/{path}": content for path, content in root.items()}}
        compression = "xz" if build.shape == "tar.xz" else "gz"
        files = [tarball(metadata | inside, compression=compression, mtime=created)]
    else:
        second = {"squashfs": squashfs, "vm": empty_disk}.get(build.shape)
        files = [tarball(metadata, compression="xz", mtime=created)]
        files.append(second() if second else tarball(root, compression="gz", mtime=created))
    record = Record(
        fingerprint=hashlib.sha256(b"".join(files)).hexdigest(),
        size=sum(map(len, files)),
        type="virtual-machine" if build.shape == "vm" else "container",
        architecture=architecture,
        created_at=from_epoch(created),
        uploaded_at=NEVER,
        expires_at=NEVER,
        properties=properties,
    )
    return Content(record, tuple(files))
