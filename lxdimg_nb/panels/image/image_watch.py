"""Listens to a server's events about one image, and tells users whether changes made elsewhere arrive."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from lxdimg_nb.client import Images
from lxdimg_nb.client.events import Events
from lxdimg_nb.errors import LxdImageError
from lxdimg_nb.panels.base.actor import Actor

__all__ = ["LIVE_TEXTS", "ImageWatch"]

_log = logging.getLogger(__name__)

LIVE_TEXTS = {
    "live": "Live: changes made elsewhere appear by themselves.",
    "polling": "This connection may not hear events, so the list is read again every 30 seconds.",
    "lost": "The connection to the server's events is lost; trying again.",
    "off": "Changes made elsewhere show up after Reload.",
}


class ImageWatch:
    """Calls `touched` in the actor whenever an image may have changed, and `set_live` with `live` or `off`."""

    def __init__(
        self,
        actor: Actor,
        images: Images,
        fingerprint: str,
        touched: Callable[[], object],
        set_live: Callable[[str], object],
    ) -> None:
        self._actor = actor
        self._images = images
        self._fingerprint = fingerprint
        self._touched = touched
        self._set_live = set_live
        self._events: Events | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="lxdimg-watch", daemon=True).start()

    def _run(self) -> None:
        try:
            with Events(self._images.server_project.transport, ["lifecycle"], project=self._images.project) as events:
                self._events = events
                if self._closed.is_set():
                    return
                self._actor.post(lambda: self._set_live("live"))
                for event in events:
                    about = event.source + str(event.context.get("target") or "")
                    if event.type == "reconnected" or self._fingerprint in about or "alias" in event.action:
                        self._actor.throttle("touched", self._touched)
        except LxdImageError as error:
            _log.info("events cannot be read: %s", error)
            self._actor.post(lambda: self._set_live("off"))

    def close(self) -> None:
        """End its thread and its connection."""
        self._closed.set()
        if self._events is not None:
            self._events.close()
