"""The list of images behind a panel: rows, search, sort, pages and selection, all in the kernel.

Only one page of cells ever goes to a browser, so that 100,000 images are as quick as ten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lxdimg_nb import formats, views
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters import Filter, parse
from lxdimg_nb.models import ImageRecord

__all__ = ["CHIPS", "COLUMNS", "Column", "ImageTable", "Row", "key_of"]

PAGE_SIZES = (10, 20, 50, 100)
NEVER = datetime(1, 1, 1, tzinfo=UTC)


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
    """What names a row: `[server/]project/fingerprint`."""
    parts = [server, record.project, record.fingerprint] if server else [record.project, record.fingerprint]
    return "/".join(parts)


def main_alias(record: ImageRecord) -> str:
    """The shortest alias, as the command line tools show it; empty without any."""
    return min((alias.name for alias in record.aliases), key=lambda name: (len(name), name), default="")


_DIGITS = re.compile(r"\d+")


def _natural(text: str) -> str:
    """A text that sorts 9 before 10; empty sorts last."""
    return _DIGITS.sub(lambda m: m[0].rjust(12, "0"), text.casefold()[:200]) or "\uffff"


def _aliases(row: Row, _: datetime) -> str:
    names = row.record.aliases
    more = f" (+{len(names) - 1})" if len(names) > 1 else ""
    return views.plain(main_alias(row.record), 80) + more


def _time(name: str, title: str) -> Column:
    def read(row: Row) -> datetime | None:
        value: datetime | None = getattr(row.record, name)
        return value

    return Column(
        title,
        lambda row, now: views.ago(read(row), now),
        lambda row: read(row) or NEVER,
        "time",
        lambda row: formats.when(read(row)),
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
    return Column(title, lambda row, _: views.plain(read(row), 120), lambda row: _natural(read(row)), kind)


def _property(name: str, title: str) -> Column:
    return _text(title, lambda row: row.record.properties.get(name, ""))


def _source(row: Row) -> str:
    source = row.record.update_source
    return f"{source.server} {source.alias}".strip() if source else ""


COLUMNS: dict[str, Column] = {
    "server": _text("Server", lambda row: row.server),
    "alias": Column(
        "Alias",
        _aliases,
        lambda row: _natural(main_alias(row.record)),
        hint=lambda row: views.word([a.name for a in row.record.aliases], limit=400),
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

CHIPS = {
    "public": ("Public", "public=yes"),
    "auto_update": ("Auto-update", "auto_update=yes"),
    "cached": ("Cached", "cached=yes"),
    "unused": ("Never used", "used=never"),
    "expired": ("Expired", "expires<now"),
    "vm": ("VMs", "type=virtual-machine"),
}


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
    _filter: Filter = field(default_factory=Filter)
    _words: tuple[str, ...] = ()
    _sorted: dict[str, list[Row]] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)
    _found: list[Row] | None = None
    _properties: frozenset[str] | None = None

    def replace(self, rows: Iterable[Row]) -> None:
        """Take these rows instead of those before; the selection keeps what is still there."""
        self.rows = {row.key: row for row in rows}
        self.selected &= self.rows.keys()
        self._texts.clear()
        self._changed()

    def put(self, row: Row) -> None:
        """Add a row or replace the one of its key."""
        self.rows[row.key] = row
        self._texts.pop(row.key, None)
        self._changed()

    def drop(self, key: str) -> Row | None:
        """Remove a row; None when it is not there."""
        self.selected.discard(key)
        self._texts.pop(key, None)
        row = self.rows.pop(key, None)
        self._changed()
        return row

    def _changed(self) -> None:
        self._sorted.clear()
        self._found = None
        self._properties = None

    @property
    def properties(self) -> frozenset[str]:
        """The names of all properties that images have."""
        if self._properties is None:
            names: set[str] = set()
            for row in self.rows.values():
                found = row.record.raw.get("properties")
                if isinstance(found, dict):
                    names.update(found)
            self._properties = frozenset(names)
        return self._properties

    def search(self, query: str) -> None:
        """Show only what meets a filter; one that makes no sense changes nothing and is told in `problem`."""
        self.query = query[:1000]
        self._apply()

    def choose(self, chips: Iterable[str]) -> None:
        """Show only what meets all these chips, too."""
        self.chips = tuple(name for name in CHIPS if name in set(chips))
        self._apply()

    def _apply(self) -> None:
        try:
            made = parse(self.query, known_properties=self.properties if self.rows else None)
        except InvalidRequestError as error:
            self.problem = views.plain(error.message, 200)
            return
        extra = [term for name in self.chips for term in parse(CHIPS[name][1]).terms]
        self.problem = ""
        # A plain word is looked for in one prepared text; what has a glob, a quote or a field goes the long way.
        easy = [t for t in made.terms if not t.field and t.text.isalnum()]
        self._words = tuple(term.text.casefold() for term in easy)
        self._filter = Filter((*(t for t in made.terms if t not in easy), *extra))
        self._found = None
        self.page = 0

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
            if self._words or self._filter:
                now = datetime.now(UTC)
                words, wanted = self._words, self._filter
                rows = [
                    row
                    for row in rows
                    if all(word in self._text(row) for word in words)
                    and (not wanted or wanted.matches(row.record, now))
                ]
            self._found = rows
        return self._found

    def _in_order(self) -> list[Row]:
        ascending = self._sorted.get(self.sort)
        if ascending is None:
            order = COLUMNS[self.sort].order
            ascending = sorted(self.rows.values(), key=lambda row: (order(row), row.key))
            self._sorted = {self.sort: ascending}
        return ascending[::-1] if self.down else ascending

    def _text(self, row: Row) -> str:
        text = self._texts.get(row.key)
        if text is None:
            record = row.record
            description = record.properties.get("description", "")
            names = [alias.name for alias in record.aliases]
            text = self._texts[row.key] = "\n".join([*names, record.fingerprint, description]).casefold()
        return text

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
            "chips": [{"name": n, "title": CHIPS[n][0], "on": n in self.chips} for n in CHIPS],
            "selected": len(self.selected),
        }
