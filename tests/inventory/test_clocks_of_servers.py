"""A clock ten years off, of a server or of this machine: frames, questions, plans, fleets and history stay right."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb import Fleet, History, plan
from lxdimg_nb.inventory.frame import conditions
from tests.kit import factory
from tests.kit.clocks import YEARS, date_header, set_clock, stamp
from tests.kit.counts import count
from tests.kit.hostile_server import HostileServer
from tests.kit.inventories import NOW, fingerprint, image, inventory
from tests.kit.servers import RunningServer

KIND = "a clock ten years off"


def to_go(df: lxdimg_nb.inventory.InventoryFrame) -> list[str]:
    """What two conditions of time would delete, be it used, aliased or public."""
    found = [
        {step.fingerprint for step in plan.prune(df, keep=(), **{name: "90D"}).actions}
        for name in ("unused_for", "older_than")
    ]
    assert found[0] == found[1] == set(df.lxdimg.stale("90D").index.get_level_values("fingerprint"))
    return sorted(found[0])


@pytest.fixture(params=[YEARS, -YEARS], ids=["ahead", "behind"])
def off(request: pytest.FixtureRequest) -> timedelta:
    """How far the clock of a server is ahead."""
    found: timedelta = request.param
    return found


@pytest.fixture
def server_off(off: timedelta) -> HostileServer:
    """A server of such a clock, with an image of an hour and one of 200 days by it, not running yet."""
    now = datetime.now(UTC) + off
    made = HostileServer(
        image(1, uploaded_at=stamp(now - timedelta(hours=1)), expires_at=stamp(now + timedelta(days=1))),
        image(2, uploaded_at=stamp(now - timedelta(days=200)), last_used_at=stamp(now - timedelta(days=199))),
    )
    made.date = date_header(off)
    return made


def test_what_is_young_by_the_clock_of_its_server_is_in_no_plan(
    server_off: HostileServer, off: timedelta, tmp_path: Path
) -> None:
    words = f"{'10 years ahead of' if off > timedelta(0) else '10 years behind'} this machine's"
    with server_off, lxdimg_nb.connect(server_off.url) as client:
        df = client.images.df()
        with client.images.live() as following:
            live = following.df()
        fleet = Fleet({"odd": client})
        whole = fleet.df()
        status = fleet.status()
        explained = client.images.get(fingerprint(1))

        assert "in a moment" not in str(lxdimg_nb.inventory.explain(explained, client))
    old = [fingerprint(2)] if off < timedelta(0) else []
    for frame in (df, live, whole):
        assert to_go(frame) == old
        assert list(frame.lxdimg.expired().index.get_level_values("fingerprint")) == []
        assert words in " ".join(repr(frame).split())
        assert words in " ".join(frame._repr_html_().split()).replace("&#x27;", "'")
    assert words in status["error"].iloc[0]
    history = History(tmp_path / "both")
    for frame, name in ((df, "the server"), (whole, "odd")):
        with pytest.warns(UserWarning, match=f"the clock of {name} is {words}, which dates the record") as said:
            history.record(frame)
        assert len(said) == 1
    history = History(tmp_path / "one")
    with pytest.warns(UserWarning, match="dates the record"):
        history.record(df)
    assert list(history.at(datetime.now(UTC)).index.get_level_values("fingerprint")) == list(df.index)
    count(KIND, inputs=4, survived=4)


def test_nothing_that_was_just_imported_goes_because_this_machine_s_clock_is_off(server: RunningServer) -> None:
    """A real daemon, whose clock is right, is to the package ten years behind, or ahead."""
    added = server.add_image(factory.small(1))
    for ahead in (YEARS, -YEARS):
        with pytest.MonkeyPatch.context() as monkeypatch:
            set_clock(monkeypatch, ahead)
            with lxdimg_nb.connect(server.url) as client:
                planned = plan.prune(client.images.df(used_by=True), unused_for="90D")
                wrong = inventory(server.get(f"images/{added}"), server=client.url)
                receipts = plan.prune(wrong, unused_for="90D").apply(client, confirm=True)
                single = client.images.get(added)
                single.properties["seen"] = str(ahead)
                change = single.update()

                assert client.info.clock == f"10 years {'behind' if ahead > timedelta(0) else 'ahead of'}"
                assert len(planned) == 0
                assert [i.fingerprint for i in client.images.all(filter="age>90d")] == []
        assert "done" not in list(receipts.state)
        assert "seen" in str(change)
        assert server.get(f"images/{added}")["properties"]["seen"] == str(ahead)
        count(KIND, inputs=1, survived=1)


def test_an_image_of_the_future_stays_and_the_plan_says_why() -> None:
    df = inventory(image(1, uploaded_at=stamp(NOW + YEARS)))

    planned = plan.prune(df, unused_for="90D", grace="0s")
    graced = plan.prune(df, keep_last=0)

    assert [step.protection for step in planned.steps] == ["its last use or upload is dated in the future"]
    assert [step.protection for step in graced.steps] == ["its upload is dated in the future"]


def test_a_fleet_counts_each_image_by_the_clock_of_its_own_server(server_off: HostileServer, off: timedelta) -> None:
    right = HostileServer(image(1, uploaded_at=stamp(datetime.now(UTC) - timedelta(days=100))))
    right.date = date_header(timedelta(0))
    with server_off, right:
        df = Fleet({"odd": server_off.url, "right": right.url}).df()

    odd = [("odd", "default", fingerprint(2))] if off < timedelta(0) else []
    assert sorted(df.lxdimg.stale("90D").index) == [*odd, ("right", "default", fingerprint(1))]


def test_pruning_by_the_server_itself_is_told_by_its_own_clock(server_off: HostileServer) -> None:
    for one in server_off.images.values():
        one["cached"] = True
    with server_off, lxdimg_nb.connect(server_off.url) as client:
        df = client.images.df()

    assert sorted(df.lxdimg.will_be_pruned(10, within="30D").index) == sorted([fingerprint(1), fingerprint(2)])
    assert sorted(df.lxdimg.will_be_pruned(10, within="1D").index) == [fingerprint(2)]


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, 1e300, -3e11, 10**30, "10", None])
def test_an_impossible_difference_in_a_file_is_none(seconds: object) -> None:
    df = inventory(image(1, uploaded_at=stamp(NOW - YEARS)))
    df.attrs["clock_offset"] = seconds

    assert to_go(df) == [fingerprint(1)]


def test_a_plan_by_this_machine_s_clock_alone_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = {"clock_offset": -YEARS.total_seconds()}
    df = inventory(image(1, uploaded_at=stamp(NOW - YEARS)))
    df.attrs |= behind
    assert to_go(df) == []

    monkeypatch.setattr(conditions, "known_clock_offset", lambda _: 0.0)

    assert to_go(df) == [fingerprint(1)]
