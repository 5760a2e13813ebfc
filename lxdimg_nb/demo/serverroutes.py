"""`/`, `/1.0` and what a client asks about the server itself.

Source: LXD REST API; replies of LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

from .bodies import Struct
from .gojson import etag
from .routing import Call, Routes
from .wire import Refusal, Reply

__all__ = ["routes"]

routes = Routes()
_CONFIG = Struct("ServerPut", config="any")
_SETTINGS = ("core.https_address", "core.trust_password", "images.", "user.", "storage.")


@routes.add("GET", "/", open_to_all=True)
@routes.add("POST", "/", open_to_all=True)
def versions(_call: Call) -> Reply:
    """The versions of the API."""
    return Reply(["/1.0"])


@routes.add("GET", "/1.0", open_to_all=True)
def describe(call: Call) -> Reply:
    """What the server is and can do."""
    shown = call.daemon.description(
        trusted=call.caller.trusted, project=call.project, user=call.caller.requestor.username
    )
    headers = {"ETag": f'"{etag([shown.get("config", {})])}"'} if call.caller.trusted else {}
    return Reply(shown, headers=headers)


@routes.add("PATCH", "/1.0")
@routes.add("PUT", "/1.0")
def configure(call: Call) -> Reply:
    """Change settings: the trust password is used, the others are kept."""
    config = call.json(_CONFIG).get("config", {})
    for key, value in config.items():
        known = key.startswith(_SETTINGS) and not (call.daemon.flavour.is_incus and key == "core.trust_password")
        if not known:
            raise Refusal(400, f"cannot set '{key}' to '{value}': unknown key")
    for key, value in config.items():
        call.daemon.store.set_setting(key, str(value))
    call.tell("config-updated", "/1.0", "default")
    return Reply({})


@routes.add("GET", "/1.0/events")
def events(_call: Call) -> Reply:
    """Without asking for a websocket there are no events."""
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Sec-Websocket-Version": "13",
        "X-Content-Type-Options": "nosniff",
    }
    return Reply(b"Bad Request\n", 400, headers=headers, bare=True)


@routes.add("GET", "/1.0/cluster")
def cluster(_call: Call) -> Reply:
    """The demo server is no cluster."""
    return Reply({"server_name": "", "enabled": False, "member_config": []})


@routes.add("GET", "/1.0/cluster/members")
def members(_call: Call) -> Reply:
    """The demo server is no cluster."""
    raise Refusal(500, "Server is not clustered")


@routes.add("GET", "/1.0/networks")
@routes.add("GET", "/1.0/warnings")
def nothing(_call: Call) -> Reply:
    """There are none."""
    return Reply([])


@routes.add("GET", "/1.0/networks/{name}")
def no_network(_call: Call, **_names: str) -> Reply:
    """There are none."""
    raise Refusal(404, "Network not found")
