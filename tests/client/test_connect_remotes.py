"""Remotes of lxc and incus, connected to by name: project, pinned certificate, local daemon, login."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb.client.config.remotes import find_remote, find_remote_by_address
from lxdimg_nb.errors import InvalidRequestError, NotAllowedError, NotFoundError, ServerUnreachableError
from tests.kit import certificates, factory, streams
from tests.kit.homes import listen, place, write
from tests.kit.servers import RunningServer
from tests.kit.sockets import free_port

pytestmark = pytest.mark.usefixtures("short_pauses")


def test_a_remote_is_connected_to_by_name_address_and_value(server: RunningServer, home: Path) -> None:
    folder = place(server, home)
    entry = listen(server, folder, "lab")
    write(folder, {"lab": entry})
    server.add_image(factory.small(1))
    before = {p: p.read_bytes() for p in home.rglob("*") if p.is_file()}

    for way in ("lab", f"{folder.name}:lab", find_remote("lab"), server.listen(), server.listen() + "/"):
        with lxdimg_nb.connect(way) as client:
            assert client.info.trusted
            assert len(client.images.all()) == 1

    assert {p: p.read_bytes() for p in home.rglob("*") if p.is_file()} == before


def test_the_remotes_project_is_worked_in_unless_another_is_named(server: RunningServer, home: Path) -> None:
    folder = place(server, home)
    write(folder, {"lab": listen(server, folder, "lab", project="web")})
    server.add_project("web")
    fingerprint = server.add_image(factory.small(1), project="web")

    with lxdimg_nb.connect("lab") as client:
        assert client.project == "web"
        assert [i.fingerprint for i in client.images.all()] == [fingerprint]
    with lxdimg_nb.connect("lab", project="default") as client:
        assert client.images.all() == []
    with lxdimg_nb.connect(server.listen()) as client:
        assert client.project == "web"


@pytest.mark.slow
def test_the_next_address_is_tried_when_one_is_silent(server: RunningServer, home: Path) -> None:
    folder = home / ".config/incus"
    entry = listen(server, folder, "lab")
    dead = f"https://127.0.0.1:{free_port()}"
    write(folder, {"lab": entry | {"addr": f"{dead},{entry['addr']}"}, "dead": entry | {"addr": f"{dead},{dead}/"}})

    with lxdimg_nb.connect("lab") as client:
        assert client.info.trusted
    with pytest.raises(ServerUnreachableError, match="dead"):
        lxdimg_nb.connect("dead")


def test_a_pinned_certificate_is_the_only_one_accepted(server: RunningServer, home: Path, tmp_path: Path) -> None:
    folder = place(server, home)
    entry = listen(server, folder, "lab")
    write(folder, {"lab": entry})
    other, _ = certificates.pair(tmp_path, "other")
    shutil.copy(other, folder / "servercerts/lab.crt")

    for way in ("lab", server.listen()):
        with pytest.raises(ServerUnreachableError, match="certificate"):
            lxdimg_nb.connect(way)
    with lxdimg_nb.connect("lab", server_cert=server.get("")["environment"]["certificate"]) as client:
        assert client.info.trusted


def test_a_public_remote_is_asked_as_a_stranger(server: RunningServer, home: Path) -> None:
    folder = place(server, home)
    entry = listen(server, folder, "lab")
    write(folder, {"lab": entry | {"public": True}})
    server.add_image(factory.small(1))
    shown = server.add_image(factory.small(2), public=True)

    with lxdimg_nb.connect("lab") as client:
        assert not client.info.trusted
        assert [i.fingerprint for i in client.images.all()] == [shown]


def test_a_remote_that_does_not_trust_this_client_is_said(server: RunningServer, home: Path) -> None:
    folder = place(server, home)
    entry = listen(server, folder, "lab")
    write(folder, {"lab": entry})
    server.clean()

    with pytest.raises(NotAllowedError):
        lxdimg_nb.connect("lab")
    (folder / "client.key").unlink()
    with pytest.raises(InvalidRequestError, match="enroll"):
        lxdimg_nb.connect("lab")


def test_a_socket_can_be_a_remote(server: RunningServer, home: Path) -> None:
    for address in (f"unix://{server.socket}", f"unix:{server.socket}"):
        write(home / ".config/lxc", {"here": {"addr": address, "public": False, "project": "web"}})
        with lxdimg_nb.connect("here", project="default") as client:
            assert client.info.trusted
        with pytest.raises(NotFoundError):
            lxdimg_nb.connect("here")


def test_local_is_the_daemon_of_this_machine(
    lxd: RunningServer, incus: RunningServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCUS_SOCKET", str(incus.socket))
    for name in ("local", "local:", "unix://", None):
        with lxdimg_nb.connect(name) as client:
            assert client.info.product == "incus"
    with pytest.raises(ServerUnreachableError, match="no LXD answers") as caught:
        lxdimg_nb.connect("lxc:local")
    assert "no-lxd" in " ".join(caught.value.tried)
    assert "incus" not in str(caught.value).split("or use another server")[0].lower()

    monkeypatch.setenv("LXD_SOCKET", str(lxd.socket))
    for name, product in (("lxc:local", "lxd"), ("incus:local", "incus")):
        with lxdimg_nb.connect(name) as client:
            assert client.info.product == product


def test_the_local_daemon_is_worked_on_in_the_project_switched_to(
    server: RunningServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add_project("web")
    monkeypatch.setenv("INCUS_SOCKET" if server.product == "incus" else "LXD_SOCKET", str(server.socket))
    write(place(server, home), {"local": {"addr": "unix://", "public": False, "project": "web"}})

    with lxdimg_nb.connect() as client:
        assert client.project == "web"
    with lxdimg_nb.connect(project="default") as client:
        assert client.project == "default"
    with lxdimg_nb.connect(server.url) as client:
        assert client.project == "default"


@pytest.mark.parametrize("chosen_by", ["configuration", "environment"])
def test_without_a_local_daemon_the_default_remote_is_used(
    server: RunningServer, home: Path, monkeypatch: pytest.MonkeyPatch, chosen_by: str
) -> None:
    folder = place(server, home)
    entry = listen(server, folder, "lab")
    write(folder, {"lab": entry}, **{"default-remote": "lab" if chosen_by == "configuration" else "local"})
    if chosen_by == "environment":
        monkeypatch.setenv("INCUS_REMOTE" if server.product == "incus" else "LXC_REMOTE", "lab")

    with lxdimg_nb.connect() as client:
        assert client.url == server.listen()


def test_each_place_that_was_tried_is_named(home: Path, tmp_path: Path) -> None:
    dead = f"https://127.0.0.1:{free_port()}"
    folder = write(home / ".config/lxc", {"far": {"addr": dead, "public": False}}, **{"default-remote": "far"})
    certificates.pair(folder, "client")

    with pytest.raises(ServerUnreachableError) as caught:
        lxdimg_nb.connect()

    assert caught.value.tried == (
        f"{tmp_path / 'no-lxd'} (no such socket)",
        f"{tmp_path / 'no-incus'} (no such socket)",
        f"lxc:far at {dead} (does not answer)",
    )
    assert caught.value.message == (
        f"no LXD or Incus answers on this machine, nor does the default remote lxc:far at {dead}"
    )


def test_a_default_remote_that_is_not_there_is_said(home: Path) -> None:
    write(home / ".config/lxc", {}, **{"default-remote": "gone"})

    with pytest.raises(InvalidRequestError, match="gone"):
        lxdimg_nb.connect()


def test_a_simplestreams_remote_is_a_catalogue(home: Path, tmp_path: Path) -> None:
    with streams.serving(tmp_path / "site") as site:
        streams.linuxcontainers().publish(site, "/sub")
        address = site.url.replace("https://", "https://max:geheim@")
        folder = write(
            home / ".config/incus",
            {
                "mirror": {"addr": f"{site.url}/sub/", "protocol": "simplestreams", "public": True},
                "closed": {"addr": f"{address}/sub", "protocol": "simplestreams", "public": True},
            },
        )
        (folder / "servercerts").mkdir()
        for name in ("mirror", "closed"):
            (folder / "servercerts" / f"{name}.crt").write_text(site.pem)

        for name in ("mirror", "incus:closed"):
            with lxdimg_nb.connect(name) as client:
                assert client.info.product == "simplestreams"
                assert len(client.images.all()) == 12
                assert len(client.images.df()) == 12

        assert "Authorization" not in site.asked[0][2]
        assert site.asked[-1][2]["Authorization"].startswith("Basic ")


def test_an_oci_registry_is_said_to_be_one(home: Path) -> None:
    write(home / ".config/incus", {"docker": {"addr": "https://docker.io", "protocol": "oci", "public": True}})

    with pytest.raises(InvalidRequestError, match="OCI registry"):
        lxdimg_nb.connect("docker")


def test_a_login_by_oidc_uses_the_token_that_is_there(home: Path) -> None:
    folder = write(
        home / ".config/incus",
        {"login": {"addr": f"https://127.0.0.1:{free_port()}", "protocol": "incus", "auth_type": "oidc"}},
    )
    tokens = folder / "oidctokens"
    tokens.mkdir()
    now = datetime.now(UTC)
    stored: list[tuple[str, type[Exception]]] = [
        ("{", NotAllowedError),
        ("[]", NotAllowedError),
        ("{}", NotAllowedError),
        (f'{{"access_token": "geheim", "expiry": "{(now - timedelta(1)).isoformat()}"}}', NotAllowedError),
        (f'{{"access_token": "geheim", "expiry": "{(now + timedelta(1)).isoformat()}"}}', ServerUnreachableError),
    ]

    for content, kind in stored:
        (tokens / "login.json").write_text(content)
        with pytest.raises(kind) as caught:
            lxdimg_nb.connect("login")
        assert "geheim" not in str(caught.value)


def _encrypted(folder: Path) -> None:
    key = folder / "client.key"
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", key, "-out", folder / "new", "-passout", "pass:x"],
        check=True,
        capture_output=True,
    )
    (folder / "new").replace(key)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_encrypted, "encrypted"),
        (lambda folder: (folder / "client.key").write_text("x"), "no certificate and its key"),
        (lambda folder: shutil.copy(certificates.pair(folder, "b")[1], folder / "client.key"), "no certificate and"),
    ],
    ids=["encrypted", "no key", "another key"],
)
def test_a_key_that_cannot_be_used_is_said_without_asking_on_the_terminal(
    home: Path, spoil: Callable[[Path], object], words: str
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = write(home / ".config/lxc", {"far": {"addr": f"https://127.0.0.1:{free_port()}"}})
    certificates.pair(folder, "client")
    spoil(folder)

    with pytest.raises(InvalidRequestError, match=words):
        lxdimg_nb.connect("far")


def test_an_address_is_recognised_however_it_is_written(home: Path) -> None:
    write(
        home / ".config/lxc",
        {
            "a": {"addr": "https://Host.example:8443", "public": False},
            "b": {"addr": "https://[fe80::1]:9443", "public": False},
            "open": {"addr": "https://open:8443", "public": True},
        },
    )

    for address in ("https://host.example", "https://HOST.example:8443", "https://host.example:8443/"):
        found = find_remote_by_address(address)
        assert found is not None
        assert found.name == "a"
    assert find_remote_by_address("https://[fe80::1]:9443") == find_remote("b")
    for address in ("https://host.example:1", "https://open:8443", "https://h:port", "unix:///x"):
        assert find_remote_by_address(address) is None


def test_connecting_with_own_certificates_asks_no_configuration(server: RunningServer, home: Path) -> None:
    url = server.listen()
    folder = home / ".config/lxc"
    folder.mkdir(parents=True)
    (folder / "config.yml").write_text("{")

    with lxdimg_nb.connect(url, server_cert=server.get("")["environment"]["certificate"]) as client:
        assert not client.info.trusted
