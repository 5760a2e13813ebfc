"""A plan over the members of one cluster, or one server under two names, changes each image once and says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

import lxdimg_nb
from lxdimg_nb import Fleet, plan
from lxdimg_nb.inventory import InventoryFrame
from lxdimg_nb.inventory.plans import planning
from lxdimg_nb.inventory.plans.plan import Plan
from lxdimg_nb.inventory.plans.step import KEEP, PlannedServer, Step, planned_once
from tests.kit import factory
from tests.kit.servers import RunningServer

SAME = "the same image as on one, one cluster or one server under two names"
ALL = {"older_than": "0s", "grace": "0s", "keep": ["used"]}


@pytest.fixture
def fleet(server: RunningServer) -> Iterator[Fleet]:
    """A server under two names, with two images: all members of a cluster show one certificate, too."""
    for seed in range(2):
        server.add_image(factory.small(seed))
    with lxdimg_nb.connect(server.url) as client:
        yield Fleet({"one": client, "two": client})


def kept(made: Plan) -> list[str]:
    return [step.protection for step in made.steps if step.action == KEEP]


def test_each_image_is_deleted_once_and_nothing_is_skipped(server: RunningServer, fleet: Fleet) -> None:
    made = plan.prune(fleet.df(used_by=True), **ALL)  # type: ignore[arg-type]

    receipts = made.apply(fleet, confirm=True)

    assert (len(made), len(made.steps)) == (2, 4)
    assert kept(made) == [SAME] * 2
    assert SAME in made._repr_html_()
    assert "2 images to delete" in made.summary
    assert list(receipts.state) == ["done", "done"]
    assert server.get("images") == []


@pytest.mark.parametrize("server", ["demo"], indirect=True)
def test_each_image_is_set_and_pointed_at_once(server: RunningServer, fleet: Fleet) -> None:
    df = fleet.df()

    changed = plan.set(df, properties={"seen": "yes"})
    pointed = plan.alias(df, "new", to="os=ubuntu")
    states = [set(made.apply(fleet, confirm=True).state) for made in (changed, pointed)]

    assert [len(changed), len(pointed)] == [2, 1]
    assert (kept(changed), kept(pointed)) == ([SAME] * 2, [SAME])
    assert states == [{"done"}, {"done"}]
    assert {one["properties"]["seen"] for one in server.get("images?recursion=1")} == {"yes"}


@pytest.mark.parametrize("server", ["demo"], indirect=True)
def test_what_is_left_out_by_hand_goes_through_no_other_member(fleet: Fleet) -> None:
    made = plan.prune(fleet.df(used_by=True), **ALL)  # type: ignore[arg-type]
    name = made.actions[0].fingerprint

    rest = made.without(name)

    assert [step.fingerprint for step in rest.actions] == [made.actions[1].fingerprint]


SERVERS = {"one": PlannedServer("u1", "c" * 64), "two": PlannedServer("u2", "c" * 64), "far": PlannedServer("u3", "d")}
STEP = Step("one", "default", "f" * 64, "delete", reason="old")


def test_what_one_member_keeps_no_other_deletes() -> None:
    other = replace(STEP, server="two", action=KEEP, protection="used by web")

    made = planned_once([STEP, other, replace(STEP, server="far")], SERVERS)

    assert [step.action for step in made] == [KEEP, KEEP, "delete"]
    assert made[0].protection.endswith("as on two, one cluster or one server under two names: used by web")


def test_a_cluster_gets_one_copy() -> None:
    copy = replace(STEP, action="copy", source="far")

    assert [s.action for s in planned_once([copy, replace(copy, server="two")], SERVERS)] == ["copy", KEEP]
    there = replace(copy, action=KEEP, protection="already there")
    assert [s.action for s in planned_once([there, replace(copy, server="two")], SERVERS)] == [KEEP, KEEP]


def test_other_projects_images_and_servers_are_others() -> None:
    others = [replace(STEP, project="p"), replace(STEP, fingerprint="e" * 64), replace(STEP, server="far"), STEP]

    assert [step.action for step in planned_once(others, SERVERS)] == ["delete"] * 4
    unknown = {name: PlannedServer(name) for name in SERVERS}
    assert [s.action for s in planned_once([STEP, replace(STEP, server="two")], unknown)] == ["delete"] * 2


@pytest.mark.parametrize("server", ["demo"], indirect=True)
def test_an_image_that_is_planned_twice_would_be_noticed(
    server: RunningServer, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "planned_once", lambda steps, _: tuple(steps))
    df: InventoryFrame = fleet.df(used_by=True)

    receipts = plan.prune(df, **ALL).apply(fleet, confirm=True)  # type: ignore[arg-type]

    assert sorted(receipts.state) == ["done", "done", "skipped", "skipped"]
