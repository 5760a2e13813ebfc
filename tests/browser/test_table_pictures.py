"""Tables in JupyterLab look as in the reference pictures, narrow and wide, light and dark.

After a change of the design `python -m tests.kit.gallery` takes the pictures again; look at them before they are kept.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.axe import findings
from tests.kit.comparison import TOLERANCE, difference
from tests.kit.gallery import THEMES, WIDTHS, Gallery, reference
from tests.kit.lab import Books, Lab

FAULTS = {
    "text on the right": ".jp-OutputArea .lxdimg.lxdimg.lxdimg td{text-align:right!important}",
    "dates in two lines": ".jp-OutputArea .lxdimg.lxdimg.lxdimg td{white-space:normal!important;min-width:0!important}",
    "no badges": ".jp-OutputArea .lxdimg.lxdimg.lxdimg b{border-color:transparent!important}"
    ".jp-OutputArea .lxdimg.lxdimg.lxdimg b::before{content:''!important}",
}


@pytest.fixture(scope="module")
def gallery(lab: Lab) -> Iterator[Gallery]:
    books = Books(lab)
    shown = Gallery(lab, books)
    yield shown
    shown.close()
    for book in books.opened:
        book.close()


@pytest.mark.parametrize(
    ("width", "theme"),
    [
        # In turn; the colours of a theme are the same at all widths.
        pytest.param(width, theme, marks=pytest.mark.long if (w + t) % 2 else ())
        for w, width in enumerate(WIDTHS)
        for t, theme in enumerate(THEMES)
    ],
)
def test_tables_look_as_in_the_reference_picture(gallery: Gallery, width: int, theme: str, tmp_path) -> None:
    seen = gallery.picture(width, theme)

    seen.save(tmp_path / "seen.png")
    assert difference(seen, reference(width, theme)) < TOLERANCE, f"see {tmp_path}/seen.png"


@pytest.mark.parametrize("theme", THEMES)
def test_tables_can_be_read_and_reached_by_everybody(gallery: Gallery, theme: str, axe: str) -> None:
    gallery.picture(700, theme)

    assert findings(gallery.lab.page, axe, ".lxdimg") == []


def test_the_header_of_a_long_table_stays_in_sight(gallery: Gallery) -> None:
    box = gallery.output.locator(".lxdimg > div").last

    scrolled, head, first = box.evaluate(
        "e => { e.scrollTop = 200; const at = s => e.querySelector(s).getBoundingClientRect().top - "
        "e.getBoundingClientRect().top; return [e.scrollTop, at('thead th'), at('tbody td')]; }"
    )
    box.evaluate("e => { e.scrollTop = 0; }")

    assert scrolled == 200
    assert abs(head) < 2
    assert first < 0


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen(gallery: Gallery, fault: str) -> None:
    remove = gallery.spoil(FAULTS[fault])
    try:
        seen = gallery.picture(700, "light")
    finally:
        remove()

    assert difference(seen, reference(700, "light")) > TOLERANCE
