"""`/1.0/projects`, `/1.0/profiles` and `/1.0/storage-pools`, as far as images need them.

Source: LXD REST API; replies of LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any
from urllib.parse import quote

from ..http.go_structs import Struct
from ..http.replies import Reply, created, sync
from ..http.routing import Call, Routes
from ..store.background_operations import Operation
from ..store.database import size_of
from ..store.event_hub import url_of
from ..store.go_json import etag
from ..store.refusals import Refusal
from ..versions import facts
from ..versions.names import fault_of_name
from .server_routes import IMAGE_SETTINGS, wrong_image_setting

__all__ = ["routes"]

routes = Routes()
_PROJECT_PUT = Struct("ProjectPut", "description string, config map[string]string")
_PROJECT = Struct("ProjectsPost", "name string, description string, config map[string]string")
_PROFILE = Struct("ProfilesPost", "name string, description string, config map[string]string, devices any")
_POOL = Struct("StoragePoolsPost", "name string, driver string, description string, config map[string]string")
_RESOURCES = ("containers", "cpu", "disk", "instances", "memory", "networks", "processes", "virtual-machines")
_KEYS = ("features.", "limits.", "restricted", "images.", "backups.", "user.")


def used_by(call: Call, project: str) -> list[str]:
    """The URLs of everything in a project: its one complete list of images that is cheap."""
    images = [url_of(f"/1.0/images/{name}", project) for name in call.images.fingerprints(project)]
    instances, profiles = (
        [url_of(f"/1.0/{kind}/{row['name']}", project) for row in call.store.select(kind, project=project)]
        for kind in ("instances", "profiles")
    )
    if call.incus:
        return [*instances, *images, *profiles]
    return [*instances, *profiles, *images]


def _project_document(call: Call, row: sqlite3.Row) -> dict[str, Any]:
    return {
        "config": json.loads(row["config"]),
        "description": row["description"],
        "name": row["name"],
        "used_by": used_by(call, row["name"]),
    }


def _project(call: Call, name: str, complaint: str = "") -> sqlite3.Row:
    allowed = call.caller.projects
    if allowed is not None and name not in allowed:
        raise Refusal(403, f'User does not have permission for project "{name}"' if call.incus else "not authorized")
    row = call.store.find("projects", name=name)
    if row is None:
        raise Refusal(404, f"{complaint}Project not found")
    return row


@routes.add("GET", "/1.0/projects")
def list_projects(call: Call) -> Reply:
    """The projects the caller may use."""
    allowed = call.caller.projects
    rows = call.store.select("projects", order="name")
    rows = [row for row in rows if allowed is None or row["name"] in allowed]
    if call.recursion:
        return sync([_project_document(call, row) for row in rows])
    return sync([f"/1.0/projects/{quote(row['name'], safe='')}" for row in rows])


@routes.add("GET", "/1.0/projects/{name}")
def get_project(call: Call, name: str) -> Reply:
    """One project."""
    row = _project(call, name)
    tag = etag([row["description"], json.loads(row["config"])])
    return sync(_project_document(call, row), etag=tag)


@routes.add("GET", "/1.0/projects/{name}/state")
def project_state(call: Call, name: str) -> Reply:
    """Limits and usage of a project: instances are counted; they use nothing, because they never run."""
    row = call.store.find("projects", name=name)
    if row is None:
        raise Refusal(404, "Fetch project database object: Project not found")
    config = json.loads(row["config"])
    rows = call.store.select("instances", project=name)
    kinds = [json.loads(one["document"])["type"] for one in rows]
    used = {
        "containers": kinds.count("container"),
        "instances": len(kinds),
        "virtual-machines": kinds.count("virtual-machine"),
    }
    resources = {}
    for what in _RESOURCES:
        limit = config.get(f"limits.{what}", "")
        resources[what] = {"Limit": int(limit) if limit.isdigit() else -1, "Usage": used.get(what, 0)}
    return sync({"resources": resources})


@routes.add("POST", "/1.0/projects")
def add_project(call: Call) -> Reply:
    """Create a project."""
    body = call.json(_PROJECT)
    name = body.get("name", "")
    if call.does(facts.API_NAMES):
        _check_name("project", name)
    wrong = (
        (not name, "No name provided"),
        ("/" in name, "Project names may not contain slashes"),
        (" " in name, "Project names may not contain spaces"),
        (name in (".", "..", "*"), "Reserved project name"),
    )
    for is_wrong, text in wrong:
        if is_wrong:
            raise Refusal(400, text)
    _check_config(call, body.get("config", {}))
    if call.store.find("projects", name=name):
        text = f'Failed creating project "{name}": Failed adding database record: '
        if call.incus and not call.does(facts.API_NAMES):
            raise Refusal(500, text + 'Failed to create "projects" entry: UNIQUE constraint failed: projects.name')
        what = "Project" if call.incus else "projects"
        raise Refusal(409, text + f'This "{what}" entry already exists')
    call.store.add_project(name, body.get("description", ""), body.get("config", {}))
    call.send_event("project-created", f"/1.0/projects/{name}", name, plain=True)
    return created(f"/1.0/projects/{quote(name, safe='')}")


def _check_name(kind: str, name: str) -> None:
    fault = fault_of_name(name, slashes=False)
    if fault:
        raise Refusal(400, f"Invalid {kind} name: {fault}")


def _check_config(call: Call, config: dict[str, str]) -> None:
    for key, value in config.items():
        wrong = _wrong_value(key, value, incus=call.incus) if value else ""
        if not key.startswith(_KEYS) or (key.startswith("images.") and key not in IMAGE_SETTINGS):
            raise Refusal(400, f'Invalid project configuration key "{key}"')
        if wrong:
            raise Refusal(400, f'Invalid project configuration key "{key}" value: {wrong}')


def _wrong_value(key: str, value: str, *, incus: bool) -> str:
    """What the daemon says of an invalid value; empty for one that may be, and for keys that images do not need."""
    if key in ("limits.disk", "limits.memory"):
        return "" if size_of(value) is not None else f"Invalid value: {value}"
    if key.startswith("limits.") and key.removeprefix("limits.") in _RESOURCES:
        detail = f'strconv.ParseUint: parsing "{value}": invalid syntax'
        return "" if value.isdecimal() else f'Invalid value for uint32 "{value}": {detail}'
    if key == "restricted" or key.startswith("features."):
        return "" if value.lower() in ("true", "false", "1", "0", "yes", "no", "on", "off") else _no_boolean(value)
    return wrong_image_setting(key, value, incus=incus)


def _no_boolean(value: str) -> str:
    return f'Invalid value for a boolean "{value}"'


@routes.add("PUT", "/1.0/projects/{name}")
def put_project(call: Call, name: str) -> Reply:
    """Replace description and configuration; the features of a project in use cannot be changed."""
    row = _project(call, name)
    return _change_project(call, row, call.json(_PROJECT_PUT), {})


@routes.add("PATCH", "/1.0/projects/{name}")
def patch_project(call: Call, name: str) -> Reply:
    """Change the description and single configuration keys."""
    row = _project(call, name)
    body = {"description": row["description"], **call.json(_PROJECT_PUT)}
    return _change_project(call, row, body, json.loads(row["config"]))


def _change_project(call: Call, row: sqlite3.Row, body: dict[str, Any], kept: dict[str, str]) -> Reply:
    config = kept | body.get("config", {})
    _check_config(call, config)
    before = json.loads(row["config"])
    own = {f"/1.0/profiles/default{'' if row['name'] == 'default' else '?project=' + row['name']}"}
    for key in sorted({*before, *config}):
        changed = key.startswith("features.") and before.get(key) != config.get(key)
        if changed and set(used_by(call, row["name"])) - own:
            what = "cannot be disabled" if before.get(key) == "true" else "cannot be enabled"
            raise Refusal(400, f'Project feature "{key}" {what} on non-empty projects')
    call.store.update("projects", row["id"], description=body.get("description", ""), config=config)
    return sync({})


@routes.add("DELETE", "/1.0/projects/{name}")
def delete_project(call: Call, name: str) -> Reply:
    """Remove an empty project."""
    if name == "default":
        raise Refusal(403, "The 'default' project cannot be deleted")
    _project(call, name, f'Fetch project "{name}": ')
    if set(used_by(call, name)) - {f"/1.0/profiles/default?project={quote(name, safe='')}"}:
        dot = "." if call.incus else ""
        raise Refusal(500, f"Only empty projects can be removed{dot}")
    with call.store.transaction():
        call.store.delete("profiles", project=name)
        call.store.delete("projects", name=name)
    call.send_event("project-deleted", f"/1.0/projects/{name}", name, plain=True)
    return sync({})


# Profiles


def _profile_project(call: Call) -> str:
    return call.store.project_with("profiles", call.project, f'Failed loading project "{call.project}": ')


def _profile_document(call: Call, row: sqlite3.Row) -> dict[str, Any]:
    users = [
        url_of(f"/1.0/instances/{instance['name']}", row["project"])
        for instance in call.store.select("instances", project=row["project"])
        if row["name"] in json.loads(instance["document"])["profiles"]
    ]
    document = {
        "config": json.loads(row["config"]),
        "description": row["description"],
        "devices": json.loads(row["devices"]),
        "name": row["name"],
        "used_by": users,
    }
    return document | ({"project": row["project"]} if call.incus else {})


def _profile(call: Call, name: str, complaint: str = "") -> sqlite3.Row:
    row = call.store.find("profiles", project=_profile_project(call), name=name)
    if row is None:
        raise Refusal(404, f"{complaint}Profile not found")
    return row


@routes.add("GET", "/1.0/profiles")
def list_profiles(call: Call) -> Reply:
    """The profiles of the project."""
    rows = call.store.select("profiles", project=_profile_project(call))
    if call.caller.projects is not None and call.project not in call.caller.projects:
        rows = []
    if call.recursion:
        return sync([_profile_document(call, row) for row in rows])
    return sync([f"/1.0/profiles/{quote(row['name'], safe='')}" for row in rows])


@routes.add("GET", "/1.0/profiles/{name}")
def get_profile(call: Call, name: str) -> Reply:
    """One profile."""
    row = _profile(call, name, "Fetch profile: ")
    tag = etag([json.loads(row["config"]), row["description"], json.loads(row["devices"])])
    return sync(_profile_document(call, row), etag=tag)


@routes.add("POST", "/1.0/profiles")
def add_profile(call: Call) -> Reply:
    """Create a profile."""
    project = _profile_project(call)
    body = call.json(_PROFILE)
    name = body.get("name", "")
    if not name:
        raise Refusal(400, "No name provided")
    if call.does(facts.API_NAMES):
        _check_name("profile", name)
    if "/" in name:
        raise Refusal(400, "Profile names may not contain slashes")
    for key in body.get("config", {}):
        if "." not in key:
            raise Refusal(400, f"Unknown configuration key: {key}")
    if call.store.find("profiles", project=project, name=name):
        raise Refusal(500, f'Error inserting "{name}" into database: The profile already exists')
    call.store.insert("profiles", project=project, name=name, **_profile_fields(body))
    call.send_event("profile-created", f"/1.0/profiles/{name}", project)
    return created(f"/1.0/profiles/{quote(name, safe='')}")


def _profile_fields(body: dict[str, Any]) -> dict[str, Any]:
    devices = json.dumps(body.get("devices", {}), sort_keys=True)
    return {"description": body.get("description", ""), "config": body.get("config", {}), "devices": devices}


@routes.add("PUT", "/1.0/profiles/{name}")
def put_profile(call: Call, name: str) -> Reply:
    """Replace a profile."""
    row = _profile(call, name)
    body = call.json(_PROFILE)

    async def work(_operation: Operation) -> None:
        call.store.update("profiles", row["id"], **_profile_fields(body))

    if call.does(facts.PROFILES_IN_BACKGROUND):
        return call.start("Updating profile", work, resources={"profiles": [f"/1.0/profiles/{quote(name, safe='')}"]})
    call.store.update("profiles", row["id"], **_profile_fields(body))
    return sync({})


@routes.add("DELETE", "/1.0/profiles/{name}")
def delete_profile(call: Call, name: str) -> Reply:
    """Remove a profile, also from the images that name it."""
    if name == "default":
        raise Refusal(403, 'The "default" profile cannot be deleted')
    row = _profile(call, name)
    with call.store.transaction():
        call.store.delete("profiles", id=row["id"])
        for image in call.images.of_project(row["project"]):
            if name in image.record.profiles:
                call.images.update(image, profiles=tuple(one for one in image.record.profiles if one != name))
    call.send_event("profile-deleted", f"/1.0/profiles/{name}", row["project"])
    return sync({})


# Storage pools: the demo server stores nothing in them, but instances need one.


def _pool_document(call: Call, row: sqlite3.Row) -> dict[str, Any]:
    return {
        "config": json.loads(row["config"]),
        "description": row["description"],
        "name": row["name"],
        "driver": row["driver"],
        "used_by": [] if call.incus else None,
        "status": "Created",
        "locations": ["none"],
    }


@routes.add("GET", "/1.0/storage-pools")
def list_pools(call: Call) -> Reply:
    """The storage pools."""
    rows = call.store.select("pools", order="name")
    return sync([_pool_document(call, row) if call.recursion else f"/1.0/storage-pools/{row['name']}" for row in rows])


@routes.add("GET", "/1.0/storage-pools/{name}")
def get_pool(call: Call, name: str) -> Reply:
    """One storage pool."""
    row = call.store.find("pools", name=name)
    if row is None:
        raise Refusal(404, "Storage pool not found")
    return sync(_pool_document(call, row))


@routes.add("POST", "/1.0/storage-pools")
def add_pool(call: Call) -> Reply:
    """Create a storage pool."""
    body = call.json(_POOL)
    name = body.get("name", "")
    if not name or not body.get("driver"):
        raise Refusal(400, "No name provided" if not name else "No driver provided")
    if call.store.find("pools", name=name):
        raise Refusal(400, f"Storage pool {name} already exists")
    call.store.insert(
        "pools",
        name=name,
        driver=body["driver"],
        description=body.get("description", ""),
        config=body.get("config", {}),
    )
    return created(f"/1.0/storage-pools/{quote(name, safe='')}")


@routes.add("GET", "/1.0/storage-pools/{name}/volumes")
def list_volumes(_call: Call, **_names: str) -> Reply:
    """A storage pool of type dir has no image volumes."""
    return sync([])
