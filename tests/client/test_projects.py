"""Projects: with images of their own, with those of `default`, and seen by somebody who may see no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb import Client, errors
from lxdimg_nb.client.verbs.read import listing
from tests.kit import certificates, factory
from tests.kit.proxy import Proxy
from tests.kit.servers import RunningServer


@pytest.fixture
def shared(server: RunningServer, client: Client) -> Client:
    """In a project that shows the images of default, of which there is one."""
    server.add_project("shared", features_images=False)
    server.add_image(factory.small(1), aliases=["web"])
    return client.in_project("shared")


def test_a_project_without_images_of_its_own_works_on_those_of_default(server: RunningServer, shared: Client) -> None:
    image = shared.images.get("web")
    image.public = True
    image.update()
    made = shared.images.create(factory.small(2), wait=True, aliases="db")

    assert shared.project == "shared"
    assert image.project == made.project == "default"
    assert server.get(f"images/{image.fingerprint}")["public"] is True
    assert server.get("images/aliases/db")["target"] == made.fingerprint
    assert set(shared.images.df().index) == {image.fingerprint, made.fingerprint}


def test_there_a_polite_listing_is_complete_as_well(shared: Client) -> None:
    assert shared.images.all(polite=True) == shared.images.all() != []


def test_there_a_live_inventory_hears_of_what_others_do(server: RunningServer, shared: Client) -> None:
    with shared.images.live() as live:
        fingerprint = server.add_image(factory.small(2), aliases=["late"])

        assert live.wait_until(lambda rows: any(a.name == "late" for r in rows for a in r.aliases))
        assert live.state == "live"
    assert fingerprint in {r.fingerprint for r in live.records()}


def test_an_instance_there_is_published_to_where_the_images_are(server: RunningServer, shared: Client) -> None:
    server.add_instance("box", shared.images.get("web").fingerprint, project="shared")

    made = shared.images.publish("box", aliases="packed")

    assert server.get("images/aliases/packed")["target"] == made.fingerprint
    assert shared.images.get("web").used_by() == ["shared/box"]


def test_a_plan_of_such_a_project_can_be_applied(server: RunningServer, shared: Client) -> None:
    plan = lxdimg_nb.plan.set(shared.images.df(), public=True)

    plan.apply(shared, confirm=True)

    assert all(image["public"] for image in server.get("images?recursion=1"))


@pytest.fixture(params=[True, False], ids=["own images", "images of default"])
def narrow(request: pytest.FixtureRequest, server: RunningServer, tmp_path: Path) -> Iterator[Client]:
    """A client with a certificate for one project."""
    server.add_image(factory.small(1))
    server.add_project("mine", features_images=request.param)
    server.add_image(factory.small(2), aliases=["web"], project="mine")
    url = server.listen()
    pair = certificates.restricted(server, tmp_path, "mine")
    with lxdimg_nb.connect(url, cert=pair, server_cert=certificates.of_server(url), project="mine") as client:
        yield client


def test_a_certificate_for_one_project_reads_it_whole(narrow: Client) -> None:
    images = narrow.images.all()
    image = narrow.images.get("web")

    assert image in images
    assert {i.project for i in images} == {"mine"}
    assert image.fingerprint in {i.fingerprint for i in narrow.images.all(all_projects=True)}
    assert image.export() == factory.small(2)
    assert image.used_by() == []
    assert image.reload().project == "mine"


def test_a_certificate_for_one_project_changes_what_the_server_lets_it(server: RunningServer, narrow: Client) -> None:
    image = narrow.images.get("web")
    image.auto_update = True
    try:
        image.update()
    except errors.NotAllowedError:
        # Incus lets nobody write to the images of a project that the certificate is not for.
        assert server.product == "incus"
        assert narrow.server_project.shared
        return

    assert server.get(f"images/{image.fingerprint}?project=mine")["auto_update"] is True
    narrow.images.create(factory.small(3), wait=True, aliases="more").delete()


def test_a_certificate_for_one_project_is_kept_current_or_says_that_it_asks(
    server: RunningServer, narrow: Client
) -> None:
    with narrow.images.live() as live:
        assert live.state == ("polling" if narrow.server_project.shared else "live")
        if live.state == "live":
            server.add_image(factory.small(4), aliases=["late"], project="mine")

            assert live.wait_until(lambda rows: any(a.name == "late" for r in rows for a in r.aliases))


def test_another_project_is_said_to_be_unknown_or_forbidden(server: RunningServer, narrow: Client) -> None:
    server.add_project("theirs")

    for name in ("theirs", "nowhere"):
        with pytest.raises(errors.ApiError, match=f"no project '{name}' on .*, or not for this connection"):
            narrow.in_project(name)


@pytest.mark.parametrize("polite", [True, False])
def test_what_each_project_holds_is_one_request_for_all(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, polite: bool
) -> None:
    """Whatever the number of projects: those without images are not asked, and the others only for what is missing."""
    monkeypatch.setattr(listing, "SUSPECT_COUNT", 1)
    for i in range(6):
        server.add_project(f"empty{i}")
    server.add_project("shared", features_images=False)
    server.add_project("full")
    added = {server.add_image(factory.small(1)): "default", server.add_image(factory.small(2), project="full"): "full"}
    with Proxy(server.socket, server.folder) as proxy, lxdimg_nb.connect(proxy.url) as client:
        proxy.forget()
        found = client.images.all(all_projects=True, polite=polite)

        assert {one.fingerprint: one.project for one in found} == added
        assert proxy.count("GET", r"^/1\.0/projects\?") == 1
        assert proxy.count("GET", r"empty|shared") == 0
