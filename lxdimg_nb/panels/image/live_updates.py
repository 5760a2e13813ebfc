"""Changes made elsewhere, as they happen: of a whole project, or of one image."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from lxdimg_nb.client.events import Events
from lxdimg_nb.errors import ApiError, LxdImageError
from lxdimg_nb.panels.base.ui_text import log

if TYPE_CHECKING:
    from lxdimg_nb.client import Images
    from lxdimg_nb.client.live import Live, LiveChange
    from lxdimg_nb.panels.base.actor import Actor
    from lxdimg_nb.values import ImageRecord

__all__ = ["LIVE_WORDS", "ImageWatch", "ListWatch", "close_later"]

LIVE_WORDS = {
    "live": "Live: changes made elsewhere appear by themselves.",
    "polling": "This connection may not hear events, so the list is read again every 30 seconds.",
    "lost": "The connection to the server's events is lost; trying again.",
    "off": "Changes made elsewhere show up after Reload.",
}


class ListWatch:
    """The live inventory behind a list. Belongs to an actor, which is told of changes at most ten times a second."""

    def __init__(
        self,
        actor: Actor,
        live: Live,
        changed: Callable[[list[ImageRecord], list[str]], object],
        told: Callable[[str], object],
    ) -> None:
        self._actor = actor
        self._live = live
        self._changed = changed
        self._told = told
        self._heard: deque[LiveChange] = deque()
        self._stop = live.subscribe(self._listen)

    @property
    def state(self) -> str:
        """`live`, `polling`, `lost` or `closed`."""
        return self._live.state

    def records(self) -> list[ImageRecord]:
        """Every image, as last heard of."""
        return self._live.records()

    def _listen(self, change: LiveChange) -> None:
        self._heard.append(change)
        self._actor.nudge("live", self._drain)

    def _drain(self) -> None:
        changed: set[str] = set()
        removed: list[str] = []
        while self._heard:
            change = self._heard.popleft()
            changed |= change.changed
            removed += change.removed
        if changed or removed:
            found = {f: self._live.get(f) for f in changed | set(removed)}
            self._changed([r for r in found.values() if r is not None], [f for f in removed if found[f] is None])
        self._told(self._live.state)

    def close(self) -> None:
        """End it; its connection is closed in a thread, because that may take a moment."""
        self._stop()
        close_later(self._live)


def close_later(live: Live) -> None:
    """Close a live inventory in a thread."""
    threading.Thread(target=live.close, name="lxdimg-live-close", daemon=True).start()


class ImageWatch:
    """The server's events about one image. `touched` is called, in the actor, whenever it may have changed."""

    def __init__(
        self,
        actor: Actor,
        images: Images,
        fingerprint: str,
        touched: Callable[[], object],
        told: Callable[[str], object],
    ) -> None:
        self._actor = actor
        self._images = images
        self._fingerprint = fingerprint
        self._touched = touched
        self._told = told
        self._events: Events | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="lxdimg-watch", daemon=True).start()

    def _run(self) -> None:
        try:
            with Events(self._images.transport, ["lifecycle"], project=self._images.project) as events:
                self._events = events
                if self._closed.is_set():
                    return
                self._actor.post(lambda: self._told("live"))
                for event in events:
                    about = event.source + str(event.context.get("target") or "")
                    if event.type == "reconnected" or self._fingerprint in about or "alias" in event.action:
                        self._actor.nudge("touched", self._touched)
        except ApiError:
            self._actor.post(lambda: self._told("off"))
        except LxdImageError as error:
            log.info("events cannot be read: %s", error)
            self._actor.post(lambda: self._told("off"))

    def close(self) -> None:
        """End its thread and connection."""
        self._closed.set()
        if self._events is not None:
            self._events.close()
