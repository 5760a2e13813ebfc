"""`/`, `/1.0` and other facts about the server, and the server's own simplestreams tree.

Source: LXD REST API; replies of LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import json

from ..http.go_structs import Struct
from ..http.replies import Reply, bare, sync
from ..http.routing import Call, Routes
from ..stock.simplestreams_tree import tree
from ..store.go_json import etag
from ..store.image_inspection import ARCHITECTURES
from ..store.refusals import Refusal
from .publishing import wrong_compression
from .transfer_routes import prune_cached

__all__ = ["routes"]

routes = Routes()
_CONFIG = Struct("ServerPut", "config any")
_SETTINGS = ("core.https_address", "core.trust_password", "user.", "storage.")
_NUMBERS = ("images.auto_update_interval", "images.remote_cache_expiry")
_SWITCHES = ("images.auto_update_cached",)
_TEXTS = ("images.compression_algorithm", "images.default_architecture")
IMAGE_SETTINGS = frozenset((*_NUMBERS, *_SWITCHES, *_TEXTS))
"""What can be set about images, for the server and for a project."""
_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@routes.add("GET", "/", open_to_all=True)
@routes.add("POST", "/", open_to_all=True)
def versions(_call: Call) -> Reply:
    """The versions of the API."""
    return sync(["/1.0"])


@routes.add("GET", "/1.0", open_to_all=True)
def describe(call: Call) -> Reply:
    """The server's configuration, environment and API extensions."""
    shown = call.daemon.description(
        trusted=call.caller.trusted, project=call.project, user=call.caller.requestor.username
    )
    if call.caller.projects is not None:
        shown["config"] = {} if call.incus else None
    return sync(shown, etag=etag([shown.get("config", {})]) if call.caller.trusted else "")


@routes.add("PATCH", "/1.0")
@routes.add("PUT", "/1.0")
def configure(call: Call) -> Reply:
    """Change settings, all or none: the trust password is used, the others are stored and shown."""
    changes = call.json(_CONFIG).get("config", {})
    settled = {key: _setting(key, str(value), incus=call.incus) for key, value in changes.items()}
    with call.store.transaction():
        if call.method == "PUT":
            # The user's own keys stay, as on the daemons; so does the password, which is never shown.
            kept = ("core.", "user.")
            settled = {key: "" for key in call.store.settings() if not key.startswith(kept)} | settled
        for key, value in settled.items():
            call.store.set_setting(key, value)
    call.send_event("config-updated", "/1.0", "default")
    if "images.remote_cache_expiry" in settled:
        prune_cached(call.daemon)
    return sync({})


def _setting(key: str, value: str, *, incus: bool) -> str:
    """The value of a setting as it is stored.

    Raises:
        Refusal: 400, there is no such setting, or the value is invalid.
    """
    wrong = ""
    if key in _SWITCHES:
        wrong = "" if value.lower() in ("", *_YES, *_NO) else "invalid boolean"
    elif key in _NUMBERS:
        wrong = "" if not value or value.removeprefix("-").isdecimal() else "invalid integer"
    elif key not in _TEXTS and (not key.startswith(_SETTINGS) or (incus and key == "core.trust_password")):
        wrong = "unknown key"
    elif key in _TEXTS:
        wrong = wrong_image_setting(key, value, incus=incus) if value else ""
    if wrong:
        raise Refusal(400, f"cannot set '{key}' to '{value}': {wrong}")
    return str(value.lower() in _YES).lower() if value and key in _SWITCHES else value


def wrong_image_setting(key: str, value: str, *, incus: bool) -> str:
    """What the daemons say of a wrong value of one of `IMAGE_SETTINGS`; empty for a valid one, and for other keys."""
    if key == "images.compression_algorithm":
        return wrong_compression(value, incus=incus)
    if key == "images.default_architecture" and value not in ARCHITECTURES:
        return f'Invalid value "{value}" (not one of [{" ".join(ARCHITECTURES)}])'
    if key in _SWITCHES and value.lower() not in (*_YES, *_NO):
        return f'Invalid value for a boolean "{value}"'
    if key in _NUMBERS and not value.removeprefix("-").isdecimal():
        return f'Invalid value for an integer "{value}"'
    return ""


@routes.add("GET", "/1.0/events")
def events(_call: Call) -> Reply:
    """Events are sent over a websocket only."""
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Sec-Websocket-Version": "13",
        "X-Content-Type-Options": "nosniff",
    }
    return bare("Bad Request\n", 400, headers)


@routes.add("GET", "/1.0/cluster")
def cluster(_call: Call) -> Reply:
    """The demo server is not clustered."""
    return sync({"server_name": "", "enabled": False, "member_config": []})


@routes.add("GET", "/1.0/cluster/members")
def members(_call: Call) -> Reply:
    """The demo server is not clustered."""
    raise Refusal(500, "Server is not clustered")


@routes.add("GET", "/1.0/networks")
@routes.add("GET", "/1.0/warnings")
def empty_list(_call: Call) -> Reply:
    """The demo server has none."""
    return sync([])


@routes.add("GET", "/1.0/networks/{name}")
def no_network(_call: Call, **_names: str) -> Reply:
    """The demo server has none."""
    raise Refusal(404, "Network not found")


@routes.add("GET", "/streams/v1/{name}", open_to_all=True)
def stream_index(call: Call, name: str) -> Reply:
    """The index or the products of the server's own simplestreams tree."""
    found = tree(call.daemon.flavour.product, call.daemon.first_day).get(f"streams/v1/{name}")
    if found is None:
        raise Refusal(404, "not found")
    return bare(json.dumps(found))


@routes.add("GET", "/images/{path*}", open_to_all=True)
def stream_file(call: Call, path: str) -> Reply:
    """One file of the tree."""
    found = tree(call.daemon.flavour.product, call.daemon.first_day).get(f"images/{path}")
    if not isinstance(found, bytes):
        raise Refusal(404, "not found")
    return bare(found)
