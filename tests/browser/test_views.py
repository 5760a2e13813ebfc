"""Views that come and go: no button is dead afterwards, and nothing is done twice."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.kit import factory
from tests.kit.lab import FIND, opened
from tests.kit.waiting import until

DROP = f"""async path => {{
  {FIND}
  const kernel = w.context.sessionContext.session.kernel;
  await new Promise(resolve => {{
    const came = (_, status) => status === 'connected' && (kernel.connectionStatusChanged.disconnect(came), resolve());
    kernel.connectionStatusChanged.connect(came);
    kernel.reconnect();
  }});
}}"""
# Then the page is drawn twice, so that what is out of sight is taken away.
SCROLL = """async ([where, to]) => {
  document.querySelector(where).scrollTo(0, to);
  for (let n = 0; n < 2; n++) await new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)));
}"""
TOP = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer"


@pytest.fixture
def web(demo):
    return demo.add_image(factory.small(1), aliases=["web"], public=True)


@pytest.fixture
def writes(demo):
    """How many requests have changed something since the test began."""
    begin = len(demo.demo.requests)
    return lambda: len([r for r in list(demo.demo.requests)[begin:] if r[0] != "GET"])


def switched(panel, demo, fingerprint, *, to):
    """Switch Public in a panel; it is done once the server and the panel say so."""
    switch = panel.locator(".lxi-detail").get_by_role("switch", name="Public")
    switch.click()
    if to:
        panel.get_by_role("button", name="Make public").click()
    assert until(lambda: demo.get(f"images/{fingerprint}")["public"] is to)
    expect(switch).to_have_attribute("aria-checked", "true" if to else "false")


def test_a_panel_whose_connection_was_lost_and_is_back_goes_on(books, demo, web, writes):
    book, panel = books.browser(demo)
    opened(panel, web)

    book.page.evaluate(DROP, book.path)
    demo.add_image(factory.small(2), aliases=["later"])

    expect(panel.locator("tbody tr")).to_have_count(2)
    before = writes()
    switched(panel, demo, web, to=False)
    assert writes() == before + 1
    expect(panel.get_by_text("lost its kernel")).to_have_count(0)


# As after minutes without a sign of life.
FORGET = """import threading
done, lists = threading.Event(), []
panel.actor.post(lambda: (panel._views.clear(), panel._count_views(), lists.append(list(panel._lists)), done.set()))
print(done.wait(60), lists)"""


def test_a_panel_that_was_taken_for_gone_while_the_laptop_slept_goes_on(books, demo, web, writes):
    book, panel = books.browser(demo, FORGET)
    opened(panel, web)
    assert book.run(1).inner_text().strip() == "True [[]]"

    panel.get_by_label("Search images").fill("w")
    demo.add_image(factory.small(2), aliases=["west"])

    expect(panel.locator("tbody tr")).to_have_count(2)
    before = writes()
    switched(panel, demo, web, to=False)
    assert writes() == before + 1


def test_a_panel_shown_twice_writes_once_and_shows_it_in_both(books, demo, web, writes):
    book, first = books.browser(demo, "panel")
    opened(first, web)
    book.run(1)
    second = book.panel(1)
    expect(second.locator(".lxi-detail")).to_contain_text(web)
    before = writes()

    switched(second, demo, web, to=False)

    expect(first.get_by_role("switch", name="Public")).to_have_attribute("aria-checked", "false")
    assert writes() == before + 1
    # What is asked in one view is not asked in the other.
    first.get_by_role("switch", name="Public").click()
    expect(first.get_by_role("alertdialog")).to_have_count(1)
    expect(second.get_by_role("alertdialog")).to_have_count(0)
    # The first is the one to go on when the second is gone.
    book.page.evaluate("at => document.querySelectorAll('.jp-CodeCell')[at].querySelector('.lxi').remove()", 1)
    first.get_by_role("button", name="Make public").click()
    expect(first.get_by_role("switch", name="Public")).to_have_attribute("aria-checked", "true")
    assert writes() == before + 2


def test_two_panels_of_a_page_share_one_script_and_work(books, demo, web, writes):
    book, first = books.browser(demo, "client.images.panel()")
    book.run(1)
    second = book.panel(1)

    opened(second, web)
    switched(second, demo, web, to=False)

    expect(first.locator("tbody .lxi-is-public")).to_have_count(0)
    styles = book.page.evaluate("() => [...document.querySelectorAll('head style')].map(style => style.textContent)")
    assert len([style for style in styles if ".lxi-panel" in style]) == 1


def test_a_panel_that_was_scrolled_away_and_back_works(books, demo, web, writes):
    book, panel = books.browser(demo, *["pass\n" * 30] * 12)
    opened(panel, web)

    for down in (100_000, 0, 100_000, 0):
        book.page.evaluate(SCROLL, [TOP, down])

    before = writes()
    switched(panel, demo, web, to=False)
    assert writes() == before + 1
    expect(panel.locator(".lxi-detail")).to_have_count(1)
