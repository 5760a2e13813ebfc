"""The demo server as an object: it starts, says what it is, keeps its state, and leaves nothing behind."""

from __future__ import annotations

import hashlib
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lxdimg_nb import demo
from tests.kit import factory
from tests.kit.demo_http import ask, upload
from tests.kit.threads import new_threads


def test_a_demo_server_with_its_inventory_is_up_at_once() -> None:
    before = time.process_time()
    with demo.start() as server:
        taken = time.process_time() - before
        images = ask(server.socket, "GET", "/1.0/images").metadata
    before = time.process_time()
    hashlib.sha256(bytes(64 * 1024 * 1024))
    hashing = time.process_time() - before

    # It takes about as long as hashing 64 MiB, a few hundredths of a second on most machines.
    assert taken < 10 * hashing
    assert len(images) >= 12


def test_it_says_where_it_is_and_that_it_is_a_demo() -> None:
    with demo.start(inventory=False) as server:
        assert server.url == f"unix://{server.socket}"
        assert server.socket.is_absolute()
        assert server.https_url is not None
        assert server.https_url.startswith("https://127.0.0.1:")
        assert "BEGIN CERTIFICATE" in server.certificate
        assert "demo" in repr(server)
        assert "Demo server" in server._repr_html_()

    assert "closed" in repr(server)
    assert "closed" in server._repr_html_()


def test_without_https_it_listens_on_the_socket_alone() -> None:
    with demo.start(https=False, inventory=False) as server:
        assert server.https_url is None
        assert ask(server.socket, "GET", "/1.0").metadata["environment"]["addresses"] == []


def test_it_listens_on_loopback_only() -> None:
    with demo.start(inventory=False) as server:
        assert server.https_url is not None
        port = int(server.https_url.rsplit(":", 1)[1])
        listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]

    assert f"0100007F:{port:04X}" in listening
    assert f"00000000:{port:04X}" not in listening


def test_close_can_be_repeated_and_removes_a_temporary_folder() -> None:
    before = threading.enumerate()
    server = demo.start()
    folder = server.folder

    server.close()
    server.close()

    assert not folder.exists()
    assert not server.socket.exists()
    assert new_threads(before, "lxdimg-demo") == []


def test_a_folder_keeps_everything_over_a_restart(tmp_path: Path) -> None:
    data = factory.small(1)
    with demo.start(tmp_path / "state", inventory=False) as server:
        fingerprint = upload(server.socket, data)["metadata"]["fingerprint"]
        ask(server.socket, "POST", "/1.0/images/aliases", {"name": "kept/a", "target": fingerprint})
        ask(server.socket, "PATCH", f"/1.0/images/{fingerprint}", {"public": True, "properties": {"k": "v"}})
        before = ask(server.socket, "GET", f"/1.0/images/{fingerprint}")
        certificate = server.certificate

    with demo.start(tmp_path / "state", inventory=False) as server:
        after = ask(server.socket, "GET", f"/1.0/images/{fingerprint}")
        exported = ask(server.socket, "GET", f"/1.0/images/{fingerprint}/export").body

        assert after.metadata == before.metadata
        assert after.headers["ETag"] == before.headers["ETag"]
        assert exported == data
        assert server.certificate == certificate


def test_the_inventory_is_added_once(tmp_path: Path) -> None:
    with demo.start(tmp_path / "state") as server:
        for url in ask(server.socket, "GET", "/1.0/images").metadata[:3]:
            ask(server.socket, "DELETE", url)
        left = len(ask(server.socket, "GET", "/1.0/images").metadata)

    with demo.start(tmp_path / "state") as server:
        assert len(ask(server.socket, "GET", "/1.0/images").metadata) <= left


def test_two_servers_run_side_by_side() -> None:
    with demo.start(inventory=False) as one, demo.start(inventory=False) as other:
        upload(one.socket, factory.small(1))

        assert len(ask(one.socket, "GET", "/1.0/images").metadata) == 1
        assert ask(other.socket, "GET", "/1.0/images").metadata == []


def test_a_file_that_is_no_database_is_reported_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "demo.sqlite").write_text("no database, but somebody's" * 100)

    with pytest.raises(RuntimeError, match="not what a demo server left"):
        demo.start(tmp_path)

    assert (tmp_path / "demo.sqlite").read_text().startswith("no database")


def test_an_interrupt_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    code = (
        "import signal, sys, threading\n"
        "from lxdimg_nb.demo import demo_server, start\n"
        "fill = demo_server.fill_inventory\n"
        "def filled(daemon):\n"
        "    fill(daemon)\n"
        "    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)\n"
        "demo_server.fill_inventory = filled\n"
        "try:\n"
        "    start(sys.argv[1])\n"
        "except KeyboardInterrupt:\n"
        "    print(threading.active_count())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=30, check=False
    )

    assert (ended.stdout, ended.stderr) == ("1\n", "")
    assert not (tmp_path / "unix.socket").exists()


def test_an_unknown_product_is_refused() -> None:
    with pytest.raises(ValueError, match="lxd"):
        demo.start(product="podman")


def test_what_it_writes_is_for_its_user_only(tmp_path: Path) -> None:
    with demo.start(tmp_path / "state") as server:
        upload(server.socket, factory.small(1))
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((server.folder / "images").stat().st_mode) == 0o700
        assert stat.S_IMODE((server.folder / "server.key").stat().st_mode) == 0o600
        assert stat.S_IMODE((server.folder / "demo.sqlite").stat().st_mode) == 0o600


def test_its_requests_can_be_read() -> None:
    with demo.start(inventory=False) as server:
        ask(server.socket, "GET", "/1.0/images?recursion=1")
        ask(server.socket, "PUT", "/1.0/images/none", {})

        assert list(server.requests)[-2:] == [("GET", "/1.0/images?recursion=1"), ("PUT", "/1.0/images/none")]
