"""What the browser and the panel of one image share: the header, the open image, what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client import Client, connect
from lxdimg_nb.inventory.questions.explanation import Explanation, explain
from lxdimg_nb.panels.base.panel import Panel, text_of
from lxdimg_nb.panels.base.transfers import Transfer, transfers, written
from lxdimg_nb.panels.base.ui_text import distrust, gone, no_update, product, sentence, why
from lxdimg_nb.panels.image.detail import describe, whole
from lxdimg_nb.panels.image.editor import Edit, Editor, Said, parse_day, parse_profiles
from lxdimg_nb.panels.image.image_row import Row, main_alias
from lxdimg_nb.panels.image.image_watch import LIVE_TEXTS
from lxdimg_nb.text import display
from lxdimg_nb.values import short_fingerprint

if TYPE_CHECKING:
    from lxdimg_nb.client import Image, Images
    from lxdimg_nb.client.files.progress import Report
    from lxdimg_nb.values import ImageRecord

__all__ = ["ImageActions"]


class ImageActions(Panel):
    """A panel that shows one image of `images` at a time in detail."""

    def __init__(self, images: Images | None) -> None:
        super().__init__()
        if images is not None:
            self.images = images
        self.open: Row | None = None
        self.live = "off"
        self._said: Said | None = None
        self._explained: dict[str, Any] = {}
        self.editor = Editor(self.actor, self.images_for, self.changed, self._say)
        self._handlers |= {
            "set": self._guarded(self._set),
            "edit": self._guarded(self._edit),
            "undo": self._guarded(self._undo),
            "overwrite": self._guarded(self._overwrite),
            "hush": self._hush,
            "add-alias": self._guarded(lambda row, m: self._add_alias(row, text_of(m, "name"))),
            "move-alias": self._guarded(lambda row, _: self._move_alias(row)),
            "delete-alias": self._guarded(self._delete_alias),
            "export": self._guarded(self._export),
            "copy": self._guarded(self._copy),
            "refresh": self._guarded(self._refresh),
            "delete": self._guarded(self._delete),
            "explain": self._guarded(self._explain),
        }

    def images_for(self, row: Row | None) -> Images:  # noqa: ARG002 - one server here, many in a fleet
        """The images of the server that holds a row."""
        return self.images

    @property
    def where(self) -> str:
        """The server in words."""
        images = self.images_for(self.open)
        return display.sanitize(f"{product(images.dialect.info)} {images.transport.url}", 120)

    def _guarded(self, step: Callable[[Row, Mapping[str, Any]], object]) -> Callable[[Mapping[str, Any]], object]:
        """A step on the row that a message names, when it was shown."""

        def handle(content: Mapping[str, Any]) -> None:
            row = self.row(content)
            if row is not None:
                step(row, content)

        return handle

    # What the views show

    def show_all(self) -> None:
        self.show_header()
        self.show_detail()
        super().show_all()

    def show_header(self) -> None:
        """Send who and where this is."""
        always = {
            "kind": self.kind,
            "folder": str(Path.cwd()),
            "live": self.live,
            "live_text": LIVE_TEXTS.get(self.live, ""),
        }
        self.part("header", always | self.header())

    def header(self) -> dict[str, Any]:
        """Who and where this is, in words."""
        images, info = self.images, self.images.dialect.info
        catalogue = info.product == "simplestreams"
        return {
            "product": product(info),
            "address": display.sanitize(images.transport.url, 120),
            "project": "" if catalogue else display.sanitize(images.instances, 64),
            # A project without images of its own shows another's.
            "images_of": display.sanitize(images.project, 64) if images.project != images.instances else "",
            "trusted": info.trusted,
            "distrust": distrust(info, images.transport.url),
            "catalogue": catalogue,
            "uploads": info.trusted and self.kind == "browser",
        }

    def tell_live(self, state: str) -> None:
        """Note whether changes made elsewhere are heard of."""
        if state != self.live:
            self.live = state
            self.show_header()

    def show_detail(self) -> None:
        """Send the open image."""
        row = self.open
        if row is None:
            self.part("detail", None)
            return
        if self._explained.get("key") != row.key:
            self._explained = {}
        said = self._said.view() if self._said is not None and self._said.key == row.key else None
        busy = row.key in self.editor.busy
        self.part(
            "detail",
            describe(row, self.images_for(row).dialect.info, newer=self.newer(row)) | {"busy": busy, "said": said},
        )
        self.part("explained", self._explained)

    def newer(self, row: Row) -> str:  # noqa: ARG002 - the browser knows once it was asked
        """What is known of a newer build of an image."""
        return ""

    def _say(self, said: Said | None) -> None:
        self._said = said
        if said is None or (self.open is not None and self.open.key == said.key):
            self.show_detail()
        elif not said.good:
            self.notice(said.text)

    def complain(self, row: Row, text: str) -> None:
        """Say at an image what is wrong."""
        self._say(Said(row.key, sentence(text), False))

    def _hush(self, _: Mapping[str, Any]) -> None:
        self._say(None)

    def changed(self, row: Row, record: ImageRecord | None) -> None:
        """Told that an image is different, or gone (None)."""
        if self.open is None or self.open.key != row.key:
            return
        if record is None:
            self.notice(gone(row.record))
            self.open = None
        else:
            self.open = Row(row.key, record, row.server)
        self.show_detail()

    def replaced(self, row: Row, record: ImageRecord) -> None:
        """Told that another image took the place of one, by a refresh."""
        if self.open is not None and self.open.key == row.key:
            self.open = Row.of(record, row.server)
            text = f"Refreshed: {short_fingerprint(row.record.fingerprint)} → {short_fingerprint(record.fingerprint)}"
            self._say(Said(self.open.key, sentence(text), True))

    def row(self, content: Mapping[str, Any]) -> Row | None:
        """The row a message names; only what was shown can be named."""
        return self.open if self.open is not None and content.get("key") == self.open.key else None

    # What the views ask for

    def _set(self, row: Row, content: Mapping[str, Any]) -> None:
        name, value = content.get("field"), content.get("value")
        if name not in ("public", "auto_update") or not isinstance(value, bool):
            return
        if name == "auto_update" and value and (reason := no_update(row.record)):
            self.complain(row, reason)
        elif not (name == "public" and value and content.get("confirmed") is not True):
            self._start(row, Edit(str(name), not value, value))

    def _edit(self, row: Row, content: Mapping[str, Any]) -> None:
        name, value = content.get("field"), text_of(content, "value").strip()
        record = row.record
        if name == "properties":
            key = text_of(content, "name").strip()
            if not key:
                self.complain(row, "A property needs a name")
                return
            now = record.properties.get(key, "")
            # What was seen is compared as it was shown: defused, and cut when it was long.
            same = content.get("before") == display.sanitize(now, 400)
            if same and not whole(key, now):
                self.complain(
                    row, f"{display.sanitize(key, 80)} is not shown whole here: change it with image.properties"
                )
                return
            edit = Edit("properties", now if same else text_of(content, "before"), value, key)
        elif name == "expires_at":
            edit = Edit("expires_at", record.expires_at, parse_day(value))
        elif name == "profiles":
            edit = Edit("profiles", list(record.profiles), list(parse_profiles(value)))
        else:
            return
        self._start(row, edit)

    def _start(self, row: Row, edit: Edit, *, force: bool = False) -> None:
        self._said = None
        self.editor.set(row, edit, force=force)

    def _undo(self, row: Row, content: Mapping[str, Any]) -> None:
        said = self._said
        if said is not None and said.undo is not None and said.key == row.key:
            undo = said.undo
            if undo.field != "public" or undo.after is not True or content.get("confirmed") is True:
                self._start(row, undo)

    def _overwrite(self, row: Row, _: Mapping[str, Any]) -> None:
        said = self._said
        if said is not None and said.clash is not None and said.key == row.key:
            self._start(row, said.clash, force=True)

    def _add_alias(self, row: Row, name: str) -> None:
        if name.strip():
            self._said = None
            self.editor.add_alias(row, name.strip())

    def _move_alias(self, row: Row) -> None:
        said = self._said
        if said is not None and said.moves and said.key == row.key:
            self._said = None
            self.editor.add_alias(row, said.moves, move=True)

    def _delete_alias(self, row: Row, content: Mapping[str, Any]) -> None:
        shown = text_of(content, "name")
        names = [a.name for a in row.record.aliases if display.sanitize(a.name, 160) == shown]
        if len(names) == 1:
            self._said = None
            self.editor.delete_alias(row, names[0])

    def _delete(self, row: Row, content: Mapping[str, Any]) -> None:
        if content.get("confirmed") is True:
            name = main_alias(row.record) or short_fingerprint(row.record.fingerprint)
            self.editor.delete(row, lambda: self._deleted(row, name))

    def _deleted(self, row: Row, name: str) -> None:
        if self.open is not None and self.open.key == row.key:
            self.open = None
        self.removed(row)
        self.notice(sentence(f"Deleted {display.sanitize(name, 80)}"), good=True)
        self.show_detail()

    def removed(self, row: Row) -> None:
        """Told that an image was deleted here."""

    def _explain(self, row: Row, _: Mapping[str, Any]) -> None:
        """Who uses it and why it is here; asks the server, so only when somebody wants to know."""
        images, image = self.editor.images(row), self.editor.image(row)

        def ended(**facts: Any) -> None:
            if self.open is not None and self.open.key == row.key:
                self._explained = {"key": row.key, **facts}
                self.part("explained", self._explained)

        def answered(found: Explanation) -> None:
            answers = [
                {"name": name[:1].upper() + name[1:], "value": display.sanitize(text, 600)}
                for name, text in found.answers.items()
            ]
            ended(state="ready", answers=answers, text=f"As of {datetime.now(UTC):%H:%M:%S} UTC.")

        ended(state="reading")
        self.actor.aside(
            lambda: explain(image, Client(images.transport, images.dialect.info)),
            answered,
            lambda error: ended(state="failed", text=why(error)),
        )

    def _refresh(self, row: Row, _: Mapping[str, Any]) -> None:
        image = self.editor.image(row)

        def ended(transfer: Transfer) -> None:
            self.actor.post(lambda: self._refreshed(row, transfer))

        def say(found: Image) -> str:
            same = found.fingerprint == row.record.fingerprint
            return "there is no newer build" if same else f"now {short_fingerprint(found.fingerprint)}"

        name = main_alias(row.record) or short_fingerprint(row.record.fingerprint)
        transfers.start(
            f"Refresh {name}", lambda report: image.refresh(progress=report), where=self.where, say=say, then=ended
        )

    def _refreshed(self, row: Row, transfer: Transfer) -> None:
        if transfer.error is not None:
            self.complain(row, transfer.text)
        elif transfer.result.fingerprint == row.record.fingerprint:
            self._say(Said(row.key, "There is no newer build.", True))
        else:
            self.replaced(row, transfer.result.record)

    def _copy(self, row: Row, content: Mapping[str, Any]) -> None:
        target, image = text_of(content, "target").strip(), self.editor.image(row)
        if not target:
            self.complain(row, "Say where to: a remote's name or an address")
            return
        aliases = text_of(content, "aliases").replace(",", " ").split()
        # Only a server that fetches the image by its alias can look for newer builds there.
        follow = content.get("auto_update") is True
        project = text_of(content, "project").strip() or None
        name = main_alias(row.record) or short_fingerprint(row.record.fingerprint)

        def work(report: Report) -> Image:
            with connect(target, project=project) as client:
                return image.copy(client, aliases=aliases, public=False, auto_update=follow, progress=report)

        def ended(transfer: Transfer) -> None:
            reason = transfer.text
            if transfer.state == "failed":
                self.actor.post(lambda: self.complain(row, reason))

        self._said = None
        transfers.start(
            f"Copy {name} to {target}",
            work,
            where=self.where,
            say=lambda copy: _copied(copy, follow),
            then=ended,
        )

    def _export(self, row: Row, content: Mapping[str, Any]) -> None:
        folder = text_of(content, "folder").strip()
        image = self.editor.image(row)
        target = Path(folder).expanduser() if folder else Path.cwd()
        if not target.is_dir():
            self.complain(row, f"There is no folder {display.sanitize(target)} on the kernel's machine")
            return
        name = main_alias(row.record) or short_fingerprint(row.record.fingerprint)

        def work(report: Report) -> Any:
            return image.export(target, progress=report)

        def ended(transfer: Transfer) -> None:
            if transfer.error is not None and transfer.state == "failed":
                reason = why(transfer.error)
                self.actor.post(lambda: self.complain(row, reason))
            elif transfer.state == "done":
                transfer.files = written(transfer.result)

        self._said = None
        transfers.start(
            f"Export {name} to {target}",
            work,
            where=self.where,
            stopped="exported there again, it goes on where it stopped",
            then=ended,
        )


def _copied(copy: Image, follow: bool) -> str:
    words = f"copied as {short_fingerprint(copy.fingerprint)}"
    if not follow:
        return words
    if copy.auto_update:
        return f"{words}, and will be kept current"
    return f"{words}, but the server there could not fetch it itself, so it will not be kept current"
