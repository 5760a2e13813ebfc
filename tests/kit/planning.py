"""Servers with images to plan for, what became of them, and a witness of the requests."""

from __future__ import annotations

import contextlib
import re
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from tests.kit import factory, servers
from tests.kit.servers import RunningServer

PRUNE: dict[str, Any] = {"keep_last": 1, "per": ["os", "release"], "grace": "0s"}


@contextlib.contextmanager
def witness(server: RunningServer) -> Iterator[tuple[str, list[str]]]:
    """A socket in front of a server, and the first line of every request that went through it."""
    folder = Path(tempfile.mkdtemp(prefix="lxi-witness-", dir="/tmp"))
    lines: list[str] = []

    def pump(source: socket.socket, sink: socket.socket, note: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if note:
                    lines.extend(
                        m.decode() for m in re.findall(rb"^((?:GET|POST|PUT|PATCH|DELETE) \S+) HTTP", data, re.M)
                    )
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(server.socket))
                opened.extend((near, far))
                for pair in ((near, far, True), (far, near, False)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    opened: list[socket.socket] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "unix.socket"))
    listener.listen()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"unix://{folder}/unix.socket", lines
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for one in opened:
            one.close()
        thread.join(5)
        (folder / "unix.socket").unlink()
        folder.rmdir()


def fill(server: RunningServer, count: int) -> list[str]:
    """So many builds of one product, the newest first."""
    product = {"os": "Debian", "release": "bookworm"}
    made = [server.add_image(factory.small(i), properties=product | {"serial": str(i)}) for i in range(count)]
    return made[::-1]


def there(server: RunningServer) -> list[str]:
    """The fingerprints on the server, as it says itself."""
    return sorted(str(url).rsplit("/", 1)[-1] for url in server.get("images"))


def states(receipts: pd.DataFrame) -> dict[str, str]:
    return dict(zip(receipts["fingerprint"], receipts["state"], strict=True))


def detail(receipts: pd.DataFrame, fingerprint: str) -> str:
    return str(receipts.set_index("fingerprint").loc[fingerprint, "detail"])


@contextlib.contextmanager
def demos() -> Iterator[Callable[[], RunningServer]]:
    """Starts demo servers of a test's own."""
    running: list[RunningServer] = []

    def one() -> RunningServer:
        running.append(servers.start_demo(Path(tempfile.mkdtemp(prefix="lxi-plan-", dir="/tmp"))))
        return running[-1]

    yield one
    for server in running:
        server.remove()
