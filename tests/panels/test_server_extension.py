"""The extension of the Jupyter server: nobody else, no other web page and no link gets at or into a spool file."""

from __future__ import annotations

import http.client
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.kit.lab import PLACE, lab_server

pytestmark = pytest.mark.slow

NAME = "0123456789abcdef" * 2 + ".part"


@dataclass
class Server:
    """A running Jupyter server with the extension, and its spool folder."""

    host: str
    port: int
    token: str
    spool: Path
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        """The status of one request, with the headers given and no other."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host="Host" in headers)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders(body)
            reply = connection.getresponse()
            reply.read()
            for value in reply.headers.get_all("Set-Cookie", ()):
                name, _, rest = value.partition("=")
                self.cookies[name] = rest.partition(";")[0]
            return reply.status
        finally:
            connection.close()

    @property
    def cookie(self) -> str:
        """What a browser sends that is logged in."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())


@pytest.fixture
def server() -> Server:
    notebooks, url = lab_server(PLACE)
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    spool = notebooks.parent / "spool"
    spool.mkdir(mode=0o700, exist_ok=True)
    return Server(parts.hostname, parts.port, parse_qs(parts.query)["token"][0], spool)


@pytest.fixture
def waiting(server: Server) -> Path:
    """A file that a kernel made, where a browser's file is to go."""
    path = server.spool / NAME
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    return path


def test_the_user_writes_to_it(server: Server, waiting: Path) -> None:
    path, token = f"/lxdimg/spool/{NAME}", f"token {server.token}"

    assert server.ask("PUT", f"{path}?offset=0", b"data", Authorization=token) == 200
    assert server.ask("GET", path, Authorization=token) == 200
    assert server.ask("PUT", f"{path}?offset=0", b"data", Authorization=token) == 409
    assert waiting.read_bytes() == b"data"


def test_who_has_no_token_gets_nothing_and_writes_nothing(server: Server, waiting: Path) -> None:
    path = f"/lxdimg/spool/{NAME}"
    for headers in ({}, {"Authorization": "token wrong"}, {"Cookie": "username-127-0-0-1=forged"}):
        assert server.ask("GET", path, **headers) in (302, 403)
        assert server.ask("PUT", f"{path}?offset=0", b"data", **headers) == 403

    assert waiting.read_bytes() == b""


def test_another_web_page_in_a_browser_that_is_logged_in_writes_nothing(server: Server, waiting: Path) -> None:
    server.ask("GET", f"/lab?token={server.token}")
    path, xsrf = f"/lxdimg/spool/{NAME}?offset=0", server.cookies["_xsrf"]
    evil = {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"}

    # The browser sends the cookies, and the page cannot read the token in them.
    for headers in (evil, evil | {"X_XSRFToken": "guessed"}, {"X_XSRFToken": "guessed"}, {}):
        assert server.ask("PUT", path, b"data", Cookie=server.cookie, **headers) in (403, 404), headers
    assert waiting.read_bytes() == b""
    # The page of the server itself can.
    assert server.ask("PUT", path, b"data", Cookie=server.cookie, X_XSRFToken=xsrf) == 200


def test_a_name_that_was_bound_to_this_address_gets_nothing(server: Server, waiting: Path) -> None:
    path, token = f"/lxdimg/spool/{NAME}", f"token {server.token}"

    assert server.ask("GET", path, Authorization=token, Host="evil.example") == 403
    assert server.ask("PUT", f"{path}?offset=0", b"data", Authorization=token, Host="evil.example") == 403
    assert waiting.read_bytes() == b""


@pytest.mark.parametrize("kind", ["link", "hard link", "folder", "other user", "pipe"])
def test_what_is_no_file_of_a_kernel_of_this_user_is_not_touched(
    server: Server, waiting: Path, tmp_path: Path, kind: str
) -> None:
    mine = server.spool / "mine"
    mine.write_text("mine")
    waiting.unlink()
    if kind == "link":
        waiting.symlink_to(mine)
    elif kind == "hard link":
        os.link(mine, waiting)
    elif kind == "folder":
        waiting.mkdir()
    elif kind == "pipe":
        # With a reader, so that opening it would not wait.
        os.mkfifo(waiting)
        reader = os.open(waiting, os.O_RDONLY | os.O_NONBLOCK)
    elif os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    else:
        waiting.touch()
        os.chown(waiting, 65_534, -1)
    token = f"token {server.token}"

    put = server.ask("PUT", f"/lxdimg/spool/{NAME}?offset=0", b"data", Authorization=token)
    if kind == "pipe":
        os.close(reader)
    (waiting.rmdir if kind == "folder" else waiting.unlink)()

    assert put == 404
    assert mine.read_text() == "mine"
    mine.unlink()


@pytest.mark.parametrize("name", ["..%2Fmine", "mine", "%2Fetc%2Fpasswd", "0" * 32, "..", "A" * 32 + ".part"])
def test_a_path_is_no_name(server: Server, waiting: Path, name: str) -> None:
    token = f"token {server.token}"

    assert server.ask("GET", f"/lxdimg/spool/{name}", Authorization=token) == 404
    assert server.ask("PUT", f"/lxdimg/spool/{name}?offset=0", b"data", Authorization=token) in (403, 404, 405)
    assert not re.search("data", waiting.read_text())
