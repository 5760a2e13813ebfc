"""A panel and a live list over a long day: every change arrives, and nothing grows.

100,000 events and 200 lost connections in `tests/run --long`, fewer by default.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import demo
from lxdimg_nb.client.live import Live
from tests.kit.counts import count, long_run
from tests.kit.frontend import FrontEnd
from tests.kit.simulated_changes import SimulatedChanges
from tests.kit.usage import Usage, grown, usage
from tests.kit.waiting import until

pytestmark = pytest.mark.slow

EVENTS, LOST = (100_000, 200) if long_run() else (200, 4)
BATCH = 50


class Day:
    """A server whose images change, a live list of them, and a panel in a page."""

    def __init__(self, server: demo.DemoServer, live: Live, view: FrontEnd) -> None:
        self.server = server
        self.changes = SimulatedChanges(server, seed=1)
        self.view = view
        # The panel has one of its own.
        self.lives = [live, view.panel._lists[0]._live]

    def pass_by(self, events: int, lost: int) -> int:
        """Let so many events happen, and so many connections be lost; returns how many images were wrong after that."""
        begun, cut, wrong = self.changes.made, 0, 0
        while self.changes.made - begun < events:
            # The next one and what follows it at once is lost with the connection.
            cutting = cut < lost and (self.changes.made - begun) * lost >= cut * events
            if cutting:
                cut += 1
                self.server.faults.add(cut_events=True, times=1)
            heard, made = [live.heard for live in self.lives], self.changes.made
            self.changes.make(BATCH)
            # A lost connection is one `reconnected` in their place.
            more = 1 if cutting else self.changes.made - made
            wanted = [before + more for before in heard]
            # No faster than they are heard, as on a real day.
            assert until(lambda w=wanted: all(a.heard >= b for a, b in zip(self.lives, w, strict=True))), self.lives
            if cutting:
                wrong += self.wrong()
            # As a page does: it is still there.
            self.view.say("here")
            self.view.told.clear()
        self.changes.settle()
        wrong += self.wrong()
        known = {record.fingerprint: record.raw for record in self.lives[0].records()}
        assert until(lambda: {r.record.fingerprint: r.record.raw for r in self.rows()} == known)
        assert self.view.sees(lambda parts: parts["list"]["total"] == len(known))
        self.view.settle()
        self.server.requests.clear()
        return wrong

    def rows(self) -> list[Any]:
        """What the panel's table holds."""
        return list(self.view.panel.table.rows.values())

    def wrong(self) -> int:
        """How many images the lists have otherwise than the server, or not at all, or too many."""
        listing = [json.loads(text) for text in self.changes.listing()]
        right = {image["fingerprint"]: image for image in listing}
        wrong = 0
        for live in self.lives:
            if not live.wait_until(lambda records: [r.raw for r in records] == listing, timeout=30):
                known = {record.fingerprint: record.raw for record in live.records()}
                differing = [name for name in right.keys() | known.keys() if right.get(name) != known.get(name)]
                print([(right.get(name), known.get(name)) for name in differing])
                wrong += len(differing)
        return wrong


@contextmanager
def day() -> Iterator[Day]:
    with demo.start(inventory=False) as server, lxdimg_nb.connect(server.url) as client, client.images.live() as live:
        view = FrontEnd(client.images.panel()).begin()
        yield Day(server, live, view)
        view.panel.close()
        assert view.panel.actor.join()


def test_a_live_list_and_a_panel_stay_right_and_do_not_grow(temporary: Path) -> None:
    with day() as one:
        assert one.pass_by(EVENTS // 20, 1) == 0
        before = usage()

        wrong = one.pass_by(EVENTS, LOST)

        count("a long day: events", inputs=EVENTS, survived=LOST, lost=wrong)
        assert wrong == 0
        assert grown(before) == []
        assert set(one.changes.kinds) == {"update", "alias", "refresh", "use", "create", "delete"}


def test_a_list_that_misses_changes_and_keeps_them_all_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[object] = []
    with day() as one:
        one.pass_by(BATCH, 0)
        before = usage()
        monkeypatch.setattr(Live, "_apply", lambda *_: kept.append([bytearray(300) for _ in range(600)]))
        monkeypatch.setattr(Live, "wait_until", lambda live, condition, **_: condition(live.records()))

        one.changes.make(2 * BATCH)

        assert until(lambda: len(kept) >= 4 * BATCH)
        assert one.wrong() > 0
        assert any(line.startswith("blocks") for line in grown(before, timeout=0.1))


def test_what_grew_is_named() -> None:
    before = Usage(100 << 20, 1_000_000, 10, 1, 1, ["MainThread"], [])
    held = dict(vars(before))

    for name, more in {"resident": 6 << 20, "blocks": 60_000, "descriptors": 1, "comms": 1, "widgets": 1}.items():
        now = Usage(**held | {name: held[name] + more})
        [line] = now.more_than(before)
        assert line.startswith(f"{name}: ")
    for name in ("threads", "files"):
        [line] = Usage(**held | {name: [*held[name], "lxdimg-x"]}).more_than(before)
        assert "lxdimg-x" in line
    assert Usage(**held | {"resident": 104 << 20, "blocks": 1_040_000, "threads": []}).more_than(before) == []
