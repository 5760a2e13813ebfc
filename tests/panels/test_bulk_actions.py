"""Actions on a selection: planned, shown, and done once they are confirmed."""

from __future__ import annotations

import lxdimg_nb
from tests.kit import factory, streams
from tests.kit.frontend import browser, panels
from tests.kit.waiting import until

__all__ = ["panels"]


def chosen(view, *fingerprints):
    view.say("select", keys=[f"default/{f}" for f in fingerprints], on=True)
    assert view.sees(lambda p: p["list"]["selected"] == len(fingerprints))


def test_many_images_are_changed_after_the_plan_was_shown(server, client, panels):
    first, second = (server.add_image(factory.small(i)) for i in (1, 2))
    view = browser(client, panels)
    chosen(view, first, second)

    view.say("plan", action="property", name="team", value="blue")

    assert view.sees(lambda p: p["bulk"]["state"] == "planned" and len(p["bulk"]["rows"]) == 2)
    assert view.parts["bulk"]["yes"] == "Change 2 images"
    assert all("team" not in server.get(f"images/{f}")["properties"] for f in (first, second))
    view.say("apply")
    view.settle()
    assert view.parts["bulk"]["state"] == "planned"
    view.say("apply", confirmed=True)
    assert view.sees(lambda p: p["bulk"]["state"] == "applied" and p["bulk"]["good"])
    assert [server.get(f"images/{f}")["properties"]["team"] for f in (first, second)] == ["blue", "blue"]


def test_a_plan_skips_images_that_were_changed_meanwhile(server, client, panels):
    first, second = (server.add_image(factory.small(i)) for i in (1, 2))
    view = browser(client, panels)
    chosen(view, first, second)
    view.say("plan", action="public")
    assert view.sees(lambda p: p["bulk"]["state"] == "planned")
    assert "without any authentication" in view.parts["bulk"]["danger"]
    server.raw("PATCH", f"/1.0/images/{first}", json={"public": True})

    view.say("apply", confirmed=True)

    assert view.sees(lambda p: p["bulk"]["state"] == "applied")
    assert [row[1:3] for row in view.parts["bulk"]["rows"]] == [[first[:12], "skipped"]]
    assert server.get(f"images/{second}")["public"] is True


def test_a_selection_is_deleted_after_the_plan_was_shown(server, client, panels):
    first, second = (server.add_image(factory.small(i)) for i in (1, 2))
    view = browser(client, panels)
    chosen(view, first)

    view.say("plan", action="delete")
    assert view.sees(lambda p: p["bulk"]["yes"] == "Delete 1 image")
    view.say("apply", confirmed=True)

    assert view.sees(lambda p: p["bulk"]["state"] == "applied")
    assert [url.rsplit("/", 1)[-1] for url in server.get("images")] == [second]


def test_a_selection_is_exported_after_the_plan_was_shown(demo, panels, tmp_path):
    first, second = (demo.add_image(factory.small(i)) for i in (1, 2))
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        chosen(view, first, second)

        view.say("plan", action="export", value=str(tmp_path / "no such folder"))
        assert view.sees(lambda p: p["bulk"]["state"] == "refused" and "no folder" in p["bulk"]["text"])
        view.say("plan", action="export", value=str(tmp_path))
        assert view.sees(lambda p: p["bulk"]["yes"] == "Export 2 images")
        assert "are free in" in view.parts["bulk"]["hint"]
        assert list(tmp_path.iterdir()) == []
        view.say("apply", confirmed=True)

        assert until(
            lambda: sorted(p.name[:64] for p in tmp_path.iterdir() if p.name[0] != ".") == sorted([first, second])
        )


def test_a_selection_is_refreshed_where_possible_and_the_plan_says_what_is_left_alone(demo, panels, tmp_path):
    with streams.serving(tmp_path / "site") as site, lxdimg_nb.connect(demo.url) as client:
        newer = streams.noble(site)
        old = client.images.create_from_simplestreams(site.url, "noble", server_cert=site.cert, aliases=["mine"])
        own = demo.add_image(factory.small(3), aliases=["own"])
        newer()
        view = browser(client, panels)
        chosen(view, old.fingerprint, own)

        view.say("plan", action="refresh")

        assert view.sees(lambda p: p["bulk"]["yes"] == "Refresh 1 image")
        words = {row[0]: row[2:] for row in view.parts["bulk"]["rows"]}
        assert words["own"] == ["left alone", "It has no source to update from: it was uploaded or published here."]
        assert words["mine"] == ["look for a newer build of noble", f"from {site.url}"]
        assert demo.get(f"images/{old.fingerprint}")["fingerprint"] == old.fingerprint
        view.say("apply", confirmed=True)
        assert until(lambda: demo.get("images/aliases/mine")["target"] != old.fingerprint)
    assert demo.get(f"images/{own}")["fingerprint"] == own


def test_a_panel_works_where_the_current_folder_is_gone(demo, client, panels, tmp_path, monkeypatch):
    demo.add_image(factory.small(1))
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    view = browser(client, panels)

    assert view.sees(lambda p: p["header"]["folder"] == "")
