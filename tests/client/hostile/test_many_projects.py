"""A server that lists 100,000 projects: few requests, bounded memory, and one clear message where there is a limit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client, Fleet
from lxdimg_nb.client.verbs.read import listing, projects, used_by
from lxdimg_nb.client.verbs.read.used_by import users_of_images
from lxdimg_nb.errors import IncompleteListError, MissingExtensionError, NotAllowedError
from lxdimg_nb.filters import closest_match
from tests.kit.counts import count, long_run
from tests.kit.hostile_server import INFO, HostileServer, envelope, http_reply, survives
from tests.kit.inventories import fingerprint, image

MANY = 100_000 if long_run() else 2_000
KIND = "100,000 projects"
REFUSED = http_reply(json.dumps({"type": "error", "error": "not authorized", "error_code": 403}).encode(), 403)


def project(i: int, *kept: str, **fields: Any) -> dict[str, Any]:
    """A project as it is listed, with the URLs of what is in it."""
    return {"name": f"p{i:06}", "description": "", "config": {}, "used_by": list(kept)} | fields


def url_of(i: int, name: str = "p000007") -> str:
    return f"/1.0/images/{fingerprint(i)}?project={name}"


@pytest.fixture
def crowded() -> Iterator[HostileServer]:
    """A server with that many projects, one of which has two images."""
    entries = [project(i, *([url_of(1), url_of(2)] if i == 7 else [])) for i in range(MANY)]
    with HostileServer(image(1, project="p000007"), image(2, project="p000007")) as server:
        server.answers = {r"GET /1.0/projects\?": http_reply(envelope(entries))}
        yield server


@pytest.fixture
def client(crowded: HostileServer) -> Iterator[Client]:
    with lxdimg_nb.connect(crowded.url) as connected:
        crowded.asked.clear()
        yield connected


def test_their_names_are_one_request(crowded: HostileServer, client: Client) -> None:
    found: list[str] = []

    assert survives(KIND, lambda: found.extend(client.projects())) is None
    assert len(found) == MANY
    assert len(crowded.asked) == 1


def test_a_listing_that_may_be_short_is_compared_without_asking_each(
    crowded: HostileServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SUSPECT_COUNT", 1)
    crowded.answers |= {r"GET /1.0/images\?": http_reply(envelope([crowded.images[fingerprint(1)]]))}
    frames: list[Any] = []

    assert survives(KIND, lambda: frames.append(client.images.df(all_projects=True))) is None
    assert list(frames[0].index) == sorted(("p000007", fingerprint(i)) for i in (1, 2))
    # The list, the projects, and the image that was left out.
    assert len(crowded.asked) == 3


@pytest.mark.parametrize("polite", [True, False])
def test_projects_without_images_are_not_asked_one_by_one(crowded: HostileServer, polite: bool) -> None:
    crowded.answers |= {r"GET /1.0(\?|$)": http_reply(envelope(INFO | {"api_extensions": ["projects"]}))}
    with lxdimg_nb.connect(crowded.url) as client:
        crowded.asked.clear()
        found: list[Any] = []

        assert survives(KIND, lambda: found.extend(client.images.all(all_projects=True, polite=polite))) is None
    assert sorted(one.fingerprint for one in found) == sorted(crowded.images)
    assert len(crowded.asked) <= 3


def test_a_fleet_reads_them_as_quickly(crowded: HostileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SUSPECT_COUNT", 1)

    df = Fleet({"crowd": crowded.url}).df(all_projects=True)

    assert len(df) == 2
    assert len(crowded.asked) <= 5
    count(KIND, inputs=1)


def test_what_has_to_be_asked_one_by_one_has_a_limit_that_is_told(
    crowded: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SUSPECT_COUNT", 1)
    monkeypatch.setattr(listing, "MAX_PROJECTS", min(MANY - 1, listing.MAX_PROJECTS))
    silent = [project(i, used_by=None) for i in range(MANY)]
    crowded.answers = {r"GET /1.0/projects\?": http_reply(envelope(silent))}
    with lxdimg_nb.connect(crowded.url) as client:
        error = survives(KIND, lambda: client.images.all(all_projects=True))

    assert isinstance(error, IncompleteListError)
    assert len(error.images) == 2
    assert f"{MANY:,} projects" in error.message
    crowded.answers |= {r"GET /1.0(\?|$)": http_reply(envelope(INFO | {"api_extensions": ["projects"]}))}
    with lxdimg_nb.connect(crowded.url) as client:
        error = survives(KIND, lambda: client.images.all(all_projects=True))

    assert isinstance(error, MissingExtensionError)
    assert "in_project(name)" in error.message
    assert len(crowded.asked) < 10


def test_who_uses_the_images_is_asked_where_there_are_instances(
    crowded: HostileServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(used_by, "MAX_PROJECTS", min(MANY - 1, used_by.MAX_PROJECTS))
    entries = [project(i, *(["/1.0/instances/c1?project=p000003"] if i == 3 else [])) for i in range(MANY)]
    crowded.answers |= {
        r"GET /1.0/projects\?": http_reply(envelope(entries)),
        r"GET /1.0/instances\?.*all-projects": REFUSED,
    }

    assert survives(KIND, lambda: users_of_images(client.server_project)) is None
    assert len(crowded.asked) == 3
    crowded.answers |= {r"GET /1.0/projects\?": http_reply(envelope([project(i, used_by=None) for i in range(MANY)]))}
    crowded.asked.clear()
    assert isinstance(survives(KIND, lambda: users_of_images(client.server_project)), NotAllowedError)
    assert len(crowded.asked) == 2


def test_an_image_is_explained_with_as_few(crowded: HostileServer, client: Client) -> None:
    home = client.in_project("p000007")

    found = lxdimg_nb.inventory.explain(home.images.get(fingerprint(1)), home)

    assert "never by itself" in str(found)
    assert len(crowded.asked) < 10


def test_a_near_miss_among_them_is_found_among_the_likely_ones() -> None:
    names = [f"project-{i}" for i in range(MANY)]

    assert closest_match("projct-99", names) == "project-99"
    assert closest_match("entirely else", names) == ""


def test_a_request_for_each_project_would_be_noticed(
    crowded: HostileServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SUSPECT_COUNT", 1)
    silent = [projects.ListedProject(f"p{i:06}", False, None) for i in range(50)]
    monkeypatch.setattr(listing, "holding_images", lambda _: silent)

    client.images.all(all_projects=True)

    assert len(crowded.asked) > 50
