"""A server one of whose replies is valid JSON of a wrong shape, and what may not be lost on it."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.errors import LxdImageError
from tests.kit import factory
from tests.kit.fuzz import replaced
from tests.kit.proxy import Answer, Fault, Proxy
from tests.kit.servers import RunningServer
from tests.kit.waiting import until

__all__ = ["NEW", "PROPERTIES", "PYTHON", "Odd", "Scene", "Verb", "kept", "meets", "restore", "scene"]

TIMEOUT = 5.0
NEW = factory.fingerprint(factory.small(2))
PROPERTIES = {"os": "Debian", "note": "before"}
# What an error of ours never says.
PYTHON = ("object has no attribute", "not subscriptable", "not iterable", "NoneType", "unexpected went wrong", "0x7f")


@dataclass(frozen=True)
class Odd:
    """What becomes of one reply.

    Attributes:
        number: which of the replies with JSON.
        edits: of its document; see `tests.kit.fuzz`.
        twice: whether a key stands there twice.
    """

    number: int
    edits: list[tuple[int, int]]
    twice: bool = False

    def apply(self, body: bytes) -> bytes:
        """The body of a reply, changed."""
        document = replaced(json.loads(body), self.edits)
        text = json.dumps(document)
        if self.twice and '"metadata": ' in text:
            text = text.replace('"metadata": ', '"metadata": [{}], "metadata": ', 1)
        return text.encode()


@dataclass
class Scene:
    """A real server, a proxy that spoils one of its replies, and files.

    Attributes:
        kept: an image with the alias `web` and an instance made of it, which nothing but what is asked for may change.
        replies: with JSON that passed the proxy since `spoil`.
    """

    server: RunningServer
    proxy: Proxy
    folder: Path
    kept: str
    replies: int = 0
    odd: Odd | None = None
    spoiled: list[str] = field(default_factory=list)

    def spoil(self, odd: Odd | None) -> None:
        """Change the reply that comes as this number from here on."""
        self.replies, self.odd, self.spoiled = 0, odd, []

    def rewrite(self, answer: Answer) -> bytes:
        """What a client gets instead of a reply."""
        if "json" not in answer.header("Content-Type") or self.odd is None:
            return answer.render()
        number, self.replies = self.replies, self.replies + 1
        if number != self.odd.number:
            return answer.render()
        body = self.odd.apply(answer.body)
        self.spoiled.append(body.decode())
        return answer.render(body=body)


Verb = Callable[[Scene, Client], object]


@contextlib.contextmanager
def scene(server: RunningServer, folder: Path) -> Iterator[Scene]:
    """The server with an image to keep, behind a proxy."""
    (folder / "out").mkdir()
    (folder / "new.tar.gz").write_bytes(factory.small(2))
    kept = server.add_image(factory.small(1), aliases=["web"], properties=PROPERTIES)
    server.raw("PUT", "/1.0/images/aliases/web", json={"target": kept, "description": "words"})
    server.add_instance("c1", kept)
    server.add_project("other")
    with Proxy(server.socket, server.folder) as proxy:
        made = Scene(server, proxy, folder, kept)
        proxy.inject(Fault("rewrite", times=1 << 60, rewrite=made.rewrite), path=r"^/1\.0(?!/events)")
        restore(made)
        yield made


def kept(one: Scene) -> dict[str, Any]:
    """What may not be lost: the image, its instance, and the alias."""
    image = one.server.get(f"images/{one.kept}")
    fields = ("size", "public", "auto_update", "expires_at", "profiles", "properties")
    there = {name: image[name] for name in fields}
    instance = one.server.get("instances/c1")["config"]["volatile.base_image"]
    alias = one.server.raw("GET", "/1.0/images/aliases/web")
    return there | {"instance": instance, "alias": alias.metadata if alias.status == 200 else None}


def meets(one: Scene, verb: Verb, odd: Odd | None) -> LxdImageError | None:
    """A verb that meets an odd reply: it does what it says, or ends with one error of ours."""
    one.spoil(odd)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            lxdimg_nb.connect(one.proxy.url, timeout=TIMEOUT) as client,
        ):
            verb(one, client)
    except LxdImageError as error:
        said = str(error)
        assert 0 < len(said) < 5000, "an error without words, or with too many"
        assert not [word for word in PYTHON if word in said], said
        return error
    finally:
        one.odd = None
    return None


def _tasks(server: RunningServer, project: str) -> list[Any]:
    running = server.get(f"operations?recursion=1&project={project}").get("running") or []
    return [operation for operation in running if operation["class"] == "task"]


def restore(one: Scene) -> None:
    """As it was at the beginning, but for the image to keep and its names."""
    server = one.server
    one.spoil(None)
    # What the client gave up may still be under way, and would come after its project was emptied.
    assert until(lambda: not any(_tasks(server, project) for project in ("default", "other")))
    # Before the images, whose deletion takes their aliases along.
    web = {"target": one.kept, "description": "words"}
    if server.raw("PUT", "/1.0/images/aliases/web", json=web).status != 200:
        assert server.raw("POST", "/1.0/images/aliases", json=web | {"name": "web"}).status == 201
    for project in ("default", "other"):
        for url in server.get(f"images?project={project}"):
            if project != "default" or not url.endswith(one.kept):
                server.wait(server.raw("DELETE", f"{url.split('?')[0]}?project={project}"))
    for alias in server.get("images/aliases?recursion=1"):
        if alias["name"] != "web":
            server.raw("DELETE", f"/1.0/images/aliases/{alias['name']}")
    image = server.get(f"images/{one.kept}")
    wanted = image | {"properties": PROPERTIES, "expires_at": "1970-01-01T00:00:00Z"}
    assert server.raw("PUT", f"/1.0/images/{one.kept}", json=wanted).status == 200
    shutil.rmtree(one.folder / "history", ignore_errors=True)
    for path in (one.folder / "out").iterdir():
        path.unlink()
