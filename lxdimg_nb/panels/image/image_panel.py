"""The panel of one image: `image.panel()`."""

from __future__ import annotations

from lxdimg_nb.client import Image, Images
from lxdimg_nb.panels.image.image_actions import ImageActions
from lxdimg_nb.panels.image.image_row import Row
from lxdimg_nb.panels.image.image_watch import ImageWatch
from lxdimg_nb.text.display import Table
from lxdimg_nb.values import ImageRecord, image_table

__all__ = ["ImagePanel"]


class ImagePanel(ImageActions):
    """Shows an image as it was read, and follows its changes."""

    kind = "image"

    def __init__(self, image: Image) -> None:
        super().__init__(Images(image.server_project))
        self.open = Row.of(image.record)
        self._watch: ImageWatch | None = None

    def on_shown(self) -> None:
        if (row := self.open) is not None:
            self.editor.reread(row)
            self._watch = ImageWatch(self.actor, self.images, row.record.fingerprint, self._reread, self.set_live)

    def on_hidden(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def replaced(self, row: Row, record: ImageRecord) -> None:
        super().replaced(row, record)
        self.on_hidden()
        self.on_shown()

    def _reread(self) -> None:
        if self.open is not None and self.open.key not in self.editor.busy:
            self.editor.reread(self.open)

    def static_table(self) -> Table:
        return image_table(self.open.record) if self.open is not None else super().static_table()
