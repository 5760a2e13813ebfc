"""The widget that all panels are: one ES module, one actor, messages in and out, a table without JavaScript.

Nothing in a panel is a synced trait. What it shows goes to the browser in custom messages, so a saved notebook
keeps nothing of it, and no restored state can ever act. No field of a message is called `id`: ipykernel 7.4
takes that for a request to route.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import anywidget

from lxdimg_nb.panels.base import assets
from lxdimg_nb.panels.base.actor import Actor
from lxdimg_nb.panels.base.front_end import has_front_end
from lxdimg_nb.panels.base.message_fields import int_field, str_field
from lxdimg_nb.panels.base.transfers import transfers
from lxdimg_nb.panels.base.ui_text import error_text
from lxdimg_nb.text.tables import Table

__all__ = ["Handler", "Panel"]

_numbers = itertools.count(1)
# A view reports every half minute; browsers slow the timers of hidden pages down to one a minute.
VIEW_SECONDS = 150.0
SNAPSHOT_SECONDS = 2.0
# Whatever servers write, a notebook with a panel stays small.
SNAPSHOT_BYTES = 18_000
MAX_NOTICES = 4

Handler = Callable[[Mapping[str, Any]], object]


class Panel(anywidget.AnyWidget):
    """A widget whose messages are handled one after the other in a thread of its own."""

    # Read when the first panel is created: this module is imported then.
    _esm = assets.module()
    _css = assets.style()
    kind = "panel"

    def __init__(self) -> None:
        super().__init__()
        # ipywidgets opens a comm for it as well and leaves that open; a user may assign another one.
        self._own_layout = self.layout
        # Set by `close`, in the actor's thread.
        self.ended = False
        self.actor = Actor(
            f"lxdimg-panel-{next(_numbers)}",
            on_error=lambda error: self.notice(error_text(error)),
            after_step=self._send_shown,
        )
        self._views: dict[str, float] = {}
        # Parts that were shown in the step that runs; they are sent together when it has ended.
        self._shown: dict[str, Any] = {}
        # How many such messages there were: a view that has had fewer asks for all parts.
        self._told = 0
        self._notices: dict[int, dict[str, Any]] = {}
        self._handlers: dict[str, Handler] = {
            # The questions of a page that waited are answered once.
            "load": lambda _: self.actor.throttle("bundle", self._send_bundle),
            "hello": self._hello,
            "bye": self._bye,
            "cancel": self._cancel,
            "forget": lambda _: transfers.forget(),
            "dismiss": self._dismiss,
        }
        self._stop_listening: Callable[[], None] | None = None
        self._greeted = False
        # Set while there is something to show.
        self.ready = threading.Event()
        self.ready.set()
        self.on_msg(self._receive)
        self._free_route()

    def _free_route(self) -> None:
        """Let messages come in where the front end sends them.

        ipykernel 7.4 routes a comm's messages to the (sub)shell that last sent on it, whatever they say
        themselves: opened by a cell, the comm would wait for every cell that runs. Panels accept messages in
        any thread, so that note is removed. Other releases have no such attribute.
        """
        comm: Any = self.comm
        if comm is not None:
            vars(comm).pop("_reply_subshell_id", None)

    def _send(self, message: Any, buffers: Any = None) -> None:
        super()._send(message, buffers)
        self._free_route()

    # Messages in

    def _receive(self, _: object, content: object, buffers: list[memoryview]) -> None:
        if not isinstance(content, dict):
            return
        if "view" in content:
            self.actor.receive(lambda: self._acknowledge(content))
        handler = self._handlers.get(str_field(content, "type"))
        if handler is not None:
            self.actor.receive(lambda: handler(content | {"buffers": buffers}))

    def _acknowledge(self, content: Mapping[str, Any]) -> None:
        self._greeted = True
        self._views[str_field(content, "view")] = time.monotonic()
        self.actor.call_later("views", VIEW_SECONDS, self._count_views)
        self._send_shown()
        self.send_message("heard", number=content.get("number"), told=self._told)
        if self._stop_listening is None and content.get("type") not in ("hello", "bye"):
            # It was silent for long, as on a laptop that slept, and was taken for gone.
            self._hello(content)

    def _hello(self, _: Mapping[str, Any]) -> None:
        if self._stop_listening is None:
            self._stop_listening = transfers.listen(self._transfers_changed)
            self.on_shown()
        self.show_all()

    def _bye(self, content: Mapping[str, Any]) -> None:
        self._views.pop(str_field(content, "view"), None)
        self._count_views()

    def expect_view(self) -> None:
        """Hide the panel after some time if no view appears."""
        if not self._views:
            self.actor.call_later("views", VIEW_SECONDS, self._count_views)

    def _count_views(self) -> None:
        now = time.monotonic()
        self._views = {view: seen for view, seen in self._views.items() if now - seen < VIEW_SECONDS}
        if self._views:
            self.actor.call_later("views", VIEW_SECONDS, self._count_views)
        else:
            self._hide()

    def _hide(self) -> None:
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None
        self.on_hidden()

    def on_shown(self) -> None:
        """Called when the first view appears."""

    def on_hidden(self) -> None:
        """Called when the last view has gone, and when the panel is closed, even if there was none."""

    # Messages out; only the actor sends

    def send_message(self, kind: str, **content: Any) -> None:
        """Send a message to all views. Before the first hello there are none."""
        if self._greeted:
            self._send_shown()
            self.send({"type": kind, **content})

    def _send_bundle(self) -> None:
        self.send({"type": "bundle", "version": assets.version()}, buffers=assets.bundle())

    def show(self, part: str, value: Any) -> None:
        """Replace one part of what the views show. What one step of the actor shows is sent in one message."""
        self._shown[part] = value

    def announce(self, text: str) -> None:
        """Have screen readers say something, once."""
        if text:
            self.show("news", {"number": next(_numbers), "text": text})

    def _send_shown(self) -> None:
        parts, self._shown = self._shown, {}
        if parts and self._greeted:
            self._told += 1
            self.send({"type": "parts", "parts": parts})

    def show_all(self) -> None:
        """Send every part, for a view that has nothing yet."""
        self._show_transfers()
        self._show_notices()

    def notice(self, text: str, *, good: bool = False) -> None:
        """Show a text at the top of the panel until it is dismissed."""
        number = next(_numbers)
        self._notices[number] = {"number": number, "text": text, "good": good}
        self._notices = dict(list(self._notices.items())[-MAX_NOTICES:])
        self._show_notices()

    def _show_notices(self) -> None:
        self.show("notices", list(self._notices.values()))

    def _dismiss(self, content: Mapping[str, Any]) -> None:
        self._notices.pop(int_field(content, "notice"), None)
        self._show_notices()

    def _transfers_changed(self) -> None:
        self.actor.throttle("transfers", self._show_transfers)

    def _show_transfers(self) -> None:
        self.show("transfers", [t.view() for t in transfers])

    def _cancel(self, content: Mapping[str, Any]) -> None:
        if (transfer := transfers.get(content.get("job"))) is not None:
            transfer.cancel()

    # Without a browser

    def static_table(self) -> Table:
        """Return what the panel shows as a table without JavaScript."""
        return Table(("",), ())

    def prepare(self) -> None:
        """Called before the panel is displayed."""

    def snapshot(self) -> Table:
        """Return what the panel shows, small enough to be saved: for readers without JavaScript or a kernel."""
        tables: queue.SimpleQueue[Table] = queue.SimpleQueue()
        self.actor.post(self.prepare)
        # A panel is displayed at once even if the server is slow; its static table is then empty.
        self.ready.wait(SNAPSHOT_SECONDS)
        self.actor.post(lambda: tables.put(self.static_table()))
        try:
            return tables.get(timeout=SNAPSHOT_SECONDS).truncated(SNAPSHOT_BYTES)
        except queue.Empty:
            return Table(("",), ())

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle: Any = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        if not has_front_end():
            data.pop("application/vnd.jupyter.widget-view+json", None)
        table = self.snapshot()
        return {**data, "text/plain": str(table), "text/html": table.html()}, metadata

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def close(self) -> None:
        """End the panel: its thread, its connections and its views. Transfers go on."""
        if hasattr(self, "actor"):
            self.actor.post(self.end)
            self.actor.close()
            self._own_layout.close()
        super().close()

    def end(self) -> None:
        """Called in the actor's thread when the panel is closed."""
        self.ended = True
        self._hide()
