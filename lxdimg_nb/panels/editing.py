"""Changes of one image from a panel: sent in a thread, one at a time for each image, told in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client import Image, Images
from lxdimg_nb.errors import ChangedMeanwhileError, NotFoundError
from lxdimg_nb.models import Change, ImageRecord
from lxdimg_nb.panels.table import Row
from lxdimg_nb.panels.words import gone, sentence, why

if TYPE_CHECKING:
    from lxdimg_nb.panels.actor import Actor

__all__ = ["Editor"]


class Editor:
    """Writes images for a panel. Belongs to the panel's actor.

    Args:
        actor: the panel's.
        images_of: the server that holds a row.
        changed: told the new record of a row, None when the image is gone.
        say: told how a write ended: the row's key, words, whether it went well.
    """

    def __init__(
        self,
        actor: Actor,
        images_of: Callable[[Row], Images],
        changed: Callable[[Row, ImageRecord | None], object],
        say: Callable[[str, str, bool], object],
    ) -> None:
        self._actor = actor
        self._images_of = images_of
        self._changed = changed
        self._say = say
        self.busy: set[str] = set()

    def image(self, row: Row) -> Image:
        """The row as an image of its server."""
        images = self._images_of(row)
        if images.project != row.record.project:
            images = Images(images.transport, images.dialect, row.record.project)
        return Image(row.record, images)

    def set(self, row: Row, changes: Mapping[str, Any]) -> None:
        """Set some of the five writable fields."""
        image = self.image(row)

        def write() -> Change:
            for name, value in changes.items():
                setattr(image, name, value)
            return image.update()

        def written(change: Change) -> None:
            self._end(row)
            self._changed(row, image.record)
            self._say(row.key, sentence(str(change).partition(": ")[2] or "unchanged"), True)

        self._begin(row, write, written)

    def _begin(self, row: Row, write: Callable[[], Any], written: Callable[[Any], object]) -> None:
        if row.key in self.busy:
            return
        self.busy.add(row.key)
        self._changed(row, row.record)
        self._actor.aside(write, written, lambda error: self._failed(row, error))

    def _end(self, row: Row) -> None:
        self.busy.discard(row.key)

    def _failed(self, row: Row, error: Exception) -> None:
        self._end(row)
        if isinstance(error, NotFoundError):
            self._changed(row, None)
            self._say(row.key, gone(row.record), False)
            return
        self._say(row.key, why(error), False)
        self._changed(row, row.record)
        if isinstance(error, ChangedMeanwhileError):
            self.reread(row)

    def reread(self, row: Row) -> None:
        """Read an image again and tell."""
        image = self.image(row)
        self._actor.aside(
            image.reload,
            lambda read: self._changed(row, read.record),
            lambda error: self._changed(row, None) if isinstance(error, NotFoundError) else None,
        )
