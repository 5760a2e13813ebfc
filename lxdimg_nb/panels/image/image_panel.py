"""The panel of one image: `image.panel()`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxdimg_nb.client import Images
from lxdimg_nb.panels.image.image_actions import ImageActions
from lxdimg_nb.panels.image.image_row import Row
from lxdimg_nb.panels.image.image_watch import ImageWatch
from lxdimg_nb.values import image_table

if TYPE_CHECKING:
    from lxdimg_nb.client import Image
    from lxdimg_nb.text.display import Table
    from lxdimg_nb.values import ImageRecord

__all__ = ["ImagePanel"]


class ImagePanel(ImageActions):
    """What `image.panel()` shows: the image as it was read, and as it changes."""

    kind = "image"

    def __init__(self, image: Image) -> None:
        images = image._images
        super().__init__(Images(images.transport, images.dialect, image.project))
        self.open = Row.of(image.record)

        self._watch: ImageWatch | None = None

    def awake(self) -> None:
        row = self.open
        if row is not None:
            self.editor.reread(row)
            self._watch = ImageWatch(self.actor, self.images, row.record.fingerprint, self._touched, self.tell_live)

    def asleep(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def replaced(self, row: Row, record: ImageRecord) -> None:
        super().replaced(row, record)
        self.asleep()
        self.awake()

    def _touched(self) -> None:
        if self.open is not None and self.open.key not in self.editor.busy:
            self.editor.reread(self.open)

    def static(self) -> Table:
        return image_table(self.open.record) if self.open is not None else super().static()
