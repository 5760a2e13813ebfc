"""Images fetched from elsewhere: by the server from a catalogue, by the client or the server from a URL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client, Image
from lxdimg_nb.client.simplestreams.catalogue_client import connect
from lxdimg_nb.errors import (
    ConflictError,
    FingerprintMismatchError,
    ImageExistsError,
    InvalidImageError,
    InvalidRequestError,
    NotFoundError,
    OperationCancelledError,
    OperationFailedError,
    ServerUnreachableError,
    UnexpectedReplyError,
)
from tests.kit import factory, streams
from tests.kit.servers import RunningServer
from tests.kit.streams import Handler, Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A web server over TLS with an image at /image.tar.gz."""
    with streams.serving(tmp_path / "site") as served:
        served.files["/image.tar.gz"] = factory.small(1)
        yield served


def _tree(server: RunningServer, site: Site) -> str:
    """A catalogue of the server's own kind; returns one of its aliases."""
    (streams.linuxcontainers() if server.product == "incus" else streams.ubuntu()).publish(site)
    return "debian/12" if server.product == "incus" else "24.04"


def test_what_the_server_fetches_is_what_the_catalogue_showed(
    server: RunningServer, client: Client, site: Site
) -> None:
    alias = _tree(server, site)
    with connect(site.url, pinned=site.pem) as catalogue:
        shown = catalogue.images.get(alias)

    made = client.images.create_from_simplestreams(site.url, alias, server_cert=site.cert)

    # The demo server leaves out the label and the end of support.
    more = () if server.kind == "demo" else ("properties", "expires_at")
    for name in ("fingerprint", "size", "type", "architecture", *more):
        assert getattr(made, name) == getattr(shown, name), name
    assert made.update_source is not None
    assert (made.update_source.protocol, made.update_source.alias) == ("simplestreams", alias)
    assert not made.public
    assert not made.auto_update


def test_the_settings_are_those_asked_for(server: RunningServer, client: Client, site: Site) -> None:
    alias = _tree(server, site)

    made = client.images.create_from_simplestreams(
        site.url,
        alias,
        True,
        True,
        type="virtual-machine",
        server_cert=site.pem,
        properties={"team": "web"},
        aliases=["here", "there"],
        expires_at="2030-01-01",
    )

    shown = server.get(f"images/{made.fingerprint}")
    assert (shown["public"], shown["auto_update"], shown["type"]) == (True, True, "virtual-machine")
    assert shown["properties"]["team"] == "web"
    assert "serial" in shown["properties"]
    assert sorted(a["name"] for a in shown["aliases"]) == ["here", "there"]
    assert shown["expires_at"].startswith("2030-01-01")


