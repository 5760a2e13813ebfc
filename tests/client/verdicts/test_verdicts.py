"""The table of verdicts: real servers are asked about every file, and `images.check()` has to say what they do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.errors import InvalidImageError
from tests.client.verdicts import archive_rows, disk_rows, metadata_rows, root_rows
from tests.client.verdicts.rows import Row
from tests.conftest import missing
from tests.kit import daemons, factory, servers
from tests.kit.daemons import Kind
from tests.kit.servers import RunningServer
from tests.kit.sockets import multipart

ROWS: dict[str, Row] = {**metadata_rows.ROWS, **disk_rows.ROWS, **archive_rows.ROWS, **root_rows.ROWS}


@pytest.fixture(scope="module")
def client(lxd_daemon: RunningServer) -> Iterator[Client]:
    """Connected to the LXD that no test of this file empties."""
    with lxdimg_nb.connect(lxd_daemon.url) as connected:
        yield connected


@pytest.mark.parametrize("name", ROWS)
def test_check_says_what_the_servers_do(
    lxd_daemon: RunningServer, incus_daemon: RunningServer, client: Client, name: str
) -> None:
    row = ROWS[name]

    on_lxd, on_incus = _imported(lxd_daemon, row), _imported(incus_daemon, row)
    found = client.images.check(row.data, row.metadata)

    assert (_verdict(on_lxd), _verdict(on_incus)) == (row.lxd, row.incus), (on_lxd, on_incus)
    assert bool(found.problems) == row.problem, found.problems
    assert row.says in " ".join(found.problems if row.problem else found.notes)
    for taken in (on_lxd, on_incus):
        if isinstance(taken, dict) and not row.problem:
            assert (taken["architecture"], taken["properties"]) == (found.architecture, found.properties)


@pytest.mark.parametrize("kind", ["lxd", "incus"])
def test_an_image_that_could_never_be_deleted_is_not_sent(client: Client, kind: Kind) -> None:
    reason = daemons.why_not(kind)
    if reason is not None:
        missing(reason)
    # A daemon of its own, which keeps such images for good.
    folder = Path(tempfile.mkdtemp(prefix=f"lxi-{kind}-", dir="/tmp"))
    server = (servers.start_lxd if kind == "lxd" else servers.start_incus)(folder)
    try:
        for row in metadata_rows.POISON.values():
            reply = server.raw("POST", "/1.0/images", row.data, {"Content-Type": "application/octet-stream"})
            assert "parsing time" in server.wait(reply, ok=False)["err"]
            assert server.raw("DELETE", f"/1.0/images/{factory.fingerprint(row.data)}").status == 500
            assert row.says in " ".join(client.images.check(row.data).problems)
            with pytest.raises(InvalidImageError, match=row.says):
                client.images.create(row.data)
    finally:
        server.remove()


@pytest.mark.parametrize("name", [*ROWS, *metadata_rows.POISON])
def test_the_demo_server_says_what_lxd_does(demo_daemon: RunningServer, name: str) -> None:
    row = (ROWS | metadata_rows.POISON)[name]

    outcome = _imported(demo_daemon, row)

    assert _verdict(outcome) == row.lxd, outcome
    if isinstance(outcome, dict) and not row.problem:
        with lxdimg_nb.connect(demo_daemon.url) as client:
            found = client.images.check(row.data, row.metadata)
        assert (outcome["architecture"], outcome["properties"]) == (found.architecture, found.properties)


def _imported(server: RunningServer, row: Row) -> dict[str, Any] | str:
    """The image after an import without the package, which is removed again; or the reason of a refusal."""
    body, kind = row.data, "application/octet-stream"
    if row.metadata is not None:
        body, kind = multipart(row.metadata, row.data)
    operation = server.wait(server.raw("POST", "/1.0/images", body, {"Content-Type": kind}), ok=False)
    if operation["status_code"] != 200:
        return str(operation["err"])
    path = f"images/{operation['metadata']['fingerprint']}"
    image: dict[str, Any] = server.get(path)
    if row.usable is not None and server.kind != "demo":
        assert _makes_an_instance(server, image["fingerprint"]) == row.usable
    server.wait(server.raw("DELETE", f"/1.0/{path}"))
    return image


def _makes_an_instance(server: RunningServer, fingerprint: str) -> bool:
    root = {"type": "disk", "path": "/", "pool": servers.POOL}
    if server.raw("GET", f"/1.0/storage-pools/{servers.POOL}").status == 404:
        created = server.raw("POST", "/1.0/storage-pools", json={"name": servers.POOL, "driver": "dir"})
        assert created.status == 201, created.body
    source = {"type": "image", "fingerprint": fingerprint}
    document = {"name": "odd", "source": source, "profiles": [], "devices": {"root": root}}
    operation = server.wait(server.raw("POST", "/1.0/instances", json=document), ok=False)
    if operation["status_code"] == 200:
        server.wait(server.raw("DELETE", "/1.0/instances/odd"))
    return bool(operation["status_code"] == 200)


def _verdict(outcome: dict[str, Any] | str) -> str:
    return "refused" if isinstance(outcome, str) else "taken"
