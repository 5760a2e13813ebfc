"""What the panels of one and of many images share: the header, the open image, and the actions on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from lxdimg_nb.client import Client, Image, Images, connect
from lxdimg_nb.client.files.progress import Report
from lxdimg_nb.client.project import Project
from lxdimg_nb.panels.base.message_fields import names_field, str_field
from lxdimg_nb.panels.base.panel import Handler, Panel
from lxdimg_nb.panels.base.transfers import Transfer, transfers
from lxdimg_nb.panels.base.ui_text import error_text, no_update_reason, product_name, sentence, untrusted_warning
from lxdimg_nb.panels.image.detail import describe, is_shown_whole
from lxdimg_nb.panels.image.editor import Editor, EditResult
from lxdimg_nb.panels.image.field_edit import FieldEdit, parse_expiry, parse_profiles
from lxdimg_nb.panels.image.image_row import Row, image_name
from lxdimg_nb.text import display
from lxdimg_nb.text.secret import hide_address, shown_address
from lxdimg_nb.values import ImageRecord, short_fingerprint
from lxdimg_nb.values.validation import expanded_path

__all__ = ["ImageActions"]

LIVE_TEXTS = {
    "live": "Live: changes made elsewhere appear by themselves.",
    "polling": "This connection may not read events, so what is shown is read again every 30 seconds.",
    "lost": "The connection to the server's events is lost; trying again.",
    "off": "Changes made elsewhere show up after Reload.",
}


class ImageActions(Panel):
    """A panel that shows one image of `images` at a time in detail."""

    def __init__(self, images: Images | None) -> None:
        super().__init__()
        if images is not None:
            self.images = images
        self.open: Row | None = None
        self.live = "off"
        self._result: EditResult | None = None
        self._explained: dict[str, Any] = {}
        # What was started, by what it does and to what: a second click does not start it again.
        self._started: dict[tuple[object, ...], Transfer] = {}
        self.editor = Editor(
            self.actor,
            self.project_of,
            started=lambda _: self._show_result(None),
            changed=self.changed,
            ended=self._show_result,
        )
        self._handlers |= {
            "set": self._for_row(self._set_switch),
            "edit": self._for_row(self._edit),
            "undo": self._for_row(self._undo),
            "overwrite": self._for_row(self._overwrite),
            "dismiss-result": lambda _: self._show_result(None),
            "add-alias": self._for_row(self._add_alias),
            "move-alias": self._for_row(self._move_alias),
            "delete-alias": self._for_row(self._delete_alias),
            "export": self._for_row(self._export),
            "copy": self._for_row(self._copy),
            "refresh": self._for_row(self._refresh),
            "delete": self._for_row(self._delete),
            "explain": self._for_row(self._explain),
        }

    def images_for(self, row: Row | None) -> Images:  # noqa: ARG002 - one server here, many in a fleet
        """Return the images of the server that holds a row."""
        return self.images

    def project_of(self, row: Row) -> Project:
        """Return the project that holds a row."""
        return self.images_for(row).server_project.in_project(row.record.project)

    def image(self, row: Row) -> Image:
        """Return the image of a row."""
        return self.images_for(row).image(row.record)

    @property
    def where(self) -> str:
        """The server that holds the open image, for users."""
        images = self.images_for(self.open)
        return display.sanitize(f"{product_name(images.info)} {images.url}", 120)

    def row(self, content: Mapping[str, Any]) -> Row | None:
        """Return the row that a message names; only one that was shown can be named."""
        return self.open if self.open is not None and content.get("key") == self.open.key else None

    def _for_row(self, action: Callable[[Row, Mapping[str, Any]], object]) -> Handler:
        """Return a handler that calls an action with the row that a message names."""

        def handle(content: Mapping[str, Any]) -> None:
            if (row := self.row(content)) is not None:
                action(row, content)

        return handle

    # What the views show

    def show_all(self) -> None:
        self.show_header()
        self.show_detail()
        super().show_all()

    def show_header(self) -> None:
        """Send the server, the project, and whether changes made elsewhere arrive."""
        always = {
            "kind": self.kind,
            "folder": _current_folder(),
            "live": self.live,
            "live_text": LIVE_TEXTS.get(self.live, ""),
        }
        self.show("header", always | self.header())

    def header(self) -> dict[str, Any]:
        """Return the server and the project as a browser shows them."""
        images, info = self.images, self.images.info
        catalogue = info.product == "simplestreams"
        return {
            "product": product_name(info),
            "address": display.sanitize(images.url, 120),
            "project": "" if catalogue else display.sanitize(images.info.project, 64),
            # A project without images of its own shows those of another one.
            "images_of": display.sanitize(images.project, 64) if images.project != images.info.project else "",
            "trusted": info.trusted,
            "distrust": untrusted_warning(info, images.url),
            "catalogue": catalogue,
            "uploads": info.trusted and self.kind == "browser",
        }

    def set_live(self, state: str) -> None:
        """Show whether changes made elsewhere arrive."""
        if state != self.live:
            self.live = state
            self.show_header()

    def show_detail(self) -> None:
        """Send the open image."""
        row = self.open
        if row is None:
            self.show("detail", None)
            return
        if self._explained.get("key") != row.key:
            self._explained = {}
        result = found.view() if (found := self._result_for(row)) else None
        detail = describe(row, self.images_for(row).info, newer_build=self.newer_build(row))
        self.show("detail", detail | {"busy": row.key in self.editor.busy, "result": result})
        self.show("explained", self._explained)

    def newer_build(self, row: Row) -> str:  # noqa: ARG002 - a list knows once it was looked up
        """Return what is known of a newer build of an image."""
        return ""

    def _show_result(self, result: EditResult | None) -> None:
        self._result = result
        if result is None or (self.open is not None and self.open.key == result.key):
            self.show_detail()
        elif not result.good:
            self.notice(result.text)

    def show_problem(self, row: Row, text: str) -> None:
        """Show at an image what is wrong."""
        self._show_result(EditResult(row.key, sentence(text), False))

    def changed(self, row: Row, record: ImageRecord | None) -> None:
        """Called when an image is different, or gone (None)."""
        if self.open is None or self.open.key != row.key:
            return
        if record is None:
            self.notice(f"The image {short_fingerprint(row.record.fingerprint)} is gone: somebody deleted it.")
            self.open = None
        else:
            self.open = Row(row.key, record, row.server)
        self.show_detail()

    def replaced(self, row: Row, record: ImageRecord) -> None:
        """Called when a refresh has put another image in the place of one."""
        if self.open is not None and self.open.key == row.key:
            self.open = Row.of(record, row.server)
            text = f"Refreshed: {short_fingerprint(row.record.fingerprint)} → {short_fingerprint(record.fingerprint)}"
            self._show_result(EditResult(self.open.key, sentence(text), True))

    def deleted(self, row: Row) -> None:
        """Called when an image was deleted here."""
        if self.open is not None and self.open.key == row.key:
            self.open = None
        self.notice(sentence(f"Deleted {display.sanitize(image_name(row.record), 80)}"), good=True)
        self.show_detail()

    # Edits

    def _set_switch(self, row: Row, content: Mapping[str, Any]) -> None:
        name, value = str_field(content, "field"), content.get("value")
        if name not in ("public", "auto_update") or not isinstance(value, bool):
            return
        if name == "auto_update" and value and (reason := no_update_reason(row.record)):
            self.show_problem(row, reason)
        elif name != "public" or not value or content.get("confirmed") is True:
            self.editor.set_field(row, FieldEdit(name, not value, value))

    def _edit(self, row: Row, content: Mapping[str, Any]) -> None:
        name, value, record = content.get("field"), str_field(content, "value").strip(), row.record
        if name == "properties":
            self._edit_property(row, str_field(content, "name").strip(), str_field(content, "before"), value)
        elif name == "expires_at":
            self.editor.set_field(row, FieldEdit("expires_at", record.expires_at, parse_expiry(value)))
        elif name == "profiles":
            self.editor.set_field(row, FieldEdit("profiles", list(record.profiles), parse_profiles(value)))

    def _edit_property(self, row: Row, key: str, seen: str, value: str) -> None:
        current = row.record.properties.get(key, "")
        # What was seen is compared as it was shown: sanitized, and cut if it was long.
        same = seen == display.sanitize(current, 400)
        if not key:
            self.show_problem(row, "A property needs a name")
        elif same and not is_shown_whole(key, current):
            text = f"{display.sanitize(key, 80)} is not shown whole here: change it with image.properties"
            self.show_problem(row, text)
        else:
            self.editor.set_field(row, FieldEdit("properties", current if same else seen, value, key))

    def _result_for(self, row: Row) -> EditResult | None:
        return self._result if self._result is not None and self._result.key == row.key else None

    def _undo(self, row: Row, content: Mapping[str, Any]) -> None:
        undo = result.undo if (result := self._result_for(row)) else None
        if undo is not None and (undo.field != "public" or not undo.after or content.get("confirmed") is True):
            self.editor.set_field(row, undo)

    def _overwrite(self, row: Row, _: Mapping[str, Any]) -> None:
        if (result := self._result_for(row)) and result.conflict is not None:
            self.editor.set_field(row, result.conflict, force=True)

    def _add_alias(self, row: Row, content: Mapping[str, Any]) -> None:
        if name := str_field(content, "name").strip():
            self.editor.add_alias(row, name)

    def _move_alias(self, row: Row, _: Mapping[str, Any]) -> None:
        if (result := self._result_for(row)) and result.movable_alias:
            self.editor.move_alias(row, result.movable_alias)

    def _delete_alias(self, row: Row, content: Mapping[str, Any]) -> None:
        shown = str_field(content, "name")
        names = [a.name for a in row.record.aliases if display.sanitize(a.name, 160) == shown]
        if len(names) == 1:
            self.editor.delete_alias(row, names[0])

    def _delete(self, row: Row, content: Mapping[str, Any]) -> None:
        if content.get("confirmed") is True:
            self.editor.delete(row, lambda: self.deleted(row))

    # What takes longer

    def _explain(self, row: Row, _: Mapping[str, Any]) -> None:
        """Show who uses an image and why it is here. It asks the server, so only on demand."""
        image, client = self.image(row), Client(self.project_of(row))

        def show(**facts: Any) -> None:
            if self.open is not None and self.open.key == row.key:
                self._explained = {"key": row.key, **facts}
                self.show("explained", self._explained)

        def ask() -> Mapping[str, str]:
            # Brings pandas, which no panel needs until then.
            from lxdimg_nb.inventory.questions.explanation import explain

            return explain(image, client).answers

        def answered(found: Mapping[str, str]) -> None:
            answers = [
                {"name": name[:1].upper() + name[1:], "value": display.sanitize(text, 600)}
                for name, text in found.items()
            ]
            show(state="ready", answers=answers, text=f"As of {datetime.now(UTC):%H:%M:%S} UTC.")

        show(state="reading")
        self.actor.in_background(
            ask,
            answered,
            lambda error: show(state="failed", text=error_text(error)),
        )

    def _start_transfer(
        self,
        row: Row,
        title: str,
        work: Callable[[Report], Any],
        *details: object,
        done: Callable[[Transfer], object] = lambda _: None,
        **texts: Any,
    ) -> None:
        """Start a transfer unless the same one is under way; a failure is shown at the image.

        Args:
            row: the image.
            title: what it does.
            work: does it.
            details: what tells it from others of that title.
            done: called in the transfer's thread.
            texts: for `Transfers.start`.
        """
        same = (title, row.key, *details)
        self._started = {key: transfer for key, transfer in self._started.items() if transfer.active}
        if same in self._started:
            return

        def ended(transfer: Transfer) -> None:
            if transfer.state == "failed":
                self.actor.post(lambda: self.show_problem(row, transfer.text))
            elif transfer.state == "done":
                done(transfer)

        self._show_result(None)
        self._started[same] = transfers.start(title, work, where=self.where, on_end=ended, **texts)

    def _refresh(self, row: Row, _: Mapping[str, Any]) -> None:
        image, before = self.image(row), row.record.fingerprint

        def result_text(found: Image) -> str:
            if found.fingerprint == before:
                return "there is no newer build"
            return f"now {short_fingerprint(found.fingerprint)}"

        def refreshed(found: Image) -> None:
            if found.fingerprint == before:
                self._show_result(EditResult(row.key, "There is no newer build.", True))
            else:
                self.replaced(row, found.record)

        self._start_transfer(
            row,
            f"Refresh {image_name(row.record)}",
            lambda report: image.refresh(progress=report),
            done=lambda transfer: self.actor.post(lambda: refreshed(transfer.result)),
            result_text=result_text,
        )

    def _copy(self, row: Row, content: Mapping[str, Any]) -> None:
        target, image = hide_address(str_field(content, "target").strip()), self.image(row)
        if not target:
            self.show_problem(row, "Say where to: a remote's name or an address")
            return
        aliases = names_field(content, "aliases")
        project = str_field(content, "project").strip() or None
        # Only a server that fetches the image by its alias can look for newer builds there.
        follow = content.get("auto_update") is True

        def work(report: Report) -> Image:
            with connect(target, project=project) as client:
                return image.copy(client, aliases=aliases, public=False, auto_update=follow, progress=report)

        def result_text(copy: Image) -> str:
            text = f"copied as {short_fingerprint(copy.fingerprint)}"
            if not follow:
                return text
            if copy.auto_update:
                return f"{text}, and will be kept current"
            return f"{text}, but the server there could not fetch it itself, so it will not be kept current"

        title = f"Copy {image_name(row.record)} to {shown_address(target)}"
        self._start_transfer(row, title, work, target, project, follow, *aliases, result_text=result_text)

    def _export(self, row: Row, content: Mapping[str, Any]) -> None:
        image, folder = self.image(row), expanded_path(str_field(content, "folder").strip() or ".")
        if not os.path.isdir(folder):
            self.show_problem(row, f"There is no folder {display.sanitize(folder)} on the kernel's machine")
            return

        def done(transfer: Transfer) -> None:
            # Only the browser knows which of them its Jupyter server serves.
            paths = [path for path in transfer.result.paths if path.is_file()]
            transfer.files = [{"path": str(path.resolve()), "size": path.stat().st_size} for path in paths]

        self._start_transfer(
            row,
            f"Export {image_name(row.record)} to {folder}",
            lambda report: image.export(folder, progress=report),
            done=done,
            cancelled_text="exported there again, it goes on where it stopped",
        )


def _current_folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""  # it was deleted
