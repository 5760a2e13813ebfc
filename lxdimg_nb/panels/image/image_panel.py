"""The panel of one image: `image.panel()`."""

from __future__ import annotations

import logging
import threading
from typing import Any

from lxdimg_nb.client import Image, Images, live
from lxdimg_nb.client.events import Events
from lxdimg_nb.client.project import Project
from lxdimg_nb.errors import ApiError, LxdImageError
from lxdimg_nb.panels.image.image_actions import ImageActions
from lxdimg_nb.panels.image.image_row import Row, image_name
from lxdimg_nb.text import display
from lxdimg_nb.text.tables import Table
from lxdimg_nb.values import ImageRecord, image_table

__all__ = ["ImagePanel"]

_log = logging.getLogger(__name__)


class ImagePanel(ImageActions):
    """Shows an image as it was read, and follows its changes."""

    kind = "image"

    def __init__(self, image: Image) -> None:
        super().__init__(Images(image.server_project))
        self.open = Row.of(image.record)
        self._watch: _Watch | None = None

    def header(self) -> dict[str, Any]:
        # There is no list to read again.
        return super().header() | ({"live_text": ""} if self.live == "off" else {})

    def on_shown(self) -> None:
        if self.open is not None and not self.ended:
            self._watch = _Watch(self, self.open.record.fingerprint)

    def on_hidden(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def replaced(self, row: Row, record: ImageRecord) -> None:
        super().replaced(row, record)
        self.on_hidden()
        self.on_shown()

    def reread(self) -> None:
        """Read the image again, once what is being written or read has ended: its record may be an older one."""
        before = self.open
        if before is None:
            return
        if before.key in self.editor.busy or before.key in self.editor.rereading:
            self.actor.throttle("reread", self.reread)
        else:
            self.editor.reread(before, lambda: self._announce_change(before))

    def _announce_change(self, before: Row) -> None:
        if self.open is not None and self.open.key == before.key and self.open.record.raw != before.record.raw:
            self.announce(f"Changed: {display.sanitize(image_name(self.open.record), 80)}.")

    def static_table(self) -> Table:
        return image_table(self.open.record) if self.open is not None else super().static_table()


class _Watch:
    """Has a panel read its image once the server's events are heard, and again when one of them is about it.

    Reading first would miss a change that is made between the two. Where events cannot be heard the image is
    read again every 30 s; that of a catalogue, which has no events, once.
    """

    def __init__(self, panel: ImagePanel, fingerprint: str) -> None:
        self._panel = panel
        self._fingerprint = fingerprint
        self._events: Events | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="lxdimg-watch", daemon=True).start()

    def _run(self) -> None:
        project = self._panel.images.server_project
        if project.dialect.simplestreams:
            self._begin("off")
            return
        while not self._closed.is_set():
            try:
                self._listen(project)
            except LxdImageError as error:
                _log.info("events cannot be read: %s", error)
                self._begin("polling" if isinstance(error, ApiError) else "lost")
                self._closed.wait(live.POLL_SECONDS)

    def _listen(self, project: Project) -> None:
        with project.events(on_lost=lambda: self._show("lost")) as self._events:
            if self._closed.is_set():
                return
            self._begin("live")
            for event in self._events:
                about = event.source + str(event.context.get("target") or "")
                if event.type == "reconnected":
                    self._begin("live")
                elif self._fingerprint in about or "alias" in event.action:
                    self._read()

    def _begin(self, state: str) -> None:
        self._show(state)
        self._read()

    def _show(self, state: str) -> None:
        if not self._closed.is_set():
            self._panel.actor.post(lambda: self._panel.set_live(state))

    def _read(self) -> None:
        if not self._closed.is_set():
            self._panel.actor.throttle("reread", self._panel.reread)

    def close(self) -> None:
        """End its thread and its connection."""
        self._closed.set()
        if self._events is not None:
            self._events.close()
