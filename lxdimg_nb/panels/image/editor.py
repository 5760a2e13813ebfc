"""Changes of one image from a panel: sent in a thread, one at a time for each image, told in words.

A change knows the value that the person saw. When the server has another one by then, both are shown and
nothing is written; when only other fields differ, the change is sent again with the newer record beneath it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client import Image, Images
from lxdimg_nb.errors import ChangedMeanwhileError, ConflictError, InvalidRequestError, NotFoundError
from lxdimg_nb.panels.base.ui_text import sentence, why
from lxdimg_nb.panels.image.image_row import Row
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import ImageRecord

if TYPE_CHECKING:
    from lxdimg_nb.panels.base.actor import Actor

__all__ = ["Edit", "Editor", "Said", "parse_day", "parse_profiles"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One field to change: what was seen, what is wanted. `key` names the property."""

    field: str
    before: Any
    after: Any
    key: str = ""

    def read(self, record: ImageRecord) -> Any:
        """The field as a record has it."""
        if self.field == "properties":
            return record.properties.get(self.key, "")
        value = getattr(record, self.field)
        return list(value) if self.field == "profiles" else value

    def write(self, image: Image) -> None:
        """Assign the wanted value."""
        if self.field == "properties":
            rest = {k: v for k, v in image.properties.items() if k != self.key}
            image.properties = rest | ({self.key: self.after} if self.after else {})
        else:
            setattr(image, self.field, self.after)

    @property
    def name(self) -> str:
        """The field in words."""
        words = {"auto_update": "auto-update", "expires_at": "expiry"}
        return display.sanitize(self.key, 80) if self.field == "properties" else words.get(self.field, self.field)

    def word(self, value: Any) -> str:
        """A value of it in words."""
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, datetime):
            return formats.timestamp(value)
        if isinstance(value, list):
            return display.format_value(value) or "none"
        return display.sanitize(value, 200) if value else "none"

    @property
    def back(self) -> Edit:
        """What undoes it."""
        return Edit(self.field, self.after, self.before, self.key)


class _ClashError(Exception):
    """Somebody else changed the same field."""

    def __init__(self, edit: Edit, theirs: Any, record: ImageRecord) -> None:
        super().__init__(edit.name)
        self.edit = edit
        self.theirs = theirs
        self.record = record


@dataclass(frozen=True, slots=True)
class Said:
    """How a write ended, with what can be done about it."""

    key: str
    text: str
    good: bool
    undo: Edit | None = None
    clash: Edit | None = None
    theirs: str = ""
    moves: str = ""

    def view(self) -> dict[str, Any]:
        """For a browser."""
        clash = self.clash and {
            "name": self.clash.name,
            "theirs": self.theirs,
            "ours": self.clash.word(self.clash.after),
        }
        return {
            "text": self.text,
            "good": self.good,
            "undo": self.undo is not None,
            # What makes an image public asks, undoing too.
            "guarded": self.undo is not None and self.undo.field == "public" and self.undo.after is True,
            "clash": clash,
            "moves": display.sanitize(self.moves, 120),
        }


