"""A notebook that is saved, trusted, opened twice, undone, reloaded or run again writes nothing, says the request log.

What waits for an answer stays unanswered: an open question, an edit that was not saved, a plan that was not applied.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.kit import counts, factory
from tests.kit.lab import SLOW, opened

# After the panel of all images: everything that shows and nothing that writes.
CELLS = (
    "df = client.images.df(used_by=True)\ndf",
    "image = client.images.get('web')\nimage.panel()",
    "plan = lxdimg_nb.plan.set(df, public=True)\nplan",
    "lxdimg_nb.Fleet({'here': client}).panel()",
    "%load_ext lxdimg_nb\n%lxdimg connect $client\n%lxdimg export web . --background",
    "%lxdimg transfers",
)
# Not waited for: a command that has nothing to undo, or that is sure of nothing, may ask something first.
COMMAND = "name => { window.jupyterapp.commands.execute(name) }"


@pytest.fixture
def web(demo):
    return demo.add_image(factory.small(1), aliases=["web"], public=True)


@pytest.fixture
def writes(demo, web):
    """The requests since the test began that are more than reading."""
    begin = len(demo.demo.requests)
    return lambda: [request for request in list(demo.demo.requests)[begin:] if request[0] != "GET"]


def commands(page, *names):
    for name in names:
        page.evaluate(COMMAND, name)


def run_all(book):
    for at in range(1 + len(CELLS)):
        book.run(at)
    return book.panel(0)


def test_no_way_of_opening_a_notebook_again_writes_anything(books, lab, demo, web, writes):
    demo.add_image(factory.small(2), aliases=["db"])
    begin = len(writes())
    book, panel = books.browser(demo, *CELLS)
    page = book.page
    for at in range(1, 1 + len(CELLS)):
        book.run(at)
    # A question, an edit and a plan that wait.
    detail = opened(panel, web)
    detail.get_by_role("button", name="Delete").click()
    expect(panel.get_by_role("alertdialog")).to_have_count(1)
    panel.get_by_label("Search images").fill("w")
    tried = 0

    def nothing_written(what):
        nonlocal tried
        tried += 1
        assert writes()[begin:] == [], what

    book.save()
    nothing_written("saving")
    commands(page, "notebook:trust")
    # It asks, or says that the notebook is trusted already, as one is that ran here.
    page.locator(".jp-Dialog .jp-mod-accept").click(timeout=SLOW)
    nothing_written("trusting")
    commands(page, "notebook:undo-cell-action", "notebook:redo-cell-action", "notebook:undo-cell-action")
    page.evaluate("() => document.activeElement.blur()")
    commands(page, "notebook:enter-command-mode")
    for key in ("Control+z", "z", "Shift+z", "Control+Shift+z"):
        page.keyboard.press(key)
    nothing_written("undo")
    commands(page, "notebook:create-output-view")
    nothing_written("another view of an output")
    with lab.another(book) as tab:
        expect(tab.panel(0).locator("tbody tr").first).to_be_visible()
        tab.run(1)
        nothing_written("a second tab")
    lab.load()
    lab.open(book)
    expect(book.panel(0).locator("tbody tr").first).to_be_visible()
    nothing_written("reloading the page")
    run_all(book)
    nothing_written("running again")
    book.save()
    book.restart_kernel()
    panel = run_all(book)
    nothing_written("restarting the kernel")
    lab.open(book)
    book.run(0)
    nothing_written("opening it once more")
    counts.count("ways to open a notebook again", inputs=tried)

    # The canary: a click that means it is one write, and seen.
    opened(panel, web)
    switch = panel.locator(".lxi-detail").get_by_role("switch", name="Public")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    assert [method for method, _ in writes()[begin:]] == ["PATCH"]
