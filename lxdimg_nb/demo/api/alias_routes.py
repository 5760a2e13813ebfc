"""`/1.0/images/aliases`: list, read, create, change, rename and delete aliases.

Source: LXD REST API; replies of LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import json
import sqlite3

from ..http.go_structs import Struct
from ..http.replies import Reply, created, sync
from ..http.routing import Call, Routes
from ..store.event_hub import url_of
from ..store.go_json import etag_of
from ..store.image_records import ImageRow
from ..store.refusals import Refusal
from ..versions import facts
from ..versions.names import fault_of_name
from .image_routes import may_use

__all__ = ["routes"]

routes = Routes()
_ALIAS = Struct("ImageAliasesPost", "name string, description string, target string, type string")
_ALIAS_PUT = Struct("ImageAliasesEntryPut", "description string, target string")


@routes.add("GET", "/1.0/images/aliases")
def list_aliases(call: Call) -> Reply:
    """Every alias of the project as URL or document."""
    rows = call.images.aliases(call.images_project())
    if not may_use(call):
        rows = []
    if call.recursion:
        return sync([_alias_document(row) for row in rows])
    return sync([call.daemon.events.alias_url(row["name"]) for row in rows])


def _alias_document(row: sqlite3.Row) -> dict[str, str]:
    kind = json.loads(row["record"])["type"]
    return {
        "description": row["description"],
        "target": row["target"],
        "name": row["name"],
        "type": kind,
    }


@routes.add("POST", "/1.0/images/aliases")
def add_alias(call: Call) -> Reply:
    """Create an alias."""
    project = call.images_project()
    body = call.json(_ALIAS)
    name, target = body.get("name", ""), body.get("target", "")
    if not name or not target:
        alias = "Alias name" if call.does(facts.ALIAS_NAMES) else "name"
        raise Refusal(400, f"{alias} and target are required")
    check_name(call, name)
    if call.images.has_alias(project, name):
        raise Refusal(409, f'Alias "{name}" already exists')
    image = call.images.find(project, target)
    call.images.add_alias(image, name, body.get("description", ""))
    url = call.daemon.events.alias_url(name)
    call.send_event("image-alias-created", url, call.project, {"target": image.record.fingerprint})
    return created(url_of(url, call.project))


def check_name(call: Call, name: str) -> None:
    """Raise a Refusal for the name of a new alias that this version does not take."""
    fault = fault_of_name(name, slashes=True) if call.does(facts.ALIAS_NAMES) else ""
    if fault:
        raise Refusal(400, f"Invalid image alias name: {fault}")


def _alias_etag(row: sqlite3.Row) -> str:
    return etag_of(_alias_document(row))


@routes.add("GET", "/1.0/images/aliases/{name*}", open_to_all=True)
def get_alias(call: Call, name: str) -> Reply:
    """One alias; strangers see only those of public images."""
    row = call.images.alias(call.images_project(), name)
    if not (row["public"] or may_use(call)):
        raise Refusal(404, "Image alias not found")
    return sync(_alias_document(row), etag=_alias_etag(row))


@routes.add("PUT", "/1.0/images/aliases/{name*}")
def put_alias(call: Call, name: str) -> Reply:
    """Change the target and the description of an alias."""
    project = call.images_project()
    body = call.json(_ALIAS_PUT)
    if not body.get("target"):
        raise Refusal(400, "The target field is required")
    row = call.images.alias(project, name)
    call.check_etag(_alias_etag(row))
    image = call.images.find(project, body["target"])
    call.images.change_alias(project, name, to=image, description=body.get("description", ""))
    return _alias_updated(call, name, image)


def _alias_updated(call: Call, name: str, image: ImageRow) -> Reply:
    url = call.daemon.events.alias_url(name)
    call.send_event("image-alias-updated", url, call.project, {"target": image.record.fingerprint})
    return sync({})


@routes.add("PATCH", "/1.0/images/aliases/{name*}")
def patch_alias(call: Call, name: str) -> Reply:
    """Change an alias in part; LXD 5.0.2 deadlocks here for 20 s and fails, and only its error is imitated."""
    project = call.images_project()
    row = call.images.alias(project, name)
    if call.does(facts.ALIAS_PATCH_FAILS):
        raise Refusal(500, "context deadline exceeded")
    call.check_etag(_alias_etag(row))
    body = call.json(_ALIAS_PUT)
    image = call.images.find(project, body.get("target") or row["target"])
    call.images.change_alias(project, name, to=image, description=body.get("description", row["description"]))
    return _alias_updated(call, name, image)


@routes.add("POST", "/1.0/images/aliases/{name*}")
def rename_alias(call: Call, name: str) -> Reply:
    """Rename an alias."""
    project = call.images_project()
    new = call.json(Struct("ImageAliasesEntryPost", "name string")).get("name", "")
    check_name(call, new)
    if call.images.has_alias(project, new):
        raise Refusal(409, f'Alias "{new}" already exists')
    call.images.rename_alias(project, name, new)
    url = call.daemon.events.alias_url(new)
    call.send_event("image-alias-renamed", url, call.project, {"old_name": name})
    return created(url_of(url, call.project))


@routes.add("DELETE", "/1.0/images/aliases/{name*}")
def delete_alias(call: Call, name: str) -> Reply:
    """Remove an alias."""
    call.images.delete_alias(call.images_project(), name)
    call.send_event("image-alias-deleted", call.daemon.events.alias_url(name), call.project)
    return sync({})
