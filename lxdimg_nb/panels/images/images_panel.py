"""The panel of a server's images: a list of any length, one image in detail, upload and bulk actions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lxdimg_nb.client import Client, Images
from lxdimg_nb.errors import NotAllowedError, ServerUnreachableError
from lxdimg_nb.panels.base.message_fields import int_field, str_field, str_list_field
from lxdimg_nb.panels.base.panel import Handler
from lxdimg_nb.panels.base.ui_text import error_text, product_name
from lxdimg_nb.panels.image.image_actions import ImageActions
from lxdimg_nb.panels.image.image_row import Row
from lxdimg_nb.panels.images.announcement import announcement
from lxdimg_nb.panels.images.bulk_actions import BulkActions
from lxdimg_nb.panels.images.chip_lookups import ChipLookups
from lxdimg_nb.panels.images.chips import CHIPS
from lxdimg_nb.panels.images.live_list import LiveList, project_choices
from lxdimg_nb.panels.images.table import ImageTable
from lxdimg_nb.panels.upload.upload_form import UploadForm
from lxdimg_nb.text import display, formats
from lxdimg_nb.text.tables import Table
from lxdimg_nb.values import ImageRecord, images_table

__all__ = ["ImagesPanel"]

# Of the table without JavaScript, which every display sends and a saved notebook keeps.
STATIC_ROWS = 10
MAX_PROJECTS = 1_000


class ImagesPanel(ImageActions):
    """The panel that `client.images.panel()` returns."""

    kind = "browser"

    def __init__(self, images: Images | None) -> None:
        super().__init__(images)
        self.table = ImageTable()
        # `new`, `loading`, `ready`, `reloading` or `failed`
        self._state = "new"
        self._failure: dict[str, str] = {}
        self._projects: list[str] = []
        # Number of the latest attempt to read the images; what an earlier one brings is dropped.
        self._attempt = 0
        self._read_at: datetime | None = None
        self._lists: list[LiveList] = []
        self.ready.clear()
        self.upload = UploadForm(self, self.uploaded)
        self.bulk = BulkActions(self, self.table, self.load)
        self.lookups = ChipLookups(self, self.table, self.show_list)
        if images is not None:
            self._offer_chips(images)
        table, listed = self.table, self._then_show_list
        self._handlers |= {
            "reload": lambda _: self.load(),
            "search": listed(lambda m: table.search(str_field(m, "query"))),
            "chips": listed(self._choose_chips),
            "sort": listed(lambda m: table.order(str_field(m, "column"))),
            "page": listed(lambda m: table.turn(int_field(m, "page"))),
            "size": listed(lambda m: table.resize(int_field(m, "size"))),
            "columns": listed(lambda m: table.choose_columns(str_list_field(m, "columns"))),
            "select": listed(self._select),
            "open": listed(self._open),
            "shut": listed(self._close_detail),
            "project": self._switch_project,
            **self.upload.handlers,
            **self.bulk.handlers,
            **self.lookups.handlers,
        }

    def _offer_chips(self, images: Images) -> None:
        info = images.info
        if info.product == "simplestreams":
            self.table.offers = ("expired", "vm")
        elif not info.trusted:
            # Servers do not tell untrusted clients of instances.
            self.table.offers = tuple(name for name in CHIPS if name != "unused")

    # Reading the server

    def on_shown(self) -> None:
        if self._state == "new" or (self._state == "ready" and not self._lists):
            self.load()

    def on_hidden(self) -> None:
        self._close_lists()

    def _close_lists(self) -> None:
        _close_all(self._lists)
        self._lists = []
        self._show_live()

    def _show_live(self) -> None:
        states = {images.state for images in self._lists}
        self.set_live(next((s for s in ("lost", "closed", "polling", "live") if s in states), "off"))

    def load(self) -> None:
        """Read the images in the background, and follow their changes. A later call overtakes an earlier one."""
        attempt = self._begin("reloading" if self._state == "ready" else "loading")
        self.actor.in_background(
            self.read_lists,
            lambda found: self._loaded(attempt, found),
            lambda error: self._not_loaded(attempt, error),
            unwanted=_close_all,
        )

    def read_lists(self) -> list[LiveList]:
        """Read the images, not in the actor's thread."""
        images = self.images
        projects = project_choices(images)
        self.actor.post(lambda: setattr(self, "_projects", projects))
        return [LiveList(images)]

    def _begin(self, state: str) -> int:
        self._attempt += 1
        self._state = state
        if state == "loading":
            self.ready.clear()
        self.show_list()
        return self._attempt

    def _loaded(self, attempt: int, found: list[LiveList]) -> None:
        if attempt != self._attempt or self.ended:
            _close_all(found)
            return
        self._close_lists()
        self._lists = found
        rows: list[Row] = []
        for images in found:
            images.follow(self.actor, self._changed_elsewhere, self._show_live)
            rows += images.rows()
            if images.warning:
                self.notice(images.warning)
        self.table.behind = max((images.behind for images in found), default=timedelta(0))
        self.table.replace(rows)
        self.lookups.repeat()
        self._state, self._read_at = "ready", datetime.now(UTC)
        if self.open is not None and self.open.key in self.table.rows:
            self.open = self.table.rows[self.open.key]
        elif self.open is not None:
            self.changed(self.open, None)
        self.ready.set()
        # The list was read for a static table, or for a view that has gone meanwhile.
        self.expect_view()
        self._show_live()
        self.show_header()
        self.show_list()
        self.show_detail()

    def _not_loaded(self, attempt: int, error: Exception) -> None:
        if attempt != self._attempt:
            return
        self._state = "failed"
        title = "The images could not be read"
        if isinstance(error, ServerUnreachableError):
            title = "The server does not answer"
        elif isinstance(error, NotAllowedError):
            title = "The server does not trust this connection"
        self._failure = {"title": title, "text": error_text(error)}
        self.ready.set()
        # A view shows the project that was asked for, but it may be the one of before.
        self.show_header()
        self.show_list()

    def _switch_project(self, content: Mapping[str, Any]) -> None:
        name, images = str_field(content, "project"), self.images
        if name not in self._projects or name == images.info.project:
            return
        self.open = None
        self.table.replace(())
        self._close_lists()
        attempt = self._begin("loading")
        self.show_detail()

        def switched(found: Images) -> None:
            if attempt == self._attempt:
                self.images = found
                self.show_header()
                self.load()

        self.actor.in_background(
            lambda: Client(images.server_project).in_project(name).images,
            switched,
            lambda error: self._not_loaded(attempt, error),
        )

    # Changes

    def _changed_elsewhere(self, rows: list[Row], gone: list[str]) -> None:
        self.announce(announcement(self.table.rows, rows, gone, busy=self.editor.busy))
        for row in rows:
            self.table.put(row)
        for key in gone:
            self.table.drop(key)
        opened = self.open
        if opened is not None and opened.key in gone:
            self._find_successor(opened)
        elif opened is not None and opened.key in self.table.rows and opened.key not in self.editor.busy:
            self.open = self.table.rows[opened.key]
            self.show_detail()
        self.show_list()

    def _find_successor(self, row: Row, *, last: bool = False) -> None:
        """Open the image that now has an alias of one that is gone: a refresh deletes the old image first."""
        if self.open is None or self.open.key != row.key or row.key in self.table.rows:
            return
        names = {alias.name for alias in row.record.aliases}
        rows = (other for other in self.table.rows.values() if other.server == row.server)
        successor = next((r for r in rows if names & {a.name for a in r.record.aliases}), None)
        if successor is not None:
            self.replaced(row, successor.record)
        elif last:
            self.changed(row, None)
        else:
            # The new image comes a moment later.
            self.actor.call_later("successor", 1.0, lambda: self._find_successor(row, last=True))

    def changed(self, row: Row, record: ImageRecord | None) -> None:
        if record is None:
            self.table.drop(row.key)
        elif row.key in self.table.rows and record is not self.table.rows[row.key].record:
            self.table.put(Row(row.key, record, row.server))
        super().changed(row, record)
        for images in self._lists:
            if record is not None and images.server == row.server:
                images.compare(self.actor, record)
        self.actor.throttle("list", self.show_list)

    def replaced(self, row: Row, record: ImageRecord) -> None:
        self.table.drop(row.key)
        self.table.put(Row.of(record, row.server))
        super().replaced(row, record)
        self.show_list()

    def deleted(self, row: Row) -> None:
        self.table.drop(row.key)
        super().deleted(row)
        self.show_list()

    def uploaded(self, record: ImageRecord) -> None:
        """Add an image that was uploaded here to the list, and open it."""
        if record.project == self.images.project and self._state in ("ready", "reloading"):
            self.open = row = Row.of(record)
            self.table.put(row)
            self.show_list()
            self.show_detail()

    # What the views show

    def show_all(self) -> None:
        self.show("choices", self.table.choices())
        self.show_list()
        self.upload.show()
        self.bulk.show()
        super().show_all()

    def show_header(self) -> None:
        super().show_header()
        # A browser takes seconds to lay out more.
        shown = self._projects[:MAX_PROJECTS]
        more = len(self._projects) - len(shown)
        if more and (current := self.images.info.project) not in shown:
            shown = [current, *shown[1:]]
        self.show("projects", [display.sanitize(name, 64) for name in shown])
        self.show("more_projects", f"and {more:,} more: client.in_project(name).images.panel()" if more else "")

    def show_list(self) -> None:
        """Send the page of the list that the user looks at."""
        state: dict[str, Any] = {"state": self._state}
        if self._state in ("ready", "reloading"):
            state |= self.table.view() | {"lookups": self.lookups.view()}
            state["open"] = self.open.key if self.open else ""
            state["read_at"] = self._read_at.strftime("%H:%M:%S UTC") if self._read_at else ""
        elif self._state == "failed":
            state["reason"] = self._failure
        self.show("list", state)

    def newer_build(self, row: Row) -> str:
        return self.table.answers.get("outdated", {}).get(row.key, "")

    # What the views ask for

    def row(self, content: Mapping[str, Any]) -> Row | None:
        return self.table.rows.get(str_field(content, "key"))

    def _then_show_list(self, handler: Handler) -> Handler:
        def handle(content: Mapping[str, Any]) -> None:
            handler(content)
            self.show_list()

        return handle

    def _choose_chips(self, content: Mapping[str, Any]) -> None:
        self.table.choose_chips(str_list_field(content, "chips"))
        self.lookups.update()

    def _select(self, content: Mapping[str, Any]) -> None:
        on, what = content.get("on") is True, content.get("what")
        if what == "found":
            self.table.select_found(on)
        elif what == "page":
            self.table.select([row.key for row in self.table.shown()], on)
        else:
            self.table.select(str_list_field(content, "keys"), on)

    def _open(self, content: Mapping[str, Any]) -> None:
        if (row := self.row(content)) is not None:
            if self.open is None or self.open.key != row.key:
                self._result = None
            self.open = row
            self.show_detail()

    def _close_detail(self, _: Mapping[str, Any]) -> None:
        self.open = None
        self.show_detail()

    def end(self) -> None:
        self.upload.close()
        super().end()

    # Without a browser

    def prepare(self) -> None:
        if self._state == "new":
            self.load()

    def static_table(self) -> Table:
        rows = self.table.shown()[:STATIC_ROWS]
        table = images_table([row.record for row in rows], title=self.title())
        if self._state in ("ready", "reloading"):
            more = len(self.table.found()) - len(rows)
            return replace(table, note=f"and {more:,} more" if more else "")
        return replace(table, note=self._failure.get("text", "") or "the list was still being read")

    def title(self) -> str:
        """Return how many images there are, and where."""
        count, info = formats.plural(len(self.table.rows), "image"), self.images.info
        if info.product == "simplestreams":
            left_out = sum(images.left_out for images in self._lists)
            note = f", {left_out:,} left out" if left_out else ""
            return f"{count} of the catalogue {display.sanitize(self.images.url, 120)}{note}"
        return f"{count} of {product_name(info)}, project {display.sanitize(self.images.info.project, 64)}"


def _close_all(lists: Iterable[LiveList]) -> None:
    for images in lists:
        images.close()
