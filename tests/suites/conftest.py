"""Who tells the stories of the suites: the client on each server, and the two command lines on the demo server."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb import demo as demos
from tests.conftest import missing
from tests.kit import factory
from tests.kit.commandline import CommandLine
from tests.kit.demo_http import ask
from tests.kit.drivers import ClientDriver, CommandDriver, Driver
from tests.kit.servers import RunningServer

PROGRAMS = {"lxc": "lxd", "incus-cli": "incus"}
NEWER = {"lxd-6.9": ("lxd", "6.9"), "incus-7.5": ("incus", "7.5")}


@dataclass
class Stage:
    """The session's demo servers by product and part, and a home for each command line, which trusts both parts."""

    folder: Path
    stack: ExitStack
    servers: dict[str, RunningServer] = field(default_factory=dict)
    lines: dict[str, CommandLine] = field(default_factory=dict)

    def server(self, product: str, part: str, version: str | None = None) -> RunningServer:
        """An empty demo server that plays a product: the `first` or the `other`."""
        key = f"{product}-{version}-{part}"
        if key not in self.servers:
            running = self.stack.enter_context(
                demos.start(self.folder / key, product=product, version=version, inventory=False)
            )
            place, url = running.socket, running.https_url
            self.servers[key] = RunningServer("demo", place, running.folder, url, demo=running)
        self.servers[key].clean(certificates=False)
        return self.servers[key]

    def command_line(self, program: str) -> CommandLine:
        """`lxc` or `incus` at home on the first server, with the other as the remote `other`."""
        if program not in self.lines:
            product = "lxd" if program == "lxc" else "incus"
            home = self.folder / f"home-{program}"
            home.mkdir()
            own, theirs = (CommandLine(program, self.server(product, part).folder, home) for part in ("first", "other"))
            named = ("--name", "friend") if program == "lxc" else ("friend",)
            own("remote", "add", "other", theirs("config", "trust", "add", *named).strip().splitlines()[-1])
            self.lines[program] = own
        return self.lines[program]


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """What the tests of the suites share."""
    # A short path: a unix socket's may have 107 bytes.
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lxi-suites-", dir="/tmp")))
        yield Stage(folder, stack)


@pytest.fixture(
    params=[
        "demo",
        *NEWER,
        *(pytest.param(name, marks=pytest.mark.real) for name in ("lxd", "incus", *PROGRAMS)),
    ]
)
def driver(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Driver]:
    """Who tells a story, on an empty server that listens.

    The client does on the demo server, also as newer versions, on LXD and on Incus; lxc and incus on a demo server.
    """
    name = request.param
    if name not in PROGRAMS:
        product, version = NEWER.get(name, ("", None))
        server = stage.server(product, "first", version) if product else request.getfixturevalue(name)
        server.listen()
        with lxdimg_nb.connect(server.url) as client:
            yield ClientDriver(server, client)
        return
    program = "lxc" if name == "lxc" else "incus"
    if shutil.which(program) is None:
        missing(f"{program} is not installed")
    line = stage.command_line(program)
    yield CommandDriver(stage.server(PROGRAMS[name], "first"), line)


@pytest.fixture
def other(driver: Driver, stage: Stage) -> Iterator[Driver]:
    """The same on a second server, an empty demo server of the same product."""
    shown = driver.server.get("")["environment"]["server_version"]
    version = shown if (driver.product, shown) in NEWER.values() else None
    second = stage.server(driver.product, "other", version)
    if isinstance(driver, ClientDriver):
        with lxdimg_nb.connect(second.url) as client:
            yield ClientDriver(second, client)
    else:
        assert isinstance(driver, CommandDriver)
        yield CommandDriver(second, driver.cli, "other")


@pytest.fixture
def stranger(driver: Driver) -> Callable[[str], list[str]]:
    """What somebody without a certificate sees at a path of a list: the URLs."""
    url = driver.server.listen()
    return lambda path: list(ask(url, "GET", path).metadata)


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., Path]:
    """Image files by number, `files(3)`; another number is another image."""

    def make(number: int, name: str = "", **options: object) -> Path:
        path = tmp_path / (name or f"image-{number}.tar.gz")
        path.write_bytes(factory.small(number, **options))  # type: ignore[arg-type]
        return path

    return make
