"""`/1.0/instances`: records of instances made from images, also of other servers; nothing ever runs in them.

They exist so that images are in use: `volatile.base_image` of an instance or a snapshot is the fingerprint of
the image it came from.

Source: LXD REST API; replies of LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from ..http.go_structs import Struct
from ..http.replies import Reply, sync
from ..http.routing import Call, Routes
from ..store.background_operations import Operation
from ..store.event_hub import url_of
from ..store.go_json import etag, now_text
from ..store.image_records import ImageRow
from ..store.instance_records import STOPPED, WRITABLE, instance_document, restored, snapshot_document, updated
from ..store.refusals import Refusal
from ..versions.flavours import NEVER
from .copies import cached_image

__all__ = ["routes"]

routes = Routes()
_INSTANCES_POST = Struct(
    "InstancesPost",
    "name string, type string, architecture string, config map[string]string, devices any, profiles []string,"
    "description string",
    source=Struct(
        "InstanceSource",
        "type string, alias string, fingerprint string, server string, protocol string, certificate string,"
        "secret string, project string, mode string",
    ),
)
_INSTANCE_PUT = Struct(
    "InstancePut",
    "architecture string, config map[string]string, devices any, ephemeral bool, profiles []string, restore string,"
    "stateful bool, description string",
)
_SNAPSHOT_PUT = Struct("InstanceSnapshotPut", "expires_at any")
_STATE_PUT = Struct("InstanceStatePut", "action string, timeout any, force bool, stateful bool")
_RUNNING = {"status": "Running", "status_code": 103}
_UNSUPPORTED = ("restart", "freeze", "unfreeze")


def _row(call: Call, name: str) -> sqlite3.Row:
    row = call.store.find("instances", project=call.project, name=name)
    if row is None:
        text = f'Failed to fetch instance "{name}" in project "{call.project}": Instance not found'
        raise Refusal(404, text if call.incus else "Instance not found")
    return row


def _snapshots(call: Call, row: sqlite3.Row) -> list[dict[str, Any]]:
    return [json.loads(found["document"]) for found in call.store.select("snapshots", instance=row["id"])]


@routes.add("GET", "/1.0/instances")
def list_instances(call: Call) -> Reply:
    """Instances as URLs, documents, or documents with state and snapshots."""
    where = {} if call.query.get("all-projects") == "true" else {"project": call.project}
    rows = call.store.select("instances", order="project, name", **where)
    if call.caller.projects is not None:
        rows = [row for row in rows if row["project"] in call.caller.projects]
    if not call.recursion:
        return sync([url_of(f"/1.0/instances/{row['name']}", call.project) for row in rows])
    return sync([_document(call, row, full=call.recursion > 1) for row in rows])


def _document(call: Call, row: sqlite3.Row, *, full: bool) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(row["document"])
    if full:
        document |= {"backups": None, "state": _state(call, document), "snapshots": _snapshots(call, row) or None}
    return document


@routes.add("GET", "/1.0/containers", only="lxd")
@routes.add("GET", "/1.0/virtual-machines", only="lxd")
def list_of_one_type(call: Call) -> Reply:
    """The instances of one type, at the paths of older clients."""
    kind = call.path.rsplit("/", 1)[-1].split("?")[0]
    documents = [json.loads(row["document"]) for row in call.store.select("instances", project=call.project)]
    documents = [one for one in documents if f"{one['type']}s" == kind]
    return sync(documents if call.recursion else [f"/1.0/{kind}/{one['name']}" for one in documents])


@routes.add("GET", "/1.0/instances/{name}")
def get_instance(call: Call, name: str) -> Reply:
    """One instance."""
    document = _document(call, _row(call, name), full=call.recursion > 0)
    return sync(document, etag=_etag(document))


def _etag(document: dict[str, Any]) -> str:
    return etag([document[field] for field in WRITABLE])


def _state(call: Call, document: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = {
        "status": document["status"],
        "status_code": document["status_code"],
        "disk": {},
        "memory": {"usage": 0, "usage_peak": 0, "swap_usage": 0, "swap_usage_peak": 0},
        "network": None,
        "pid": 0,
        "processes": 0,
        "cpu": {"usage": 0},
    }
    if call.incus:
        state["memory"]["total"] = 0
        state |= {"cpu": {"usage": 0, "allocated_time": 0}, "started_at": NEVER, "os_info": None}
    return state


@routes.add("GET", "/1.0/instances/{name}/state")
def get_state(call: Call, name: str) -> Reply:
    """Whether it is started; it never has a process."""
    return sync(_state(call, json.loads(_row(call, name)["document"])))


@routes.add("PUT", "/1.0/instances/{name}/state")
def put_state(call: Call, name: str) -> Reply:
    """Start or stop an instance."""
    row = _row(call, name)
    action = call.json(_STATE_PUT).get("action", "")
    if action not in ("start", "stop"):
        raise Refusal(400, f"Unknown action: '{action}'" if action not in _UNSUPPORTED else "Not possible in a demo")
    wanted, past, title = (
        (_RUNNING, "started", "Starting instance") if action == "start" else (STOPPED, "stopped", "Stopping instance")
    )

    async def work(_operation: Operation) -> None:
        document = json.loads(row["document"])
        if document["status"] == wanted["status"]:
            raise Refusal(400, f"The instance is already {str(wanted['status']).lower()}")
        call.store.update("instances", row["id"], document=document | wanted)
        call.send_event(f"instance-{past}", f"/1.0/instances/{name}", call.project)

    return call.start(title, work, resources={"instances": [f"/1.0/instances/{name}"]})


@routes.add("POST", "/1.0/instances")
def post_instance(call: Call) -> Reply:
    """Make an instance from an image, or an empty one."""
    body = call.json(_INSTANCES_POST)
    source = body.get("source", {})
    name = body.get("name") or f"demo-{uuid.uuid4().hex[:6]}"
    if not re.fullmatch(r"[A-Za-z0-9-]+", name):
        text = "Invalid instance name: Name can only contain alphanumeric and hyphen characters"
        raise Refusal(400, text)
    if source.get("type") not in ("image", "none"):
        raise Refusal(400, f"Unknown source type {source.get('type', '')}")
    wanted = body.get("profiles", [])
    for profile in _unknown_profiles(call, wanted):
        raise Refusal(500, f'Requested profile "{profile}" doesn\'t exist')
    elsewhere = bool(source.get("server"))
    found = None if elsewhere else _image_of(call, source)

    async def work(operation: Operation) -> None:
        kind = {"image_type": body.get("type") or "container"}
        image = await cached_image(call, source | kind, operation) if elsewhere else found
        if source["type"] == "image" and image is None:
            raise Refusal(500, "Image not provided for instance creation")
        if image is not None and body.get("type") not in (None, "", image.record.type):
            text = f'Requested image\'s type "{image.record.type}" doesn\'t match instance type "{body["type"]}"'
            raise Refusal(500, text)
        if len(set(wanted)) < len(wanted):
            raise Refusal(500, "Failed creating instance record: Duplicate profile found in request")
        _add_instance(call, name, image, body)

    return call.start("Creating instance", work, resources=_resources(call, name))


def _unknown_profiles(call: Call, names: list[str]) -> list[str]:
    holder = call.store.project_with("profiles", call.project, "")
    known = {row["name"] for row in call.store.select("profiles", project=holder)}
    return [name for name in names if name not in known]


def _image_of(call: Call, source: dict[str, Any]) -> ImageRow | None:
    if source["type"] != "image":
        return None
    images, project = call.images, call.images_project()
    if source.get("alias"):
        if images.has_alias(project, source["alias"]) or not call.incus:
            return images.exact(project, images.alias(project, source["alias"])["target"])
    elif source.get("fingerprint"):
        with contextlib.suppress(Refusal):
            return images.find(project, source["fingerprint"])
    return None


def _resources(call: Call, name: str) -> dict[str, list[str]]:
    found = {"instances": [f"/1.0/instances/{name}"]}
    return found if call.incus else {"containers": [f"/1.0/containers/{name}"], **found}


def _add_instance(call: Call, name: str, image: ImageRow | None, body: dict[str, Any]) -> None:
    if call.store.find("instances", project=call.project, name=name):
        text = "Failed creating instance record: Add instance info to the database: "
        if call.incus:
            text += 'Failed to create "instances" entry: UNIQUE constraint failed: instances.project_id, instances.name'
        else:
            text += 'This "instances" entry already exists'
        raise Refusal(500, text)
    now = now_text()
    holder = call.store.project_with("profiles", call.project, "")
    if image is not None and "profiles" not in body and image.project not in (call.project, holder):
        # The image's profiles are those of another project.
        body = {**body, "profiles": ["default"]}
    document = instance_document(name, call.project, image, body, now)
    with call.store.transaction():
        call.store.insert("instances", project=call.project, name=name, document=document)
        if image is not None:
            call.images.update(image, last_used_at=now)
    call.send_event("instance-created", f"/1.0/instances/{name}", call.project, {"type": document["type"]})


@routes.add("PUT", "/1.0/instances/{name}")
def put_instance(call: Call, name: str) -> Reply:
    """Replace what may be written of an instance, or restore a snapshot of it."""
    row = _row(call, name)
    body = _instance_body(call, row)
    wanted = body.get("restore", "")
    if wanted:
        return call.start("Restoring snapshot", _restoring(call, row, wanted), resources=_resources(call, name))

    async def work(_operation: Operation) -> None:
        _update(call, row, body, merge=False)

    return call.start("Updating instance", work, resources=_resources(call, name))


@routes.add("PATCH", "/1.0/instances/{name}")
def patch_instance(call: Call, name: str) -> Reply:
    """Change some of what may be written of an instance; an empty value removes a key of its config."""
    row = _row(call, name)
    _update(call, row, _instance_body(call, row), merge=True)
    return sync({})


def _instance_body(call: Call, row: sqlite3.Row) -> dict[str, Any]:
    """The body of a PUT or PATCH, whose ETag and profiles are checked before anything is started."""
    call.check_etag(_etag(json.loads(row["document"])))
    body = call.json(_INSTANCE_PUT)
    if _unknown_profiles(call, body.get("profiles", [])):
        raise Refusal(404, "Profile not found")
    return body


def _update(call: Call, row: sqlite3.Row, body: dict[str, Any], *, merge: bool) -> None:
    document = updated(json.loads(row["document"]), body, merge=merge)
    call.store.update("instances", row["id"], document=document)
    # The daemons do not say who updated an instance.
    call.daemon.events.lifecycle("instance-updated", f"/1.0/instances/{row['name']}", call.project, None)


def _restoring(call: Call, row: sqlite3.Row, wanted: str) -> Callable[[Operation], Awaitable[None]]:
    async def work(_operation: Operation) -> None:
        found = call.store.find("snapshots", instance=row["id"], name=wanted)
        if found is None:
            raise Refusal(404, f"Snapshot {row['name']}/{wanted} does not exist")
        document = restored(json.loads(row["document"]), json.loads(found["document"]))
        call.store.update("instances", row["id"], document=document)
        who, path = call.caller.requestor if call.incus else None, f"/1.0/instances/{row['name']}"
        context = {"snapshot": f"{row['name']}/{wanted}"}
        call.daemon.events.lifecycle("instance-restored", path, call.project, who, context)

    return work


@routes.add("DELETE", "/1.0/instances/{name}")
def delete_instance(call: Call, name: str) -> Reply:
    """Remove an instance and its snapshots."""
    row = _row(call, name)

    async def work(_operation: Operation) -> None:
        call.store.delete("instances", id=row["id"])
        call.send_event("instance-deleted", f"/1.0/instances/{name}", call.project)

    return call.start("Deleting instance", work, resources=_resources(call, name))


# Snapshots


@routes.add("GET", "/1.0/instances/{name}/snapshots")
def list_snapshots(call: Call, name: str) -> Reply:
    """The snapshots of an instance."""
    found = _snapshots(call, _row(call, name))
    urls = [f"/1.0/instances/{name}/snapshots/{one['name']}" for one in found]
    return sync([_shown(one) for one in found] if call.recursion else urls)


def _shown(snapshot: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in snapshot.items() if key != "type"}


@routes.add("POST", "/1.0/instances/{name}/snapshots")
def add_snapshot(call: Call, name: str) -> Reply:
    """Take a snapshot of an instance."""
    row = _row(call, name)
    wanted = call.json(Struct("InstanceSnapshotsPost", "name string")).get("name") or "snap0"
    if "/" in wanted:
        raise Refusal(400, 'Invalid snapshot name: Cannot contain "/"')

    async def work(_operation: Operation) -> None:
        if call.store.find("snapshots", instance=row["id"], name=wanted):
            raise Refusal(500, f'Snapshot "{wanted}" already exists')
        document = snapshot_document(json.loads(row["document"]), wanted, now_text())
        call.store.insert("snapshots", instance=row["id"], name=wanted, document=document)

    return call.start("Snapshotting instance", work, resources=_snapshot_resources(call, name, wanted))


def _snapshot_resources(call: Call, name: str, snapshot: str) -> dict[str, list[str]]:
    found = _resources(call, name)
    return found | {"instances_snapshots": [f"/1.0/instances/{name}/snapshots/{snapshot}"]} if call.incus else found


def _snapshot_row(call: Call, name: str, snapshot: str) -> sqlite3.Row:
    row = call.store.find("snapshots", instance=_row(call, name)["id"], name=snapshot)
    if row is None:
        raise Refusal(404, "Instance not found")
    return row


@routes.add("GET", "/1.0/instances/{name}/snapshots/{snapshot}")
def get_snapshot(call: Call, name: str, snapshot: str) -> Reply:
    """One snapshot."""
    return sync(_shown(json.loads(_snapshot_row(call, name, snapshot)["document"])))


@routes.add("PUT", "/1.0/instances/{name}/snapshots/{snapshot}")
@routes.add("PATCH", "/1.0/instances/{name}/snapshots/{snapshot}")
def put_snapshot(call: Call, name: str, snapshot: str) -> Reply:
    """Change when a snapshot expires, which is all that may be written of it."""
    row = _snapshot_row(call, name, snapshot)
    body = call.json(_SNAPSHOT_PUT)

    async def work(_operation: Operation) -> None:
        document = json.loads(row["document"])
        if call.method == "PUT" or "expires_at" in body:
            document["expires_at"] = body.get("expires_at") or NEVER
        call.store.update("snapshots", row["id"], document=document)

    # LXD names the snapshot as if it were an instance.
    resources = _snapshot_resources(call, name, snapshot) if call.incus else _resources(call, snapshot)
    return call.start("Updating snapshot", work, resources=resources)


@routes.add("DELETE", "/1.0/instances/{name}/snapshots/{snapshot}")
def delete_snapshot(call: Call, name: str, snapshot: str) -> Reply:
    """Remove a snapshot."""
    row = _row(call, name)

    async def work(_operation: Operation) -> None:
        call.store.delete("snapshots", instance=row["id"], name=snapshot)

    return call.start("Deleting snapshot", work, resources=_resources(call, name))
