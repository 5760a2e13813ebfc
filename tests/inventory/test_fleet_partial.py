"""What a fleet knows only in part: nothing is concluded from what a server did not say."""

from __future__ import annotations

from pathlib import Path

import pytest

import lxdimg_nb as lxdimg
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory import Fleet, History, InventoryFrame, diff
from lxdimg_nb.text import formats
from tests.kit import factory
from tests.kit.canaries import leaks
from tests.kit.inventories import Canned, fingerprint, image
from tests.kit.servers import RunningServer
from tests.kit.sockets import free_port


def half_of_b(*images: int) -> InventoryFrame:
    """Servers a and b have images 0 and 1; of b only these were heard."""
    b = Canned(*map(image, images), missing=2 - len(images))
    return Fleet({"a": Canned(image(0, names=["web"]), image(1)), "b": b}).df()


def test_images_of_a_stranger_are_not_called_unused(demo: RunningServer) -> None:
    used, idle = (demo.add_image(factory.small(i)) for i in (0, 1))
    demo.add_instance("c1", used)
    stranger = Canned(image(0, public=True), trusted=False)

    with lxdimg.connect(demo.url) as client:
        df = Fleet({"mine": client, "theirs": stranger}).df(used_by=True)

    assert dict(zip(df.index.get_level_values("fingerprint"), df["used_by"], strict=True)) == {
        used: ["default/c1"],
        idle: [],
        fingerprint(0): None,
    }
    assert df.lxdimg.unused().index.get_level_values("fingerprint").tolist() == [idle]
    plan = lxdimg.plan.prune(df, older_than="0s", keep=["used"], grace="0s")
    (step,) = [step for step in plan.steps if step.server == "theirs"]
    assert "whether it is used is read when it is applied" in step.reason
    assert "used by" in repr(df.lxdimg.explain(fingerprint(0)))
    with pytest.raises(InvalidRequestError, match="does not know who uses"):
        df.loc[["theirs"]].lxdimg.unused()


def test_a_server_that_does_not_tell_who_uses_what_still_gives_its_images(demo: RunningServer) -> None:
    made = demo.add_image(factory.small(0))
    demo.demo.faults.add(path="/1.0/instances", status=500)

    with lxdimg.connect(demo.url) as client:
        fleet = Fleet({"a": client})
        df = fleet.df(used_by=True)

    assert df.index.get_level_values("fingerprint").tolist() == [made]
    assert df["used_by"].tolist() == [None]
    assert fleet.status().loc["a", "state"] == "partial"
    assert "who uses the images is not known" in fleet.status().loc["a", "error"]
    assert df.attrs["partial"] == []


def test_what_is_not_known_of_users_survives_a_history(tmp_path: Path, demo: RunningServer) -> None:
    demo.add_image(factory.small(0))
    with lxdimg.connect(demo.url) as client:
        df = Fleet({"mine": client, "theirs": Canned(image(0, public=True), trusted=False)}).df(used_by=True)
    history = History(tmp_path)

    history.record(df)

    assert history.at()["used_by"].tolist() == [[], None]
    assert len(history.at().lxdimg.unused()) == 1


def test_a_filter_with_a_typo_is_one_error_also_in_a_fleet() -> None:
    fleet = Fleet({"a": Canned(image(0)), "b": Canned(image(1, properties={"Team": "x"}))})

    for wrong, says in (("relase=bookworm", "mean 'release'"), ("sizze>1", "mean 'size'"), ("taem=x", "field 'taem'")):
        with pytest.raises(InvalidRequestError, match=says):
            fleet.df(filter=wrong)

    assert len(fleet.df(filter="team=x")) == 1
    assert len(fleet.df(filter="os=debian")) == 1
    assert len(fleet.df(filter="team!=x")) == 1
    assert len(Fleet({"gone": "unix:///nowhere.socket"}).df(filter="anything=goes")) == 0


def test_images_that_were_not_heard_of_are_neither_gone_nor_new() -> None:
    whole, half = half_of_b(0, 1), half_of_b(1)

    assert half.attrs["partial"] == ["b"]
    assert diff(whole, half).empty
    assert diff(half, whole).empty
    edited = Fleet({"a": Canned(), "b": Canned(image(1, size=7), missing=1)}).df()
    assert diff(whole, edited)["change"].tolist() == ["removed", "alias removed", "removed", "changed"]


def test_a_server_that_did_not_answer_before_has_nothing_new() -> None:
    before = Fleet({"a": Canned(image(0)), "b": "unix:///nowhere.socket"}).df()
    after = Fleet({"a": Canned(image(0), image(2)), "b": Canned(image(1))}).df()

    assert diff(before, after)[["server", "change"]].to_numpy().tolist() == [["a", "added"]]


