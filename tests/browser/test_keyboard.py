"""Everything can be done by keyboard: nothing here is clicked, and the server is asked afterwards."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.kit import factory
from tests.kit.proxy import Fault, Proxy
from tests.kit.waiting import until

# The element with the focus, in words; empty outside of the panel.
AT = """() => {
  const at = document.activeElement;
  if (!at.closest('.lxi')) return '';
  const labelled = document.getElementById(at.getAttribute('aria-labelledby'));
  const label = at.labels && at.labels[0];
  return at.getAttribute('aria-label') || (labelled || label || at).innerText.trim().split('\\n')[0];
}"""


class Keys:
    """A person without a mouse."""

    def __init__(self, book, panel):
        self.book = book
        self.page = book.page
        self.panel = panel
        self.cells = book.sources()

    @property
    def at(self):
        return self.page.evaluate(AT)

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text):
        self.page.keyboard.type(text)

    def reach(self, name, key="Tab"):
        """Go on until the focus is on what has this name; going round the whole panel is no way."""
        seen = []
        for _ in range(70):
            if (at := self.at) == name:
                return self
            seen.append(at)
            self.press(key)
        raise AssertionError(f"{key} does not lead to {name!r}, but to {seen}")

    def back(self, name):
        return self.reach(name, "Shift+Tab")

    def enter(self, text):
        """Type over what a field holds."""
        self.press("Control+a")
        self.type(text)
        self.press("Enter")

    def sees(self, text, *, where=".lxi-panel"):
        """Something came of it, and the focus is in the panel still."""
        expect(self.panel.page.locator(where).first).to_contain_text(text)
        assert self.panel.page.locator(".lxi:focus-within").count() == 1, f"the focus was lost at {text!r}"


@pytest.fixture
def keys(books):
    def open_panel(server, *cells):
        made = Keys(*books.browser(server, *cells))
        yield_to.append(made)
        return made

    yield_to: list[Keys] = []
    yield open_panel
    for made in yield_to:
        assert made.book.sources() == made.cells, "keys went to the notebook"


def test_a_list_is_searched_sorted_paged_and_changed_by_keys_alone(keys, lxd):
    prints = {
        f"img-{i:02}": lxd.add_image(factory.small(i), aliases=[f"img-{i:02}"], properties={"team": "red"})
        for i in range(12)
    }
    keys = keys(lxd)
    rows = keys.panel.locator("tbody tr")

    keys.reach("Search images").type("img")
    keys.reach("Columns").press("Enter")
    keys.reach("Used").press("Space")
    expect(keys.panel.locator("thead")).to_contain_text("Used")
    keys.press("Escape")
    assert keys.at == "Columns"
    keys.reach("Alias").press("Enter")
    expect(rows.first).to_contain_text("img-00")
    assert keys.at.startswith("Alias")
    # Tab stops at one row alone; the way behind the table is short.
    keys.reach("img-00").press("ArrowDown", "End", "ArrowDown", "ArrowDown")
    assert keys.at == "img-11"
    keys.reach("Rows").press("ArrowUp")
    expect(rows).to_have_count(10)
    keys.reach("Next page").press("Enter")
    expect(rows).to_have_count(2)
    assert keys.at == "Next page"
    keys.back("img-11").press("Home", "Shift+Tab", "Space", "ArrowDown", "Space")
    keys.sees("2 selected")

    keys.back("Set a property …").press("Enter")
    keys.type("team")
    keys.reach("Value (empty removes it)").enter("blue")
    keys.sees("team: red → blue", where=".lxi-plan")
    assert lxd.get(f"images/{prints['img-10']}")["properties"]["team"] == "red"
    keys.reach("Change 2 images").press("Enter")
    keys.sees("2 done", where=".lxi-bulk .lxi-message")
    assert {n for n, f in prints.items() if lxd.get(f"images/{f}")["properties"]["team"] == "blue"} == {
        "img-10",
        "img-11",
    }
    keys.reach("Dismiss").press("Enter")
    keys.reach("Delete …").press("Enter")
    keys.sees("delete", where=".lxi-plan")
    keys.reach("Delete 2 images").press("Enter")
    keys.sees("2 done", where=".lxi-bulk .lxi-message")
    assert len(lxd.get("images")) == 10


def test_letters_that_notebooks_act_on_stay_in_the_panel(keys, lxd):
    fingerprint = lxd.add_image(factory.small(1), aliases=["web"])
    keys = keys(lxd, "one", "two")
    for name in ("Reload", "Search images", "Public", "Select web", "web"):
        keys.reach(name).press("a", "b", "d", "d", "x", "v", "y", "m", "Shift+m", "z", "0", "0", "i", "i")
        keys.press("j", "k", "ArrowLeft", "ArrowRight", "Escape", "Control+Shift+ArrowDown")
        assert keys.at == name
        if name == "Search images":
            keys.press("Control+a", "Delete")
        expect(keys.panel.locator("tbody tr")).to_have_count(1)
    keys.press("Shift+Enter")
    keys.sees(fingerprint)
    assert lxd.get("images") == [f"/1.0/images/{fingerprint}"]


def test_an_image_is_edited_exported_and_deleted_by_keys_alone(keys, lxd, tmp_path):
    file = tmp_path / "web.tar.gz"
    factory.big(file, 8 << 20)
    fingerprint = lxd.add_image(file.read_bytes(), aliases=["web"], properties={"note": "old"})
    other = lxd.add_image(factory.small(2), aliases=["db"])
    image = lambda: lxd.get(f"images/{fingerprint}")  # noqa: E731
    with Proxy(Path(lxd.url.removeprefix("unix://")), tmp_path) as proxy:
        keys = keys(proxy)
        panel = keys.panel

        keys.reach("Search images").type("alias=web")
        expect(panel.locator("tbody tr")).to_have_count(1)
        keys.reach("web").press("Enter")
        expect(panel.locator(".lxi-detail .lxi-title")).to_be_focused()

        keys.reach("Public").press("Space")
        assert keys.at == "Make public"
        keys.press("Escape")
        assert (keys.at, image()["public"]) == ("Public", False)
        keys.press("Space", "Enter")
        keys.sees("Public off → on")
        assert (keys.at, image()["public"]) == ("Public", True)
        keys.back("Undo").press("Enter")
        keys.sees("Public on → off")
        keys.back("Dismiss").press("Enter")
        keys.reach("Edit note").press("Enter")
        keys.enter("new")
        keys.sees("Note old → new")
        assert keys.at == "Edit note"
        assert image()["properties"]["note"] == "new"
        keys.back("Edit expires").press("Enter")
        keys.type("02032031")
        keys.press("Enter")
        keys.sees("2031-02-03")
        assert (keys.at, image()["expires_at"][:10]) == ("Edit expires", "2031-02-03")

        keys.reach("Add an alias").press("Enter")
        keys.enter("web/1")
        expect(panel.locator(".lxi-tags")).to_contain_text("web/1")
        assert keys.at == "Add an alias"
        keys.press("Enter")
        keys.enter("db")
        keys.sees("points at another image")
        keys.back("Move it here").press("Enter")
        expect(panel.locator(".lxi-tags")).to_contain_text("db")
        keys.reach("Remove the alias db").press("Enter")
        assert keys.at == "Remove"
        keys.press("Enter")
        expect(panel.locator(".lxi-tags")).not_to_contain_text("db")
        assert keys.at == "Add an alias"
        assert [a["name"] for a in lxd.get("images/aliases?recursion=1")] == ["web", "web/1"]

        held = threading.Event()
        proxy.inject(Fault("call", at=64, action=lambda: held.wait(60)), "/export")
        keys.back("Export …").press("Enter")
        folder = tmp_path / "exports"
        folder.mkdir()
        keys.enter(str(folder))
        expect(panel.locator(".lxi-job")).to_have_count(1)
        keys.back(f"Cancel Export web to {folder}").press("Enter")
        keys.sees("Cancelling", where=".lxi-job")
        held.set()
        keys.sees("Cancelled; exported there again, it goes on where it stopped", where=".lxi-job")
        assert [f for f in folder.iterdir() if f.suffix != ".part"] == []
        keys.reach("Export …").press("Enter")
        keys.press("Enter")
        keys.sees("verified", where=".lxi-job-done")
        assert [f.read_bytes() for f in folder.iterdir()] == [file.read_bytes()]
        keys.reach("Delete …").press("Enter")
        assert (keys.at, len(lxd.get("images"))) == ("Delete", 2)
        keys.press("Enter")
        keys.sees("Deleted web")
        assert lxd.get("images") == [f"/1.0/images/{other}"]
        keys.back("Dismiss").press("Enter")
        expect(panel.get_by_text("Deleted web")).to_have_count(0)
        keys.reach("Clear the search").press("Enter")
        keys.sees("1 image, ")
        assert keys.at == "Search images"


def test_a_file_is_uploaded_by_keys_alone(keys, lxd, tmp_path):
    file = tmp_path / "web.tar.gz"
    file.write_bytes(factory.small(3))
    fingerprint = hashlib.sha256(file.read_bytes()).hexdigest()
    keys = keys(lxd)

    keys.reach("Upload an image …").press("Enter")
    keys.reach("Image file on the kernel's machine").enter(str(file))
    keys.sees(fingerprint, where=".lxi-upload")
    assert (keys.at, lxd.get("images")) == ("Upload", [])
    keys.back("Aliases").enter("web")

    keys.sees(f"Imported as {fingerprint[:12]}", where=".lxi-upload")
    assert until(lambda: lxd.get("images/aliases/web")["target"] == fingerprint)
    keys.press("Escape")
    assert keys.at == "Upload …"
