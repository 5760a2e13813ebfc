"""Connecting, and what is said when that does not work."""

from __future__ import annotations

import http.server
import pickle
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import errors
from lxdimg_nb.client.http.endpoint import pem_fingerprint
from lxdimg_nb.errors import (
    InvalidRequestError,
    LxdImageError,
    NotAllowedError,
    ServerUnreachableError,
    UnexpectedReplyError,
)
from tests.kit import certificates, factory
from tests.kit.servers import RunningServer
from tests.kit.sockets import free_port

pytestmark = pytest.mark.usefixtures("short_pauses")


def test_a_socket_is_given_as_url_path_or_folder(server: RunningServer) -> None:
    forms = [server.url, str(server.socket), server.socket]
    if server.socket.name == "unix.socket":
        forms.append(server.socket.parent)

    infos = []
    for form in forms:
        with lxdimg_nb.connect(form) as client:
            infos.append(client.info)

    assert len({(i.product, i.version, i.auth, i.project) for i in infos}) == 1
    assert infos[0].trusted
    assert infos[0].product == ("incus" if server.product == "incus" else "lxd")


def test_the_local_daemon_is_found_as_its_own_command_line_finds_it(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LXD_SOCKET", "LXD_DIR", "INCUS_SOCKET", "INCUS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INCUS_SOCKET" if server.product == "incus" else "LXD_SOCKET", str(server.socket))

    with lxdimg_nb.connect() as client:
        assert client.url == server.url


def test_a_dead_socket_is_said(tmp_path: Path) -> None:
    path = tmp_path / "dead.socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))

    for address, words in ((path, "nobody listens"), (tmp_path / "none.socket", "no such socket")):
        with pytest.raises(ServerUnreachableError, match=words):
            lxdimg_nb.connect(address)


def test_a_port_where_nobody_listens_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ServerUnreachableError, match="nobody listens"):
        lxdimg_nb.connect(f"https://127.0.0.1:{free_port()}", timeout=5)


