"""Inventories for tests, made without a server."""

from __future__ import annotations

import hashlib
import weakref
from datetime import UTC, datetime, timedelta
from typing import Any

from lxdimg_nb.errors import IncompleteListError
from lxdimg_nb.inventory import InventoryFrame, frame_from_json
from lxdimg_nb.values import ImageRecord, ServerInfo

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


class Held(ImageRecord):
    """A record that weak references can watch."""


class Canned:
    """A client whose server has these images, all or some of them."""

    url = "https://canned"

    def __init__(self, *raws: dict[str, Any], missing: int = 0, trusted: bool = True, broken: bool = False) -> None:
        self.info = ServerInfo("incus", "6.0", "trusted" if trusted else "untrusted", "default", False)
        self.raws, self.missing, self.broken, self.closed = raws, missing, broken, False
        self.images = self

    def records(self, *, all_projects: bool) -> list[ImageRecord]:
        assert all_projects is False
        if self.broken:
            raise ZeroDivisionError("a bug")
        records: list[ImageRecord] = [Held.from_json(raw) for raw in self.raws]
        self.sent = [weakref.ref(record) for record in records]
        if self.missing:
            raise IncompleteListError("some are missing", images=records, missing=["f"] * self.missing)
        return records

    def close(self) -> None:
        self.closed = True
