"""Ending threads, also when Ctrl-C comes while they are being started."""

from __future__ import annotations

import threading

__all__ = ["join"]


def join(thread: threading.Thread) -> None:
    """Wait for the end of a thread that was told to end."""
    try:
        thread.join()
    except RuntimeError:
        # Interrupted within start(): it has not begun, and ends as soon as it does.
        pass
