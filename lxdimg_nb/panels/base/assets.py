"""The script and the style sheet of panels, each as one small text made of the files in `panels/front/`."""

from __future__ import annotations

import functools
import re
from importlib import resources

__all__ = ["script", "style"]

_FRONT = resources.files("lxdimg_nb.panels").joinpath("front")
# In a script: strings, templates and regular expressions, which stay, and operators with the spaces around them.
_LITERALS_OR_OPERATORS = re.compile(
    r"""("(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|(?:(?<=\()|(?<=[=&|] ))/[^/\n]+/)| *([][{}(),;:?=<>+*&|]) *"""
)


@functools.cache
def script() -> str:
    """Return the ES module of panels: the files one after the other, of which only panel.js exports."""
    names = sorted(file.name for file in _FRONT.iterdir() if file.name.endswith(".js"))
    text = "\n".join(map(_stripped, names))
    return _LITERALS_OR_OPERATORS.sub(lambda found: found[1] or found[2], text)


@functools.cache
def style() -> str:
    """Return the style sheet of panels."""
    text = re.sub(r" *([{},;]) *", r"\1", _stripped("panel.css"))
    return re.sub(r"(?<=[a-z0-9]): ", ":", text).replace(";}", "}")


def _stripped(name: str) -> str:
    """Return a file without indentation and comment lines: front ends store both texts in notebooks they save."""
    lines = (line.strip() for line in _FRONT.joinpath(name).read_text(encoding="utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))
