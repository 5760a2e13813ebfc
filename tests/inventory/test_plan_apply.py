"""Plans applied: each kind does what was planned, and nothing to what is protected by then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest

import lxdimg_nb as lxdimg
from lxdimg_nb.client import Client
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory import Fleet
from tests.kit import factory
from tests.kit.planning import PRUNE, demos, detail, fill, states, there, witness
from tests.kit.servers import RunningServer


@pytest.fixture
def start() -> Iterator[Callable[[], RunningServer]]:
    """Starts demo servers of a test's own."""
    with demos() as one:
        yield one


def test_making_and_showing_a_plan_sends_no_write(server: RunningServer) -> None:
    fill(server, 3)
    with witness(server) as (url, lines), lxdimg.connect(url) as client:
        df = client.images.df(used_by=True)
        before = list(lines)

        plans = [
            lxdimg.plan.prune(df, **PRUNE),
            lxdimg.plan.set(df, public=True),
            lxdimg.plan.alias(df, "web", to="os=debian"),
            lxdimg.plan.publish(df, {"c1": "x"}),
        ]
        for plan in plans:
            assert len(plan) > 0
            repr(plan), plan._repr_html_(), plan.frame, plan.without(plan.actions[0].fingerprint or "c1")

        assert lines == before
    assert {line.split()[0] for line in lines} == {"GET"}
    assert len(there(server)) == 3


def test_pruning_deletes_what_was_planned_and_nothing_else(server: RunningServer, client: Client) -> None:
    newest, middle, oldest = fill(server, 3)
    other = server.add_image(factory.small(9), properties={"os": "Other", "release": "1"})
    plan = lxdimg.plan.prune(client.images.df(used_by=True), **PRUNE)

    receipts = plan.apply(client, confirm=True)

    assert there(server) == sorted([newest, other])
    assert states(receipts) == {middle: "done", oldest: "done"}
    assert receipts.summary == "2 done"
    assert "2 done" in repr(receipts)
    assert plan.receipts is receipts
    again = plan.apply(client, confirm=True)
    assert set(states(again).values()) == {"skipped"}
    assert detail(again, oldest) == "gone already"


def _alias(server: RunningServer, fp: str) -> None:
    server.raw("POST", "/1.0/images/aliases", json={"name": "web", "target": fp})


def _public(server: RunningServer, fp: str) -> None:
    server.raw("PATCH", f"/1.0/images/{fp}", json={"public": True})


def _pinned(server: RunningServer, fp: str) -> None:
    server.raw("PATCH", f"/1.0/images/{fp}", json={"properties": {"pinned": "yes"}})


def _edited(server: RunningServer, fp: str) -> None:
    server.raw("PATCH", f"/1.0/images/{fp}", json={"properties": {"note": "mine"}})


def _used(server: RunningServer, fp: str) -> None:
    server.add_instance("c1", fp)


RACES = {"alias": _alias, "public": _public, "pinned": _pinned, "edited": _edited, "used": _used}


@pytest.mark.parametrize("race", RACES.values(), ids=RACES)
def test_what_is_protected_after_planning_is_not_deleted(
    server: RunningServer, client: Client, race: Callable[[RunningServer, str], None]
) -> None:
    _, middle, oldest = fill(server, 3)
    plan = lxdimg.plan.prune(client.images.df(), **PRUNE)
    race(server, oldest)

    receipts = plan.apply(client, confirm=True)

    assert oldest in there(server)
    assert states(receipts) == {middle: "done", oldest: "skipped"}


