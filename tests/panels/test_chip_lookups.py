"""Chips that others are asked about, projects that show another's images, and copies that follow a catalogue."""

from __future__ import annotations

import threading

import pytest

import lxdimg_nb
from tests.kit import certificates, factory, streams
from tests.kit.frontend import FrontEnd, browser, opened, panels
from tests.kit.servers import until

__all__ = ["panels"]


@pytest.fixture
def site(tmp_path):
    with streams.serving(tmp_path / "site") as served:
        yield served


def catalogue(server, site):
    """A catalogue of the server's own kind, with one build; returns how to publish a newer one."""
    return streams.noble(site, metadata="incus.tar.xz" if server.kind == "incus" else "lxd.tar.xz")


def choose(view, *chips):
    view.say("chips", chips=list(chips))


def asked(parts, chip):
    return {a["name"]: a for a in parts["list"]["lookups"]}[chip]


def keys(parts):
    return {row["key"] for row in parts["list"]["rows"]}


def test_unused_shows_what_no_instance_was_made_from(server, client, panels):
    used, idle = (server.add_image(factory.small(i)) for i in (1, 2))
    server.add_instance("c1", used)
    view = browser(client, panels)

    choose(view, "unused")

    assert view.sees(lambda p: keys(p) == {f"default/{idle}"})
    assert view.sees(lambda p: "1 image without an instance" in asked(p, "unused")["text"])
    server.add_instance("c2", idle)
    assert view.sees(lambda p: keys(p) == set())
    choose(view)
    assert view.sees(lambda p: keys(p) == {f"default/{used}", f"default/{idle}"} and p["list"]["lookups"] == [])


def test_what_was_asked_is_asked_again_with_the_list(demo, panels):
    fingerprint = demo.add_image(factory.small(1))
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        choose(view, "unused")
        assert view.sees(lambda p: keys(p) == {f"default/{fingerprint}"})
        other = demo.add_image(factory.small(2))
        assert view.sees(lambda p: p["list"]["total"] == 2)

        view.say("reload")

        assert view.sees(lambda p: asked(p, "unused")["state"] == "ready" and p["list"]["matching"] == 2)
        assert keys(view.parts) == {f"default/{fingerprint}", f"default/{other}"}


def test_outdated_asks_the_catalogue_that_an_image_came_from_once_somebody_agrees(server, client, panels, site):
    newer = catalogue(server, site)
    image = client.images.create_from_simplestreams(site.url, "noble", server_cert=site.cert)
    server.add_image(factory.small(3), properties={"os": "ubuntu"})
    newer()
    view = browser(client, panels)
    site.asked.clear()

    choose(view, "outdated")

    assert view.sees(lambda p: asked(p, "outdated")["state"] == "consent")
    assert site.url in asked(view.parts, "outdated")["text"]
    assert site.asked == []
    view.say("agree")
    assert view.sees(lambda p: keys(p) == {f"default/{image.fingerprint}"})
    assert "1 image with a newer build" in asked(view.parts, "outdated")["text"]
    opened(view, image.fingerprint)
    facts = {fact["name"]: fact["value"] for fact in view.parts["detail"]["facts"]}
    assert "20240608" in facts["Newer build"]
    # Agreed is agreed, as long as the panel lives.
    choose(view)
    assert view.sees(lambda p: p["list"]["lookups"] == [])
    site.asked.clear()
    choose(view, "outdated")
    assert view.sees(lambda p: asked(p, "outdated")["state"] == "ready")
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

        assert view.sees(lambda p: asked(p, "outdated")["state"] == "ready")
        assert keys(view.parts) == set()
        assert "0 images with a newer build" in asked(view.parts, "outdated")["text"]


def test_a_catalogue_that_does_not_answer_is_said_and_hides_nothing(demo, panels, site):
    catalogue(demo, site)
    with lxdimg_nb.connect(demo.url) as client:
        image = client.images.create_from_simplestreams(site.url, "noble", server_cert=site.cert)
        view = browser(client, panels)
        site.files.clear()
        choose(view, "outdated")
        assert view.sees(lambda p: asked(p, "outdated")["state"] == "consent")

        view.say("agree")

        assert view.sees(lambda p: asked(p, "outdated")["state"] == "failed")
        assert site.url in asked(view.parts, "outdated")["text"]
        assert keys(view.parts) == {f"default/{image.fingerprint}"}


