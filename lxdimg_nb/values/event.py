"""What a server tells of itself as it happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.values.json_fields import Json, mapping, parse_time, text

__all__ = ["Event"]


@dataclass(frozen=True, slots=True)
class Event:
    """One message of the events socket."""

    type: str
    timestamp: datetime | None
    project: str
    location: str
    metadata: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: object) -> Event:
        """From one websocket message.

        Raises:
            UnexpectedReplyError: not an event.
        """
        if not isinstance(data, dict) or not text(data.get("type")):
            raise UnexpectedReplyError("the server sent something else where an event was due")
        return cls(
            type=text(data.get("type")),
            timestamp=parse_time(data.get("timestamp")),
            project=text(data.get("project")) or "default",
            location=text(data.get("location")),
            metadata=mapping(data.get("metadata")),
        )

    @property
    def action(self) -> str:
        """Of a lifecycle event what happened, for example `image-created`."""
        return text(self.metadata.get("action")) if self.type == "lifecycle" else ""

    @property
    def source(self) -> str:
        """Of a lifecycle event the URL of what it happened to."""
        return text(self.metadata.get("source")) if self.type == "lifecycle" else ""

    @property
    def context(self) -> Json:
        """Of a lifecycle event what else the server told."""
        return mapping(self.metadata.get("context"))
