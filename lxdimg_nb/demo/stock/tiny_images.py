"""Many tiny images, for tests and benchmarks: their files are made when they are exported."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

from ..store.database import Store
from ..store.go_json import from_epoch, nanos_text
from ..store.image_records import Images, Record
from ..store.tarballs import recipe, tarball_from_recipe

__all__ = ["add_tiny_images"]

_SYSTEMS = ("Alpine", "Debian", "Fedora", "Ubuntu")


def add_tiny_images(store: Store, count: int, project: str) -> int:
    """Add images to a project and return how many it holds afterwards."""
    images = Images(store)
    start = int(store.setting("demo.tiny") or "0")
    with store.transaction():
        images.add_many(project, _tiny_images(store, start, count))
        store.set_setting("demo.tiny", str(start + count))
    return len(images.fingerprints(project))


def _tiny_images(store: Store, start: int, count: int) -> Iterator[tuple[Record, str]]:
    now = time.time_ns()
    for number in range(start, start + count):
        created = 1_700_000_000 + number * 600
        properties = {
            "architecture": "amd64",
            "description": f"{_SYSTEMS[number % 4]} build {number}",
            "os": _SYSTEMS[number % 4],
            "release": f"r{number % 12}",
            "serial": f"{number:08d}",
            "type": "tar",
            "variant": "default",
        }
        lines = "".join(f'  {key}: "{value}"\n' for key, value in properties.items())
        text = recipe(f"architecture: x86_64\ncreation_date: {created}\nproperties:\n{lines}")
        content = tarball_from_recipe(text)
        yield (
            Record(
                fingerprint=hashlib.sha256(content).hexdigest(),
                size=len(content),
                type="container",
                architecture="x86_64",
                created_at=from_epoch(created),
                uploaded_at=nanos_text(now - number * 60_000_000_000),
                expires_at=store.flavour.no_expiry,
                filename=f"tiny-{number}.tar",
                properties=properties,
            ),
            text,
        )
