"""Events: what happens on a server, as it happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.values.json_fields import Json, mapping, parse_time, string

__all__ = ["Event"]


@dataclass(frozen=True, slots=True)
class Event:
    """One message of the events API."""

    type: str
    timestamp: datetime | None
    project: str
    location: str
    metadata: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: object) -> Event:
        """Make an event of a websocket message.

        Raises:
            UnexpectedReplyError: not an event.
        """
        if not isinstance(data, dict) or not string(data.get("type")):
            raise UnexpectedReplyError("the server sent something that is not an event")
        return cls(
            type=string(data.get("type")),
            timestamp=parse_time(data.get("timestamp")),
            project=string(data.get("project")) or "default",
            location=string(data.get("location")),
            metadata=mapping(data.get("metadata")),
        )

    @property
    def action(self) -> str:
        """What happened, for example `image-created`; empty unless it is a lifecycle event."""
        return string(self.metadata.get("action")) if self.type == "lifecycle" else ""

    @property
    def source(self) -> str:
        """The URL of what it happened to; empty unless it is a lifecycle event."""
        return string(self.metadata.get("source")) if self.type == "lifecycle" else ""

    @property
    def context(self) -> Json:
        """What else the server says about a lifecycle event."""
        return mapping(self.metadata.get("context"))
