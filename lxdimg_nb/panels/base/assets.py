"""The script and the style sheet of panels, as they were built from `panels/front/`.

A widget's state holds the loader only, so that notebooks stay small: it asks for script and style, once a page.
With ANYWIDGET_HMR=1, for who works on them, the state holds both, and anywidget shows each change at once.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import os
from importlib import resources

__all__ = ["bundle", "module", "style", "version"]

_BUNDLE = resources.files("lxdimg_nb.panels").joinpath("bundle")
# All three are read at once: the package may be updated while a kernel runs, and then they would not fit.
_LOADER, _SCRIPT, _STYLE = (_BUNDLE.joinpath(name).read_bytes() for name in ("loader.js", "panel.js", "panel.css"))
_HOT_RELOAD = os.environ.get("ANYWIDGET_HMR") == "1"


def module() -> str:
    """Return the ES module of a widget's state, or the path of a file that is watched."""
    return str(_BUNDLE.joinpath("panel.js")) if _HOT_RELOAD else _LOADER.decode()


def style() -> str:
    """Return the style sheet of a widget's state, or the path of a file that is watched."""
    return str(_BUNDLE.joinpath("panel.css")) if _HOT_RELOAD else ""


@functools.cache
def bundle() -> list[bytes]:
    """Return the script and the style sheet that the loader asks for, each compressed with gzip."""
    return [gzip.compress(_SCRIPT, mtime=0), gzip.compress(_STYLE, mtime=0)]


@functools.cache
def version() -> str:
    """Return what tells this script and style from others: the loader names it."""
    return hashlib.sha256(_SCRIPT + _STYLE).hexdigest()[:12]
