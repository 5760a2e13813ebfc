"""The transfers of a kernel: what is being sent, fetched and checked, and what has been. Every panel shows them."""

from __future__ import annotations

import contextvars
import itertools
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lxdimg_nb.client.files.progress import Cancel, Report
from lxdimg_nb.errors import OperationCancelledError
from lxdimg_nb.panels.base.ui_text import error_text, sentence
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import Progress

__all__ = ["Transfer", "Transfers", "transfers"]

MAX_RUNNING = 3
MAX_FINISHED = 50
SAMPLE_SECONDS = 0.1
_PHASES = {
    "pack": "packing",
    "hash": "hashing",
    "check": "checking",
    "send": "sending",
    "receive": "receiving",
    "server": "the server is unpacking",
}


class Transfer:
    """One long-running call. Its state changes in its own thread; any thread may read it.

    Attributes:
        number: its number among the transfers of this kernel.
        title: what it does.
        where: the server it is about.
        cancelled_text: what is left of it when it is cancelled.
        state: `waiting`, `running`, `done`, `failed` or `cancelled`.
        text: how it ended.
        result: what the call returned.
        error: why it failed.
        warnings: what there is to say of a result that is not as it should be.
        files: what it wrote to the kernel's disk, as `path` and `size`, for a link if the browser can fetch it.
    """

    def __init__(self, number: int, title: str, where: str, cancelled_text: str, changed: Callable[[], object]) -> None:
        self.number = number
        self.title = title
        self.where = where
        self.cancelled_text = cancelled_text
        self.state = "waiting"
        self.text = ""
        self.result: Any = None
        self.error: Exception | None = None
        self.files: list[dict[str, Any]] = []
        self.progress = Progress("")
        self.warnings: list[str] = []
        self.report = Cancel(self._record, warn=self.warnings.append)
        self._ended = threading.Event()
        self._changed = changed
        self._samples: deque[tuple[float, int]] = deque(maxlen=40)

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("waiting", "running")

    def cancel(self) -> None:
        """Stop it at its next block of data, or at once while it waits for its turn. It says so at once."""
        self.report.cancel()
        self._changed()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended in whatever way; False if that takes longer than `timeout` seconds."""
        return self._ended.wait(timeout)

    def _record(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.phase != self.progress.phase:
            self._samples.clear()
        if not self._samples or now - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples.append((now, progress.done))
        self.progress = progress
        self._changed()

    def view(self) -> dict[str, Any]:
        """Return its state as a browser shows it."""
        progress, running = self.progress, self.state == "running"
        fraction = min(1.0, progress.done / progress.total) if running and progress.total else None
        return {
            "job": self.number,
            "title": display.sanitize(self.title, 160),
            "where": display.sanitize(self.where, 160),
            "state": self.state,
            "fraction": 1.0 if self.state == "done" else fraction,
            "text": self._status() if self.active else self.text,
            "stopping": self.report.cancelled and self.active,
            "files": self.files,
        }

    def _status(self) -> str:
        if self.report.cancelled:
            return "cancelling …"
        if self.state == "waiting":
            return "waiting for its turn"
        progress = self.progress
        phase = _PHASES.get(progress.phase, progress.phase) or "starting"
        parts = [f"{phase}: {display.sanitize(progress.text, 80)}" if progress.text else phase]
        if progress.phase != "server" and progress.total:
            parts.append(f"{formats.size(progress.done)} of {formats.size(progress.total)}")
            if speed := self._bytes_per_second():
                parts.append(f"{formats.size(speed)}/s")
                left = (progress.total - progress.done) / speed
                if left >= 2:
                    parts.append(f"{formats.duration(left)} left")
        return ", ".join(parts)

    def _bytes_per_second(self) -> float:
        samples = list(self._samples)
        if len(samples) < 2:
            return 0.0
        (begin, first), (end, last) = samples[0], samples[-1]
        return max(0.0, (last - first) / (end - begin))


class Transfers:
    """The transfers of a kernel: three run at the same time, the last fifty that ended are remembered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Transfer] = []
        self._numbers = itertools.count(1)
        self._turn = threading.Condition()
        self._running = 0
        self._listeners: list[Callable[[], object]] = []

    def __iter__(self) -> Iterator[Transfer]:
        with self._lock:
            return iter(list(self._all))

    def __repr__(self) -> str:
        views = ((t.number, t.view()) for t in self)
        return "\n".join(f"{n}  {v['state']}  {v['title']}  {v['text']}" for n, v in views) or "no transfers"

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call a function whenever something changes, from any thread. Returns a function that ends this."""
        with self._lock:
            self._listeners.append(listener)

        def stop() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return stop

    def start(
        self,
        title: str,
        work: Callable[[Report], Any],
        *,
        where: str = "",
        result_text: Callable[[Any], str] = str,
        cancelled_text: str = "",
        on_end: Callable[[Transfer], object] | None = None,
    ) -> Transfer:
        """Run a call in a thread, in the context of the caller.

        Args:
            title: what it does.
            work: called with the function to which it reports its progress, and which raises to cancel it.
            where: the server it is about.
            result_text: describes what `work` returned.
            cancelled_text: what is left of it when it is cancelled; empty is what the client says, or nothing.
            on_end: called in the thread of the transfer however it ended.
        """
        transfer = Transfer(next(self._numbers), title, where, cancelled_text, self._notify)
        with self._lock:
            ended = [t for t in self._all if not t.active]
            forgotten = ended[: max(0, len(ended) - MAX_FINISHED)]
            self._all = [t for t in self._all if t not in forgotten] + [transfer]
        threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._run, transfer, work, result_text, on_end),
            name=f"lxdimg-transfer-{transfer.number}",
            daemon=True,
        ).start()
        self._notify()
        return transfer

    def get(self, number: object) -> Transfer | None:
        """Return the transfer of that number."""
        return next((t for t in self if t.number == number), None)

    def forget(self) -> None:
        """Remove those that have ended."""
        with self._lock:
            self._all = [t for t in self._all if t.active]
        self._notify()

    def _notify(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()
        with self._turn:
            self._turn.notify_all()

    @contextmanager
    def _slot(self, transfer: Transfer) -> Iterator[None]:
        """Wait until one of those that run has ended; OperationCancelledError if it is cancelled before."""
        with self._turn:
            self._turn.wait_for(lambda: transfer.report.cancelled or self._running < MAX_RUNNING)
            if transfer.report.cancelled:
                raise OperationCancelledError("cancelled")
            self._running += 1
        try:
            yield
        finally:
            with self._turn:
                self._running -= 1
                self._turn.notify_all()

    def _run(
        self,
        transfer: Transfer,
        work: Callable[[Report], Any],
        result_text: Callable[[Any], str],
        on_end: Callable[[Transfer], object] | None,
    ) -> None:
        try:
            with self._slot(transfer):
                transfer.report(Progress(""))
                transfer.state = "running"
                began = time.monotonic()
                self._notify()
                transfer.result = work(transfer.report)
            seconds = time.monotonic() - began
            told = [f"{result_text(transfer.result)} in {formats.duration(seconds)}", *transfer.warnings]
            transfer.text = " ".join(sentence(text) for text in told)
            transfer.state = "done"
        except OperationCancelledError as error:
            transfer.error = error
            transfer.text = _cancelled(transfer, error) if transfer.report.cancelled else error_text(error)
            transfer.state = "cancelled"
        except Exception as error:  # noqa: BLE001 - whatever went wrong is shown in the panel
            transfer.error = error
            transfer.text = error_text(error)
            transfer.state = "failed"
        finally:
            if on_end is not None:
                on_end(transfer)
            if transfer.error is not None:
                _release_locals(transfer.error)
            # This frame is part of the error's traceback, too.
            del work, result_text, on_end
            transfer._ended.set()
            self._notify()


def _cancelled(transfer: Transfer, error: OperationCancelledError) -> str:
    notes = getattr(error, "__notes__", ())
    if notes and not transfer.cancelled_text:
        return sentence(" ".join(["Cancelled.", *notes]))
    return sentence(f"Cancelled; {transfer.cancelled_text or 'nothing was left behind'}")


def _release_locals(error: BaseException) -> None:
    """Free what the calls that an error came through worked with: the panel, for one. Their names and lines stay."""
    left: list[BaseException | None] = [error]
    seen: set[int] = set()
    while left:
        one = left.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            traceback.clear_frames(one.__traceback__)
            left += [one.__cause__, one.__context__]


# One list for the kernel: a panel that is opened again after its page was reloaded shows what still runs.
transfers = Transfers()
