"""What all panels share: one ES module, one actor, messages in and out, a table for who has no JavaScript.

Nothing of a panel is a synced trait: what it shows goes to the browser in custom messages, so that nothing
of it is kept in a saved notebook, and no restored state can ever act. Fields of messages are never called
`id`: ipykernel 7.4 takes that for a request to route.
"""

from __future__ import annotations

import functools
import itertools
import re
import threading
import time
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import anywidget

from lxdimg_nb.errors import LxdImageError
from lxdimg_nb.panels.base.actor import Actor
from lxdimg_nb.panels.base.transfers import transfers
from lxdimg_nb.panels.base.ui_text import why
from lxdimg_nb.text.display import Table

__all__ = ["Panel", "script", "style", "text_of", "texts_of", "whole_of"]

_SCRIPTS = (
    "dom.js",
    "keyboard.js",
    "controls.js",
    "list.js",
    "editing.js",
    "detail.js",
    "sender.js",
    "upload.js",
    "bulk.js",
    "transfers.js",
    "panel.js",
)
_numbers = itertools.count(1)
# A view says that it is there every half minute; browsers slow timers of hidden pages down to one a minute.
VIEW_SECONDS = 150.0
SNAPSHOT_SECONDS = 2.0
# With script and style, which front ends may keep as well, a notebook stays below 100 kB.
SNAPSHOT_BYTES = 18_000

# Of a script: texts, templates and regular expressions, which stay, and signs with the space around them.
_TEXTS_OR_SPACE = re.compile(
    r"""("(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|(?:(?<=\()|(?<=[=&|] ))/[^/\n]+/)| *([][{}(),;:?=<>+*&|]) *"""
)

Handler = Callable[[Mapping[str, Any]], object]


@functools.cache
def script() -> str:
    """The panels' ES module: the files one after the other; only the last exports."""
    text = _lean("\n".join(_front_end_file(name) for name in _SCRIPTS))
    return _TEXTS_OR_SPACE.sub(lambda found: found[1] or found[2], text)


@functools.cache
def style() -> str:
    """The panels' style sheet."""
    text = _lean(_front_end_file("panel.css"))
    return re.sub(r"(?<=[a-z0-9]): ", ":", re.sub(r" *([{},;]) *", r"\1", text)).replace(";}", "}")


def _front_end_file(name: str) -> str:
    return resources.files("lxdimg_nb.panels").joinpath("front", name).read_text(encoding="utf-8")


