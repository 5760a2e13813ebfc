"""Servers whose events lie, come twice, late, for ever or never: what is known of the images stays right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lxdimg_nb import Client
from lxdimg_nb.client import events
from lxdimg_nb.client.live import Live
from tests.client.hostile.test_hostile_replies import sends
from tests.kit.counts import count
from tests.kit.hostile_server import HostileServer, Peer, Request, survives
from tests.kit.inventories import fingerprint
from tests.kit.waiting import until

ONE, TWO = fingerprint(1), fingerprint(2)
ACCEPTED = b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"


def lifecycle(action: str, source: str, second: int = 0, **fields: Any) -> dict[str, Any]:
    metadata = {"action": action, "source": source, "context": {}}
    stamp = f"2026-01-31T00:00:{second:02}.123456789Z"
    return {"type": "lifecycle", "timestamp": stamp, "project": "default", "metadata": metadata} | fields


def says(*messages: object) -> Callable[[Peer, Request], None]:
    """A websocket with these messages, then nothing."""

    def answer(peer: Peer, request: Request) -> None:
        peer.upgrade(request)
        for message in messages:
            peer.message(message)
        peer.hold()

    return answer


def created(i: int, second: int = 0) -> dict[str, Any]:
    return lifecycle("image-created", f"/1.0/images/{fingerprint(i)}", second)


def deleted(i: int, second: int = 0) -> dict[str, Any]:
    return lifecycle("image-deleted", f"/1.0/images/{fingerprint(i)}", second)


EVENTS: dict[str, list[object]] = {
    "never": [],
    "twice": [created(1), created(1), deleted(3), deleted(3)],
    "deleted after it was made again": [created(1, 9), deleted(1, 5)],
    "made before it was deleted, told the other way round": [deleted(3, 9), created(3, 5)],
    "of images that are not there": [created(i) for i in range(50, 70)],
    "of another project": [deleted(1) | {"project": "other"}],
    "nonsense": [None, 5, [], {}, {"type": "lifecycle"}, {"type": 5}, lifecycle("image-created", "https://[::1")],
    "a deep one": [{"type": "lifecycle", "metadata": {"action": "image-created", "source": "/" * 10_000}}],
    "of other hosts": [
        lifecycle(action, source)
        for action in ("instance-created", "instance-restored", "image-updated", "image-deleted")
        for source in ("@evil.invalid/x", ":80@evil.invalid/", "//evil.invalid/1.0", "https://evil.invalid/1.0/images/x")
    ],
    "of aliases to nowhere": [
        lifecycle(f"image-alias-{what}", "/1.0/images/aliases/" + name)
        for what in ("created", "updated", "renamed", "deleted")
        for name in ("", ".", "..", "%2e%2e", "a" * 10_000, "%00", "\ud800")
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", EVENTS)
def test_whatever_events_say_the_inventory_is_the_server_s(lying: HostileServer, client: Client, kind: str) -> None:
    lying.answers = {"/1.0/events": says(*EVENTS[kind], created(2, 59))}

    with client.images.live() as live:
        # The last event has been heard of.
        assert until(lambda: live.heard >= 1 and ONE in live._records and live._newest.second == 59)
        assert until(lambda: {record.fingerprint for record in live.records()} == {ONE, TWO})
        assert live.state == "live"

    count("hostile events", inputs=len(EVENTS[kind]), survived=len(EVENTS[kind]))
    assert all(path.startswith("/1.0") for path in lying.paths())


SOCKETS: dict[str, Any] = {
    "headers without end": sends(b"HTTP/1.1 101 X\r\n", forever=b"X: y\r\n"),
    "a header without end": sends(b"HTTP/1.1 101 X\r\nX: ", forever=b"y" * 65536),
    "byte by byte": sends(drip=b"HTTP/1.1 101 X\r\n" + b"X: y\r\n" * 10_000),
    "an error without end": sends(b"HTTP/1.1 400 X\r\nContent-Length: 99999999999\r\n\r\n", forever=b"x" * 65536),
    "an error of -5 bytes": sends(b"HTTP/1.1 400 X\r\nContent-Length: -5\r\n\r\n"),
    "a redirect": sends(b"HTTP/1.1 302 X\r\nLocation: ws://127.0.0.1:9/\r\n\r\n"),
    "nonsense": sends(b"\x00\xff\r\n\r\n"),
    "half a line": sends(b"HTTP/1.1"),
    "no status": sends(b"HTTP/1.1\r\n\r\n"),
    "another key": sends(ACCEPTED),
    "nothing": sends(hold=True),
}  # fmt: skip


@pytest.mark.parametrize("kind", SOCKETS)
def test_events_that_do_not_begin_are_one_error(
    lying: HostileServer, client: Client, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(events, "MAX_MESSAGE", 100_000)
    client.transport.timeout = 0.4
    lying.answers = {"/1.0/events": SOCKETS[kind]}

    error = survives("hostile events", client.events, memory=64 << 20)

    assert error is not None
    assert lying.sent < 4 << 20


MESSAGES: dict[str, tuple[bytes, bytes]] = {
    "without end": (b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", b"x" * 65536),
    "in parts without end": (b"\x01\x01x", b"\x00\x7d" + b"x" * 125),
    "no text": (b"\x81\x02\xff\xfe", b""),
    "masked": (b"\x81\x81\x00\x00\x00\x00x", b""),
    "of a kind that there is not": (b"\x87\x01x", b""),
    "deep": (b"\x81\x7f" + (100_000).to_bytes(8, "big") + b"[" * 100_000, b""),
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_without_sense_costs_no_more_than_the_connection(
    lying: HostileServer, client: Client, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(events, "MAX_MESSAGE", 4 << 20)
    monkeypatch.setattr(events, "RETRY_DELAYS", (0.0,))
    begin, block = MESSAGES[kind]

    def answer(peer: Peer, request: Request) -> None:
        first = sum("/1.0/events" in path for path in lying.paths()) == 1
        peer.upgrade(request)
        if first:
            peer.send(begin)
            if block:
                peer.forever(block)
        peer.message(created(2))
        peer.hold()

    lying.answers = {"/1.0/events": answer}
    with client.events(["lifecycle"]) as heard:
        found: list[str] = []
        survives("hostile events", lambda: found.extend(next(heard).action or "?" for _ in range(1)), memory=64 << 20)

    assert found[0] in ("?", "image-created")
    assert lying.sent < 32 << 20


def test_an_event_that_was_believed_would_be_noticed(
    lying: HostileServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Live, "_is_late", lambda *_: False)
    lying.answers = {"/1.0/events": says(*EVENTS["deleted after it was made again"])}

    with client.images.live() as live:
        assert until(lambda: live.get(ONE) is None)
