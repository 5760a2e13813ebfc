"""Demo servers that speak the versions of LXD and Incus which differ most; in a long run, all versions there are."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lxdimg_nb.demo.versions.flavours import KNOWN
from tests.kit import counts, servers
from tests.kit.servers import RunningServer

__all__ = ["demos", "spoken", "versions"]

FEW = ("lxd-5.21.7", "lxd-6.9", "incus-6.0.6", "incus-7.5")


def versions() -> list[str]:
    """The names of the versions that a test of this run is for."""
    return list(KNOWN) if counts.long_run() else list(FEW)


@pytest.fixture(scope="module")
def demos() -> Iterator[Callable[[str], RunningServer]]:
    """The demo server of a version, started once."""
    started: dict[str, RunningServer] = {}

    def demo_of(version: str) -> RunningServer:
        if version not in started:
            started[version] = servers.start_demo(Path(tempfile.mkdtemp(prefix="lxi-v-", dir="/tmp")), version)
        return started[version]

    yield demo_of
    for one in started.values():
        one.remove()


@pytest.fixture
def spoken(request: pytest.FixtureRequest, demos: Callable[[str], RunningServer]) -> RunningServer:
    """An empty demo server that speaks the version of the test."""
    running = demos(request.getfixturevalue("version"))
    running.clean()
    return running
