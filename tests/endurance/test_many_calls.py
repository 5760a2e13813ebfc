"""Calls of the client by the thousand: clients that were closed, images that were sent, fetched and copied, are gone.

1,000 of each in `tests/run --long`, fewer by default.
"""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client, Fleet, History
from lxdimg_nb.errors import LxdImageError
from tests.kit import factory, servers
from tests.kit.counts import count, long_run
from tests.kit.servers import RunningServer
from tests.kit.usage import grown, usage

pytestmark = pytest.mark.slow

TURNS, WARM = (1_000, 100) if long_run() else (15, 5)


class Shift:
    """Two servers with an image each that stays, and what was connected to them so far, if it is still there."""

    def __init__(self, here: RunningServer, there: RunningServer, folder: Path) -> None:
        self.here = here
        self.there = there
        self.folder = folder
        self.history = History(folder / "history")
        self.connected: list[weakref.ref[Client]] = []
        self.lost = 0
        for server in (here, there):
            server.add_image(factory.small(0), aliases=["kept"])

    def alive(self) -> list[Client]:
        """The clients that are still in memory."""
        gc.collect()
        return [client for ref in self.connected if (client := ref()) is not None]

    def turn(self, number: int, also: Callable[[Any], object] = lambda _: None) -> None:
        """Connect, send an image, fetch it, copy it, look at it, change it, delete it, disconnect."""
        with lxdimg_nb.connect(self.here.url) as client, lxdimg_nb.connect(self.there.url) as other:
            self.connected += [weakref.ref(client), weakref.ref(other)]
            content = factory.small(number + 1)
            image = client.images.create(content, aliases=["new"], wait=True)
            exported = image.export(self.folder)
            copied = image.copy(other, mode="relay")
            self.lost += image.export() != content
            self.lost += exported.path.read_bytes() != content
            self.lost += copied.fingerprint != image.fingerprint
            exported.path.unlink()
            image.public = not image.public
            image.update()
            with image.open() as opened:
                opened.read(100)
            assert len(image.contents().files) > 0
            client.images.all(filter="os=debian")
            assert len(client.images.df(used_by=True)) == 2
            if number % 5 == 0:
                self._seldom(client, other)
            also(client)
            image.delete()
            copied.delete()
        for server in (self.here, self.there):
            assert server.demo is not None
            server.demo.requests.clear()

    def _seldom(self, client: Client, other: Client) -> None:
        fleet = Fleet({"here": client, "there": other, "nowhere": f"unix://{self.folder}/none"})
        frame = fleet.df()
        self.history.record(frame)
        assert len(self.history.at()) == 4
        for path in self.history.folder.rglob("*.parquet"):
            path.unlink()
        with client.events(["lifecycle"]), client.images.live() as live:
            assert len(live) == 2
        for wrong in (lambda: client.images.get("none"), lambda: client.images.create(b"no image", wait=True)):
            with pytest.raises(LxdImageError):
                wrong()


@pytest.fixture(scope="module")
def shift(temporary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shift]:
    """One where everything was done before, so that what is kept for the next time is there."""
    with ExitStack() as ends:
        here, there = (servers.start_demo(temporary / name) for name in ("here", "there"))
        for server in (here, there):
            ends.callback(server.stop)
        made = Shift(here, there, tmp_path_factory.mktemp("shift"))
        for number in range(WARM):
            made.turn(number)
        yield made


def test_nothing_is_left_of_clients_and_of_what_they_did(shift: Shift) -> None:
    before = usage()

    for number in range(TURNS):
        shift.turn(WARM + number)

    count("a long day: uploads, exports, copies", inputs=3 * TURNS, lost=shift.lost + len(shift.alive()))
    assert shift.lost == 0
    assert shift.alive() == []
    assert len(shift.here.get("images")) == len(shift.there.get("images")) == 1
    assert sorted(path.name for path in shift.folder.iterdir()) == ["history"]
    assert grown(before, resident=long_run()) == []


def test_what_clients_leave_behind_is_noticed(shift: Shift) -> None:
    kept: list[Any] = []
    end = threading.Event()

    def leak(client: Client) -> None:
        threading.Thread(target=end.wait, name="lxdimg-left", daemon=True).start()
        kept.extend([client, os.open(os.devnull, os.O_RDONLY), [bytearray(100) for _ in range(50_000)]])

    before = usage()
    shift.turn(0, also=leak)

    said = grown(before, timeout=0.1)
    assert len(shift.alive()) == 1
    for name in ("blocks", "descriptors", "threads"):
        assert any(line.startswith(name) for line in said), (name, said)
    end.set()
    os.close(kept[1])
