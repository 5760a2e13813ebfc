"""Actions on one image in a panel: edits, conflicts, copies, explanation."""

from __future__ import annotations

import threading

import pytest

import lxdimg_nb
from lxdimg_nb.client import live, project
from lxdimg_nb.client.events import Events
from lxdimg_nb.errors import NotAllowedError, ServerUnreachableError
from lxdimg_nb.panels.base.transfers import transfers
from tests.kit import factory, streams
from tests.kit.frontend import FrontEnd, browser, opened, panels
from tests.kit.proxy import Proxy
from tests.kit.waiting import until

__all__ = ["panels"]


@pytest.fixture
def site(tmp_path):
    with streams.serving(tmp_path / "site") as served:
        yield served


def test_public_is_switched_on_only_after_confirmation(server, client, panels):
    fingerprint = server.add_image(factory.small(1))
    view = browser(client, panels)
    opened(view, fingerprint)

    view.say("set", key=f"default/{fingerprint}", field="public", value=True)
    view.settle()
    assert server.get(f"images/{fingerprint}")["public"] is False
    view.say("set", key=f"default/{fingerprint}", field="public", value=True, confirmed=True)

    assert view.sees(lambda p: p["detail"]["public"]["on"])
    assert server.get(f"images/{fingerprint}")["public"] is True
    assert view.parts["detail"]["result"]["text"] == "Public off → on."


def test_a_conflict_shows_both_values_and_nothing_is_written(server, client, panels):
    fingerprint = server.add_image(factory.small(1), properties={"note": "theirs"})
    view = browser(client, panels)
    opened(view, fingerprint)
    key = f"default/{fingerprint}"

    view.say("edit", key=key, field="properties", name="note", before="what I saw", value="mine")

    assert view.sees(
        lambda p: p["detail"]["result"]["conflict"] == {"name": "note", "theirs": "theirs", "ours": "mine"}
    )
    assert server.get(f"images/{fingerprint}")["properties"]["note"] == "theirs"
    view.say("overwrite", key=key)
    assert view.sees(lambda p: p["detail"]["result"]["good"])
    assert server.get(f"images/{fingerprint}")["properties"]["note"] == "mine"


def test_edits_of_different_fields_at_the_same_time_are_no_conflict(server, client, panels):
    """A stale ETag alone is no conflict: only the field that was edited counts."""
    fingerprint = server.add_image(factory.small(1), properties={"note": "old"})
    view = browser(client, panels)
    view.panel._close_lists()
    opened(view, fingerprint)
    server.raw("PATCH", f"/1.0/images/{fingerprint}", json={"public": True})

    view.say("edit", key=f"default/{fingerprint}", field="properties", name="note", before="old", value="new")

    assert view.sees(lambda p: p["detail"]["result"]["good"])
    image = server.get(f"images/{fingerprint}")
    assert (image["public"], image["properties"]["note"]) == (True, "new")


def test_an_edit_back_to_what_is_still_shown_is_not_taken_for_done(server, client, panels):
    """A list that is behind its server once made "default → default" of it, and nothing was written."""
    fingerprint = server.add_image(factory.small(1))
    view = browser(client, panels)
    view.panel._close_lists()
    opened(view, fingerprint)
    server.raw("PUT", f"/1.0/images/{fingerprint}", json=server.get(f"images/{fingerprint}") | {"profiles": []})

    view.say("edit", key=f"default/{fingerprint}", field="profiles", name="", before="", value="default")

    conflict = {"name": "profiles", "theirs": "none", "ours": "default"}
    assert view.sees(lambda p: p["detail"]["result"]["conflict"] == conflict)
    view.say("overwrite", key=f"default/{fingerprint}")
    assert view.sees(lambda p: p["detail"]["result"]["good"])
    assert server.get(f"images/{fingerprint}")["profiles"] == ["default"]


