"""Operations, the background work of servers, and the progress of long calls."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.text.cells import Badge
from lxdimg_nb.text.display import format_value, sanitize
from lxdimg_nb.text.secret import Secret
from lxdimg_nb.text.tables import ShownAsTable, Table
from lxdimg_nb.values.fingerprint import FINGERPRINT
from lxdimg_nb.values.json_fields import Json, integer, mapping, parse_time, string

__all__ = ["Operation", "Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a long call.

    Attributes:
        phase: `pack`, `hash`, `check`, `send`, `receive` or `server`.
        done: bytes; in the phase `server` percent.
        total: bytes, None if not known; in the phase `server` 100.
        text: what the server says about its own work.
    """

    phase: str
    done: int = 0
    total: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Operation(ShownAsTable):
    """Background work of a server, at one moment."""

    id: str
    kind: str
    description: str
    status: str
    status_code: int
    error: str
    may_cancel: bool
    metadata: Json = field(repr=False)
    resources: Json
    created_at: datetime | None = None

    @classmethod
    def from_json(cls, data: object) -> Operation:
        """Make an operation of GET /1.0/operations/{id}, the metadata of an async reply, or an operation event.

        Raises:
            UnexpectedReplyError: not an operation.
        """
        if not isinstance(data, dict) or not string(data.get("id")):
            raise UnexpectedReplyError("the server sent something that is not an operation")
        return cls(
            id=string(data.get("id")),
            kind=string(data.get("class")),
            description=string(data.get("description")),
            status=string(data.get("status")),
            status_code=integer(data.get("status_code")),
            error=string(data.get("err")),
            may_cancel=data.get("may_cancel") is True,
            metadata=mapping(data.get("metadata")),
            resources=mapping(data.get("resources")),
            created_at=parse_time(data.get("created_at")),
        )

    @property
    def done(self) -> bool:
        """Whether it has ended, successfully or not."""
        return self.status_code >= 200

    @property
    def succeeded(self) -> bool:
        """Whether it ended successfully."""
        return self.status_code == 200

    @property
    def fingerprint(self) -> str:
        """The image that the work is about, if the server names it; also when that image is already there."""
        value = string(self.metadata.get("fingerprint"))
        return value if FINGERPRINT.match(value) else ""

    @property
    def secret(self) -> Secret:
        """The one-time token of a token operation; not part of the repr."""
        return Secret(string(self.metadata.get("secret")))

    @property
    def progress(self) -> Progress | None:
        """The progress, if the server reports any.

        Source: `metadata.progress` (percent, speed), else any key that ends in `_progress`.
        """
        said = [v for k, v in self.metadata.items() if k.endswith("_progress") and isinstance(v, str)]
        structured = mapping(self.metadata.get("progress"))
        percent = string(structured.get("percent"))
        words = said[0] if said else string(structured.get("stage"))
        found = re.search(r"([0-9]{1,3})%", words)
        known = re.fullmatch("[0-9]{1,3}", percent) is not None
        if not known and found:
            percent, known = found[1], True
        if not words and not percent:
            return None
        return Progress("server", int(percent) if known else 0, 100 if known else None, words)

    def table(self) -> Table:
        """Status, description and error, one a row."""
        progress = self.progress
        tone = "info" if not self.done else "good" if self.succeeded else "bad"
        rows = (
            ("status", Badge(f"{self.status} {progress.text if progress else ''}".strip(), tone)),
            ("description", self.description),
            ("started", format_value(self.created_at)),
            ("may be cancelled", format_value(self.may_cancel)),
            *([("error", self.error)] if self.error else []),
        )
        return Table(("", ""), rows, f"operation {sanitize(self.id, 40)}")
