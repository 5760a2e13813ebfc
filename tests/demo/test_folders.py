"""Where a demo server may run: its folder, its socket and its port."""

from __future__ import annotations

import os
import socket as sockets
import threading
from pathlib import Path

import pytest

from lxdimg_nb import demo
from tests.kit.demo_http import ask
from tests.kit.threads import new_threads


def test_a_folder_serves_one_server_at_a_time(tmp_path: Path) -> None:
    with demo.start(tmp_path, inventory=False), pytest.raises(RuntimeError, match="another demo server"):
        demo.start(tmp_path, inventory=False, socket=f"/tmp/lxdimg-second-{os.getpid()}")


def test_a_socket_that_is_in_use_is_not_taken(tmp_path: Path) -> None:
    with demo.start(inventory=False) as server, pytest.raises(RuntimeError, match="answers on"):
        demo.start(tmp_path, inventory=False, socket=server.socket)


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = Path(f"/tmp/lxdimg-stale-{os.getpid()}")
    left = sockets.socket(sockets.AF_UNIX)
    left.bind(str(path))
    left.close()

    with demo.start(tmp_path, inventory=False, socket=path) as server:
        assert ask(server.socket, "GET", "/1.0").status == 200
    assert not path.exists()


def test_a_folder_with_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    with demo.start(deep, inventory=False) as server:
        assert len(str(server.socket)) < 100
        assert ask(server.socket, "GET", "/1.0").status == 200
        place = server.socket.parent
    assert not place.exists()
    assert deep.exists()


def test_a_socket_path_that_is_too_long_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shorter than"):
        demo.start(tmp_path, socket=tmp_path / ("s" * 120))


def test_a_file_in_the_place_of_the_socket_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("mine")

    with pytest.raises(ValueError, match="not a socket"):
        demo.start(tmp_path / "state", socket=file)

    assert file.read_text() == "mine"


def test_a_socket_in_a_folder_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no folder"):
        demo.start(tmp_path, socket=tmp_path / "nowhere" / "s")


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_out_of_range_is_refused_in_words(port: int) -> None:
    with pytest.raises(ValueError, match="65535"):
        demo.start(port=port)


def test_a_port_in_use_is_reported_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before = threading.enumerate()
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match="in use"):
            demo.start(tmp_path, port=port, inventory=False)

    assert new_threads(before, "lxdimg-demo") == []
    assert not (tmp_path / "unix.socket").exists()
    with demo.start(tmp_path, port=port, inventory=False) as server:
        assert server.https_url == f"https://127.0.0.1:{port}"


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)

    with pytest.raises(ValueError, match="everybody may write"):
        demo.start(tmp_path, inventory=False)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65_534, -1)

    with pytest.raises(ValueError, match="another user"):
        demo.start(tmp_path, inventory=False)


def test_keys_and_state_are_the_users_alone_from_the_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the umask is, and whatever was in the place of the key."""
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "server.key").symlink_to(outside)
    modes: dict[str, int] = {}
    create = os.open

    def noted(path: str | Path, flags: int, mode: int = 0o777, **more: int) -> int:
        if flags & os.O_CREAT:
            modes[Path(path).name] = mode
        return create(path, flags, mode, **more)

    before = os.umask(0)
    try:
        monkeypatch.setattr(os, "open", noted)
        with demo.start(folder, inventory=False) as server:
            found = {path.name: path.lstat().st_mode & 0o777 for path in folder.iterdir() if path.name != "images"}
            assert server.socket.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)

    assert outside.read_text() == "mine"
    assert modes["server.key"] == modes["lock"] == 0o600
    assert {mode for name, mode in found.items() if name != "server.crt"} == {0o600}
    assert found["server.crt"] == 0o644
