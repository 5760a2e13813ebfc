"""A server whose replies are meant to harm: each call ends right or with one error of ours, in little memory."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client, Fleet
from lxdimg_nb.client.http import response_body
from lxdimg_nb.client.verbs.read import listing
from lxdimg_nb.errors import LxdImageError
from tests.kit.counts import long_run
from tests.kit.hostile_server import HostileServer, Peer, Request, envelope, http_reply, survives
from tests.kit.inventories import fingerprint, image

pytestmark = pytest.mark.usefixtures("short_pauses")

MIB = 1 << 20
ROW = json.dumps(image(1)).encode() + b","
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BEGIN = b'{"type":"sync","status_code":200,"metadata":['
GOOD = envelope([image(1)])
# Long enough for this machine under load.
TIMEOUT = 0.4


def chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


def sends(
    *parts: bytes, forever: bytes = b"", drip: bytes = b"", hold: bool = False
) -> Callable[[Peer, Request], None]:
    """An answer of these bytes, then of others without end, byte by byte, or of nothing; else the connection ends."""

    def answer(peer: Peer, _: Request) -> None:
        for part in parts:
            peer.send(part)
        if forever:
            peer.forever(forever)
        peer.drip(drip)
        if hold:
            peer.hold()
        raise OSError("the end")

    return answer


def packed(coding: str, body: bytes) -> bytes:
    return http_reply(body, Content_Encoding=coding)


BOMB = gzip.compress(BEGIN + b" " * ((256 if long_run() else 16) * MIB) + b"]}", 1)
DRIP = b" " * 100_000
OBJECTS = [chunk(BEGIN), chunk(b"{}," * (10 * MIB if long_run() else MIB)), chunk(b"{}]}"), chunk(b"")]
MOVED = b"HTTP/1.1 302 X\r\nLocation: https://evil.invalid/\r\n\r\n"
LONG_ERROR = json.dumps({"type": "error", "error": "x " * MIB, "error_code": 400}).encode()
REPLIES: dict[str, Any] = {
    "a list without end": sends(CHUNKED, chunk(BEGIN), forever=chunk(ROW * 40)),
    "a text without end": sends(HEAD + b"\r\n" + BEGIN + b'"', forever=b"x" * 65536),
    "a length of 10^18": sends(HEAD + b"Content-Length: 1000000000000000000\r\n\r\n", BEGIN, forever=ROW * 40),
    "longer than its length": sends(HEAD + b"Content-Length: 50\r\n\r\n" + GOOD * 100),
    "shorter than its length": sends(HEAD + b"Content-Length: 1000000\r\n\r\n" + GOOD),
    "shorter, and silent": sends(HEAD + b"Content-Length: 1000000\r\n\r\n" + GOOD, hold=True),
    "a negative length": sends(HEAD + b"Content-Length: -5\r\n\r\n" + GOOD),
    "no number for a length": sends(HEAD + b"Content-Length: many\r\n\r\n" + GOOD),
    "two lengths": sends(HEAD + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\n" + GOOD),
    "a length of 20,000 digits": sends(HEAD + b"Content-Length: " + b"9" * 20_000 + b"\r\n\r\n" + GOOD),
    "a length and chunks": sends(HEAD + b"Content-Length: 5\r\n" + CHUNKED[len(HEAD) :] + chunk(GOOD) + chunk(b"")),
    "a chunk of 2^64 bytes": sends(CHUNKED + b"ffffffffffffffff\r\n" + BEGIN, forever=b" " * 65536),
    "a chunk of -5 bytes": sends(CHUNKED + b"-5\r\n" + GOOD),
    "chunks with long extensions": sends(CHUNKED, forever=b"1;" + b"x" * 60_000 + b"\r\n \r\n"),
    "trailers without end": sends(CHUNKED + chunk(GOOD) + b"0\r\n", forever=b"X: y\r\n"),
    "headers without end": sends(HEAD, forever=b"X-Header: value\r\n"),
    "one header without end": sends(HEAD + b"X: ", forever=b"y" * 65536),
    "one reply to come without end": sends(forever=b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"),
    "a head byte by byte": sends(HEAD, drip=b"X: y\r\n" * 10_000),
    "a body byte by byte": sends(HEAD + b"Content-Length: 100000\r\n\r\n", drip=DRIP),
    "chunks byte by byte": sends(CHUNKED, drip=chunk(b" ") * 10_000),
    "no answer": sends(hold=True),
    "deep JSON": http_reply(BEGIN + b"[" * 100_000),
    "deep JSON, closed": http_reply(BEGIN + b"[" * 100_000 + b"]" * 100_000 + b"]}"),
    "deep objects": http_reply(BEGIN + b'{"a":' * 100_000),
    "a number of a million digits": http_reply(BEGIN + b"1" * 1_000_000 + b"]}"),
    "numbers beyond all": http_reply(BEGIN + b'{"fingerprint":1e999999,"size":NaN},-Infinity]}'),
    "half of a character": http_reply(BEGIN + b'"\\ud800"]}'),
    "no UTF-8": http_reply(BEGIN + b'"\xff\xfe"]}'),
    "NULs": http_reply(bytes(5000)),
    "empty objects that fill the memory": sends(CHUNKED, *OBJECTS),
    "gzip": packed("gzip", gzip.compress(GOOD)),
    "a bomb of gzip": packed("gzip", BOMB),
    "a bomb of deflate": packed("deflate", zlib.compress(b" " * (64 * MIB))),
    "gzip within gzip": packed("gzip, gzip", gzip.compress(BOMB)),
    "br": packed("br", b"\x1b\xff\xff"),
    "zstd": packed("zstd", b"\x28\xb5\x2f\xfd"),
    "a redirect": http_reply(b"", 302, Location="https://evil.invalid/"),
    "a redirect without end": sends(MOVED, forever=b"x" * 65536),
    "a redirect to nonsense": http_reply(b"", 301, Location="https://[::1"),
    "a redirect to a bomb": http_reply(BOMB, 307, Location="file:///etc/passwd", Content_Encoding="gzip"),
    "no content": b"HTTP/1.1 204 X\r\n\r\n",
    "a status that there is not": http_reply(GOOD, 999),
    "an old protocol": b"<html>HTTP 0.9</html>\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH\r\n",
    "an error that is none": http_reply(b'{"type":"error","error":{"a":1},"error_code":"x"}', 500),
    "an error of 2 MB": http_reply(LONG_ERROR, 400),
    "an error without end": sends(b"HTTP/1.1 500 X\r\n\r\n" + b'{"type":"error","error":"', forever=b"x " * 32768),
}  # fmt: skip
CALLS: dict[str, tuple[str, Callable[[Client], object]]] = {
    "listing": ("/1.0/images\\?", lambda client: client.images.all()),
    "info": ("GET /1.0$", lambda client: client.reload()),
    "one image": (f"/1.0/images/{fingerprint(1)}\\?", lambda client: client.images.get(fingerprint(1))),
    "export": ("/export", lambda client: client.images.get(fingerprint(1)).export()),
    "fleet": ("/1.0/images\\?", lambda client: answered(Fleet({"odd": client}))),
}
# Of these replies there is a right value, whatever is odd about them.
TAKEN = {
    *("a status that there is not", "a length and chunks", "numbers beyond all"),
    *("a negative length", "no number for a length", "a length of 20,000 digits"),
}


def answered(fleet: Fleet) -> None:
    """Ask a fleet; what it says of its only server is an error like any other."""
    if fleet.df().empty:
        raise LxdImageError(fleet.status().loc["odd", "error"])


@pytest.fixture(scope="module")
def odd() -> Iterator[HostileServer]:
    with HostileServer(image(1)) as server:
        yield server


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> int:
    """The bytes that a reply may have; in a quick run few, so that it is quick."""
    monkeypatch.setattr(listing, "LIST_TIMEOUT", TIMEOUT)
    if not long_run():
        monkeypatch.setattr(response_body, "MAX_REPLY", MIB)
        monkeypatch.setattr(listing, "MAX_LISTING", 4 * MIB)
        monkeypatch.setattr(response_body, "MAX_FRAMING", MIB // 4)
    return max(response_body.MAX_REPLY, listing.MAX_LISTING)


def outcome(odd: HostileServer, name: str, reply: Any, memory: int) -> LxdImageError | None:
    """What a call ends with that gets such a reply."""
    pattern, verb = CALLS[name]
    odd.answers = {}
    with lxdimg_nb.connect(odd.url) as client:
        client.transport.timeout = TIMEOUT
        odd.answers, odd.sent = {pattern: reply}, 0
        return survives("hostile replies", lambda: verb(client), memory=memory)


def cases() -> list[tuple[str, str]]:
    """Every reply to every call, or in a quick run each to one."""
    names = list(CALLS)
    return [
        (kind, name)
        for number, kind in enumerate(REPLIES)
        for name in (names if long_run() else [names[number % len(names)]])
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), cases())
def test_a_hostile_reply_is_one_error_or_right(odd: HostileServer, limits: int, kind: str, name: str) -> None:
    error = outcome(odd, name, REPLIES[kind], 4 * limits + (64 << 20))

    assert error is not None or kind in TAKEN
    # Of what has no end, not much was taken: sockets and buffers hold some more than was read.
    assert odd.sent < 3 * limits + 32 * MIB


# Metadata of a sync reply, of a kind that is not due.
KINDS = (None, [], {}, 5, "x", True, [1], [None], [{}], [[]], {"a": [1]}, {"name": "web", "target": "../x"})
EVERYTHING: dict[str, Callable[[Client], object]] = {
    "listing": lambda client: repr(client.images.all()),
    "frame": lambda client: repr(client.images.df(used_by=True)),
    "alias first": lambda client: repr(client.images.get("web")),
    "beginning": lambda client: repr(client.images.get(fingerprint(1)[:12])),
    "exists": lambda client: client.images.exists("web"),
    "aliases": lambda client: repr(client.images.aliases.all()),
    "an alias": lambda client: repr(client.images.aliases.get("web")),
    "a new target": lambda client: client.images.aliases.point("web", to=fingerprint(1)),
    "operations": lambda client: repr(client.operations.all()),
    "projects": lambda client: repr(client.projects()),
    "deleting": lambda client: client.images.delete(fingerprint(1)),
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_metadata_of_another_kind_is_one_error_or_nothing(odd: HostileServer, name: str) -> None:
    for metadata in KINDS:
        odd.answers = {}
        with lxdimg_nb.connect(odd.url) as client:
            body = json.dumps({"type": "sync", "status_code": 200, "metadata": metadata}).encode()
            odd.answers = {"/1.0/": http_reply(body)}
            survives("hostile replies", lambda client=client: EVERYTHING[name](client), memory=64 << 20)


def test_a_reply_without_a_limit_would_be_noticed(
    odd: HostileServer, limits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_body, "MAX_REPLY", 1 << 40)

    with pytest.raises(MemoryError):
        outcome(odd, "one image", REPLIES["a text without end"], 32 * MIB)
