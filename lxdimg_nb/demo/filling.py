"""Adds many images at once, for tests and benchmarks."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from .demo_server import DemoServer
from .folders import lock_folder
from .stock.tiny_images import add_tiny_images
from .store.database import Store
from .versions.flavours import flavour_named

__all__ = ["fill"]


def fill(place: DemoServer | str | Path, count: int, *, project: str = "default", product: str = "lxd") -> int:
    """Add tiny images, ten thousand in one to two seconds; their files are made when they are exported.

    Args:
        place: a running demo server, or the folder of one that is not running.
        count: how many to add.
        project: where to add them.
        product: for a new folder, the server that it is to imitate.

    Returns:
        How many images the project holds afterwards.

    Raises:
        RuntimeError: the folder is in use.
    """
    if isinstance(place, DemoServer):
        return place.in_loop(lambda daemon: add_tiny_images(daemon.store, count, project))
    folder = Path(place).expanduser().resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = lock_folder(folder)
    try:
        with contextlib.closing(Store(folder, flavour_named(product))) as store:
            return add_tiny_images(store, count, project)
    finally:
        os.close(lock)
