"""Images fetched again from their source, cached images that nobody used, and images sent to other servers.

Source: `POST /1.0/images/{fp}/refresh` on LXD 5.0.2: what moves to the newer build and what is lost; and
`POST /1.0/images/{fp}/export`, which fails for a prefix and at once for a dead target.
"""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from ..http.file_replies import form_data
from ..http.go_structs import Struct
from ..http.peers import Peer
from ..http.replies import Reply
from ..http.routing import Call, Caller, Routes
from ..store.background_operations import Operation
from ..store.daemon import Daemon
from ..store.event_hub import Requestor
from ..store.image_records import ImageRow
from ..store.refusals import Refusal
from ..versions import facts
from ..versions.flavours import NEVER
from .copies import fetch, locate, path_with
from .image_routes import writable

__all__ = ["prune_cached", "routes", "update_all"]

routes = Routes()
_KEPT_DAYS = "10"
_EXPORT = Struct(
    "ImageExportPost",
    "target string, certificate string, secret string, project string, profiles []string, aliases []api.ImageAlias",
)


@routes.add("POST", "/1.0/images/{name}/refresh")
def refresh(call: Call, name: str) -> Reply:
    """Ask the image's source for a newer build and put it in the image's place."""
    image = writable(call, name)

    async def work(operation: Operation) -> None:
        refreshed = await _renew(call, image, operation)
        call.daemon.operations.progress(operation, refreshed=refreshed)

    return call.start("Refreshing image", work)


async def update_all(daemon: Daemon) -> int:
    """Refresh every image that is marked `auto_update` and has a source, and return how many were replaced."""
    count = 0
    caller = Caller(trusted=True, requestor=Requestor("", "", ""))
    for image in daemon.images.with_source():
        if image.record.auto_update:
            call = Call(daemon, "", "", {"project": image.project}, {}, caller)
            work = functools.partial(_renew, call, image)
            await daemon.operations.start(image.project, "Updating images", work).done.wait()
            count += daemon.images.exact(image.project, image.record.fingerprint) is None
    return count


def prune_cached(daemon: Daemon) -> Operation:
    """Delete the cached images that were not used for so many days as their project or the server says."""
    usual = daemon.store.settings().get("images.remote_cache_expiry") or _KEPT_DAYS

    async def work(_operation: Operation) -> None:
        for row in daemon.store.select("projects"):
            days = int(json.loads(row["config"]).get("images.remote_cache_expiry") or usual)
            for image in daemon.images.of_project(row["name"]) if days > 0 else ():
                record = image.record
                used = record.uploaded_at if record.last_used_at == NEVER else record.last_used_at
                if record.cached and datetime.fromisoformat(used) + timedelta(days=days) < datetime.now(UTC):
                    daemon.images.delete(image)
                    url = f"/1.0/images/{record.fingerprint}"
                    daemon.events.lifecycle("image-deleted", url, image.project, None)

    return daemon.operations.start("default", "Cleaning up expired images", work)


async def _renew(call: Call, image: ImageRow, operation: Operation) -> bool:
    """Replace an image by the newest build of its source; False where it is the newest."""
    source = image.record.update_source
    if source is None:
        text = f'Failed to update image "{image.record.fingerprint}" in project "{call.project}"'
        raise Refusal(404, f"{text}: Image source not found")
    daemon = call.daemon
    peer = Peer(source["server"], source["certificate"])
    found = await daemon.in_worker(locate, daemon, peer, source | {"image_type": image.record.type})
    if found.record.fingerprint == image.record.fingerprint:
        return False
    record = replace(
        found.record,
        public=image.record.public,
        # As after an automatic update, whatever the flag was before.
        auto_update=True,
        cached=image.record.cached,
        profiles=image.record.profiles,
        last_used_at=image.record.last_used_at,
        update_source=source,
    )
    if daemon.images.exact(image.project, record.fingerprint) is None:
        await fetch(call, operation, image.project, peer, replace(found, record=record))
    daemon.images.replace_by(image, record)
    call.send_event("image-refreshed", f"/1.0/images/{image.record.fingerprint}", call.project)
    return True


@routes.add("POST", "/1.0/images/{name}/export")
async def push(call: Call, name: str) -> Reply:
    """Send an image to another server, which has issued a token for it."""
    image = writable(call, name)
    late = call.does(facts.PUSH_CONNECTS_LATE)
    if late and not call.body.strip():
        raise Refusal(500, "EOF")
    body = call.json(_EXPORT) if call.body.strip() else {}
    peer = Peer(body.get("target", ""), body.get("certificate", ""))
    if not late:
        await call.daemon.in_worker(peer.json, "GET", "/1.0")

    async def work(_operation: Operation) -> None:
        if len(name) != 64:
            raise Refusal(500, f"open images/{name}: no such file or directory")
        await call.daemon.in_worker(_send, call.daemon, peer, image, body)
        fingerprint = image.record.fingerprint
        target = {"target": urlsplit(peer.url).netloc}
        call.send_event("image-retrieved", f"/1.0/images/{fingerprint}", call.project, target)

    return call.start("Downloading image", work)


def _send(daemon: Daemon, peer: Peer, image: ImageRow, body: dict[str, Any]) -> None:
    fingerprint = image.record.fingerprint
    first, second = daemon.images.paths(fingerprint)
    if not first.exists():
        raise Refusal(500, f"open {first}: no such file or directory")
    if second.exists():
        kind = "rootfs.img" if image.record.type == "virtual-machine" else "rootfs"
        sent = form_data([("metadata", f"meta-{fingerprint}", first), (kind, fingerprint, second)])
    else:
        whole = (first, 0, first.stat().st_size)
        sent = Reply(200, {"Content-Type": "application/octet-stream"}, [whole])
    profiles = urlencode([("profile", name) for name in body.get("profiles", [])])
    for prefix in ("X-LXD-", "X-Incus-"):
        sent.headers |= {f"{prefix}fingerprint": fingerprint, f"{prefix}secret": body.get("secret", "")}
        sent.headers |= {f"{prefix}profiles": profiles} if profiles else {}
    project = {"project": body["project"]} if body.get("project") else {}
    reply = peer.json("POST", path_with("/1.0/images", project), body=sent.blocks(), headers=sent.headers)
    secret = str((reply["metadata"].get("metadata") or {}).get("secret", ""))
    done = peer.json("GET", path_with(f"{reply['operation']}/wait", {"secret": secret}))["metadata"]
    if int(done["status_code"]) != 200:
        raise Refusal(500, f'Failed operation "{done["status"]}": "{done["err"]}"')
