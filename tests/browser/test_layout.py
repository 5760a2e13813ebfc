"""Layout with narrow cells, large letters, very long names, and text from right to left."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.kit import factory
from tests.kit.axe import findings
from tests.kit.lab import SLOW, opened
from tests.kit.waiting import until

LONG = "web-" + "abcdefghij" * 19 + "-end"
HEBREW = "\u05e9\u05dc\u05d5\u05dd"
# Right-to-left override and isolates that are never closed: what follows them would be turned round.
HOSTILE = f"{HEBREW} \u202e\u2067 1.0 (x)"

# What sticks out of the panel, and what is written from right to left without being kept apart.
LOOK = """panel => {
  const name = e => `${e.tagName}.${e.className}: ${e.textContent.slice(0, 40)}`;
  const clipped = e => {
    for (let up = e.parentElement; up !== panel; up = up.parentElement) {
      const {overflowX, textOverflow} = getComputedStyle(up);
      if (overflowX === 'auto' || textOverflow === 'ellipsis') return true;
    }
    return false;
  };
  const out = panel.scrollWidth > panel.clientWidth + 1 ? ['the panel itself'] : [];
  for (const e of panel.querySelectorAll('*')) {
    const r = e.getBoundingClientRect();
    const within = e.parentElement.closest('section') || panel, {left, right} = within.getBoundingClientRect();
    const edge = side => parseFloat(getComputedStyle(within)[`padding${side}`]) - 1;
    const past = r.right > right - edge('Right') || r.left < left + edge('Left');
    if (r.width && past && e.checkVisibility() && !clipped(e)) out.push(name(e));
  }
  const texts = document.createTreeWalker(panel, NodeFilter.SHOW_TEXT);
  const mixed = [];
  while (texts.nextNode()) {
    const at = texts.currentNode.parentElement;
    if (/[\\u0590-\\u06ff\\u202a-\\u202e\\u2066-\\u2069]/.test(texts.currentNode.data)
      && !(at.closest('bdi, [dir]') && panel.contains(at.closest('bdi, [dir]')))) mixed.push(name(at));
  }
  return {out, mixed};
}"""


@pytest.fixture
def shaped(books, lab):
    """Makes a panel as wide as that, with letters as high."""

    def shape(server, width, letters):
        _, panel = books.browser(server)
        panel.evaluate("(p, w) => { p.closest('.lxi').parentElement.style.width = `${w}px`; }", width)
        panel.evaluate("(p, h) => p.closest('.lxi').style.setProperty('--jp-ui-font-size1', `${h}px`)", letters)
        return panel

    return shape


def test_the_detail_is_beside_the_list_from_880_px_on_and_scrolled_to_below_that(shaped, demo):
    for i in range(20):
        fingerprint = demo.add_image(factory.small(i), aliases=[f"web-{i:02}"])
    panel = shaped(demo, 880, 13)
    look = """panel => {
      const box = name => panel.querySelector(name).getBoundingClientRect();
      const [list, title] = [box('.lxi-list'), box('.lxi-detail .lxi-title')];
      return {beside: title.left >= list.right, seen: title.top >= 0 && title.bottom <= innerHeight};
    }"""

    opened(panel, fingerprint)
    assert until(lambda: panel.evaluate(look) == {"beside": True, "seen": True}), panel.evaluate(look)
    panel.get_by_role("button", name="Close details").click()
    expect(panel.locator(".lxi-detail")).to_have_count(0, timeout=SLOW)
    panel.evaluate("p => { p.closest('.lxi').parentElement.style.width = '860px'; }")
    opened(panel, fingerprint)

    assert until(lambda: panel.evaluate(look) == {"beside": False, "seen": True}), panel.evaluate(look)


@pytest.mark.parametrize(
    ("width", "letters", "theme"),
    [pytest.param(320, 13, "light", marks=pytest.mark.long), (380, 26, "dark"), (900, 13, "light")],
)
def test_nothing_overflows_with_any_names_in_any_width(shaped, lxd, lab, axe, tmp_path, width, letters, theme):
    fingerprint = lxd.add_image(
        factory.small(
            1, properties={"description": "d" * 100_000, "os": HOSTILE, HEBREW: HOSTILE, "k" * 90: "v" * 400}
        ),
        aliases=[LONG, HEBREW],
    )
    for i in range(2, 14):
        lxd.add_image(factory.small(i), aliases=[f"{HEBREW}-{i}"], public=True, properties={"description": HOSTILE})
    # So that the question before an image is made public names an address.
    lxd.listen()
    lab.theme(theme)
    panel = shaped(lxd, width, letters)
    seen = {}

    def look(state):
        seen[state] = panel.evaluate(LOOK) | {"axe": findings(lab.page, axe)}

    look("list")
    panel.locator("summary", has_text="Columns").click()
    look("columns")
    panel.locator("summary", has_text="Columns").click()
    detail = opened(panel, fingerprint)
    detail.get_by_role("button", name="Export …").click()
    detail.get_by_role("button", name="Export", exact=True).click()
    expect(panel.locator(".lxi-job-done")).to_contain_text("verified")
    detail.get_by_role("switch", name="Public").click()
    detail.get_by_role("button", name="Edit expires").click()
    detail.get_by_role("button", name=f"Remove the alias {HEBREW}", exact=True).click()
    look("detail")
    detail.get_by_role("button", name="Delete …").click()
    panel.locator(".lxi-do-upload").click()
    look("upload")
    panel.get_by_label("Image file on the kernel's machine").fill(f"/no/such/{HOSTILE}{LONG}")
    panel.get_by_role("button", name="Check").click()
    expect(panel.locator(".lxi-upload [role=alert]")).to_contain_text("There is no file")
    panel.get_by_label("Select all on this page").check()
    panel.get_by_role("button", name="Make public …").click()
    expect(panel.locator(".lxi-plan")).to_be_visible()
    look("plan")
    lab.theme("light")

    assert {state: what for state, what in seen.items() if any(what.values())} == {}