def test_a_property_that_is_not_shown_whole_is_not_cut_by_an_edit(lxd, panels):
    long, lines = "x" * 5000, "one\ntwo"
    fingerprint = lxd.add_image(factory.small(1), properties={"long": long, "lines": lines, "note": "short"})
    with lxdimg_nb.connect(lxd.url) as client:
        view = browser(client, panels)
        opened(view, fingerprint)
        shown = {p["name"]: p for p in view.parts["detail"]["properties"]}
        assert [shown[name]["whole"] for name in ("long", "lines", "note")] == [False, False, True]

        for name in ("long", "lines"):
            before = shown[name]["value"]
            view.say(
                "edit", key=f"default/{fingerprint}", field="properties", name=name, before=before, value=before + "!"
            )
            assert view.sees(lambda p, name=name: f"{name} is not shown whole" in p["detail"]["result"]["text"].lower())

    properties = lxd.get(f"images/{fingerprint}")["properties"]
    assert (properties["long"], properties["lines"]) == (long, lines)


def test_an_image_is_copied_to_another_server(demo, lxd, panels):
    fingerprint = demo.add_image(factory.small(1), aliases=["web"], public=True)
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        opened(view, fingerprint)

        view.say("copy", key=f"default/{fingerprint}", target=lxd.url, aliases="web, web/1,'a b' release:8 it's")

        last = lambda p: p["transfers"][-1]  # noqa: E731
        assert view.sees(lambda p: last(p)["title"].startswith("Copy web") and last(p)["state"] == "done")
        image = lxd.get(f"images/{fingerprint}")
        assert image["public"] is False
        assert sorted(alias["name"] for alias in image["aliases"]) == ["a b", "it's", "release:8", "web", "web/1"]


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


def test_a_second_click_starts_nothing_twice(demo, panels, tmp_path):
    fingerprint = demo.add_image(factory.small(1), aliases=["web"])
    release = threading.Event()
    busy = [transfers.start("busy", lambda _: release.wait(60)) for _ in range(3)]
    earlier = list(transfers)
    key, folder = f"default/{fingerprint}", {"folder": str(tmp_path)}
    copies = [
        ("copy", {"target": demo.url, "aliases": ""} | other)
        for other in ({}, {"project": "a"}, {"aliases": "b"}, {"auto_update": True}, {"target": f"{demo.url}?secret=c"})
    ]
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        opened(view, fingerprint)
        for kind, content in (("refresh", {}), ("export", folder), *copies):
            for _ in range(3):
                view.say(kind, key=key, **content)
        view.settle()
        started = [transfer for transfer in transfers if transfer not in earlier]
        release.set()
        ended = [transfer.wait(60) for transfer in (*busy, *started)]

        assert [one.title for one in started[:2]] == ["Refresh web", f"Export web to {tmp_path}"]
        assert [one.title for one in started[2:]] == [f"Copy web to {demo.url}"] * len(copies)
        assert all(ended)
        # What has ended may be done again.
        view.say("export", key=key, **folder)
        view.settle()
        again = [one.title for one in transfers if one not in (*earlier, *started)]
        assert again == [started[1].title]


def test_a_catalogue_is_browsed_and_a_choice_is_copied_to_a_server(server, panels, tmp_path):
    with streams.serving(tmp_path / "site") as site:
        streams.ubuntu().publish(site)
        with lxdimg_nb.connect(f"simplestreams+{site.url}", server_cert=site.cert) as catalogue:
            view = browser(catalogue, panels)
            assert view.parts["header"]["catalogue"]
            view.say("search", query="alias=noble type=container architecture=x86_64")
            assert view.sees(lambda p: p["list"]["matching"] == 1)
            fingerprint = view.parts["list"]["rows"][0]["key"].rsplit("/", 1)[-1]
            opened(view, fingerprint)
            detail = view.parts["detail"]
            assert (detail["writable"], detail["explains"]) == (False, False)
            assert "copy the image to a server" in detail["public"]["locked"]
            assert f"of the catalogue {site.url}" in view.panel._repr_mimebundle_()[0]["text/plain"]
            view.say("set", key=detail["key"], field="public", value=False)
            assert view.sees(lambda p: "read" in p["detail"]["result"]["text"] and not p["detail"]["result"]["good"])

            view.say("forget")
            assert view.sees(lambda p: p["transfers"] == [])
            view.say("copy", key=detail["key"], target=server.url, aliases="noble")

            last = lambda p: p["transfers"][-1]  # noqa: E731
            assert view.sees(lambda p: last(p)["title"].startswith("Copy") and last(p)["state"] == "done", timeout=30)
    image = server.get(f"images/{fingerprint}")
    assert (image["public"], [a["name"] for a in image["aliases"]]) == (False, ["noble"])


