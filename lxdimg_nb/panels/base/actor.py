"""The thread of a panel: it runs everything that the panel does, one step after the other.

Which thread receives a message of the front end depends on the release of ipykernel (the main thread or that of
a subshell, and not always the same), and events and transfers come from threads of their own. A panel's state
is touched by its actor only, so panels need no locks.

A panel sends in the context of the front end's latest message: ipykernel 7.4 serves a comm in the (sub)shell
whose context last sent on it, and ipykernel 7.0 cannot send from a thread without such a context.
"""

from __future__ import annotations

import contextvars
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from lxdimg_nb.errors import LxdImageError

__all__ = ["Actor"]

T = TypeVar("T")
Step = Callable[[], object]
_log = logging.getLogger(__name__)

# At most ten updates of one kind a second reach the browser (jupyter_server drops above 1000 messages a second).
THROTTLE_SECONDS = 0.1
# A thread that has been idle for so long ends; the next step starts another.
IDLE_SECONDS = 20.0


class Actor:
    """Runs steps that any thread posts one after the other, in a daemon thread that ends when it is idle.

    Args:
        name: of the thread.
        on_error: called in the thread with an error of ours that a step raises. Others are logged.
        after_step: called in the thread after each step.
    """

    def __init__(
        self,
        name: str,
        on_error: Callable[[LxdImageError], object] | None = None,
        after_step: Callable[[], object] = lambda: None,
    ) -> None:
        self.name = name
        self._on_error = on_error
        self._after_step = after_step
        self._inbox: queue.SimpleQueue[tuple[contextvars.Context, Step]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._context = contextvars.copy_context()
        # The latest step of each key that waits for its timer, and when the one before it ran.
        self._throttled: dict[str, Step] = {}
        self._ran: dict[str, float] = {}
        self._timers: dict[str, tuple[float, Step]] = {}

    def receive(self, step: Step) -> None:
        """Post a step for the front end's message that this thread is handling; what follows has its context."""
        self._context = contextvars.copy_context()
        self.post(step)

    def post(self, step: Step) -> bool:
        """Run a step after those posted before. Returns False, and does nothing, when it is closed or Python ends."""
        if sys.is_finalizing():
            # A panel that lives until then is closed by its __del__. A thread started there never begins, and
            # Thread.start() would wait for it forever.
            return False
        with self._lock:
            if self._closed:
                return False
            self._inbox.put((self._context.copy(), step))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
                self._thread.start()
            return True

    def throttle(self, key: str, step: Step) -> None:
        """Run a step soon: for one key at most ten times a second, and once after the last call."""
        with self._lock:
            waiting = key in self._throttled
            self._throttled[key] = step

        def run_latest() -> None:
            with self._lock:
                latest = self._throttled.pop(key)
            now = time.monotonic()
            # Of those that ran long ago nothing needs to be known.
            self._ran = {k: ran for k, ran in self._ran.items() if now - ran < THROTTLE_SECONDS} | {key: now}
            latest()

        if not waiting:
            self.post(
                lambda: self._set_timer(f"throttle {key}", run_latest, self._ran.get(key, 0.0) + THROTTLE_SECONDS)
            )

    def call_later(self, key: str, seconds: float, step: Step) -> None:
        """Run a step after some seconds. It replaces one that still waits under the same key."""
        self.post(lambda: self._set_timer(key, step, time.monotonic() + seconds))

    def _set_timer(self, key: str, step: Step, when: float) -> None:
        self._timers[key] = (when, step)

    def in_background(
        self,
        job: Callable[[], T],
        then: Callable[[T], object],
        failed: Callable[[Exception], object],
        unwanted: Callable[[T], object] = lambda _: None,
    ) -> None:
        """Run a job that may take long in another thread, and then one of the two functions in the actor's.

        Args:
            unwanted: called in the other thread with the result when the actor has been closed meanwhile.
        """

        def run() -> None:
            try:
                result = job()
            except Exception as error:  # noqa: BLE001 - whatever went wrong is shown in the panel
                reason = error
                self.post(lambda: failed(reason))
            else:
                if not self.post(lambda: then(result)):
                    unwanted(result)

        context = self._context.copy()
        threading.Thread(target=context.run, args=(run,), name=f"{self.name}-work", daemon=True).start()

    def close(self) -> None:
        """Run what was posted, then end the thread and refuse more."""
        with self._lock:
            self._closed = True
            if self._thread is not None:
                self._inbox.put((self._context.copy(), lambda: None))

    def join(self, timeout: float = 5.0) -> bool:
        """Wait until the thread has ended; False if it has not."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
            return not thread.is_alive()
        return True

    def _run(self) -> None:
        while True:
            try:
                context, step = self._inbox.get(timeout=self._seconds_to_wait())
            except queue.Empty:
                if self._finished():
                    return
            else:
                context.run(self._call, step)
            self._run_due()
            if self._closed and self._finished():
                return

    def _seconds_to_wait(self) -> float:
        if self._closed:
            return 0.0
        now = time.monotonic()
        return max(0.0, min([IDLE_SECONDS, *(when - now for when, _ in self._timers.values())]))

    def _finished(self) -> bool:
        with self._lock:
            if not self._inbox.empty() or (self._timers and not self._closed):
                return False
            self._thread = None
            return True

    def _run_due(self) -> None:
        now = time.monotonic()
        for key, (when, step) in list(self._timers.items()):
            if when <= now and not self._closed:
                del self._timers[key]
                self._context.copy().run(self._call, step)

    def _call(self, step: Step) -> None:
        try:
            try:
                step()
            except LxdImageError as error:
                if self._on_error is None:
                    raise
                self._on_error(error)
            self._after_step()
        except Exception:  # noqa: BLE001 - logged
            # The panel goes on; the reason is in the kernel's log.
            _log.exception("a step of %s failed", self.name)
