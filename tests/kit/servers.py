"""The servers that tests run against: the demo server, a private LXD and a private Incus behind one interface.

`RunningServer.raw` speaks HTTP without the package, so that a test can ask the server itself what happened.
Source: LXD's and Incus' REST API.
"""

from __future__ import annotations

import contextlib
import json as jsonlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import pytest

from tests.kit import daemons
from tests.kit.daemons import Kind
from tests.kit.sockets import RawReply, UnixConnection, free_port, multipart
from tests.kit.waiting import until

Body = bytes | BinaryIO | Iterable[bytes] | None

POOL = "lxdimg"
RT_SIGTIMEDWAIT = 128  # on x86_64, the one architecture for which sample images have an init


@dataclass
class RunningServer:
    """One running server, its socket, and what a test does to it without the package."""

    kind: Kind
    socket: Path
    folder: Path
    https_url: str | None = None
    process: subprocess.Popen[bytes] | None = None
    demo: Any = None
    version: str = ""
    program: Path | None = None
    expected_down: bool = False
    _config: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """What `lxdimg_nb.connect` takes."""
        return f"unix://{self.socket}"

    @property
    def product(self) -> str:
        """`lxd` or `incus`: what it is, or what the demo server imitates."""
        if self.kind == "demo":
            return (self.version or "lxd").partition("-")[0]
        return self.kind

    @property
    def pid(self) -> int:
        """The daemon's process; the demo server lives in the test's own."""
        return self.process.pid if self.process else os.getpid()

    @property
    def alive(self) -> bool:
        """Whether it answers."""
        if self.process is not None and self.process.poll() is not None:
            return False
        return daemons.ready(self.socket)

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
        with contextlib.closing(UnixConnection(self.socket, timeout)) as connection:
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
        # A request with a target is answered with the project.
        path = str(reply.json()["operation"]).split("?")[0]
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

    def add_instance(self, name: str, fingerprint: str, *, project: str | None = None, size: str = "") -> None:
        """Create a container from an image, on a `dir` pool made for it; it is never started."""
        if f"/1.0/storage-pools/{POOL}" not in self._list("storage-pools"):
            self._done("POST", "storage-pools", {"name": POOL, "driver": "dir"})
        document = {
            "name": name,
            "source": {"type": "image", "fingerprint": fingerprint},
            "profiles": [],
            "devices": {"root": {"type": "disk", "path": "/", "pool": POOL} | ({"size": size} if size else {})},
        }
        self.wait(self.raw("POST", f"/1.0/instances{_query(project)}", json=document))

    def start_instance(self, name: str, *, project: str | None = None) -> None:
        """Start a container of a sample image and wait until its init waits to be stopped.

        A signal that reaches an init before it has asked for signals is lost, and the container runs on.
        Where a kernel lets nobody start one, the test is skipped.
        """
        path = f"instances/{name}/state{_query(project)}"
        done = self.wait(self.raw("PUT", f"/1.0/{path}", json={"action": "start"}), ok=False)
        if done["err"]:
            pytest.skip(f"no container can be started here: {done['err']}")
        if self.kind != "demo":
            pid = self.get(path)["pid"]
            waits = until(lambda: Path(f"/proc/{pid}/syscall").read_text().startswith(f"{RT_SIGTIMEDWAIT} "))
            assert waits, f"the init of {name} does not wait for signals"

    def stop_instance(self, name: str, *, project: str | None = None) -> None:
        """Stop a container if it runs, without asking its init."""
        reply = self.raw("GET", f"/1.0/instances/{name}{_query(project)}")
        if reply.status == 200 and reply.metadata["status"] != "Stopped":
            state = {"action": "stop", "timeout": 30, "force": True}
            self.wait(self.raw("PUT", f"/1.0/instances/{name}/state{_query(project)}", json=state))

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

    def clean(self, *, certificates: bool = True) -> None:
        """Leave nothing of a test behind: images, instances, profiles, projects, settings, certificates if asked."""
        projects = [_last(url) for url in self._list("projects")] or ["default"]
        for project in projects:
            for url in self._list("instances", project):
                # One that a failed test left running would make every test after it fail as well.
                self.stop_instance(_last(url), project=project)
                self._remove(f"/1.0/instances/{_last(url)}", project)
            for url in self._list("images", project):
                self._remove(f"/1.0/images/{_last(url)}", project)
        for project in projects:
            for url in self._list("profiles", project):
                if _last(url) != "default":
                    self._remove(f"/1.0/profiles/{_last(url)}", project)
        for project in projects:
            if project != "default":
                self._remove(f"/1.0/projects/{project}")
        for url in self._list("certificates") if certificates else ():
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
            daemons.end(self.process, signal.SIGTERM)
        daemons.unmount(self.folder)

    def kill(self) -> None:
        """End it without a warning; the demo server, a thread of the test, can only be stopped."""
        self.expected_down = True
        if self.process is None:
            self.stop()
        else:
            daemons.end(self.process, signal.SIGKILL)

    def restart(self) -> None:
        """Start it again on what it had stored; a running one is stopped before."""
        self.stop()
        _start(self)
        self.expected_down = False

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_demo(folder: Path, version: str = "") -> RunningServer:
    """An empty demo server, in a thread of this process; `version` as in `lxd-6.9`."""
    return _start(RunningServer("demo", Path(), folder, version=version))


def start_program(kind: Kind, folder: Path, program: Path) -> RunningServer:
    """A private LXD or Incus from a file of one's own.

    Raises:
        ServerDiedError: it does not come up here.
    """
    return _start(RunningServer(kind, folder / "unix.socket", folder, program=program))


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


def _start(server: RunningServer) -> RunningServer:
    if server.kind == "demo":
        from lxdimg_nb import demo

        product, _, version = server.version.partition("-")
        server.demo = demo.start(
            folder=server.folder, inventory=False, product=product or "lxd", version=version or None
        )
        server.socket = Path(server.demo.socket)
        server.https_url = server.demo.https_url
    else:
        server.process = daemons.start(server.kind, server.folder, server.socket, server.program)
    if not server._config:
        server._config = _settings(server)
    return server


def _settings(server: RunningServer) -> dict[str, Any]:
    config = server.get("").get("config") or {}
    return {key: value for key, value in config.items() if key != "core.https_address"}


def _query(project: str | None) -> str:
    return "" if project is None else f"?project={quote(project, safe='')}"


def _last(url: str) -> str:
    return url.split("?")[0].rsplit("/", 1)[-1]
