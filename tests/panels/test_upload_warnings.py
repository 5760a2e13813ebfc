"""What there is to say of an upload that came through, but not as it should: the panel shows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb.client.files.progress import Cancel
from lxdimg_nb.panels.base.transfers import Transfers
from tests.kit import factory
from tests.kit.clocks import stamp
from tests.kit.frontend import browser, panels
from tests.kit.hostile_server import INFO, HostileServer, Peer, Request, envelope, http_reply, operation
from tests.kit.inventories import image

__all__ = ["panels"]

MEMBERS = [
    {"server_name": "one", "url": "https://127.0.0.1:1", "status": "Online"},
    {"server_name": "two", "url": "https://127.0.0.1:2", "status": "Offline"},
]
FILE = factory.small(1)


@pytest.fixture
def half_alive() -> Iterator[HostileServer]:
    """A cluster that calls an import failed because one member is dead, and has the image."""
    environment = INFO["environment"] | {"server_clustered": True, "server_name": "one"}  # type: ignore[operator]
    with HostileServer() as server:

        def take(peer: Peer, _: Request) -> None:
            began = stamp(datetime.now(UTC))
            made = image(1, uploaded_at=began) | {"fingerprint": factory.fingerprint(FILE)}
            server.images[str(made["fingerprint"])] = made
            peer.send(http_reply(operation(created_at=began), 202))

        failed = operation(status="Failure", status_code=400, err="cannot copy the image to two")
        server.answers = {
            r"GET /1.0(\?|$)": http_reply(envelope(INFO | {"environment": environment})),
            "GET /1.0/cluster/members": http_reply(envelope(MEMBERS)),
            "POST /1.0/images": take,
            "/1.0/operations/": http_reply(failed),
        }
        yield server


def test_an_upload_that_a_cluster_calls_failed_is_done_and_names_the_member(
    half_alive: HostileServer, panels: Any, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "image.tar.gz"
    path.write_bytes(FILE)
    with lxdimg_nb.connect(half_alive.url) as client:
        view = browser(client, panels)
        view.say("check", path=str(path), second="")
        assert view.sees(lambda p: p["upload"]["state"] == "checked")
        view.say("upload", aliases="", public=False)
        assert view.sees(lambda p: p["upload"]["state"] in ("done", "refused"))
        said = view.parts["upload"]["text"]
        assert view.sees(lambda p: said in [one["text"] for one in p["transfers"]])

    assert view.parts["upload"]["state"] == "done"
    assert said.startswith("Imported as ")
    assert "not on as many members of the cluster as it should" in said
    assert "cannot copy the image to two" in said
    assert "two (https://127.0.0.1:2) of the cluster is offline" in said
    assert [str(one.message) for one in recwarn if "as many members" in str(one.message)] == []


def test_without_a_panel_it_is_a_warning_of_python(half_alive: HostileServer, tmp_path: Path) -> None:
    told: list[str] = []
    with lxdimg_nb.connect(half_alive.url) as client:
        for progress in (None, Cancel(), lambda _: None):
            half_alive.images.clear()
            with pytest.warns(UserWarning, match="not on as many members"):
                client.images.create(FILE, wait=True, progress=progress)
        half_alive.images.clear()
        client.images.create(FILE, wait=True, progress=Cancel(warn=told.append))

    assert len(told) == 1


def test_a_transfer_tells_what_it_was_warned_of_once_it_is_done() -> None:
    ended = threading.Event()

    def work(report: Any) -> str:
        report.warn("<b>hm</b>\x1b[31m")
        report.warn("and this")
        return "done"

    transfer = Transfers().start("x", work, on_end=lambda _: ended.set())

    assert ended.wait(60)
    assert transfer.text.endswith("<b>hm</b>. And this.")
    assert "\x1b" not in transfer.text
