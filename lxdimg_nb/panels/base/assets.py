"""The script and the style sheet of panels, as they were built from `panels/front/`."""

from __future__ import annotations

import functools
from importlib import resources

__all__ = ["script", "style"]

_BUNDLE = resources.files("lxdimg_nb.panels").joinpath("bundle")


@functools.cache
def script() -> str:
    """Return the ES module of panels."""
    return _BUNDLE.joinpath("panel.js").read_text(encoding="utf-8")


@functools.cache
def style() -> str:
    """Return the style sheet of panels."""
    return _BUNDLE.joinpath("panel.css").read_text(encoding="utf-8")
