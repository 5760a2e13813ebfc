"""A user's configuration of lxc and incus, and what a server gives him to be trusted."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import yaml

from tests.kit import certificates, leak_scan
from tests.kit.servers import RunningServer

__all__ = ["files_in", "listen", "place", "server_protocol", "token_of", "write"]


def write(folder: Path, remotes_: dict[str, Any], **more: Any) -> Path:
    """A config.yml as lxc and incus write it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yml").write_text(yaml.safe_dump({"remotes": remotes_, "aliases": {}, **more}))
    return folder


def listen(server: RunningServer, folder: Path, name: str, **fields: Any) -> dict[str, Any]:
    """Let a server trust the client certificate of a folder; returns the remote's entry, its certificate pinned."""
    url = server.listen()
    if not (folder / "client.crt").exists():
        certificates.pair(folder, "client")
    pem = (folder / "client.crt").read_text()
    der = "".join(pem.split("\n")[1:-2])
    reply = server.raw("POST", "/1.0/certificates", json={"type": "client", "certificate": der, "name": name})
    assert reply.status == 201, reply.body
    (folder / "servercerts").mkdir(parents=True, exist_ok=True)
    (folder / "servercerts" / f"{name}.crt").write_text(server.get("")["environment"]["certificate"])
    return {"addr": url, "auth_type": "tls", "protocol": server_protocol(server), "public": False, **fields}


def server_protocol(server: RunningServer) -> str:
    return "incus" if server.product == "incus" else "lxd"


def place(server: RunningServer, home: Path) -> Path:
    """Where the server's own command line has its configuration."""
    return home / ".config" / ("incus" if server.product == "incus" else "lxc")


def token_of(server: RunningServer, name: str = "notebook", **fields: Any) -> str:
    """What `lxc config trust add` prints."""
    body = {"type": "client", "token": True, "name": name, **fields}
    reply = server.raw("POST", "/1.0/certificates", json=body)
    assert reply.status == 202, reply.body
    found = reply.metadata["metadata"]
    # The command line puts this together from the operation.
    data = {
        "client_name": name,
        "fingerprint": found["fingerprint"],
        "addresses": found["addresses"],
        "secret": found["secret"],
        "expires_at": found.get("expiresAt") or found.get("expires_at") or "0001-01-01T00:00:00Z",
    }
    token = base64.b64encode(json.dumps(data).encode()).decode()
    leak_scan.register(token, found["secret"])
    return token


def files_in(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*") if p.is_file()}
