"""A believable inventory: some two dozen small images that are real, with something for every question.

Build dates are fixed, so fingerprints are always the same; uploads, uses and expiries are counted back from
the day the server first starts.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .catalogue import OWN_SERVER
from .flavours import NEVER
from .gojson import from_epoch, nanos_text
from .instanceroutes import instance_document, snapshot_document
from .records import ImageRow, Record
from .rootfs import empty_disk, squashfs
from .smallimages import metadata_yaml, recipe, tarball, tarball_from_recipe
from .store import Store

if TYPE_CHECKING:
    from .daemon import Daemon

__all__ = ["Build", "fill_inventory", "tiny_images"]

_DAY = 86_400
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Build:
    """One image of the inventory, in a line.

    Attributes:
        name: os, release, version and architecture, separated by blanks.
        serial: the day of the build, YYYYMMDD.
        shape: `tar`, `tar.xz`, `split`, `squashfs` or `vm`.
        aliases: names that point at it, separated by blanks.
        uploaded: days ago.
        used: days ago it was last used, or None for never.
        expires: in days from now, negative for the past; None for never.
        source: the alias it was fetched by from the demo server's own catalogue; empty for none.
        published: it was made from an instance.
    """

    name: str
    serial: str
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


BUILDS = (
    Build("ubuntu noble 24.04 amd64", "20251014", aliases="ubuntu/24.04 noble", uploaded=20, used=1,
          auto_update=True, source="ubuntu/24.04"),
    Build("ubuntu noble 24.04 amd64", "20250805", uploaded=95, used=88),
    Build("ubuntu noble 24.04 amd64", "20250610", uploaded=150),
    Build("ubuntu jammy 22.04 amd64", "20250918", aliases="ubuntu/22.04", uploaded=60, used=12, cached=True,
          auto_update=True, source="ubuntu/22.04"),
    Build("ubuntu jammy 22.04 arm64", "20250918", "squashfs", aliases="ubuntu/22.04/arm64", uploaded=60),
    Build("ubuntu focal 20.04 amd64", "20230410", aliases="ubuntu/20.04", uploaded=640, used=410, expires=-180),
    Build("ubuntu noble 24.04 amd64", "20250930", "vm", aliases="ubuntu/24.04/vm", uploaded=41, used=3,
          variant="cloud"),
    Build("debian bookworm 12 amd64", "20251006", aliases="debian/12", uploaded=28, used=2, public=True),
    Build("debian bookworm 12 amd64", "20251006", "squashfs", aliases="debian/12/cloud", uploaded=28, used=5,
          variant="cloud"),
    Build("debian bookworm 12 arm64", "20250901", "tar.xz", aliases="debian/12/arm64", uploaded=70),
    Build("debian bullseye 11 amd64", "20230902", aliases="debian/11", uploaded=500, used=380, expires=-40),
    Build("debian trixie 13 amd64", "20250820", aliases="debian/13", uploaded=90, used=9, source="debian/13"),
    Build("alpine edge 3.20 amd64", "20250711", "squashfs", aliases="alpine/3.20", uploaded=120, used=33),
    Build("alpine v3.18 3.18 amd64", "20240115", "tar.xz", uploaded=600, expires=-300),
    Build("fedora 40 40 amd64", "20250228", "vm", aliases="fedora/40", uploaded=240, expires=45),
    Build("rockylinux 9 9 amd64", "20250915", "split", aliases="rocky/9 el9", uploaded=55, used=14),
    Build("archlinux current current amd64", "20250701", uploaded=140, used=135, auto_update=True),
    Build("almalinux 9 9 amd64", "20250912", "vm", uploaded=8, cached=True),
    Build("ubuntu noble 24.04 amd64", "20251020", aliases="frontend", uploaded=15, used=4, public=True,
          published=True, project="web", comment="web frontend, published from web-1"),
    Build("ubuntu noble 24.04 amd64", "20250902", aliases="frontend/previous", uploaded=80, used=16,
          public=True, published=True, project="web", comment="web frontend, published from web-1"),
    Build("debian bookworm 12 amd64", "20250925", "split", aliases="nginx", uploaded=50, used=7, project="web",
          comment="nginx on Debian 12"),
    Build("debian bookworm 12 amd64", "20251006", aliases="debian/12", uploaded=27, project="web"),
    Build("ubuntu jammy 22.04 amd64", "20251021", aliases="runner runner/3", uploaded=14, used=1,
          published=True, project="ci", comment="ci runner, build 3"),
    Build("ubuntu jammy 22.04 amd64", "20250819", aliases="runner/2", uploaded=76, used=15, published=True,
          project="ci", comment="ci runner, build 2"),
    Build("ubuntu jammy 22.04 amd64", "20250522", aliases="runner/1", uploaded=165, published=True,
          expires=-20, project="ci", comment="ci runner, build 1"),
    Build("ubuntu jammy 22.04 arm64", "20251021", "split", aliases="runner/arm64", uploaded=14, published=True,
          project="ci", comment="ci runner, build 3, arm64"),
)  # fmt: skip
INSTANCES = (
    ("default", "mail", "ubuntu/24.04", ()),
    ("default", "build-box", "ubuntu/24.04", ("fresh",)),
    ("default", "db-1", "debian/12", ()),
    ("default", "db-2", "debian/12/cloud", ("before-upgrade",)),
    ("web", "web-1", "frontend", ()),
    ("web", "web-2", "frontend/previous", ()),
    ("web", "proxy", "nginx", ("tls-renewed",)),
    ("ci", "runner-a", "runner", ()),
)


def fill_inventory(daemon: Daemon) -> None:
    """Fill a server that holds nothing yet."""
    store = daemon.store
    if store.rows("SELECT 1 FROM images LIMIT 1") or store.setting("demo.filled"):
        return
    now = time.time_ns()
    with store.change():
        store.set_setting("demo.filled", "true")
        store.run("INSERT OR IGNORE INTO pools VALUES ('default', 'dir', '', '{}')")
        for project, about in (("web", "Web team"), ("ci", "Builders")):
            store.add_project(project, about, {})
        certificate = daemon.identity.certificate
        for count, build in enumerate(BUILDS):
            _add(daemon, build, now - count * 37_000_000_123, certificate)
        for project, name, alias, snapshots in INSTANCES:
            _add_instance(daemon, project, name, alias, snapshots, now)


def _epoch(serial: str) -> int:
    return int(datetime.strptime(serial, "%Y%m%d").replace(tzinfo=UTC, hour=7, minute=42).timestamp())


def properties_of(build: Build) -> dict[str, str]:
    """What its metadata.yaml says of a build."""
    name, release, version, architecture = build.name.split()
    told = build.comment or f"{name.capitalize()} {release} {architecture} ({build.serial}_07:42)"
    kind = {"vm": "disk-kvm.img", "squashfs": "squashfs"}.get(build.shape, "tar.gz")
    return {
        "architecture": architecture,
        "description": told,
        "name": f"{name}-{release}-{architecture}-{build.variant}-{build.serial}",
        "os": name.capitalize(),
        "release": release,
        "serial": f"{build.serial}_07:42",
        "type": kind,
        "variant": build.variant,
        "version": version,
    }


def content_of(build: Build) -> tuple[Record, list[bytes]]:
    """A build's record, without times, and its one or two files."""
    properties = properties_of(build)
    created = _epoch(build.serial)
    architecture = _ARCHITECTURES[properties["architecture"]]
    text = metadata_yaml(architecture=architecture, creation_date=created, properties=properties)
    release = f'NAME="{properties["os"]}"\nVERSION_ID="{properties["version"]}"\nBUILD_ID={build.serial}\n'
    root: dict[str, bytes | None] = {
        "etc": None,
        "etc/hostname": b"demo\n",
        "etc/os-release": release.encode(),
        "var": None,
        "var/log": None,
        "var/log/build.log": (f"built {build.serial}\n" * (40 + len(build.name) * 7)).encode(),
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
    return record, files


def _ago(now: int, days: int) -> str:
    return nanos_text(now - days * _DAY * 1_000_000_000)


def _add(daemon: Daemon, build: Build, now: int, certificate: str) -> None:
    record, files = content_of(build)
    never = NEVER if build.published else daemon.flavour.no_expiry
    source = None
    if build.source:
        source = {
            "alias": build.source,
            "certificate": certificate,
            "protocol": "simplestreams",
            "server": OWN_SERVER,
            "image_type": "",
        }
    record = replace(
        record,
        uploaded_at=_ago(now, build.uploaded),
        last_used_at=NEVER if build.used is None else _ago(now, build.used),
        expires_at=never if build.expires is None else _ago(now, -build.expires).partition(".")[0] + "Z",
        filename="" if build.published or build.source else _filename(build),
        public=build.public,
        cached=build.cached,
        auto_update=build.auto_update,
        update_source=source,
    )
    for path, content in zip(daemon.images.paths(record.fingerprint), files, strict=False):
        path.write_bytes(content)
    aliases = [{"name": name, "description": ""} for name in build.aliases.split()]
    daemon.images.add(build.project, record, aliases)


def _filename(build: Build) -> str:
    ending = {"tar.xz": "tar.xz", "squashfs": "squashfs", "vm": "qcow2"}.get(build.shape, "tar.gz")
    return f"{build.name.replace(' ', '-')}-{build.serial}.{ending}"


def _add_instance(daemon: Daemon, project: str, name: str, alias: str, snapshots: tuple[str, ...], now: int) -> None:
    store = daemon.store
    fingerprint = daemon.images.alias(project, alias)["target"]
    image = daemon.images.exact(project, fingerprint)
    document = instance_document(name, project, image, {}, _ago(now, 10))
    row = store.run(
        "INSERT INTO instances (project, name, document) VALUES (?, ?, ?)", project, name, json.dumps(document)
    )
    for snapshot in snapshots:
        kept = snapshot_document(_based_on_the_build_before(daemon, image, document), snapshot, _ago(now, 6))
        store.run("INSERT INTO snapshots (instance, name, document) VALUES (?, ?, ?)", row, snapshot, json.dumps(kept))


def _based_on_the_build_before(
    daemon: Daemon, image: ImageRow | None, document: dict[str, object]
) -> dict[str, object]:
    """The instance as it was when its image was the build before: some images are used by a snapshot only."""
    if image is None:
        return document
    older = [
        one.record
        for one in daemon.images.all()
        if one.project == image.project
        and one.record.created_at < image.record.created_at
        and one.record.properties.get("name", "").rsplit("-", 1)[0]
        == image.record.properties.get("name", "").rsplit("-", 1)[0]
    ]
    if not older:
        return document
    newest = max(older, key=lambda record: record.created_at)
    config = {**document["config"], "volatile.base_image": newest.fingerprint}  # type: ignore[dict-item]
    return {**document, "config": config, "expanded_config": config}


def tiny_images(store: Store, count: int, *, start: int = 0) -> Iterator[tuple[Record, str]]:
    """Records with the recipes of their files: many images in little time.

    Args:
        store: for the flavour.
        count: how many.
        start: the number of the first.
    """
    now = time.time_ns()
    systems = ("Alpine", "Debian", "Fedora", "Ubuntu")
    for number in range(start, start + count):
        created = 1_700_000_000 + number * 600
        properties = {
            "architecture": "amd64",
            "description": f"{systems[number % 4]} build {number}",
            "os": systems[number % 4],
            "release": f"r{number % 12}",
            "serial": f"{number:08d}",
            "type": "tar",
            "variant": "default",
        }
        lines = "".join(f'  {key}: "{value}"\n' for key, value in properties.items())
        text = recipe(f"architecture: x86_64\ncreation_date: {created}\nproperties:\n{lines}")
        content = tarball_from_recipe(text)
        yield (
            Record(
                fingerprint=hashlib.sha256(content).hexdigest(),
                size=len(content),
                type="container",
                architecture="x86_64",
                created_at=from_epoch(created),
                uploaded_at=nanos_text(now - number * 60_000_000_000),
                expires_at=store.flavour.no_expiry,
                filename=f"tiny-{number}.tar",
                properties=properties,
            ),
            text,
        )
