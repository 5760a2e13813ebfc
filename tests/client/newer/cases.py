"""The register of the cases of facts, and what cases share: raw uploads, failures as the client tells them."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.errors import (
    OperationFailedError,
)
from tests.kit import factory
from tests.kit.servers import RunningServer
from tests.kit.sockets import RawReply, UnixConnection

Case = Callable[[RunningServer, Client, bool], None]
CASES: dict[str, Case] = {}
GOOD = b"architecture: x86_64\ncreation_date: 1700000000\n"
WEB = "?project=web"


def case(*names: str) -> Callable[[Case], Case]:
    """Register a function as the case of some facts."""

    def register(function: Case) -> Case:
        CASES.update(dict.fromkeys(names, function))
        return function

    return register


def prefix(server: RunningServer) -> str:
    return "X-Incus-" if server.product == "incus" else "X-LXD-"


def upload(server: RunningServer, data: bytes, **headers: str) -> RawReply:
    named = {prefix(server) + name: value for name, value in headers.items()}
    return server.raw("POST", "/1.0/images", data, {"Content-Type": "application/octet-stream", **named})


def failure(server: RunningServer, client: Client, reply: RawReply) -> str:
    """Why an operation failed, as the client tells it."""
    operation = str(reply.json()["operation"]).rsplit("/", 1)[-1]
    with pytest.raises(OperationFailedError) as caught:
        client.operations.wait(operation)
    return str(caught.value)


def image_of(metadata: bytes) -> bytes:
    return factory.compress(factory.tar({"metadata.yaml": metadata, "rootfs/a": b"x"}))


def stranger(server: RunningServer) -> Client:
    certificate = Path(server.folder) / "server.pem"
    certificate.write_text(server.demo.certificate)
    return lxdimg_nb.connect(server.listen(), server_cert=certificate)


def token_text(told: dict[str, Any]) -> str:
    fields = {"client_name": "n", "fingerprint": told["fingerprint"], "addresses": told["addresses"]}
    text = json.dumps(fields | {"secret": told["secret"], "expires_at": "0001-01-01T00:00:00Z"})
    return base64.b64encode(text.encode()).decode()


def handshake(server: RunningServer, query: str, **headers: str) -> int:
    keys = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    keys |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **headers}
    with contextlib.closing(UnixConnection(server.socket, 10.0)) as connection:
        connection.request("GET", f"/1.0/events?{query}", headers=keys)
        return connection.getresponse().status


def in_two_projects(server: RunningServer) -> None:
    server.add_project("web")
    server.add_image(factory.small(1), public=True)
    server.add_image(factory.small(2), project="web")
