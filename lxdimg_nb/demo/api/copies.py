"""Images that come from other servers.

Source: `POST /1.0/images` with a source on LXD 5.0.2: what is taken from the source, what from the request,
and the texts of what fails.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPMessage
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..http.peers import Meter, Peer, download_file
from ..http.routing import Call
from ..http.simplestreams_reader import StreamImage, find_image
from ..http.upload_body import Spool
from ..store.background_operations import Operation
from ..store.daemon import Daemon
from ..store.flavours import NEVER
from ..store.go_json import now_text
from ..store.image_records import Record
from ..store.refusals import Refusal
from .image_routes import announce, known_profiles

__all__ = ["fetched", "locate", "path_with", "pull", "remove"]

_NATIVE = ("", "lxd", "incus")


@dataclass
class Found:
    """An image at its source: what will be its record, and how to fetch its files."""

    record: Record
    fetch: Callable[[Callable[[int, int], None]], list[Path]]


def pull(body: dict[str, Any]) -> Callable[[Call, Operation], Awaitable[None]]:
    """The work of an operation that copies the image a request names."""

    async def work(call: Call, operation: Operation) -> None:
        source = body["source"]
        if not (source.get("alias") or source.get("fingerprint")):
            raise Refusal(500, "must specify one of alias or fingerprint for init from image")
        project = call.images_of()
        record = await _bring(call, operation, project, source)
        image = call.daemon.images.exact(project, record.fingerprint)
        if image is None:
            raise Refusal(404, "Image not found")
        updated = call.daemon.images.update(image, **_asked(call, record, body))
        fingerprint = updated.record.fingerprint
        known = {"fingerprint": fingerprint, "size": str(updated.record.size)}
        call.daemon.operations.progress(operation, **known)
        announce(call, project, updated.record, body.get("aliases", []))

    return work


def _asked(call: Call, record: Record, body: dict[str, Any]) -> dict[str, Any]:
    """What the request changes: all of it or nothing, and never the expiry."""
    asked: dict[str, Any] = {}
    properties = body.get("properties", {})
    if body.get("public") or body.get("auto_update") or body.get("filename") or properties:
        merged = record.properties | properties
        asked = {
            "public": body.get("public", False),
            "auto_update": body.get("auto_update", False),
            "filename": body.get("filename", ""),
            "properties": {key: text for key, text in merged.items() if text},
        }
    if call.daemon.flavour.is_incus and "profiles" in body:
        asked["profiles"] = known_profiles(call, body["profiles"])
    return asked | ({"cached": False} if record.cached else {})


async def _bring(call: Call, operation: Operation, project: str, source: Mapping[str, Any]) -> Record:
    """The record of the image a source names, fetched into the project unless it is there."""
    daemon = call.daemon
    source = _trusting_itself(daemon, source)
    peer = Peer(source.get("server", ""), source.get("certificate", ""))
    found = await daemon.in_worker(locate, daemon, peer, source)
    present = daemon.images.exact(project, found.record.fingerprint)
    if present is not None:
        return present.record
    files = await fetched(daemon, operation, peer, found)
    try:
        record = replace(found.record, uploaded_at=now_text(), size=sum(path.stat().st_size for path in files))
        daemon.images.install(project, record, files)
        announce(call, project, record, ())
    finally:
        for path in files:
            path.unlink(missing_ok=True)
    return record


def _trusting_itself(daemon: Daemon, source: Mapping[str, Any]) -> Mapping[str, Any]:
    """Its own catalogue needs no certificate: who copies from there with `lxc` cannot give one."""
    own = (
        source.get("protocol") == "simplestreams"
        and source.get("server", "").rstrip("/") == f"https://{daemon.address}"
    )
    if own and not source.get("certificate"):
        return {**source, "certificate": daemon.identity.certificate}
    return source


async def fetched(daemon: Daemon, operation: Operation, peer: Peer, found: Found) -> list[Path]:
    """Download the files in a worker; the operation can be cancelled meanwhile."""
    loop = asyncio.get_running_loop()

    def say(text: str) -> None:
        loop.call_soon_threadsafe(_say, daemon, operation, text)

    meter = Meter(say)
    operation.may_cancel = True
    work = asyncio.ensure_future(daemon.in_worker(found.fetch, meter))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        peer.abort()
        work.add_done_callback(_forget)
        raise
    finally:
        operation.may_cancel = False


def _forget(work: asyncio.Future[list[Path]]) -> None:
    """Remove what a download brought that nobody waits for any more."""
    if not work.cancelled() and work.exception() is None:
        remove(work.result())


def _say(daemon: Daemon, operation: Operation, text: str) -> None:
    daemon.operations.progress(operation, download_progress=text)


# Finding


def locate(daemon: Daemon, peer: Peer, source: Mapping[str, Any]) -> Found:
    """What a source offers under the alias or fingerprint it names; blocks.

    Raises:
        Refusal: nothing, or nobody answers.
    """
    protocol = source.get("protocol", "")
    if protocol == "simplestreams":
        return _in_streams(daemon, peer, source)
    if protocol not in _NATIVE:
        raise Refusal(500, f"Unsupported protocol: {protocol}")
    return _in_server(daemon, peer, source)


def _in_streams(daemon: Daemon, peer: Peer, source: Mapping[str, Any]) -> Found:
    wanted = source.get("fingerprint") or source["alias"]
    try:
        image = find_image(
            peer, wanted, source.get("image_type", ""), daemon.architectures, reader=daemon.flavour.product
        )
    except Refusal as refusal:
        raise Refusal(refusal.code, f"Failed getting remote image info: {refusal.text}") from refusal
    return _from_stream(daemon, peer, image, source)


def _from_stream(daemon: Daemon, peer: Peer, image: StreamImage, source: Mapping[str, Any]) -> Found:
    digits = image.serial.replace("_", "").replace(":", "")[:8]
    record = Record(
        fingerprint=image.fingerprint,
        size=image.size,
        type=image.type,
        architecture=image.architecture,
        created_at=f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}T00:00:00Z",
        uploaded_at=NEVER,
        expires_at=image.expires_at,
        # LXD calls the image as its metadata file is called, Incus leaves it without a name.
        filename="" if daemon.flavour.is_incus else image.paths[0].rpartition("/")[2],
        properties=image.properties,
        update_source=_update_source(source, "simplestreams"),
    )

    def fetch(meter: Callable[[int, int], None]) -> list[Path]:
        digest = hashlib.sha256()
        files: list[Path] = []
        try:
            for path in image.paths:
                files += [download_file(daemon.store.blobs, peer, f"/{path}", digest.update, meter)]
            _agree(digest.hexdigest(), image.fingerprint)
        except BaseException:
            remove(files)
            raise
        return files

    return Found(record, fetch)


def _agree(got: str, expected: str) -> None:
    if got != expected:
        raise Refusal(500, f"Image fingerprint doesn't match. Got {got} expected {expected}")


def remove(files: list[Path]) -> None:
    """Delete files that may be gone already."""
    for path in files:
        path.unlink(missing_ok=True)


def _update_source(source: Mapping[str, Any], protocol: str) -> dict[str, str] | None:
    """Only what was asked for by alias, and without a secret, can be asked for again."""
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
    wanted = source.get("fingerprint") or source["alias"]
    if not source.get("fingerprint"):
        try:
            alias = peer.json("GET", path_with(f"/1.0/images/aliases/{quote(wanted, safe='')}", query))
            wanted = str(alias["metadata"]["target"])
        except Refusal:
            wanted = source["alias"]
    if source.get("secret"):
        query["secret"] = source["secret"]
    try:
        info = peer.json("GET", path_with(f"/1.0/images/{quote(wanted, safe='')}", query))["metadata"]
    except Refusal as refusal:
        raise Refusal(refusal.code, f"Failed getting remote image info: {refusal.text}") from refusal
    record = _record_of(info, _update_source(source, source.get("protocol") or daemon.flavour.product))
    path = path_with(f"/1.0/images/{record.fingerprint}/export", query)
    return Found(record, lambda meter: _fetch_export(daemon, peer, path, record, meter))


def path_with(path: str, query: dict[str, str]) -> str:
    """A path with its query."""
    told = "&".join(f"{name}={quote(text, safe='')}" for name, text in query.items())
    return f"{path}?{told}" if told else path


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


def _fetch_export(
    daemon: Daemon, peer: Peer, path: str, record: Record, meter: Callable[[int, int], None]
) -> list[Path]:
    spools: list[Spool] = []

    def begin(headers: HTTPMessage) -> None:
        spools.append(Spool(daemon.store.blobs, headers.get("Content-Type", "")))

    try:
        peer.download(
            path,
            lambda block: spools[0].feed(block),
            progress=lambda done, _total: meter(min(done, record.size), record.size),
            begin=begin,
        )
        spools[0].finish()
        if spools[0].error:
            raise Refusal(500, spools[0].error)
        _agree(spools[0].fingerprint, record.fingerprint)
    except BaseException:
        for spool in spools:
            spool.discard()
        raise
    return spools[0].files
