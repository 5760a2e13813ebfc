"""Instances and snapshots as JSON documents; nothing ever runs in them."""

from __future__ import annotations

import uuid
from typing import Any

from .flavours import NEVER
from .image_records import ImageRow

__all__ = ["STOPPED", "instance_document", "snapshot_document"]

STOPPED = {"status": "Stopped", "status_code": 102}


def instance_document(
    name: str, project: str, image: ImageRow | None, body: dict[str, Any], created_at: str
) -> dict[str, Any]:
    """A new instance as the API shows it."""
    config = dict(body.get("config", {}))
    if image is not None:
        config |= {f"image.{key}": text for key, text in image.record.properties.items()}
        config["volatile.base_image"] = image.record.fingerprint
    config |= {
        "volatile.apply_template": "create",
        "volatile.cloud-init.instance-id": str(uuid.uuid4()),
        "volatile.uuid": str(uuid.uuid4()),
    }
    root = {"root": {"path": "/", "pool": "default", "type": "disk"}}
    config = dict(sorted(config.items()))
    return {
        "architecture": image.record.architecture if image else "x86_64",
        "config": config,
        "devices": body.get("devices") or {},
        "ephemeral": False,
        "profiles": body.get("profiles", list(image.record.profiles) if image else ["default"]),
        "stateful": False,
        "description": body.get("description", ""),
        "created_at": created_at,
        "expanded_config": config,
        "expanded_devices": root | (body.get("devices") or {}),
        "name": name,
        **STOPPED,
        "last_used_at": "1970-01-01T00:00:00Z",
        "location": "none",
        "type": image.record.type if image else body.get("type") or "container",
        "project": project,
    }


def snapshot_document(instance: dict[str, Any], name: str, created_at: str) -> dict[str, Any]:
    """A snapshot of an instance as the API shows it."""
    kept = ("architecture", "config", "devices", "ephemeral", "expanded_config", "expanded_devices")
    document = {"expires_at": NEVER, **{key: instance[key] for key in kept}}
    return document | {
        "created_at": created_at,
        "last_used_at": NEVER,
        "name": name,
        "profiles": instance["profiles"],
        "stateful": False,
        "size": -1,
        "type": instance["type"],
    }
