"""`POST /1.0/images`: uploads, upload tokens, and the requests to copy or to publish.

The body is on disk before the handler runs. A JSON object is a request, whatever its content type; anything
else is an upload, whose errors appear in the operation.

Source: LXD REST API; replies of LXD 5.0.2 and Incus 6.0.4 to good and bad bodies.
"""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from ..http.go_structs import Struct
from ..http.replies import Reply
from ..http.routing import Call, Routes
from ..http.upload_body import Spool
from ..store.background_operations import Operation
from ..store.go_json import from_epoch, now_text
from ..store.image_inspection import ImageFacts, facts_of
from ..store.image_records import Record
from ..store.refusals import Dropped, Refusal
from ..versions import facts
from ..versions.flavours import NEVER
from .copies import pull
from .image_routes import IMAGE_FIELDS, announce, check_public, known_profiles
from .publishing import check_compression, publish, publishable

__all__ = ["routes"]

routes = Routes()
_JSON_LIMIT = 1 << 20
_IMAGES_POST = Struct(
    "ImagesPost",
    f"{IMAGE_FIELDS}, filename string, aliases []api.ImageAlias, compression_algorithm string, format string",
    source=Struct(
        "ImagesPostSource",
        "alias string, certificate string, fingerprint string, image_type string, mode string, name string,"
        "project string, protocol string, secret string, server string, type string, url string",
    ),
)


@routes.add("POST", "/1.0/images", open_to_all=True)
def post_image(call: Call) -> Reply:
    """Make an image from the body, another server or an instance, or give a token for one that is pushed."""
    spool = call.spool
    if spool is None:
        raise Refusal(403, "not authorized")
    try:
        return _post(call, spool)
    except BaseException:
        spool.discard()
        raise


def _post(call: Call, spool: Spool) -> Reply:
    loaded = call.does(facts.PROJECT_LOADED)
    complaint = f'Failed to load project "{call.project}": ' if loaded else "Fetch project database object: "
    budget = call.store.disk_budget(call.images_project(complaint))
    if not call.caller.trusted and not (call.header("secret") and call.header("fingerprint")):
        raise Refusal(403, "not authorized")
    if budget is not None and spool.size > budget:
        # A request is counted like an upload, which is cut off.
        raise Refusal(500, f"reached {spool.size} bytes, exceeding quota of {budget}")
    text = spool.text(_JSON_LIMIT)
    if text is not None:
        call.body = text
        try:
            body = call.json(_IMAGES_POST)
        except Refusal:
            if call.headers.get("Content-Type") == "application/json":
                raise
        else:
            spool.discard()
            if not call.caller.trusted:
                raise Refusal(403, "not authorized")
            return _from_request(call, body)
    check_public(call, public=_truth(call.header("public")))
    return _upload(call, spool)


# Uploads


def _upload(call: Call, spool: Spool) -> Reply:
    daemon = call.daemon
    token: Operation | None = None
    if call.header("secret") and call.header("fingerprint"):
        token = call.redeem("upload", call.header("secret"), call.header("fingerprint"))
        if token is None and not call.caller.trusted:
            raise Refusal(403, "not authorized")
    project = call.images_project()

    async def work(operation: Operation) -> None:
        try:
            described = await daemon.in_worker(_facts, call, spool)
            wanted = call.header("fingerprint")
            if wanted and wanted != spool.fingerprint:
                raise Refusal(500, f"{_mismatch(call)}, got {spool.fingerprint} expected {wanted}")
            if call.does(facts.PROFILES_FIRST):
                known_profiles(call, _names(call, "profiles", "profile"))
            daemon.operations.progress(operation, fingerprint=spool.fingerprint, size=str(spool.size))
            _add_image(call, project, spool, described, token)
        finally:
            spool.discard()

    secret = {"secret": (token.metadata or {})["secret"]} if token is not None else None
    return call.start("Downloading image", work, metadata=secret)


def _facts(call: Call, spool: Spool) -> ImageFacts:
    if spool.error:
        raise Refusal(500, spool.error)
    file, new = spool.files[0], call.does(facts.YAML_CONSTRUCTS)
    try:
        return facts_of(file, split=spool.split, virtual_machine=spool.virtual_machine, go_yaml_4=new)
    except Refusal as refusal:
        what, separator, name = refusal.text.partition("supported: ")
        if separator and call.does(facts.QUOTED_ARCHITECTURE):
            raise Refusal(500, f"{what}{separator}{json.dumps(name)}") from refusal
        raise


