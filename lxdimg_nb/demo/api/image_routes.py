"""`/1.0/images`: list, read, change, delete, export, secrets.

Source: LXD REST API; replies of LXD 5.0.2 and Incus 6.0.4, which differ where `flavour` is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import quote

from ..http.file_replies import file_reply, form_data
from ..http.go_structs import Struct
from ..http.replies import RawJson, Reply, sync
from ..http.routing import Call, Routes
from ..store.background_operations import Operation
from ..store.event_hub import url_of
from ..store.image_inspection import extension_of
from ..store.image_records import ImageRow, Record
from ..store.refusals import Dropped, Refusal
from ..versions import facts
from ..versions.flavours import NEVER
from .list_filter import matches, parse_filter

__all__ = ["IMAGE_FIELDS", "announce", "check_public", "find", "known_profiles", "may_use", "routes", "writable"]

routes = Routes()
IMAGE_FIELDS = "auto_update bool, properties map[string]string, public bool, expires_at time, profiles []string"
_IMAGE_PUT = Struct("ImagePut", IMAGE_FIELDS)


@routes.add("GET", "/1.0/images", open_to_all=True)
def list_images(call: Call) -> Reply:
    """Every image of the project as URL or, with recursion, as document."""
    everywhere = call.query.get("all-projects") == "true" and call.does(facts.ALL_PROJECTS)
    if everywhere and (call.project != "default" if call.incus else call.query.get("project")):
        raise Refusal(400, "Cannot specify a project when requesting all projects")
    _check_stranger(call, everywhere=everywhere)
    project = None if everywhere else call.images_project()
    public_only = not may_use(call)
    clauses = parse_filter(call.query.get("filter", ""))
    if not clauses and call.recursion == 0 and project is not None:
        return sync([f"/1.0/images/{name}" for name in call.images.fingerprints(project, public_only=public_only)])
    if everywhere and call.caller.projects is not None and not call.incus:
        raise Refusal(403, "not authorized")
    if everywhere and call.caller.projects is not None:
        # Those of default, too, and of others what is public.
        whole = {call.store.project_with("images", name, "") for name in (*call.caller.projects, "default")}
        names = [row["name"] for row in call.store.select("projects", order="name")]
        documents = [text for n in names for text in call.images.documents(n, public_only=n not in whole)]
    else:
        documents = call.images.documents(project, public_only=public_only)
    if clauses:
        typed, any_of = call.does(facts.TYPED_FILTERS), call.does(facts.FILTER_ANY_OF)
        documents = [text for text in documents if matches(json.loads(text), clauses, typed=typed, any_of=any_of)]
    if call.recursion == 0:
        return sync([_url(call, json.loads(text), everywhere=everywhere) for text in documents])
    return sync(RawJson(f"[{','.join(documents)}]"))


def _check_stranger(call: Call, *, everywhere: bool) -> None:
    """Raise a Refusal where a stranger asks for more than the public images of the project default."""
    hidden = not call.caller.trusted if everywhere else not may_use(call) and call.project != "default"
    if call.caller.trusted and call.does(facts.OTHER_PROJECTS_EMPTY):
        return
    if hidden and call.does(facts.UNTRUSTED_REFUSED):
        raise Refusal(400, "Unauthenticated image queries are only possible against the default project")
    if hidden and not call.caller.trusted and call.does(facts.UNTRUSTED_DEFAULT_ONLY):
        text = "Untrusted callers may only access public images in the default project"
        raise Refusal(403, text) if everywhere else Refusal(404, "not found")


def _url(call: Call, image: dict[str, str], *, everywhere: bool) -> str:
    path = f"/1.0/images/{image['fingerprint']}"
    return url_of(path, image["project"], always=True) if everywhere and call.does(facts.PROJECT_IN_URLS) else path


def may_use(call: Call) -> bool:
    """Whether the caller may see private images of the request's project."""
    allowed = call.caller.projects
    return call.caller.trusted and (allowed is None or call.project in allowed)


