"""Telling how far a long call is, and stopping it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from lxdimg_nb.errors import OperationCancelledError
from lxdimg_nb.values import Progress

__all__ = ["Cancel", "ProgressArgument", "Report", "reporting"]

# Seconds before a bar is shown at all.
BAR_DELAY = 0.3

Report = Callable[[Progress], None]
ProgressArgument = bool | Report | None

_WORDS = {"pack": "packing", "hash": "hashing", "send": "sending", "receive": "receiving", "server": "server"}


class Cancel:
    """A `progress=` argument that stops the call when another thread says so.

    `stop = Cancel(); client.images.create(path, progress=stop)`, elsewhere `stop.cancel()`.
    The call raises `OperationCancelledError` and leaves nothing half-done.
    """

    def __init__(self, progress: Report | None = None) -> None:
        self._inner = progress
        self._event = threading.Event()

    def cancel(self) -> None:
        """Stop the call at its next block of data."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def __call__(self, progress: Progress) -> None:
        if self._event.is_set():
            raise OperationCancelledError("cancelled")
        if self._inner is not None:
            self._inner(progress)


class reporting:  # noqa: N801 - used as a with statement's verb
    """`with reporting(progress) as report:` turns True into a bar, a callable into itself, None into nothing."""

    def __init__(self, progress: ProgressArgument, name: str = "") -> None:
        self._progress = progress
        self._name = name
        self._bar: Any = None
        self._phase = ""
        self._begin = time.monotonic()

    def __enter__(self) -> Report:
        if callable(self._progress):
            return self._progress
        return self._show if self._progress else _ignore

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._finish()

    def _finish(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show(self, progress: Progress) -> None:
        from tqdm.auto import tqdm

        class Bar(tqdm):  # type: ignore[type-arg]
            monitor_interval = 0  # tqdm's own thread would stay behind

        if progress.phase != self._phase:
            self._finish()
            self._phase = progress.phase
            words = f"{self._name} {_WORDS.get(progress.phase, progress.phase)}".strip()
            bytes_ = progress.phase != "server"
            self._bar = Bar(
                total=progress.total,
                desc=words,
                unit="B" if bytes_ else "%",
                unit_scale=bytes_,
                unit_divisor=1024,
                leave=False,
                mininterval=0.1,
                # What takes no time leaves no trace in a saved notebook.
                delay=max(0.0, BAR_DELAY - (time.monotonic() - self._begin)),
            )
        if progress.text:
            self._bar.set_postfix_str(progress.text, refresh=False)
        self._bar.update(progress.done - self._bar.n)


def _ignore(_: Progress) -> None:
    pass
