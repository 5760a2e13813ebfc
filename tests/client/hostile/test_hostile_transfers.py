"""Servers that lie about the bytes of an image: nothing of theirs gets a name, and nothing that was there is lost."""

from __future__ import annotations

import hashlib
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.client.http import multipart_reader
from lxdimg_nb.client.verbs.read import export
from lxdimg_nb.errors import LxdImageError
from tests.client.hostile.test_hostile_replies import CHUNKED, MIB, TIMEOUT, chunk, sends
from tests.kit import factory
from tests.kit.counts import long_run
from tests.kit.hostile_server import HostileServer, http_reply, survives
from tests.kit.inventories import image
from tests.kit.servers import RunningServer

pytestmark = pytest.mark.usefixtures("short_pauses")

DATA = factory.small(1)
Usage = namedtuple("Usage", ["total", "used", "free"])
RIGHT = hashlib.sha256(DATA).hexdigest()
NAME = f"{RIGHT}.tar.gz"
OCTETS = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
FORM = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data; boundary=b0\r\nTransfer-Encoding: chunked\r\n\r\n"
PART = b'--b0\r\nContent-Disposition: form-data; name="metadata"; filename="../../../../tmp/owned"\r\n\r\n'
ROOT = b'\r\n--b0\r\nContent-Disposition: form-data; name="rootfs"; filename="/etc/owned"\r\n\r\n'
BODIES: dict[str, Any] = {
    "other bytes": http_reply(DATA[::-1]),
    "other bytes, more of them": http_reply(DATA + b"more"),
    "no bytes": http_reply(b""),
    "fewer than announced": sends(OCTETS + b"Content-Length: %d\r\n\r\n" % len(DATA) + DATA[:100]),
    "more than announced": sends(OCTETS + b"Content-Length: 10\r\n\r\n" + DATA),
    "chunks without end": sends(CHUNKED, forever=chunk(b"x" * 65536)),
    "bytes without end": sends(OCTETS + b"\r\n", forever=b"x" * 65536),
    "a length of 2^62": sends(OCTETS + b"Content-Length: 4611686018427387904\r\n\r\n", forever=b"x" * 65536),
    "byte by byte": sends(OCTETS + b"Content-Length: %d\r\n\r\n" % len(DATA), drip=DATA),
    "chunk by chunk": sends(CHUNKED, drip=chunk(b"x") * 10_000),
    "another part than was asked for": http_reply(DATA[5:], 206, Content_Range="bytes 7-9/10"),
    "a redirect": http_reply(DATA, 302, Location="file:///etc/passwd"),
    "a form without end before it": sends(FORM, forever=chunk(b"x" * 65536)),
    "a part without end": sends(FORM, chunk(PART), forever=chunk(b"x" * 65536)),
    "headers of a part without end": sends(FORM, chunk(PART[:-2]), forever=chunk(b"X: y\r\n" * 1000)),
    "parts without end": sends(FORM, chunk(PART + b"x"), forever=chunk(b"\r\n" + PART)),
    "a form without end behind it": sends(FORM, chunk(PART + DATA + ROOT + b"\r\n--b0--"), forever=chunk(b" " * 65536)),
    "a form that breaks off": sends(FORM, chunk(PART + DATA), chunk(b"")),
    "a form of one part": sends(FORM, chunk(PART + DATA + b"\r\n--b0--\r\n"), chunk(b"")),
    "a boundary of 60,000 bytes": sends(FORM.replace(b"b0", b"b" * 60_000), forever=chunk(b"b" * 65536)),
}  # fmt: skip
SIZES: dict[str, object] = {
    "right": len(DATA),
    "missing": None,
    "nothing": 0,
    "negative": -1,
    "4 EiB": 1 << 62,
    "text": "many",
    "one byte": 1,
}
VERBS: dict[str, Callable[[Client, Path], object]] = {
    "export": lambda client, out: client.images.get(RIGHT).export(out),
    "bundle": lambda client, out: client.images.get(RIGHT).export(out, bundle=True),
    "bytes": lambda client, _: client.images.get(RIGHT).export(),
    "contents": lambda client, _: client.images.get(RIGHT).contents(),
}


@pytest.fixture(scope="module")
def lying() -> Iterator[HostileServer]:
    with HostileServer(image(fingerprint=RIGHT, size=len(DATA))) as server:
        yield server


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with files of the user's, one of them by the name that an export would have."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / NAME).write_bytes(DATA)
    (folder / "notes").write_bytes(b"mine")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def outcome(lying: HostileServer, verb: str, size: object, body: Any, out: Path) -> LxdImageError | None:
    lying.images = {RIGHT: image(fingerprint=RIGHT, size=size)}
    lying.answers = {"/export": body}
    with lxdimg_nb.connect(lying.url) as client:
        client.transport.timeout = TIMEOUT
        lying.sent = 0
        return survives("hostile transfers", lambda: VERBS[verb](client, out), memory=64 * MIB)


