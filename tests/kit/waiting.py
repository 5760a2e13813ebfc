"""Waiting in tests for what is about to happen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def until(condition: Callable[[], bool], *, timeout: float = 30.0, every: float = 0.02) -> bool:
    """Ask again and again whether something has come true; False when the seconds are over."""
    pause = threading.Event()
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        pause.wait(every)
    return True
