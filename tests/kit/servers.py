"""Servers for tests: the demo server, a private LXD and a private Incus behind one face, and a witness.

`RunningServer.raw` speaks HTTP with code of its own and none of the package's, so that a test can ask the
server itself what happened. Each server lives in a short folder of its own; a daemon is started with
`setpriv --pdeathsig`, so it ends with the test session however that ends.

Source: LXD's and Incus' REST API; how they start without systemd was tried on LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import contextlib
import http.client
import json as jsonlib
import os
import shutil
import signal
import socket as sockets
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.parse import quote

Kind = Literal["demo", "lxd", "incus"]
Body = bytes | BinaryIO | Iterable[bytes] | None

INCUSD = "/usr/libexec/incus/incusd"
POOL = "lxdimg"
START_SECONDS = 60.0
STOP_SECONDS = 30.0


class ServerDiedError(RuntimeError):
    """A daemon did not come up; the first line says so, the rest is the end of its log."""


@dataclass(frozen=True)
class RawReply:
    """What the server said, byte for byte."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return jsonlib.loads(self.body)

    @property
    def metadata(self) -> Any:
        """The `metadata` of the envelope."""
        return self.json()["metadata"]


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, socket: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._socket = socket

    def connect(self) -> None:
        self.sock = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._socket))
        except OSError:
            self.sock.close()
            raise


