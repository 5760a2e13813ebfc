"""Questions that need a server: who uses an image, what its own rules will do to it."""

from __future__ import annotations

from pathlib import Path

import pytest

import lxdimg_nb as lxdimg
from lxdimg_nb.client import Client
from lxdimg_nb.inventory import History, explain
from tests.kit import factory
from tests.kit.inventories import image, inventory
from tests.kit.servers import RunningServer


def test_an_image_explains_itself(server: RunningServer, client: Client) -> None:
    fingerprint = server.add_image(factory.small(1), aliases=["web"])
    server.add_instance("c1", fingerprint)

    answers = explain(client.images.get("web"), client).answers

    assert answers["used by"] == "default/c1"
    assert "would vanish: web" in answers["deleting it breaks"]
    assert "1 user" in answers["deleting it breaks"]
    assert "storage pools may keep their copies" in answers["deleting it frees"]
    assert "only prunes images that it cached itself" in answers["when it goes"]


def test_an_image_knows_that_other_projects_hold_it(server: RunningServer, client: Client) -> None:
    server.add_project("blue")
    fingerprint = server.add_image(factory.small(1))
    assert server.add_image(factory.small(1), project="blue") == fingerprint

    answers = explain(client.images.get(fingerprint), client).answers

    assert "1 other project (blue)" in answers["deleting it frees"]


@pytest.mark.parametrize(("days", "says"), [("3", "expiry is 3 (days)"), ("0", ""), ("", "is not set, so 10 (days)")])
def test_the_servers_own_setting_decides_when_it_prunes(server: RunningServer, days: str, says: str) -> None:
    try:
        changed = server.raw("PATCH", "/1.0", json={"config": {"images.remote_cache_expiry": days}})
        assert changed.status == 200
        with lxdimg.connect(server.url) as client:
            goes = inventory(image(0, cached=True)).lxdimg.will_be_pruned(client)
    finally:
        server.raw("PATCH", "/1.0", json={"config": {"images.remote_cache_expiry": ""}})

    assert len(goes) == (1 if says else 0)
    assert all(reason.endswith(says) for reason in goes["reason"])


def test_a_projects_own_setting_beats_the_servers(server: RunningServer) -> None:
    blue = {"name": "blue", "config": {"images.remote_cache_expiry": "30"}}
    assert server.raw("POST", "/1.0/projects", json=blue).status == 201
    assert server.raw("PATCH", "/1.0", json={"config": {"images.remote_cache_expiry": "3"}}).status == 200
    try:
        with lxdimg.connect(server.url, project="blue") as client:
            goes = inventory(image(0, cached=True), project="blue").lxdimg.will_be_pruned(client)
    finally:
        server.raw("PATCH", "/1.0", json={"config": {"images.remote_cache_expiry": ""}})

    assert goes["reason"].iloc[0].endswith("expiry is 30 (days)")


def test_each_project_of_a_frame_is_pruned_by_its_own_setting(server: RunningServer) -> None:
    blue = {"name": "blue", "config": {"images.remote_cache_expiry": "30"}}
    assert server.raw("POST", "/1.0/projects", json=blue).status == 201
    df = inventory(image(0, cached=True), image(0, cached=True, project="blue"), all_projects=True)

    with lxdimg.connect(server.url) as client:
        goes = df.lxdimg.will_be_pruned(client)

    assert [reason.rpartition("; ")[2] for reason in goes["reason"]] == [
        "images.remote_cache_expiry is not set, so 10 (days)",
        "images.remote_cache_expiry is 30 (days)",
    ]
    assert goes.index.get_level_values("project").tolist() == ["default", "blue"]


def test_a_frame_of_a_server_says_whose_it_is_and_goes_into_a_history(
    server: RunningServer, client: Client, tmp_path: Path
) -> None:
    server.add_image(factory.small(1), aliases=["web"])
    history = History(tmp_path)
    history.record(client.images.df())
    second = server.add_image(factory.small(2))
    history.record(client.images.df(used_by=True))

    changes = history.diff()

    assert changes["change"].tolist() == ["added"]
    assert changes["fingerprint"].tolist() == [second]
    assert client.images.df().attrs["identity"] == client.info.certificate_fingerprint != ""
    assert client.images.df().attrs["product"] == client.info.product
    with pytest.raises(lxdimg.errors.LxdImageError, match="part of an inventory"):
        history.record(client.images.df(filter="alias=web"))