def _lean(text: str) -> str:
    """Without indentation and lines of comment: front ends keep both files in a notebook they save."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def text_of(content: Mapping[str, Any], name: str) -> str:
    """A text of a message; empty when it is missing or something else."""
    value = content.get(name)
    return value[:4096] if isinstance(value, str) else ""


def texts_of(content: Mapping[str, Any], name: str) -> list[str]:
    """A list of texts of a message."""
    value = content.get(name)
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def whole_of(content: Mapping[str, Any], name: str) -> int:
    """A whole number of a message, 0 when it is missing or something else."""
    value = content.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


class Panel(anywidget.AnyWidget):
    """A widget whose messages are handled one after the other in a thread of its own."""

    kind = "panel"

    def __init__(self) -> None:
        # Read when the first panel is made, not when the package is imported.
        self._esm, self._css = script(), style()
        super().__init__()
        self.actor = Actor(f"lxdimg-panel-{next(_numbers)}")
        self._views: dict[str, float] = {}
        self._busy: set[str] = set()
        self._notices: dict[int, dict[str, Any]] = {}
        self._handlers: dict[str, Handler] = {
            "hello": self._hello,
            "here": self._here,
            "bye": self._bye,
            "cancel": self._cancel,
            "forget": lambda _: transfers.forget(),
            "dismiss": self._dismiss,
        }
        self._stop_listening: Callable[[], None] | None = None
        self._greeted = False
        self.on_msg(self._receive)
        self._free_route()

    def _free_route(self) -> None:
        """Let messages come in where the front end sends them.

        ipykernel 7.4 takes a comm's messages to the (sub)shell that last sent on it, whatever they say
        themselves; opened by a cell, the comm would wait for every cell that runs. Panels do not care where
        their messages come in, so that note is dropped. Other releases have no such attribute.
        """
        comm: Any = self.comm
        if comm is not None:
            vars(comm).pop("_reply_subshell_id", None)

    def _send(self, message: Any, buffers: Any = None) -> None:
        super()._send(message, buffers)
        self._free_route()

    # Messages in

    def _receive(self, _: object, content: object, buffers: list[memoryview]) -> None:
        if isinstance(content, dict) and isinstance(content.get("type"), str):
            # Copied, because the front end's buffers are only lent.
            self.actor.hear(lambda: self._handle(content, buffers))

    def _handle(self, content: dict[str, Any], buffers: list[memoryview]) -> None:
        handler = self._handlers.get(content["type"])
        if handler is None:
            return
        if "view" in content:
            self._greeted = True
            self._here(content)
            self.tell("heard", number=content.get("number"))
        try:
            handler(content | {"buffers": buffers} if buffers else content)
        except LxdImageError as error:
            self.notice(why(error))

    def _hello(self, content: Mapping[str, Any]) -> None:
        self._here(content)
        if self._stop_listening is None:
            self._stop_listening = transfers.listen(self._transfers_changed)
            self.awake()
        self.show_all()

    def _here(self, content: Mapping[str, Any]) -> None:
        self._views[str(content.get("view", ""))[:64]] = time.monotonic()
        self.actor.alarm("views", VIEW_SECONDS, self._count_views)

    def _bye(self, content: Mapping[str, Any]) -> None:
        self._views.pop(str(content.get("view", ""))[:64], None)
        self._count_views()

    def _count_views(self) -> None:
        now = time.monotonic()
        self._views = {view: seen for view, seen in self._views.items() if now - seen < VIEW_SECONDS}
        if self._views:
            self.actor.alarm("views", VIEW_SECONDS, self._count_views)
        else:
            self._sleep()

    def _sleep(self) -> None:
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None
            self.asleep()

    def awake(self) -> None:
        """Called when the first view is there."""

    def asleep(self) -> None:
        """Called when no view is left."""

    # Messages out; only the actor sends

    def tell(self, kind: str, **content: Any) -> None:
        """Send a message to all views; before the first hello there are none."""
        if self._greeted:
            self.send({"type": kind, **content})

    def part(self, name: str, value: Any) -> None:
        """Replace one part of what the views show."""
        self.tell("part", part=name, value=value)

    def show_all(self) -> None:
        """Send every part, for a view that has nothing yet."""
        self.part("transfers", [t.view() for t in transfers])
        self.part("notices", list(self._notices.values()))

    def notice(self, text: str, *, good: bool = False) -> None:
        """Say something at the top of the panel until it is dismissed."""
        number = next(_numbers)
        self._notices = dict(list(self._notices.items())[-3:])
        self._notices[number] = {"number": number, "text": text, "good": good}
        self.part("notices", list(self._notices.values()))

    def _dismiss(self, content: Mapping[str, Any]) -> None:
        self._notices.pop(content.get("notice", -1), None)
        self.part("notices", list(self._notices.values()))

    def _transfers_changed(self) -> None:
        self.actor.nudge("transfers", lambda: self.part("transfers", [t.view() for t in transfers]))

    def _cancel(self, content: Mapping[str, Any]) -> None:
        transfer = transfers.get(content.get("job"))
        if transfer is not None:
            transfer.cancel()
            self._transfers_changed()

    # Without a browser

    def static(self) -> Table:
        """What the panel shows, as a table without JavaScript."""
        return Table(("",), ())

    def prepare(self, ready: threading.Event) -> None:
        """Called before the panel is displayed: set the event once there is something to show."""
        ready.set()

    def snapshot(self) -> Table:
        """What the panel shows: escaped and small, for whoever has no JavaScript or no kernel."""
        ready, taken = threading.Event(), threading.Event()
        made: list[Table] = []

        def take() -> None:
            made.append(self.static())
            taken.set()

        self.actor.post(lambda: self.prepare(ready))
        # A panel is displayed at once even where the server is slow; its static table is then empty.
        ready.wait(SNAPSHOT_SECONDS)
        self.actor.post(take)
        taken.wait(SNAPSHOT_SECONDS)
        return made[0].truncated(SNAPSHOT_BYTES) if made else Table(("",), ())

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle: Any = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        table = self.snapshot()
        return {**data, "text/plain": str(table), "text/html": table.html()}, metadata

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def close(self) -> None:
        """End the panel: its thread, its listening and its views. Transfers go on."""
        if hasattr(self, "actor"):
            self.actor.post(self._sleep)
            self.actor.close()
        super().close()
