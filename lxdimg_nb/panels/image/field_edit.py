"""The change of one field of an image: what the user saw, what the user wants, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.write.edit import edit_image
from lxdimg_nb.errors import ChangedMeanwhileError, InvalidRequestError
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import ImageRecord
from lxdimg_nb.values.validation import checked_properties

__all__ = ["EditConflictError", "FieldEdit", "parse_expiry", "parse_profiles", "write_edit"]

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class FieldEdit:
    """One field to change, from the value that was seen to the value that is wanted.

    Attributes:
        key: the name of the property if the field is `properties`.
    """

    field: str
    before: Any
    after: Any
    key: str = ""

    def read(self, record: ImageRecord) -> Any:
        """Return the value of the field in a record."""
        if self.field == "properties":
            return record.properties.get(self.key, "")
        value = getattr(record, self.field)
        return list(value) if self.field == "profiles" else value

    @property
    def name(self) -> str:
        """The name of the field for users."""
        names = {"auto_update": "auto-update", "expires_at": "expiry", "properties": display.sanitize(self.key, 80)}
        return names.get(self.field, self.field)

    def text(self, value: Any) -> str:
        """Return a value of the field for users."""
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, datetime):
            return formats.timestamp(value)
        return display.format_value(value) or "none"

    @property
    def undo(self) -> FieldEdit:
        """The edit that undoes it."""
        return FieldEdit(self.field, self.after, self.before, self.key)


class EditConflictError(Exception):
    """Somebody else changed the same field."""

    def __init__(self, edit: FieldEdit, theirs: Any, record: ImageRecord) -> None:
        super().__init__(edit.name)
        self.edit = edit
        self.theirs = theirs
        self.record = record


def write_edit(project: Project, record: ImageRecord, edit: FieldEdit, force: bool = False) -> ImageRecord:
    """Write an edit of an image to the server and return the record afterwards.

    If only other fields were changed meanwhile, the edit is sent again, based on the newer record. Where nothing
    seems to be left to write, the server is asked whether that is so.

    Raises:
        EditConflictError: the server has another value than the one that was seen. `force` overwrites it.
    """
    reread = False
    for attempt in range(ATTEMPTS):
        current = edit.read(record)
        if current == edit.after and reread:
            break
        if current == edit.after:
            # A list may be a moment behind its server.
            record, reread = project.read(record.fingerprint), True
            continue
        if current != edit.before and not force:
            raise EditConflictError(edit, current, record)
        value = edit.after
        if edit.field == "properties":
            value = checked_properties(record.properties | {edit.key: edit.after})
            if not edit.after:
                del value[edit.key]
        try:
            return edit_image(project, record, {edit.field: value})
        except ChangedMeanwhileError:
            if attempt == ATTEMPTS - 1:
                raise
            record, reread = project.read(record.fingerprint), True
    return record


def parse_expiry(text: str) -> datetime | None:
    """Parse the value of a browser's date field: the end of that day in UTC; empty is never.

    Raises:
        InvalidRequestError: it is not a date.
    """
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidRequestError(f"{text!r} is not a date; write 2027-01-31") from error
    return day.replace(hour=23, minute=59, second=59)


def parse_profiles(text: str) -> list[str]:
    """Parse names separated by commas or spaces."""
    return list(dict.fromkeys(text.replace(",", " ").split()))
