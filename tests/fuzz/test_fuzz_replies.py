"""Generated replies of servers: bodies, multipart, ranges, JSON, events."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st

from lxdimg_nb.client.enrolling import TrustToken
from lxdimg_nb.client.events import Events, _LostError
from lxdimg_nb.client.http.envelope import is_envelope, parse_reply
from lxdimg_nb.client.http.multipart_reader import MultipartReader
from lxdimg_nb.client.http.response_body import Stream
from lxdimg_nb.client.http.web_client import WebClient
from lxdimg_nb.client.verbs.read.range_file import RangeFile
from lxdimg_nb.inventory import make_frame
from lxdimg_nb.inventory.frame.frame import frame_from_json
from lxdimg_nb.values import Alias, Event, ImageRecord, Operation, ServerInfo
from tests.kit import inventories
from tests.kit.fuzz import fuzz, mutated, odd_json, sentences


def _stream(reply: bytes) -> Stream:
    """The body of a reply as it came from a socket."""
    raw = http.client.HTTPResponse(SimpleNamespace(makefile=lambda *_, **__: io.BytesIO(reply)))  # type: ignore[arg-type]
    raw.begin()
    response = SimpleNamespace(
        status_code=raw.status,
        headers=raw.headers,
        raw=SimpleNamespace(_fp=raw, release_conn=lambda: None),
        close=lambda: None,
    )
    return Stream(response, "a server")


_BODY = bytes(range(256)) * 4
_CHUNKED = b"100\r\n" + _BODY[:256] + b"\r\n300\r\n" + _BODY[256:] + b"\r\n0\r\n\r\n"
_REPLIES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n" + _BODY,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + _CHUNKED,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + _CHUNKED,
]


@fuzz("HTTP bodies", mutated(_REPLIES))
def test_a_body(reply: bytes) -> None:
    for read in (Stream.read, Stream.read1):
        with contextlib.suppress(http.client.HTTPException, ValueError, OSError):
            stream, got = _stream(reply), 0
            while piece := read(stream, 300):
                got += len(piece)
            assert got == stream.received <= len(reply)
            assert stream.length is None or got == stream.length


_PART = b'\r\nContent-Disposition: form-data; name="%s"; filename="x"\r\n\r\n%s\r\n--b0'
_MULTIPART = b"--b0" + _PART % (b"metadata", _BODY) + _PART % (b"rootfs", _BODY * 3) + b"--\r\n"


class _Body:
    """A multipart body in pieces of one size."""

    boundary = "b0"

    def __init__(self, content: bytes, size: int) -> None:
        self._file, self._size = io.BytesIO(content), size

    def read(self, size: int) -> bytes:
        return self._file.read(min(size, self._size))


@fuzz("multipart", st.tuples(mutated([_MULTIPART]), st.sampled_from([1 << 20, 700, 37])))
def test_a_multipart_body(case: tuple[bytes, int]) -> None:
    content, size = case
    parts = {name: b"".join(blocks) for name, blocks in MultipartReader(_Body(content, size)).parts()}  # type: ignore[arg-type]

    assert sum(map(len, parts.values())) <= len(content)
    assert content != _MULTIPART or parts == {"metadata": _BODY, "rootfs": _BODY * 3}


_RANGE = st.tuples(
    st.sampled_from(["bytes {at}-", "bytes {at}-1023/1024", "bytes {at}-/*", "bytes 0-", "BYTES {at}-", "", "{at}"])
    | sentences(["bytes", " ", "{at}", "-", "/", "1024", "*"]),
    st.sampled_from([200, 206, 206, 206, 204]),
    st.integers(0, 1100),
    st.integers(-200, 200),
)


@fuzz("ranges", _RANGE)
def test_a_range(case: tuple[str, int, int, int]) -> None:
    """Whatever is read is what lies there."""
    template, status, position, longer = case

    @contextlib.contextmanager
    def content(_: str, *, start: int) -> Iterator[Any]:
        body = io.BytesIO((_BODY + b"\xee" * 200)[start : len(_BODY) + longer])
        body.boundary, body.status_code = "", status  # type: ignore[attr-defined]
        body.headers = {"Content-Range": template.replace("{at}", str(start))}  # type: ignore[attr-defined]
        yield body

    record = ImageRecord.from_json({"fingerprint": "a" * 64, "size": len(_BODY)})
    with RangeFile(SimpleNamespace(content=content), record) as file:  # type: ignore[arg-type]
        file.seek(position)
        found = file.read(100) or b""
        assert _BODY[position:].startswith(found)


_IMAGE = inventories.image(
    1, update_source={"server": "https://h", "protocol": "lxd", "alias": "a"}, profiles=["default"]
)
_ENVELOPE = {"type": "sync", "status": "Success", "status_code": 200, "operation": "", "error_code": 0, "metadata": {}}
_ASYNC = {**_ENVELOPE, "type": "async", "operation": "/1.0/operations/x", "status_code": 100}
_ERROR = {**_ENVELOPE, "type": "error", "error": "not found", "error_code": 404}
_OPERATION = {
    "id": "5d0c5b7c-9b2d-4d5c-a1e7-0a1b2c3d4e5f",
    "class": "task",
    "description": "Downloading image",
    "created_at": "2026-01-31T00:00:00Z",
    "status": "Running",
    "status_code": 103,
    "resources": {"images": ["/1.0/images/" + "a" * 64]},
    "metadata": {
        "download_progress": "metadata: 50% (1.20MB/s)",
        "fingerprint": "a" * 64,
        "progress": {"percent": "1"},
    },
    "may_cancel": True,
    "err": "",
}
_SERVER = {
    "api_version": "1.0",
    "api_extensions": ["images_all_projects"],
    "auth": "trusted",
    "environment": {"server": "incus", "server_version": "6.0.4", "project": "default", "certificate_fingerprint": "a"},
    "config": {},
}
_LIFECYCLE = {
    "type": "lifecycle",
    "timestamp": "2026-01-31T00:00:00.123456789Z",
    "project": "default",
    "metadata": {"action": "image-created", "source": "/1.0/images/" + "a" * 64, "context": {"type": "container"}},
}


@fuzz("server JSON, images", odd_json([_IMAGE], edits=6))
def test_an_image(data: Any) -> None:
    record = ImageRecord.from_json(data)

    for name in ("aliases", "architecture", "created_at", "expires_at", "filename", "locations", "profiles", "project"):
        getattr(record, name)
    assert isinstance(record.size, int)
    assert all(isinstance(value, str) for value in record.properties.values())
    assert isinstance(record.public, bool)
    assert record.update_source is None or isinstance(record.update_source.server, str)


@fuzz(
    "server JSON, lists",
    odd_json([[_IMAGE, inventories.image(2)], {**_ENVELOPE, "metadata": [_IMAGE]}], edits=6),
)
def test_a_list_of_images(data: Any) -> None:
    frame = frame_from_json(json.dumps(data).encode())

    assert repr(frame)
    assert list(frame.dtypes) == list(make_frame([]).reindex(columns=frame.columns).astype(frame.dtypes).dtypes)


@fuzz("server JSON, text of lists", mutated([json.dumps([_IMAGE]).encode()]))
def test_the_text_of_a_list(content: bytes) -> None:
    frame_from_json(content)


@fuzz("server JSON, other values", odd_json([_OPERATION, _SERVER, {"name": "a", "target": "b" * 64}]))
def test_an_operation_a_server_an_alias(data: Any) -> None:
    for kind in (Operation, ServerInfo, Alias):
        with contextlib.suppress(ValueError):
            found = kind.from_json(data)
            assert repr(found)
            if isinstance(found, Operation):
                assert found.progress is None or found.progress.phase is not None
                assert isinstance(found.fingerprint + found.secret, str)
                assert found.done in (True, False)
            if isinstance(found, ServerInfo):
                assert all(isinstance(part, int) for part in found.version_tuple)


@fuzz("server JSON, envelopes", odd_json([_ENVELOPE, _ASYNC, _ERROR]))
def test_an_envelope(data: Any) -> None:
    if is_envelope(data):
        assert isinstance(parse_reply(data, 200, {}).operation, str)


@fuzz("events", odd_json([_LIFECYCLE, {"type": "operation", "metadata": _OPERATION, "timestamp": "", "project": ""}]))
def test_an_event(data: Any) -> None:
    event = Event.from_json(data)

    assert isinstance(event.action + event.source + event.project + event.type, str)
    assert isinstance(event.context, dict)


class _Socket:
    """A websocket that received one message."""

    def __init__(self, message: bytes) -> None:
        self._messages = [message, b""]
        self.sock = SimpleNamespace(begin=lambda: None)

    def recv(self) -> bytes:
        return self._messages.pop(0)

    def shutdown(self) -> None:
        pass


@fuzz("events, text", mutated([json.dumps(_LIFECYCLE).encode()]) | st.just(b"[" * 100_000))
def test_the_text_of_an_event(message: bytes) -> None:
    """It is an event, or the next message is read."""
    events = object.__new__(Events)
    events._lock, events._reading = threading.Lock(), threading.Lock()
    events._socket = _Socket(message)
    with contextlib.suppress(_LostError):
        assert isinstance(events._receive(), Event)


_LOCATION = [
    "https://",
    "http://",
    "//",
    "h",
    "127.0.0.1",
    ":",
    "443",
    "/",
    "..",
    "?",
    "#",
    "@",
    "a",
    "%0a",
    " ",
    "[::1]",
]


@fuzz("redirects", sentences(_LOCATION))
def test_a_redirect(location: str) -> None:
    web = WebClient("https://127.0.0.1/base")

    origin, target = web._redirect("https://127.0.0.1/base/x", location, "it")

    assert origin.startswith("https://")
    assert target.startswith("/")
    assert not any(ord(c) < 32 for c in origin + target)


@fuzz(
    "trust tokens",
    sentences(["eyJ", "ey", "fQ==", "e30=", "W10=", "MTIz", "=", "\n"]) | mutated([b"eyJhIjoxfQ=="]).map(str),
)
def test_a_trust_token(text: str) -> None:
    TrustToken.parse(text)
