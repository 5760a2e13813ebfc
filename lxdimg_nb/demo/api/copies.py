"""Copies of images from other servers: asked for, or fetched for an instance and then marked as cached.

Source: `POST /1.0/images` and `POST /1.0/instances` with a source on LXD 5.0.2 and Incus 6.0.4: what is taken from the
source, what from the request, what from a cached image, and the texts of errors.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from ..http.peers import Meter, Peer
from ..http.routing import Call
from ..http.simplestreams_reader import find_image
from ..http.upload_body import Spool
from ..store.background_operations import Operation
from ..store.daemon import Daemon
from ..store.go_json import now_text
from ..store.image_records import ImageRow, Record
from ..store.refusals import Refusal
from ..versions import facts
from ..versions.flavours import NEVER
from .image_routes import announce, known_profiles

__all__ = ["cached_image", "fetch", "locate", "path_with", "pull"]

_NATIVE = {"lxd": ("", "lxd"), "incus": ("", "lxd", "incus")}
_FINGERPRINT = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Found:
    """An image at its source: what its record will be, and the paths of its files there."""

    record: Record
    paths: tuple[str, ...]


async def pull(call: Call, body: dict[str, Any], operation: Operation) -> None:
    """Copy the image that a request names; the work of an operation."""
    source = body["source"]
    if not (source.get("alias") or source.get("fingerprint")):
        raise Refusal(500, "must specify one of alias or fingerprint for init from image")
    daemon, project = call.daemon, call.images_project()
    source = _trusting_itself(daemon, source)
    peer = Peer(source.get("server", ""), source.get("certificate", ""))
    found = await daemon.in_worker(locate, daemon, peer, source)
    record, aliases = found.record, body.get("aliases", [])
    here = daemon.images.exact(project, record.fingerprint)
    if here is None:
        await fetch(call, operation, project, peer, found)
    elif call.incus and not aliases:
        # Incus 6.0.4 gives the image its own aliases once more, and fails.
        aliases = daemon.images.aliases_of(here)
    image = daemon.images.exact(project, record.fingerprint)
    if image is None:
        raise Refusal(404, "Image not found")
    record = daemon.images.update(image, **_asked(call, image.record, body)).record
    daemon.operations.progress(operation, fingerprint=record.fingerprint, size=str(record.size))
    announce(call, project, record, aliases)


async def cached_image(call: Call, source: Mapping[str, Any], operation: Operation) -> ImageRow:
    """The image of another server that an instance is made of, downloaded and marked as cached if it is not there.

    An image that was cached under the same alias before is preferred to a newer build, whichever project holds it.
    """
    daemon, project = call.daemon, call.images_project()
    source = _trusting_itself(daemon, source)
    peer = Peer(source["server"], source.get("certificate", ""))
    found = await daemon.in_worker(locate, daemon, peer, source)
    record, settings = found.record, daemon.store.settings()
    kept = [image.record for image in daemon.images.with_source() if _is_cached_of(image.record, record)]
    if kept and settings.get("images.auto_update_interval") != "0":
        record = kept[0]
    here = daemon.images.exact(project, record.fingerprint)
    if here is not None:
        return here
    keep_current = record.update_source is not None and settings.get("images.auto_update_cached") != "false"
    record = replace(record, cached=True, auto_update=keep_current, profiles=("default",))
    if daemon.images.paths(record.fingerprint)[0].exists():
        image = daemon.images.add(project, replace(record, last_used_at=NEVER, uploaded_at=now_text()))
        announce(call, project, image.record, ())
        return image
    budget = daemon.store.disk_budget(project)
    if budget is not None and record.size > budget:
        raise Refusal(500, f"Remote image with size {record.size} exceeds allowed bugdget of {budget}")
    await fetch(call, operation, project, peer, replace(found, record=record))
    made = daemon.images.exact(project, record.fingerprint)
    if made is None:
        raise Refusal(404, "Image not found")
    return made


def _is_cached_of(kept: Record, offered: Record) -> bool:
    """Whether an image is cached, and was fetched from where another one is offered now, for the same use."""
    keys = ("server", "protocol", "alias")
    one, other = kept.update_source or {}, offered.update_source or {}
    alike = bool(other) and all(one.get(key) == other.get(key) for key in keys)
    return kept.cached and alike and (kept.type, kept.architecture) == (offered.type, offered.architecture)


def _asked(call: Call, record: Record, body: dict[str, Any]) -> dict[str, Any]:
    """The fields that the request changes: all of them or, on LXD, none, and never the expiry."""
    asked: dict[str, Any] = {}
    properties = body.get("properties", {})
    if call.incus or body.get("public") or body.get("auto_update") or body.get("filename") or properties:
        merged = record.properties | properties
        asked = {
            "public": body.get("public", False),
            "auto_update": body.get("auto_update", False),
            "filename": body.get("filename", ""),
            "properties": {key: text for key, text in merged.items() if text},
        }
    if call.does(facts.PROFILES_HEADER) and "profiles" in body:
        asked["profiles"] = known_profiles(call, body["profiles"])
    return asked


def _trusting_itself(daemon: Daemon, source: Mapping[str, Any]) -> Mapping[str, Any]:
    """The server knows its own certificate, which `lxc` cannot give for a simplestreams source."""
    own = (
        source.get("protocol") == "simplestreams"
        and source.get("server", "").rstrip("/") == f"https://{daemon.address}"
    )
    if own and not source.get("certificate"):
        return {**source, "certificate": daemon.identity.certificate}
    return source


async def fetch(call: Call, operation: Operation, project: str, peer: Peer, found: Found) -> None:
    """Download an image and add it to a project; the operation can be cancelled during the download."""
    daemon, loop = call.daemon, asyncio.get_running_loop()

    def report(text: str) -> None:
        loop.call_soon_threadsafe(lambda: daemon.operations.progress(operation, download_progress=text))

    operation.may_cancel = True
    work = asyncio.ensure_future(daemon.in_worker(_download, daemon.store.blobs, peer, found, Meter(report)))
    try:
        files = await asyncio.shield(work)
    except asyncio.CancelledError:
        peer.abort()
        work.add_done_callback(_discard)
        raise
    finally:
        operation.may_cancel = False
    try:
        record = replace(found.record, uploaded_at=now_text(), size=sum(path.stat().st_size for path in files))
        # Incus 6.0.4 keeps the image, without a source, and fails.
        unknown = call.incus and (record.update_source or {}).get("protocol") == "lxd"
        daemon.images.install(project, replace(record, update_source=None) if unknown else record, files)
        if unknown:
            raise Refusal(500, "Invalid protocol: lxd")
        announce(call, project, record, ())
    finally:
        _remove(files)


def _download(folder: Path, peer: Peer, found: Found, meter: Callable[[int, int], None]) -> list[Path]:
    expected, size = found.record.fingerprint, found.record.size
    spool = Spool(folder)
    try:
        for path in found.paths:
            peer.download(path, spool, lambda done, total: meter(min(done, total or size), total or size))
        spool.finish()
        if spool.error:
            raise Refusal(500, spool.error)
        if spool.fingerprint != expected:
            raise Refusal(500, f"Image fingerprint doesn't match. Got {spool.fingerprint} expected {expected}")
    except BaseException:
        spool.discard()
        raise
    return spool.files


def _discard(work: asyncio.Future[list[Path]]) -> None:
    """Remove the files of a download that was cancelled."""
    if not work.cancelled() and work.exception() is None:
        _remove(work.result())


def _remove(files: list[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)


# Finding an image at its source


def locate(daemon: Daemon, peer: Peer, source: Mapping[str, Any]) -> Found:
    """Find what a source offers under the alias or fingerprint it names; blocks.

    Raises:
        Refusal: there is no such image, or nobody answers.
    """
    protocol = source.get("protocol", "")
    if protocol == "simplestreams":
        return _in_streams(daemon, peer, source)
    if protocol not in _NATIVE[daemon.flavour.product]:
        raise Refusal(500, f"Unsupported protocol: {protocol}")
    return _in_server(daemon, peer, source)


def _in_streams(daemon: Daemon, peer: Peer, source: Mapping[str, Any]) -> Found:
    wanted, kind = source.get("fingerprint") or source["alias"], source.get("image_type", "")
    try:
        image = find_image(peer, wanted, kind, daemon.architecture, daemon.flavour)
    except Refusal as refusal:
        raise Refusal(refusal.code, f"Failed getting remote image info: {refusal.text}") from refusal
    record = replace(image.record, update_source=_update_source(source, "simplestreams"))
    return Found(record, tuple(f"/{path}" for path in image.paths))


def _update_source(source: Mapping[str, Any], protocol: str) -> dict[str, str] | None:
    """Only an image that was found by alias, without a secret, can be refreshed."""
    if not source.get("alias") or source.get("fingerprint") or source.get("secret"):
        return None
    return {
        "alias": source["alias"],
        "certificate": source.get("certificate", ""),
        "protocol": protocol,
        "server": source.get("server", ""),
        "image_type": "",
    }


def _in_server(daemon: Daemon, peer: Peer, source: Mapping[str, Any]) -> Found:
    try:
        peer.json("GET", "/1.0")
    except Refusal as refusal:
        title = daemon.flavour.title
        text = f'Failed to connect to {title} server "{source.get("server", "")}": {refusal.text}'
        raise Refusal(500, text) from refusal
    project = source.get("project", "")
    query = {"project": project} if project else {}
    wanted = asked = source.get("fingerprint") or source["alias"]
    # lxc and incus put the alias of a public image in the place of the fingerprint.
    if not _FINGERPRINT.fullmatch(asked):
        try:
            alias = peer.json("GET", path_with(f"/1.0/images/aliases/{quote(asked, safe='')}", query))
            wanted = str(alias["metadata"]["target"])
        except Refusal:
            wanted = asked
    if source.get("secret"):
        query["secret"] = source["secret"]
    try:
        info = peer.json("GET", path_with(f"/1.0/images/{quote(wanted, safe='')}", query))["metadata"]
    except Refusal as refusal:
        raise Refusal(refusal.code, f"Failed getting remote image info: {refusal.text}") from refusal
    record = _record_of(info, _update_source(source, source.get("protocol") or daemon.flavour.product))
    return Found(record, (path_with(f"/1.0/images/{record.fingerprint}/export", query),))


def path_with(path: str, query: dict[str, str]) -> str:
    """A path with its query."""
    return f"{path}?{urlencode(query, quote_via=quote, safe='')}" if query else path


def _record_of(info: Any, source: dict[str, str] | None) -> Record:
    try:
        return Record(
            fingerprint=str(info["fingerprint"]),
            size=int(info["size"]),
            type=str(info.get("type") or "container"),
            architecture=str(info["architecture"]),
            created_at=str(info["created_at"]),
            uploaded_at=NEVER,
            expires_at=str(info["expires_at"]),
            filename=str(info.get("filename") or ""),
            properties={str(key): str(text) for key, text in (info.get("properties") or {}).items()},
            update_source=source,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refusal(500, f"Failed getting remote image info: {error}") from error
