"""What a certificate that is restricted to one project gets: the same from the demo server and from a real one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product as combined
from pathlib import Path
from typing import Any

import pytest

from tests.kit import certificates, counts, factory, newer
from tests.kit.demo_http import ask
from tests.kit.servers import RunningServer, start_demo

pytestmark = [pytest.mark.slow, pytest.mark.real]
# The project that each image is in, and whether it is public.
IMAGES = {"default-": 1, "default+": 2, "theirs-": 3, "theirs+": 4, "mine-": 5}
PLACES = ("", "project=mine", "project=theirs", "project=shared", *(("project=nope",) if counts.long_run() else ()))
READS = (
    *("/1.0", "/1.0/images", "/1.0/images?recursion=1", "/1.0/images/aliases", "/1.0/instances?recursion=2"),
    *("/1.0/images/aliases/a1", "/1.0/images/aliases/a2", "/1.0/images/aliases/a5"),
)
ONCE = (
    *("/1.0/projects", "/1.0/projects/mine", "/1.0/projects/theirs", "/1.0/projects/nope", "/1.0/profiles"),
    *("/1.0/images?all-projects=true", "/1.0/images?all-projects=true&recursion=1", "/1.0/storage-pools"),
    *("/1.0/images/aliases?all-projects=true", "/1.0/instances?all-projects=true&recursion=2"),
)
WRITES: dict[tuple[str, str], Any] = {
    ("PATCH", "/1.0"): {"config": {}},
    ("POST", "/1.0/projects"): {"name": "new"},
    ("POST", "/1.0/images/aliases?project=theirs"): {"name": "n", "target": "0" * 64},
    ("PUT", "/1.0/images/aliases/a1"): {"target": "0" * 64},
    ("POST", "/1.0/images"): {"source": {"type": "image", "mode": "push", "fingerprint": "ab" * 32}},
}


def filled(server: RunningServer) -> None:
    """Projects with an image each, one that shows those of default, and one image in two projects."""
    for name in ("mine", "theirs"):
        server.add_project(name)
    server.add_project("shared", features_images=False)
    for name, number in IMAGES.items():
        server.add_image(factory.small(number), [f"a{number}"], public=name[-1] == "+", project=name[:-1])
    for name in ("mine", "theirs"):
        server.add_image(factory.small(9), project=name)


def answers(server: RunningServer, folder: Path, places: tuple[str, ...] = PLACES) -> dict[str, tuple[int, str]]:
    """What it is told, by request; fingerprints by the names of the images."""
    url = server.listen()
    pair: Any = tuple(map(str, certificates.restricted(server, folder, "mine")))
    names = {factory.fingerprint(factory.small(number)): name for name, number in (*IMAGES.items(), ("both", 9))}
    found: dict[str, tuple[int, str]] = {}

    def say(method: str, path: str, body: Any = None) -> None:
        said = ask(url, method, path, body, cert=pair)
        told = "bytes"
        if path.partition("?")[0] == "/1.0" and method == "GET":
            told = f"{said.metadata['auth']} {said.metadata['config'] or ''} {said.metadata['environment']['project']}"
        elif said.status >= 400:
            told = str(said.json["error"])
        elif path == "/1.0/storage-pools":
            told = "names"  # a real server may have one from another test
        elif isinstance(said.json.get("metadata") if "export" not in path else None, list):
            rows = said.metadata
            texts = (str(row.get("fingerprint") or row.get("name")) if isinstance(row, dict) else row for row in rows)
            told = " ".join(sorted(text.rpartition("/")[2] for text in texts))
        for fingerprint, name in names.items():
            told, path = told.replace(fingerprint, name), path.replace(fingerprint, name)
        found[f"{method} {path}"] = said.status, re.sub(r":[0-9]+", "", told)

    for place, path in combined(places, READS):
        say("GET", path + (("&" if "?" in path else "?") + place if place else ""))
    for place, (fingerprint, name) in combined(places, names.items()):
        say("GET", f"/1.0/images/{fingerprint}?{place}")
        if name in ("default-", "theirs-", "mine-"):
            say("GET", f"/1.0/images/{fingerprint}/export?{place}")
            say("PATCH", f"/1.0/images/{fingerprint}?{place}", {})
            say("POST", f"/1.0/images/{fingerprint}/secret?{place}", {})
        if place != "project=mine":
            say("DELETE", f"/1.0/images/{fingerprint}?{place}")
    for path in ONCE:
        say("GET", path)
    for (method, path), body in WRITES.items():
        say(method, path, body)
    return found


@contextmanager
def imitated(version: str, folder: Path) -> Iterator[RunningServer]:
    """A demo server that speaks a version."""
    server = start_demo(folder, version)
    try:
        yield server
    finally:
        server.stop()


# Texts that differ by more than they tell: 7.0.2 looks for a project before it asks who may use it.
APART = {"incus-7.0.2": {"POST /1.0/images?project=nope", "POST /1.0/images/aliases?project=shared"}}


def compared(server: RunningServer, version: str, folder: Path, places: tuple[str, ...] = PLACES) -> int:
    """How many answers are the same; fails at those that are not."""
    filled(server)
    real = answers(server, folder / "real", places)
    with imitated(version, folder / "demo") as demo:
        filled(demo)
        told = answers(demo, folder / "pair", places)
    differing = {path: (real[path], told[path]) for path in real if real[path] != told[path]}
    assert {path: both for path, both in differing.items() if path not in APART.get(version, set())} == {}
    return len(real)


def test_a_restricted_certificate_is_told_the_same(real: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()

    count = compared(real, {"lxd": "lxd-5.0.2", "incus": "incus-6.0.4"}[real.kind], tmp_path)

    counts.count("requests of restricted certificates", inputs=count)


@pytest.mark.long
@pytest.mark.parametrize("which", newer.builds() or ["lxd-trixie"])
def test_by_newer_servers_as_well(newer_daemon: RunningServer, which: str, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()

    count = compared(newer_daemon, newer.BUILDS[which].speaks, tmp_path)

    counts.count("requests of restricted certificates", inputs=count)


def test_a_secret_of_another_project_would_be_noticed(
    lxd: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canary."""
    (tmp_path / "demo").mkdir()
    monkeypatch.setattr("lxdimg_nb.demo.api.image_routes.may_use", lambda _: True)

    with pytest.raises(AssertionError, match="default-"):
        compared(lxd, "lxd-5.0.2", tmp_path, ("",))
