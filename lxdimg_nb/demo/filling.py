"""Many images at once, for tests and for measuring."""

from __future__ import annotations

import os
from pathlib import Path

from .demo_server import DemoServer
from .folders import hold
from .stock.initial_inventory import tiny_images
from .store.database import Store
from .store.flavours import flavour_named
from .store.image_records import Images

__all__ = ["fill"]


def fill(place: DemoServer | str | Path, count: int, *, project: str = "default", product: str = "lxd") -> int:
    """Add tiny images, some ten thousand a second or two; their files are made when somebody exports them.

    Args:
        place: a running demo server, or the folder of one that does not run.
        count: how many to add.
        project: where to add them.
        product: for a new folder, whom its server will imitate.

    Returns:
        How many images the project holds afterwards.

    Raises:
        RuntimeError: the folder is in use.
    """
    if isinstance(place, DemoServer):
        return place.in_loop(lambda daemon: _fill(daemon.store, daemon.images, count, project))
    folder = Path(place).expanduser().resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = hold(folder)
    try:
        store = Store(folder, flavour_named(product))
        try:
            return _fill(store, Images(store), count, project)
        finally:
            store.close()
    finally:
        os.close(held)


def _fill(store: Store, images: Images, count: int, project: str) -> int:
    start = int(store.setting("demo.tiny") or "0")
    with store.change():
        images.add_many(project, tiny_images(store, count, start=start))
        store.set_setting("demo.tiny", str(start + count))
    return len(images.fingerprints(project))
