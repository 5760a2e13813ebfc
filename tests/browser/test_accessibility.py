"""Accessibility in both themes, and saved notebooks."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.kit import factory
from tests.kit.axe import findings
from tests.kit.lab import opened
from tests.kit.waiting import until


def test_axe_finds_nothing_in_any_state_and_theme(books, lxd, lab, axe):
    fingerprint = lxd.add_image(factory.small(1), aliases=["web"], public=True)
    for i in range(2, 14):
        lxd.add_image(factory.small(i))
    _, panel = books.browser(lxd)
    found = {}

    def look(state):
        found[state] = findings(lab.page, axe)
        lab.theme("dark")
        found[f"{state}, dark"] = findings(lab.page, axe, colours=True)
        lab.theme("light")

    look("list")

    detail = opened(panel, fingerprint)
    detail.get_by_role("switch", name="Public").click()
    expect(detail.get_by_role("status")).to_contain_text("Public on → off")
    look("said")
    detail.get_by_role("switch", name="Public").click()
    look("question")
    detail.get_by_role("button", name="Cancel").click()
    detail.get_by_role("button", name="Add a property").click()
    detail.get_by_role("button", name="Export …").click()
    detail.get_by_text("Who uses it").click()
    expect(detail.get_by_text("Ask again")).to_be_visible()
    look("forms")
    panel.locator(".lxi-do-upload").click()
    look("upload")
    panel.get_by_text("A file on this computer").click()
    look("pickers")
    panel.get_by_role("button", name="Close upload").click()
    panel.get_by_label("Select all on this page").check()
    panel.get_by_role("button", name="Make public …").click()
    expect(panel.locator(".lxi-plan")).to_be_visible()
    look("plan")

    assert {state: list_ for state, list_ in found.items() if list_} == {}


def test_a_plan_for_a_selection_is_applied_by_clicks(books, lxd):
    fingerprints = [lxd.add_image(factory.small(i)) for i in range(3)]
    _, panel = books.browser(lxd)

    panel.get_by_label("Select all on this page").check()
    panel.get_by_role("button", name="Set a property …").click()
    panel.get_by_label("Name of the property").fill("team")
    panel.get_by_label("Value (empty removes it)").fill("blue")
    panel.get_by_role("button", name="Show the plan").click()

    expect(panel.locator(".lxi-plan tbody tr")).to_have_count(3)
    assert all("team" not in lxd.get(f"images/{f}")["properties"] for f in fingerprints)
    panel.get_by_role("button", name="Change 3 images").click()
    expect(panel.locator(".lxi-bulk")).to_contain_text("3 done")
    assert all(lxd.get(f"images/{f}")["properties"]["team"] == "blue" for f in fingerprints)


def test_a_saved_notebook_is_small_shows_a_table_and_writes_nothing_when_opened(books, lxd, lab):
    fingerprint = lxd.add_image(
        factory.small(1, properties={"description": "<b>bold</b>"}), aliases=["web"], public=True
    )
    before = lxd.get(f"images/{fingerprint}")
    book, panel = books.browser(lxd)
    opened(panel, fingerprint)

    book.save()

    assert until(lambda: "text/html" in book.file.read_text())
    saved = json.loads(book.file.read_text())
    assert book.file.stat().st_size < 100_000
    html = "".join(saved["cells"][0]["outputs"][0]["data"]["text/html"])
    assert "web" in html
    assert "&lt;b&gt;" in html
    assert "certificate" not in book.file.read_text()
    book.close()
    lab.open(book)
    assert lxd.get(f"images/{fingerprint}") == before


def test_a_hostile_server_gets_no_markup_into_the_page(books, demo, lab):
    evil = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>'
    fingerprint = demo.add_image(
        factory.small(1, properties={"description": evil, "os": evil}), aliases=["<b>x</b>"], properties={"note": evil}
    )
    _, panel = books.browser(demo)

    detail = opened(panel, fingerprint)

    expect(detail).to_contain_text("onerror")
    assert panel.locator("img, script, b").count() == 0
    assert lab.page.evaluate("() => window.owned") is None
