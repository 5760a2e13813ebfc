"""The panel of a server's images: changes made elsewhere, projects, and what untrusted clients see."""

from __future__ import annotations

import lxdimg_nb
from tests.kit import certificates, factory, streams
from tests.kit.frontend import browser, opened, panels
from tests.kit.waiting import until

__all__ = ["panels"]


def keys(parts):
    return {row["key"] for row in parts["list"]["rows"]}


def test_changes_made_elsewhere_arrive_without_a_listing(server, client, panels):
    fingerprint = server.add_image(factory.small(1), properties={"note": "old"})
    view = browser(client, panels)
    opened(view, fingerprint)

    assert server.raw("PATCH", f"/1.0/images/{fingerprint}", json={"properties": {"note": "new"}}).status == 200
    server.raw("POST", "/1.0/images/aliases", json={"name": "web", "target": fingerprint})

    assert view.sees(lambda p: {x["name"]: x["value"] for x in p["detail"]["properties"]}["note"] == "new")
    assert view.sees(lambda p: p["list"]["rows"][0]["cells"][0] == "web")


def test_the_live_dot_turns_when_the_connection_is_lost_and_turns_back(server, client, panels):
    server.add_image(factory.small(1))
    view = browser(client, panels)
    assert view.sees(lambda p: p["header"]["live"] == "live")

    server.stop()
    assert view.sees(lambda p: p["header"]["live"] == "lost")
    assert view.parts["list"]["total"] == 1
    server.restart()
    missed = server.add_image(factory.small(2))

    assert view.sees(lambda p: p["header"]["live"] == "live", timeout=30)
    assert view.sees(lambda p: missed in "".join(row["key"] for row in p["list"]["rows"]))


def test_an_open_image_that_is_deleted_elsewhere_is_reported(demo, panels):
    fingerprint = demo.add_image(factory.small(1), aliases=["web"])
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        opened(view, fingerprint)

        demo.wait(demo.raw("DELETE", f"/1.0/images/{fingerprint}"))

        assert view.sees(lambda p: p["detail"] is None)
        assert view.sees(lambda p: "is gone" in p["notices"][-1]["text"])


def test_an_open_image_that_is_refreshed_elsewhere_is_followed_by_its_alias(demo, panels, tmp_path):
    with streams.serving(tmp_path / "site") as site, lxdimg_nb.connect(demo.url) as client:
        newer = streams.noble(site)
        old = client.images.create_from_simplestreams(site.url, "noble", server_cert=site.cert, aliases=["mine"])
        view = browser(client, panels)
        opened(view, old.fingerprint)
        newer()

        demo.wait(demo.raw("POST", f"/1.0/images/{old.fingerprint}/refresh"))

        new = demo.get("images/aliases/mine")["target"]
        assert new != old.fingerprint
        assert view.sees(lambda p: p["detail"]["fingerprint"] == new)
        assert f"{old.fingerprint[:12]} → {new[:12]}" in view.parts["detail"]["result"]["text"]
        assert view.sees(lambda p: [row["key"] for row in p["list"]["rows"]] == [f"default/{new}"])


def test_projects_are_switched(server, client, panels):
    server.add_project("other")
    fingerprint = server.add_image(factory.small(1), project="other")
    view = browser(client, panels)
    assert view.sees(lambda p: p["projects"] == ["default", "other"])

    view.say("project", project="other")

    assert view.sees(lambda p: p["header"]["project"] == "other")
    assert view.sees(lambda p: p["list"]["rows"][0]["key"] == f"other/{fingerprint}")
    assert view.sees(lambda p: p["header"]["live"] == "live")


def test_what_was_heard_last_of_a_project_is_not_shown_in_the_next_one(demo, panels, monkeypatch):
    """Changes are shown a moment later; a list that had been left meanwhile put its image into another project."""
    demo.add_project("other")
    image = demo.add_image(factory.small(1))
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        assert view.sees(lambda p: p["header"]["live"] == "live")
        late = []
        monkeypatch.setattr(view.panel.actor, "throttle", lambda _, step: late.append(step))
        demo.raw("PATCH", f"/1.0/images/{image}", json={"public": True})
        assert until(lambda: late)
        view.say("project", project="other")
        assert view.sees(lambda p: p["header"]["project"] == "other" and p["list"]["state"] == "ready")

        view.panel.actor.post(late[0])
        view.say("sort", column="alias")
        view.settle()

        assert view.parts["list"]["total"] == 0


def test_after_a_project_that_cannot_be_read_views_are_told_which_one_they_show(demo, panels):
    demo.add_project("other")
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        assert view.sees(lambda p: p["projects"] == ["default", "other"])
        demo.stop()
        del view.parts["header"]

        view.say("project", project="other")

        assert view.sees(lambda p: p["list"]["state"] == "failed" and p["header"]["project"] == "default")
        assert view.parts["list"]["reason"]["title"] == "The server does not answer"
    demo.restart()


def test_a_project_may_show_the_images_of_another_project(server, client, panels):
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


def test_switching_to_a_deleted_project_fails_and_the_list_can_be_reloaded(demo, panels):
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


def test_an_untrusted_client_sees_public_images_and_cannot_change_them(server, panels):
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
        assert "unused" not in [chip["name"] for chip in view.parts["choices"]["chips"]]
        opened(view, fingerprint)
        detail = view.parts["detail"]
        assert (detail["writable"], detail["refreshable"]) == (False, False)
        assert "not trusted" in detail["public"]["locked"]
        assert "not trusted" in detail["auto_update"]["locked"]
        view.say("set", key=detail["key"], field="public", value=False)
        assert view.sees(lambda p: not p["detail"]["result"]["good"])
    assert server.get(f"images/{fingerprint}")["public"] is True


def test_a_catalogue_offers_only_chips_that_make_sense_for_it(panels, tmp_path):
    with streams.serving(tmp_path / "site") as site:
        streams.ubuntu().publish(site)
        with lxdimg_nb.connect(f"simplestreams+{site.url}", server_cert=site.cert) as client:
            view = browser(client, panels)

            assert [chip["name"] for chip in view.parts["choices"]["chips"]] == ["expired", "vm"]
            assert view.parts["notices"][0]["text"].startswith("1 entry of the catalogue cannot be read")
            assert view.panel.title().endswith(f"{site.url}, 1 left out")
