"""Inventories for tests, made without a server."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from lxdimg_nb.inventory import InventoryFrame, frame_from_json

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SERVER = "unix:///run/one.socket"


def fingerprint(i: object) -> str:
    """The fingerprint of image `i`."""
    return hashlib.sha256(str(i).encode()).hexdigest()


def days_ago(days: float) -> str:
    """A time as a server writes it."""
    return (NOW - timedelta(days=days)).isoformat().replace("+00:00", "Z")


def image(i: object = 0, **fields: Any) -> dict[str, Any]:
    """An image as a server describes it: private, uploaded ten days ago, never used. `names` are its aliases."""
    names = fields.pop("names", ())
    raw: dict[str, Any] = {
        "fingerprint": fingerprint(i),
        "aliases": [{"name": name, "description": ""} for name in names],
        "architecture": "x86_64",
        "type": "container",
        "size": 100,
        "uploaded_at": days_ago(10),
        "created_at": days_ago(11),
        "last_used_at": "0001-01-01T00:00:00Z",
        "expires_at": "1970-01-01T00:00:00Z",
        "profiles": ["default"],
        "properties": {"os": "Debian", "release": "bookworm", "variant": "default", "serial": str(i)},
    }
    return raw | fields


def inventory(*images: dict[str, Any], **options: Any) -> InventoryFrame:
    """A frame of these images, taken at `NOW`."""
    return frame_from_json(list(images), **{"server": SERVER, "taken_at": NOW, **options})
