"""Images sent to other servers.

Source: `POST /1.0/images/{fp}/export` on LXD 5.0.2, which fails for a prefix and at once for a dead target.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from ..http.go_structs import Struct
from ..http.peers import Peer
from ..http.replies import Refusal, Reply
from ..http.routing import Call, Routes
from ..store.background_operations import Operation
from ..store.daemon import Daemon
from ..store.image_records import ImageRow
from .copies import path_with
from .image_routes import writable

__all__ = ["routes"]

routes = Routes()
_EXPORT = Struct(
    "ImageExportPost",
    target="string",
    certificate="string",
    secret="string",  # noqa: S106 - the name of a field
    project="string",
    profiles="[]string",
    aliases="[]api.ImageAlias",
)


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
