"""`/1.0/instances`: records of instances that are made from images; nothing ever runs in one that is started.

They are there so that images are used by something: `volatile.base_image` of an instance or a snapshot is
the fingerprint of the image it came from.

Source: LXD REST API; replies of LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import json
import re
import sqlite3
import uuid
from typing import Any
from urllib.parse import quote

from ..http.go_structs import Struct
from ..http.replies import Reply
from ..http.routing import Call, Routes
from ..store.background_operations import Operation
from ..store.flavours import NEVER
from ..store.go_json import etag, now_text
from ..store.image_records import ImageRow
from ..store.instance_records import STOPPED, instance_document, snapshot_document
from ..store.refusals import Refusal

__all__ = ["routes"]

routes = Routes()
_INSTANCES_POST = Struct(
    "InstancesPost",
    name="string",
    type="string",
    architecture="string",
    config="map[string]string",
    devices="any",
    profiles="[]string",
    description="string",
    source=Struct("InstanceSource", type="string", alias="string", fingerprint="string"),
)
_STATE_PUT = Struct("InstanceStatePut", action="string", timeout="any", force="bool", stateful="bool")
_RUNNING = {"status": "Running", "status_code": 103}
_UNSUPPORTED = ("restart", "freeze", "unfreeze")


def _row(call: Call, name: str) -> sqlite3.Row:
    store = call.daemon.store
    row = store.row("SELECT * FROM instances WHERE project = ? AND name = ?", call.project, name)
    if row is None:
        text = f'Failed to fetch instance "{name}" in project "{call.project}": Instance not found'
        raise Refusal(404, text if call.daemon.flavour.is_incus else "Instance not found")
    return row


def _snapshots(call: Call, row: sqlite3.Row) -> list[dict[str, Any]]:
    query = "SELECT document FROM snapshots WHERE instance = ? ORDER BY id"
    return [json.loads(found["document"]) for found in call.daemon.store.rows(query, row["id"])]


@routes.add("GET", "/1.0/instances")
def list_instances(call: Call) -> Reply:
    """Instances as URLs, documents, or documents with state and snapshots."""
    everywhere = call.query.get("all-projects") == "true"
    rows = call.daemon.store.rows(
        "SELECT * FROM instances WHERE (? OR project = ?) ORDER BY project, name", everywhere, call.project
    )
    if call.caller.projects is not None:
        rows = [row for row in rows if row["project"] in call.caller.projects]
    if not call.recursion:
        suffix = "" if call.project == "default" else f"?project={quote(call.project, safe='')}"
        return Reply([f"/1.0/instances/{row['name']}{suffix}" for row in rows])
    documents = [json.loads(row["document"]) for row in rows]
    if call.recursion > 1:
        for row, document in zip(rows, documents, strict=True):
            document |= {
                "backups": None,
                "state": _state(document, incus=call.daemon.flavour.is_incus),
                "snapshots": _snapshots(call, row) or None,
            }
    return Reply(documents)


@routes.add("GET", "/1.0/containers", only="lxd")
@routes.add("GET", "/1.0/virtual-machines", only="lxd")
def list_of_one_type(call: Call) -> Reply:
    """The paths from before instances had one name."""
    kind = call.path.rsplit("/", 1)[-1].split("?")[0]
    documents = [
        json.loads(row["document"])
        for row in call.daemon.store.rows("SELECT document FROM instances WHERE project = ?", call.project)
    ]
    documents = [one for one in documents if f"{one['type']}s" == kind]
    return Reply(documents if call.recursion else [f"/1.0/{kind}/{one['name']}" for one in documents])


@routes.add("GET", "/1.0/instances/{name}")
def get_instance(call: Call, name: str) -> Reply:
    """One instance."""
    row = _row(call, name)
    document = json.loads(row["document"])
    if call.recursion:
        document |= {
            "backups": None,
            "state": _state(document, incus=call.daemon.flavour.is_incus),
            "snapshots": _snapshots(call, row) or None,
        }
    return Reply(document, headers={"ETag": f'"{etag([document["config"], document["devices"]])}"'})


def _state(document: dict[str, Any], *, incus: bool) -> dict[str, Any]:
    memory = {"usage": 0, "usage_peak": 0, "swap_usage": 0, "swap_usage_peak": 0}
    state: dict[str, Any] = {
        **{k: document[k] for k in STOPPED},
        "disk": {},
        "memory": memory,
        "network": None,
        "pid": 0,
    }
    state |= {"processes": 0, "cpu": {"usage": 0}}
    if not incus:
        return state
    memory["total"] = 0
    return state | {"cpu": {"usage": 0, "allocated_time": 0}, "started_at": NEVER, "os_info": None}


@routes.add("GET", "/1.0/instances/{name}/state")
def get_state(call: Call, name: str) -> Reply:
    """Whether it is started; a process it has not."""
    document = json.loads(_row(call, name)["document"])
    return Reply(_state(document, incus=call.daemon.flavour.is_incus))


@routes.add("PUT", "/1.0/instances/{name}/state")
def put_state(call: Call, name: str) -> Reply:
    """Start or stop an instance."""
    row = _row(call, name)
    action = call.json(_STATE_PUT).get("action", "")
    if action not in ("start", "stop"):
        raise Refusal(400, f"Unknown action: '{action}'" if action not in _UNSUPPORTED else "Not possible in a demo")
    wanted = _RUNNING if action == "start" else STOPPED

    async def work(_operation: Operation) -> None:
        document = json.loads(row["document"])
        if document["status"] == wanted["status"]:
            raise Refusal(400, f"The instance is already {'running' if action == 'start' else 'stopped'}")
        text = json.dumps(document | wanted)
        call.daemon.store.run("UPDATE instances SET document = ? WHERE id = ?", text, row["id"])
        past = "started" if action == "start" else "stopped"
        call.tell(f"instance-{past}", f"/1.0/instances/{name}", call.project)

    description = "Starting instance" if action == "start" else "Stopping instance"
    return call.start(description, work, resources={"instances": [f"/1.0/instances/{name}"]})


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
    known_by = call.daemon.store.project_with("profiles", call.project, "")
    query = "SELECT name FROM profiles WHERE project = ?"
    profiles = {row["name"] for row in call.daemon.store.rows(query, known_by)}
    for profile in body.get("profiles", ()):
        if profile not in profiles:
            raise Refusal(500, f'Requested profile "{profile}" doesn\'t exist')
    images = call.daemon.images
    image: ImageRow | None = None
    if source["type"] == "image":
        project = call.images_of()
        if source.get("alias"):
            if images.has_alias(project, source["alias"]) or not call.daemon.flavour.is_incus:
                image = images.exact(project, images.alias(project, source["alias"])["target"])
        elif source.get("fingerprint"):
            try:
                image = images.find(project, source["fingerprint"])
            except Refusal:
                image = None

    async def work(_operation: Operation) -> None:
        if source["type"] == "image" and image is None:
            raise Refusal(500, "Image not provided for instance creation")
        if len(set(body.get("profiles", ()))) < len(body.get("profiles", ())):
            raise Refusal(500, "Failed creating instance record: Duplicate profile found in request")
        add_instance(call, name, image, body)

    return call.start("Creating instance", work, resources=_resources(call, name))


def _resources(call: Call, name: str) -> dict[str, list[str]]:
    found = {"instances": [f"/1.0/instances/{name}"]}
    return found if call.daemon.flavour.is_incus else {"containers": [f"/1.0/containers/{name}"], **found}


def add_instance(call: Call, name: str, image: ImageRow | None, body: dict[str, Any]) -> None:
    """Insert an instance; its image has thereby been used.

    Raises:
        Refusal: the name is taken.
    """
    store = call.daemon.store
    if store.rows("SELECT 1 FROM instances WHERE project = ? AND name = ?", call.project, name):
        text = "Failed creating instance record: Add instance info to the database: "
        if call.daemon.flavour.is_incus:
            text += 'Failed to create "instances" entry: UNIQUE constraint failed: instances.project_id, instances.name'
        else:
            text += 'This "instances" entry already exists'
        raise Refusal(500, text)
    now = now_text()
    document = instance_document(name, call.project, image, body, now)
    with store.change():
        store.run(
            "INSERT INTO instances (project, name, document) VALUES (?, ?, ?)",
            call.project,
            name,
            json.dumps(document),
        )
        if image is not None:
            call.daemon.images.update(image, last_used_at=now)
    call.tell("instance-created", f"/1.0/instances/{name}", call.project, {"type": document["type"]})


@routes.add("DELETE", "/1.0/instances/{name}")
def delete_instance(call: Call, name: str) -> Reply:
    """Remove an instance and its snapshots."""
    row = _row(call, name)

    async def work(_operation: Operation) -> None:
        call.daemon.store.run("DELETE FROM instances WHERE id = ?", row["id"])
        call.tell("instance-deleted", f"/1.0/instances/{name}", call.project)

    return call.start("Deleting instance", work, resources=_resources(call, name))


# Snapshots


@routes.add("GET", "/1.0/instances/{name}/snapshots")
def list_snapshots(call: Call, name: str) -> Reply:
    """The snapshots of an instance."""
    found = _snapshots(call, _row(call, name))
    urls = [f"/1.0/instances/{name}/snapshots/{one['name']}" for one in found]
    return Reply([_shown(one) for one in found] if call.recursion else urls)


def _shown(snapshot: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in snapshot.items() if key != "type"}


@routes.add("POST", "/1.0/instances/{name}/snapshots")
def add_snapshot(call: Call, name: str) -> Reply:
    """Keep the state of an instance."""
    row = _row(call, name)
    wanted = call.json(Struct("InstanceSnapshotsPost", name="string")).get("name") or "snap0"
    if "/" in wanted:
        raise Refusal(400, 'Invalid snapshot name: Cannot contain "/"')

    async def work(_operation: Operation) -> None:
        document = snapshot_document(json.loads(row["document"]), wanted, now_text())
        store = call.daemon.store
        if store.rows("SELECT 1 FROM snapshots WHERE instance = ? AND name = ?", row["id"], wanted):
            raise Refusal(500, f'Snapshot "{wanted}" already exists')
        store.run(
            "INSERT INTO snapshots (instance, name, document) VALUES (?, ?, ?)",
            row["id"],
            wanted,
            json.dumps(document),
        )

    resources = _resources(call, name)
    if call.daemon.flavour.is_incus:
        resources["instances_snapshots"] = [f"/1.0/instances/{name}/snapshots/{wanted}"]
    return call.start("Snapshotting instance", work, resources=resources)


@routes.add("GET", "/1.0/instances/{name}/snapshots/{snapshot}")
def get_snapshot(call: Call, name: str, snapshot: str) -> Reply:
    """One snapshot."""
    for found in _snapshots(call, _row(call, name)):
        if found["name"] == snapshot:
            return Reply(_shown(found))
    raise Refusal(404, "Instance not found")


@routes.add("DELETE", "/1.0/instances/{name}/snapshots/{snapshot}")
def delete_snapshot(call: Call, name: str, snapshot: str) -> Reply:
    """Remove a snapshot."""
    row = _row(call, name)

    async def work(_operation: Operation) -> None:
        query = "DELETE FROM snapshots WHERE instance = ? AND name = ?"
        call.daemon.store.run(query, row["id"], snapshot)

    return call.start("Deleting snapshot", work, resources=_resources(call, name))
