"""A server that sends elsewhere: nothing that logs in to it, and no request, ever reaches another host or a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lxdimg_nb import Client
from lxdimg_nb.client.http.connection_pool import PlainSession
from lxdimg_nb.client.http.endpoint import Endpoint
from lxdimg_nb.client.http.transport import Transport
from lxdimg_nb.client.project import open_project
from lxdimg_nb.errors import InvalidRequestError
from tests.kit import certificates
from tests.kit.fuzz import fuzz, sentences
from tests.kit.hostile_server import HostileServer, http_reply, survives
from tests.kit.inventories import fingerprint, image

ONE = fingerprint(1)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificates.pair(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture
def hosts(pair: tuple[Path, Path]) -> Iterator[tuple[HostileServer, HostileServer]]:
    """The server that a client is connected to, and another one."""
    with HostileServer(image(1), certificate=pair) as own, HostileServer(image(1), certificate=pair) as other:
        yield own, other


def logged_in(server: HostileServer, pair: tuple[Path, Path]) -> Client:
    """A client that logs in with a certificate and a token."""
    pem = pair[0].read_text()
    endpoint = Endpoint(server.url, cert=(str(pair[0]), str(pair[1])), pinned=pem, bearer="not-for-others")
    return Client(open_project(Transport(endpoint, timeout=5), "default"))


def test_no_redirect_is_followed(hosts: tuple[HostileServer, HostileServer], pair: tuple[Path, Path]) -> None:
    own, other = hosts
    plain = other.url.replace("https", "http")
    places = [
        f"{other.url}/1.0/images",
        f"{plain}/",
        f"wss{other.url[5:]}/1.0/events",
        f"ws{other.url[5:]}/1.0/events",
        f"//{other.url[8:]}/",
        "file:///etc/passwd",
        "/1.0/instances/x/console",
        "https://[::1",
        "\x00",
    ]
    with logged_in(own, pair) as client:
        found = client.images.get(ONE)
        for number, place in enumerate(places):
            status = (301, 302, 303, 307, 308)[number % 5]
            own.answers = {"": http_reply(b"", status, Location=place)}
            found.public = True
            for call in (client.images.all, found.export, found.update, found.delete, client.events, found.reload):
                assert survives("other hosts", call) is not None

    assert other.asked == []
    assert all("authorization" in one.headers for one in own.asked)
    # Nothing was asked twice, somewhere else on the same server.
    assert not any("console" in path for path in own.paths())


def test_no_cookie_is_kept(hosts: tuple[HostileServer, HostileServer], pair: tuple[Path, Path]) -> None:
    own, _ = hosts
    with logged_in(own, pair) as client:
        own.answers = {"/1.0/images": http_reply(b'{"type":"sync","metadata":[]}', Set_Cookie="a=" + "x" * 4000)}
        for _ in range(3):
            client.images.all()

    assert not any("cookie" in one.headers for one in own.asked)


@fuzz(
    "paths of servers", sentences(["@", "/", "//", "\\", ":", "evil.invalid", "1.0", "..", "#", "?", "%2f", "\t", "["])
)
def test_a_path_leads_to_no_other_host(path: str) -> None:
    transport = Transport(Endpoint("https://127.0.0.1:1"))
    sent: list[str] = []
    session = PlainSession()
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(session, "send", lambda request, **_: sent.append(str(request.url)))
    transport._session = session

    try:
        transport._send("GET", path)
    except InvalidRequestError:
        assert not path.startswith("/") or path.startswith("//")

    assert all(url.startswith("https://127.0.0.1:1/") for url in sent)


def test_a_redirect_that_is_followed_would_be_noticed(
    hosts: tuple[HostileServer, HostileServer], pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = hosts
    request = PlainSession.request
    monkeypatch.delattr(PlainSession, "get_redirect_target")

    def following(self: PlainSession, *args: Any, **options: Any) -> Any:
        return request(self, *args, **options | {"allow_redirects": True, "verify": str(pair[0])})

    monkeypatch.setattr(PlainSession, "request", following)
    with logged_in(own, pair) as client:
        own.answers = {"/1.0/images": http_reply(b"", 302, Location=f"{other.url}/1.0/images")}
        survives("other hosts", client.images.all)

    assert other.asked != []