def test_a_history_keeps_no_half_answer(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.record(half_of_b(0, 1))

    record = history.record(half_of_b(1))

    assert record.scopes == (("a", "default"),)
    assert record.images == 2
    assert len(history.at()) == 4
    assert history.diff().empty
    assert history.timeline()[["added", "removed"]].to_numpy().tolist() == [[0, 0], [0, 0]]
    assert history.record(Fleet({"b": Canned(missing=1)}).df()).images == 0
    assert len(history.at()) == 4


@pytest.mark.slow
def test_a_name_is_followed_past_a_day_on_which_another_server_was_silent(tmp_path: Path) -> None:
    history = History(tmp_path)
    for b in (Canned(), "unix:///nowhere.socket", Canned(image(2, names=["web"])), "unix:///nowhere.socket"):
        history.record(Fleet({"a": Canned(image(0, names=["web"])), "b": b}).df())
    history.record(Fleet({"a": Canned(image(1, names=["web"])), "b": Canned(image(2, names=["web"]))}).df())

    seen = history.timeline("web")[["server", "change"]].to_numpy().tolist()

    assert seen == [["a", "alias added"], ["b", "alias added"], ["a", "alias moved"]]
    assert history.timeline()["added"].tolist() == [0, 0, 1, 0, 1]


def test_drift_does_not_call_missing_what_was_not_heard_of() -> None:
    df = half_of_b(1)

    assert df.lxdimg.drift(by="image")["state"].tolist() == ["same", "same"]
    assert df.lxdimg.drift()["state"].tolist() == ["same"]
    assert set(half_of_b(0, 1).lxdimg.drift()["state"]) == {"missing"}


def test_one_server_is_a_fleet_and_nonsense_is_told() -> None:
    assert Fleet("staging").names == ["staging"]
    assert Fleet(Canned()).names == ["https://canned"]
    for wrong in (None, 5):
        with pytest.raises(InvalidRequestError, match="made of clients, remotes or addresses"):
            Fleet(wrong)  # type: ignore[arg-type]


def test_a_fleet_shows_who_it_is_and_who_answered() -> None:
    fleet = Fleet({"a": Canned(image(1)), "<b>": Canned(missing=1)})

    asked_nobody = fleet._repr_html_()
    fleet.df()

    assert "not asked yet" in asked_nobody
    assert "&lt;b&gt;" in asked_nobody
    assert "partial" in fleet._repr_html_()
    assert "<b>" not in fleet._repr_html_()


def test_members_of_one_cluster_are_counted_once(demo: RunningServer) -> None:
    """All of them show the certificate of the cluster, as here the one server does under three names."""
    for seed in range(2):
        demo.add_image(factory.small(seed), ["web"] if seed else ())
    other = Canned(image(7, size=1000))

    with lxdimg.connect(demo.url) as client:
        fleet = Fleet({"c1": client, "c2": client, "c3": client, "elsewhere": other})
        df = fleet.df()

    stored = sum(len(factory.small(seed)) for seed in range(2))
    assert len(df) == 7
    assert df.lxdimg.summary().attrs["bytes"] == stored + 1000
    assert f"{formats.size(stored + 1000)} · 4 of 4 servers" in df._repr_html_()
    assert "c1, c2, c3 have the same images, counted once" in df._repr_html_()
    assert df.lxdimg.duplicates(per=["alias"]).empty
    assert set(fleet.drift(by="image").loc[df.loc["c1"].index[0][1], ["c1", "c2", "c3"]]) == {True}
    plan = lxdimg.plan.prune(df.loc[["c1", "c2"]], older_than="0s", grace="0s", keep=["used"])
    assert (len(plan), plan.bytes) == (2, stored)
    notes = fleet.status()["error"].to_dict()
    assert notes["c1"] == notes["elsewhere"] == ""
    assert notes["c2"] == notes["c3"] == "the same images as c1: one cluster, or one server under two names"


def test_servers_whose_certificate_is_not_known_are_not_taken_for_one() -> None:
    df = Fleet({"a": Canned(image(0)), "b": Canned(image(0))}).df()

    assert "counted once" not in df._repr_html_()
    assert len(df.lxdimg.duplicates()) == 2


@pytest.mark.parametrize("how", ["list", "mapping"])
def test_a_password_in_an_address_is_in_no_name_frame_status_or_error(how: str) -> None:
    address = f"simplestreams+https://me:canary@127.0.0.1:{free_port()}/images"
    fleet = Fleet([address] if how == "list" else {address: address})

    shown = [fleet.names, fleet, fleet._repr_html_(), fleet.df().attrs, fleet.status().to_string(), fleet._repr_html_()]
    with pytest.raises(InvalidRequestError) as unknown, fleet.connected(["nobody"]):
        pass
    with fleet.connected(fleet.names) as (_, lost):
        shown.append(lost)

    assert fleet.names == [address.replace("me:canary@", "")]
    assert leaks(unknown.value, ["canary"], own=__file__) == []
    assert [one for one in map(repr, shown) if "canary" in one] == []
    # It is still sent where it belongs.
    assert "canary" in str(fleet._servers[fleet.names[0]])
