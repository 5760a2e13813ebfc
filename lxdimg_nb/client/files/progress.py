"""The `progress=` argument of long calls: a bar, a callable, or a way to cancel."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any

from lxdimg_nb.errors import OperationCancelledError
from lxdimg_nb.values import Progress

__all__ = ["Cancel", "ProgressArgument", "Report", "reporting"]

# Seconds before a bar is shown at all, so that a quick call leaves no trace in a saved notebook.
BAR_DELAY = 0.3

Report = Callable[[Progress], None]
ProgressArgument = bool | Report | None

_VERBS = {"pack": "packing", "hash": "hashing", "check": "checking", "send": "sending", "receive": "receiving"}


class Cancel:
    """A `progress=` argument that another thread can stop the call with.

    `stop = Cancel(); client.images.create(path, progress=stop)`, elsewhere `stop.cancel()`.
    The call raises `OperationCancelledError` and leaves nothing half-done.

    Args:
        progress: called with what is reported.
        warn: called with warnings about the result; by default they are Python's.
    """

    def __init__(self, progress: Report | None = None, *, warn: Callable[[str], object] = warnings.warn) -> None:
        self._progress = progress
        self.warn = warn
        self._event = threading.Event()

    def cancel(self) -> None:
        """Stop the call at its next block of data."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def __call__(self, progress: Progress) -> None:
        if self.cancelled:
            raise OperationCancelledError("cancelled")
        if self._progress is not None:
            self._progress(progress)


class reporting:  # noqa: N801 - used as a with statement's verb
    """`with reporting(progress) as report:` turns True into a bar; a callable is called, None is silence."""

    def __init__(self, progress: ProgressArgument, name: str = "") -> None:
        self._progress = progress
        self._name = name
        self._bar: Any = None
        self._phase = ""
        self._begin = time.monotonic()

    def __enter__(self) -> Report:
        if callable(self._progress):
            return self._progress
        return self._show if self._progress else lambda _: None

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._close_bar()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show(self, progress: Progress) -> None:
        if progress.phase != self._phase:
            self._close_bar()
            self._phase = progress.phase
            self._bar = self._open_bar(progress)
        if progress.text:
            self._bar.set_postfix_str(progress.text, refresh=False)
        self._bar.update(progress.done - self._bar.n)

    def _open_bar(self, progress: Progress) -> Any:
        from tqdm.auto import tqdm

        class Bar(tqdm):  # type: ignore[type-arg]
            monitor_interval = 0  # otherwise tqdm starts a thread that stays

            def close(self) -> None:
                super().close()
                _close_widgets(getattr(self, "container", None))

        in_bytes = progress.phase != "server"
        return Bar(
            total=progress.total,
            desc=f"{self._name} {_VERBS.get(progress.phase, progress.phase)}".strip(),
            unit="B" if in_bytes else "%",
            unit_scale=in_bytes,
            unit_divisor=1024,
            leave=False,
            mininterval=0.1,
            delay=max(0.0, BAR_DELAY - (time.monotonic() - self._begin)),
        )


def _close_widgets(container: Any) -> None:
    """Close what a notebook's bar is made of: tqdm closes the box alone, and leaves ten comms open with each bar."""
    # The bar of a call that failed stays as it was.
    if container is not None and container.comm is None:
        for widget in container.children:
            for part in (widget.style, widget.layout, widget):
                part.close()
        container.layout.close()
