"""Manage the images of LXD and Incus from a notebook.

    import lxdimg_nb as lxdimg

    client = lxdimg.connect()             # the local LXD or Incus
    df = client.images.df()               # a pandas frame with every attribute of every image
    client.images.panel()                 # browse, switch, upload, export

Without a server: `client = lxdimg.connect(demo=True)` starts a demo server and connects to it.
In IPython: `%load_ext lxdimg_nb`, then `%lxdimg`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lxdimg_nb import demo, errors
    from lxdimg_nb.client import Client, Image, connect, enroll, image_metadata
    from lxdimg_nb.errors import LxdImageError
    from lxdimg_nb.inventory import Fleet, History, plan
    from lxdimg_nb.values import Alias, Operation

__version__ = "0.1.0"

__all__ = [
    "Alias",
    "Client",
    "Fleet",
    "History",
    "Image",
    "LxdImageError",
    "Operation",
    "__version__",
    "connect",
    "demo",
    "enroll",
    "errors",
    "image_metadata",
    "load_ipython_extension",
    "plan",
    "unload_ipython_extension",
]

# Names are resolved on first use, so that importing the package loads nothing else.
_MODULES = {
    "Alias": "lxdimg_nb.values",
    "Client": "lxdimg_nb.client",
    "Fleet": "lxdimg_nb.inventory",
    "History": "lxdimg_nb.inventory",
    "Image": "lxdimg_nb.client",
    "LxdImageError": "lxdimg_nb.errors",
    "Operation": "lxdimg_nb.values",
    "connect": "lxdimg_nb.client",
    "enroll": "lxdimg_nb.client",
    "image_metadata": "lxdimg_nb.client",
    "plan": "lxdimg_nb.inventory",
}


def __getattr__(name: str) -> Any:
    if name in ("demo", "errors"):
        return importlib.import_module(f"lxdimg_nb.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module 'lxdimg_nb' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(ipython: Any) -> None:
    """Add the magic `%lxdimg`; called by `%load_ext lxdimg_nb`."""
    from lxdimg_nb import magics

    magics.load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Remove what `%load_ext` added; called by `%unload_ext lxdimg_nb`."""
    from lxdimg_nb import magics

    magics.unload(ipython)