def test_a_remotes_name_is_enough(
    server: RunningServer, client: Client, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alias = _tree(server, site)
    folder = tmp_path / "lxc"
    (folder / "servercerts").mkdir(parents=True)
    (folder / "config.yml").write_text(f"remotes: {{mirror: {{addr: '{site.url}', protocol: simplestreams}}}}")
    (folder / "servercerts/mirror.crt").write_text(site.pem)
    monkeypatch.setenv("LXD_CONF", str(folder))

    made = client.images.create_from_simplestreams("mirror:", alias)

    assert made.update_source is not None
    assert made.update_source.server == site.url


def test_an_image_that_is_there_can_be_asked_for_again(server: RunningServer, client: Client, site: Site) -> None:
    alias = _tree(server, site)

    def fetch(**options: Any) -> Image:
        return client.images.create_from_simplestreams(site.url, alias, server_cert=site.cert, **options)

    made = fetch(aliases=["mine", "web"], properties={"team": "web"}, exist_ok=True)
    before = server.get(f"images/{made.fingerprint}")
    site.asked.clear()

    with pytest.raises(ConflictError, match="taken"):
        fetch(aliases="mine")
    again = fetch(aliases="mine", public=True, properties={"team": "db"}, exist_ok=True)
    by_fingerprint = client.images.create_from_simplestreams(site.url, made.fingerprint, exist_ok=True)

    assert again == by_fingerprint == made
    assert server.get(f"images/{made.fingerprint}") == before
    assert site.asked == []
    disk = fetch(type="virtual-machine", exist_ok=True)
    assert (disk.type, disk.fingerprint != made.fingerprint) == ("virtual-machine", True)
    server.add_image(factory.small(9), aliases=["taken"])
    with pytest.raises(ConflictError, match="taken"):
        fetch(aliases=["new", "taken"], exist_ok=True)
    assert not client.images.exists("new", alias=True)


def test_a_catalogue_without_that_alias_is_said(server: RunningServer, client: Client, site: Site) -> None:
    _tree(server, site)

    with pytest.raises(OperationFailedError):
        client.images.create_from_simplestreams(site.url, "nope", server_cert=site.cert)
    with pytest.raises(OperationFailedError):
        client.images.create_from_simplestreams(site.url, "24.04")

    assert client.images.all() == []


def test_what_makes_no_sense_is_said_before_anything_is_fetched(
    server: RunningServer, client: Client, site: Site
) -> None:
    alias = _tree(server, site)
    server.add_image(factory.small(9), aliases=["taken"])

    with pytest.raises(ConflictError):
        client.images.create_from_simplestreams(site.url, alias, server_cert=site.cert, aliases="taken")
    for server_, options in (
        ("http://h", {}),
        ("local", {}),
        ("no-such-remote", {}),
        (site.url, {"type": "disk"}),
        (site.url, {"server_cert": "/no/such/file"}),
    ):
        with pytest.raises(InvalidRequestError):
            client.images.create_from_simplestreams(server_, alias, **options)  # type: ignore[arg-type]

    assert site.asked == []


# From a URL, by the client


def test_the_client_fetches_checks_and_imports(server: RunningServer, client: Client, site: Site) -> None:
    data = factory.small(1)
    phases: list[str] = []

    made = client.images.create_from_url(
        f"{site.url}/image.tar.gz?signature=geheim",
        sha256=factory.fingerprint(data).upper(),
        server_cert=site.cert,
        aliases="one",
        properties={"from": "web"},
        progress=lambda p: phases.append(p.phase),
    )

    assert made.fingerprint == factory.fingerprint(data)
    assert client.images.get("one").export() == data
    assert made.properties["from"] == "web"
    assert made.filename == "image.tar.gz"
    assert phases[0] == "receive"
    assert "send" in phases


def test_without_a_sum_the_client_takes_what_comes(client: Client, site: Site) -> None:
    made = client.images.create_from_url(f"{site.url}/image.tar.gz", by="client", server_cert=site.pem)

    assert made.fingerprint == factory.fingerprint(factory.small(1))


def test_another_file_than_the_sum_says_is_not_imported(server: RunningServer, client: Client, site: Site) -> None:
    with pytest.raises(FingerprintMismatchError) as caught:
        client.images.create_from_url(f"{site.url}/image.tar.gz", sha256="0" * 64, server_cert=site.cert)

    assert caught.value.actual == factory.fingerprint(factory.small(1))
    assert server.get("images") == []


def test_an_image_that_is_there_is_not_fetched(server: RunningServer, client: Client, site: Site) -> None:
    fingerprint = server.add_image(factory.small(1))

    with pytest.raises(ImageExistsError):
        client.images.create_from_url(f"{site.url}/image.tar.gz", sha256=fingerprint, server_cert=site.cert)
    same = client.images.create_from_url(f"{site.url}/x", sha256=fingerprint, exist_ok=True)

    assert same.fingerprint == fingerprint
    assert site.asked == []


def test_a_file_that_is_too_large_is_left(
    demo: RunningServer, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [0]
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        while sent[0] < 1 << 30:
            handler.wfile.write(b"x" * 65536)
            sent[0] += 65536

    site.answers["/endless"] = endless
    with lxdimg_nb.connect(demo.url) as client:
        for path in ("/image.tar.gz", "/endless"):
            with pytest.raises(InvalidImageError, match="max_size"):
                client.images.create_from_url(site.url + path, by="client", server_cert=site.cert, max_size=100)

    assert sent[0] < 64 << 20
    assert not list(tmp_path.glob("lxdimg-url-*"))


def test_what_the_web_server_says_is_passed_on(demo: RunningServer, site: Site, tmp_path: Path) -> None:
    site.files["/letter"] = b"This is a letter, not an image.\n" * 20
    cases: list[tuple[str, type[Exception]]] = [
        (f"{site.url}/none", NotFoundError),
        (f"{site.url}/letter", InvalidImageError),
        ("http://127.0.0.1/x", InvalidRequestError),
        ("ftp://127.0.0.1/x", InvalidRequestError),
        ("file:///etc/passwd", InvalidRequestError),
        ("https://127.0.0.1:1/x", ServerUnreachableError),
    ]
    with lxdimg_nb.connect(demo.url) as client:
        for url, kind in cases:
            with pytest.raises(kind):
                client.images.create_from_url(url, by="client", server_cert=site.cert)
        with pytest.raises(ServerUnreachableError, match="certificate"):
            client.images.create_from_url(f"{site.url}/image.tar.gz", by="client")
        site.answers["/moved"] = lambda h: h.reply(302, b"", {"Location": "http://127.0.0.1/image.tar.gz"})
        with pytest.raises(UnexpectedReplyError, match="redirects"):
            client.images.create_from_url(f"{site.url}/moved", by="client", server_cert=site.cert)
        wrong: list[dict[str, Any]] = [{"sha256": "abc"}, {"by": "magic"}, {"by": "client", "auto_update": True}]
        for options in wrong:
            with pytest.raises(InvalidRequestError):
                client.images.create_from_url(f"{site.url}/image.tar.gz", **options)

    assert demo.get("images") == []


def test_a_fetch_can_be_cancelled(
    demo: RunningServer, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def stop(_: object) -> None:
        raise OperationCancelledError("cancelled")

    with lxdimg_nb.connect(demo.url) as client, pytest.raises(OperationCancelledError):
        client.images.create_from_url(f"{site.url}/image.tar.gz", by="client", server_cert=site.cert, progress=stop)

    assert not list(tmp_path.glob("lxdimg-url-*"))


# From a URL, by the server


@pytest.fixture
def plain() -> Iterator[tuple[str, list[str]]]:
    """A web server without TLS that tells servers what they want to know of an image; and what it was asked."""
    data, asked = factory.small(5), []

    class PlainHandler(Handler):
        def do_GET(self) -> None:  # noqa: N802 - http.server's own name
            asked.append(f"{self.command} {self.path}")
            headers = {}
            for prefix in ("LXD", "Incus"):
                headers[f"{prefix}-Image-Hash"] = factory.fingerprint(data)
                headers[f"{prefix}-Image-URL"] = f"http://127.0.0.1:{web.server_address[1]}/file"
            self.reply(200, data, headers if self.path != "/bare" else {})

    with HTTPServer(("127.0.0.1", 0), PlainHandler) as web:
        thread = threading.Thread(target=web.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{web.server_address[1]}", asked
        web.shutdown()
        thread.join()


@pytest.mark.parametrize("real", ["lxd", "incus"])
def test_the_server_fetches_where_it_still_does(
    real: str, plain: tuple[str, list[str]], request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue(real)
    url, asked = plain
    with lxdimg_nb.connect(server.url) as client:
        made = client.images.create_from_url(f"{url}/image", aliases="five", public=True)

        assert made.fingerprint == factory.fingerprint(factory.small(5))
        assert made.public
        assert client.images.get("five") == made
    assert asked == ["HEAD /image", "GET /file"]


@pytest.mark.parametrize("real", ["lxd", "incus"])
def test_a_web_server_that_does_not_tell_is_said_with_the_way_on(
    real: str, plain: tuple[str, list[str]], request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue(real)
    with lxdimg_nb.connect(server.url) as client, pytest.raises(OperationFailedError) as caught:
        client.images.create_from_url(f"{plain[0]}/bare")

    assert "by='client'" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("real", ["lxd", "incus"])
def test_what_the_server_fetched_is_removed_when_it_is_another_file(
    real: str, plain: tuple[str, list[str]], request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue(real)
    with lxdimg_nb.connect(server.url) as client, pytest.raises(FingerprintMismatchError):
        client.images.create_from_url(f"{plain[0]}/image", sha256="0" * 64, by="server")

    assert server.get("images") == []
