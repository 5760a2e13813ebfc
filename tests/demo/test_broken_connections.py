"""Clients that go away: uploads, listeners and requests that break off leave nothing in the demo server."""

from __future__ import annotations

import gc
import threading
import time

import pytest
import websocket

from lxdimg_nb import demo
from lxdimg_nb.demo.store.daemon import Daemon
from tests.kit import factory
from tests.kit.demo_http import ask, connection, upload
from tests.kit.sockets import UnixConnection
from tests.kit.waiting import until


def test_an_upload_that_breaks_off_leaves_nothing() -> None:
    with demo.start(inventory=False) as server:
        cut = UnixConnection(server.socket)
        cut.putrequest("POST", "/1.0/images")
        cut.putheader("Content-Length", "500000")
        cut.endheaders()
        cut.send(bytes(200_000))
        images = server.folder / "images"
        assert until(lambda: list(images.iterdir()))
        cut.close()

        assert until(lambda: not list(images.iterdir()))
        assert ask(server.socket, "GET", "/1.0/operations").metadata == {}


def forget_earlier_tests(caplog: pytest.LogCaptureFixture) -> None:
    """Let what they left behind say now what asyncio says of a task or a transport that nobody has closed."""
    gc.collect()
    caplog.clear()


@pytest.mark.parametrize("size", [10, 4 << 20])
def test_a_listener_that_has_just_gone_away_does_not_disturb(size: int, caplog: pytest.LogCaptureFixture) -> None:
    forget_earlier_tests(caplog)
    with demo.start(inventory=False, https=False) as server:
        opened = UnixConnection(server.socket)
        opened.connect()
        listening = websocket.create_connection("ws://localhost/1.0/events", socket=opened.sock)
        assert server.in_loop(lambda daemon: len(daemon.events._listeners)) == 1

        def lost_between_two_events(daemon: Daemon) -> None:
            daemon.events.send("lifecycle", {"text": "x" * size}, "default")
            for listener in list(daemon.events._listeners):
                listener.cut()
            daemon.events.send("lifecycle", {"text": "too late"}, "default")

        server.in_loop(lost_between_two_events)

        assert upload(server.socket, factory.small(1))["status"] == "Success"
        assert server.in_loop(lambda daemon: len(daemon.events._listeners)) == 0
        listening.close()
    gc.collect()
    assert caplog.messages == []


@pytest.mark.parametrize("path", ["/1.0/images", "/1.0/operations"])
def test_a_tls_client_that_goes_away_at_once_leaves_no_trace(path: str, caplog: pytest.LogCaptureFixture) -> None:
    forget_earlier_tests(caplog)
    with demo.start(inventory=False) as server:
        assert server.https_url is not None
        asked = threading.Event()
        for _ in range(5):
            gone = connection(server.https_url)
            gone.connect()
            held = threading.Thread(target=server.in_loop, args=(lambda _daemon: asked.wait(60),))
            held.start()
            gone.request("GET", path)
            gone.close()
            asked.set()
            held.join()
            asked.clear()

        assert ask(server.https_url, "GET", "/1.0").status == 200
    assert caplog.messages == []


def test_closing_does_not_wait_for_waiting_requests() -> None:
    server = demo.start(inventory=False)
    asked = {"source": {"type": "image", "mode": "push", "fingerprint": "0" * 64}}
    token = ask(server.socket, "POST", "/1.0/images", asked).json["operation"]
    server.faults.add(latency=60, path="slow")
    waiting = [UnixConnection(server.socket) for _ in range(2)]
    for opened, path in zip(waiting, (f"{token}/wait", "/1.0/images?slow"), strict=True):
        opened.request("GET", path)
    while len(server.requests) < 3:
        threading.Event().wait(0.01)

    before = time.monotonic()
    server.close()

    assert time.monotonic() - before < 30
    for opened in waiting:
        opened.close()