def cases() -> list[tuple[str, str]]:
    """Every body to every verb, or in a quick run each to one."""
    verbs = list(VERBS)
    return [
        (kind, verb)
        for number, kind in enumerate(BODIES)
        for verb in (verbs if long_run() else [verbs[number % len(verbs)]])
    ]


@pytest.mark.parametrize(("kind", "verb"), cases())
def test_bytes_that_are_not_the_image_s_leave_nothing(
    lying: HostileServer, out: Path, tmp_path: Path, kind: str, verb: str
) -> None:
    before = files(tmp_path)

    error = outcome(lying, verb, len(DATA), BODIES[kind], out)

    assert error is not None or verb == "contents"
    assert {name: data for name, data in files(tmp_path).items() if not name.startswith("out/.")} == before
    assert lying.sent < 32 * MIB


@pytest.mark.parametrize("verb", ["export", "bytes"])
@pytest.mark.parametrize("size", SIZES)
def test_a_size_that_is_not_the_image_s_fills_neither_disk_nor_memory(
    lying: HostileServer, out: Path, monkeypatch: pytest.MonkeyPatch, size: str, verb: str
) -> None:
    free = Usage(total=1 << 30, used=0, free=4 * MIB)
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    monkeypatch.setattr(export, "MAX_UNKNOWN", 4 * MIB)

    for body in ("bytes without end", "chunks without end", "a part without end"):
        assert outcome(lying, verb, SIZES[size], BODIES[body], out) is not None
        assert lying.sent < 16 * MIB
    # It may be the right one all the same.
    error = outcome(lying, verb, SIZES[size], http_reply(DATA), out)

    assert (error is None) == (size in ("right", "missing", "nothing", "negative", "text"))
    assert sorted(path.name for path in out.iterdir()) == [NAME, "notes"]


def test_a_file_of_another_image_is_not_replaced(lying: HostileServer, out: Path) -> None:
    target = out / NAME
    (out / "mine.tar").write_bytes(b"mine")

    with lxdimg_nb.connect(lying.url) as client:
        for body in (DATA, DATA[::-1]):
            lying.answers = {"/export": http_reply(body)}
            with pytest.raises(LxdImageError):
                client.images.get(RIGHT).export(out / "mine.tar")
        with pytest.raises(LxdImageError):
            client.images.get(RIGHT).export(out, resume=False)

    assert target.read_bytes() == DATA
    assert (out / "mine.tar").read_bytes() == b"mine"


def test_a_relay_from_a_lying_server_leaves_nothing(
    lying: HostileServer, demo: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with lxdimg_nb.connect(lying.url) as source, lxdimg_nb.connect(demo.url) as target:
        for kind in ("other bytes", "chunks without end", "a part without end", "a form that breaks off"):
            lying.images = {RIGHT: image(fingerprint=RIGHT, size=len(DATA))}
            lying.answers = {"/export": BODIES[kind]}
            found = source.images.get(RIGHT)
            assert survives("hostile transfers", lambda found=found: found.copy(target, mode="relay")) is not None
        assert target.images.all() == []

    assert list(tmp_path.iterdir()) == []


def test_a_name_for_the_file_is_not_a_path(lying: HostileServer, out: Path) -> None:
    lying.images = {RIGHT: image(fingerprint=RIGHT, size=len(DATA), filename="../../../../tmp/owned")}
    for name in (
        'attachment; filename="../../owned"',
        "attachment; filename=/etc/owned",
        "attachment; filename*=UTF-8''..%2fx",
    ):
        lying.answers = {"/export": http_reply(DATA, Content_Disposition=name)}
        (out / NAME).unlink(missing_ok=True)
        with lxdimg_nb.connect(lying.url) as client:
            made = client.images.get(RIGHT).export(out, sidecar=True)
        assert made.path.parent == out
        assert made.path.name.startswith(RIGHT)
    assert not (out.parent / "owned").exists()


def test_a_form_without_an_end_would_be_noticed(
    lying: HostileServer, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart_reader, "MAX_OUTSIDE", 1 << 40)
    body = sends(FORM, *[chunk(b"x" * 65536)] * 600)

    outcome(lying, "export", len(DATA), body, out)

    assert lying.sent > 32 * MIB
