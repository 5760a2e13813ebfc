"""The list of images behind a panel: rows, search, sort, pages and selection, all in the kernel.

Only one page of cells ever goes to a browser, so that 100,000 images are as quick as ten.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters import Filter, parse
from lxdimg_nb.panels.images.table_filter import haystack, names_in, narrowed, property_of
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import ImageRecord, parse_time

__all__ = ["CHIPS", "COLUMNS", "Chip", "Column", "ImageTable", "Row", "key_of", "row_key"]

PAGE_SIZES = (10, 20, 50, 100)
# So many orders are kept, for whoever goes back and forth between columns.
ORDERS_KEPT = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One image of one server."""

    key: str
    record: ImageRecord
    server: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its words, its order, its looks (`text`, `number`, `code`, `flag`)."""

    title: str
    cell: Callable[[Row, datetime], str]
    order: Callable[[Row], Any]
    kind: str = "text"
    hint: Callable[[Row], str] | None = None
    down_first: bool = False


def key_of(record: ImageRecord, server: str = "") -> str:
    """What names an image's row."""
    return row_key(record.project, record.fingerprint, server)


def row_key(project: str, fingerprint: str, server: str = "") -> str:
    """`[server/]project/fingerprint`."""
    return f"{server}/{project}/{fingerprint}" if server else f"{project}/{fingerprint}"


def main_alias(record: ImageRecord) -> str:
    """The shortest alias, as the command line tools show it; empty without any."""
    return min(names_in(record), key=lambda name: (len(name), name), default="")


_DIGITS = re.compile(r"(\d+)")


def _natural(text: str) -> str:
    """A text that sorts 9 before 10; empty sorts last."""
    parts = _DIGITS.split(text.casefold()[:200])
    parts[1::2] = [number.rjust(12, "0") for number in parts[1::2]]
    return "".join(parts) or "\uffff"


def _aliases(row: Row, _: datetime) -> str:
    names = row.record.aliases
    more = f" (+{len(names) - 1})" if len(names) > 1 else ""
    return display.sanitize(main_alias(row.record), 80) + more


def _moment(value: Any) -> str:
    """A server's time as a text that sorts; never comes first."""
    if isinstance(value, str) and value[-1:] == "Z" and value > "1971":
        return value[:-1]
    moment = parse_time(value)
    return moment.isoformat()[:-6] if moment else ""


def _time(name: str, title: str) -> Column:
    def read(row: Row) -> datetime | None:
        value: datetime | None = getattr(row.record, name)
        return value

    return Column(
        title,
        lambda row, now: formats.age(read(row), now),
        lambda row: _moment(row.record.raw.get(name)),
        "time",
        lambda row: formats.timestamp(read(row)),
        down_first=True,
    )


def _flag(name: str, title: str) -> Column:
    return Column(
        title,
        lambda row, _: "yes" if getattr(row.record, name) else "no",
        lambda row: not getattr(row.record, name),
        "flag",
    )


def _text(title: str, read: Callable[[Row], str], kind: str = "text") -> Column:
    return Column(title, lambda row, _: display.sanitize(read(row), 120), lambda row: _natural(read(row)), kind)


def _property(name: str, title: str) -> Column:
    return _text(title, lambda row: property_of(row.record, name))


def _source(row: Row) -> str:
    source = row.record.update_source
    return f"{source.server} {source.alias}".strip() if source else ""


COLUMNS: dict[str, Column] = {
    "server": _text("Server", lambda row: row.server),
    "alias": Column(
        "Alias",
        _aliases,
        lambda row: _natural(main_alias(row.record)),
        hint=lambda row: display.format_value([a.name for a in row.record.aliases], limit=400),
    ),
    "fingerprint": Column(
        "Fingerprint", lambda row, _: row.record.fingerprint[:12], lambda row: row.record.fingerprint, "code"
    ),
    "public": _flag("public", "Public"),
    "description": _property("description", "Description"),
    "architecture": _text("Arch", lambda row: row.record.architecture),
    "type": _text("Type", lambda row: "VM" if row.record.type == "virtual-machine" else row.record.type),
    "size": Column(
        "Size",
        lambda row, _: formats.size(row.record.size),
        lambda row: row.record.size,
        "number",
        lambda row: f"{row.record.size:,} bytes",
        down_first=True,
    ),
    "uploaded": _time("uploaded_at", "Uploaded"),
    "used": _time("last_used_at", "Used"),
    "created": _time("created_at", "Built"),
    "expires": _time("expires_at", "Expires"),
    "auto_update": _flag("auto_update", "Auto-update"),
    "cached": _flag("cached", "Cached"),
    "source": _text("Source", _source),
    "project": _text("Project", lambda row: row.record.project),
    "profiles": _text("Profiles", lambda row: ", ".join(row.record.profiles)),
    "filename": _text("File name", lambda row: row.record.filename),
    "os": _property("os", "OS"),
    "release": _property("release", "Release"),
}
DEFAULT_COLUMNS = ("alias", "fingerprint", "public", "description", "architecture", "type", "size", "uploaded")


@dataclass(frozen=True, slots=True)
class Chip:
    """One choice: its word, what it means, and the filter behind it; without one, others have to be asked."""

    title: str
    hint: str
    filter: str = ""


CHIPS = {
    "public": Chip("Public", "Visible to everybody, without authentication", "public=yes"),
    "auto_update": Chip("Auto-update", "The server looks for newer builds", "auto_update=yes"),
    "cached": Chip("Cached", "The server fetched it on its own for an instance", "cached=yes"),
    "unused": Chip("Unused", "No instance and no snapshot was made from it; asks the server"),
    "outdated": Chip("Outdated", "There is a newer build in a catalogue; asks the catalogues that images came from"),
    "expired": Chip("Expired", "Past its date of expiry; no server deletes an image for that", "expires<now"),
    "vm": Chip("VMs", "For virtual machines", "type=virtual-machine"),
}


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
