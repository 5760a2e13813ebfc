"""A simplestreams server that drips, redirects or sends for ever: the rules for replies hold there, too."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb.client.http import response_body
from lxdimg_nb.client.simplestreams import catalogue_transport
from lxdimg_nb.errors import LxdImageError, ServerUnreachableError, UnexpectedReplyError
from tests.client.hostile.test_hostile_replies import HEAD, REPLIES, TIMEOUT, sends
from tests.kit import certificates
from tests.kit.counts import count, long_run
from tests.kit.hostile_server import HostileServer, Peer, http_reply, survives
from tests.kit.servers import RunningServer
from tests.kit.streams import Handler, Site, Tree
from tests.kit.waiting import until

KIND = "hostile catalogues"
INDEX = "streams/v1/index.json"
# What a catalogue and an export read.
TARGETS = {"index": r"index\.json$", "products": r"images\.json$", "root": r"rootfs\.squashfs$"}
QUICK = (
    "a text without end",
    "headers without end",
    "a head byte by byte",
    "a body byte by byte",
    "a bomb of gzip",
    "a redirect without end",
)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileServer]:
    """A web server that sends raw bytes, over TLS."""
    with HostileServer(certificate=certificates.pair(tmp_path_factory.mktemp("odd"), "odd")) as server:
        yield server


def tree(metadata: str = "lxd.tar.xz") -> Tree:
    made = Tree()
    made.product("a:1:amd64", os="a", release="1", aliases="a")
    made.version("a:1:amd64", "20240101", 3, metadata=metadata)
    return made


def decent() -> dict[str, Any]:
    """The answers of a web server with a catalogue of one image."""
    site = Site("", "", "")
    tree().publish(site)
    return {f"GET {re.escape(path)}$": http_reply(content) for path, content in site.files.items()}


def outcome(
    odd: HostileServer, answers: dict[str, Any], folder: Path, certificate: Path, memory: int
) -> LxdImageError | None:
    """What reading the catalogue and exporting its image end with."""
    odd.answers, odd.sent = decent() | answers, 0
    odd.asked.clear()

    def read() -> None:
        url = f"simplestreams+{odd.url}"
        with lxdimg_nb.connect(url, server_cert=certificate, timeout=TIMEOUT) as client:
            for image in client.images.all():
                image.export(folder / "image")

    return survives(KIND, read, memory=memory)


@pytest.fixture(scope="module")
def certificate(odd: HostileServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("seen") / "odd.crt"
    made.write_text(certificates.of_server(odd.url))
    return made


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> int:
    """The bytes that a catalogue may have; in a quick run few."""
    if not long_run():
        monkeypatch.setattr(catalogue_transport, "MAX_BYTES", 4 << 20)
        monkeypatch.setattr(response_body, "MAX_FRAMING", 1 << 18)
    return catalogue_transport.MAX_BYTES


def cases() -> list[tuple[str, str]]:
    """Every reply to every request, or in a quick run some to one each."""
    names = list(TARGETS)
    if long_run():
        return [(kind, name) for kind in REPLIES for name in names]
    return [(kind, names[number % 3]) for number, kind in enumerate(QUICK)]


def test_the_decent_catalogue_is_read_and_exported(odd: HostileServer, certificate: Path, tmp_path: Path) -> None:
    assert outcome(odd, {}, tmp_path, certificate, 256 << 20) is None
    assert list(tmp_path.iterdir()) != []


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), cases())
def test_a_hostile_reply_is_one_error_and_no_file(
    odd: HostileServer, certificate: Path, limits: int, tmp_path: Path, kind: str, name: str
) -> None:
    error = outcome(odd, {TARGETS[name]: REPLIES[kind]}, tmp_path, certificate, 4 * limits + (64 << 20))

    assert error is not None
    assert list(tmp_path.iterdir()) == []
    assert len(odd.asked) < 20


@pytest.mark.parametrize("name", TARGETS)
def test_redirects_in_a_circle_end(odd: HostileServer, certificate: Path, tmp_path: Path, name: str) -> None:
    def again(peer: Peer, _: object) -> None:
        peer.send(http_reply(b"", 302, Location=f"/{len(odd.asked)}/{name}.x"))

    error = outcome(odd, {TARGETS[name]: again, r"\.x$": again}, tmp_path, certificate, 256 << 20)

    assert isinstance(error, UnexpectedReplyError)
    assert "redirects again and again" in error.message
    assert len(odd.asked) < 20


def test_a_redirect_whose_head_drips_is_too_slow(odd: HostileServer, certificate: Path, tmp_path: Path) -> None:
    moved = sends(b"HTTP/1.1 302 X\r\n", drip=b"X: y\r\n" * 10_000)

    error = outcome(odd, {TARGETS["index"]: moved}, tmp_path, certificate, 256 << 20)

    assert isinstance(error, ServerUnreachableError)


MANY = 1_000


def crowded(
    odd: HostileServer, certificate: Path, answer: Any, folder: Path, files: int = MANY
) -> LxdImageError | None:
    """What an index ends with that names very many products files with this answer."""
    entries = {str(i): {"datatype": "image-downloads", "path": f"p/{i}.json", "products": ["x"]} for i in range(files)}
    index = http_reply(json.dumps({"index": entries}).encode())
    return outcome(odd, {TARGETS["index"]: index, r"/p/\d+\.json$": answer}, folder, certificate, 256 << 20)


def slow_file(odd: HostileServer) -> Callable[[Peer, object], None]:
    """A missing file whose answer takes 20 ms."""

    def answer(peer: Peer, _: object) -> None:
        odd.closed.wait(0.02)
        peer.send(http_reply(b"", 404))

    return answer


@pytest.mark.parametrize("kind", ["slow", "dripping"])
def test_very_many_files_take_no_longer_than_one(
    odd: HostileServer, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(catalogue_transport, "MAX_SECONDS", 0.5)
    drip = sends(HEAD + b"Content-Length: 100000\r\n\r\n", drip=b" " * 100_000)

    error = crowded(odd, certificate, slow_file(odd) if kind == "slow" else drip, tmp_path)

    assert error is not None
    assert len(odd.asked) < MANY / 4


def test_very_many_files_have_no_more_bytes_than_one(
    odd: HostileServer, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue_transport, "MAX_BYTES", 1 << 20)
    products = http_reply(json.dumps({"products": {}, "x": "x" * 100_000}).encode())

    error = crowded(odd, certificate, products, tmp_path)

    assert error is None
    assert len(odd.asked) < 30


def test_files_without_a_limit_of_time_would_be_noticed(
    odd: HostileServer, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file within the time of its own, as it was once."""
    read = catalogue_transport._Fetching._read

    def patient(self: Any, *args: Any) -> Any:
        self._deadline = float("inf")
        return read(self, *args)

    monkeypatch.setattr(catalogue_transport, "MAX_SECONDS", 0.1)
    monkeypatch.setattr(catalogue_transport._Fetching, "_read", patient)

    crowded(odd, certificate, slow_file(odd), tmp_path, files=20)

    assert len(odd.asked) > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param("index", marks=pytest.mark.long), "root"])
