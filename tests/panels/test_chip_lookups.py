"""Chips whose answer is looked up: images that nobody uses, and images with a newer build."""

from __future__ import annotations

import pytest

import lxdimg_nb
from tests.kit import factory, streams
from tests.kit.frontend import FrontEnd, browser, opened, panels

__all__ = ["panels"]


@pytest.fixture
def site(tmp_path):
    with streams.serving(tmp_path / "site") as served:
        yield served


def catalogue(server, site):
    """A catalogue of the server's own kind, with one build; returns how to publish a newer one."""
    return streams.noble(site, metadata="incus.tar.xz" if server.product == "incus" else "lxd.tar.xz")


def choose(view, *chips):
    view.say("chips", chips=list(chips))


def lookup(parts, chip):
    return {a["name"]: a for a in parts["list"]["lookups"]}[chip]


def keys(parts):
    return {row["key"] for row in parts["list"]["rows"]}


def test_unused_shows_what_no_instance_was_made_from(server, client, panels):
    used, idle = (server.add_image(factory.small(i)) for i in (1, 2))
    server.add_instance("c1", used)
    view = browser(client, panels)

    choose(view, "unused")

    assert view.sees(lambda p: keys(p) == {f"default/{idle}"})
    assert view.sees(lambda p: "1 image without an instance" in lookup(p, "unused")["text"])
    server.add_instance("c2", idle)
    assert view.sees(lambda p: keys(p) == set())
    choose(view)
    assert view.sees(lambda p: keys(p) == {f"default/{used}", f"default/{idle}"} and p["list"]["lookups"] == [])


def test_lookups_are_repeated_when_the_list_is_read_again(demo, panels):
    fingerprint = demo.add_image(factory.small(1))
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        choose(view, "unused")
        assert view.sees(lambda p: keys(p) == {f"default/{fingerprint}"})
        other = demo.add_image(factory.small(2))
        assert view.sees(lambda p: p["list"]["total"] == 2)

        view.say("reload")

        assert view.sees(lambda p: lookup(p, "unused")["state"] == "ready" and p["list"]["matching"] == 2)
        assert keys(view.parts) == {f"default/{fingerprint}", f"default/{other}"}


def test_outdated_asks_the_catalogue_that_an_image_came_from_once_somebody_agrees(server, client, panels, site):
    newer = catalogue(server, site)
    image = client.images.create_from_simplestreams(site.url, "noble", server_cert=site.cert)
    server.add_image(factory.small(3), properties={"os": "ubuntu"})
    newer()
    view = browser(client, panels)
    site.asked.clear()

    choose(view, "outdated")

    assert view.sees(lambda p: lookup(p, "outdated")["state"] == "consent")
    assert site.url in lookup(view.parts, "outdated")["text"]
    assert site.asked == []
    view.say("agree")
    assert view.sees(lambda p: keys(p) == {f"default/{image.fingerprint}"})
    assert "1 image with a newer build" in lookup(view.parts, "outdated")["text"]
    opened(view, image.fingerprint)
    facts = {fact["name"]: fact["value"] for fact in view.parts["detail"]["facts"]}
    assert "20240608" in facts["Newer build"]
    # Agreed is agreed, as long as the panel lives.
    choose(view)
    assert view.sees(lambda p: p["list"]["lookups"] == [])
    site.asked.clear()
    choose(view, "outdated")
    assert view.sees(lambda p: lookup(p, "outdated")["state"] == "ready")
    assert site.asked


def test_a_catalogue_that_is_a_remote_is_read_at_once(demo, panels, site, tmp_path, monkeypatch):
    catalogue(demo, site)
    folder = tmp_path / "lxc"
    folder.mkdir()
    (folder / "config.yml").write_text(f"remotes: {{mirror: {{addr: '{site.url}/', protocol: simplestreams}}}}")
    monkeypatch.setenv("LXD_CONF", str(folder))
    with lxdimg_nb.connect(demo.url) as client:
        client.images.create_from_simplestreams(site.url, "noble", server_cert=site.cert)
        view = browser(client, panels)

        choose(view, "outdated")

        assert view.sees(lambda p: lookup(p, "outdated")["state"] == "ready")
        assert keys(view.parts) == set()
        assert "0 images with a newer build" in lookup(view.parts, "outdated")["text"]


def test_a_catalogue_that_does_not_answer_is_reported_and_hides_no_image(demo, panels, site):
    catalogue(demo, site)
    with lxdimg_nb.connect(demo.url) as client:
        image = client.images.create_from_simplestreams(site.url, "noble", server_cert=site.cert)
        view = browser(client, panels)
        site.files.clear()
        choose(view, "outdated")
        assert view.sees(lambda p: lookup(p, "outdated")["state"] == "consent")

        view.say("agree")

        assert view.sees(lambda p: lookup(p, "outdated")["state"] == "failed")
        assert site.url in lookup(view.parts, "outdated")["text"]
        assert keys(view.parts) == {f"default/{image.fingerprint}"}


def test_without_a_catalogue_there_is_nothing_to_compare_with(demo, panels):
    demo.add_image(factory.small(1))
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)

        choose(view, "outdated")

        assert view.sees(lambda p: "nothing to compare with" in lookup(p, "outdated")["text"])
        assert keys(view.parts) == set()


def test_unused_images_of_a_fleet_are_looked_up_on_each_server(demo, panels):
    used, idle = (demo.add_image(factory.small(i)) for i in (1, 2))
    demo.add_instance("c1", used)
    with lxdimg_nb.connect(demo.url) as client, lxdimg_nb.demo.start(inventory=False) as other:
        panel = lxdimg_nb.Fleet({"one": client, "two": other.url}).panel()
        panels(panel)
        view = FrontEnd(panel).begin()

        choose(view, "unused")

        assert view.sees(lambda p: keys(p) == {f"one/default/{idle}"})
