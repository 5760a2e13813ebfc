"""Faults on demand: each does what it says, as often as it says, and nothing once cleared."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import time
from collections.abc import Iterator

import pytest
import websocket

from lxdimg_nb import demo
from tests.kit import factory
from tests.kit.demo_http import ask, upload
from tests.kit.sockets import UnixConnection
from tests.kit.waiting import until


@pytest.fixture
def server() -> Iterator[demo.DemoServer]:
    with demo.start(inventory=False, https=False) as running:
        yield running


def test_a_status_is_answered_as_often_as_requested(server: demo.DemoServer) -> None:
    server.faults.add(status=503, path="^/1.0/images", times=2)

    said = [ask(server.socket, "GET", path).status for path in ("/1.0/images", "/1.0", "/1.0/images", "/1.0/images")]

    assert said == [503, 200, 503, 200]


def test_a_failing_upload_leaves_nothing(server: demo.DemoServer) -> None:
    server.faults.add(status=500, method="POST")

    said = ask(server.socket, "POST", "/1.0/images", factory.small(1), {"Content-Type": "application/octet-stream"})

    assert said.status == 500
    assert list((server.folder / "images").iterdir()) == []
    server.faults.clear()
    assert upload(server.socket, factory.small(1))["status"] == "Success"


def test_latency_comes_before_the_answer(server: demo.DemoServer) -> None:
    server.faults.add(latency=0.3, path="recursion=1")

    def waited(path: str) -> float:
        before = time.monotonic()
        ask(server.socket, "GET", path)
        return time.monotonic() - before

    # On a busy machine one answer may be late without it.
    assert min(waited("/1.0/images") for _ in range(5)) < 0.3
    assert waited("/1.0/images?recursion=1") >= 0.3


@pytest.mark.parametrize("after", [0, 1, 5000])
def test_a_reply_is_cut_after_so_many_bytes(server: demo.DemoServer, after: int) -> None:
    data = factory.small(1, compression="none")
    fingerprint = upload(server.socket, data)["metadata"]["fingerprint"]
    server.faults.add(cut_after=after, path="/export$", times=1)

    cut = UnixConnection(server.socket)
    cut.request("GET", f"/1.0/images/{fingerprint}/export")
    reply = cut.getresponse()
    with pytest.raises(http.client.IncompleteRead) as caught:
        reply.read()
    cut.close()

    assert caught.value.partial == data[:after]
    assert ask(server.socket, "GET", f"/1.0/images/{fingerprint}/export").body == data


@pytest.mark.parametrize("after", [0, 100_000])
def test_an_upload_is_cut_after_so_many_bytes_and_leaves_nothing(server: demo.DemoServer, after: int) -> None:
    server.faults.add(cut_upload_after=after, method="POST", times=1)
    before = server.in_loop(lambda _daemon: len(asyncio.all_tasks()))

    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(server.socket, "POST", "/1.0/images", bytes(4 << 20), {"Content-Type": "application/octet-stream"})

    assert until(lambda: list((server.folder / "images").iterdir()) == [])
    assert until(lambda: server.in_loop(lambda _daemon: len(asyncio.all_tasks())) == before)
    assert ask(server.socket, "GET", "/1.0/operations").metadata == {}
    assert upload(server.socket, factory.small(1))["status"] == "Success"


def test_a_cut_reply_can_be_resumed(server: demo.DemoServer) -> None:
    data = factory.small(1, compression="none")
    fingerprint = upload(server.socket, data)["metadata"]["fingerprint"]
    server.faults.add(cut_after=700, times=1)
    cut = UnixConnection(server.socket)
    cut.request("GET", f"/1.0/images/{fingerprint}/export")
    with pytest.raises(http.client.IncompleteRead) as caught:
        cut.getresponse().read()
    cut.close()

    rest = ask(server.socket, "GET", f"/1.0/images/{fingerprint}/export", headers={"Range": "bytes=700-"})

    assert rest.status == 206
    assert hashlib.sha256(caught.value.partial + rest.body).hexdigest() == fingerprint


def test_an_operation_fails_with_the_text_it_was_given(server: demo.DemoServer) -> None:
    server.faults.add(fail_operation="no space left on device", method="POST", path="^/1.0/images$", times=1)

    failed = upload(server.socket, factory.small(1))
    passed = upload(server.socket, factory.small(1))

    assert (failed["status"], failed["err"]) == ("Failure", "no space left on device")
    assert passed["status"] == "Success"


def test_a_fault_aimed_at_one_kind_of_operation_spares_the_others(server: demo.DemoServer) -> None:
    fault = server.faults.add(fail_operation="cannot delete", method="DELETE")

    fingerprint = upload(server.socket, factory.small(1))["metadata"]["fingerprint"]
    said = ask(server.socket, "DELETE", f"/1.0/images/{fingerprint}")
    ended = ask(server.socket, "GET", said.json["operation"] + "/wait").metadata

    assert ended["err"] == "cannot delete"
    assert ask(server.socket, "GET", f"/1.0/images/{fingerprint}").status == 200
    server.faults.remove(fault)
    assert ask(server.socket, "DELETE", f"/1.0/images/{fingerprint}").status == 202


def _listening(server: demo.DemoServer) -> websocket.WebSocket:
    opened = UnixConnection(server.socket)
    opened.connect()
    listening = websocket.create_connection("ws://localhost/1.0/events?type=lifecycle", socket=opened.sock)
    listening.settimeout(10)
    return listening


def test_lost_events_are_lost_and_the_next_are_heard(server: demo.DemoServer) -> None:
    listening = _listening(server)
    server.faults.add(drop_events=True, times=1)

    upload(server.socket, factory.small(1))
    fingerprint = upload(server.socket, factory.small(2))["metadata"]["fingerprint"]

    assert fingerprint in listening.recv()
    listening.close()


def test_an_event_stream_is_lost_with_its_event_and_can_be_opened_again(server: demo.DemoServer) -> None:
    listening = _listening(server)
    server.faults.add(cut_events=True, times=1)

    upload(server.socket, factory.small(1))

    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        listening.recv()
    listening.close()
    again = _listening(server)
    fingerprint = upload(server.socket, factory.small(2))["metadata"]["fingerprint"]
    assert fingerprint in again.recv()
    again.close()


def test_an_event_stream_is_cut_after_so_many_bytes(server: demo.DemoServer) -> None:
    server.faults.add(cut_after=500, path="^/1.0/events", times=1)
    listening = _listening(server)

    for number in range(3):
        upload(server.socket, factory.small(number))

    assert "image-created" in listening.recv()
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        listening.recv()
    listening.close()


def test_an_event_stream_is_refused_and_slow_as_any_request(server: demo.DemoServer) -> None:
    server.faults.add(status=503, path="^/1.0/events", times=1)
    server.faults.add(latency=0.3, path="^/1.0/events")

    with pytest.raises(websocket.WebSocketBadStatusException, match="503"):
        _listening(server)
    before = time.monotonic()
    _listening(server).close()

    assert time.monotonic() - before >= 0.3


def test_a_fault_that_does_nothing_is_refused(server: demo.DemoServer) -> None:
    with pytest.raises(ValueError, match="what goes wrong"):
        server.faults.add(method="GET")
    with pytest.raises(ValueError, match="regular expression"):
        server.faults.add(path="(", status=500)
    with pytest.raises(ValueError, match="400 to 599"):
        server.faults.add(status=200)
    with pytest.raises(ValueError, match="1 or more"):
        server.faults.add(latency=1, times=0)
