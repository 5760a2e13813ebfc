"""What the browser and the panel of one image share: the header, the open image, its switches, its export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxdimg_nb import views
from lxdimg_nb.panels.detail import describe
from lxdimg_nb.panels.editing import Editor
from lxdimg_nb.panels.table import Row, main_alias
from lxdimg_nb.panels.transfers import Transfer, transfers
from lxdimg_nb.panels.widget import Panel
from lxdimg_nb.panels.words import gone, no_update, product, sentence, why

if TYPE_CHECKING:
    from lxdimg_nb.client import Images
    from lxdimg_nb.client.progress import Report
    from lxdimg_nb.models import ImageRecord

__all__ = ["ImageWork"]


class ImageWork(Panel):
    """A panel that shows one image of `images` at a time in detail."""

    def __init__(self, images: Images) -> None:
        super().__init__()
        self.images = images
        self.open: Row | None = None
        self._said: dict[str, Any] = {}
        self.editor = Editor(self.actor, lambda _: self.images, self.changed, self._say)
        self._handlers |= {"set": self._set, "export": self._export}

    @property
    def where(self) -> str:
        """The server in words."""
        return views.plain(f"{product(self.images.dialect.info)} {self.images.transport.url}", 120)

    # What the views show

    def show_all(self) -> None:
        self.show_header()
        self.show_detail()
        super().show_all()

    def show_header(self) -> None:
        """Send who and where this is."""
        info = self.images.dialect.info
        self.part(
            "header",
            {
                "kind": self.kind,
                "product": product(info),
                "address": views.plain(self.images.transport.url, 120),
                "name": views.plain(info.name, 60),
                "project": views.plain(self.images.project, 64),
                "trusted": info.trusted,
                "folder": str(Path.cwd()),
            },
        )

    def show_detail(self) -> None:
        """Send the open image."""
        row = self.open
        if row is None:
            self.part("detail", None)
            return
        self.part(
            "detail",
            describe(row, self.images.dialect.info)
            | {"busy": row.key in self.editor.busy, "said": self._said if self._said.get("key") == row.key else None},
        )

    def _say(self, key: str, text: str, good: bool) -> None:
        self._said = {"key": key, "text": text, "good": good}
        if self.open is not None and self.open.key == key:
            self.show_detail()
        elif not good:
            self.notice(text)

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

    def row(self, content: Mapping[str, Any]) -> Row | None:
        """The row a message names; only what was shown can be named."""
        return self.open if self.open is not None and content.get("key") == self.open.key else None

    # What the views ask for

    def _set(self, content: Mapping[str, Any]) -> None:
        row, name, value = self.row(content), content.get("field"), content.get("value")
        if row is None or name not in ("public", "auto_update") or not isinstance(value, bool):
            return
        if name == "auto_update" and value and (reason := no_update(row.record)):
            self._say(row.key, sentence(reason), False)
            return
        if name == "public" and value and content.get("confirmed") is not True:
            return
        self._said = {}
        self.editor.set(row, {name: value})

    def _export(self, content: Mapping[str, Any]) -> None:
        row, folder = self.row(content), content.get("folder")
        if row is None or not isinstance(folder, str):
            return
        image = self.editor.image(row)
        target = Path(folder).expanduser() if folder.strip() else Path.cwd()
        if not target.is_dir():
            self._say(row.key, sentence(f"There is no folder {views.plain(target)} on the kernel's machine"), False)
            return
        name = main_alias(row.record) or views.short(row.record.fingerprint)

        def work(report: Report) -> Any:
            return image.export(target, progress=report)

        def ended(transfer: Transfer) -> None:
            if transfer.error is not None and transfer.state == "failed":
                reason = why(transfer.error)
                self.actor.post(lambda: self._say(row.key, reason, False))

        self._said = {}
        transfers.start(f"Export {name} to {target}", work, where=self.where, then=ended)
