"""The magic `%lxdimg`: the verbs of `lxc image`, returning frames and images."""

from __future__ import annotations

from lxdimg_nb.magics.extension import LxdimgMagics, load, unload

__all__ = ["LxdimgMagics", "load", "unload"]