@dataclass
class RunningServer:
    """One running server, its socket, and what a test does to it without the package."""

    kind: Kind
    socket: Path
    folder: Path
    https_url: str | None = None
    process: subprocess.Popen[bytes] | None = None
    demo: Any = None
    expected_down: bool = False
    _config: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """What `lxdimg_nb.connect` takes."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        """The daemon's process; the demo server lives in the test's own."""
        return self.process.pid if self.process else os.getpid()

    @property
    def alive(self) -> bool:
        """Whether it answers."""
        if self.process is not None and self.process.poll() is not None:
            return False
        return _ready(self.socket)

    # The witness

    def raw(
        self,
        method: str,
        path: str,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        *,
        timeout: float = 60.0,
    ) -> RawReply:
        """One request over the socket; `path` is the whole one, as in `/1.0/images`."""
        sent = dict(headers or {})
        if json is not None:
            body = jsonlib.dumps(json).encode()
            sent.setdefault("Content-Type", "application/json")
        with contextlib.closing(_UnixConnection(self.socket, timeout)) as connection:
            connection.request(method, path, body=body, headers=sent)
            reply = connection.getresponse()
            return RawReply(reply.status, reply.headers, reply.read())

    def get(self, path: str) -> Any:
        """The metadata behind a path below /1.0, as in `images?recursion=1`; all but a 200 fails the test."""
        reply = self.raw("GET", f"/1.0/{path}".rstrip("/"))
        assert reply.status == 200, f"GET /1.0/{path}: {reply.status} {reply.body[:300]!r}"
        return reply.metadata

    def wait(self, reply: RawReply, *, ok: bool = True, timeout: int = 60) -> dict[str, Any]:
        """The operation of an async reply in its final state.

        Args:
            reply: a 202.
            ok: whether anything but success fails the test; else the reason is in `err`.
            timeout: seconds.
        """
        assert reply.status == 202, f"no operation was started: {reply.status} {reply.body[:300]!r}"
        path = str(reply.json()["operation"])
        ended = self.raw("GET", f"{path}/wait?timeout={timeout}", timeout=timeout + 30).json()
        operation = ended.get("metadata")
        if not isinstance(operation, dict) or "status_code" not in operation:
            # A failed operation is an error body here on LXD and Incus 6.0.4, with HTTP 200.
            operation = {
                "id": path.rsplit("/", 1)[-1],
                "status": "Failure",
                "status_code": 400,
                "metadata": None,
            }
            operation["err"] = str(ended.get("error", ""))
        assert not ok or operation["status_code"] == 200, f"operation failed: {operation.get('err')}"
        return operation

    # What tests put on it

    def add_image(
        self,
        data: bytes | tuple[bytes, bytes],
        aliases: Iterable[str] = (),
        properties: Mapping[str, str] | None = None,
        public: bool = False,
        *,
        filename: str | None = None,
        project: str | None = None,
    ) -> str:
        """Import an image; returns the fingerprint that the server gave it."""
        headers = {}
        for prefix in ("X-LXD", "X-Incus"):
            headers[f"{prefix}-public"] = "true" if public else "false"
            if filename is not None:
                headers[f"{prefix}-filename"] = filename
        if isinstance(data, bytes):
            body, headers["Content-Type"] = data, "application/octet-stream"
        else:
            body, headers["Content-Type"] = multipart(*data)
        reply = self.raw("POST", f"/1.0/images{_query(project)}", body, headers)
        fingerprint = str(self.wait(reply)["metadata"]["fingerprint"])
        if properties is not None:
            # Not as a header: that kills LXD 5.0.2 where metadata.yaml has no properties.
            self._done("PATCH", f"images/{fingerprint}", {"properties": dict(properties)}, project)
        for alias in aliases:
            self._done("POST", "images/aliases", {"name": alias, "target": fingerprint}, project)
        return fingerprint

    def add_project(self, name: str, *, features_images: bool = True) -> None:
        """Create a project, with images of its own or with those of the default project."""
        config = {"features.images": "true" if features_images else "false", "features.profiles": "false"}
        self._done("POST", "projects", {"name": name, "config": config})

    def add_instance(self, name: str, fingerprint: str, *, project: str | None = None) -> None:
        """Create a container from an image, on a `dir` pool made for it; it is never started."""
        if f"/1.0/storage-pools/{POOL}" not in self._list("storage-pools"):
            self._done("POST", "storage-pools", {"name": POOL, "driver": "dir"})
        document = {
            "name": name,
            "source": {"type": "image", "fingerprint": fingerprint},
            "profiles": [],
            "devices": {"root": {"type": "disk", "path": "/", "pool": POOL}},
        }
        self.wait(self.raw("POST", f"/1.0/instances{_query(project)}", json=document))

    def add_snapshot(self, instance: str, name: str, *, project: str | None = None) -> None:
        """Take a snapshot of an instance."""
        path = f"/1.0/instances/{instance}/snapshots{_query(project)}"
        self.wait(self.raw("POST", path, json={"name": name, "stateful": False}))

    def listen(self) -> str:
        """Have it answer on TLS at 127.0.0.1 as well; returns the URL, the same one every time."""
        if self.kind != "demo":
            address = (self.https_url or f"https://127.0.0.1:{free_port()}").removeprefix("https://")
            # Asked every time: a test may have taken the setting away.
            if self.get("")["config"].get("core.https_address") != address:
                self._done("PATCH", "", {"config": {"core.https_address": address}})
            self.https_url = f"https://{address}"
        assert self.https_url is not None
        return self.https_url

    def _done(self, method: str, path: str, document: Any, project: str | None = None) -> None:
        reply = self.raw(method, f"/1.0/{path}".rstrip("/") + _query(project), json=document)
        assert reply.status in (200, 201), f"{method} {path}: {reply.status} {reply.body[:300]!r}"

    # Between tests

    def clean(self) -> None:
        """Leave nothing of a test behind: images, instances, profiles, projects, certificates, settings."""
        projects = [_last(url) for url in self._list("projects")] or ["default"]
        for project in projects:
            for url in self._list("instances", project):
                self._remove(f"/1.0/instances/{_last(url)}", project)
            for url in self._list("images", project):
                self._remove(f"/1.0/images/{_last(url)}", project)
        for url in self._list("profiles"):
            if _last(url) != "default":
                self._remove(f"/1.0/profiles/{_last(url)}")
        for project in projects:
            if project != "default":
                self._remove(f"/1.0/projects/{project}")
        for url in self._list("certificates"):
            self._remove(f"/1.0/certificates/{_last(url)}")
        self._cancel_tokens()
        self._reset_settings()

    def _list(self, what: str, project: str | None = None) -> list[str]:
        reply = self.raw("GET", f"/1.0/{what}{_query(project)}")
        if reply.status in (404, 501) and self.kind == "demo":
            return []  # the demo server has only what image work needs
        assert reply.status == 200, f"GET {what}: {reply.status} {reply.body[:300]!r}"
        # Incus says null where there are no storage pools at all.
        return [str(url) for url in reply.metadata or ()]

    def _remove(self, path: str, project: str | None = None) -> None:
        reply = self.raw("DELETE", path + _query(project))
        if reply.status == 202:
            self.wait(reply)
        else:
            assert reply.status in (200, 404), f"DELETE {path}: {reply.status} {reply.body[:300]!r}"

    def _cancel_tokens(self) -> None:
        running = self.get("operations?recursion=1").get("running") or []
        for operation in running:
            if operation["class"] == "token":
                self._remove(f"/1.0/operations/{operation['id']}")

    def _reset_settings(self) -> None:
        settings = _settings(self)
        unwanted = dict.fromkeys(settings.keys() - self._config.keys(), "")
        changed = {key: value for key, value in self._config.items() if settings.get(key) != value}
        if unwanted or changed:
            self._done("PATCH", "", {"config": unwanted | changed})

    # Life and death

    def stop(self) -> None:
        """End it in an orderly way."""
        self.expected_down = True
        if self.demo is not None:
            self.demo.close()
            self.demo = None
        if self.process is not None:
            _end(self.process, signal.SIGTERM)
        _unmount(self.folder)

    def kill(self) -> None:
        """End it without a warning; the demo server, a thread of the test, can only be stopped."""
        self.expected_down = True
        if self.process is None:
            self.stop()
        else:
            _end(self.process, signal.SIGKILL)

    def restart(self) -> None:
        """Start it again on what it had stored; a running one is stopped before."""
        self.stop()
        _start(self)
        self.expected_down = False

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_demo(folder: Path) -> RunningServer:
    """An empty demo server, in a thread of this process."""
    return _start(RunningServer("demo", Path(), folder))


def start_lxd(folder: Path) -> RunningServer:
    """A private LXD; takes about a second.

    Raises:
        ServerDiedError: it does not come up here.
    """
    return _start(RunningServer("lxd", folder / "unix.socket", folder))


def start_incus(folder: Path) -> RunningServer:
    """A private Incus, beside an LXD or without; takes about a second.

    Raises:
        ServerDiedError: it does not come up here.
    """
    return _start(RunningServer("incus", folder / "unix.socket", folder))


def why_not(kind: Kind) -> str | None:
    """Why such a server cannot be started here, in words that follow "because"; None when it can."""
    if kind == "demo":
        return None
    name, program = ("LXD", "lxd") if kind == "lxd" else ("Incus", INCUSD)
    if shutil.which(program) is None:
        return f"{name} is not installed (as root on Debian, tests/run installs it)"
    if os.geteuid() != 0:
        return f"a private {name} needs root"
    return None


def multipart(metadata: bytes, rootfs: bytes) -> tuple[bytes, str]:
    """A split image as the body and Content-Type of an upload."""
    boundary = "lxdimg-test-boundary"
    second = "rootfs.img" if rootfs.startswith(b"QFI\xfb") else "rootfs"
    body = b""
    for name, data in (("metadata", metadata), (second, rootfs)):
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        body += f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at the moment."""
    with sockets.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], bool], *, timeout: float = 30.0, every: float = 0.02) -> bool:
    """Ask again and again whether something has come true; False when the seconds are over."""
    pause = threading.Event()
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        pause.wait(every)
    return True


