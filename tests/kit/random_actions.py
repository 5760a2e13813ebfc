"""What users do to a server, for tests that make something go wrong meanwhile."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lxdimg_nb
from lxdimg_nb import Client, History
from lxdimg_nb.errors import ImageExistsError
from lxdimg_nb.values import Progress
from tests.kit import factory
from tests.kit.frontend import FrontEnd
from tests.kit.relay import Relay
from tests.kit.servers import RunningServer

__all__ = ["ACTIONS", "OTHER", "PROPERTIES", "SIZE", "TIMEOUT", "Action", "World", "halves", "images", "new"]

# Of the client's requests: a server under load answers in time, and a silent one is not waited for long.
TIMEOUT = 2.0
SIZE = 256 * 1024
OTHER = "other"
# Not even root can make a file there.
READ_ONLY = Path("/proc/self/net")
PROPERTIES = {"os": "Debian", "note": "before"}


@dataclass
class World:
    """What an action works with.

    Attributes:
        client: of the project `default`, through the proxy.
        folder: for files; `new.tar`, `meta.tar` and `root.tar` lie in it.
        kept: the fingerprint of the image that must survive everything.
        progress: given to what reports progress.
        unwritable: whether no file can be made where exports and histories go.
        tls: a client of the same project over TLS, through the relay.
        relay: resets connections.
        content: of the image that must survive, `kept.tar`.
    """

    client: Client
    folder: Path
    kept: str
    progress: Callable[[Progress], None] | None = None
    unwritable: bool = False
    tls: Client | None = None
    relay: Relay | None = None
    content: bytes = b""

    def __post_init__(self) -> None:
        self.content = self.content or (self.folder / "kept.tar").read_bytes()

    @property
    def out(self) -> Path:
        """Where exports go."""
        return READ_ONLY if self.unwritable else self.folder / "out"

    @property
    def history(self) -> Path:
        """Where the history is kept."""
        return (READ_ONLY if self.unwritable else self.folder) / "history"

    @contextlib.contextmanager
    def other(self) -> Iterator[Client]:
        """A client of the other project."""
        if self.client is self.tls:
            yield self.client.in_project(OTHER)
            return
        with lxdimg_nb.connect(self.client.url, project=OTHER, timeout=TIMEOUT) as connected:
            yield connected


@dataclass(frozen=True)
class Action:
    """Something users do.

    Attributes:
        act: does it; returns whether it says that it was done.
        done: whether it is, by the images of the server: alias and fingerprint of all projects.
        undo: as it was before.
    """

    act: Callable[[World], bool]
    done: Callable[[RunningServer, World], bool]
    undo: Callable[[RunningServer, World], None] = lambda _, __: None


def _upload(world: World) -> bool:
    with contextlib.suppress(ImageExistsError):
        world.client.images.create(world.folder / "new.tar", wait=True, progress=world.progress)
    return True


def _upload_split(world: World) -> bool:
    with contextlib.suppress(ImageExistsError):
        world.client.images.create(
            world.folder / "root.tar", metadata=world.folder / "meta.tar", wait=True, progress=world.progress
        )
    return True


def _export(world: World) -> bool:
    path = world.client.images.get(world.kept).export(world.out, progress=world.progress).path
    # Not opened here, where there may be no file descriptor; its content is looked at afterwards.
    return path.stat().st_size == len(world.content)


def _read(world: World) -> bool:
    image = world.client.images.get(world.kept)
    assert image.export(progress=world.progress) == world.content
    with image.open() as file:
        file.seek(1000)
        return file.read(5000) == world.content[1000:6000]


def _copy(world: World) -> bool:
    with world.other() as other, contextlib.suppress(ImageExistsError):
        world.client.images.get(world.kept).copy(other, mode="relay", progress=world.progress)
    return True


def _update(world: World) -> bool:
    image = world.client.images.get(world.kept)
    image.properties["note"] = "after"
    image.update()
    return True


def _alias(world: World) -> bool:
    with contextlib.suppress(lxdimg_nb.errors.ConflictError):
        world.client.images.aliases.create("extra", world.kept)
    return True


def _plan(world: World) -> bool:
    plan = lxdimg_nb.plan.set(world.client.images.df(), properties={"note": "after"})
    receipts = plan.apply(world.client, confirm=True)
    return bool((receipts["state"] == "done").all())


def _history(world: World) -> bool:
    history = History(world.history)
    before = len(history.records())
    history.record(world.client.images.df())
    return len(history.records()) == before + 1 and len(history.at()) >= 1


def _listing(world: World) -> bool:
    return world.kept in {image.fingerprint for image in world.client.images.all()}


def _events(world: World) -> bool:
    with world.client.images.live() as live:
        _update(world)
        return live.wait_until(lambda records: any(r.properties.get("note") == "after" for r in records), timeout=60)


def _panel(world: World) -> bool:
    panel = world.client.images.panel()
    try:
        view = FrontEnd(panel)
        view.say("hello")
        if not view.sees(lambda parts: parts["list"]["state"] == "ready", timeout=5):
            return False
        view.say("set", key=f"default/{world.kept}", field="public", value=True, confirmed=True)
        view.settle()
        return False  # It tells its outcome to people only.
    finally:
        panel.close()


def images(server: RunningServer, project: str = "default") -> dict[str, dict[str, Any]]:
    """The images of a project by fingerprint, as the server says itself."""
    return {raw["fingerprint"]: raw for raw in server.get(f"images?recursion=1&project={project}")}


def _there(server: RunningServer, *files: Path, project: str = "default") -> bool:
    return factory.fingerprint(*files) in images(server, project)


def _delete(server: RunningServer, fingerprint: str, project: str = "default") -> None:
    if fingerprint in images(server, project):
        server.wait(server.raw("DELETE", f"/1.0/images/{fingerprint}?project={project}"))


def _restore(server: RunningServer, world: World) -> None:
    document = server.get(f"images/{world.kept}")
    wanted = document | {"properties": PROPERTIES, "public": False}
    assert server.raw("PUT", f"/1.0/images/{world.kept}", json=wanted).status == 200


def new(world: World) -> tuple[Path, ...]:
    """The file that is uploaded."""
    return (world.folder / "new.tar",)


def halves(world: World) -> tuple[Path, ...]:
    """The files of the split image that is uploaded."""
    return world.folder / "meta.tar", world.folder / "root.tar"


def _noted(server: RunningServer, world: World) -> bool:
    return bool(images(server)[world.kept]["properties"].get("note") == "after")


def _always(_: RunningServer, __: World) -> bool:
    return True


ACTIONS: dict[str, Action] = {
    "upload": Action(_upload, lambda s, w: _there(s, *new(w)), lambda s, w: _delete(s, factory.fingerprint(*new(w)))),
    "split upload": Action(
        _upload_split, lambda s, w: _there(s, *halves(w)), lambda s, w: _delete(s, factory.fingerprint(*halves(w)))
    ),
    "export": Action(_export, _always),
    "read": Action(_read, _always),
    "copy": Action(_copy, lambda s, w: w.kept in images(s, OTHER), lambda s, w: _delete(s, w.kept, OTHER)),
    "update": Action(_update, _noted, _restore),
    "alias": Action(
        _alias,
        lambda s, w: any(alias["name"] == "extra" for alias in images(s)[w.kept]["aliases"]),
        lambda s, _: s.raw("DELETE", "/1.0/images/aliases/extra") and None,
    ),
    "plan": Action(_plan, _noted, _restore),
    "history": Action(_history, _always, lambda _, w: shutil.rmtree(w.folder / "history", ignore_errors=True)),
    "listing": Action(_listing, _always),
    "events": Action(_events, _noted, _restore),
    "panel": Action(_panel, lambda s, w: bool(images(s)[w.kept]["public"]), _restore),
}
