"""The command `lxdimg-nb`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb.cli import main
from lxdimg_nb.client.files.image_files import ImageFiles
from lxdimg_nb.client.operations import Operations
from tests.kit import container_images as oci
from tests.kit.container_images import Image
from tests.kit.servers import RunningServer
from tests.kit.sockets import free_port

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "import sys; from lxdimg_nb.cli import main; sys.exit(main())"]


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=cwd, env=environment()
    )


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}


class Running:
    """A program in the background; `wait_for` reads its words until some match."""

    def __init__(self, *arguments: str, cwd: Path = ROOT) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
            env=environment(),
        )
        self._giving_up = threading.Timer(60, self.process.kill)
        self._giving_up.start()

    def wait_for(self, pattern: str) -> re.Match[str]:
        said = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"it ended without saying {pattern!r}:\n{''.join(said)}")

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self._giving_up.cancel()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()


def test_version() -> None:
    done = run("--version")

    assert done.stdout == f"lxdimg-nb {lxdimg_nb.__version__}\n"


def test_help_names_the_two_commands() -> None:
    done = run("--help")

    assert done.returncode == 0
    assert "lab" in done.stdout
    assert "demo" in done.stdout
    assert "%load_ext lxdimg_nb" in " ".join(done.stdout.split())


@pytest.mark.parametrize("arguments", [(), ("nothing",), ("--nothing",)])
def test_anything_else_shows_the_usage(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)

    assert done.returncode == 2
    assert done.stderr.startswith("Usage: lxdimg-nb")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_demo_serves_until_a_signal(tmp_path: Path, how: signal.Signals) -> None:
    socket = tmp_path / "demo.socket"

    with Running("demo", "--socket", str(socket), "--no-https") as demo:
        url = demo.wait_for(r"(unix://\S+?);? ")[1]
        with lxdimg_nb.connect(url) as client:
            images = client.images.all()
        demo.process.send_signal(how)
        status = demo.process.wait(60)

    assert len(images) > 5
    assert status == 0
    assert not socket.exists()


def test_demo_has_help_of_its_own() -> None:
    assert "--product" in run("demo", "--help").stdout


def test_import_makes_an_image_of_a_docker_save_file(demo: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "app.tar").write_bytes(oci.docker_save(Image([oci.system()])))
    server = ("--server", demo.url)

    refused = run("import", *server, "app.tar", cwd=tmp_path)
    done = run("import", *server, "app.tar", "--make-metadata", "os=Mine", "--alias", "app", cwd=tmp_path)

    assert refused.returncode == 1
    assert "lxdimg-nb import FILE --make-metadata makes it an image" in refused.stderr
    assert done.returncode == 0, done.stderr
    assert "os Mine (given)" in done.stdout and "imported app" in done.stdout
    assert demo.get("images/aliases/app")["name"] == "app"
    assert "--make-metadata" in run("import", "--help").stdout


def lab(*arguments: str) -> tuple[str, ...]:
    return ("lab", "--no-browser", "--allow-root", f"--ServerApp.port={free_port()}", *arguments)


@pytest.mark.slow
def test_lab_opens_the_tour_where_it_is_found(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "tour.ipynb").write_text(
        '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    )

    with Running(*lab(), cwd=tmp_path) as server:
        server.wait_for(rf"Serving notebooks from local directory: {re.escape(str(tmp_path))}")
        path = server.wait_for(r"http://[^/]+(/\S*)\?token=")[1]

    assert path == "/lab/tree/notebooks/tour.ipynb"


@pytest.mark.long
def test_lab_takes_the_arguments_of_jupyter_lab(tmp_path: Path) -> None:
    with Running(*lab(str(tmp_path)), cwd=tmp_path) as server:
        server.wait_for(rf"Serving notebooks from local directory: {re.escape(str(tmp_path))}")
        server.wait_for(r"http://\S+/lab\?token=")


def test_an_import_without_a_server_says_what_to_do_in_a_shell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    file = tmp_path / "image.tar.gz"
    file.write_bytes(lxdimg_nb.demo.sample_image())

    assert main(["import", str(file)]) == 1

    said = capsys.readouterr().err
    assert said.splitlines() == [
        "Error: no LXD or Incus answers on this machine",
        "  - start it, or correct $LXD_SOCKET and $INCUS_SOCKET, where it was looked for",
        "  - or use another server: --server with a URL or a remote's name",
        "  - or try things out on a demo server: lxdimg-nb demo, then --server with its address",
    ]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("checked", "stopped; nothing was changed on the server"),
        ("started", "stopped. All of it was sent, so the server may have the image all the same."),
    ],
)
def test_an_interrupted_import_says_whether_the_image_may_be_there(
    demo: RunningServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    where: str,
    said: str,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    file = tmp_path / "image.tar.gz"
    file.write_bytes(lxdimg_nb.demo.sample_image())
    if where == "started":
        monkeypatch.setattr(Operations, "started", interrupted)
    else:
        monkeypatch.setattr(ImageFiles, "acceptable", interrupted)

    assert main(["import", "--server", demo.url, str(file)]) == 1

    assert capsys.readouterr().err == f"Error: {said}\n"
