"""What a panel tells of changes that others made, and of errors."""

from __future__ import annotations

import threading

import pytest

import lxdimg_nb
from lxdimg_nb.client.live import Live
from lxdimg_nb.errors import ServerUnreachableError
from lxdimg_nb.panels.base.ui_text import error_text, sentence
from lxdimg_nb.panels.image import editor
from lxdimg_nb.panels.image.image_row import Row
from lxdimg_nb.panels.images.announcement import announcement
from lxdimg_nb.values import ImageRecord
from tests.kit import factory
from tests.kit.frontend import FrontEnd, browser, opened, panels
from tests.kit.waiting import until

__all__ = ["panels"]


def opened_in_list(client, panels, fingerprint):
    view = browser(client, panels)
    opened(view, fingerprint)
    return view


def row(number, alias="", **raw):
    aliases = [{"name": alias, "description": ""}] if alias else []
    return Row.of(ImageRecord({"fingerprint": f"{number:064x}", "aliases": aliases, **raw}))


def test_what_is_new_changed_or_gone_is_said_by_name_or_by_number():
    before = {r.key: r for r in (row(1, "web"), row(2), row(3))}
    many = [row(n) for n in range(4, 1504)]

    assert announcement(before, [row(1, "web", public=True)], []) == "Changed: web."
    assert announcement(before, many, [row(2).key, row(3).key]) == "New: 1,500 images. Deleted: 2 images."
    assert announcement(before, [row(9, "a\x1b[31m\u202eb")], []).isprintable()


def test_nothing_is_said_of_what_is_known_or_written_here():
    before = {r.key: r for r in (row(1, "web"), row(2))}

    assert announcement(before, [row(1, "web")], ["no such key"]) == ""
    assert announcement(before, [row(1, public=True)], [row(2).key], busy={row(1).key, row(2).key}) == ""


def test_an_error_is_described_with_everything_that_can_be_done():
    error = ServerUnreachableError("nobody answers", advice=("start it", "or see <b>elsewhere</b>"))

    assert error_text(error) == "Nobody answers. Start it. Or see <b>elsewhere</b>."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://127.0.0.1:1 is not reachable", "https://127.0.0.1:1 is not reachable."),
        ("unix:///run/lxd.socket: no answer", "unix:///run/lxd.socket: no answer."),
        ("/tmp/a.tar cannot be read", "/tmp/a.tar cannot be read."),
        ("metadata.yaml is missing", "metadata.yaml is missing."),
        ("too large: 3 GiB", "Too large: 3 GiB."),
        ("can't be read!", "Can't be read!"),
    ],
)
def test_an_address_at_the_beginning_of_a_sentence_stays_as_it_is(text, shown):
    assert sentence(text) == shown


def test_a_change_made_elsewhere_is_announced_once_in_both_panels_and_none_made_here(demo, panels):
    fingerprint = demo.add_image(factory.small(1), aliases=["web"])
    with lxdimg_nb.connect(demo.url) as client:
        image = client.images.get("web").panel()
        panels(image)
        views = [browser(client, panels), FrontEnd(image).begin()]
        assert all(view.sees(lambda p: p["header"]["live"] == "live") for view in views)
        opened(views[0], fingerprint)

        views[0].say("set", key=f"default/{fingerprint}", field="public", value=True, confirmed=True)
        assert all(view.sees(lambda p: p["detail"]["public"]["on"]) for view in views)
        views[0].settle()
        assert "news" not in views[0].parts
        demo.raw("PATCH", f"/1.0/images/{fingerprint}", json={"public": False})

        for view in views:
            assert view.sees(lambda p: p["news"]["text"] == "Changed: web." and not p["detail"]["public"]["on"])
            view.settle()
            told = [t["parts"]["news"]["number"] for t in view.told if t["type"] == "parts" and "news" in t["parts"]]
            assert len(told) == len(set(told))
        assert len([t for t in views[0].told if t["type"] == "parts" and "news" in t["parts"]]) == 1


@pytest.mark.parametrize("hears", ["after the answer", "before the answer"])
def test_a_value_that_is_put_back_elsewhere_before_its_event_is_heard_is_shown(demo, panels, monkeypatch, hears):
    """Then the list knows of no change at all, and the panel shows what it wrote itself."""
    fingerprint = demo.add_image(factory.small(1), aliases=["web"])
    heard = threading.Event()
    apply, write = Live._apply, editor.write_edit

    def late(live, event):
        assert heard.wait(60)
        apply(live, event)

    def written(*arguments):
        record = write(*arguments)
        demo.raw("PATCH", f"/1.0/images/{fingerprint}", json={"public": False})
        if hears == "before the answer":
            heard.set()
            assert until(lambda: live.fetched >= 2)
        return record

    monkeypatch.setattr(Live, "_apply", late)
    monkeypatch.setattr(editor, "write_edit", written)
    with lxdimg_nb.connect(demo.url) as client:
        view = opened_in_list(client, panels, fingerprint)
        live = view.panel._lists[0]._live

        view.say("set", key=f"default/{fingerprint}", field="public", value=True, confirmed=True)

        assert view.sees(lambda p: p["detail"]["result"]["good"])
        heard.set()
        assert view.sees(lambda p: not p["detail"]["public"]["on"])
        assert not view.panel.table.rows[f"default/{fingerprint}"].record.public


def test_an_event_that_comes_while_the_panel_of_an_image_writes_is_not_forgotten(demo, panels, monkeypatch):
    fingerprint = demo.add_image(factory.small(1), aliases=["web"])
    write = editor.write_edit
    with lxdimg_nb.connect(demo.url) as client:
        panel = client.images.get("web").panel()
        panels(panel)
        view = FrontEnd(panel).begin()
        events = []
        asked = threading.Event()
        reread, throttle = panel.reread, panel.actor.throttle

        def ask():
            if len(events) == 2:
                asked.set()
            reread()

        def hear(key, step):
            if threading.current_thread().name == "lxdimg-watch":
                events.append(key)
            throttle(key, step)

        def written(*arguments):
            monkeypatch.setattr(panel, "reread", ask)
            monkeypatch.setattr(panel.actor, "throttle", hear)
            record = write(*arguments)
            demo.raw("PATCH", f"/1.0/images/{fingerprint}", json={"public": False})
            assert asked.wait(60)
            return record

        monkeypatch.setattr(editor, "write_edit", written)
        assert view.sees(lambda p: p["header"]["live"] == "live")
        view.say("set", key=f"default/{fingerprint}", field="public", value=True, confirmed=True)

        assert view.sees(lambda p: p["detail"]["result"]["good"])
        assert view.sees(lambda p: not p["detail"]["public"]["on"])
