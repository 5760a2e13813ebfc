"""The browser's side of a panel, for tests without a browser: says what a view says, remembers what it is told."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.kit.message_shapes import faults
from tests.kit.waiting import until


class FrontEnd:
    """One view of a panel."""

    def __init__(self, panel: Any) -> None:
        self.panel = panel
        self.parts: dict[str, Any] = {}
        self.told: list[dict[str, Any]] = []
        # Of what it was told, what messages.json does not know.
        self.faults: list[str] = []
        # Those of the latest message that had some.
        self.buffers: list[bytes] = []
        self.threads: set[str] = set()
        self._numbers = itertools.count(1)
        panel._send = self._heard

    def _heard(self, message: dict[str, Any], buffers: Any = None) -> None:
        content = message.get("content")
        if message.get("method") != "custom" or not isinstance(content, dict):
            return
        self.threads.add(threading.current_thread().name)
        self.told.append(content)
        self.buffers = buffers or self.buffers
        self.faults += faults("fromKernel", content["type"], {k: v for k, v in content.items() if k != "type"})
        if content["type"] == "parts":
            # As it arrives: tuples are lists in JSON.
            self.parts |= json.loads(json.dumps(content["parts"]))

    def say(self, kind: str, *, buffers: list[bytes] | None = None, **content: Any) -> None:
        """Send a message to the kernel, as a click does."""
        message = {"type": kind, "view": "test", "number": next(self._numbers)} | content
        self.panel._handle_custom_msg(message, [memoryview(b) for b in buffers or ()])

    def settle(self) -> None:
        """Wait until the panel has done all it was told."""
        done = threading.Event()
        self.panel.actor.post(done.set)
        assert done.wait(60)
        assert self.faults == []

    def sees(self, condition: Callable[[dict[str, Any]], Any], *, timeout: float = 30.0) -> bool:
        """Wait until what is shown meets a condition."""

        def met() -> bool:
            try:
                return bool(condition(self.parts))
            except (KeyError, TypeError, IndexError):
                return False

        seen = until(met, timeout=timeout)
        assert self.faults == []
        return seen

    def begin(self) -> FrontEnd:
        """Say hello and wait for the list, or for the image."""
        self.say("hello")
        assert self.sees(lambda p: p["list"]["state"] == "ready" if "list" in p else p["detail"])
        return self


@pytest.fixture
def panels() -> Iterator[Callable[[Any], None]]:
    """Takes panels, closes them after the test and sees that their threads end."""
    made: list[Any] = []
    yield made.append
    for panel in made:
        panel.close()
        assert panel.actor.join(60)


def browser(client: Any, panels: Callable[[Any], None]) -> FrontEnd:
    """A view of the browser of a client's images, with its list."""
    panel = client.images.panel()
    panels(panel)
    return FrontEnd(panel).begin()


def opened(view: FrontEnd, fingerprint: str) -> None:
    """Open an image of the project default."""
    view.say("open", key=f"default/{fingerprint}")
    assert view.sees(lambda p: p["detail"]["fingerprint"] == fingerprint, timeout=60.0)
