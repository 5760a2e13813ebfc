"""The list of images behind a panel: rows, search, sort, pages and selection, all in the kernel.

Only one page of cells ever goes to a browser, so that 100,000 images are as quick as ten.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters import Filter, parse
from lxdimg_nb.panels.image.image_row import Row
from lxdimg_nb.panels.images.chips import CHIPS
from lxdimg_nb.panels.images.table_columns import COLUMNS, DEFAULT_COLUMNS
from lxdimg_nb.panels.images.table_filter import haystack, narrowed
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import ImageRecord

__all__ = ["PAGE_SIZES", "ImageTable"]

PAGE_SIZES = (10, 20, 50, 100)
# So many orders are kept, for whoever goes back and forth between columns.
ORDERS_KEPT = 4


def _order_of(column: str) -> Callable[[Row], tuple[Any, str]]:
    order = COLUMNS[column].order
    return lambda row: (order(row), row.key)


def _properties_of(record: ImageRecord) -> Set[str]:
    found = record.raw.get("properties")
    return found.keys() if isinstance(found, dict) else frozenset()


@dataclass(slots=True)
class ImageTable:
    """Rows and how they are looked at. Belongs to one thread."""

    rows: dict[str, Row] = field(default_factory=dict)
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    query: str = ""
    problem: str = ""
    chips: tuple[str, ...] = ()
    sort: str = "uploaded"
    down: bool = True
    page: int = 0
    size: int = 20
    selected: set[str] = field(default_factory=set)
    offers: tuple[str, ...] = tuple(CHIPS)
    # By chip the images that it is about, each with the reason, once others have told.
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    _filter: Filter = field(default_factory=Filter)
    _sorted: dict[str, list[Row]] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)
    _found: list[Row] | None = None
    _properties: frozenset[str] | None = None

    def replace(self, rows: Iterable[Row]) -> None:
        """Take these rows instead of those before; the selection keeps what is still there."""
        self.rows = {row.key: row for row in rows}
        self.selected &= self.rows.keys()
        self.answers.clear()
        self._texts.clear()
        self._sorted.clear()
        self._found = None
        self._properties = None

    def put(self, row: Row) -> None:
        """Add a row or replace the one of its key."""
        old = self._forget(row.key)
        if old is not None and old.record.last_used_at != row.record.last_used_at:
            self.answers.get("unused", {}).pop(row.key, None)
        self.rows[row.key] = row
        for column, ordered in self._sorted.items():
            insort(ordered, row, key=_order_of(column))
        if self._properties is not None:
            self._properties |= _properties_of(row.record)

    def drop(self, key: str) -> Row | None:
        """Remove a row; None when it is not there."""
        self.selected.discard(key)
        return self._forget(key)

    def _forget(self, key: str) -> Row | None:
        """Take a row out of what is kept in order, without sorting again."""
        self._texts.pop(key, None)
        self._found = None
        row = self.rows.pop(key, None)
        if row is not None:
            for column, ordered in self._sorted.items():
                order = _order_of(column)
                del ordered[bisect_left(ordered, order(row), key=order)]
        return row

    @property
    def properties(self) -> frozenset[str]:
        """The names of all properties that images have."""
        if self._properties is None:
            names: set[str] = set()
            for row in self.rows.values():
                names |= _properties_of(row.record)
            self._properties = frozenset(names)
        return self._properties

    def search(self, query: str) -> None:
        """Show only what meets a filter; one that makes no sense changes nothing and is told in `problem`."""
        self.query = query[:1000]
        self._apply()

    def choose(self, chips: Iterable[str]) -> None:
        """Show only what meets all these chips, too."""
        self.chips = tuple(name for name in self.offers if name in set(chips))
        self._apply()

    def _apply(self) -> None:
        try:
            made = parse(self.query, known_properties=self.properties if self.rows else None)
        except InvalidRequestError as error:
            self.problem = display.sanitize(error.message, 200)
            return
        extra = [term for name in self.chips if CHIPS[name].filter for term in parse(CHIPS[name].filter).terms]
        self.problem = ""
        self._filter = Filter((*made.terms, *extra))
        self._found = None
        self.page = 0

    def answer(self, chip: str, found: dict[str, str]) -> None:
        """Take what others told: the keys of the images that a chip is about, each with the reason."""
        self.answers[chip] = found
        self._found = None

    def order(self, column: str, *, down: bool | None = None) -> None:
        """Sort by a column; again turns round."""
        if column not in COLUMNS:
            return
        if down is None:
            down = not self.down if column == self.sort else COLUMNS[column].down_first
        self.sort, self.down = column, down
        self._found = None
        self.page = 0

    def found(self) -> list[Row]:
        """The rows that meet the filter, in order."""
        if self._found is None:
            rows = self._in_order()
            for told in (self.answers[name] for name in self.chips if name in self.answers):
                rows = [row for row in rows if row.key in told]
            self._found = narrowed(rows, self._filter.terms, self._haystacks, datetime.now(UTC))
        return self._found

    def _in_order(self) -> list[Row]:
        ascending = self._sorted.pop(self.sort, None)
        if ascending is None:
            ascending = sorted(self.rows.values(), key=attrgetter("key"))
            ascending.sort(key=COLUMNS[self.sort].order)
            for old in list(self._sorted)[: 1 - ORDERS_KEPT]:
                del self._sorted[old]
        self._sorted[self.sort] = ascending
        return ascending[::-1] if self.down else ascending[:]

    def _haystacks(self) -> dict[str, str]:
        if len(self._texts) < len(self.rows):
            self._texts = {key: self._texts.get(key) or haystack(row.record) for key, row in self.rows.items()}
        return self._texts

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-len(self.found()) // self.size))

    def turn(self, page: int) -> None:
        """Show that page, or the nearest there is."""
        self.page = min(max(0, page), self.pages - 1)

    def shown(self) -> list[Row]:
        """The rows of the page."""
        self.turn(self.page)
        start = self.page * self.size
        return self.found()[start : start + self.size]

    def select(self, keys: Collection[str], on: bool) -> None:
        """Select rows or not; names that are no row do nothing."""
        if on:
            self.selected |= self.rows.keys() & keys
        else:
            self.selected -= set(keys)

    def select_found(self, on: bool) -> None:
        """Select everything that meets the filter, or nothing at all."""
        if on:
            self.selected |= {row.key for row in self.found()}
        else:
            self.selected.clear()

    def view(self, now: datetime | None = None) -> dict[str, Any]:
        """The page as a browser needs it: words only."""
        moment = now or datetime.now(UTC)
        shown = self.shown()
        columns = [(name, COLUMNS[name]) for name in self.columns]
        return {
            "columns": [{"name": name, "title": c.title, "kind": c.kind} for name, c in columns],
            "all_columns": [{"name": name, "title": c.title} for name, c in COLUMNS.items() if name != "server"],
            "rows": [
                {
                    "key": row.key,
                    "cells": [c.cell(row, moment) for _, c in columns],
                    "hints": [c.hint(row) if c.hint else "" for _, c in columns],
                    "selected": row.key in self.selected,
                }
                for row in shown
            ],
            "total": len(self.rows),
            "matching": len(self.found()),
            "bytes": formats.size(sum(row.record.size for row in self.found())) if len(self.rows) <= 20_000 else "",
            "page": self.page,
            "pages": self.pages,
            "size": self.size,
            "sort": self.sort,
            "down": self.down,
            "query": self.query,
            "problem": self.problem,
            "chips": [
                {"name": n, "title": CHIPS[n].title, "hint": CHIPS[n].hint, "on": n in self.chips} for n in self.offers
            ],
            "selected": len(self.selected),
        }
