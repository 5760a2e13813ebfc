"""A Ctrl-C at a given time, wherever the code is then."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable
from types import FrameType

__all__ = ["InterruptedByTestError", "interrupted"]


class InterruptedByTestError(KeyboardInterrupt):
    """The Ctrl-C of a test."""


def interrupted(seconds: float, call: Callable[[], object]) -> bool:
    """Call, with a Ctrl-C after so many seconds, wherever the code is then.

    That may be in a finalizer, which cannot raise, or within open(), which then leaves a file to be collected:
    Python tells both as unraisable, and both are over when this returns.

    Returns:
        Whether the call was interrupted; False when it had ended before.
    """

    def raise_it(_: int, __: FrameType | None) -> None:
        raise InterruptedByTestError

    def unraisable(told: sys.UnraisableHookArgs) -> None:
        if not isinstance(told.exc_value, (InterruptedByTestError, ResourceWarning)):
            tell(told)

    before, tell = signal.signal(signal.SIGALRM, raise_it), sys.unraisablehook
    sys.unraisablehook = unraisable
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
        gc.collect()
        sys.unraisablehook = tell
    return False