def _add_image(call: Call, project: str, spool: Spool, described: ImageFacts, token: Operation | None) -> None:
    daemon = call.daemon
    properties = dict(described.properties or {})
    if call.header("properties"):
        if described.properties is None:
            # A real daemon panics here and exits; a demo server inside a kernel must not.
            raise Refusal(500, "assignment to entry in nil map")
        properties |= dict(parse_qsl(call.header("properties"), keep_blank_values=True, errors="replace"))
    if daemon.images.exact(project, spool.fingerprint) is not None:
        raise Refusal(500, "Image with same fingerprint already exists")
    profiles = _names(call, "profiles", "profile")
    record = Record(
        fingerprint=spool.fingerprint,
        size=spool.size,
        type=described.type,
        architecture=described.architecture,
        created_at=from_epoch(described.creation_date),
        uploaded_at=now_text(),
        expires_at=from_epoch(described.expiry_date) if described.expiry_date else daemon.flavour.no_expiry,
        filename=spool.filename if spool.split else call.header("filename"),
        public=_truth(call.header("public")),
        properties=properties,
        profiles=known_profiles(call, profiles) if profiles else ("default",),
    )
    aliases = [{"name": name, "description": ""} for name in _names(call, "aliases", "alias")]
    if token is not None and token.metadata:
        wanted = token.metadata
        if wanted["properties"] is None and call.does(facts.TOKEN_PROPERTIES):
            raise Refusal(500, 'Invalid type for field "properties"')
        record = replace(
            record,
            expires_at=wanted["expires_at"],
            public=wanted["public"],
            properties=dict(wanted["properties"] or {}),
        )
        aliases = [*(wanted["aliases"] or []), *aliases]
    daemon.images.install(project, record, spool.files)
    announce(call, project, record, aliases)


def _truth(text: str) -> bool:
    return text.lower() in ("1", "true", "yes", "on")


def _mismatch(call: Call) -> str:
    if call.does(facts.FINGERPRINTS_DO_NOT):
        return "Fingerprints do not match"
    return "Fingerprints don't match" if call.does(facts.CAPITAL_FINGERPRINTS) else "fingerprints don't match"


_HEADERS = {"profiles": facts.PROFILES_HEADER, "aliases": facts.ALIASES_HEADER}


def _names(call: Call, header: str, key: str) -> list[str]:
    """The names in a header that not every version reads."""
    text = call.header(header) if call.does(_HEADERS[header]) else ""
    names = [name for found, name in parse_qsl(text) if found == key]
    return names or ([text] if text and call.incus else [])


# Requests


def _from_request(call: Call, body: dict[str, Any]) -> Reply:
    if "source" not in body:
        raise Dropped
    source = body["source"]
    check_public(call, public=body.get("public", False))
    if source.get("mode") == "push":
        return _upload_token(call, body, source)
    kind = source.get("type", "")
    if kind == "url" and call.does(facts.NO_URL_SOURCE):
        raise Refusal(400, "Image download from client-specified URL is not supported")
    if kind in ("instance", "container", "virtual-machine", "snapshot"):
        if not call.incus:
            check_compression(call, body.get("compression_algorithm", ""))
            publishable(call, source)
        return call.start("Downloading image", functools.partial(publish, call, body))
    if kind == "image":
        return call.start("Downloading image", functools.partial(pull, call, body))
    if kind == "url":
        return call.start("Downloading image", functools.partial(_from_url, source))
    raise Refusal(500, "Invalid images JSON")


async def _from_url(source: dict[str, Any], _operation: Operation) -> None:
    # A real server needs special headers of the web server. No web server sends them; newer LXD has dropped this.
    raise Refusal(500, "Missing LXD-Image-Hash header" if source.get("url") else "Missing URL")


def _upload_token(call: Call, body: dict[str, Any], source: dict[str, Any]) -> Reply:
    """Issue a token with which another server may upload an image."""
    fingerprint = source.get("fingerprint", "")
    operation = call.daemon.operations.token(
        call.project,
        "Image download token",
        {"for": "upload", "fingerprint": fingerprint},
        resources={"images": [f"/1.0/images/{fingerprint}"]},
        aliases=body.get("aliases"),
        expires_at=body.get("expires_at", NEVER),
        properties=body.get("properties"),
        public=body.get("public", False),
    )
    call.send_event("image-secret-created", f"/1.0/images/{fingerprint}", call.project)
    return call.accepted(operation)
