"""A believable inventory: about two dozen small but real images, with examples for every query.

Times of build, upload, last use and expiry are relative to the day of the server's first start.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date

from ..store.daemon import Daemon
from ..store.go_json import nanos_text
from ..store.image_records import ImageRow
from ..store.instance_records import instance_document, snapshot_document
from ..versions.flavours import NEVER
from .builds import BUILDS, Build, content_of

__all__ = ["fill_inventory"]

_DAY = 86_400
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
    """Fill a server that is still empty."""
    store = daemon.store
    if store.find("images") or store.setting("demo.filled"):
        return
    now = time.time_ns()
    with store.transaction():
        store.set_setting("demo.filled", "true")
        if store.find("pools", name="default") is None:
            store.insert("pools", name="default", driver="dir", description="", config={})
        for project, about in (("web", "Web team"), ("ci", "Builders")):
            store.add_project(project, about, {})
        certificate = daemon.identity.certificate
        for count, build in enumerate(BUILDS):
            _add(daemon, build, now - count * 37_000_000_123, certificate)
        for project, name, alias, snapshots in INSTANCES:
            _add_instance(daemon, project, name, alias, snapshots, now)


def _ago(now: int, days: int) -> str:
    return nanos_text(now - days * _DAY * 1_000_000_000)


def _add(daemon: Daemon, build: Build, now: int, certificate: str) -> None:
    content = content_of(build, daemon.first_day)
    never = NEVER if build.published else daemon.flavour.no_expiry
    source = None
    if build.source:
        source = {
            "alias": build.source,
            "certificate": certificate,
            "protocol": "simplestreams",
            "server": "https://127.0.0.1",
            "image_type": "",
        }
    record = replace(
        content.record,
        uploaded_at=_ago(now, build.uploaded),
        last_used_at=NEVER if build.used is None else _ago(now, build.used),
        expires_at=never if build.expires is None else _ago(now, -build.expires).partition(".")[0] + "Z",
        filename="" if build.published or build.source else _filename(build, daemon.first_day),
        public=build.public,
        cached=build.cached,
        auto_update=build.auto_update,
        update_source=source,
    )
    for path, data in zip(daemon.images.paths(record.fingerprint), content.files, strict=False):
        path.write_bytes(data)
    aliases = [{"name": name, "description": ""} for name in build.aliases.split()]
    daemon.images.add(build.project, record, aliases)


def _filename(build: Build, day: date) -> str:
    ending = {"tar.xz": "tar.xz", "squashfs": "squashfs", "vm": "qcow2"}.get(build.shape, "tar.gz")
    return f"{build.name.replace(' ', '-')}-{build.serial(day)}.{ending}"


def _add_instance(daemon: Daemon, project: str, name: str, alias: str, snapshots: tuple[str, ...], now: int) -> None:
    store = daemon.store
    fingerprint = daemon.images.alias(project, alias)["target"]
    image = daemon.images.exact(project, fingerprint)
    document = instance_document(name, project, image, {}, _ago(now, 10))
    row = store.insert("instances", project=project, name=name, document=document)
    for snapshot in snapshots:
        kept = snapshot_document(_with_previous_build(daemon, image, document), snapshot, _ago(now, 6))
        store.insert("snapshots", instance=row, name=snapshot, document=kept)


def _with_previous_build(daemon: Daemon, image: ImageRow | None, document: dict[str, object]) -> dict[str, object]:
    """The instance as it was when it used the previous build of its image."""
    if image is None:
        return document
    name = _series(image)
    older = [
        one.record
        for one in daemon.images.of_project(image.project)
        if one.record.created_at < image.record.created_at and _series(one) == name
    ]
    if not older:
        return document
    newest = max(older, key=lambda record: record.created_at)
    config = {**document["config"], "volatile.base_image": newest.fingerprint}  # type: ignore[dict-item]
    return {**document, "config": config, "expanded_config": config}


def _series(image: ImageRow) -> str:
    return image.record.properties.get("name", "").rpartition("-")[0]