def _start(server: RunningServer) -> RunningServer:
    if server.kind == "demo":
        from lxdimg_nb import demo

        server.demo = demo.start(folder=server.folder, inventory=False)
        server.socket = Path(server.demo.socket)
        server.https_url = server.demo.https_url
    else:
        _start_daemon(server)
    if not server._config:
        server._config = _settings(server)
    return server


def _start_daemon(server: RunningServer) -> None:
    program, variable = ("lxd", "LXD_DIR") if server.kind == "lxd" else (INCUSD, "INCUS_DIR")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LXD_", "INCUS_"))}
    environment[variable] = str(server.folder)
    environment["PATH"] = f"/usr/libexec/incus:{environment.get('PATH', os.defpath)}"
    log = server.folder / "daemon.log"
    with log.open("ab") as output:
        server.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", program, "--group", "root"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    process = server.process
    up = until(lambda: process.poll() is not None or _ready(server.socket), timeout=START_SECONDS)
    if not up or process.poll() is not None:
        server.stop()
        lines = log.read_text(errors="replace").splitlines() or ["(no log)"]
        reason = f"the private {server.kind} does not come up here: {lines[-1]}"
        raise ServerDiedError("\n".join([reason, *lines[-12:]]))


def _ready(socket: Path) -> bool:
    # Both daemons answer /1.0 before they can work; /internal/ready is what their own `waitready` asks.
    # The demo server has no such path, and is ready once it answers at all.
    try:
        with contextlib.closing(_UnixConnection(socket, 10.0)) as connection:
            connection.request("GET", "/internal/ready")
            return connection.getresponse().status in (200, 404)
    except (OSError, http.client.HTTPException):
        return False


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    if process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
    # Whatever it started lives in its process group, which is its own session.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _unmount(folder: Path) -> None:
    for mount in reversed(list(_mounts(folder))):
        subprocess.run(["umount", "--lazy", mount], check=False, stderr=subprocess.DEVNULL)


def _mounts(folder: Path) -> Iterator[str]:
    below = f"{folder.resolve()}/"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount = line.split()[4]
        if mount.startswith(below):
            yield mount


def _settings(server: RunningServer) -> dict[str, Any]:
    config = server.get("").get("config") or {}
    return {key: value for key, value in config.items() if key != "core.https_address"}


def _query(project: str | None) -> str:
    return "" if project is None else f"?project={quote(project, safe='')}"


def _last(url: str) -> str:
    return url.split("?")[0].rsplit("/", 1)[-1]
