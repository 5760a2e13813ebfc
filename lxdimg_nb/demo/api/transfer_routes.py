"""Images fetched again from their source, and images sent to other servers.

Source: `POST /1.0/images/{fp}/refresh` on LXD 5.0.2: what moves to the newer build and what is lost; and
`POST /1.0/images/{fp}/export`, which fails for a prefix and at once for a dead target.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from ..http.go_structs import Struct
from ..http.peers import Peer
from ..http.replies import Reply
from ..http.routing import Call, Caller, Routes
from ..store.background_operations import Operation
from ..store.daemon import Daemon
from ..store.event_hub import Requestor
from ..store.go_json import now_text
from ..store.image_records import ImageRow
from ..store.refusals import Refusal
from .copies import fetched, locate, path_with, remove
from .image_routes import announce, writable

__all__ = ["routes", "update_all"]

routes = Routes()
_EXPORT = Struct(
    "ImageExportPost",
    "target string, certificate string, secret string, project string, profiles []string, aliases []api.ImageAlias",
)


@routes.add("POST", "/1.0/images/{name}/refresh")
def refresh(call: Call, name: str) -> Reply:
    """Ask the image's source for a newer build and put it in the image's place."""
    image = writable(call, name)

    async def work(operation: Operation) -> None:
        refreshed = await renew(call, operation, image)
        call.daemon.operations.progress(operation, refreshed=refreshed)

    return call.start("Refreshing image", work)


async def update_all(daemon: Daemon) -> int:
    """Refresh every image that is marked for it and has a source; how many were replaced."""
    count = 0
    nobody = Caller(trusted=True, requestor=Requestor("", "", ""))
    for image in daemon.images.with_source():
        if not image.record.auto_update:
            continue
        call = Call(daemon, "", "", {"project": image.project}, {}, nobody)
        done: list[bool] = []

        async def work(
            operation: Operation, call: Call = call, image: ImageRow = image, told: list[bool] = done
        ) -> None:
            told.append(await renew(call, operation, image))

        operation = daemon.operations.start(image.project, "Updating images", work)
        await operation.done.wait()
        count += any(done)
    return count


async def renew(call: Call, operation: Operation, image: ImageRow) -> bool:
    """Replace an image by what its source has now.

    Returns:
        Whether there was a newer build.
    """
    said = f'Failed to update image "{image.record.fingerprint}" in project "{call.project}": '
    source = image.record.update_source
    if source is None:
        raise Refusal(404, said + "Image source not found")
    daemon = call.daemon
    peer = Peer(source["server"], source["certificate"])
    found = await daemon.in_worker(locate, daemon, peer, source | {"image_type": image.record.type})
    if found.record.fingerprint == image.record.fingerprint:
        return False
    record = replace(
        found.record,
        public=image.record.public,
        # Fetched as the hourly update fetches it; the flag it had before is not looked at.
        auto_update=True,
        cached=image.record.cached,
        profiles=image.record.profiles,
        last_used_at=image.record.last_used_at,
        update_source=source,
    )
    if daemon.images.exact(image.project, record.fingerprint) is None:
        files = await fetched(daemon, operation, peer, found)
        try:
            size = sum(path.stat().st_size for path in files)
            daemon.images.install(image.project, replace(record, uploaded_at=now_text(), size=size), files)
            announce(call, image.project, record, ())
        finally:
            remove(files)
    daemon.images.replace_by(image, record)
    daemon.images.sweep(image.record.fingerprint)
    call.tell("image-refreshed", f"/1.0/images/{image.record.fingerprint}", call.project)
    return True


@routes.add("POST", "/1.0/images/{name}/export")
async def push(call: Call, name: str) -> Reply:
    """Send an image to another server that gave a token for it."""
    image = writable(call, name)
    body = call.json(_EXPORT) if call.body.strip() else {}
    peer = Peer(body.get("target", ""), body.get("certificate", ""))
    await call.daemon.in_worker(peer.json, "GET", "/1.0")
    given = name if len(name) == 64 else ""

    async def work(_operation: Operation) -> None:
        if not given:
            raise Refusal(500, f"open images/{name}: no such file or directory")
        await call.daemon.in_worker(_send, call.daemon, peer, image, body)
        fingerprint = image.record.fingerprint
        target = {"target": urlsplit(peer.url).netloc}
        call.tell("image-retrieved", f"/1.0/images/{fingerprint}", call.project, target)

    return call.start("Downloading image", work)


def _send(daemon: Daemon, peer: Peer, image: ImageRow, body: dict[str, Any]) -> None:
    fingerprint = image.record.fingerprint
    first, second = daemon.images.paths(fingerprint)
    if not first.exists():
        raise Refusal(500, f"open {first}: no such file or directory")
    headers: dict[str, str] = {}
    for prefix in ("X-LXD-", "X-Incus-"):
        headers |= {f"{prefix}fingerprint": fingerprint, f"{prefix}secret": body.get("secret", "")}
    parts = [("metadata", f"meta-{fingerprint}", first)]
    if second.exists():
        kind = "rootfs.img" if image.record.type == "virtual-machine" else "rootfs"
        edge = hashlib.sha256(fingerprint.encode()).hexdigest()[:60]
        headers["Content-Type"] = f"multipart/form-data; boundary={edge}"
        pieces = _multipart([*parts, (kind, fingerprint, second)], edge)
    else:
        headers["Content-Type"] = "application/octet-stream"
        pieces = _pieces(first)
    project = {"project": body["project"]} if body.get("project") else {}
    reply = peer.json("POST", path_with("/1.0/images", project), body=pieces, headers=headers)
    told = reply["metadata"]
    secret = quote(str((told.get("metadata") or {}).get("secret", "")), safe="")
    done = peer.json("GET", f"{reply['operation']}/wait?secret={secret}")["metadata"]
    if int(done["status_code"]) != 200:
        raise Refusal(500, f'Failed operation "{done["status"]}": "{done["err"]}"')


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(256 << 10):
            yield block


def _multipart(parts: list[tuple[str, str, Path]], edge: str) -> Iterator[bytes]:
    for name, filename, path in parts:
        said = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
        yield f"--{edge}\r\n{said}\r\nContent-Type: application/octet-stream\r\n\r\n".encode()
        yield from _pieces(path)
        yield b"\r\n"
    yield f"--{edge}--\r\n".encode()
