"""What tests of a line that breaks stand on: a client that goes through the proxy, a file of some MiB, a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb import Client
from tests.kit import factory
from tests.kit.proxy import Proxy

__all__ = ["MIB", "SEEDS", "SIZE", "TIMEOUT", "big", "client", "out"]

MIB = 1024 * 1024
SIZE = 3 * MIB
SEEDS = range(6)
# Long enough for a server under load, short enough to wait for.
TIMEOUT = 1.0


@pytest.fixture
def client(proxy: Proxy) -> Iterator[Client]:
    """A client that gives up soon."""
    with lxdimg_nb.connect(proxy.url, timeout=TIMEOUT) as connected:
        proxy.forget()
        yield connected


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of three MiB."""
    path = tmp_path_factory.mktemp("big") / "big.tar"
    factory.big(path, SIZE, seed=1)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder
