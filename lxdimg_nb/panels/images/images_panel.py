"""The browser of images: a list of any length, one image in detail, upload and export."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client import Client, Images
from lxdimg_nb.errors import NotAllowedError, ServerUnreachableError
from lxdimg_nb.panels.base.panel import text_of, texts_of, whole_of
from lxdimg_nb.panels.base.ui_text import product, why
from lxdimg_nb.panels.image.image_actions import ImageActions
from lxdimg_nb.panels.image.image_row import Row, row_key
from lxdimg_nb.panels.images.bulk_actions import BulkActions
from lxdimg_nb.panels.images.chip_lookups import ChipLookups
from lxdimg_nb.panels.images.chips import CHIPS
from lxdimg_nb.panels.images.list_reader import ListWatch, Reading, discard, projects_of, read
from lxdimg_nb.panels.images.table import PAGE_SIZES, ImageTable
from lxdimg_nb.panels.images.table_columns import COLUMNS
from lxdimg_nb.panels.upload.upload_form import UploadForm
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import ImageRecord, images_table

if TYPE_CHECKING:
    import threading

    from lxdimg_nb.text.display import Table

__all__ = ["ImagesPanel"]


class ImagesPanel(ImageActions):
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
        # By server; there is one, without a name, but in a fleet.
        self._watches: dict[str, ListWatch] = {}
        self._waiting: list[threading.Event] = []
        self.upload = UploadForm(self, self.arrived)
        self.bulk = BulkActions(self, self.table, self.load)
        self.lookups = ChipLookups(self, self.table, self.show_list)
        if images is not None:
            self._offer(images)
        self._handlers |= {
            "reload": lambda _: self.load(),
            "search": lambda m: self._look(lambda: self.table.search(text_of(m, "query"))),
            "chips": lambda m: self._look(lambda: self._choose_chips(texts_of(m, "chips"))),
            "sort": lambda m: self._look(lambda: self.table.order(text_of(m, "column"))),
            "page": lambda m: self._look(lambda: self.table.turn(whole_of(m, "page"))),
            "size": lambda m: self._look(lambda: self._resize(whole_of(m, "size"))),
            "columns": lambda m: self._look(lambda: self._choose_columns(texts_of(m, "columns"))),
            "select": self._select,
            "open": self._open,
            "shut": self._shut,
            "project": self._project,
            **self.upload.handlers,
            **self.bulk.handlers,
            **self.lookups.handlers,
        }

    def _offer(self, images: Images) -> None:
        """The chips that make sense here."""
        info = images.dialect.info
        if info.product == "simplestreams":
            self.table.offers = ("expired", "vm")
        elif not info.trusted:
            # Strangers are not told of instances.
            self.table.offers = tuple(name for name in CHIPS if name != "unused")

    # Reading the server

    def images_at(self, server: str) -> Images:  # noqa: ARG002 - one server here, many in a fleet
        """The images of the server of that name."""
        return self.images

    def images_for(self, row: Row | None) -> Images:
        return self.images_at(row.server if row is not None else "")

    def awake(self) -> None:
        if self._state == "new" or (self._state == "ready" and not self._watches):
            self.load()

    def asleep(self) -> None:
        self._unwatch()

    def _unwatch(self) -> None:
        if self._watches:
            for watch in self._watches.values():
                watch.close()
            self._watches.clear()
            self.tell_live("off")

    def _follow_live(self, reading: Reading, server: str = "") -> list[ImageRecord]:
        """Hear of what changes from here on; returns the images as they are."""
        if reading.live is None:
            return reading.records
        heard = functools.partial(self._heard, server)
        watch = self._watches[server] = ListWatch(self.actor, reading.live, heard, self._told_live)
        return watch.records()

    def _told_live(self, _: str = "") -> None:
        states = {watch.state for watch in self._watches.values()}
        self.tell_live(next((s for s in ("lost", "closed", "polling", "live") if s in states), "off"))

    def load(self) -> None:
        """Read the list in a thread, and what changes from then on; a later call overtakes an earlier one."""
        self._loading += 1
        number, images = self._loading, self.images
        self._state = "loading" if self._state != "ready" else "reloading"
        self.show_list()
        self.actor.aside(
            lambda: (read(images), projects_of(images)),
            lambda found: self._loaded(number, *found),
            lambda error: self._not_loaded(number, error),
        )

    def _loaded(self, number: int, reading: Reading, projects: list[str]) -> None:
        if number != self._loading:
            discard(reading)
            return
        self._projects = projects
        self._gathered({"": reading})

    def _gathered(self, readings: Mapping[str, Reading]) -> None:
        """Take what was read, by server, instead of what is shown."""
        self._unwatch()
        rows: list[Row] = []
        for server, reading in readings.items():
            rows += [Row.of(record, server) for record in self._follow_live(reading, server)]
            if reading.warning:
                self.notice(f"{display.sanitize(server, 60)}: {reading.warning}" if server else reading.warning)
        self.table.replace(rows)
        self.lookups.again()
        self._state, self._read_at = "ready", datetime.now(UTC)
        if self.open is not None and self.open.key in self.table.rows:
            self.open = self.table.rows[self.open.key]
        elif self.open is not None:
            self.changed(self.open, None)
        self._done_loading()
        self._told_live()
        self.show_header()
        self.show_list()
        self.show_detail()

    def _heard(self, server: str, changed: list[ImageRecord], removed: list[str]) -> None:
        """Changes made elsewhere."""
        for record in changed:
            self.table.put(Row.of(record, server))
        row = self.open
        project = self.images_at(server).project
        gone = {row_key(project, fingerprint, server) for fingerprint in removed}
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
        same = (other for other in self.table.rows.values() if other.server == row.server)
        return next((r for r in same if names & {a.name for a in r.record.aliases}), None)

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
            row = Row.of(record)
            self.table.put(row)
            self.open, self._said = row, None
            self.show_list()
            self.show_detail()

    # What the views show

    def show_all(self) -> None:
        self.show_list()
        self.upload.show()
        self.bulk.show()
        super().show_all()

    def show_header(self) -> None:
        super().show_header()
        self.part("projects", [display.sanitize(name, 64) for name in self._projects])

    def show_list(self) -> None:
        """Send the page that is looked at."""
        state: dict[str, Any] = {"state": self._state, "reason": self._reason}
        if self._state in ("ready", "reloading"):
            state |= self.table.view() | {"asked": self.lookups.view()}
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
        self.table.put(Row.of(record, row.server))
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

    def newer(self, row: Row) -> str:
        return self.table.answers.get("outdated", {}).get(row.key, "")

    def _choose_chips(self, names: list[str]) -> None:
        self.table.choose(names)
        self.lookups.chosen()

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
        if name not in self._projects or name == self.images.instances:
            return
        self._loading += 1
        number, images = self._loading, self.images
        self.open, self._state = None, "loading"
        self.table.replace(())
        self._unwatch()
        self.show_list()
        self.show_detail()
        self.actor.aside(
            lambda: Client(images.transport, images.dialect.info).in_project(name).images,
            lambda found: self._moved(number, found),
            lambda error: self._not_loaded(number, error),
        )

    def _moved(self, number: int, images: Images) -> None:
        if number == self._loading:
            self.images = images
            self.show_header()
            self.load()

    def close(self) -> None:
        if hasattr(self, "upload"):
            self.actor.post(self.upload.close)
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
        table = images_table([row.record for row in self.table.shown()], title=self._title())
        if self._state in ("ready", "reloading"):
            more = len(self.table.found()) - len(self.table.shown())
            return replace(table, note=f"and {more:,} more" if more else "")
        return replace(table, note=self._reason.get("text", "") or "the list was still being read")

    def _title(self) -> str:
        images = formats.plural(len(self.table.rows), "image")
        info = self.images.dialect.info
        if info.product == "simplestreams":
            return f"{images} of the catalogue {display.sanitize(self.images.transport.url, 120)}"
        return f"{images} of {product(info)}, project {display.sanitize(self.images.instances, 64)}"
