"""The demo server as a process of its own: how it ends, what a kill leaves, and how much memory it takes."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from lxdimg_nb import demo
from tests.kit import factory
from tests.kit.demo_http import ask, upload
from tests.kit.sockets import UnixConnection


def _own_process(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lxdimg_nb.demo", "--folder", str(folder), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "demo" in process.stdout.readline()
    assert str(folder) in process.stdout.readline()
    return process


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_ends_on_a_signal_and_removes_its_socket(tmp_path: Path, how: signal.Signals) -> None:
    process = _own_process(tmp_path / "s", "--empty", "--product", "incus")
    said = ask(tmp_path / "s" / "unix.socket", "GET", "/1.0").metadata["environment"]

    process.send_signal(how)
    _, complaints = process.communicate(timeout=60)

    assert said["server"] == "incus"
    assert process.returncode == 0
    assert complaints == ""
    assert not (tmp_path / "s" / "unix.socket").exists()


def _temporary(temp: Path) -> tuple[subprocess.Popen[str], Path]:
    """A server in a temporary folder below this one, and that folder."""
    command = [sys.executable, "-m", "lxdimg_nb.demo", "--empty", "--no-https"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(temp)})
    assert process.stdout is not None
    process.stdout.readline()
    return process, Path(process.stdout.readline().split("unix://")[1].split("/unix.socket")[0])


def test_what_a_killed_process_left_is_swept_by_the_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="lxi-", dir="/tmp") as name:
        temp = Path(name)
        (temp / "lxdimg-abcd1234").mkdir()
        (temp / "lxdimg-abcd1234" / "lock").touch()
        (temp / "lxdimg-mine5678").mkdir()
        (temp / "lxdimg-mine5678" / "notes").write_text("mine")
        killed, left = _temporary(temp)
        alive, used = _temporary(temp)
        killed.kill()
        killed.communicate(timeout=60)
        (temp / "lxdimg-link1234").symlink_to(left)
        kept = temp / "lxdimg-kept1234"
        left_too = shutil.copytree(left, temp / "lxdimg-copy1234", ignore=shutil.ignore_patterns("unix.socket"))
        with demo.start(shutil.copytree(left_too, kept), inventory=False, https=False):
            pass  # a folder that somebody chose is not temporary any more
        assert left.exists()

        monkeypatch.setattr(tempfile, "tempdir", str(temp))
        with demo.start(inventory=False, https=False) as server:
            assert server.folder.parent == temp
            assert not left.exists()
            assert not left_too.exists()
            assert ask(used / "unix.socket", "GET", "/1.0").status == 200
        alive.terminate()
        alive.communicate(timeout=60)

        assert sorted(path.name for path in temp.iterdir()) == [
            "lxdimg-abcd1234",
            "lxdimg-kept1234",
            "lxdimg-link1234",
            "lxdimg-mine5678",
        ]


def test_a_folder_in_use_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    with demo.start(tmp_path, inventory=False):
        command = [sys.executable, "-m", "lxdimg_nb.demo", "--folder", str(tmp_path)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert ended.returncode == 1
    assert "already" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_kill_at_any_moment_loses_no_image_and_leaves_no_stray_file(tmp_path: Path) -> None:
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
    process.communicate(timeout=60)
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


@pytest.mark.slow
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
    process.communicate(timeout=60)

    assert digest.hexdigest() == fingerprint
    assert after - before < 24 << 10