class Editor:
    """Writes images for a panel. Belongs to the panel's actor.

    Args:
        actor: the panel's.
        images_of: the server that holds a row.
        changed: told the new record of a row, None when the image is gone.
        say: told how a write ended.
    """

    def __init__(
        self,
        actor: Actor,
        images_of: Callable[[Row], Images],
        changed: Callable[[Row, ImageRecord | None], object],
        say: Callable[[Said], object],
    ) -> None:
        self._actor = actor
        self._images_of = images_of
        self._changed = changed
        self._say = say
        self.busy: set[str] = set()

    def images(self, row: Row) -> Images:
        """The images of the project that holds the row."""
        images = self._images_of(row)
        if images.project != row.record.project:
            images = Images(images.transport, images.dialect, row.record.project)
        return images

    def image(self, row: Row) -> Image:
        """The row as an image of its server."""
        return Image(row.record, self.images(row))

    def set(self, row: Row, edit: Edit, *, force: bool = False) -> None:
        """Change one field, unless somebody else has changed it since it was seen."""
        image = self.image(row)

        def write() -> ImageRecord:
            _write(image, edit, force)
            return image.record

        def written(record: ImageRecord) -> None:
            now = edit.read(record)
            text = f"{edit.name} {edit.word(edit.before)} → {edit.word(now)}"
            self._done(row, record, Said(row.key, sentence(text), True, undo=edit.back))

        self._begin(row, write, written)

    def add_alias(self, row: Row, name: str, *, move: bool = False) -> None:
        """A new alias; with `move` one that points elsewhere is made to point here."""
        images = self.images(row)
        image = self.image(row)

        def write() -> ImageRecord:
            if move:
                images.aliases.point(name, to=image)
            else:
                image.add_alias(name)
            return image.reload().record

        def written(record: ImageRecord) -> None:
            what = "points here" if move else "was added"
            self._done(row, record, Said(row.key, sentence(f"The alias {name} {what}"), True))

        def failed(error: Exception) -> None:
            if isinstance(error, ConflictError) and not move:
                self.busy.discard(row.key)
                text = f"The alias {name} points at another image. Move it here?"
                self._say(Said(row.key, sentence(text), False, moves=name))
                return
            self._failed(row, error)

        self._begin(row, write, written, failed)

    def delete_alias(self, row: Row, name: str) -> None:
        """Remove an alias of the image."""
        image = self.image(row)

        def write() -> ImageRecord:
            image.delete_alias(name)
            return image.record

        self._begin(
            row, write, lambda r: self._done(row, r, Said(row.key, sentence(f"The alias {name} was removed"), True))
        )

    def delete(self, row: Row, deleted: Callable[[], object]) -> None:
        """Delete the image."""

        def done(_: object) -> None:
            self.busy.discard(row.key)
            deleted()

        self._begin(row, self.image(row).delete, done)

    def _begin(
        self,
        row: Row,
        write: Callable[[], Any],
        written: Callable[[Any], object],
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        if row.key in self.busy:
            return
        self.busy.add(row.key)
        self._changed(row, row.record)
        self._actor.aside(write, written, failed or (lambda error: self._failed(row, error)))

    def _done(self, row: Row, record: ImageRecord, said: Said) -> None:
        self.busy.discard(row.key)
        self._changed(row, record)
        self._say(said)

    def _failed(self, row: Row, error: Exception) -> None:
        self.busy.discard(row.key)
        if isinstance(error, _ClashError):
            self._changed(row, error.record)
            theirs = error.edit.word(error.theirs)
            text = f"Somebody else changed {error.edit.name} meanwhile; nothing was written"
            self._say(Said(row.key, sentence(text), False, clash=error.edit, theirs=theirs))
        elif isinstance(error, NotFoundError):
            self.reread(row, lambda: self._say(Said(row.key, why(error), False)))
        else:
            self._say(Said(row.key, why(error), False))
            self._changed(row, row.record)

    def reread(self, row: Row, then: Callable[[], object] | None = None) -> None:
        """Read an image again and tell; `then` is called when it is still there."""
        image = self.image(row)

        def read(found: Image) -> None:
            self._changed(row, found.record)
            if then is not None:
                then()

        def failed(error: Exception) -> None:
            if isinstance(error, NotFoundError):
                self._changed(row, None)
            elif then is not None:
                then()

        self._actor.aside(image.reload, read, failed)


def _write(image: Image, edit: Edit, force: bool) -> None:
    seen = edit.before
    for attempt in range(3):
        theirs = edit.read(image.record)
        if theirs not in (seen, edit.after) and not force:
            raise _ClashError(edit, theirs, image.record)
        edit.write(image)
        try:
            image.update()
        except ChangedMeanwhileError:
            if attempt == 2:
                raise
            image.reload()
        else:
            return


def parse_day(text: str) -> datetime | None:
    """A day as a browser's date field gives it, as the end of that day in UTC; empty is never.

    Raises:
        InvalidRequestError: no day.
    """
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidRequestError(f"{text!r} is no day; write 2027-01-31") from error
    return day.replace(hour=23, minute=59, second=59)


def parse_profiles(text: str) -> Sequence[str]:
    """Names separated by commas or spaces."""
    return list(dict.fromkeys(text.replace(",", " ").split()))
