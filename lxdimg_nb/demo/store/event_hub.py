"""Events of the server, sent to the listeners on the events websocket.

Source: `GET /1.0/events` of LXD 5.0.2 and Incus 6.0.4: envelope, actions, and the keys that are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from ..versions import facts
from ..versions.flavours import Flavour
from .go_json import compact, now_text

__all__ = ["Events", "Listener", "Requestor", "url_of"]


@dataclass(frozen=True)
class Requestor:
    """Who caused an event."""

    username: str
    protocol: str
    address: str


@dataclass(eq=False)
class Listener:
    """One open websocket: what it listens to, and how to write to it, close it, or cut its connection."""

    types: frozenset[str]
    project: str | None
    write: Callable[[str], None]
    close: Callable[[], None]
    cut: Callable[[], None]


def url_of(path: str, project: str, *, always: bool = False) -> str:
    """The URL of something in a project: other than `default`, or `always`, it shows in the query."""
    return path if project == "default" and not always else f"{path}?project={quote(project, safe='')}"


class Events:
    """All listeners; belongs to the server's loop."""

    def __init__(self, flavour: Flavour) -> None:
        self._flavour = flavour
        self._listeners: set[Listener] = set()
        self.drop: Callable[[], bool] = lambda: False
        self.cut: Callable[[], bool] = lambda: False

    def add(self, listener: Listener) -> None:
        """Add a listener."""
        self._listeners.add(listener)

    def remove(self, listener: Listener) -> None:
        """Remove a listener."""
        self._listeners.discard(listener)

    def close_all(self) -> None:
        """Close every listener's connection."""
        for listener in list(self._listeners):
            listener.close()
        self._listeners.clear()

    def send(self, kind: str, metadata: dict[str, Any], project: str) -> None:
        """Send an event to the listeners of its type and project."""
        wanted = [
            one for one in self._listeners if kind in one.types and (one.project is None or one.project == project)
        ]
        if not wanted or self.drop():
            return
        if self.cut():
            for listener in wanted:
                listener.cut()
            return
        event = {
            "type": kind,
            "timestamp": now_text(),
            "metadata": metadata,
            "location": "none",
            "project": project,
        }
        text = compact(event)
        for listener in wanted:
            listener.write(text)

    def lifecycle(
        self,
        action: str,
        source: str,
        project: str,
        requestor: Requestor | None,
        context: dict[str, Any] | None = None,
        *,
        plain: bool = False,
    ) -> None:
        """Send the event that something was made, changed or removed.

        Args:
            action: such as `image-created`.
            source: the path of what changed.
            project: its project.
            requestor: who caused the change.
            context: more about it; left out when empty.
            plain: leave the project out of the source, as for projects themselves.
        """
        metadata: dict[str, Any] = {"action": action, "source": source if plain else url_of(source, project)}
        if context:
            metadata["context"] = context
        if requestor is not None:
            metadata["requestor"] = asdict(requestor)
        if self._flavour.is_incus and action.startswith("instance-"):
            metadata["name"] = source.rsplit("/", 1)[-1]
            metadata["project"] = project
        self.send("lifecycle", metadata, project)

    def alias_url(self, name: str) -> str:
        """The URL of an alias in lists, `Location` headers and events."""
        for _ in range(1 + self._flavour.does(facts.ALIAS_ESCAPED_TWICE)):
            name = quote(name, safe="")
        return f"/1.0/images/aliases/{name}"
