"""Text that a hostile server might send, an image full of it, and a check that a page of HTML is harmless."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

NASTY = "<script>alert(1)</script>\x1b[31mred\x1b]8;;http://x\x07\u202egnp\u200b'\"&"
RAW: dict[str, Any] = {
    "fingerprint": "ab" * 32,
    "aliases": [{"name": "web"}],
    "architecture": "x86_64",
    "size": 3 * 1024**2,
    "public": True,
    "uploaded_at": "2026-05-29T00:00:00Z",
    "expires_at": "2026-07-05T00:00:00Z",
    "properties": {"os": "Ubuntu", "description": "Ubuntu noble"},
    "update_source": {"server": "https://s", "protocol": "lxd", "alias": "a", "certificate": "PEM"},
}
HOSTILE = RAW | {
    "aliases": [{"name": NASTY, "description": NASTY}],
    "architecture": NASTY,
    "filename": NASTY,
    "type": NASTY,
    "project": NASTY,
    "profiles": [NASTY],
    "properties": {NASTY: NASTY, "description": NASTY},
    "update_source": {"server": NASTY, "protocol": NASTY, "alias": NASTY},
}


class Page(HTMLParser):
    """Collects what a browser would find."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data + " "


ALLOWED = {"style", "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "p", "b", "i", "code"}
FIXED = {"style": "text-align:left", "role": "group", "tabindex": "0"}


def assert_harmless(page: str) -> None:
    read = Page(page)
    assert set(read.tags) <= ALLOWED
    assert {name for name, _ in read.attributes} <= {"class", "scope", "title", "colspan", "aria-label", *FIXED}
    assert {value for name, value in read.attributes if name in FIXED} <= {*FIXED.values()}
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", page)
