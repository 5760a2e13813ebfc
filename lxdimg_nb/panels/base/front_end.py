"""Tells whether somebody looks at what a cell shows, or a program runs the notebook from beginning to end."""

from __future__ import annotations

import os
from typing import Any

from IPython.core.getipython import get_ipython

__all__ = ["has_front_end"]


def has_front_end() -> bool:
    """Return False if nobody can use a widget that the running cell shows.

    nbclient (`nbconvert --execute`, `jupyter execute`, papermill) says with each cell that it cannot be asked
    for input. It saves every widget's state, and pages made of the notebook then show a widget without a kernel
    in place of its table. Voila runs notebooks in the same way, but for people who look at them.
    """
    kernel: Any = getattr(get_ipython(), "kernel", None)
    if kernel is None or os.environ.get("VOILA_KERNEL_ID"):
        return True
    content = kernel.get_parent("shell").get("content", {})
    return content.get("allow_stdin") is not False
