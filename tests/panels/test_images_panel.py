"""Panels without a browser: what a view may do, what it is told, and what stays when it is gone."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

from lxdimg_nb import panels as room
from tests.kit import factory, streams
from tests.kit.frontend import FrontEnd, browser, opened, panels
from tests.kit.servers import until

__all__ = ["panels"]


def test_public_is_only_switched_on_when_it_was_asked(server, client, panels):
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


def test_messages_that_make_no_sense_change_nothing_and_hurt_nothing(demo, panels, tmp_path, monkeypatch):
    import lxdimg_nb

    # An export without a folder goes to the current one.
    monkeypatch.chdir(tmp_path)
    fingerprint = demo.add_image(factory.small(1), properties={"a": "b"})
    before = demo.get(f"images/{fingerprint}")
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        key = f"default/{fingerprint}"
        hostile = [None, 7, -1, [], {}, "x" * 100_000, True, ["x", 3, None]]
        for kind in list(view.panel._handlers):
            for value in hostile:
                if kind in ("delete", "bye"):
                    continue
                fields = (
                    "field",
                    "value",
                    "query",
                    "chips",
                    "column",
                    "page",
                    "size",
                    "columns",
                    "keys",
                    "what",
                    "project",
                )
                view.say(kind, **{"key": key if value else value, **dict.fromkeys(fields, value)})
        view.say("no such thing")
        view.say("set", key="default/" + "0" * 64, field="public", value=True, confirmed=True)
        view.say("edit", key=key, field="fingerprint", value="x")
        view.say("delete", key=key)
        view.settle()

        assert view.sees(lambda p: p["list"]["state"] == "ready")
        assert demo.get(f"images/{fingerprint}") == before


def test_nothing_of_a_panel_is_a_trait_that_a_notebook_would_keep(server, client, panels):
    fingerprint = server.add_image(factory.small(1), aliases=["very-private-name"])
    view = browser(client, panels)
    opened(view, fingerprint)

    state = json.dumps(view.panel.get_state(), default=str)

    assert "very-private-name" not in state
    assert fingerprint[:12] not in state
    assert len(state) < 75_000


def test_a_script_is_made_leaner_without_touching_texts_and_expressions():
    from lxdimg_nb.panels.base.assets import script

    folder = Path(room.__file__).parent / "front"
    code = [
        line for f in folder.glob("*.js") for line in f.read_text().splitlines() if not line.strip().startswith("//")
    ]
    texts = {text for line in code for text in re.findall(r'"[^"`]*"|`[^`]*`|/\^.*\$/|/\(\?:.*\)/', line)}

    assert len(texts) > 500
    assert [text for text in texts if text not in script()] == []


def test_the_static_table_is_small_and_escaped(demo, panels):
    import lxdimg_nb

    demo.add_image(factory.small(1), properties={"description": "<script>alert(1)</script>"}, aliases=["web"])
    with lxdimg_nb.connect(demo.url) as client:
        panel = client.images.panel()
        panels(panel)

        data, _ = panel._repr_mimebundle_()

    assert "application/vnd.jupyter.widget-view+json" in data
    assert "web" in data["text/plain"]
    assert "&lt;script&gt;" in data["text/html"]
    assert "<script" not in data["text/html"]


def test_two_views_of_a_panel_show_the_same_and_neither_writes(demo, panels):
    import lxdimg_nb

    fingerprint = demo.add_image(factory.small(1))
    before = demo.get(f"images/{fingerprint}")
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        count = len(demo.demo.requests)
        view.say("hello", view="second")
        view.settle()
        view.say("hello", view="test")
        view.settle()

        assert [r for r in list(demo.demo.requests)[count:] if r[0] != "GET"] == []
        assert demo.get(f"images/{fingerprint}") == before


def test_everything_a_panel_says_comes_from_its_own_thread(demo, panels):
    import lxdimg_nb

    fingerprint = demo.add_image(factory.small(1))
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        opened(view, fingerprint)
        view.say("set", key=f"default/{fingerprint}", field="public", value=True, confirmed=True)
        assert view.sees(lambda p: p["detail"]["public"]["on"])

        assert view.threads == {view.panel.actor.name}


def test_closing_a_panel_ends_its_threads_and_its_connection(server, client):
    server.add_image(factory.small(1))
    before = set(threading.enumerate())
    panel = client.images.panel()
    view = FrontEnd(panel).begin()
    assert view.sees(lambda p: p["header"]["live"] == "live")

    panel.close()

    assert panel.actor.join()
    ours = ("lxdimg-panel", "lxdimg-live", "lxdimg-watch")
    left = lambda: [t for t in set(threading.enumerate()) - before if t.name.startswith(ours)]  # noqa: E731
    assert until(lambda: not left(), timeout=10), left()


def test_a_panel_that_nobody_looks_at_stops_listening_and_wakes_again(demo, panels):
    import lxdimg_nb

    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        assert view.sees(lambda p: p["header"]["live"] == "live")
        view.say("bye")
        view.settle()
        assert view.panel._lists == []
        fingerprint = demo.add_image(factory.small(1))

        view.say("hello")

        assert view.sees(lambda p: p["header"]["live"] == "live")
        assert view.sees(lambda p: p["list"]["rows"][0]["key"].endswith(fingerprint))


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


def test_a_conflict_is_told_with_both_values_and_nothing_is_written(server, client, panels):
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


def test_an_edit_of_another_field_goes_through_beside_a_concurrent_one(server, client, panels):
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


def test_an_image_that_is_gone_is_said_to_be(demo, panels):
    import lxdimg_nb

    fingerprint = demo.add_image(factory.small(1), aliases=["web"])
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        opened(view, fingerprint)

        demo.wait(demo.raw("DELETE", f"/1.0/images/{fingerprint}"))

        assert view.sees(lambda p: p["detail"] is None)
        assert view.sees(lambda p: "is gone" in p["notices"][-1]["text"])


def test_an_open_image_that_somebody_refreshes_is_followed_through_its_alias(demo, panels, tmp_path):
    import lxdimg_nb

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


def test_the_panel_of_one_image_follows_it(server, client, panels):
    fingerprint = server.add_image(factory.small(1), aliases=["web"])
    panel = client.images.get("web").panel()
    panels(panel)
    view = FrontEnd(panel).begin()
    assert view.sees(lambda p: p["header"]["live"] == "live")

    server.raw("PATCH", f"/1.0/images/{fingerprint}", json={"public": True})

    assert view.sees(lambda p: p["detail"]["public"]["on"])
    assert "web" in panel._repr_mimebundle_()[0]["text/plain"]


def test_projects_are_switched(server, client, panels):
    server.add_project("other")
    fingerprint = server.add_image(factory.small(1), project="other")
    view = browser(client, panels)
    assert view.sees(lambda p: p["projects"] == ["default", "other"])

    view.say("project", project="other")

    assert view.sees(lambda p: p["header"]["project"] == "other")
    assert view.sees(lambda p: p["list"]["rows"][0]["key"] == f"other/{fingerprint}")
    assert view.sees(lambda p: p["header"]["live"] == "live")


def test_a_property_that_is_not_shown_whole_is_not_cut_by_an_edit(lxd, panels):
    import lxdimg_nb

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