@pytest.mark.parametrize("handled", [FileNotFoundError, PermissionError, TimeoutError, ConnectionRefusedError])
def test_an_error_that_the_caller_is_handling_is_no_reason(tmp_path: Path, handled: type[OSError]) -> None:
    addresses = {f"https://127.0.0.1:{free_port()}": "nobody listens", tmp_path / "none.socket": "no such socket"}
    for address, words in addresses.items():
        try:
            raise handled
        except handled as outer:
            with pytest.raises(ServerUnreachableError, match=words):
                lxdimg_nb.connect(address, timeout=5)
            assert outer.__context__ is None


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Path]:
    """A web server on a unix socket that is not LXD."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"hello": "world"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        def address_string(self) -> str:
            return "unix"

    path = tmp_path / "web.socket"

    class UnixServer(http.server.ThreadingHTTPServer):
        address_family = socket.AF_UNIX

        def server_bind(self) -> None:
            self.socket.bind(self.server_address)
            self.server_name, self.server_port = "unix", 0

    with UnixServer(str(path), Handler) as web:  # type: ignore[arg-type]
        thread = threading.Thread(target=web.serve_forever, daemon=True)
        thread.start()
        yield path
        web.shutdown()
        thread.join()


def test_a_server_that_is_not_lxd_is_said(stranger: Path) -> None:
    with pytest.raises(UnexpectedReplyError, match="not as LXD or Incus"):
        lxdimg_nb.connect(stranger)


@pytest.mark.parametrize(
    "address", ["http://host:8443", "https://", "https://h:port", "nonsense://x", "https://u:p@h/"]
)
def test_an_address_that_makes_no_sense_is_said(address: str) -> None:
    with pytest.raises(InvalidRequestError):
        lxdimg_nb.connect(address)


def test_a_stranger_sees_public_images_only_and_is_told_when_refused(server: RunningServer) -> None:
    server.add_image(factory.small(1))
    seen = server.add_image(factory.small(2), public=True)
    url = server.listen()
    pem = certificates.of_server(url)

    with lxdimg_nb.connect(url, server_cert=pem) as client:
        assert not client.info.trusted
        assert [i.fingerprint for i in client.images.all()] == [seen]
        assert client.images.get(seen).export() == factory.small(2)
        with pytest.raises(NotAllowedError):
            client.images.create(factory.small(3), wait=True)
        image = client.images.get(seen)
        image.public = False
        with pytest.raises(NotAllowedError):
            image.update()
        with pytest.raises(NotAllowedError):
            image.delete()

    assert server.get(f"images/{seen}")["public"] is True


def test_a_certificate_that_is_not_the_pinned_one_is_refused(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = server.listen()
    other, _ = certificates.pair(tmp_path, "other")
    # A variable of the environment must not open what was pinned.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")

    with pytest.raises(ServerUnreachableError, match="certificate") as caught:
        lxdimg_nb.connect(url, server_cert=other)
    with pytest.raises(ServerUnreachableError, match="certificate that no authority") as unknown:
        lxdimg_nb.connect(url)
    shown, pinned = pem_fingerprint(certificates.of_server(url)), pem_fingerprint(Path(other).read_text())
    assert f"expected {pinned}, got {shown}" in caught.value.message
    assert shown in unknown.value.message
    assert "server_cert=" in str(unknown.value)
    with lxdimg_nb.connect(url, server_cert=certificates.of_server(url)) as client:
        assert client.url == url


def test_a_pinned_certificate_is_verified_and_nothing_else_is_trusted_beside_it(demo: RunningServer) -> None:
    url = demo.listen()

    with lxdimg_nb.connect(url, server_cert=certificates.of_server(url)) as client:
        session = client.transport._get_session()
        adapter: Any = session.get_adapter(url)
        context = adapter.poolmanager.connection_pool_kw["ssl_context"]

    assert session.verify is True
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.cert_store_stats()["x509"] == 1


def test_the_dates_of_a_pinned_certificate_do_not_matter(tmp_path: Path) -> None:
    cert, key = certificates.pair(tmp_path, "old", until=timedelta(hours=-1))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as web:
        web.socket = context.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=web.serve_forever, daemon=True)
        thread.start()
        # It is talked to, and is no LXD.
        with pytest.raises(UnexpectedReplyError, match="HTTP 501"):
            lxdimg_nb.connect(f"https://127.0.0.1:{web.server_port}", server_cert=cert)
        web.shutdown()
        thread.join()


def test_a_server_that_dies_is_one_error_and_its_return_is_no_trouble(server: RunningServer) -> None:
    with lxdimg_nb.connect(server.url) as client:
        server.kill()

        with pytest.raises(ServerUnreachableError):
            client.images.all()
        server.restart()

        assert client.images.all() == []


def test_connections_are_kept_alive(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from lxdimg_nb.client.http import connection_pool

    opened: list[str] = []
    connect = connection_pool._UnixConnection.connect
    monkeypatch.setattr(
        connection_pool._UnixConnection, "connect", lambda self: (opened.append(self.path), connect(self))[1]
    )
    fingerprints = [server.add_image(factory.small(i)) for i in range(5)]

    with lxdimg_nb.connect(server.url) as client:
        for fingerprint in fingerprints * 4:
            client.images.get(fingerprint)

    assert len(opened) == 1


def test_every_error_pickles_keeps_its_facts_and_hides_secrets() -> None:
    made: list[LxdImageError] = [
        errors.ApiError("the server says: no", status_code=500, server_text="no"),
        errors.ImageExistsError("there", fingerprint="ab"),
        errors.ChangedMeanwhileError("changed", theirs={"public": True}, ours={"public": False}),
        errors.IncompleteListError("short", images=[1], missing=["x"]),
        errors.OperationFailedError("GET https://h/x?secret=abc failed", operation_id="1", reason="token=zzz"),
        errors.FingerprintMismatchError("other", expected="a", actual="b"),
        errors.MissingExtensionError("old", extension="x"),
    ]

    for error in made:
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own, made one line above
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)
    assert "abc" not in str(made[4])
    assert "zzz" not in made[4].reason  # type: ignore[attr-defined]
