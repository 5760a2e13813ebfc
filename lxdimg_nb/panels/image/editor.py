"""Writes changes of images for a panel: in the background, one at a time for each image, with a result to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from lxdimg_nb.client import Image
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.write.delete import delete_image
from lxdimg_nb.client.verbs.write.manage_aliases import point_alias
from lxdimg_nb.errors import ConflictError, NotFoundError
from lxdimg_nb.panels.base.actor import Actor
from lxdimg_nb.panels.base.ui_text import error_text, sentence
from lxdimg_nb.panels.image.field_edit import EditConflictError, FieldEdit, write_edit
from lxdimg_nb.panels.image.image_row import Row
from lxdimg_nb.text import display
from lxdimg_nb.values import ImageRecord

__all__ = ["EditResult", "Editor"]

T = TypeVar("T")


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
        project_of: returns the project that holds a row.
        started: called when a write of a row begins.
        changed: called with the new record of a row, None if the image is gone.
        ended: called with the result of a write.

    Attributes:
        busy: keys of the rows that are being written.
        rereading: keys of the rows that are being read again.
    """

    def __init__(
        self,
        actor: Actor,
        project_of: Callable[[Row], Project],
        *,
        started: Callable[[Row], object],
        changed: Callable[[Row, ImageRecord | None], object],
        ended: Callable[[EditResult], object],
    ) -> None:
        self._actor = actor
        self._project_of = project_of
        self._started = started
        self._changed = changed
        self._ended = ended
        self.busy: set[str] = set()
        self.rereading: set[str] = set()

    def set_field(self, row: Row, edit: FieldEdit, *, force: bool = False) -> None:
        """Change one field, unless somebody else has changed it since it was seen."""

        def written(record: ImageRecord) -> None:
            text = f"{edit.name} {edit.text(edit.before)} → {edit.text(edit.read(record))}"
            self._written(row, record, text, undo=edit.undo)

        self._begin(row, partial(write_edit, self._project_of(row), row.record, edit, force), written)

    def add_alias(self, row: Row, name: str) -> None:
        """Create an alias of the image. One that points at another image may be moved afterwards."""
        text = f"The alias {name} was added"
        self._write_alias(row, lambda image: image.add_alias(name), text, movable_alias=name)

    def move_alias(self, row: Row, name: str) -> None:
        """Make an alias of another image point at this one."""

        def move(image: Image) -> None:
            point_alias(image.server_project, name, image.fingerprint)
            image.reload()

        self._write_alias(row, move, f"The alias {name} points here")

    def delete_alias(self, row: Row, name: str) -> None:
        """Delete an alias of the image."""
        self._write_alias(row, lambda image: image.delete_alias(name), f"The alias {name} was removed")

    def _write_alias(self, row: Row, write: Callable[[Image], object], text: str, *, movable_alias: str = "") -> None:
        image = Image(row.record, self._project_of(row))

        def work() -> ImageRecord:
            write(image)
            return image.record

        self._begin(row, work, lambda record: self._written(row, record, text), movable_alias)

    def delete(self, row: Row, deleted: Callable[[], object]) -> None:
        """Delete the image, then call a function."""

        def done(_: object) -> None:
            self.busy.discard(row.key)
            deleted()

        self._begin(row, partial(delete_image, self._project_of(row), row.record.fingerprint), done)

    def _begin(self, row: Row, write: Callable[[], T], written: Callable[[T], object], movable_alias: str = "") -> None:
        if row.key not in self.busy:
            self.busy.add(row.key)
            self._started(row)
            self._actor.in_background(write, written, lambda error: self._failed(row, error, movable_alias))

    def _written(self, row: Row, record: ImageRecord, text: str, undo: FieldEdit | None = None) -> None:
        self.busy.discard(row.key)
        self._changed(row, record)
        self._ended(EditResult(row.key, sentence(text), True, undo=undo))

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

        def read(record: ImageRecord) -> None:
            self.rereading.discard(row.key)
            self._changed(row, record)
            then()

        def failed(error: Exception) -> None:
            self.rereading.discard(row.key)
            if isinstance(error, NotFoundError):
                self._changed(row, None)
            else:
                then()

        self.rereading.add(row.key)
        self._actor.in_background(partial(self._project_of(row).read, row.record.fingerprint), read, failed)
