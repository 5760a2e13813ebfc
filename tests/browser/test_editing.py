"""Edits in the panel and changes made elsewhere, in a real JupyterLab on real servers."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.kit import factory
from tests.kit.commandline import CommandLine
from tests.kit.lab import opened
from tests.kit.waiting import until


def test_a_property_is_edited_in_place_and_undone(books, real):
    fingerprint = real.add_image(factory.small(1), properties={"note": "old"})
    before = real.get(f"images/{fingerprint}")["properties"]
    _, panel = books.browser(real)
    detail = opened(panel, fingerprint)

    detail.get_by_role("button", name="Edit note").click()
    detail.get_by_label("Value of note").fill("new")
    detail.get_by_label("Value of note").press("Enter")

    expect(detail.get_by_role("status")).to_contain_text("Note old → new")
    assert real.get(f"images/{fingerprint}")["properties"] == before | {"note": "new"}
    detail.get_by_role("button", name="Undo").click()
    expect(detail.get_by_role("status")).to_contain_text("Note new → old")
    assert real.get(f"images/{fingerprint}")["properties"] == before


def test_expiry_and_profiles_are_set_without_touching_the_rest(books, real):
    fingerprint = real.add_image(factory.small(2), public=True)
    before = real.get(f"images/{fingerprint}")
    _, panel = books.browser(real)
    detail = opened(panel, fingerprint)

    detail.get_by_role("button", name="Edit expires").click()
    detail.get_by_label("Expires").fill("2031-02-03")
    detail.get_by_role("button", name="Save").click()

    expect(detail.get_by_role("status")).to_contain_text("2031-02-03")
    image = real.get(f"images/{fingerprint}")
    assert image["expires_at"].startswith("2031-02-03")
    assert image == before | {"expires_at": image["expires_at"]}


def test_an_alias_is_added_moved_and_removed(books, real):
    other = real.add_image(factory.small(3), aliases=["web"])
    fingerprint = real.add_image(factory.small(4))
    _, panel = books.browser(real)
    detail = opened(panel, fingerprint)

    detail.get_by_role("button", name="Add an alias").click()
    detail.get_by_label("New alias").fill("web")
    detail.get_by_label("New alias").press("Enter")

    expect(detail.get_by_role("alert")).to_contain_text("points at another image")
    assert real.get("images/aliases/web")["target"] == other
    detail.get_by_role("button", name="Move it here").click()
    expect(detail.locator(".lxi-tags")).to_contain_text("web")
    assert real.get("images/aliases/web")["target"] == fingerprint
    detail.get_by_role("button", name="Remove the alias web").click()
    detail.get_by_role("button", name="Remove", exact=True).click()
    expect(detail).to_contain_text("No alias points at it")
    assert real.get("images/aliases") == []


def test_a_conflict_shows_both_values_and_lets_the_user_choose(books, real):
    fingerprint = real.add_image(factory.small(5), properties={"note": "seen"})
    _, panel = books.browser(real)
    detail = opened(panel, fingerprint)
    detail.get_by_role("button", name="Edit note").click()
    detail.get_by_label("Value of note").fill("mine")
    assert real.raw("PATCH", f"/1.0/images/{fingerprint}", json={"properties": {"note": "theirs"}}).status == 200

    detail.get_by_label("Value of note").press("Enter")

    alert = detail.get_by_role("alert")
    expect(alert).to_contain_text("nothing was written")
    expect(alert).to_contain_text("theirs")
    expect(alert).to_contain_text("mine")
    assert real.get(f"images/{fingerprint}")["properties"]["note"] == "theirs"
    detail.get_by_role("button", name="Write mine over it").click()
    expect(detail.get_by_role("status")).to_contain_text("→ mine")
    assert real.get(f"images/{fingerprint}")["properties"]["note"] == "mine"


def test_deleting_asks_first(books, real):
    fingerprint = real.add_image(factory.small(6), aliases=["web"])
    _, panel = books.browser(real)
    detail = opened(panel, fingerprint)

    detail.get_by_role("button", name="Delete …").click()

    assert real.get("images") != []
    detail.get_by_role("button", name="Delete", exact=True).click()
    expect(panel).to_contain_text("Deleted web")
    assert real.get("images") == []


def test_changes_made_elsewhere_appear_by_themselves(books, real, tmp_path):
    fingerprint = real.add_image(factory.small(7))
    home = tmp_path / "home"
    home.mkdir()
    cli = CommandLine("incus" if real.product == "incus" else "lxc", real.folder, home)
    _, panel = books.browser(real)
    detail = opened(panel, fingerprint)
    expect(panel.locator(".lxi-live")).to_contain_text("live")

    cli("image", "set-property", fingerprint, "note", "by the command line")
    cli("image", "alias", "create", "named", fingerprint)
    real.raw("PATCH", f"/1.0/images/{fingerprint}", json={"public": True})
    second = real.add_image(factory.small(8), aliases=["later"])

    expect(detail).to_contain_text("by the command line")
    expect(detail.locator(".lxi-title")).to_have_text("named")
    expect(detail.get_by_role("switch", name="Public")).to_have_attribute("aria-checked", "true")
    expect(panel.locator(f'tr[data-key$="{second}"]')).to_contain_text("later")
    real.wait(real.raw("DELETE", f"/1.0/images/{second}"))
    expect(panel.locator(f'tr[data-key$="{second}"]')).to_have_count(0)


def test_the_panel_of_one_image_edits_and_follows_changes(books, lxd):
    fingerprint = lxd.add_image(factory.small(9), aliases=["web"])
    book = books.notebook(
        [f"import lxdimg_nb\nclient = lxdimg_nb.connect({lxd.url!r})\nimage = client.images.get('web')\nimage.panel()"]
    )
    book.run(0)
    panel = book.panel(0)
    expect(panel).to_contain_text(fingerprint)

    panel.get_by_role("switch", name="Public").click()
    panel.get_by_role("button", name="Make public").click()

    assert until(lambda: lxd.get(f"images/{fingerprint}")["public"] is True)
    expect(panel.locator(".lxi-live")).to_contain_text("live")
    lxd.raw("PATCH", f"/1.0/images/{fingerprint}", json={"public": False})
    expect(panel.get_by_role("switch", name="Public")).to_have_attribute("aria-checked", "false")


def test_a_panel_says_that_its_kernel_was_restarted_and_writes_nothing(books, lxd):
    fingerprint = lxd.add_image(factory.small(10), public=True)
    book, panel = books.browser(lxd)
    detail = opened(panel, fingerprint)

    book.restart_kernel()
    if detail.is_visible():
        detail.get_by_role("switch", name="Public").click()
        expect(panel.get_by_text(re.compile("lost its kernel|not answer")).first).to_be_visible()

    assert lxd.get(f"images/{fingerprint}")["public"] is True
    book.run(0)
    again = book.panel(0)
    expect(again.locator("tbody tr")).to_have_count(1)
    assert lxd.get(f"images/{fingerprint}")["public"] is True