def test_a_server_that_fetches_from_one_that_drips_is_stopped_or_said_to_go_on(
    server: RunningServer, site: Site, name: str
) -> None:
    """LXD and Incus wait for ever; what they fetch can be stopped once they have found the image."""
    released = threading.Event()

    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.send_header("Connection", "close")
        handler.end_headers()
        while not released.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()
        handler.close_connection = True

    tree(f"{server.product}.tar.xz").publish(site)
    path = next(path for path in site.files if re.search(TARGETS[name], path))
    site.answers[path] = drip
    seen: list[str] = []

    def stop(progress: object) -> None:
        seen.append(str(progress))
        if path in site.paths() and len(seen) > 1:
            raise KeyboardInterrupt

    with lxdimg_nb.connect(server.url) as client:
        try:
            with pytest.raises(KeyboardInterrupt) as caught:
                client.images.create_from_simplestreams(site.url, "a", server_cert=site.cert, progress=stop)
            notes = " ".join(getattr(caught.value, "__notes__", ()))
            goes_on = "goes on" in notes
            stopped = not goes_on and until(lambda: "running" not in server.get("operations"))
        finally:
            released.set()

        assert stopped or goes_on
        assert until(lambda: "running" not in server.get("operations"))
        assert client.images.all() == []
    count(KIND, inputs=1, survived=1)
