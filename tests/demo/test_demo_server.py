"""The demo server as a thing: it starts, says what it is, keeps its state, and leaves nothing behind."""

from __future__ import annotations

import gc
import hashlib
import http.client
import os
import signal
import socket as sockets
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import websocket

from lxdimg_nb import demo
from lxdimg_nb.demo.store.daemon import Daemon
from tests.kit import factory
from tests.kit.demo_http import UnixConnection, ask, connection, upload


def test_a_demo_server_with_its_inventory_is_up_within_a_second() -> None:
    before = time.monotonic()
    with demo.start() as server:
        taken = time.monotonic() - before
        images = ask(server.socket, "GET", "/1.0/images").metadata

    assert taken < 1.0
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


def test_closing_twice_is_closing_once_and_takes_the_folder_with_it() -> None:
    before = set(threading.enumerate())
    server = demo.start()
    folder = server.folder

    server.close()
    server.close()

    assert not folder.exists()
    assert not server.socket.exists()
    assert set(threading.enumerate()) <= before


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


def test_the_inventory_is_put_in_once(tmp_path: Path) -> None:
    with demo.start(tmp_path / "state") as server:
        for url in ask(server.socket, "GET", "/1.0/images").metadata[:3]:
            ask(server.socket, "DELETE", url)
        left = len(ask(server.socket, "GET", "/1.0/images").metadata)

    with demo.start(tmp_path / "state") as server:
        assert len(ask(server.socket, "GET", "/1.0/images").metadata) <= left


def test_two_run_side_by_side_and_know_nothing_of_each_other() -> None:
    with demo.start(inventory=False) as one, demo.start(inventory=False) as other:
        upload(one.socket, factory.small(1))

        assert len(ask(one.socket, "GET", "/1.0/images").metadata) == 1
        assert ask(other.socket, "GET", "/1.0/images").metadata == []


def test_a_folder_serves_one_server_at_a_time(tmp_path: Path) -> None:
    with demo.start(tmp_path, inventory=False), pytest.raises(RuntimeError, match="another demo server"):
        demo.start(tmp_path, inventory=False, socket=f"/tmp/lxdimg-second-{os.getpid()}")


def test_a_socket_somebody_answers_on_is_not_taken(tmp_path: Path) -> None:
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

    with pytest.raises(ValueError, match="no socket"):
        demo.start(tmp_path / "state", socket=file)

    assert file.read_text() == "mine"


def test_a_socket_in_a_folder_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no folder"):
        demo.start(tmp_path, socket=tmp_path / "nowhere" / "s")


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_that_is_none_is_refused_in_words(port: int) -> None:
    with pytest.raises(ValueError, match="65535"):
        demo.start(port=port)


def test_a_port_in_use_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    threads = set(threading.enumerate())
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match="in use"):
            demo.start(tmp_path, port=port, inventory=False)

    assert set(threading.enumerate()) <= threads
    assert not (tmp_path / "unix.socket").exists()
    with demo.start(tmp_path, port=port, inventory=False) as server:
        assert server.https_url == f"https://127.0.0.1:{port}"


def test_a_database_that_is_none_is_told_and_stays_as_it_is(tmp_path: Path) -> None:
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


def test_the_requests_it_saw_can_be_looked_at() -> None:
    with demo.start(inventory=False) as server:
        ask(server.socket, "GET", "/1.0/images?recursion=1")
        ask(server.socket, "PUT", "/1.0/images/none", {})

        assert list(server.requests)[-2:] == [("GET", "/1.0/images?recursion=1"), ("PUT", "/1.0/images/none")]


