"""Panels by the hundred, eight at once: used, closed, and gone, with everything that they held.

306 panels in `tests/run --long`, fewer by default.
"""

from __future__ import annotations

import gc
import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ipywidgets
import pytest

import lxdimg_nb
from lxdimg_nb import Client, Fleet
from lxdimg_nb.panels.base.transfers import transfers
from tests.kit import factory, servers
from tests.kit.counts import count, long_run
from tests.kit.frontend import FrontEnd
from tests.kit.servers import RunningServer
from tests.kit.usage import grown, usage
from tests.kit.waiting import until

pytestmark = pytest.mark.slow

# Eight that are used, and one that is closed while its list is being read.
OPENED = 9
ROUNDS, WARM = (34, 12) if long_run() else (2, 1)

Use = Callable[[Any], None]


class Desk:
    """A server, a client, a folder, and the panels that were opened so far, if they are still there."""

    def __init__(self, server: RunningServer, client: Client, folder: Path) -> None:
        self.server = server
        self.client = client
        self.folder = folder
        self.fingerprint = server.add_image(factory.small(1), aliases=["web"], properties={"os": "Debian"})
        server.add_image(factory.small(2))
        self.file = folder / "new.tar.gz"
        self.file.write_bytes(factory.small(3))
        self.opened: list[weakref.ref[Any]] = []

    def alive(self) -> list[Any]:
        """The panels that are still in memory."""
        gc.collect()
        return [panel for ref in self.opened if (panel := ref()) is not None]

    def round(self, also: Use = lambda _: None) -> None:
        """Open eight panels, use them, close them; `also` is done to each."""
        image = self.client.images.get("web")
        panels = [self.client.images.panel() for _ in range(5)]
        panels += [image.panel(), image.panel(), Fleet({"one": self.client, "two": self.server.url}).panel()]
        # Closed while its list is being read.
        hasty = self.client.images.panel()
        FrontEnd(hasty).say("hello")
        hasty.close()
        views = [FrontEnd(panel).begin() for panel in panels]
        for view, folder in zip(views, "abcdefgh", strict=True):
            self.use(view, self.folder / folder)
            also(view.panel)
        assert until(lambda: not any(transfer.active for transfer in transfers))
        for panel in panels:
            panel.close()
        assert all(panel.actor.join(60) for panel in [*panels, hasty])
        self.opened += map(weakref.ref, [*panels, hasty])
        assert self.server.demo is not None
        self.server.demo.requests.clear()

    def use(self, view: FrontEnd, folder: Path) -> None:
        """What a person does with a panel."""
        folder.mkdir(exist_ok=True)
        view.panel._repr_mimebundle_()
        key = f"default/{self.fingerprint}"
        if "list" in view.parts:
            key = next(row["key"] for row in view.parts["list"]["rows"] if row["key"].endswith(self.fingerprint))
            for query in ("os=debian", "nothing", ""):
                view.say("search", query=query)
            view.say("select", keys=[key], on=True)
            view.say("sort", column="size")
            view.say("open", key=key)
            view.say("chips", chips=["unused", "outdated"])
            view.say("reload")
            view.say("check", path=str(self.file))
        view.say("set", key=key, field="public", value=True, confirmed=True)
        view.say("export", key=key, folder=str(folder))
        view.settle()
        view.say("hello", view="another")
        view.say("bye", view="another")
        view.settle()


@pytest.fixture(scope="module")
def desk(temporary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One where everything was done before, so that what is kept for the next time is there."""
    server = servers.start_demo(temporary / "server")
    with lxdimg_nb.connect(server.url) as client:
        made = Desk(server, client, tmp_path_factory.mktemp("desk"))
        for _ in range(WARM):
            made.round()
        yield made
    transfers.forget()
    server.stop()


def test_panels_that_were_closed_are_gone(desk: Desk) -> None:
    before = usage()

    for number in range(ROUNDS):
        if number % 3 == 0:
            # Some transfers fail.
            desk.server.demo.faults.add(path="/export", status=500, times=4)
        desk.round()

    # What one of them does in the background may take a moment longer.
    until(lambda: not desk.alive())
    count("a long day: panels opened and closed", inputs=ROUNDS * OPENED, lost=len(desk.alive()))
    assert desk.alive() == []
    # The list of transfers keeps the last fifty.
    assert len(list(transfers)) <= 50 + OPENED
    assert grown(before, resident=long_run()) == []


def test_what_panels_leave_behind_is_noticed(desk: Desk) -> None:
    kept: list[Any] = []
    end = threading.Event()

    def leak(panel: Any) -> None:
        panel.layout = ipywidgets.Layout(width="50%")
        threading.Thread(target=end.wait, name="lxdimg-left", daemon=True).start()
        kept.extend(
            [panel, os.open(os.devnull, os.O_RDONLY), tempfile.mkdtemp(), [bytearray(100) for _ in range(9000)]]
        )

    before = usage()
    desk.round(also=leak)

    said = grown(before, timeout=0.1)
    assert len(desk.alive()) == OPENED - 1
    for name in ("blocks", "descriptors", "comms", "widgets", "threads", "files"):
        assert any(line.startswith(name) for line in said), (name, said)
    end.set()
    for one in kept:
        if isinstance(one, int):
            os.close(one)
