"""Writes changes of images for a panel: in the background, one at a time for each image, with a result to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client import Image, Images
from lxdimg_nb.client.verbs.write.manage_aliases import point_alias
from lxdimg_nb.errors import ConflictError, NotFoundError
from lxdimg_nb.panels.base.ui_text import error_text, sentence
from lxdimg_nb.panels.image.field_edit import EditConflictError, FieldEdit, write_edit
from lxdimg_nb.panels.image.image_row import Row
from lxdimg_nb.text import display
from lxdimg_nb.values import ImageRecord

if TYPE_CHECKING:
    from lxdimg_nb.panels.base.actor import Actor

__all__ = ["EditResult", "Editor"]


@dataclass(frozen=True, slots=True)
class EditResult:
    """How a write ended, and what the user can do about it.

    Attributes:
        key: of the image's row.
        undo: undoes what was written.
        conflict: was not written, because the server has another value, `theirs`.
        movable_alias: an alias of another image, which may be moved to this one.
    """

    key: str
    text: str
    good: bool
    undo: FieldEdit | None = None
    conflict: FieldEdit | None = None
    theirs: str = ""
    movable_alias: str = ""

    def view(self) -> dict[str, Any]:
        """Return it as a browser shows it."""
        conflict = self.conflict and {
            "name": self.conflict.name,
            "theirs": self.theirs,
            "ours": self.conflict.text(self.conflict.after),
        }
        return {
            "text": self.text,
            "good": self.good,
            "undo": self.undo is not None,
            "undo_makes_public": self.undo is not None and self.undo.field == "public" and self.undo.after is True,
            "conflict": conflict,
            "movable_alias": display.sanitize(self.movable_alias, 120),
        }


class Editor:
    """Writes changes of images. It is used by the panel's actor only.

    Args:
        actor: the panel's.
        images_of: returns the images of the server that holds a row.
        started: called when a write of a row begins.
        changed: called with the new record of a row, None if the image is gone.
        ended: called with the result of a write.
    """

    def __init__(
        self,
        actor: Actor,
        images_of: Callable[[Row], Images],
        *,
        started: Callable[[Row], object],
        changed: Callable[[Row, ImageRecord | None], object],
        ended: Callable[[EditResult], object],
    ) -> None:
        self._actor = actor
        self._images_of = images_of
        self._started = started
        self._changed = changed
        self._ended = ended
        self.busy: set[str] = set()

    def images(self, row: Row) -> Images:
        """Return the images of the project that holds a row."""
        images = self._images_of(row)
        if images.project != row.record.project:
            images = Images(images.server_project.in_project(row.record.project))
        return images

    def image(self, row: Row) -> Image:
        """Return the image of a row."""
        return self._images_of(row).image(row.record)

    def set_field(self, row: Row, edit: FieldEdit, *, force: bool = False) -> None:
        """Change one field, unless somebody else has changed it since it was seen."""
        image = self.image(row)

        def result(record: ImageRecord) -> EditResult:
            text = f"{edit.name} {edit.text(edit.before)} → {edit.text(edit.read(record))}"
            return EditResult(row.key, sentence(text), True, undo=edit.undo)

        self._write(row, lambda: write_edit(image, edit, force=force), result)

    def add_alias(self, row: Row, name: str) -> None:
        """Create an alias of the image; one that points at another image may be moved afterwards."""
        image = self.image(row)

        def write() -> ImageRecord:
            image.add_alias(name)
            return image.record

        self._write(row, write, lambda _: _good(row, f"The alias {name} was added"), movable_alias=name)

    def move_alias(self, row: Row, name: str) -> None:
        """Make an alias of another image point at this one."""
        image = self.image(row)

        def write() -> ImageRecord:
            point_alias(image.server_project, name, image.fingerprint)
            return image.reload().record

        self._write(row, write, lambda _: _good(row, f"The alias {name} points here"))

    def delete_alias(self, row: Row, name: str) -> None:
        """Delete an alias of the image."""
        image = self.image(row)

        def write() -> ImageRecord:
            image.delete_alias(name)
            return image.record

        self._write(row, write, lambda _: _good(row, f"The alias {name} was removed"))

    def delete(self, row: Row, deleted: Callable[[], object]) -> None:
        """Delete the image, then call a function."""

        def done(_: object) -> None:
            self.busy.discard(row.key)
            deleted()

        self._begin(row, self.image(row).delete, done)

    def _write(
        self,
        row: Row,
        write: Callable[[], ImageRecord],
        result: Callable[[ImageRecord], EditResult],
        movable_alias: str = "",
    ) -> None:
        def written(record: ImageRecord) -> None:
            self.busy.discard(row.key)
            self._changed(row, record)
            self._ended(result(record))

        self._begin(row, write, written, movable_alias)

    def _begin(
        self, row: Row, write: Callable[[], Any], written: Callable[[Any], object], movable_alias: str = ""
    ) -> None:
        if row.key in self.busy:
            return
        self.busy.add(row.key)
        self._started(row)
        self._actor.in_background(write, written, lambda error: self._failed(row, error, movable_alias))

    def _failed(self, row: Row, error: Exception, movable_alias: str) -> None:
        self.busy.discard(row.key)
        if isinstance(error, EditConflictError):
            self._changed(row, error.record)
            text = f"Somebody else changed {error.edit.name} meanwhile; nothing was written"
            theirs = error.edit.text(error.theirs)
            self._ended(EditResult(row.key, sentence(text), False, conflict=error.edit, theirs=theirs))
        elif isinstance(error, ConflictError) and movable_alias:
            text = f"The alias {movable_alias} points at another image. Move it here?"
            self._ended(EditResult(row.key, sentence(text), False, movable_alias=movable_alias))
        elif isinstance(error, NotFoundError):
            self.reread(row, lambda: self._ended(EditResult(row.key, error_text(error), False)))
        else:
            self._changed(row, row.record)
            self._ended(EditResult(row.key, error_text(error), False))

    def reread(self, row: Row, then: Callable[[], object] = lambda: None) -> None:
        """Read an image again and report it; then call a function unless the image is gone."""
        image = self.image(row)

        def read(found: Image) -> None:
            self._changed(row, found.record)
            then()

        def failed(error: Exception) -> None:
            if isinstance(error, NotFoundError):
                self._changed(row, None)
            else:
                then()

        self._actor.in_background(image.reload, read, failed)


def _good(row: Row, text: str) -> EditResult:
    return EditResult(row.key, sentence(text), True)