@pytest.mark.parametrize("race", RACES.values(), ids=RACES)
def test_what_is_protected_while_applying_is_not_deleted(
    demo: RunningServer, race: Callable[[RunningServer, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, middle, oldest = fill(demo, 3)
    with lxdimg.connect(demo.url) as client:
        plan = lxdimg.plan.prune(client.images.df(), **PRUNE)
        listing = client.images.df

        def listed_then_raced(**options: Any) -> pd.DataFrame:
            fresh = listing(**options)
            race(demo, oldest)
            return fresh

        monkeypatch.setattr(client.images, "df", listed_then_raced)

        receipts = plan.apply(client, confirm=True)

    assert oldest in there(demo)
    assert states(receipts) == {middle: "done", oldest: "skipped"}


def test_an_image_that_became_one_of_the_newest_stays(server: RunningServer, client: Client) -> None:
    newest, middle, oldest = fill(server, 3)
    plan = lxdimg.plan.prune(client.images.df(), **PRUNE)
    server.wait(server.raw("DELETE", f"/1.0/images/{newest}"))

    receipts = plan.apply(client, confirm=True)

    assert there(server) == [middle]
    assert states(receipts) == {middle: "skipped", oldest: "done"}
    assert "among the newest" in detail(receipts, middle) or "the only build" in detail(receipts, middle)


def test_an_image_that_is_gone_is_no_failure(demo: RunningServer) -> None:
    _, middle, oldest = fill(demo, 3)
    with lxdimg.connect(demo.url) as client:
        plan = lxdimg.plan.prune(client.images.df(), **PRUNE)
        client.images.delete(oldest)

        receipts = plan.apply(client, confirm=True)

    assert states(receipts) == {middle: "done", oldest: "skipped"}


def test_settings_are_applied_and_other_edits_are_not_overwritten(server: RunningServer, client: Client) -> None:
    two, one, zero = fill(server, 3)
    plan = lxdimg.plan.set(client.images.df(), properties={"team": "a"}, expires_at="2031-01-02T03:04:05Z")
    server.raw("PATCH", f"/1.0/images/{one}", json={"properties": {"team": "b"}})
    server.wait(server.raw("DELETE", f"/1.0/images/{zero}"))

    receipts = plan.apply(client, confirm=True)

    assert states(receipts) == {two: "done", one: "skipped", zero: "skipped"}
    assert "changed since the plan was made: properties" in detail(receipts, one)
    assert "team" in detail(receipts, two)
    after = server.get(f"images/{two}")
    assert after["properties"]["team"] == "a"
    assert after["expires_at"].startswith("2031-01-02T03:04:05")
    assert after["profiles"] == ["default"]
    assert server.get(f"images/{one}")["properties"]["team"] == "b"


def test_an_edit_in_the_moment_of_writing_is_not_overwritten(
    server: RunningServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    two, one = fill(server, 2)
    plan = lxdimg.plan.set(client.images.df(), properties={"team": "a"}, profiles=[])
    write = client.server_project.write

    def raced_write(method: str, fingerprint: str, body: Any, etag: str) -> None:
        if fingerprint == one:
            server.raw("PATCH", f"/1.0/images/{one}", json={"properties": {"team": "b"}})
        write(method, fingerprint, body, etag)

    monkeypatch.setattr(client.server_project, "write", raced_write)

    receipts = plan.apply(client, confirm=True)

    assert states(receipts) == {two: "done", one: "skipped"}
    assert "changed since the plan was made" in detail(receipts, one)
    assert server.get(f"images/{one}")["properties"]["team"] == "b"
    assert server.get(f"images/{one}")["profiles"] == ["default"]


def test_flags_are_switched(server: RunningServer, client: Client) -> None:
    (only,) = fill(server, 1)

    receipts = lxdimg.plan.set(client.images.df(), public=True).apply(client, confirm=True)

    assert server.get(f"images/{only}")["public"] is True
    assert "public no → yes" in detail(receipts, only)


def test_an_alias_is_moved_unless_somebody_moved_it(server: RunningServer, client: Client) -> None:
    new, middle, old = fill(server, 3)
    _alias(server, old)
    plan = lxdimg.plan.alias(client.images.df(), "web", to="os=debian")

    receipts = plan.apply(client, confirm=True)

    assert states(receipts) == {new: "done"}
    assert server.get("images/aliases/web")["target"] == new
    assert detail(plan.apply(client, confirm=True), new) == "already so"
    server.raw("PUT", "/1.0/images/aliases/web", json={"target": middle, "description": ""})
    refused = plan.apply(client, confirm=True)
    assert states(refused) == {new: "skipped"}
    assert f"web points at {middle[:12]}" in detail(refused, new)


def test_every_project_is_pruned_by_a_client_of_one(server: RunningServer, client: Client) -> None:
    product = {"os": "Debian", "release": "bookworm"}
    server.add_project("blue")
    kept = [
        server.add_image(factory.small(1), properties=product),
        server.add_image(factory.small(1), project="blue", properties=product),
    ]
    gone = server.add_image(factory.small(0), project="blue", properties=product)
    plan = lxdimg.plan.prune(client.images.df(all_projects=True), **PRUNE)

    receipts = plan.apply(client, confirm=True)

    assert states(receipts) == {gone: "done"}
    assert there(server) == kept[:1]
    assert [str(u).rsplit("/", 1)[-1].split("?")[0] for u in server.get("images?project=blue")] == kept[1:]


def test_images_are_copied_where_they_are_missing(start: Callable[[], RunningServer]) -> None:
    one, two = start(), start()
    common, missing = fill(one, 2)
    assert two.add_image(factory.small(1)) == common
    _alias(one, missing)
    with lxdimg.connect(one.url) as first, lxdimg.connect(two.url) as second:
        df = Fleet({"one": first, "two": second}).df()

        plan = lxdimg.plan.copy(df, to=["two"], copy_aliases=True)

        assert [(s.fingerprint, s.server, s.source) for s in plan.actions] == [(missing, "two", "one")]
        with pytest.raises(InvalidRequestError, match="2 servers; give a client for each"):
            plan.apply(first, confirm=True)
        with pytest.raises(InvalidRequestError, match="give a client for it"):
            plan.apply({"one": first}, confirm=True)
        with pytest.raises(InvalidRequestError, match="made for"):
            plan.apply({"one": second, "two": first}, confirm=True)
        receipts = plan.apply({"one": first, "two": second}, confirm=True)
        again = plan.apply({"one": first, "two": second}, confirm=True)

    assert states(receipts) == {missing: "done"}, receipts
    assert there(two) == sorted([common, missing])
    assert two.get("images/aliases/web")["target"] == missing
    assert detail(again, missing) == "already there"


def test_a_fleets_plan_is_applied_by_the_fleet(start: Callable[[], RunningServer]) -> None:
    here, there_too, dying = start(), start(), start()
    kept = [fill(server, 2)[0] for server in (here, there_too, dying)]
    with lxdimg.connect(here.url) as client:
        fleet = Fleet({"a": client, "b": there_too.url, "c": lambda: lxdimg.connect(dying.url)})
        plan = lxdimg.plan.prune(fleet.df(), **PRUNE)
        dying.stop()

        receipts = plan.apply(fleet, confirm=True)

        assert receipts[["server", "state"]].to_numpy().tolist() == [["a", "done"], ["b", "done"], ["c", "not tried"]]
        assert "not reachable" in receipts["detail"].iloc[2]
        assert [there(server) for server in (here, there_too)] == [kept[:1], kept[1:2]]
        assert client.images.all()
        with pytest.raises(InvalidRequestError, match="the fleet has no server 'a'"):
            plan.apply(Fleet({"other": client}), confirm=True)
        with pytest.raises(InvalidRequestError, match=r"was made for .* nothing was changed"):
            plan.apply(Fleet({"a": there_too.url, "b": client, "c": client}), confirm=True)


def test_copying_to_a_server_that_is_not_there_is_refused(start: Callable[[], RunningServer]) -> None:
    server = start()
    df = Fleet({"one": server.url, "dead": "unix:///nowhere.socket"}).df()

    for target, says in (("nope", "no server 'nope'"), ("dead", "did not answer")):
        with pytest.raises(InvalidRequestError, match=says):
            lxdimg.plan.copy(df, to=target)


def test_an_instance_is_published(server: RunningServer, client: Client) -> None:
    (base,) = fill(server, 1)
    server.add_instance("c1", base)
    df = client.images.df()
    plan = lxdimg.plan.publish(df, {"c1": "golden"}, properties={"os": "Mine"})

    receipts = plan.apply(client, confirm=True)

    assert receipts["state"].tolist() == ["done"], receipts["detail"].tolist()
    made = server.get("images/aliases/golden")["target"]
    assert made in receipts["detail"].iloc[0]
    assert server.get(f"images/{made}")["properties"]["os"] == "Mine"
    again = plan.apply(client, confirm=True)
    assert again["detail"].tolist() == ["the alias golden was taken meanwhile"]
