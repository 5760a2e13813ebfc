"""Instances and snapshots as JSON documents; nothing ever runs in them."""

from __future__ import annotations

import uuid
from typing import Any

from ..versions.flavours import NEVER
from .image_records import ImageRow
from .refusals import Refusal

__all__ = ["STOPPED", "WRITABLE", "instance_document", "restored", "snapshot_document", "updated"]

STOPPED = {"status": "Stopped", "status_code": 102}
WRITABLE = ("architecture", "config", "devices", "ephemeral", "profiles")
"""The fields that a client writes and that the ETag is made of; `description` is written, too."""

_IDMAP = {
    "volatile.idmap.base": "0",
    "volatile.idmap.next": "[]",
    "volatile.last_state.idmap": "[]",
}
_KEYS = (
    *("agent.", "boot.", "cloud-init.", "cluster.", "environment.", "image.", "limits.", "linux.", "migration."),
    *("nvidia.", "oci.", "raw.", "security.", "smbios11.", "snapshots.", "ubuntu_pro.", "user.", "volatile."),
)


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
    kind = image.record.type if image else body.get("type") or "container"
    config |= _IDMAP if kind == "container" else {}
    return _expanded(
        {
            "architecture": image.record.architecture if image else "x86_64",
            "config": config,
            "devices": body.get("devices") or {},
            "ephemeral": False,
            "profiles": body.get("profiles", list(image.record.profiles) if image else ["default"]),
            "stateful": False,
            "description": body.get("description", ""),
            "created_at": created_at,
            "expanded_config": {},
            "expanded_devices": {},
            "name": name,
            **STOPPED,
            "last_used_at": "1970-01-01T00:00:00Z",
            "location": "none",
            "type": kind,
            "project": project,
        }
    )


def _expanded(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its config in order and the fields that follow from it; profiles add the root disk only."""
    root = {"root": {"path": "/", "pool": "default", "type": "disk"}}
    config = dict(sorted(document["config"].items()))
    return document | {
        "config": config,
        "expanded_config": config,
        "expanded_devices": root | document["devices"],
    }


def updated(document: dict[str, Any], body: dict[str, Any], *, merge: bool) -> dict[str, Any]:
    """An instance with the fields of a PUT, or with `merge` of a PATCH, which leaves out what stays.

    Raises:
        Refusal: 500, a key of the config that there is none of, or a volatile one that may not be removed.
    """
    config, devices = dict(body.get("config", {})), dict(body.get("devices") or {})
    if merge:
        config, devices = {**document["config"], **config}, {**document["devices"], **devices}
    config = {key: value for key, value in config.items() if value}
    for key in sorted(config):
        if not key.startswith(_KEYS):
            raise Refusal(500, f"Invalid config: Unknown configuration key: {key}")
    if any(key in document["config"] and key not in config for key in _IDMAP):
        raise Refusal(500, "Volatile idmap keys can't be deleted by the user")
    written: dict[str, Any] = {"config": config, "devices": devices}
    for field, empty in (("profiles", ["default"]), ("ephemeral", False)):
        written[field] = body.get(field, document[field] if merge else empty)
    # A PATCH without a description removes it, on both daemons.
    written["description"] = body.get("description", "")
    return _expanded(document | written)


def restored(document: dict[str, Any], snapshot: dict[str, Any]) -> dict[str, Any]:
    """An instance as it was when a snapshot of it was taken."""
    return document | {field: snapshot[field] for field in (*WRITABLE, "expanded_config", "expanded_devices")}


def snapshot_document(instance: dict[str, Any], name: str, created_at: str) -> dict[str, Any]:
    """A snapshot of an instance as the API shows it."""
    kept = ("architecture", "config", "devices", "expanded_config", "expanded_devices")
    document = {"expires_at": NEVER, **{key: instance[key] for key in kept}}
    return document | {
        "created_at": created_at,
        "ephemeral": False,  # also of an ephemeral instance, which a restore therefore keeps
        "last_used_at": NEVER,
        "name": name,
        "profiles": instance["profiles"],
        "stateful": False,
        "size": -1,
        "type": instance["type"],
    }
