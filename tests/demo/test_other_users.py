"""Nobody else gets at a demo server, a spool folder, keys and exports: other users, other web pages, links, races."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb import demo
from lxdimg_nb.client.config.client_certificate import ensure_key_pair
from lxdimg_nb.client.config.client_config import client_configs
from lxdimg_nb.client.files.part_file import PartFile
from lxdimg_nb.client.files.temporary_folder import temporary_folder
from lxdimg_nb.demo import DemoServer
from lxdimg_nb.errors import InvalidRequestError, LxdImageError
from lxdimg_nb.panels.upload.spool_file import Spool
from tests.kit import certificates, counts, factory
from tests.kit.demo_http import ask

NOBODY = 65_534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="missing here: only root can be somebody else for a moment")


def nobody(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as another user of the machine."""
    return subprocess.run(
        command, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, check=False, cwd="/"
    )


def reached(*places: Path) -> list[str]:
    """What of folders and files another user could read, write, or add to."""
    paths = [str(place) for place in places]
    return nobody("find", *paths, "!", "-type", "l", "(", "-readable", "-o", "-writable", ")").stdout.splitlines()


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder that everybody can enter, as most are."""
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    return tmp_path


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with demo.start(inventory=False) as running:
        yield running


@as_root
def test_another_user_gets_nothing_of_what_is_ours(
    server: DemoServer, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(open_folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("HOME", str(open_folder))
    spooled = Spool(open_folder / "spool").file("image.tar.gz", 10, 1)
    config = next(config for config in client_configs() if config.name == "lxdimg")
    key = Path(ensure_key_pair(config)[1])
    before = os.umask(0)
    try:
        with (
            demo.start(open_folder / "state", inventory=False) as kept,
            temporary_folder("relay") as temporary,
            PartFile(open_folder, "0" * 64) as part,
        ):
            (temporary / "image").write_bytes(b"private")
            own = [kept.socket, *(path for path in kept.socket.parent.iterdir() if path.name != "server.crt")]
            ours = [server.socket, server.socket.parent, *own, spooled.path, key, temporary, part.path]
            assert reached(*ours, *(open_folder / "state").rglob("*.db")) == []
            for socket in (server.socket, kept.socket):
                asked = nobody("curl", "-sS", "--max-time", "5", "--unix-socket", str(socket), "http://x/1.0")
                assert asked.returncode != 0
                assert asked.stdout == ""
            # The canary: what everybody may read is found.
            (open_folder / "open").write_text("x")
            (open_folder / "open").chmod(0o644)
            assert reached(open_folder / "open") == [str(open_folder / "open")]
            counts.count("other users, pages and races", inputs=len(ours) + 2)
    finally:
        os.umask(before)


@as_root
def test_names_that_another_user_made_first_are_not_used(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch, server: DemoServer
) -> None:
    shared, victim = open_folder / "shared", open_folder / "victim"
    shared.mkdir()
    shared.chmod(0o1777)
    victim.mkdir()
    (victim / "file").write_text("mine")
    monkeypatch.setenv("TMPDIR", str(shared))
    monkeypatch.setattr("tempfile.tempdir", None)
    with lxdimg_nb.connect(server.url) as client:
        image = client.images.create(factory.small(1), wait=True)
        made = {
            f"ln -s {victim} {shared}/lxdimg-relay-abcd1234": lambda: _relay(victim),
            f"mkdir -m 777 {shared}/lxdimg-relay-abcd1235": lambda: _relay(victim),
            f"mkdir -m 777 {shared}/lxdimg-abcd1234": lambda: demo.start(inventory=False, https=False).close(),
            f"ln -s {victim} {shared}/lxdimg-spool-{os.getuid()}": lambda: Spool().file("a", 1, 1),
            f"touch {shared}/.{image.fingerprint}.part": lambda: image.export(shared),
            f"ln -s {victim}/file {shared}/.{image.fingerprint}.part": lambda: image.export(shared),
        }
        refused = []
        for command, call in made.items():
            assert nobody("sh", "-c", command).returncode == 0, command
            try:
                call()
            except InvalidRequestError:
                refused.append(command)
            name = Path(command.rpartition(" ")[2])
            assert os.lstat(name).st_uid == NOBODY, "taken away from whom it belongs to"
            nobody("rm", "-r", str(name))
            counts.count("other users, pages and races", survived=1)

    assert [command.split()[0] for command in refused] == ["ln", "touch", "ln"]
    assert (victim / "file").read_text() == "mine"
    assert [path.name for path in victim.iterdir()] == ["file"]


def _relay(victim: Path) -> None:
    with temporary_folder("relay") as folder:
        assert folder.lstat().st_uid == os.geteuid()
        assert folder.lstat().st_mode & 0o777 == 0o700
        assert not folder.samefile(victim)


PAGES = {
    "another page": {"Origin": "https://evil.example"},
    "a page without an origin": {"Origin": "null"},
    "another port": {"Origin": "https://127.0.0.1:1"},
    "a link": {"Sec-Fetch-Site": "cross-site"},
    "another subdomain": {"Sec-Fetch-Site": "same-site"},
    "a name bound to the address": {"Host": "evil.example"},
    "a name with a port": {"Host": "evil.example:8443"},
    "an address elsewhere": {"Host": "192.0.2.1"},
    "no address": {"Host": "[::1"},
}


@pytest.mark.parametrize("page", PAGES)
def test_a_web_page_gets_nothing_with_the_certificate_of_the_browser(
    server: DemoServer, tmp_path: Path, page: str
) -> None:
    cert = tuple(map(str, certificates.pair(tmp_path)))
    server.trust(Path(cert[0]).read_text())
    assert server.https_url is not None

    for method, path, body in (
        ("GET", "/1.0/images", None),
        ("PUT", "/1.0", {}),
        ("POST", "/1.0/images", {"source": {}}),
        ("GET", "/1.0/events", None),
    ):
        said = ask(server.https_url, method, path, body, PAGES[page], cert=cert)  # type: ignore[arg-type]
        assert (said.status, "another place" in said.error[1]) == (403, True)
    counts.count("other users, pages and races", inputs=4)


def test_programs_and_the_servers_own_page_are_answered(server: DemoServer, tmp_path: Path) -> None:
    cert = tuple(map(str, certificates.pair(tmp_path)))
    server.trust(Path(cert[0]).read_text())
    assert server.https_url is not None
    own = {"Origin": server.https_url, "Sec-Fetch-Site": "same-origin"}

    for headers in ({}, own, {"Host": "localhost:1"}, {"Host": "[::1]:8443"}, {"Sec-Fetch-Site": "none"}):
        assert ask(server.https_url, "GET", "/1.0/images", headers=headers, cert=cert).status == 200  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_server_that_shows_another_certificate_meanwhile_gets_no_request(tmp_path: Path) -> None:
    """Both fingerprints are named, and nothing is sent, whatever is asked."""
    cert = certificates.pair(tmp_path, "client")
    with demo.start(tmp_path / "state", inventory=False) as first:
        first.trust(cert[0].read_text())
        pinned, url = first.certificate, first.https_url
        assert url is not None
        client = lxdimg_nb.connect(url, cert=cert, server_cert=pinned)
        image = client.images.create(factory.small(1), wait=True)
    for name in ("server.key", "server.crt"):
        (tmp_path / "state" / name).unlink()
    calls = {
        "list": client.images.all,
        "upload": lambda: client.images.create(factory.small(2), wait=True),
        "delete": image.delete,
        "export": image.export,
        "events": lambda: client.events(),
    }
    with demo.start(tmp_path / "state", inventory=False, port=int(url.rpartition(":")[2])) as second, client:
        for name, call in calls.items():
            with pytest.raises(LxdImageError) as caught:
                call()
            for pem in (pinned, second.certificate):
                assert certificates.fingerprint(pem) in caught.value.message, name
            counts.count("other users, pages and races", inputs=1)
        assert list(second.requests) == []
