"""The demo server as an object: it runs in a thread with its own event loop and leaves nothing behind.

A synchronous client in the same process, or the cell of a notebook, can therefore call it.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import html
import os
import shutil
import ssl
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket

from .api import ROUTES
from .api.transfer_routes import update_all
from .folders import (
    SOCKET_LIMIT,
    check_own_folder,
    check_socket_path,
    lock_folder,
    sweep_temporary_folders,
    temporary_folder,
)
from .http.application import application
from .http.faults import Faults
from .http.listeners import http_server, loopback
from .log_filter import LogFilter
from .stock.initial_inventory import fill_inventory
from .store.daemon import Daemon
from .store.trust_store import trust
from .versions.flavours import Flavour, flavour_named

__all__ = ["DemoServer", "start"]

_REQUESTS_KEPT = 10_000
_START_SECONDS = 30.0
_CLOSE_SECONDS = 0.5


T = TypeVar("T")


class DemoServer:
    """A running demo server; made by `start`.

    Attributes:
        folder: the folder that holds its state.
        socket: its unix socket.
        url: the socket as a URL, `unix:///...`.
        https_url: its address on loopback TLS, or None.
        certificate: its certificate as PEM, to pin.
        product: `lxd` or `incus`, whichever it imitates.
        version: the version of it, as it says itself.
        faults: faults on demand, see `Faults`.
        requests: (method, path with query) of the last ten thousand requests, oldest first.
    """

    def __init__(
        self, *, folder: Path, socket: Path, flavour: Flavour, https_port: int | None, cleanup: contextlib.ExitStack
    ) -> None:
        self.folder = folder
        self.socket = socket
        self.url = f"unix://{socket}"
        self.https_url: str | None = None
        self.certificate = ""
        self.product = flavour.product
        self.version = flavour.version
        self.faults = Faults()
        self.requests: deque[tuple[str, str]] = deque(maxlen=_REQUESTS_KEPT)
        self._flavour = flavour
        self._https_port = https_port
        self._cleanup = cleanup
        self._pid = os.getpid()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._daemon: Daemon | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def _begin(self, prepare: Callable[[Daemon], None] | None) -> None:
        try:
            self._thread = threading.Thread(target=self._run, args=(prepare,), name="lxdimg-demo", daemon=True)
            self._thread.start()
            if not self._ready.wait(_START_SECONDS):
                self._failure = self._failure or TimeoutError("the demo server did not start")
            if self._failure is not None:
                raise self._failure
        except BaseException:  # an interrupt, too
            self.close()
            raise
        atexit.register(self.close)

    def _run(self, prepare: Callable[[Daemon], None] | None) -> None:
        try:
            with LogFilter() as log_filter:
                asyncio.run(self._serve(prepare, log_filter))
        except BaseException as error:  # noqa: BLE001 - start() raises it
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self, prepare: Callable[[Daemon], None] | None, log_filter: LogFilter) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        daemon = self._daemon = Daemon(self.folder, self._flavour)
        servers: list[HTTPServer] = []
        try:
            self.certificate = daemon.identity.certificate
            if prepare is not None:
                prepare(daemon)
            app = application(daemon, self.faults, ROUTES, self.requests)
            listener = bind_unix_socket(str(self.socket), mode=0o600)
            self._cleanup.callback(self.socket.unlink, missing_ok=True)
            servers.append(http_server(app, listener))
            if self._https_port is not None:
                listener = loopback(self._https_port)
                daemon.listens_on(f"127.0.0.1:{listener.getsockname()[1]}")
                self.https_url = f"https://{daemon.address}"
                servers.append(http_server(app, listener, daemon.identity))
            self._ready.set()
            await self._stop.wait()
        finally:
            log_filter.ending = True
            for server in servers:
                server.stop()
            daemon.events.close_all()
            with contextlib.suppress(TimeoutError):
                # Requests that wait for an operation or sleep for a fault are dropped.
                closing = [server.close_all_connections() for server in servers]
                await asyncio.wait_for(asyncio.gather(*closing), _CLOSE_SECONDS)
            daemon.close()

    def in_loop(self, work: Callable[[Daemon], T]) -> T:
        """Call a function in the server's thread and return its result."""

        async def run(daemon: Daemon) -> T:
            return work(daemon)

        return self._await(run)

    def _await(self, work: Callable[[Daemon], Coroutine[Any, Any, T]]) -> T:
        loop, daemon = self._loop, self._daemon
        if loop is None or daemon is None or self.closed:
            raise RuntimeError("the demo server is closed")
        return asyncio.run_coroutine_threadsafe(work(daemon), loop).result()

    def trust(self, certificate_pem: str, *, name: str = "notebook") -> str:
        """Trust a client certificate, as `lxc config trust add` does.

        Args:
            certificate_pem: the certificate as PEM.
            name: its name in the trust store.

        Returns:
            Its fingerprint.
        """
        der = ssl.PEM_cert_to_DER_cert(certificate_pem)
        return self.in_loop(lambda daemon: trust(daemon.store, der, name=name))

    def auto_update(self) -> int:
        """Refresh the images that are marked `auto_update` now, as a server does every few hours.

        Returns:
            How many were replaced by a newer build.
        """
        return self._await(update_all)

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._thread is None or not self._thread.is_alive()

    def close(self) -> None:
        """Stop serving; remove the socket, and the folder if it is temporary. May be called again."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                if self._loop is not None and self._stop is not None:
                    self._loop.call_soon_threadsafe(self._stop.set)
                self._thread.join(_START_SECONDS)
            self._cleanup.close()
        atexit.unregister(self.close)

    def __enter__(self) -> DemoServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self.closed:
            return "<DemoServer closed>"
        also = f", {self.https_url}" if self.https_url else ""
        return f"<DemoServer imitating {self._flavour.title} {self._flavour.version} at {self.url}{also}: a demo>"

    def _repr_html_(self) -> str:
        state = "closed" if self.closed else "running"
        also = f"<br>and <code>{html.escape(self.https_url)}</code>" if self.https_url else ""
        return (
            f"<div><b>Demo server</b> ({state}), imitating {self._flavour.title} {self._flavour.version}. "
            "Its images are small and nothing runs in its instances."
            f"<br><code>{html.escape(self.url)}</code>{also}</div>"
        )


def start(
    folder: str | Path | None = None,
    *,
    https: bool = True,
    product: str = "lxd",
    version: str | None = None,
    inventory: bool = True,
    socket: str | Path | None = None,
    port: int = 0,
) -> DemoServer:
    """Start a demo server in a thread of this process.

    It listens on a unix socket and, with `https`, on 127.0.0.1; on nothing else.

    Args:
        folder: holds its state, which survives in it; without one, a temporary folder that is removed with
            the server, or by the next start if the process was killed.
        https: also listen on loopback TLS.
        product: the server to imitate, `lxd` or `incus`, as Debian ships it (LXD 5.0.2, Incus 6.0.4).
        version: the version of it to imitate instead, for example "6.9"; `5.21` is the newest known 5.21. A folder
            keeps what it was filled with under another version.
        inventory: fill an empty server with a believable inventory.
        socket: the path of the unix socket; by default in the folder.
        port: the port of the TLS listener; 0 for any free one.

    Returns:
        The running server, a context manager.

    Raises:
        ValueError: the product or its version is unknown, the port is out of range, the socket cannot have this path,
            or others may write to the folder.
        RuntimeError: another demo server uses the folder or the socket, or the port is taken.
        OSError: the folder cannot be made or written to.
    """
    flavour = flavour_named(product if version is None else f"{product}-{version}")
    if not 0 <= port <= 65_535:
        raise ValueError(f"a port is a number up to 65535, or 0 for any free one, and not {port}")
    if "" in (folder, socket):
        raise ValueError("the path is empty; '.' is the current folder")
    with contextlib.ExitStack() as cleanup:

        def new_folder() -> Path:
            made, lock = temporary_folder()
            cleanup.callback(os.close, lock)
            cleanup.callback(shutil.rmtree, made, ignore_errors=True)
            return made

        sweep_temporary_folders()
        if folder is None:
            home = new_folder()
        else:
            home = Path(folder).expanduser().resolve()
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_own_folder(home)
        place = home / "unix.socket" if socket is None else Path(socket).expanduser().resolve()
        if socket is None and len(os.fsencode(place)) > SOCKET_LIMIT:
            place = new_folder() / "unix.socket"
        check_socket_path(place)
        if folder is not None:
            cleanup.callback(os.close, lock_folder(home))
        server = DemoServer(
            folder=home,
            socket=place,
            flavour=flavour,
            https_port=port if https else None,
            cleanup=cleanup.pop_all(),
        )
    server._begin(fill_inventory if inventory else None)
    return server