def visible(call: Call, prefix: str) -> ImageRow:
    """The image with this prefix, if it is public or the caller may see it by trust or with a secret.

    Raises:
        Refusal: 404, or 500 where several match.
    """
    try:
        image = find(call, prefix)
    except Refusal as refusal:
        if refusal.code == 404 and call.incus:
            raise Refusal(404, f'Image "{prefix}" not found') from refusal
        raise
    leaks = call.caller.trusted and call.project == "default" and call.does(facts.DEFAULT_IMAGES_LEAK)
    if image.record.public or may_use(call) or leaks:
        return image
    secret = call.query.get("secret", "")
    if secret and call.redeem("export", secret, image.record.fingerprint):
        return image
    raise Refusal(404, f'Image "{prefix if call.incus else image.record.fingerprint}" not found')


@routes.add("GET", "/1.0/images/{name}", open_to_all=True)
def get_image(call: Call, name: str) -> Reply:
    """One image."""
    image = visible(call, name)
    secret = call.query.get("secret", "")
    if secret and may_use(call):
        call.redeem("export", secret, image.record.fingerprint)
    return sync(RawJson(call.images.document_of(image)), etag=image.record.etag)


def writable(call: Call, name: str) -> ImageRow:
    """The image with this prefix, if the caller may change it.

    Raises:
        Refusal: 403, 404, or 500 where several match.
    """
    if not may_use(call):
        raise Refusal(403, "not authorized")
    return find(call, name)


def find(call: Call, prefix: str) -> ImageRow:
    """The image with this prefix.

    Raises:
        Refusal: 404, 500 where several match, or 400 for what can be no prefix.
    """
    if call.does(facts.LONG_PREFIX):
        what = "Image fingerprint prefix must contain"
        if len(prefix) < 12:
            raise Refusal(400, f"{what} 12 characters or more")
        if len(prefix) > 64:
            raise Refusal(400, "Image fingerprint cannot be longer than 64 characters")
        if not set(prefix) <= set("0123456789abcdef"):
            raise Refusal(400, f"{what} only lowercase hexadecimal characters")
    return call.images.find(call.images_project(), prefix)


def check_public(call: Call, *, public: bool) -> None:
    """Raise a Refusal where an image of the request's project cannot be public."""
    if public and call.does(facts.PUBLIC_IN_DEFAULT_ONLY) and call.images_project() != "default":
        raise Refusal(400, "Images can only be marked public in the default project")


@routes.add("PUT", "/1.0/images/{name}")
def put_image(call: Call, name: str) -> Reply:
    """Replace the writable fields; a field that is left out becomes empty, except the expiry."""
    image = writable(call, name)
    call.check_etag(image.record.etag)
    body = call.json(_IMAGE_PUT)
    check_public(call, public=body.get("public", False))
    fields: dict[str, object] = {
        "public": body.get("public", False),
        "auto_update": body.get("auto_update", False),
        "properties": {key: text for key, text in body.get("properties", {}).items() if text},
        "profiles": known_profiles(call, body.get("profiles", ["default"])),
    }
    if body.get("expires_at", NEVER) != NEVER:
        fields["expires_at"] = body["expires_at"]
    call.images.update(image, **fields)
    return _updated(call, image)


def known_profiles(call: Call, names: list[str]) -> tuple[str, ...]:
    project = call.store.project_with("profiles", call.project, "Check if project has profiles: ")
    known = [row["name"] for row in call.store.select("profiles", project=project)]
    for name in names:
        if name not in known:
            raise Refusal(500 if call.incus else 400, f"Profile '{name}' doesn't exist")
    if len(set(names)) < len(names):
        raise Refusal(500, "UNIQUE constraint failed: images_profiles.image_id, images_profiles.profile_id")
    return tuple(name for name in known if name in names)


def _updated(call: Call, image: ImageRow) -> Reply:
    call.send_event("image-updated", f"/1.0/images/{image.record.fingerprint}", call.project)
    return sync({})


@routes.add("PATCH", "/1.0/images/{name}")
def patch_image(call: Call, name: str) -> Reply:
    """Change public, auto_update and single properties; expiry and profiles are ignored."""
    image = writable(call, name)
    call.check_etag(image.record.etag)
    body = call.json(_IMAGE_PUT)
    check_public(call, public=body.get("public", image.record.public))
    if image.record.properties and _says_null(call.body, "properties"):
        raise Dropped
    merged = {**image.record.properties, **body.get("properties", {})}
    call.images.update(
        image,
        public=body.get("public", image.record.public),
        auto_update=body.get("auto_update", image.record.auto_update),
        properties={key: text for key, text in merged.items() if text},
    )
    return _updated(call, image)