def test_without_a_catalogue_there_is_nothing_to_compare_with(demo, panels):
    demo.add_image(factory.small(1))
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)

        choose(view, "outdated")

        assert view.sees(lambda p: "nothing to compare with" in asked(p, "outdated")["text"])
        assert keys(view.parts) == set()


def test_a_fleet_is_asked_server_by_server(demo, panels):
    used, idle = (demo.add_image(factory.small(i)) for i in (1, 2))
    demo.add_instance("c1", used)
    with lxdimg_nb.connect(demo.url) as client, lxdimg_nb.demo.start(inventory=False) as other:
        panel = lxdimg_nb.Fleet({"one": client, "two": other.url}).panel()
        panels(panel)
        view = FrontEnd(panel).begin()

        choose(view, "unused")

        assert view.sees(lambda p: keys(p) == {f"one/default/{idle}"})


def test_a_fleet_shows_what_happens_on_each_of_its_servers(demo, lxd, panels):
    first, second = demo.add_image(factory.small(1), aliases=["web"]), lxd.add_image(factory.small(1))
    with lxdimg_nb.connect(demo.url) as client:
        panel = lxdimg_nb.Fleet({"one": client, "two": lxd.url}).panel()
        panels(panel)
        view = FrontEnd(panel).begin()
        assert view.sees(lambda p: p["header"]["live"] == "live")
        view.say("open", key=f"one/default/{first}")
        assert view.sees(lambda p: p["detail"]["fingerprint"] == first)

        added = lxd.add_image(factory.small(2))
        assert view.sees(lambda p: f"two/default/{added}" in keys(p))
        lxd.wait(lxd.raw("DELETE", f"/1.0/images/{second}"))
        assert view.sees(lambda p: keys(p) == {f"one/default/{first}", f"two/default/{added}"})
        demo.raw("PATCH", f"/1.0/images/{first}", json={"public": True})
        assert view.sees(lambda p: p["detail"]["public"]["on"])


def test_changes_of_two_servers_at_the_same_time_both_arrive(demo, panels):
    """One throttled step for all servers of a fleet showed the changes of the last one only."""
    with lxdimg_nb.connect(demo.url) as client, lxdimg_nb.demo.start(inventory=False) as other:
        panel = lxdimg_nb.Fleet({"one": client, "two": other.url}).panel()
        panels(panel)
        view = FrontEnd(panel).begin()
        assert view.sees(lambda p: p["header"]["live"] == "live")
        busy = threading.Event()
        panel.actor.post(lambda: busy.wait(10))

        image = demo.add_image(factory.small(1))
        with lxdimg_nb.connect(other.url) as second:
            made = second.images.create(factory.small(2), wait=True)
        assert until(lambda: all(len(images._live) for images in panel._lists), timeout=10)
        busy.set()

        assert view.sees(lambda p: keys(p) == {f"one/default/{image}", f"two/default/{made.fingerprint}"})


def test_a_catalogue_offers_only_what_it_can_tell(panels, site, demo):
    catalogue(demo, site)
    with lxdimg_nb.connect(f"simplestreams+{site.url}", server_cert=site.cert) as client:
        view = browser(client, panels)

        assert [chip["name"] for chip in view.parts["list"]["chips"]] == ["expired", "vm"]


