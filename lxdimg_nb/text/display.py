"""Harmless text and HTML: the one place that defuses and escapes what servers say.

A `Table` is what is shown, once, as text and as HTML. The HTML has no script, no link, and neither id nor
name nor class from data; its colours are those of JupyterLab's theme, light or dark, else the page's.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lxdimg_nb.text import formats

__all__ = [
    "Table",
    "csv_cell",
    "escape",
    "format_age",
    "format_value",
    "sanitize",
]

_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_SPACES = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
# What a terminal obeys, what turns the direction of writing, what cannot be seen, halves of pairs.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def sanitize(value: object, limit: int = 200) -> str:
    """A value as one line of harmless text of at most `limit` characters.

    Terminal sequences go, line breaks become spaces, and each control, bidirectional or invisible
    character becomes `�`, so that nobody reads a name that is not there.
    """
    text = str(value)
    text, cut = text[: 8 * limit], len(text) > 8 * limit
    text = _UNSEEN.sub("\ufffd", _SPACES.sub(" ", _ANSI.sub("", text)))
    if len(text) > limit or cut:
        text = text[: max(0, limit - 1)] + "…"
    return text


def escape(value: object, limit: int = 200) -> str:
    """A value as text that may stand anywhere in HTML, in attributes, too."""
    return html.escape(sanitize(value, limit), quote=True)


def csv_cell(value: object) -> str:
    """A value as a CSV cell that no spreadsheet takes for a formula."""
    text = sanitize(value, 32_000)
    # A leading apostrophe is what spreadsheets themselves write to keep a text a text.
    return "'" + text if text.lstrip(" \u00a0\u3000")[:1] in tuple("=+-@|%＝＋－＠") else text


def format_age(moment: datetime | None, now: datetime) -> str:
    """`3 days ago`, `in 2 months`, `never`."""
    words = formats.age(moment, now)
    return words if moment is None or words == "now" or words.startswith("in ") else f"{words} ago"


def format_value(value: object, *, now: datetime | None = None, limit: int = 200) -> str:
    """Any value in a word: yes and no, times as dates (with `now` as ages), lists with commas, None empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return formats.timestamp(value) if now is None else format_age(value, now)
    if isinstance(value, Mapping):
        return sanitize(", ".join(f"{k}={sanitize(v, limit)}" for k, v in value.items()), limit)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return sanitize(", ".join(sanitize(v, limit) for v in value), limit)
    return sanitize(value, limit)


_STYLE = (
    "<style>"
    ".lxdimg{color:var(--jp-content-font-color1,inherit);font-size:var(--jp-code-font-size,13px)}"
    ".lxdimg table{border-collapse:collapse;margin:0}"
    ".lxdimg caption{text-align:left;font-weight:600;padding:2px 0;caption-side:top}"
    ".lxdimg th,.lxdimg td{text-align:left;padding:2px 10px;vertical-align:top;"
    "border-bottom:1px solid var(--jp-border-color2,rgba(128,128,128,.35))}"
    ".lxdimg th{color:var(--jp-content-font-color2,inherit);font-weight:600}"
    ".lxdimg td.n,.lxdimg th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}"
    ".lxdimg td.f{font-family:var(--jp-code-font-family,monospace)}"
    ".lxdimg p{color:var(--jp-content-font-color2,inherit);margin:4px 0}"
    "</style>"
)


@dataclass(frozen=True, slots=True)
class Table:
    """What is shown. The cells are text of any origin: they are defused here and escaped for HTML.

    `titles` are words for hovering, a row of them for each row, where a cell has more to say.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    note: str = ""
    right: frozenset[int] = frozenset()
    code: frozenset[int] = frozenset()
    titles: tuple[tuple[str, ...], ...] = ()
    gap: int | None = None

    def __str__(self) -> str:
        # What stands last, reasons and errors, may be long without moving anything else away.
        limits = [60 if any(self.headers) else 200] * (len(self.headers) - 1) + [200]
        cells = [[sanitize(cell, limit) for cell, limit in zip(row, limits, strict=True)] for row in self.rows]
        heads = [sanitize(head, 40) for head in self.headers]
        widths = [max((len(row[i]) for row in cells), default=0) for i in range(len(heads))]
        widths = [max(width, len(head)) for width, head in zip(widths, heads, strict=True)]
        lines = [sanitize(self.title)] if self.title else []
        if any(heads):
            lines.append(self._line(heads, widths))
        for number, row in enumerate(cells):
            if number == self.gap:
                lines.append("…")
            lines.append(self._line(row, widths))
        return "\n".join([*lines, *([sanitize(self.note, 1000)] if self.note else [])])

    __repr__ = __str__

    def _line(self, row: Sequence[str], widths: Sequence[int]) -> str:
        pairs = enumerate(zip(row, widths, strict=True))
        return "  ".join(c.rjust(w) if i in self.right else c.ljust(w) for i, (c, w) in pairs).rstrip()

    def _repr_html_(self) -> str:
        return self.html()

    def html(self) -> str:
        """The table as HTML that stands alone."""
        parts = [_STYLE, '<div class="lxdimg"><table>']
        if self.title:
            parts.append(f"<caption>{escape(self.title)}</caption>")
        if any(self.headers):
            heads = "".join(f'<th scope="col"{self._class(i)}>{escape(h)}</th>' for i, h in enumerate(self.headers))
            parts.append(f"<thead><tr>{heads}</tr></thead>")
        parts.append("<tbody>")
        for number, row in enumerate(self.rows):
            if number == self.gap:
                parts.append(f'<tr><td colspan="{len(self.headers)}">…</td></tr>')
            hints = self.titles[number] if self.titles else ("",) * len(row)
            parts.append("<tr>")
            for i, (cell, hint) in enumerate(zip(row, hints, strict=True)):
                title = f' title="{escape(hint, 400)}"' if hint else ""
                tag = 'th scope="row"' if i == 0 and not any(self.headers) else "td"
                parts.append(f"<{tag}{self._class(i)}{title}>{escape(cell)}</{tag[:2]}>")
            parts.append("</tr>")
        parts.append("</tbody></table>")
        if self.note:
            parts.append(f"<p>{escape(self.note, 1000)}</p>")
        return "".join([*parts, "</div>"])

    def within(self, size: int) -> Table:
        """The table with as many of its first rows as fit, as text and as HTML together, into so many bytes."""
        shorter = self
        while len(shorter.rows) > 1 and len((str(shorter) + shorter.html()).encode()) > size:
            count = len(shorter.rows) // 2
            note = "and more, which is left out here to keep this small"
            shorter = replace(self, rows=self.rows[:count], titles=self.titles[:count], note=note)
        return shorter

    def _class(self, column: int) -> str:
        name = "n" if column in self.right else "f" if column in self.code else ""
        return f' class="{name}"' if name else ""
