"""The browser of images: a list of any length, one image in detail, upload and export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lxdimg_nb import formats, views
from lxdimg_nb.client import Images
from lxdimg_nb.client.listing import project_names
from lxdimg_nb.errors import IncompleteListError, LxdImageError, NotAllowedError, ServerUnreachableError
from lxdimg_nb.models import ImageRecord
from lxdimg_nb.panels.imagework import ImageWork
from lxdimg_nb.panels.table import COLUMNS, PAGE_SIZES, ImageTable, Row, key_of
from lxdimg_nb.panels.uploading import Uploading
from lxdimg_nb.panels.words import product, why

if TYPE_CHECKING:
    import threading

    from lxdimg_nb.views import Table

__all__ = ["BrowserPanel"]


class BrowserPanel(ImageWork):
    """What `client.images.panel()` shows."""

    kind = "browser"

    def __init__(self, images: Images) -> None:
        super().__init__(images)
        self.table = ImageTable()
        self._state = "new"
        self._reason: dict[str, str] = {}
        self._projects: list[str] = []
        self._loading = 0
        self._read_at: datetime | None = None
        self._waiting: list[threading.Event] = []
        self.uploading = Uploading(self)
        self._handlers |= {
            "reload": lambda _: self.load(),
            "search": lambda m: self._look(lambda: self.table.search(_text(m, "query"))),
            "chips": lambda m: self._look(lambda: self.table.choose(_texts(m, "chips"))),
            "sort": lambda m: self._look(lambda: self.table.order(_text(m, "column"))),
            "page": lambda m: self._look(lambda: self.table.turn(_whole(m, "page"))),
            "size": lambda m: self._look(lambda: self._resize(_whole(m, "size"))),
            "columns": lambda m: self._look(lambda: self._choose_columns(_texts(m, "columns"))),
            "select": self._select,
            "open": self._open,
            "shut": self._shut,
            "project": self._project,
            **self.uploading.handlers,
        }

    # Reading the server

    def awake(self) -> None:
        if self._state == "new":
            self.load()

    def load(self) -> None:
        """Read the list in a thread; a later call overtakes an earlier one."""
        self._loading += 1
        number, images = self._loading, self.images
        self._state = "loading" if self._state != "ready" else "reloading"
        self.show_list()

        def read() -> tuple[list[ImageRecord], str, list[str]]:
            names = _projects(images)
            try:
                return images.records(), "", names
            except IncompleteListError as error:
                found = [getattr(i, "record", i) for i in error.images]
                return found, why(error), names

        self.actor.aside(read, lambda r: self._loaded(number, *r), lambda e: self._not_loaded(number, e))

    def _loaded(self, number: int, records: list[ImageRecord], warning: str, projects: list[str]) -> None:
        if number != self._loading:
            return
        self.table.replace(Row(key_of(record), record) for record in records)
        self._projects, self._state, self._read_at = projects, "ready", datetime.now(UTC)
        if warning:
            self.notice(warning)
        if self.open is not None and self.open.key in self.table.rows:
            self.open = self.table.rows[self.open.key]
        elif self.open is not None:
            self.changed(self.open, None)
        self._done_loading()
        self.show_header()
        self.show_list()
        self.show_detail()

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
            self.open, self._said = row, {}
            self.show_list()
            self.show_detail()

    # What the views show

    def show_all(self) -> None:
        self.show_list()
        self.uploading.show()
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

    def row(self, content: Mapping[str, Any]) -> Row | None:
        return self.table.rows.get(_text(content, "key"))

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
            self.table.select(_texts(content, "keys"), on)
        self.show_list()

    def _open(self, content: Mapping[str, Any]) -> None:
        row = self.row(content)
        if row is not None:
            if self.open is None or self.open.key != row.key:
                self._said = {}
            self.open = row
            self.show_list()
            self.show_detail()

    def _shut(self, _: Mapping[str, Any]) -> None:
        self.open = None
        self.show_list()
        self.show_detail()

    def _project(self, content: Mapping[str, Any]) -> None:
        name = _text(content, "project")
        if name not in self._projects or name == self.images.project:
            return
        self.images = Images(self.images.transport, self.images.dialect, name)
        self.table.replace(())
        self.open, self._state = None, "loading"
        self.show_header()
        self.show_detail()
        self.load()

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
        return f"{images} of {product(self.images.dialect.info)}, project {views.plain(self.images.project, 64)}"


def _projects(images: Images) -> list[str]:
    """The projects to choose from; the one at hand where the server does not tell."""
    try:
        return project_names(images.transport) or [images.project]
    except LxdImageError:
        return [images.project]


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    return value[:4096] if isinstance(value, str) else ""


def _texts(content: Mapping[str, Any], name: str) -> list[str]:
    value = content.get(name)
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _whole(content: Mapping[str, Any], name: str) -> int:
    value = content.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
