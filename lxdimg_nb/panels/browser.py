"""The browser of images: a list of any length, one image in detail, upload and export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from lxdimg_nb import formats, views
from lxdimg_nb.client import Images
from lxdimg_nb.client.listing import project_names
from lxdimg_nb.errors import IncompleteListError, LxdImageError, NotAllowedError, ServerUnreachableError
from lxdimg_nb.models import ImageRecord
from lxdimg_nb.panels.bulk import Bulk
from lxdimg_nb.panels.imagework import ImageWork
from lxdimg_nb.panels.table import COLUMNS, PAGE_SIZES, ImageTable, Row, key_of
from lxdimg_nb.panels.uploading import Uploading
from lxdimg_nb.panels.watching import ListWatch
from lxdimg_nb.panels.widget import text_of, texts_of, whole_of
from lxdimg_nb.panels.words import product, why

if TYPE_CHECKING:
    import threading

    from lxdimg_nb.client.live import Live
    from lxdimg_nb.views import Table

__all__ = ["BrowserPanel"]


class BrowserPanel(ImageWork):
    """What `client.images.panel()` shows."""

    kind = "browser"

    def __init__(self, images: Images | None) -> None:
        super().__init__(images)
        self.table = ImageTable()
        self._state = "new"
        self._reason: dict[str, str] = {}
        self._projects: list[str] = []
        self._loading = 0
        self._read_at: datetime | None = None
        self._watch: ListWatch | None = None
        self._waiting: list[threading.Event] = []
        self.uploading = Uploading(self)
        self.bulk = Bulk(self)
        self._handlers |= {
            "reload": lambda _: self.load(),
            "search": lambda m: self._look(lambda: self.table.search(text_of(m, "query"))),
            "chips": lambda m: self._look(lambda: self.table.choose(texts_of(m, "chips"))),
            "sort": lambda m: self._look(lambda: self.table.order(text_of(m, "column"))),
            "page": lambda m: self._look(lambda: self.table.turn(whole_of(m, "page"))),
            "size": lambda m: self._look(lambda: self._resize(whole_of(m, "size"))),
            "columns": lambda m: self._look(lambda: self._choose_columns(texts_of(m, "columns"))),
            "select": self._select,
            "open": self._open,
            "shut": self._shut,
            "project": self._project,
            **self.uploading.handlers,
            **self.bulk.handlers,
        }

    # Reading the server

    def awake(self) -> None:
        if self._state == "new" or (self._state == "ready" and self._watch is None):
            self.load()

    def asleep(self) -> None:
        self._unwatch()

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None
            self.tell_live("off")

    def load(self) -> None:
        """Read the list in a thread, and what changes from then on; a later call overtakes an earlier one."""
        self._loading += 1
        number, images = self._loading, self.images
        self._state = "loading" if self._state != "ready" else "reloading"
        self.show_list()
        self.actor.aside(
            lambda: _read(images), lambda r: self._loaded(number, r), lambda e: self._not_loaded(number, e)
        )

    def _loaded(self, number: int, reading: _Reading) -> None:
        if number != self._loading:
            if reading.live is not None:
                ListWatch(self.actor, reading.live, lambda *_: None, lambda *_: None).close()
            return
        self._unwatch()
        records = reading.records
        if reading.live is not None:
            self._watch = ListWatch(self.actor, reading.live, self._heard, self.tell_live)
            records = self._watch.records()
        self.table.replace(Row(key_of(record), record) for record in records)
        self._projects, self._state, self._read_at = reading.projects, "ready", datetime.now(UTC)
        if reading.warning:
            self.notice(reading.warning)
        if self.open is not None and self.open.key in self.table.rows:
            self.open = self.table.rows[self.open.key]
        elif self.open is not None:
            self.changed(self.open, None)
        self._done_loading()
        self.live = self._watch.state if self._watch is not None else "off"
        self.show_header()
        self.show_list()
        self.show_detail()

    def _heard(self, changed: list[ImageRecord], removed: list[str]) -> None:
        """Changes made elsewhere."""
        for record in changed:
            self.table.put(Row(key_of(record), record))
        row = self.open
        gone = {f"{self.images.project}/{fingerprint}" for fingerprint in removed}
        for key in gone:
            self.table.drop(key)
        if row is not None and row.key in gone:
            successor = self._successor(row)
            if successor is not None:
                self.replaced(row, successor.record)
            else:
                # A refresh takes the old image away first; its successor comes a moment later.
                self.actor.alarm("gone", 1.0, lambda: self._follow(row))
        elif row is not None and row.key in self.table.rows and row.key not in self.editor.busy:
            self.open = self.table.rows[row.key]
            self.show_detail()
        self.show_list()

    def _successor(self, row: Row) -> Row | None:
        names = {alias.name for alias in row.record.aliases}
        return next((r for r in self.table.rows.values() if names & {a.name for a in r.record.aliases}), None)

    def _follow(self, row: Row) -> None:
        if self.open is None or self.open.key != row.key or row.key in self.table.rows:
            return
        successor = self._successor(row)
        if successor is not None:
            self.replaced(row, successor.record)
        else:
            self.changed(row, None)
        self.show_list()

    def _done_loading(self) -> None:
        for ready in self._waiting:
            ready.set()
        self._waiting.clear()

    def _not_loaded(self, number: int, error: Exception) -> None:
        if number != self._loading:
            return
        self._state = "failed"
        title = "The images could not be read"
        if isinstance(error, ServerUnreachableError):
            title = "The server does not answer"
        elif isinstance(error, NotAllowedError):
            title = "The server does not trust this connection"
        self._reason = {"title": title, "text": why(error)}
        self._done_loading()
        self.show_list()

    def arrived(self, record: ImageRecord) -> None:
        """An image that was made here: list and open it."""
        if record.project == self.images.project and self._state in ("ready", "reloading"):
            row = Row(key_of(record), record)
            self.table.put(row)
            self.open, self._said = row, None
            self.show_list()
            self.show_detail()

    # What the views show

    def show_all(self) -> None:
        self.show_list()
        self.uploading.show()
        self.bulk.show()
        super().show_all()

    def show_header(self) -> None:
        super().show_header()
        self.part("projects", [views.plain(name, 64) for name in self._projects])

    def show_list(self) -> None:
        """Send the page that is looked at."""
        state: dict[str, Any] = {"state": self._state, "reason": self._reason}
        if self._state in ("ready", "reloading"):
            state |= self.table.view()
            state["open"] = self.open.key if self.open else ""
            state["read_at"] = self._read_at.strftime("%H:%M:%S UTC") if self._read_at else ""
        self.part("list", state)

    def changed(self, row: Row, record: ImageRecord | None) -> None:
        if record is None:
            self.table.drop(row.key)
        elif row.key in self.table.rows and record is not self.table.rows[row.key].record:
            self.table.put(Row(row.key, record, row.server))
        super().changed(row, record)
        self.actor.nudge("list", self.show_list)

    def replaced(self, row: Row, record: ImageRecord) -> None:
        self.table.drop(row.key)
        self.table.put(Row(key_of(record), record))
        super().replaced(row, record)
        self.show_list()

    def removed(self, row: Row) -> None:
        self.table.drop(row.key)
        self.show_list()

    def row(self, content: Mapping[str, Any]) -> Row | None:
        return self.table.rows.get(text_of(content, "key"))

    # What the views ask for

    def _look(self, step: Callable[[], object]) -> None:
        step()
        self.show_list()

    def _resize(self, size: int) -> None:
        if size in PAGE_SIZES:
            first = self.table.page * self.table.size
            self.table.size = size
            self.table.turn(first // size)

    def _choose_columns(self, names: list[str]) -> None:
        chosen = tuple(name for name in COLUMNS if name in names and name != "server")
        if chosen:
            self.table.columns = chosen

    def _select(self, content: Mapping[str, Any]) -> None:
        on, what = content.get("on") is True, content.get("what")
        if what == "found":
            self.table.select_found(on)
        elif what == "page":
            self.table.select([row.key for row in self.table.shown()], on)
        else:
            self.table.select(texts_of(content, "keys"), on)
        self.show_list()

    def _open(self, content: Mapping[str, Any]) -> None:
        row = self.row(content)
        if row is not None:
            if self.open is None or self.open.key != row.key:
                self._said = None
            self.open = row
            self.show_list()
            self.show_detail()

    def _shut(self, _: Mapping[str, Any]) -> None:
        self.open = None
        self.show_list()
        self.show_detail()

    def _project(self, content: Mapping[str, Any]) -> None:
        name = text_of(content, "project")
        if name not in self._projects or name == self.images.project:
            return
        self.images = Images(self.images.transport, self.images.dialect, name)
        self.table.replace(())
        self._unwatch()
        self.open, self._state = None, "loading"
        self.show_header()
        self.show_detail()
        self.load()

    def close(self) -> None:
        if hasattr(self, "uploading"):
            self.actor.post(self.uploading.close)
        super().close()

    # Without a browser

    def prepare(self, ready: threading.Event) -> None:
        if self._state == "new":
            self.load()
        if self._state in ("new", "loading"):
            self._waiting.append(ready)
        else:
            ready.set()

    def static(self) -> Table:
        table = views.table([row.record for row in self.table.shown()], title=self._title())
        if self._state in ("ready", "reloading"):
            more = len(self.table.found()) - len(self.table.shown())
            return replace(table, note=f"and {more:,} more" if more else "")
        return replace(table, note=self._reason.get("text", "") or "the list was still being read")

    def _title(self) -> str:
        images = formats.plural(len(self.table.rows), "image")
        info = self.images.dialect.info
        if info.product == "simplestreams":
            return f"{images} of the catalogue {views.plain(self.images.transport.url, 120)}"
        return f"{images} of {product(info)}, project {views.plain(self.images.project, 64)}"


class _Reading(NamedTuple):
    """What reading a server brought: live, or once."""

    records: list[ImageRecord]
    live: Live | None
    warning: str
    projects: list[str]


def _read(images: Images) -> _Reading:
    projects = _projects(images)
    try:
        if images.dialect.info.product == "simplestreams":
            return _Reading(images.records(), None, "", projects)
        return _Reading([], images.live(), "", projects)
    except IncompleteListError as error:
        found = [getattr(image, "record", image) for image in error.images]
        return _Reading(found, None, why(error), projects)


def _projects(images: Images) -> list[str]:
    """The projects to choose from; the one at hand where the server does not tell."""
    try:
        return project_names(images.transport) or [images.project]
    except LxdImageError:
        return [images.project]