def _says_null(body: bytes, key: str) -> bool:
    value, _ = json.JSONDecoder().raw_decode(body.decode("utf-8", "replace").lstrip())
    return isinstance(value, dict) and key in value and value[key] is None


@routes.add("DELETE", "/1.0/images/{name}")
def delete_image(call: Call, name: str) -> Reply:
    """Remove an image from its project, in an operation."""
    image = writable(call, name)
    fingerprint = image.record.fingerprint
    url = f"/1.0/images/{fingerprint}"

    async def work(_operation: Operation) -> None:
        current = call.images.exact(image.project, fingerprint)
        if current is None:
            raise Refusal(404, "Image not found")
        aliases = call.images.aliases_of(current)
        call.images.delete(current)
        call.send_event("image-deleted", url, call.project)
        if call.incus:
            for alias in aliases:
                call.send_event("image-alias-deleted", call.daemon.events.alias_url(alias["name"]), call.project)

    suffix = f"?project={quote(call.project, safe='')}"
    shown = url + suffix if call.does(facts.EMPTY_RESOURCES) and call.project != "default" else url
    return call.start("Deleting image", work, resources={"images": [shown]})


@routes.add("GET", "/1.0/images/{name}/export", open_to_all=True)
def export_image(call: Call, name: str) -> Reply:
    """The files of an image: a single one as it is, two as multipart."""
    image = visible(call, name)
    fingerprint = image.record.fingerprint
    first, second = call.images.files(image)
    if not first.exists():
        raise Refusal(404, "Image file not found")
    extension = extension_of(first)
    more = {"X-Incus-Type": "incus"} if call.does(facts.TYPE_HEADER) else {}
    if second is not None:
        kind = "rootfs.img" if image.record.type == "virtual-machine" else "rootfs"
        metadata = ("metadata", f"meta-{fingerprint}{extension}", first)
        form = form_data([metadata, (kind, f"{fingerprint}{extension_of(second)}", second)])
        form.pieces.append(form.pieces[-1])  # LXD 5.0.2 and Incus 6.0.4 close it twice.
        form.headers |= more
        if call.does(facts.SPLIT_RETRIEVED):
            call.send_event("image-retrieved", f"/1.0/images/{fingerprint}", call.project)
        return form
    call.send_event("image-retrieved", f"/1.0/images/{fingerprint}", call.project)
    reply = file_reply(first, f"{fingerprint}{extension}", call.headers, new_go=call.does(facts.NEW_GO))
    reply.headers |= more
    return reply


@routes.add("POST", "/1.0/images/{name}/secret")
def make_secret(call: Call, name: str) -> Reply:
    """Issue a token with which a stranger can read and export the image once."""
    image = writable(call, name)
    url = f"/1.0/images/{image.record.fingerprint}"
    operation = call.daemon.operations.token(
        call.project,
        "Image download token",
        {"for": "export", "fingerprint": image.record.fingerprint},
        resources={"images": [url]},
    )
    call.send_event("image-secret-created", url, call.project)
    return call.accepted(operation)


def announce(call: Call, project: str, record: Record, aliases: Iterable[dict[str, str]]) -> None:
    """Send the event of a new image and add its aliases; Incus does it in the opposite order.

    Raises:
        Refusal: an alias exists. The image stays, as on the real daemons.
    """
    if call.incus:
        _add_aliases(call, project, record.fingerprint, aliases)
    call.send_event("image-created", f"/1.0/images/{record.fingerprint}", call.project, {"type": record.type})
    if not call.incus:
        _add_aliases(call, project, record.fingerprint, aliases)


def _add_aliases(call: Call, project: str, fingerprint: str, aliases: Iterable[dict[str, str]]) -> None:
    for alias in aliases:
        if call.images.has_alias(project, alias["name"]):
            raise Refusal(500, f"Alias already exists: {alias['name']}")
        call.images.add_alias(call.images.find(project, fingerprint), alias["name"], alias["description"])
        if call.incus:
            url = call.daemon.events.alias_url(alias["name"])
            call.send_event("image-alias-created", url, call.project, {"target": fingerprint})