def test_a_project_that_shows_the_images_of_another_is_switched_to(server, client, panels):
    server.add_project("shared", features_images=False)
    fingerprint = server.add_image(factory.small(1), aliases=["web"])
    view = browser(client, panels)
    assert view.sees(lambda p: p["projects"] == ["default", "shared"])

    view.say("project", project="shared")

    assert view.sees(lambda p: (p["header"]["project"], p["header"]["images_of"]) == ("shared", "default"))
    assert view.sees(lambda p: keys(p) == {f"default/{fingerprint}"})
    assert view.sees(lambda p: p["header"]["live"] == "live")
    other = server.add_image(factory.small(2))
    assert view.sees(lambda p: keys(p) == {f"default/{fingerprint}", f"default/{other}"})
    opened(view, fingerprint)
    view.say("set", key=f"default/{fingerprint}", field="public", value=True, confirmed=True)
    assert view.sees(lambda p: p["detail"]["public"]["on"])
    assert server.get(f"images/{fingerprint}")["public"] is True
    view.say("project", project="default")
    assert view.sees(lambda p: (p["header"]["project"], p["header"]["images_of"]) == ("default", ""))


def test_a_project_that_is_gone_is_said(demo, panels):
    demo.add_project("other")
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        assert view.sees(lambda p: "other" in p["projects"])
        assert demo.raw("DELETE", "/1.0/projects/other").status == 200

        view.say("project", project="other")

        assert view.sees(lambda p: p["list"]["state"] == "failed")
        assert "No project 'other'" in view.parts["list"]["reason"]["text"]
        view.say("reload")
        assert view.sees(lambda p: p["list"]["state"] == "ready")
        assert view.parts["header"]["project"] == "default"


def test_a_stranger_sees_what_is_public_and_that_nothing_can_be_changed(server, panels):
    url = server.listen()
    fingerprint = server.add_image(factory.small(1), public=True)
    server.add_image(factory.small(2))
    with lxdimg_nb.connect(url, server_cert=certificates.of_server(url)) as client:
        view = browser(client, panels)

        assert view.sees(lambda p: keys(p) == {f"default/{fingerprint}"})
        header = view.parts["header"]
        assert (header["trusted"], header["uploads"]) == (False, False)
        assert f"enroll({url!r}" in header["distrust"]
        assert view.sees(lambda p: p["header"]["live"] == "polling")
        assert "every 30 seconds" in view.parts["header"]["live_text"]
        assert "unused" not in [chip["name"] for chip in view.parts["list"]["chips"]]
        opened(view, fingerprint)
        detail = view.parts["detail"]
        assert (detail["writable"], detail["refreshable"]) == (False, False)
        assert "not trusted" in detail["public"]["locked"]
        assert "not trusted" in detail["auto_update"]["locked"]
        view.say("set", key=detail["key"], field="public", value=False)
        assert view.sees(lambda p: not p["detail"]["result"]["good"])
    assert server.get(f"images/{fingerprint}")["public"] is True


def test_a_copy_from_a_catalogue_is_kept_current_when_that_is_wanted(server, panels, site):
    catalogue(server, site)
    with lxdimg_nb.connect(f"simplestreams+{site.url}", server_cert=site.cert) as source:
        view = browser(source, panels)
        fingerprint = view.parts["list"]["rows"][0]["key"].rsplit("/", 1)[-1]
        opened(view, fingerprint)
        assert view.parts["detail"]["follows"]
        view.say("forget")
        assert view.sees(lambda p: p["transfers"] == [])

        view.say("copy", key=view.parts["detail"]["key"], target=server.url, aliases="mine", auto_update=True)

        assert view.sees(lambda p: p["transfers"][-1]["state"] == "done", timeout=30)
        assert "will be kept current" in view.parts["transfers"][-1]["text"]
    image = server.get(f"images/{fingerprint}")
    assert (image["auto_update"], image["public"]) == (True, False)
    assert image["update_source"]["alias"] in ("noble", "24.04")


def test_an_image_is_copied_into_another_project(server, client, panels):
    server.add_project("web")
    fingerprint = server.add_image(factory.small(1), aliases=["one"])
    view = browser(client, panels)
    opened(view, fingerprint)
    assert not view.parts["detail"]["follows"]
    view.say("forget")
    assert view.sees(lambda p: p["transfers"] == [])

    view.say("copy", key=f"default/{fingerprint}", target=server.url, project="web", aliases="two")

    assert view.sees(lambda p: p["transfers"][-1]["state"] == "done", timeout=30)
    assert [a["name"] for a in server.get(f"images/{fingerprint}?project=web")["aliases"]] == ["two"]
