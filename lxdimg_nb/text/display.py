"""Text and HTML that are safe to show, whatever a server said: the one place that sanitizes and escapes.

The HTML of a `Table` has no scripts, no links, and no ids, names or classes taken from data. Its colours are
those of JupyterLab's theme, light or dark, or of the page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lxdimg_nb.text import formats

__all__ = ["Table", "csv_cell", "escape", "format_value", "sanitize"]

_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_SPACES = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
# Control characters, bidirectional and invisible characters, and lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def sanitize(value: object, limit: int = 200) -> str:
    """Return a value as one line of safe text, at most `limit` characters long.

    Terminal sequences are removed, line breaks become spaces, and each control, bidirectional or invisible
    character becomes `�`, so that a name always reads as what it is.
    """
    text = str(value)
    text, cut = text[: 8 * limit], len(text) > 8 * limit
    text = _UNSAFE.sub("\ufffd", _SPACES.sub(" ", _ANSI.sub("", text)))
    if len(text) > limit or cut:
        text = text[: max(0, limit - 1)] + "…"
    return text


def escape(value: object, limit: int = 200) -> str:
    """Return a value as safe text that may stand anywhere in HTML, including attributes."""
    return html.escape(sanitize(value, limit), quote=True)


def csv_cell(value: object) -> str:
    """Return a value as a CSV cell that no spreadsheet takes for a formula."""
    text = sanitize(value, 32_000)
    # Spreadsheets themselves write a leading apostrophe to keep a text from being evaluated.
    return "'" + text if text.lstrip(" \u00a0\u3000")[:1] in tuple("=+-@|%＝＋－＠") else text


def format_value(value: object, *, now: datetime | None = None, limit: int = 200) -> str:
    """Return any value as text.

    Booleans become `yes` or `no`, times dates (or ages, if `now` is given), lists are joined by commas, and
    None is empty.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return formats.timestamp(value) if now is None else formats.age(value, now)
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
    """A table as text and as HTML. Cells may hold any text: it is sanitized and escaped here.

    Attributes:
        headers: one for each column; all empty in a table of names and values.
        title: above the table.
        note: below the table.
        numeric: columns that are aligned to the right.
        monospace: columns in the font of code.
        tooltips: a text for each cell, shown when the mouse is over it; may be left out.
        gap: number of the row before which rows are left out, shown as `…`.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    note: str = ""
    numeric: frozenset[int] = frozenset()
    monospace: frozenset[int] = frozenset()
    tooltips: tuple[tuple[str, ...], ...] = ()
    gap: int | None = None

    def __str__(self) -> str:
        # The last column often holds a reason or an error; its length moves nothing else.
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
        return "  ".join(c.rjust(w) if i in self.numeric else c.ljust(w) for i, (c, w) in pairs).rstrip()

    def _repr_html_(self) -> str:
        return self.html()

    def html(self) -> str:
        """Return the table as HTML with its own style."""
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
            tooltips = self.tooltips[number] if self.tooltips else ("",) * len(row)
            parts.append("<tr>")
            for i, (cell, tooltip) in enumerate(zip(row, tooltips, strict=True)):
                title = f' title="{escape(tooltip, 400)}"' if tooltip else ""
                tag = 'th scope="row"' if i == 0 and not any(self.headers) else "td"
                parts.append(f"<{tag}{self._class(i)}{title}>{escape(cell)}</{tag[:2]}>")
            parts.append("</tr>")
        parts.append("</tbody></table>")
        if self.note:
            parts.append(f"<p>{escape(self.note, 1000)}</p>")
        return "".join([*parts, "</div>"])

    def truncated(self, size: int) -> Table:
        """Return the table with as many of its first rows as fit into `size` bytes as text and HTML together."""
        shorter = self
        while len(shorter.rows) > 1 and len((str(shorter) + shorter.html()).encode()) > size:
            count = len(shorter.rows) // 2
            note = "and more, left out here to keep this small"
            shorter = replace(self, rows=self.rows[:count], tooltips=self.tooltips[:count], note=note)
        return shorter

    def _class(self, column: int) -> str:
        name = "n" if column in self.numeric else "f" if column in self.monospace else ""
        return f' class="{name}"' if name else ""
