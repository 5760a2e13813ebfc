"""What a server tells of itself as it happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.values.json_fields import Json, mapping, parse_time, string

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
        if not isinstance(data, dict) or not string(data.get("type")):
            raise UnexpectedReplyError("the server sent something else where an event was due")
        return cls(
            type=string(data.get("type")),
            timestamp=parse_time(data.get("timestamp")),
            project=string(data.get("project")) or "default",
            location=string(data.get("location")),
            metadata=mapping(data.get("metadata")),
        )

    @property
    def action(self) -> str:
        """Of a lifecycle event what happened, for example `image-created`."""
        return string(self.metadata.get("action")) if self.type == "lifecycle" else ""

    @property
    def source(self) -> str:
        """Of a lifecycle event the URL of what it happened to."""
        return string(self.metadata.get("source")) if self.type == "lifecycle" else ""

    @property
    def context(self) -> Json:
        """Of a lifecycle event what else the server told."""
        return mapping(self.metadata.get("context"))
