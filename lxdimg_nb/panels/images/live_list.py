"""Reads the images of one server for a list, and follows their changes if the server reports them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from lxdimg_nb.client import Images
from lxdimg_nb.client.live import Live, LiveChange
from lxdimg_nb.client.verbs.read.projects import project_names
from lxdimg_nb.errors import IncompleteListError, LxdImageError
from lxdimg_nb.panels.base.actor import Actor
from lxdimg_nb.panels.base.ui_text import error_text
from lxdimg_nb.panels.image.image_row import Row, row_key
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import ImageRecord

__all__ = ["LiveList", "project_choices"]


class LiveList:
    """The images of a server: live, or as they were read.

    Args:
        images: to be read; without them the list is empty.
        server: the name of the server in a fleet.
        warning: why the list is not complete.

    Attributes:
        server: as above.
        left_out: entries of a catalogue that cannot be read.
        behind: how far the server's clock is behind this machine's; ages are counted from its time.

    Raises:
        LxdImageError: the images cannot be read.
    """

    def __init__(self, images: Images | None, server: str = "", warning: str = "") -> None:
        self.server = server
        self._project = images.project if images is not None else ""
        self._records: list[ImageRecord] = []
        self.left_out = 0
        self.behind = timedelta(0)
        self._live: Live | None = None
        self._stop: Callable[[], object] | None = None
        self._closed = False
        try:
            if images is not None and images.server_project.dialect.simplestreams:
                self._records = images.records()
                self.left_out = images.left_out
                if self.left_out:
                    count = formats.plural(self.left_out, "entry")
                    warning = f"{count} of the catalogue cannot be read; client.problems tells why"
            elif images is not None:
                self._live = images.live()
        except IncompleteListError as error:
            self._records = [getattr(image, "record", image) for image in error.images]
            warning = error_text(error)
        if images is not None:
            offset = images.server_project.transport.clock_offset
            self.behind = timedelta(seconds=max(0.0, -offset))
            if words := formats.clock_in_words(offset):
                clock = f"the server's clock is {words} this machine's, so its dates are not what they seem"
                warning = "; ".join(filter(None, (warning, clock)))
        self.warning = f"{display.sanitize(server, 60)}: {warning}" if server and warning else warning

    @property
    def state(self) -> str:
        """`live`, `polling`, `lost` or `closed`; `off` if changes are not followed."""
        return self._live.state if self._live is not None else "off"

    def rows(self) -> list[Row]:
        """Return every image in its latest state."""
        records = self._live.records() if self._live is not None else self._records
        return [Row.of(record, self.server) for record in records]

    def follow(
        self, actor: Actor, changed: Callable[[list[Row], list[str]], object], state_changed: Callable[[], object]
    ) -> None:
        """Report changes in an actor, at most ten times a second: rows that changed, keys of rows that are gone."""
        live = self._live
        if live is None:
            return
        pending: deque[LiveChange] = deque()

        def report() -> None:
            if self._closed:
                return  # It was due when the panel had turned to another list.
            touched: set[str] = set()
            while pending:
                change = pending.popleft()
                touched |= change.changed | change.removed
            if touched:
                found = {fingerprint: live.get(fingerprint) for fingerprint in touched}
                rows = [Row.of(record, self.server) for record in found.values() if record is not None]
                gone = [row_key(self._project, f, self.server) for f, record in found.items() if record is None]
                changed(rows, gone)
            state_changed()

        def listen(change: LiveChange) -> None:
            pending.append(change)
            # Under a key of its own: a step of another server's list must not replace it.
            actor.throttle(f"live-{id(self)}", report)

        self._stop = live.subscribe(listen)

    def compare(self, actor: Actor, record: ImageRecord) -> None:
        """Read an image again, and report it, unless a record that was read elsewhere is the latest known here.

        The other one may be older, and what is known here the same again when its event is heard.
        """
        live = self._live
        if live is None or (known := live.get(record.fingerprint)) is None or known.raw == record.raw:
            return
        # Without a reply the image is reported when it is read the next time.
        actor.in_background(lambda: live.reload(record.fingerprint), lambda _: None, lambda _: None)

    def close(self) -> None:
        """Stop following. The connection is closed in a thread, because that may take a moment."""
        self._closed = True
        if self._stop is not None:
            self._stop()
        if self._live is not None:
            threading.Thread(target=self._live.close, name="lxdimg-live-close", daemon=True).start()


def project_choices(images: Images) -> list[str]:
    """Return the projects that the user can switch to; the current one if the server does not list them."""
    try:
        return project_names(images.server_project) or [images.info.project]
    except LxdImageError:
        return [images.info.project]
