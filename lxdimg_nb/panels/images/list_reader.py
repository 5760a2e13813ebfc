"""Reads the images of a server for a list, and follows their changes where the server tells of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from lxdimg_nb.client.verbs.listing import project_names
from lxdimg_nb.errors import IncompleteListError, LxdImageError
from lxdimg_nb.panels.base.ui_text import why

if TYPE_CHECKING:
    from lxdimg_nb.client import Images
    from lxdimg_nb.client.live import Live, LiveChange
    from lxdimg_nb.panels.base.actor import Actor
    from lxdimg_nb.values import ImageRecord

__all__ = ["ListWatch", "Reading", "discard", "projects_of", "read"]


class Reading(NamedTuple):
    """What reading a server brought: live, or once; `warning` is what was wrong with it."""

    records: list[ImageRecord]
    live: Live | None
    warning: str = ""


def read(images: Images) -> Reading:
    """The images of a server.

    Raises:
        LxdImageError: they cannot be read.
    """
    try:
        if images.dialect.simplestreams:
            return Reading(images.records(), None)
        return Reading([], images.live())
    except IncompleteListError as error:
        return Reading([getattr(image, "record", image) for image in error.images], None, why(error))


def discard(reading: Reading) -> None:
    """End what a reading that nobody wants any more began."""
    if reading.live is not None:
        close_later(reading.live)


def projects_of(images: Images) -> list[str]:
    """The projects to choose from; the one at hand where the server does not tell."""
    try:
        return project_names(images.transport) or [images.instances]
    except LxdImageError:
        return [images.instances]


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
