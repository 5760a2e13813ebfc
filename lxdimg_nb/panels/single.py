"""The panel of one image: `image.panel()`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxdimg_nb import views
from lxdimg_nb.client import Images
from lxdimg_nb.panels.imagework import ImageWork
from lxdimg_nb.panels.table import Row, key_of

if TYPE_CHECKING:
    from lxdimg_nb.client import Image
    from lxdimg_nb.views import Table

__all__ = ["ImagePanel"]


class ImagePanel(ImageWork):
    """What `image.panel()` shows: the image as it was read, and as it changes."""

    kind = "image"

    def __init__(self, image: Image) -> None:
        images = image._images
        super().__init__(Images(images.transport, images.dialect, image.project))
        self.open = Row(key_of(image.record), image.record)

    def awake(self) -> None:
        if self.open is not None:
            self.editor.reread(self.open)

    def static(self) -> Table:
        return views.table(self.open.record) if self.open is not None else super().static()
