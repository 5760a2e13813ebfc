"""`Table`: the one design of everything that is shown as a table, as text and as HTML.

The HTML has no scripts, no links, and no ids, names or classes taken from data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lxdimg_nb.text.cells import SHORT, Badge, Kind, limit
from lxdimg_nb.text.display import escape, sanitize
from lxdimg_nb.text.stylesheet import CLASS, NO_MATH, STYLE
from lxdimg_nb.text.terminal import grid, left_out, paragraph, terminal_width

__all__ = ["ShownAsTable", "Table"]

_TOOLTIP_LIMIT = 2000
_NARROW = 2
"""With more columns a table may be wider than its frame: it can be reached and scrolled with the keyboard, too."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text and as HTML. Cells may hold any text: it is sanitized and escaped here.

    Attributes:
        headers: one for each column; all empty in a table of names and values.
        rows: of cells; a `Badge` stands out.
        title: above the table.
        note: below the table.
        kinds: of the columns; by default `TEXT`, and `PROSE` for the values of a table of names and values.
        tooltips: a text for each cell, shown when the mouse is over it; where it is empty, a text that is cut is
            shown whole.
        gap: number of the row before which rows are left out, shown as `…`.
        hidden: names of columns that are left out.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    note: str = ""
    kinds: tuple[Kind, ...] = ()
    tooltips: tuple[tuple[str, ...], ...] = ()
    gap: int | None = None
    hidden: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text(terminal_width())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.html()

    def text(self, width: int | None = None) -> str:
        """Return the table as text: lines of at most `width` characters, or with None a line a row."""
        lines, shown = grid(self.headers, self.rows, self._kinds, width, self.gap)
        above = paragraph(self.title, width) if self.title else []
        note = self._note([*self.headers[shown:], *self.hidden])
        return "\n".join([*above, *lines, *(paragraph(note, width) if note else [])])

    def html(self) -> str:
        """Return the table as HTML with its own style."""
        region = ""
        if len(self.headers) > _NARROW:
            region = f' tabindex="0" role="group" aria-label="{escape(self.title or "table")}"'
        title = f'<p class="t">{escape(self.title, 400)}</p>' if self.title else ""
        parts = [STYLE, f'<div class="{CLASS} {NO_MATH}">{title}<div{region}><table>']
        styles = [self._style(i) for i in range(len(self.headers))]
        if any(self.headers):
            heads = "".join(f'<th scope="col"{s}>{escape(h)}</th>' for s, h in zip(styles, self.headers, strict=True))
            parts.append(f"<thead><tr>{heads}</tr></thead>")
        parts.append("<tbody>")
        for number, row in enumerate(self.rows):
            if number == self.gap:
                parts.append(f'<tr><td colspan="{len(self.headers)}">…</td></tr>')
            tooltips = self.tooltips[number] if self.tooltips else ("",) * len(row)
            parts.append(f"<tr>{''.join(map(self._cell, range(len(row)), row, tooltips, styles))}</tr>")
        parts.append("</tbody></table></div>")
        if note := self._note(self.hidden):
            parts.append(f"<p>{escape(note, 1000)}</p>")
        return "".join([*parts, "</div>"])

    def truncated(self, size: int) -> Table:
        """Return the table with as many of its first rows as fit into `size` bytes as text and HTML together."""
        shorter = self
        while len(shorter.rows) > 1 and len((str(shorter) + shorter.html()).encode()) > size:
            count = len(shorter.rows) // 2
            note = "and more, left out here to keep this small"
            shorter = replace(self, rows=self.rows[:count], tooltips=self.tooltips[:count], note=note)
        return shorter

    @property
    def _kinds(self) -> tuple[Kind, ...]:
        if self.kinds:
            return self.kinds
        if any(self.headers):
            return (Kind.TEXT,) * len(self.headers)
        return (Kind.LINE, *[Kind.PROSE] * (len(self.headers) - 1))

    def _note(self, hidden: Sequence[str]) -> str:
        names = [sanitize(name, 40) for name in hidden[:12]]
        return " ".join(filter(None, [self.note, left_out(names, len(hidden)) if hidden else ""]))

    def _style(self, column: int) -> str:
        """The attributes of the cells of a column."""
        kind = self._kinds[column]
        if kind is Kind.NUMBER:
            return ' class="n"'
        name = "f" if kind is Kind.CODE else ""
        if kind in (Kind.TEXT, Kind.PROSE) and any(len(row[column]) > SHORT for row in self.rows):
            name = "w" if kind is Kind.TEXT else "p"
        # In a notebook that is not trusted JupyterLab drops the stylesheet, and aligns to the right.
        return (f' class="{name}"' if name else "") + ' style="text-align:left"'

    def _cell(self, column: int, cell: str, tooltip: str, style: str) -> str:
        most = limit(self._kinds[column])
        tooltip = tooltip or (cell if len(cell) > most else "")
        title = f' title="{escape(tooltip, _TOOLTIP_LIMIT)}"' if tooltip else ""
        text = escape(cell, most)
        if isinstance(cell, Badge) and text:
            text = f"<i>{text}</i>" if cell.tone == "quiet" else f'<b class="{cell.tone}">{text}</b>'
        tag = 'th scope="row"' if column == 0 and not any(self.headers) else "td"
        return f"<{tag}{style}{title}>{text}</{tag[:2]}>"


class ShownAsTable:
    """A value that IPython displays as its table, in a terminal and in a notebook; in a list it is one line."""

    __slots__ = ()

    def table(self) -> Table:
        """The value as a table."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return self.table().html()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # IPython looks at one class after the other, and a __repr__ would win over what is inherited.
        cls._repr_pretty_ = ShownAsTable._repr_pretty_  # type: ignore[method-assign]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        del cycle
        printer.text(str(self.table()) if len(printer.stack) <= 1 else repr(self))