def test_a_copy_from_a_catalogue_is_kept_current_when_that_is_wanted(server, panels, site):
    streams.noble(site, metadata="incus.tar.xz" if server.product == "incus" else "lxd.tar.xz")
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


def test_an_image_is_explained_on_demand(demo, panels):
    fingerprint = demo.add_image(factory.small(1), aliases=["web"])
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        before = len(demo.demo.requests)
        opened(view, fingerprint)
        view.settle()
        assert view.parts["explained"] == {}
        assert not [r for r in list(demo.demo.requests)[before:] if "instances" in r[1]]

        view.say("explain", key=f"default/{fingerprint}")

        assert view.sees(lambda p: p["explained"]["state"] == "ready")
        answers = {a["name"]: a["value"] for a in view.parts["explained"]["answers"]}
        assert answers["Used by"] == "no instance or snapshot"
        assert "web" in answers["Deleting it breaks"]
        other = demo.add_image(factory.small(2))
        assert view.sees(lambda p: p["list"]["total"] == 2)
        opened(view, other)
        assert view.sees(lambda p: p["explained"] == {})


def test_the_panel_of_one_image_follows_it(server, client, panels):
    fingerprint = server.add_image(factory.small(1), aliases=["web"])
    panel = client.images.get("web").panel()
    panels(panel)
    view = FrontEnd(panel).begin()
    assert view.sees(lambda p: p["header"]["live"] == "live")

    server.raw("PATCH", f"/1.0/images/{fingerprint}", json={"public": True})

    assert view.sees(lambda p: p["detail"]["public"]["on"])
    assert "web" in panel._repr_mimebundle_()[0]["text/plain"]


def test_what_changes_before_events_are_heard_is_seen(server, client, panels, monkeypatch):
    """The panel of one image once read it first and listened then: what changed in between was never shown."""
    fingerprint = server.add_image(factory.small(1), aliases=["web"])
    panel = client.images.get("web").panel()
    panels(panel)

    class LateEvents(Events):
        def __init__(self, *args, **kwargs):
            assert until(lambda: not panel.editor.rereading)
            server.raw("PATCH", f"/1.0/images/{fingerprint}", json={"public": True})
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(project, "Events", LateEvents)
    view = FrontEnd(panel).begin()

    assert view.sees(lambda p: p["detail"]["public"]["on"])


@pytest.mark.parametrize("refused", [NotAllowedError("not yours", status_code=403), ServerUnreachableError("gone")])
def test_the_panel_of_one_image_reads_it_again_where_no_events_are_heard(demo, panels, monkeypatch, refused):
    fingerprint = demo.add_image(factory.small(1), aliases=["web"])

    def raising(*_, **__):
        raise refused

    monkeypatch.setattr(project, "Events", raising)
    monkeypatch.setattr(live, "POLL_SECONDS", 0.05)
    with lxdimg_nb.connect(demo.url) as client:
        panel = client.images.get("web").panel()
        panels(panel)
        view = FrontEnd(panel).begin()
        state = "polling" if isinstance(refused, NotAllowedError) else "lost"
        assert view.sees(lambda p: p["header"]["live"] == state)
        demo.raw("PATCH", f"/1.0/images/{fingerprint}", json={"public": True})
        assert view.sees(lambda p: p["detail"]["public"]["on"])

        monkeypatch.setattr(project, "Events", Events)
        assert view.sees(lambda p: p["header"]["live"] == "live")


def test_the_panel_of_one_image_says_that_events_are_lost_and_catches_up(demo, panels, tmp_path):
    fingerprint = demo.add_image(factory.small(1), aliases=["web"])
    proxy = Proxy(demo.socket, tmp_path)
    with lxdimg_nb.connect(proxy.url) as client:
        panel = client.images.get("web").panel()
        panels(panel)
        view = FrontEnd(panel).begin()
        assert view.sees(lambda p: p["header"]["live"] == "live")
        proxy.close()
        assert view.sees(lambda p: p["header"]["live"] == "lost")
        demo.raw("PATCH", f"/1.0/images/{fingerprint}", json={"public": True})

        with Proxy(demo.socket, tmp_path):
            assert view.sees(lambda p: p["header"]["live"] == "live" and p["detail"]["public"]["on"])
