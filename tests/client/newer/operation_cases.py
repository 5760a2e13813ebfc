"""What a client meets where a fact about aliases and operations holds, and where it does not."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from lxdimg_nb import Client
from lxdimg_nb.errors import (
    LxdImageError,
    OperationCancelledError,
    OperationFailedError,
)
from tests.client.newer.cases import (
    case,
    failure,
    handshake,
    upload,
)
from tests.kit import factory
from tests.kit.newer import speaks
from tests.kit.servers import RunningServer


@case("ALIAS_ESCAPED_TWICE")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    image = client.images.get(server.add_image(factory.small(1)))

    with client.images.live() as live:
        client.images.aliases.create("os/12", image)
        assert live.wait_until(lambda records: [a.name for one in records for a in one.aliases] == ["os/12"])

    escaped = "os%252F12" if holds else "os%2F12"
    assert server.get("images/aliases") == [f"/1.0/images/aliases/{escaped}"]


@case("ALIAS_PATCH_FAILS")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    server.add_image(factory.small(1), aliases=["a"])

    assert client.images.aliases.update("a", description="mine").description == "mine"
    assert client.images.aliases.rename("a", "b").name == "b"
    said = server.raw("PATCH", "/1.0/images/aliases/b", json={"description": "raw"})
    assert said.status == (500 if holds else 200)


@case("WAIT_ERROR", "WAIT_STATUS")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    reply = upload(server, b"no archive at all")

    waited = server.raw("GET", f"{reply.json()['operation']}/wait?timeout=20")

    assert (waited.json()["type"] == "error") is speaks(server, "WAIT_ERROR")
    assert waited.status == (500 if speaks(server, "WAIT_STATUS") else 200)
    assert "Unsupported compression" in failure(server, client, upload(server, b"no archive at all"))


def _slow(server: RunningServer) -> str:
    """An operation that has made some progress and goes on."""

    def begin(daemon: Any) -> str:
        async def work(operation: Any) -> None:
            daemon.operations.progress(operation, download_progress="12% (1.00MB/s)")
            await asyncio.sleep(60)

        operation = daemon.operations.start("default", "Downloading image", work)
        operation.may_cancel = True
        return str(operation.id)

    name = server.demo.in_loop(begin)
    for _ in range(200):
        if server.demo.in_loop(lambda daemon: daemon.operations.get(name).metadata):
            return str(name)
        time.sleep(0)
    raise AssertionError("it does not begin")


@case("PROGRESS_IN_EVENTS_ONLY")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    name = _slow(server)

    told = server.get(f"operations/{name}")["metadata"]

    assert ("download_progress" not in (told or {})) is holds
    client.operations.cancel(name)


@case("ALWAYS_CANCELLABLE")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    name = _slow(server)
    client.operations.cancel(name)

    with pytest.raises(OperationCancelledError if holds else OperationFailedError, match="cancel"):
        client.operations.wait(name)


@case("EMPTY_RESOURCES")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    reply = upload(server, factory.small(1))

    assert reply.json()["metadata"]["resources"] == ({} if holds else None)
    assert client.operations.wait(str(reply.json()["operation"]).rsplit("/", 1)[-1]).status == "Success"


@case("EMPTY_METADATA")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    reply = upload(server, b"no archive")

    assert reply.json()["metadata"]["metadata"] == ({} if holds else None)
    assert failure(server, client, reply)


@case("REQUESTOR")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    told = upload(server, factory.small(1)).json()["metadata"]

    assert told.get("requestor", {}).get("protocol") == ("unix" if holds else None)
    assert client.operations.all()


@case("ENTITY_URL")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    image = client.images.get(server.add_image(factory.small(1)))

    operation = image.delete(wait=False)
    told = server.get(f"operations/{operation.id}")["metadata"]

    assert (told or {}).get("entity_url") == (f"/1.0/images/{image.fingerprint}" if holds else None)
    client.operations.wait(operation)
    assert client.images.all() == []


@case("ERROR_CODE")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    reply = upload(server, b"no archive")

    assert failure(server, client, reply)
    assert server.get(str(reply.json()["operation"]).removeprefix("/1.0/")).get("err_code") == (500 if holds else None)


@case("PROFILES_IN_BACKGROUND")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    server.raw("POST", "/1.0/profiles", json={"name": "small"})

    said = server.raw("PUT", "/1.0/profiles/small", json={"description": "x"})

    assert said.status == (202 if holds else 200)
    if holds:
        assert client.operations.wait(str(said.json()["operation"]).rsplit("/", 1)[-1]).status == "Success"


@case("EVENT_TYPE_400")
def _(server: RunningServer, client: Client, holds: bool) -> None:
    with pytest.raises(LxdImageError, match="no type of event"):
        client.events(types=["nope"])
    assert handshake(server, "type=nope") == (400 if holds else 500)
