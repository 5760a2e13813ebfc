"""The rows behind a list of images: search, sort order, pages and selection, all in the kernel.

Only one page of cells is sent to a browser, so 100,000 images are as quick as ten.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters import Filter, parse
from lxdimg_nb.panels.image.image_row import Row
from lxdimg_nb.panels.images.chips import CHIPS
from lxdimg_nb.panels.images.table_columns import COLUMNS, DEFAULT_COLUMNS, Column
from lxdimg_nb.panels.images.table_filter import matching_rows, search_text
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import ImageRecord

__all__ = ["ImageTable"]

PAGE_SIZES = (10, 20, 50, 100)
# Sort orders that are kept, for a user who goes back and forth between columns.
MAX_ORDERS = 4
# Adding up the bytes of more rows takes too long for every page.
MAX_ROWS_TO_ADD_UP = 20_000


def _sort_key(column: str) -> Callable[[Row], tuple[Any, str]]:
    sort_key = COLUMNS[column].sort_key
    return lambda row: (sort_key(row), row.key)


def _property_names(record: ImageRecord) -> Set[str]:
    found = record.raw.get("properties")
    return found.keys() if isinstance(found, dict) else frozenset()


@dataclass(slots=True)
class ImageTable:
    """Rows and the user's view of them. It is used by one thread only.

    Attributes:
        problem: why the query is invalid; the list stays as it was.
        offers: the chips that the user may choose from.
        behind: how far the server's clock is behind this machine's; ages are counted from its time.
        answers: by chip the keys of the images that it is about, with reasons, once they were looked up.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    query: str = ""
    problem: str = ""
    chips: tuple[str, ...] = ()
    sort: str = "uploaded"
    descending: bool = True
    page: int = 0
    size: int = 20
    selected: set[str] = field(default_factory=set)
    offers: tuple[str, ...] = tuple(CHIPS)
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    behind: timedelta = timedelta(0)
    # Of servers that have the same images, the first one by the name of each.
    same: dict[str, str] = field(default_factory=dict)
    _filter: Filter = field(default_factory=Filter)
    _sorted: dict[str, list[Row]] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)
    _found: list[Row] | None = None
    _properties: frozenset[str] | None = None

    # Rows

    def replace(self, rows: Iterable[Row]) -> None:
        """Replace all rows. Those that are still there stay selected."""
        self.rows = {row.key: row for row in rows}
        self.selected &= self.rows.keys()
        self.answers.clear()
        self._texts.clear()
        self._sorted.clear()
        self._found = None
        self._properties = None

    def put(self, row: Row) -> None:
        """Add a row or replace the one with its key."""
        old = self._remove(row.key)
        if old is not None and old.record.last_used_at != row.record.last_used_at:
            self.answers.get("unused", {}).pop(row.key, None)
        self.rows[row.key] = row
        for column, ordered in self._sorted.items():
            insort(ordered, row, key=_sort_key(column))
        if self._properties is not None:
            self._properties |= _property_names(row.record)

    def drop(self, key: str) -> None:
        """Remove a row if it is there."""
        self.selected.discard(key)
        self._remove(key)

    def _remove(self, key: str) -> Row | None:
        self._texts.pop(key, None)
        self._found = None
        row = self.rows.pop(key, None)
        if row is not None:
            for column, ordered in self._sorted.items():
                sort_key = _sort_key(column)
                del ordered[bisect_left(ordered, sort_key(row), key=sort_key)]
        return row

    # Filter

    def search(self, query: str) -> None:
        """Show only images that match a filter."""
        self.query = query[:1000]
        self._apply()

    def choose_chips(self, chips: Iterable[str]) -> None:
        """Show only images that match all these chips as well."""
        self.chips = tuple(name for name in self.offers if name in set(chips))
        self._apply()

    def _apply(self) -> None:
        if self.rows and self._properties is None:
            self._properties = frozenset().union(*(_property_names(row.record) for row in self.rows.values()))
        try:
            terms = parse(self.query, known_properties=self._properties if self.rows else None).terms
        except InvalidRequestError as error:
            self.problem = display.sanitize(error.message, 200)
            return
        self.problem = ""
        of_chips = (term for name in self.chips if CHIPS[name].filter for term in parse(CHIPS[name].filter).terms)
        self._filter = Filter((*terms, *of_chips))
        self._found = None
        self.page = 0

    def answer(self, chip: str, found: dict[str, str]) -> None:
        """Set the keys of the images that a chip is about, each with the reason."""
        self.answers[chip] = found
        self._found = None

    def found(self) -> list[Row]:
        """Return the rows that match, in order."""
        if self._found is None:
            rows = self._in_order()
            for answer in (self.answers[name] for name in self.chips if name in self.answers):
                rows = [row for row in rows if row.key in answer]
            self._found = matching_rows(rows, self._filter.terms, self._search_texts, datetime.now(UTC) - self.behind)
        return self._found

    def _search_texts(self) -> dict[str, str]:
        if len(self._texts) < len(self.rows):
            self._texts = {key: self._texts.get(key) or search_text(row.record) for key, row in self.rows.items()}
        return self._texts

    # Order and pages

    def order(self, column: str) -> None:
        """Sort by a column; the same column again reverses the order."""
        if column in COLUMNS:
            self.descending = not self.descending if column == self.sort else COLUMNS[column].descending_first
            self.sort = column
            self._found = None
            self.page = 0

    def _in_order(self) -> list[Row]:
        ascending = self._sorted.pop(self.sort, None)
        if ascending is None:
            ascending = sorted(self.rows.values(), key=attrgetter("key"))
            ascending.sort(key=COLUMNS[self.sort].sort_key)
            for old in list(self._sorted)[: 1 - MAX_ORDERS]:
                del self._sorted[old]
        self._sorted[self.sort] = ascending
        return ascending[::-1] if self.descending else ascending[:]

    @property
    def pages(self) -> int:
        """The number of pages, at least one."""
        return max(1, -(-len(self.found()) // self.size))

    def turn(self, page: int) -> None:
        """Show a page, or the nearest there is."""
        self.page = min(max(0, page), self.pages - 1)

    def resize(self, size: int) -> None:
        """Change the number of rows on a page. The first row stays on the page."""
        if size in PAGE_SIZES:
            first = self.page * self.size
            self.size = size
            self.turn(first // size)

    def choose_columns(self, names: Collection[str]) -> None:
        """Show these columns, in the usual order."""
        # The column of the server is for fleets.
        self.columns = tuple(name for name in COLUMNS if name in names and name != "server") or self.columns

    def shown(self) -> list[Row]:
        """Return the rows of the page."""
        self.turn(self.page)
        start = self.page * self.size
        return self.found()[start : start + self.size]

    # Selection

    def select(self, keys: Collection[str], on: bool) -> None:
        """Select rows or not; keys of no row are ignored."""
        if on:
            self.selected |= self.rows.keys() & keys
        else:
            self.selected -= set(keys)

    def select_found(self, on: bool) -> None:
        """Select all rows that match, or no row at all."""
        if on:
            self.selected |= {row.key for row in self.found()}
        else:
            self.selected.clear()

    def _bytes(self, found: Iterable[Row]) -> int:
        if not self.same:
            return sum(row.record.size for row in found)
        sizes = {(self.same.get(row.server, row.server), row.record.fingerprint): row.record.size for row in found}
        return sum(sizes.values())

    def view(self) -> dict[str, Any]:
        """Return the page as a browser shows it."""
        now, found = datetime.now(UTC), self.found()
        columns = [COLUMNS[name] for name in self.columns]
        return {
            "columns": self.columns,
            "rows": [
                {"key": row.key, "cells": [_cell(c, row, now) for c in columns]}
                | ({"selected": True} if row.key in self.selected else {})
                for row in self.shown()
            ],
            "total": len(self.rows),
            "matching": len(found),
            "bytes": formats.size(self._bytes(found)) if len(self.rows) <= MAX_ROWS_TO_ADD_UP else "",
            "page": self.page,
            "pages": self.pages,
            "size": self.size,
            "sort": self.sort,
            "down": self.descending,
            "query": self.query,
            "problem": self.problem,
            "chips": self.chips,
            "selected": len(self.selected),
        }

    def choices(self) -> dict[str, Any]:
        """Return the columns and the chips that a view may name, as a browser shows them."""
        return {
            "columns": [
                {"name": name, "title": c.title, "kind": c.kind}
                for name, c in COLUMNS.items()
                if name != "server" or name in self.columns
            ],
            "chips": [{"name": name, "title": CHIPS[name].title, "hint": CHIPS[name].hint} for name in self.offers],
        }


def _cell(column: Column, row: Row, now: datetime) -> str | tuple[str, str]:
    """Return the text of a cell; with its tooltip if that says more."""
    text = column.cell(row, now)
    hint = column.hint(row) if column.hint else ""
    return (text, hint) if hint not in ("", text) else text
