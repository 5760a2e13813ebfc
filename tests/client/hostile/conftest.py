"""A hostile server with two images, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import lxdimg_nb
from lxdimg_nb import Client
from tests.kit.hostile_server import HostileServer
from tests.kit.inventories import image


@pytest.fixture
def lying() -> Iterator[HostileServer]:
    """The server; what it answers is a test's affair."""
    with HostileServer(image(1), image(2)) as server:
        yield server


@pytest.fixture
def client(lying: HostileServer) -> Iterator[Client]:
    """A client that is connected to it."""
    with lxdimg_nb.connect(lying.url) as connected:
        yield connected
