"""A real kernel, as a notebook has one, for tests of what happens in cells."""

from __future__ import annotations

import ast
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

import yaml
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from traitlets.config import Config

from tests.kit import leak_scan
from tests.kit.waiting import until

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60.0


@dataclass
class Cell:
    """What became of one cell."""

    status: str = "ok"
    ename: str = ""
    evalue: str = ""
    stdout: str = ""
    stderr: str = ""
    text: str = ""
    html: str = ""
    outputs: list[dict[str, Any]] = field(default_factory=list)
    payload: list[dict[str, Any]] = field(default_factory=list)


class Kernel:
    """A running kernel with `%load_ext lxdimg_nb` not yet done."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def run(self, code: str, *, answer: str | None = None, ok: bool = True) -> Cell:
        """Execute a cell.

        Args:
            answer: typed when the cell asks; None is a front end that cannot answer.
            ok: whether anything but success fails the test.
        """
        cell = self.finish(self.client.execute(code, allow_stdin=answer is not None), answer)
        assert not ok or cell.status == "ok", f"{code!r} failed: {cell.ename}: {cell.evalue}\n{cell.stderr}"
        return cell

    def value(self, expression: str) -> Any:
        """A plain value of the kernel's: numbers, texts, and what holds them."""
        return ast.literal_eval(self.run(expression).text)

    def finish(self, request: str, answer: str | None = None) -> Cell:
        """What becomes of a cell that was begun with `client.execute`."""
        cell = self.outcome(request, answer)
        assert cell is not None, "the kernel died"
        return cell

    def outcome(
        self, request: str, answer: str | None = None, *, given_up: Callable[[], bool] | None = None
    ) -> Cell | None:
        """As `finish`, but None when the kernel dies, or when nobody waits for the cell any more.

        The status is `lost` where an interrupt met ipykernel between the end of the cell and its reply.
        """
        cell = Cell()

        def hear(message: dict[str, Any]) -> None:
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "stream":
                setattr(cell, content["name"], getattr(cell, content["name"]) + content["text"])
            elif kind in ("execute_result", "display_data"):
                cell.outputs.append(content["data"])
                if kind == "execute_result":
                    cell.text = content["data"].get("text/plain", "")
                    cell.html = content["data"].get("text/html", "")
            elif kind == "error":
                cell.outputs.append({"error": content})

        def ask(message: dict[str, Any]) -> None:
            cell.stdout += message["content"]["prompt"]
            self.client.input(answer or "")

        if not self._listen(request, hear, ask, given_up or (lambda: False)):
            return None
        try:
            content = self._reply(request, SECONDS if given_up is None else SECONDS / 6)
        except Empty:
            if given_up is None:
                raise
            content = {"status": "lost"}
        cell.status = content["status"]
        cell.ename, cell.evalue = content.get("ename", ""), content.get("evalue", "")
        cell.payload = content.get("payload", [])
        return cell

    def _reply(self, request: str, seconds: float = SECONDS) -> dict[str, Any]:
        # A slow start leaves answers to earlier requests behind.
        while True:
            message = self.client.get_shell_msg(timeout=seconds)
            if message["parent_header"].get("msg_id") == request:
                content: dict[str, Any] = message["content"]
                return content

    def until_shown(self, request: str) -> None:
        """Wait until a cell that runs displays something, a bar for example; what came before it is lost."""
        self._until(request, "display_data", lambda _: True)

    def until_printed(self, request: str, text: str) -> None:
        """Wait until a cell that runs has printed a text; what came before it is lost."""
        self._until(request, "stream", lambda content: text in content["text"])

    def _until(self, request: str, kind: str, condition: Callable[[dict[str, Any]], bool]) -> None:
        while True:
            message = self.client.get_iopub_msg(timeout=SECONDS)
            mine = message["parent_header"].get("msg_id") == request and message["header"]["msg_type"] == kind
            if mine and condition(message["content"]):
                return

    def threads_left(self) -> list[str]:
        """The names of our threads that have not ended within half a minute."""
        alive = "[t.name for t in __import__('threading').enumerate() if t.name.startswith('lxdimg')]"
        until(lambda: self.value(alive) == [])
        names: list[str] = self.value(alive)
        return names

    @property
    def pid(self) -> int:
        """Its process, which leads a group of its own."""
        found: int = self.manager.provisioner.pid  # type: ignore[union-attr]
        return found

    def until_told(self, comm: str, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until a panel has told its front end parts that meet a condition."""
        while True:
            content = self.client.get_iopub_msg(timeout=SECONDS)["content"]
            told = content.get("data", {}).get("content", {}) if content.get("comm_id") == comm else {}
            if told.get("type") == "parts" and condition(told["parts"]):
                return

    def _listen(self, request: str, hear: Any, ask: Any, given_up: Callable[[], bool]) -> bool:
        """Hear what a cell says, until it ends; False when it will not."""
        while not given_up():
            if self.client.stdin_channel.msg_ready():
                ask(self.client.get_stdin_msg(timeout=SECONDS))
            try:
                message = self.client.get_iopub_msg(timeout=0.2)
            except Empty:
                if not self.manager.is_alive():
                    return False
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            hear(message)
            if message["header"]["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return True
        return False

    def restart(self, *, now: bool) -> None:
        """Restart it, as the button does; its variables are gone.

        Args:
            now: kill it; otherwise it is interrupted and asked to end first.
        """
        self.manager.restart_kernel(now=now)
        self.client.wait_for_ready(timeout=SECONDS)

    def say(self, comm: str, content: dict[str, Any]) -> None:
        """Send a widget a message of its front end."""
        message = self.client.session.msg(
            "comm_msg", {"comm_id": comm, "data": {"method": "custom", "content": content}}
        )
        self.client.shell_channel.send(message)

    def complete(self, code: str) -> list[str]:
        """What Tab offers at the end of the code."""
        return [match["text"] for match in self.offers(code)]

    def offers(self, code: str) -> list[dict[str, Any]]:
        """As `complete`, each with its type and what it replaces."""
        content = self._reply(self.client.complete(code, len(code)))
        assert content["status"] == "ok", content
        found: list[dict[str, Any]] = content["metadata"].get("_jupyter_types_experimental", [])
        return found


def remotes(configuration: Path, **found: dict[str, object]) -> None:
    """Write the remotes that the kernel of the fixtures knows."""
    (configuration / "config.yml").write_text(yaml.safe_dump({"remotes": found}))


def store(configuration: Path, url: str, pem: str) -> None:
    """Have that kernel know the catalogue at an address as the remote `store`, with its certificate."""
    remotes(configuration, store={"addr": url, "protocol": "simplestreams", "public": True})
    (configuration / "servercerts").mkdir(exist_ok=True)
    (configuration / "servercerts" / "store.crt").write_text(pem)


@contextmanager
def private_sockets() -> Iterator[Config]:
    """Settings of a kernel that listens on sockets in a folder of its own, not on TCP ports.

    Ports are chosen before a kernel starts, and another process may be given one of them before it listens there.
    """
    # Not in a test's folder: the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="lxi-kernel-", dir="/tmp") as folder:
        yield Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/socket"}})


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[Kernel]:
    """A kernel that works in a folder, without this machine's LXD, Incus or IPython settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LXD", "INCUS", "IPYTHON"))}
    kept |= {
        "IPYTHONDIR": str(folder / "ipython"),
        "PYTHONPATH": str(ROOT),
        "LXD_DIR": str(folder / "nothing"),
        "INCUS_DIR": str(folder / "nothing"),
    }
    leak_scan.startup(folder / "ipython")
    with private_sockets() as settings:
        manager = KernelManager(config=settings)
        manager.start_kernel(cwd=str(folder), env=kept | environment)
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=SECONDS)
            yield Kernel(manager, client)
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
            manager.cleanup_resources()
