"""What is being sent, fetched and checked in this kernel, and what has been: seen by every panel."""

from __future__ import annotations

import contextvars
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client.files.progress import Cancel, Report
from lxdimg_nb.errors import OperationCancelledError
from lxdimg_nb.panels.base.ui_text import sentence, took, why
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import Progress

if TYPE_CHECKING:
    from lxdimg_nb.client.verbs.export import Export

__all__ = ["Transfer", "Transfers", "transfers", "written"]

AT_ONCE = 3
INTERVAL = 0.1
KEPT = 50
_PHASES = {
    "pack": "packing",
    "hash": "hashing",
    "send": "sending",
    "receive": "receiving",
    "server": "the server is unpacking",
}


def written(export: Export) -> list[dict[str, Any]]:
    """The files of an export. Only the browser knows which of them its Jupyter server hands out."""
    return [{"path": str(path.resolve()), "size": path.stat().st_size} for path in export.paths if path.is_file()]


class Transfer:
    """One long piece of work. Its state changes in its own thread; `view()` may be called from any.

    Attributes:
        number: names it among the transfers of this kernel.
        title: what is done, in words.
        stopped: what is left of it when it was cancelled, in words.
        state: `waiting`, `running`, `done`, `failed` or `cancelled`.
        text: how it ended, in words.
        result: what the work returned.
        error: why it failed.
        files: what it wrote to the kernel's disk, as `path` and `size`, for a link where the browser can fetch it.
    """

    def __init__(self, number: int, title: str, where: str, stopped: str = "") -> None:
        self.number = number
        self.title = title
        self.where = where
        self.stopped = stopped
        self.state = "waiting"
        self.text = ""
        self.result: Any = None
        self.error: Exception | None = None
        self.files: list[dict[str, Any]] = []
        self.progress = Progress("")
        self.stopping = False
        self.began = time.monotonic()
        self.ended: float | None = None
        self.finished = threading.Event()
        self.stop = Cancel()
        self._samples: deque[tuple[float, int]] = deque(maxlen=40)

    def cancel(self) -> None:
        """Ask it to stop at its next block of data."""
        self.stopping = True
        self.stop.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, well or not; False when the seconds are over before."""
        return self.finished.wait(timeout)

    def heard(self, progress: Progress) -> None:
        """Remember how far it is."""
        now = time.monotonic()
        if progress.phase != self.progress.phase:
            self._samples.clear()
        if not self._samples or now - self._samples[-1][0] >= INTERVAL:
            self._samples.append((now, progress.done))
        self.progress = progress

    def view(self) -> dict[str, Any]:
        """Its state in words, for a browser."""
        progress, running = self.progress, self.state == "running"
        known = running and bool(progress.total)
        fraction = min(1.0, progress.done / progress.total) if known and progress.total else None
        return {
            "job": self.number,
            "title": display.sanitize(self.title, 160),
            "where": display.sanitize(self.where, 160),
            "state": self.state,
            "fraction": 1.0 if self.state == "done" else fraction,
            "text": self._status() if running else self.text,
            "stopping": self.stopping and self.ended is None,
            "files": self.files,
        }

    def _status(self) -> str:
        if self.stopping:
            return "stopping …"
        progress = self.progress
        phase = _PHASES.get(progress.phase, progress.phase) or "starting"
        parts = [f"{phase}: {display.sanitize(progress.text, 80)}" if progress.text else phase]
        if progress.phase != "server" and progress.total:
            parts.append(f"{formats.size(progress.done)} of {formats.size(progress.total)}")
            samples = list(self._samples)
            if len(samples) > 1 and samples[-1][0] > samples[0][0]:
                speed = (samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0])
                if speed > 0:
                    parts.append(f"{formats.size(speed)}/s")
                    left = (progress.total - progress.done) / speed
                    if left >= 2:
                        parts.append(f"{formats.duration(left)} left")
        return ", ".join(parts)


class Transfers:
    """The transfers of a kernel: at most three run at once, the last fifty are remembered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Transfer] = []
        self._numbers = itertools.count(1)
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._listeners: list[Callable[[], object]] = []

    def __iter__(self) -> Any:
        with self._lock:
            return iter(list(self._all))

    def __repr__(self) -> str:
        lines = [
            f"{t.number}  {t.state}  {display.sanitize(t.title)}  {display.sanitize(t.view()['text'])}" for t in self
        ]
        return "\n".join(lines) or "no transfers"

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Have a function called whenever something changes, from any thread; returns how to end that."""
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
        say: Callable[[Any], str] = str,
        stopped: str = "nothing was left behind",
        then: Callable[[Transfer], object] | None = None,
    ) -> Transfer:
        """Do some work in a thread, in the context of the caller.

        Args:
            title: what is done, for people.
            work: called with the function that it reports to, which raises when it is to stop.
            where: the server it is about, in words.
            say: its result in words.
            stopped: what is left of it when it was cancelled, in words.
            then: called at the end, in the work's thread, however it ended.
        """
        transfer = Transfer(next(self._numbers), title, where, stopped)
        transfer.stop = Cancel(lambda progress: self._progressed(transfer, progress))
        with self._lock:
            self._all.append(transfer)
            ended = [t for t in self._all if t.ended is not None]
            for old in ended[: max(0, len(ended) - KEPT)]:
                self._all.remove(old)
        context = contextvars.copy_context()
        threading.Thread(
            target=context.run,
            args=(self._run, transfer, work, say, then),
            name=f"lxdimg-transfer-{transfer.number}",
            daemon=True,
        ).start()
        self._tell()
        return transfer

    def get(self, number: object) -> Transfer | None:
        """The transfer of that number."""
        return next((t for t in self if t.number == number), None)

    def forget(self) -> None:
        """Take those that have ended off the list."""
        with self._lock:
            self._all = [t for t in self._all if t.ended is None]
        self._tell()

    def _progressed(self, transfer: Transfer, progress: Progress) -> None:
        transfer.heard(progress)
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def _run(
        self,
        transfer: Transfer,
        work: Callable[[Report], Any],
        say: Callable[[Any], str],
        then: Callable[[Transfer], object] | None,
    ) -> None:
        try:
            with self._slots:
                transfer.stop(Progress(""))
                transfer.state, transfer.began = "running", time.monotonic()
                self._tell()
                transfer.result = work(transfer.stop)
            seconds = time.monotonic() - transfer.began
            transfer.text = sentence(f"{say(transfer.result)} {took(seconds)}")
            transfer.state = "done"
        except OperationCancelledError as error:
            transfer.error = error
            transfer.state = "cancelled"
            transfer.text = sentence(f"Cancelled; {transfer.stopped}") if transfer.stopping else why(error)
        except Exception as error:  # noqa: BLE001 - whatever went wrong is shown in the panel
            transfer.error = error
            transfer.state = "failed"
            transfer.text = why(error)
        finally:
            transfer.ended = time.monotonic()
            if then is not None:
                then(transfer)
            transfer.finished.set()
            self._tell()


# One list a kernel: a panel that is opened again after its page was reloaded shows what still runs.
transfers = Transfers()
