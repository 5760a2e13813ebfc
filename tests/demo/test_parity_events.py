"""The demo server and the daemon it imitates tell the same events, and make and publish instances alike."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from tests.kit.demo_http import ask, finished
from tests.kit.parity import (
    FIRST,
    IMAGE,
    OCTETS,
    ONE,
    SECOND,
    TWO,
    Step,
    blotted,
    compare,
    daemon,
    imitation,
    product,
    told,
)
from tests.kit.sockets import UnixConnection

pytestmark = pytest.mark.real


__all__ = ["daemon", "imitation", "product"]


class _Ear:
    """Hears the events of a server."""

    def __init__(self, place: Path) -> None:
        opened = UnixConnection(place)
        opened.connect()
        url = "ws://localhost/1.0/events?type=lifecycle,operation&all-projects=true"
        self._socket = websocket.create_connection(url, socket=opened.sock, suppress_origin=True)
        self._socket.settimeout(20)
        self._heard: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                text = self._socket.recv()
            except (websocket.WebSocketException, OSError):
                return
            if not text:
                return
            self._heard.append(json.loads(text))

    def close(self) -> None:
        self._socket.close()
        self._thread.join()

    def lifecycle(self) -> list[str]:
        found = [event for event in self._heard if event["type"] == "lifecycle"]
        return [blotted({key: event[key] for key in ("metadata", "project", "location")}) for event in found]

    def operations(self) -> list[str]:
        found = [event["metadata"] for event in self._heard if event["type"] == "operation"]
        return [blotted({**event, "id": ""}) for event in found]


def _story(place: Path, product: str) -> Iterator[Callable[[], Any]]:
    at = "/1.0/images/aliases"
    steps: list[Step] = [
        ("POST", "/1.0/images", ONE, OCTETS),
        ("POST", "/1.0/images", ONE, OCTETS),
        ("PATCH", IMAGE, {"public": True}),
        ("PUT", IMAGE, {"public": False}),
        ("POST", at, {"name": "e/v", "target": FIRST}),
        ("PUT", f"{at}/e%2Fv", {"target": FIRST, "description": "x"}),
        ("DELETE", f"{at}/e%2Fv"),
        ("POST", at, {"name": "e2", "target": FIRST}),
        ("GET", f"{IMAGE}/export"),
        ("POST", f"{IMAGE}/refresh"),
        ("POST", "/1.0/projects", {"name": "evp"}),
        ("POST", "/1.0/images?project=evp", TWO, OCTETS),
        ("POST", f"{at}?project=evp", {"name": "p/x", "target": SECOND}),
        ("DELETE", f"/1.0/images/{SECOND}?project=evp"),
        ("DELETE", "/1.0/projects/evp"),
        ("POST", "/1.0/profiles", {"name": "evprof"}),
        ("DELETE", "/1.0/profiles/evprof"),
        ("DELETE", IMAGE),
    ]
    if product == "incus":
        steps.insert(6, ("POST", f"{at}/e%2Fv", {"name": "e/w"}))
        steps.insert(7, ("POST", f"{at}/e%2Fw", {"name": "e/v"}))
    for step in steps:
        yield lambda step=step: told(place, step)  # type: ignore[misc]


def test_the_same_changes_send_the_same_events(daemon: Path, imitation: Path, product: str) -> None:
    heard = []
    for place in (daemon, imitation):
        ear = _Ear(place)
        for step in _story(place, product):
            step()
        threading.Event().wait(0.5)
        ear.close()
        heard.append((sorted(ear.lifecycle()), sorted(ear.operations())))

    assert heard[1][0] == heard[0][0]
    assert heard[1][1] == heard[0][1]


INSTANCES = "/1.0/instances"
POOL = {"root": {"type": "disk", "path": "/", "pool": "lxdimg"}}


def _instance(name: str, **more: Any) -> Step:
    source = {"type": "image", "fingerprint": FIRST}
    return ("POST", INSTANCES, {"name": name, "source": source, "profiles": [], "devices": POOL, **more})


def _stand(daemon: Path, imitation: Path, *steps: Step) -> None:
    compare(daemon, imitation, [("POST", "/1.0/images", ONE, OCTETS)])
    for place in (daemon, imitation):
        ask(place, "POST", "/1.0/storage-pools", {"name": "lxdimg", "driver": "dir"})
    compare(daemon, imitation, steps)


def test_instances_are_refused_for_the_same_reasons(daemon: Path, imitation: Path) -> None:
    _stand(
        daemon,
        imitation,
        _instance("c1", profiles=["nope"]),
        _instance("c1", profiles=["default", "default"]),
        _instance("sp ace"),
        ("GET", INSTANCES),
    )


C1 = "/1.0/instances/c1"
EDITS: list[Step] = [
    ("PATCH", C1, {"config": {"user.a": "1"}}),
    ("PATCH", C1, {"config": {"user.a": "2", "user.b": "x"}, "description": "mine"}),
    ("PATCH", C1, {"config": {"user.b": ""}}),
    ("PATCH", C1, {"devices": {"d": {"type": "none"}}}),
    ("PATCH", C1, {"config": {"nonsense": "1"}}),
    ("PATCH", C1, {"config": {"user.n": 5}}),
    ("PATCH", C1, {"config": None}),
    ("PATCH", C1, {}),
    ("PATCH", C1, [1]),
    ("PATCH", C1, {"profiles": ["none"]}),
    ("PATCH", C1, {"ephemeral": True}),
    ("PATCH", "/1.0/instances/none", {}),
    ("PUT", C1, {"config": {"user.b": "2"}, "devices": POOL}),
    ("PUT", C1, {"config": []}),
    ("PUT", C1, [1]),
    ("PUT", C1, {"profiles": ["none"]}),
    ("PUT", C1, {"restore": "none"}),
    ("PUT", "/1.0/instances/none", {}),
]


def test_instances_are_changed_and_restored_alike(daemon: Path, imitation: Path) -> None:
    _stand(daemon, imitation)
    for place in (daemon, imitation):
        finished(place, ask(place, *_instance("c1")))

    compare(daemon, imitation, EDITS)
    states = [_edited(place) for place in (daemon, imitation)]
    compare(daemon, imitation, [("POST", f"{C1}/snapshots", {"name": "s0"})])
    later = {"expires_at": "2099-01-01T00:00:00Z"}
    compare(daemon, imitation, [(method, f"{C1}/snapshots/s0", later) for method in ("PUT", "PATCH")])
    compare(daemon, imitation, [("PATCH", C1, {"config": {"user.a": "later"}}), ("PUT", C1, {"restore": "s0"})])

    snapshots = [ask(place, "GET", f"{C1}/snapshots/s0").metadata for place in (daemon, imitation)]
    assert states[1] == states[0]
    assert (states[0]["config"], states[0]["ephemeral"]) == ({"user.a": "2"}, True)
    assert [_edited(place) for place in (daemon, imitation)] == [states[0] | {"ephemeral": False}] * 2
    assert [(one["expires_at"], one["ephemeral"]) for one in snapshots] == [("2099-01-01T00:00:00Z", False)] * 2


def _edited(place: Path) -> dict[str, Any]:
    """What was written of c1, after it was written again as it is: with the ETag of before, and with a wrong one."""
    document = ask(place, "GET", C1).metadata
    written = {key: document[key] for key in ("config", "devices", "ephemeral", "profiles", "description")}
    assert ask(place, "PUT", C1, written, {"If-Match": "wrong"}).status == 412
    etag = ask(place, "GET", C1).headers["ETag"]
    assert finished(place, ask(place, "PUT", C1, written, {"If-Match": etag}))["status"] == "Success"
    again = ask(place, "GET", C1).metadata
    assert again == document
    config = {key: value for key, value in again["config"].items() if not key.startswith(("image.", "volatile."))}
    return {**written, "config": config, "expanded_devices": again["expanded_devices"]}


def test_a_project_lists_what_it_uses(daemon: Path, imitation: Path) -> None:
    for place in (daemon, imitation):
        ask(place, "POST", "/1.0/projects", {"name": "web"})
    _stand(daemon, imitation, *(("GET", f"/1.0/projects/{name}/state") for name in ("default", "web", "nope")))
    for place in (daemon, imitation):
        finished(place, ask(place, *_instance("c1")))
    compare(daemon, imitation, [("GET", "/1.0/projects/default/state")])


@pytest.mark.parametrize("properties", [None, {}, {"os": "new", "own": "1"}])
def test_an_instance_is_published_with_the_same_properties(
    daemon: Path, imitation: Path, properties: dict[str, str] | None
) -> None:
    _stand(daemon, imitation)
    asked = {"source": {"type": "instance", "name": "c1"}, "properties": properties}

    shown = []
    for place in (daemon, imitation):
        finished(place, ask(place, *_instance("c1")))
        made = finished(place, ask(place, "POST", "/1.0/images", asked))["metadata"]["fingerprint"]
        shown.append(ask(place, "GET", f"/1.0/images/{made}").metadata)

    for key in ("properties", "type", "architecture", "public", "expires_at", "filename", "profiles", "aliases"):
        assert shown[1][key] == shown[0][key], key
