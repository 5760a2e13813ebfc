"""A Ctrl-C at a given time, or at every line where something can be seen."""

from __future__ import annotations

import contextvars
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = [
    "InterruptedByTestError",
    "Line",
    "collected",
    "interrupted",
    "interrupted_at",
    "lines_below",
    "lines_that_see",
]


class InterruptedByTestError(KeyboardInterrupt):
    """The Ctrl-C of a test."""


@contextmanager
def collected() -> Iterator[None]:
    """Have what interrupts within this left half made be collected at its end, without a word.

    An interrupt may come in a finalizer, which cannot raise, or within open(), which then leaves a file to be
    collected: Python tells both as unraisable.
    """

    def unraisable(told: sys.UnraisableHookArgs) -> None:
        if not isinstance(told.exc_value, (InterruptedByTestError, ResourceWarning)):
            tell(told)

    tell = sys.unraisablehook
    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        gc.collect()
        sys.unraisablehook = tell


def interrupted(seconds: float, call: Callable[[], object]) -> bool:
    """Call, with a Ctrl-C after so many seconds, wherever the code is then.

    Returns:
        Whether the call was interrupted; False when it had ended before.
    """

    def raise_it(_: int, __: FrameType | None) -> None:
        raise InterruptedByTestError

    with collected():
        before = signal.signal(signal.SIGALRM, raise_it)
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            try:
                call()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except InterruptedByTestError:
            return True
        finally:
            signal.signal(signal.SIGALRM, before)
    return False


Line = tuple[str, int]
"""A file and a line of it."""


def lines_that_see(texts: list[str], call: Callable[[], object]) -> list[Line]:
    """The lines that a call runs through while a local variable of their function shows one of the texts.

    Args:
        texts: may still grow, as secrets are made.
    """
    return _lines(call, lambda frame: any(text in _locals(frame) for text in texts))


def lines_below(folder: Path, call: Callable[[], object]) -> list[Line]:
    """The lines of the files in a folder that a call runs through in this thread, each once."""
    return _lines(call, lambda _: True, files=str(folder))


def _lines(call: Callable[[], object], wanted: Callable[[FrameType], bool], *, files: str = "") -> list[Line]:
    """The wanted lines that a call runs through, each once, of files whose paths begin so."""
    found: dict[Line, None] = {}
    tracing = sys.gettrace()

    def look(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(files):
            return None
        if event == "line" and wanted(frame):
            found[frame.f_code.co_filename, frame.f_lineno] = None
        return look

    sys.settrace(look)
    try:
        call()
    finally:
        sys.settrace(tracing)
    return list(found)


def _locals(frame: FrameType) -> str:
    try:
        return repr(frame.f_locals)
    except Exception:  # noqa: BLE001 - half-made objects have no repr
        return ""


def interrupted_at(line: Line, call: Callable[[], object]) -> BaseException | None:
    """What a call raises with a Ctrl-C when it comes to that line for the first time; None if it ends without.

    It runs in a thread of its own: an interrupt at the end of an `except` leaves CPython 3.11 with that error as the
    one that is being handled, for as long as the thread lives, and it would be the context of all later ones.
    """
    raised: list[BaseException] = []

    def wait(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and (frame.f_code.co_filename, frame.f_lineno) == line:
            sys.settrace(None)
            raise InterruptedByTestError
        return wait if frame.f_code.co_filename == line[0] or event != "call" else None

    def run() -> None:
        sys.settrace(wait)
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - whatever became of the interrupt
            raised.append(error)
        finally:
            sys.settrace(None)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,))
    thread.start()
    thread.join()
    return raised[0] if raised else None
