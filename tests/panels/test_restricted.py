"""Panels of a user whose certificate is for one project: it works there, and says clearly what it may not do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client, Fleet
from lxdimg_nb.client import live
from tests.kit import certificates, factory
from tests.kit.frontend import FrontEnd, browser, opened, panels
from tests.kit.servers import RunningServer

__all__ = ["panels"]

pytestmark = pytest.mark.slow
MINE, OPEN = factory.fingerprint(factory.small(1)), factory.fingerprint(factory.small(3))


@pytest.fixture
def connected(server: RunningServer, tmp_path: Path) -> Iterator[Callable[[str], Client]]:
    """Connects to a project of the server with a certificate that is for the project mine alone."""
    for name in ("mine", "theirs"):
        server.add_project(name)
    server.add_image(factory.small(1), ["web"], project="mine")
    server.add_image(factory.small(2), ["secret"], project="theirs")
    server.add_image(factory.small(3), ["open"], public=True)
    url, clients = server.listen(), []
    pair = certificates.restricted(server, tmp_path / "pair", "mine")

    def connect(project: str) -> Client:
        clients.append(lxdimg_nb.connect(url, cert=pair, server_cert=certificates.of_server(url), project=project))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def test_the_own_project_is_shown_and_changed(
    server: RunningServer, connected: Callable[[str], Client], panels: Callable[[Any], None]
) -> None:
    view = browser(connected("mine"), panels)
    key = f"mine/{MINE}"

    assert [row["key"] for row in view.parts["list"]["rows"]] == [key]
    assert view.sees(lambda p: p["projects"] == ["mine"])
    assert view.sees(lambda p: p["header"]["live"] == "live")
    view.say("open", key=key)
    assert view.sees(lambda p: p["detail"]["fingerprint"] == MINE)
    # The settings are hidden from it, and the address is said all the same.
    assert "The server answers at https://127.0.0.1" in view.parts["detail"]["public"]["danger"]
    view.say("edit", key=key, field="properties", name="note", before="", value="mine")
    assert view.sees(lambda p: p["detail"]["result"]["good"])
    view.say("explain", key=key)
    assert view.sees(lambda p: p["explained"]["state"] == "ready")
    assert server.get(f"images/{MINE}?project=mine")["properties"]["note"] == "mine"
    late = server.add_image(factory.small(4), project="mine")
    assert view.sees(lambda p: f"mine/{late}" in {row["key"] for row in p["list"]["rows"]})


def test_default_is_shown_as_far_as_it_is_public_and_changes_nothing(
    server: RunningServer, connected: Callable[[str], Client], panels: Callable[[Any], None]
) -> None:
    view = browser(connected("default"), panels)

    assert [row["key"] for row in view.parts["list"]["rows"]] == [f"default/{OPEN}"]
    opened(view, OPEN)
    for kind, content in (
        ("set", {"field": "public", "value": False}),
        ("edit", {"field": "properties", "name": "note", "before": "", "value": "mine"}),
        ("add-alias", {"name": "more"}),
        ("delete", {"confirmed": True}),
    ):
        view.say("dismiss-result", key=f"default/{OPEN}")
        view.say(kind, key=f"default/{OPEN}", **content)
        assert view.sees(lambda p: p["detail"]["result"]["text"].startswith("The server does not allow that: ")), kind
    image = server.get(f"images/{OPEN}")
    assert (image["public"], [a["name"] for a in image["aliases"]]) == (True, ["open"])
    assert "note" not in image["properties"]


def test_a_fleet_shows_what_may_be_seen_and_nothing_of_other_projects(
    server: RunningServer, connected: Callable[[str], Client], panels: Callable[[Any], None]
) -> None:
    fleet = Fleet({"here": connected("mine")})
    panel = fleet.panel()
    panels(panel)
    view = FrontEnd(panel).begin()
    df, everything = fleet.df(used_by=True), fleet.df(all_projects=True)

    assert f"here/mine/{MINE}" in {row["key"] for row in view.parts["list"]["rows"]}
    hidden = factory.fingerprint(factory.small(2))
    assert hidden not in str(view.parts) + df.to_csv() + everything.to_csv()
    assert list(df.index.get_level_values("fingerprint")) == [MINE]


def test_an_image_that_is_another_projects_is_read_again(
    server: RunningServer, panels: Callable[[Any], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events are not for this user; the panel once said that it was live and never showed a change."""
    monkeypatch.setattr(live, "POLL_SECONDS", 0.05)
    server.add_project("shared", features_images=False)
    fingerprint = server.add_image(factory.small(1), ["web"])
    url = server.listen()
    pair = certificates.restricted(server, tmp_path / "pair", "shared")
    known = {"cert": pair, "server_cert": certificates.of_server(url)}
    with lxdimg_nb.connect(url, project="shared", **known) as client:
        panel = client.images.get("web").panel()
        panels(panel)
        view = FrontEnd(panel).begin()

        assert view.sees(lambda p: p["header"]["live"] == "polling")
        server.raw("PATCH", f"/1.0/images/{fingerprint}", json={"properties": {"note": "new"}})
        assert view.sees(lambda p: "new" in {one["value"] for one in p["detail"]["properties"]})
