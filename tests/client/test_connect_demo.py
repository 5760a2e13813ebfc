"""Connecting to a demo server, which is only done when it is asked for, and to the server of the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb.errors import InvalidRequestError, NotFoundError, ServerUnreachableError
from tests.kit.servers import RunningServer
from tests.kit.sockets import free_port

pytestmark = pytest.mark.usefixtures("short_pauses")


@pytest.fixture
def nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without LXD, Incus and remotes, where no server is named; the folder of temporary files."""
    for name in ("LXD_SOCKET", "INCUS_SOCKET", "LXDIMG_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("LXD_DIR", "INCUS_DIR", "LXD_CONF", "INCUS_CONF", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


def folder_of(client: lxdimg_nb.Client) -> Path:
    return Path(client.url.removeprefix("unix://")).parent


def test_a_demo_server_is_started_when_told_and_ends_with_its_client(
    nothing_here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lxdimg_nb.connect(demo=True) as client:
        folder = folder_of(client)
        assert client.info.name == "lxdimg-demo"
        assert len(client.images.all()) > 5
        assert client.in_project("web").images.all() != []

    assert not folder.exists()
    assert capsys.readouterr().out == ""
    with pytest.raises(ServerUnreachableError):
        client.images.all()


def test_a_demo_server_is_started_where_there_is_no_other_and_says_so_in_a_line(
    nothing_here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lxdimg_nb.connect(demo="fallback", project="web") as client:
        said = capsys.readouterr().out

        assert client.project == "web"
        assert client.info.name == "lxdimg-demo"
        assert said.count("\n") == 1
        assert said.startswith("No LXD or Incus answers on this machine. ")
        assert f"This is a demo server with small images, at {client.url}." in said


def test_two_demo_servers_know_nothing_of_each_other(nothing_here: Path) -> None:
    with lxdimg_nb.connect(demo=True) as one, lxdimg_nb.connect(demo=True) as other:
        one.images.all()[0].delete()

        assert len(one.images.all()) == len(other.images.all()) - 1


def test_a_server_that_answers_is_not_replaced_by_a_demo(
    server: RunningServer, nothing_here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INCUS_SOCKET" if server.product == "incus" else "LXD_SOCKET", str(server.socket))

    with lxdimg_nb.connect(demo="fallback") as client, lxdimg_nb.connect(server.url, demo="fallback") as named:
        assert client.url == named.url == server.url

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_a_server_that_was_named_is_never_replaced_by_a_demo(
    nothing_here: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    url = f"https://127.0.0.1:{free_port()}"
    if how == "environment":
        monkeypatch.setenv("LXDIMG_URL", url)

    with pytest.raises(ServerUnreachableError, match="nobody listens"):
        lxdimg_nb.connect(url if how == "argument" else None, demo="fallback")


@pytest.mark.parametrize(
    "arguments",
    [
        {"server": "unix:///run/unix.socket", "demo": True},
        {"cert": ("a", "b"), "demo": True},
        {"demo": "yes"},
        {"demo": 1},
        {"demo": None},
    ],
)
def test_a_demo_that_makes_no_sense_is_refused_and_starts_nothing(
    nothing_here: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any]
) -> None:
    monkeypatch.setattr(lxdimg_nb.demo, "start", lambda: pytest.fail("a demo server was started"))

    with pytest.raises(InvalidRequestError, match="demo"):
        lxdimg_nb.connect(**arguments)


def test_a_project_that_the_demo_lacks_leaves_no_server_behind(
    nothing_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    start = lxdimg_nb.demo.start
    monkeypatch.setattr(lxdimg_nb.demo, "start", lambda: started.append(start()) or started[0])

    with pytest.raises(NotFoundError):
        lxdimg_nb.connect(demo=True, project="none")

    assert started[0].closed


def test_the_environment_names_the_server(
    server: RunningServer, nothing_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LXDIMG_URL", server.url)

    with lxdimg_nb.connect() as client:
        assert client.url == server.url
    with pytest.raises(ServerUnreachableError):
        lxdimg_nb.connect("local")
    assert "LXDIMG_URL" in os.environ
