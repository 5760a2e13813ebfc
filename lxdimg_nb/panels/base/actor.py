"""One thread that does everything for one panel, in order.

Which thread a front end's message arrives in depends on the release of ipykernel (main, or a subshell's, and
not always the same), and events and transfers come from threads of their own. So nobody touches a panel's
state but its actor, and nothing in a panel needs a lock.

What a panel sends is sent in the context of the front end's latest message: ipykernel 7.4 serves a comm in
the (sub)shell whose context last sent on it, and ipykernel 7.0 cannot send from a thread without one.
"""

from __future__ import annotations

import contextvars
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from lxdimg_nb.panels.base.ui_text import log

__all__ = ["Actor"]

T = TypeVar("T")
Step = Callable[[], object]

# At most ten updates of one kind a second reach the browser (jupyter_server drops above 1000 messages a second).
INTERVAL = 0.1
# A thread that has had nothing to do for so long ends; the next message starts another.
IDLE_SECONDS = 20.0


class Actor:
    """Steps posted from any thread run one after the other in one daemon thread that ends when it is idle."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._inbox: queue.SimpleQueue[tuple[contextvars.Context, Step]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._context = contextvars.copy_context()
        self._nudged: dict[str, Step] = {}
        self._ran: dict[str, float] = {}
        self._alarms: dict[str, tuple[float, Step]] = {}

    @property
    def alive(self) -> bool:
        """Whether its thread is there."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def hear(self, step: Step) -> None:
        """Run a step on behalf of the front end's message that is being handled in this thread."""
        self._context = contextvars.copy_context()
        self.post(step)

    def post(self, step: Step) -> None:
        """Run a step after those posted before. Nothing happens once closed, or when Python ends."""
        if sys.is_finalizing():
            # A panel that lives until then is closed by its __del__; a thread that is started there never begins,
            # and Thread.start() waits for it for ever.
            return
        with self._lock:
            if self._closed:
                return
            self._inbox.put((self._context.copy(), step))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
                self._thread.start()

    def nudge(self, key: str, step: Step) -> None:
        """Run a step soon: at most ten times a second for one key, and once after the last nudge."""
        with self._lock:
            waiting = key in self._nudged
            self._nudged[key] = step
        if not waiting:
            self.post(_nothing)

    def alarm(self, key: str, seconds: float, step: Step) -> None:
        """Run a step in so many seconds, replacing an alarm of that key."""

        def set_alarm() -> None:
            self._alarms[key] = (time.monotonic() + seconds, step)

        self.post(set_alarm)

    def aside(self, job: Callable[[], T], then: Callable[[T], object], failed: Callable[[Exception], object]) -> None:
        """Run a job that may take long in a thread of its own, and what follows in the actor's."""

        def run() -> None:
            try:
                result = job()
            except Exception as error:  # noqa: BLE001 - whatever went wrong is shown in the panel
                reason = error
                self.post(lambda: failed(reason))
            else:
                self.post(lambda: then(result))

        context = self._context.copy()
        threading.Thread(target=context.run, args=(run,), name=f"{self.name}-work", daemon=True).start()

    def close(self) -> None:
        """Do what was posted, then end the thread and refuse more."""
        with self._lock:
            self._closed = True
            self._nudged.clear()
            if self._thread is not None:
                self._inbox.put((self._context.copy(), _nothing))

    def join(self, timeout: float = 5.0) -> bool:
        """Wait until the thread has ended; False when it has not."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
            return not thread.is_alive()
        return True

    def _run(self) -> None:
        while True:
            try:
                context, step = self._inbox.get(timeout=self._patience())
            except queue.Empty:
                if self._finished():
                    return
            else:
                context.run(self._guarded, step)
            self._due()
            if self._closed and self._finished():
                return

    def _patience(self) -> float:
        if self._closed:
            return 0.0
        now = time.monotonic()
        times = [self._ran.get(key, 0.0) + INTERVAL for key in list(self._nudged)]
        times += [when for when, _ in self._alarms.values()]
        return max(0.0, min([IDLE_SECONDS, *(when - now for when in times)]))

    def _finished(self) -> bool:
        with self._lock:
            if not self._closed and (self._nudged or self._alarms):
                return False
            if not self._inbox.empty():
                return False
            self._thread = None
            return True

    def _due(self) -> None:
        now = time.monotonic()
        for key in list(self._nudged):
            if self._ran.get(key, 0.0) + INTERVAL <= now:
                with self._lock:
                    step = self._nudged.pop(key)
                self._ran[key] = now
                self._context.copy().run(self._guarded, step)
        for key, (when, step) in list(self._alarms.items()):
            if when <= now and not self._closed:
                del self._alarms[key]
                self._context.copy().run(self._guarded, step)

    def _guarded(self, step: Step) -> None:
        try:
            step()
        except Exception:  # noqa: BLE001 - logged
            # The panel goes on; whoever looks for the reason finds it in the kernel's log.
            log.exception("a step of %s failed", self.name)


def _nothing(*_: Any) -> None:
    pass
