"""Eight panels that stay open together over events and lost connections, while people work in several of them.

5,000 events and 40 lost connections in `tests/run --long`, fewer by default.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client, Fleet
from lxdimg_nb.panels.base.transfers import transfers
from tests.kit import factory, servers
from tests.kit.counts import count, long_run
from tests.kit.frontend import FrontEnd
from tests.kit.servers import RunningServer
from tests.kit.simulated_changes import SimulatedChanges
from tests.kit.usage import grown, usage
from tests.kit.waiting import until

pytestmark = pytest.mark.slow

EVENTS, LOST, WARM = (5_000, 40, 500) if long_run() else (100, 2, 50)
BATCH = 50
WORK = "work"


class Office:
    """A server whose images change, and eight panels in a page.

    Three show the images of the project default, where everything changes, and one those of a fleet that it belongs
    to; two show the project `work`, and two an image in it each. What is done in those is seen by the others there.
    """

    def __init__(self, server: RunningServer, client: Client, folder: Path) -> None:
        assert server.demo is not None
        self.server = server
        self.demo = server.demo
        self.folder = folder
        self.changes = SimulatedChanges(server.demo, seed=2)
        server.add_project(WORK)
        self.images = [server.add_image(factory.small(n), [f"image{n}"], project=WORK) for n in (1, 2)]
        work = client.in_project(WORK)
        panels = [client.images.panel() for _ in range(3)]
        panels += [Fleet({"one": client, "two": server.url}).panel(), work.images.panel(), work.images.panel()]
        panels += [work.images.get(fingerprint).panel() for fingerprint in self.images]
        self.views = [FrontEnd(panel).begin() for panel in panels]
        self.lists, self.working, self.single = self.views[:4], self.views[4:6], self.views[6:]
        for view in self.working:
            view.say("open", key=f"{WORK}/{self.images[0]}")
        self.public, self.said = False, factory.properties(2)["description"]

    def pass_by(self, events: int, lost: int) -> int:
        """Let so many events happen and so many connections be lost, and people work meanwhile.

        Returns:
            How many images a panel showed wrongly after that, and files that are not what was exported.
        """
        begun, cut, wrong = self.changes.made, 0, 0
        while self.changes.made - begun < events:
            if cut < lost and (self.changes.made - begun) * lost >= cut * events:
                cut += 1
                self.demo.faults.add(cut_events=True, times=1)
            self.changes.make(BATCH)
            self.work()
            for view in self.views:
                view.say("here")
            wrong += self.wrong()
        assert cut == lost
        return wrong

    def work(self) -> None:
        """One makes an image public or private, one edits another image, three export, all at once."""
        self.public = not self.public
        first, second = (f"{WORK}/{fingerprint}" for fingerprint in self.images)
        self.working[0].say("set", key=first, field="public", value=self.public, confirmed=True)
        before, self.said = self.said, f"at {self.changes.made}"
        self.single[1].say("edit", key=second, field="properties", name="description", before=before, value=self.said)
        for number, view in enumerate([*self.working, self.single[1]]):
            (self.folder / str(number)).mkdir(exist_ok=True)
            view.say("export", key=second, folder=str(self.folder / str(number)))

    def wrong(self) -> int:
        """How much is not as it should be when all have heard of everything."""
        wrong = 0
        for view in self.lists:
            wrong += not until(lambda v=view: self._rows(v) == self._listing(), timeout=60)  # type: ignore[misc]
        # What one of them did, the others there show.
        for view in (*self.working, self.single[0]):
            wrong += not view.sees(lambda parts: parts["detail"]["public"]["on"] is self.public, timeout=60)
        wrong += not until(lambda: self._image(1)["properties"].get("description") == self.said, timeout=60)
        wrong += not self.single[1].sees(lambda parts: self.said in json.dumps(parts["detail"]), timeout=60)
        assert until(lambda: not any(transfer.active for transfer in transfers), timeout=60)
        wrong += [transfer.state for transfer in transfers].count("failed")
        files = [path for folder in self.folder.iterdir() for path in folder.iterdir()]
        wrong += sum(hashlib.sha256(path.read_bytes()).hexdigest() != self.images[1] for path in files)
        wrong += len(files) != 3
        for view in self.views:
            view.settle()
            assert not view.panel.ended
            view.told.clear()
        self.demo.requests.clear()
        return wrong

    def _image(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.server.get(f"images/{self.images[number]}?project={WORK}")
        return found

    def _listing(self) -> dict[str, Any]:
        return {image["fingerprint"]: image for image in map(json.loads, self.changes.listing())}

    def _rows(self, view: FrontEnd) -> dict[str, Any]:
        """What a panel's table holds; a fleet's has each image once for each of its two servers."""
        found = list(view.panel.table.rows.values())
        known = {row.record.fingerprint: row.record.raw for row in found}
        return known if len(found) in (len(known), 2 * len(known)) else {}


@contextmanager
def office(temporary: Path, folder: Path) -> Iterator[Office]:
    server = servers.start_demo(temporary / folder.name)
    with lxdimg_nb.connect(server.url) as client:
        made = Office(server, client, folder)
        yield made
        for view in made.views:
            view.panel.close()
        assert all(view.panel.actor.join(60) for view in made.views)
    transfers.forget()
    server.stop()


def test_eight_panels_stay_right_together_and_do_not_grow(temporary: Path, tmp_path: Path) -> None:
    with office(temporary, tmp_path) as one:
        assert one.pass_by(WARM, 1) == 0
        before = usage()

        wrong = one.pass_by(EVENTS, LOST)

        count("a long day: eight panels at once", inputs=8 * EVENTS, survived=LOST, lost=wrong)
        assert wrong == 0
        assert grown(before, resident=long_run()) == []
        assert len(one.views) == 8


def test_a_panel_that_no_longer_hears_is_noticed(temporary: Path, tmp_path: Path) -> None:
    with office(temporary, tmp_path) as one:
        one.views[2].panel._close_lists()
        one.changes.make(BATCH)

        assert not until(lambda: one._rows(one.views[2]) == one._listing(), timeout=0.5)
        assert until(lambda: one._rows(one.views[1]) == one._listing())