def _own_process(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lxdimg_nb.demo", "--folder", str(folder), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "demo" in process.stdout.readline()
    assert str(folder) in process.stdout.readline()
    return process


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_as_a_process_it_ends_when_told_and_removes_its_socket(tmp_path: Path, how: signal.Signals) -> None:
    process = _own_process(tmp_path / "s", "--empty", "--product", "incus")
    said = ask(tmp_path / "s" / "unix.socket", "GET", "/1.0").metadata["environment"]

    process.send_signal(how)
    _, complaints = process.communicate(timeout=20)

    assert said["server"] == "incus"
    assert process.returncode == 0
    assert complaints == ""
    assert not (tmp_path / "s" / "unix.socket").exists()


def test_a_folder_in_use_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    with demo.start(tmp_path, inventory=False):
        command = [sys.executable, "-m", "lxdimg_nb.demo", "--folder", str(tmp_path)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert ended.returncode == 1
    assert "already" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_kill_in_the_middle_of_anything_loses_no_image_and_leaves_no_rubbish(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    process = _own_process(folder, "--empty", "--no-https")
    place = folder / "unix.socket"
    kept = [upload(place, factory.small(number))["metadata"]["fingerprint"] for number in range(5)]
    halfway = UnixConnection(place)
    halfway.putrequest("POST", "/1.0/images")
    halfway.putheader("Content-Type", "application/octet-stream")
    halfway.putheader("Content-Length", "1000000")
    halfway.endheaders()
    halfway.send(b"\x1f\x8b" + bytes(100_000))
    stop = threading.Event()

    def keep_writing() -> None:
        number = 100
        while not stop.is_set():
            number += 1
            try:
                upload(place, factory.small(number))
                ask(place, "POST", "/1.0/images/aliases", {"name": f"n{number}", "target": kept[0]})
            except (OSError, http.client.HTTPException, ValueError):
                return

    writer = threading.Thread(target=keep_writing)
    writer.start()
    while len(list((folder / "images").iterdir())) < 12:
        stop.wait(0.01)
    process.kill()
    process.communicate(timeout=20)
    stop.set()
    writer.join()
    halfway.close()

    with demo.start(folder, inventory=False) as server:
        images = ask(server.socket, "GET", "/1.0/images?recursion=1").metadata
        assert set(kept) <= {image["fingerprint"] for image in images}
        for image in images:
            data = ask(server.socket, "GET", f"/1.0/images/{image['fingerprint']}/export").body
            assert hashlib.sha256(data).hexdigest() == image["fingerprint"]
        assert {path.name for path in (folder / "images").iterdir()} == {image["fingerprint"] for image in images}


def test_an_upload_that_breaks_off_leaves_nothing() -> None:
    with demo.start(inventory=False) as server:
        cut = UnixConnection(server.socket)
        cut.putrequest("POST", "/1.0/images")
        cut.putheader("Content-Length", "500000")
        cut.endheaders()
        cut.send(bytes(200_000))
        cut.close()
        for _ in range(500):
            if not list((server.folder / "images").iterdir()):
                break
            threading.Event().wait(0.01)

        assert list((server.folder / "images").iterdir()) == []
        assert ask(server.socket, "GET", "/1.0/operations").metadata == {}


def test_a_large_body_streams_to_disk_in_constant_memory(tmp_path: Path) -> None:
    process = _own_process(tmp_path / "s", "--empty", "--no-https")
    place = tmp_path / "s" / "unix.socket"
    big = tmp_path / "big.tar"
    fingerprint = factory.big(big, 96 << 20)

    def peak() -> int:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    ask(place, "GET", "/1.0/images")
    before = peak()
    opened = UnixConnection(place)
    with big.open("rb") as file:
        opened.request("POST", "/1.0/images", body=file, headers={"Content-Type": "application/octet-stream"})
        reply = opened.getresponse()
        reply.read()
    digest = hashlib.sha256()
    assert reply.status == 202
    for _ in range(600):
        if ask(place, "GET", f"/1.0/images/{fingerprint}").status == 200:
            break
        threading.Event().wait(0.05)
    opened.request("GET", f"/1.0/images/{fingerprint}/export")
    exported = opened.getresponse()
    while block := exported.read(1 << 20):
        digest.update(block)
    after = peak()
    opened.close()
    process.terminate()
    process.communicate(timeout=20)

    assert digest.hexdigest() == fingerprint
    assert after - before < 24 << 10


@pytest.mark.parametrize("size", [10, 4 << 20])
def test_a_listener_that_has_just_gone_away_disturbs_nobody(size: int, caplog: pytest.LogCaptureFixture) -> None:
    with demo.start(inventory=False, https=False) as server:
        opened = UnixConnection(server.socket)
        opened.connect()
        listening = websocket.create_connection("ws://localhost/1.0/events", socket=opened.sock)
        assert server.in_loop(lambda daemon: len(daemon.events._listeners)) == 1

        def lost_between_two_events(daemon: Daemon) -> None:
            daemon.events.send("lifecycle", {"text": "x" * size}, "default")
            for listener in list(daemon.events._listeners):
                listener.lose()
            daemon.events.send("lifecycle", {"text": "too late"}, "default")

        server.in_loop(lost_between_two_events)

        assert upload(server.socket, factory.small(1))["status"] == "Success"
        assert server.in_loop(lambda daemon: len(daemon.events._listeners)) == 0
        listening.close()
    gc.collect()
    assert caplog.messages == []


@pytest.mark.parametrize("path", ["/1.0/images", "/1.0/operations"])
def test_who_asks_over_tls_and_goes_away_at_once_leaves_no_trace(path: str, caplog: pytest.LogCaptureFixture) -> None:
    with demo.start(inventory=False) as server:
        assert server.https_url is not None
        asked = threading.Event()
        for _ in range(5):
            gone = connection(server.https_url)
            gone.connect()
            held = threading.Thread(target=server.in_loop, args=(lambda _daemon: asked.wait(20),))
            held.start()
            gone.request("GET", path)
            gone.close()
            asked.set()
            held.join()
            asked.clear()

        assert ask(server.https_url, "GET", "/1.0").status == 200
    assert caplog.messages == []


def test_closing_does_not_wait_for_those_who_wait() -> None:
    server = demo.start(inventory=False)
    asked = {"source": {"type": "image", "mode": "push", "fingerprint": "0" * 64}}
    token = ask(server.socket, "POST", "/1.0/images", asked).json["operation"]
    server.faults.add(latency=60, path="slow")
    waiting = [UnixConnection(server.socket) for _ in range(2)]
    for opened, path in zip(waiting, (f"{token}/wait", "/1.0/images?slow"), strict=True):
        opened.request("GET", path)
    while len(server.requests) < 3:
        threading.Event().wait(0.01)

    before = time.monotonic()
    server.close()

    assert time.monotonic() - before < 5
    for opened in waiting:
        opened.close()
