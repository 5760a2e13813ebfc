"""Tables as text that fits a terminal: long sentences are wrapped, long names cut, and the last columns left out."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Sequence
from unicodedata import combining, east_asian_width

from lxdimg_nb.text.cells import SHORT, Kind, limit
from lxdimg_nb.text.display import sanitize

__all__ = ["grid", "left_out", "paragraph", "terminal_width"]

_FINGERPRINT = re.compile("[0-9a-f]{64}")
_GAP = 2
_LEAST = {Kind.TEXT: 16, Kind.PROSE: 24}
_HEAD = 6
_MOST_LINES = 6


def terminal_width() -> int:
    """The columns of the terminal, at least 40; 100 without one, as in a notebook or a file."""
    return max(40, shutil.get_terminal_size((100, 24)).columns)


def paragraph(text: str, width: int | None) -> list[str]:
    """Sanitized text in lines of that width; in one line with None."""
    line = sanitize(text, 1000)
    return [line] if width is None else _wrapped(line, width) or [""]


def left_out(names: Sequence[str], count: int) -> str:
    """A sentence about columns that are not shown."""
    more = ", ".join(names[:12]) + (", …" if count > 12 else "")
    return f"{count:,} more column{'' if count == 1 else 's'}: {more}"


def grid(
    headers: Sequence[str], rows: Sequence[Sequence[str]], kinds: Sequence[Kind], width: int | None, gap: int | None
) -> tuple[list[str], int]:
    """Lay out the cells of a table.

    Args:
        headers: one for each column; all empty in a table of names and values.
        rows: of cells.
        kinds: of the columns.
        width: of the lines; None for one line a row, however long.
        gap: number of the row before which rows are left out.

    Returns:
        The lines, and how many columns were shown.
    """
    heads = [sanitize(head, 40) for head in headers]
    cells = [[sanitize(cell, limit(kind)) for cell, kind in zip(row, kinds, strict=True)] for row in rows]
    columns = [_widths(head, [row[i] for row in cells], kinds[i]) for i, head in enumerate(heads)]
    widths = [column[0] for column in columns] if width is None else _fitting(columns, width)
    shown = kinds[: len(widths)]
    lines = _row(heads, widths, shown) if any(heads) else []
    for number, row in enumerate(cells):
        if number == gap:
            lines.append("…")
        lines += _row(row, widths, shown)
    return lines, len(widths)


def _fitting(columns: Sequence[tuple[int, ...]], width: int) -> list[int]:
    """The widths of as many of the first columns as fit."""
    for count in range(len(columns), 0, -1):
        natural, *steps = ([column[step] for column in columns[:count]] for step in range(len(columns[0])))
        widths, over = natural, sum(natural) + _GAP * (count - 1) - width
        for step in steps:
            while over > 0 and (wide := [i for i in range(count) if widths[i] > step[i]]):
                widths[max(wide, key=widths.__getitem__)] -= 1
                over -= 1
        if over <= 0:
            return widths
    return [min(columns[0][0], width)] if columns else []


def _widths(head: str, texts: Sequence[str], kind: Kind) -> tuple[int, ...]:
    """The widths that a column may have: its own, with sentences wrapped, with a short heading, with names cut."""
    inner, short = max(map(_columns, texts), default=0), min(_columns(head), _HEAD)
    natural = max(inner, _columns(head))
    soft = _LEAST.get(kind, inner) if kind is not Kind.PROSE or inner > SHORT else inner
    least = max(min(inner, soft), short)
    return (natural, *[least] * 3) if kind is Kind.PROSE else (natural, natural, max(inner, short), least)


def _row(row: Sequence[str], widths: Sequence[int], kinds: Sequence[Kind]) -> list[str]:
    """The lines of one row."""
    columns = []
    for cell, width, kind in zip(row, widths, kinds, strict=False):
        parts = [_cut(cell, width)]
        if kind is Kind.PROSE and len(cell) > width and _FINGERPRINT.fullmatch(cell):
            parts = [cell]  # whole, to be copied
        elif kind is Kind.PROSE and _columns(cell) > width:
            letters = max(4, width * len(cell) // _columns(cell))
            parts = [_cut(p, width) for p in textwrap.wrap(cell, letters, max_lines=_MOST_LINES, placeholder=" …")]
        blanks = [" " * (width - _columns(part)) for part in parts]
        columns.append([b + p if kind is Kind.NUMBER else p + b for b, p in zip(blanks, parts, strict=True)])
    height = max(map(len, columns), default=0)
    whole = [[*column, *[" " * width] * (height - len(column))] for column, width in zip(columns, widths, strict=True)]
    return [(" " * _GAP).join(line).rstrip() for line in zip(*whole, strict=True)]


def _wrapped(text: str, width: int) -> list[str]:
    """A text in lines of so many columns; words that are wider are broken."""
    if text.isascii():
        return textwrap.wrap(text, width)
    lines, line = [], ""
    for word in text.split():
        if line and _columns(f"{line} {word}") > width:
            lines.append(line)
            line = ""
        while _columns(word) > width:
            fits = next(i for i in range(len(word), 0, -1) if i == 1 or _columns(word[:i]) <= width)
            lines.append(word[:fits])
            word = word[fits:]
        line = f"{line} {word}".strip()
    return [*lines, line] if line else lines


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes: Chinese, Japanese and Korean letters take two, accents none."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(c) in "WF" else 0 if combining(c) else 1 for c in text)


def _cut(text: str, width: int) -> str:
    """As much of a text as fits."""
    if _columns(text) <= width:
        return text
    while text and _columns(text) >= width:
        text = text[:-1]
    return f"{text}…" if width else ""
