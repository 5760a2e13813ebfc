"""What screen readers are told of changes that others made."""

from __future__ import annotations

import lxdimg_nb
from lxdimg_nb.panels.image.image_row import Row
from lxdimg_nb.panels.images.announcement import announcement
from lxdimg_nb.values import ImageRecord
from tests.kit import factory
from tests.kit.frontend import FrontEnd, browser, opened, panels

__all__ = ["panels"]


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
