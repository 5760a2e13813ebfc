"""No message of a view makes public, deletes or changes many without a confirmation; each says who or what is hit."""

from __future__ import annotations

import pytest

import lxdimg_nb
from tests.kit import counts, factory
from tests.kit.frontend import FrontEnd, browser, opened, panels

__all__ = ["panels"]

# Of one image, and of the selection: nothing happens, and what the view shows before it asks says this.
SEEN = "without any authentication"
ONE = {
    "set": ({"field": "public", "value": True}, SEEN),
    "undo": ({}, SEEN),
    "delete": ({}, ""),
}
MANY = {
    "public": SEEN,
    "delete": "will be gone from the server",
    "private": "Nothing has been changed yet",
    "no-update": "",
    "property": "Nothing has been changed yet",
    "refresh": "",
    "export": "",
}
# What its own button or field is the confirmation of: one value of one image, which can be undone or done again.
EDITS = "edit overwrite dismiss-result add-alias move-alias delete-alias copy refresh export"
UPLOADS = "check complete make-metadata upload unload file-begin file-piece file-direct file-sent"
READS = (
    "load hello bye cancel forget dismiss explain reload search chips sort page size columns select open shut project "
    "unplan lookup agree"
)


@pytest.fixture
def view(demo, panels):
    images = [demo.add_image(factory.small(i), aliases=[f"a{i}"]) for i in (1, 2)]
    with lxdimg_nb.connect(demo.url) as client:
        found = browser(client, panels)
        opened(found, images[0])
        yield found, f"default/{images[0]}", [f"default/{one}" for one in images]


def writes(demo) -> list[str]:
    return [f"{method} {path}" for method, path in list(demo.demo.requests) if method != "GET"]


def test_every_message_that_a_panel_takes_is_known_here(view):
    from lxdimg_nb.panels.images.images_panel import ImagesPanel

    known = f"{EDITS} {UPLOADS} {READS} plan apply".split()
    assert isinstance(view[0].panel, ImagesPanel)
    assert set(view[0].panel._handlers) == {*ONE, *known}


@pytest.mark.parametrize("confirmed", [None, False, "true", 1], ids=repr)
@pytest.mark.parametrize("kind", ONE)
def test_one_image(demo, view, kind, confirmed):
    found, key, _ = view
    content, says = ONE[kind]
    if kind == "undo":
        found.say("set", key=key, field="public", value=True, confirmed=True)
        assert found.sees(lambda p: p["detail"]["public"]["on"])
        found.say("set", key=key, field="public", value=False, confirmed=True)
        assert found.sees(lambda p: p["detail"]["result"]["undo_makes_public"])
    before = writes(demo)

    found.say(kind, key=key, **content, **({} if confirmed is None else {"confirmed": confirmed}))
    found.settle()

    assert says in found.parts["detail"]["public"]["danger"]
    assert writes(demo) == before
    counts.count("verbs that ask", inputs=1)


@pytest.mark.parametrize("action", MANY)
def test_many_images(demo, view, action):
    found, _, keys = view
    before = writes(demo)
    found.say("select", keys=keys, on=True)
    found.say("plan", action=action, name="owner", value="" if action == "export" else "me")
    assert found.sees(lambda p: p["bulk"]["state"] in ("planned", "refused"))

    for confirmed in ({}, {"confirmed": False}, {"confirmed": "true"}):
        found.say("apply", **confirmed)
    found.settle()

    assert MANY[action] in str(found.parts["bulk"])
    assert writes(demo) == before
    counts.count("verbs that ask", inputs=1)


def test_a_confirmed_one_is_noticed(demo, view):
    """The canary."""
    found, key, _ = view
    before = writes(demo)

    found.say("delete", key=key, confirmed=True)

    assert found.sees(lambda p: p["detail"] is None)
    assert [one.partition(" ")[0] for one in writes(demo)[len(before) :]] == ["DELETE"]


def test_a_fleet_changes_nothing_in_bulk(demo, panels):
    with lxdimg_nb.connect(demo.url) as client:
        panel = lxdimg_nb.Fleet({"one": client}).panel()
        panels(panel)
        FrontEnd(panel).begin()

        assert {"plan", "apply", *UPLOADS.split()} & set(panel._handlers) == set()
