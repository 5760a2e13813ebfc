"""The demo server and the daemon it imitates, asked the same: statuses, headers, bodies and events must agree.

Each test sends one list of requests to both and compares what came back, with ids, times and secrets blotted
out. Where a daemon kills itself or stalls for seconds it is not asked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from lxdimg_nb import demo
from tests.kit import factory, newer
from tests.kit.demo_http import ask
from tests.kit.parity import (
    DOUBLE,
    FIRST,
    IMAGE,
    OCTETS,
    ONE,
    SECOND,
    SPLIT,
    TWO,
    Step,
    compare,
    told,
)
from tests.kit.servers import RunningServer
from tests.kit.sockets import multipart

pytestmark = pytest.mark.real


Compare = Callable[[Sequence[Step]], None]


@pytest.fixture(params=["lxd", "incus", *newer.builds()])
def which(request: pytest.FixtureRequest) -> str:
    """The two real daemons in turn; in a long run, those of newer Debian suites as well."""
    return str(request.param)


@pytest.fixture
def product(which: str) -> str:
    return which.partition("-")[0]


@pytest.fixture
def daemon(which: str, request: pytest.FixtureRequest) -> Path:
    """The socket of the real one."""
    running = request.getfixturevalue("newer_daemon" if which in newer.builds() else which)
    assert isinstance(running, RunningServer)
    return running.socket


@pytest.fixture
def imitation(which: str) -> Iterator[Path]:
    """The socket of a demo server that plays it."""
    speaks = newer.BUILDS[which].speaks if which in newer.builds() else which
    name, _, version = speaks.partition("-")
    with demo.start(product=name, version=version or None, inventory=False, https=False) as server:
        yield server.socket


@pytest.fixture
def agree(daemon: Path, imitation: Path) -> Compare:
    theirs, mine = (set(ask(s, "GET", "/1.0").json["metadata"]["api_extensions"]) for s in (daemon, imitation))
    if theirs != mine:
        pytest.skip("this daemon is not of the version that the demo server imitates")
    return functools.partial(compare, daemon, imitation)


def _setting() -> list[Step]:
    body, kind = multipart(*SPLIT)
    return [
        ("POST", "/1.0/images", ONE, OCTETS),
        ("POST", "/1.0/images", TWO, OCTETS),
        ("POST", "/1.0/images", body, {"Content-Type": kind}),
    ]


def test_the_root_and_unknown_paths(agree: Compare) -> None:
    paths = ("/", "/1.0/nope", "/2.0", "/1.0/images/", "/1.0/images", "/1.0/images?recursion=1")
    methods = ("PUT", "DELETE", "PATCH", "HEAD")
    agree([("GET", path) for path in paths] + [(method, "/1.0/images") for method in methods])
    agree([("FOO", "/1.0/images"), ("OPTIONS", "/1.0/images"), ("POST", "/1.0"), ("DELETE", "/1.0/operations")])
    agree([("GET", "/1.0/events"), ("GET", "/1.0/projects?recursion=1"), ("GET", "/1.0/profiles?recursion=1")])


def _tar(metadata: str | None, *more: str, compression: str = "gz") -> bytes:
    entries = {} if metadata is None else {"metadata.yaml": metadata.encode()}
    return factory.compress(factory.tar(entries | dict.fromkeys(more, b"x")), compression)  # type: ignore[arg-type]


GOOD = "architecture: x86_64\ncreation_date: 1700000000\n"
BROKEN = {
    "nothing": b"",
    "short": b"abc",
    "no archive": b"no archive at all " * 40,
    "zeros": bytes(4096),
    "cut": ONE[:90],
    "cut xz": TWO[:90],
    "no metadata": _tar(None, "rootfs/a"),
    "no rootfs": _tar(GOOD),
    "no architecture": _tar("creation_date: 1\n", "rootfs/a"),
    "odd architecture": _tar("architecture: z80\ncreation_date: 1\n", "rootfs/a"),
    "no date": _tar("architecture: x86_64\n", "rootfs/a"),
    "zero date": _tar("architecture: x86_64\ncreation_date: 0\n", "rootfs/a"),
    "text date": _tar('architecture: x86_64\ncreation_date: "x"\n', "rootfs/a"),
    "no yaml": _tar("a: [\n", "rootfs/a"),
    "empty yaml": _tar("", "rootfs/a"),
    "list": _tar("- a\n", "rootfs/a"),
    "word": _tar("hello", "rootfs/a"),
    "property list": _tar(GOOD + "properties: [a]\n", "rootfs/a"),
    "kinds of values": _tar(GOOD + "properties: {a: 1, b: true, c: 1.50, d: 2020-01-01, e: null, g: ''}\n", "rootfs/a"),
    "disk": _tar(GOOD, "rootfs.img"),
    "dot slash": factory.compress(factory.tar({"./metadata.yaml": GOOD.encode(), "./rootfs/a": b"x"})),
    "no compression": _tar(GOOD + "properties: {x: plain}\n", "rootfs/a", compression="none"),
    "bzip2": _tar(GOOD + "properties: {x: bz2}\n", "rootfs/a", compression="bz2"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_uploads_of_every_kind(agree: Compare, name: str) -> None:
    agree([("POST", "/1.0/images", BROKEN[name], OCTETS), ("GET", "/1.0/images?recursion=1")])


def _form(*parts: tuple[str, bytes]) -> tuple[bytes, dict[str, str]]:
    body = b""
    for name, data in parts:
        head = f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="d/{name}.x"\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return body + b"--edge--\r\n", {"Content-Type": "multipart/form-data; boundary=edge"}


@pytest.mark.parametrize(
    "parts",
    [
        [("metadata", SPLIT[0]), ("rootfs", SPLIT[1])],
        [("metadata", SPLIT[0]), ("rootfs.img", factory.qcow2())],
        [("metadata", SPLIT[0]), ("rootfs", SPLIT[1]), ("more", b"x")],
        [("rootfs", SPLIT[1]), ("metadata", SPLIT[0])],
        [("metadata", SPLIT[0])],
        [("metadata", SPLIT[0]), ("other", b"x")],
        [("metadata", b"junk" * 99), ("rootfs", SPLIT[1])],
        [],
    ],
)
def test_split_uploads(agree: Compare, parts: list[tuple[str, bytes]]) -> None:
    agree([("POST", "/1.0/images", *_form(*parts)), ("GET", "/1.0/images?recursion=1")])


def test_uploads_with_headers(agree: Compare, product: str) -> None:
    prefix = "X-LXD-" if product == "lxd" else "X-Incus-"
    more = {"filename": "some/name.tar.gz", "public": "Yes", "properties": "os=new&k=%C3%A9+x"}
    with_headers = {**OCTETS, **{prefix + key: text for key, text in more.items()}}
    agree([("POST", "/1.0/images", ONE, with_headers), ("POST", "/1.0/images", ONE, OCTETS), ("GET", IMAGE)])
    agree([("POST", "/1.0/images", TWO, {**OCTETS, prefix + "fingerprint": "0" * 64})])
    agree([("POST", "/1.0/images", TWO, {**OCTETS, prefix + "profiles": "profile=nope"})])
    third = {**OCTETS, prefix + "aliases": "alias=h1&alias=h2"}
    agree([("POST", "/1.0/images", factory.small(3), third), ("GET", "/1.0/images/aliases?recursion=1")])


@pytest.mark.parametrize(
    "body",
    [
        b"{bad",
        b"",
        b"[1]",
        {"source": {"type": "nope"}},
        {"source": {}},
        {},
        {"source": {"type": "image"}},
        {"source": {"type": "url"}},
        {"source": {"type": "instance", "name": "nope"}},
        {"source": {"type": "snapshot", "name": "nope/s"}},
        {"source": {"type": "instance"}},
        {"source": {"mode": "push", "type": "image", "fingerprint": FIRST}, "aliases": [{"name": "a"}], "public": True},
    ],
)
def test_requests_for_images(agree: Compare, body: Any) -> None:
    agree([("POST", "/1.0/images", body, {"Content-Type": "application/json"})])


def test_reading_one_image(agree: Compare) -> None:
    agree(_setting())
    names = (FIRST, FIRST[:12], FIRST[:7].upper(), "%25", f"{FIRST[:5]}_{FIRST[6:9]}", "zzz", FIRST + "0", "0" * 64)
    agree([("GET", f"/1.0/images/{name}") for name in names])
    agree([("HEAD", IMAGE), ("POST", IMAGE), ("GET", f"{IMAGE}?project=nope"), ("GET", f"{IMAGE}?secret=none")])


FILTERS = (
    "properties.os eq tiny",
    "properties.os eq t.*",
    "not properties.os eq tiny",
    "os=Tiny",
    "type eq container",
    'properties.os eq "Tiny"',
    "a",
    "type eq container and",
    "type eq container or type eq x and type eq y",
    "type eq container OR type eq x",
    "aliases.name eq x",
    "update_source.server eq x",
    "architecture ne x86_64",
    "public eq true",
    "public eq yes",
    "cached eq false",
    "size eq 1",
    "foo eq bar",
    "properties eq x",
    "created_at eq 2023",
    "type xx container",
    "",
)


def test_filters(agree: Compare) -> None:
    agree(_setting()[:1])
    agree([("GET", f"/1.0/images?recursion=1&filter={quote(text)}") for text in FILTERS])


PUTS: tuple[Any, ...] = (
    {},
    {"properties": {"os": "Ä <&>\u2028", "e": ""}, "public": True},
    {"profiles": []},
    {"profiles": ["nope"]},
    {"profiles": ["default", "default"]},
    {"expires_at": ""},
    {"expires_at": "2031-05-05"},
    {"expires_at": "2031-05-05T10:00:00"},
    {"expires_at": "2031-05-05T10:00:00+02:00"},
    {"expires_at": "1970-01-01T00:00:00Z"},
    {"expires_at": None},
    {"expires_at": 5},
    {"public": "x"},
    {"properties": {"a": 1}},
    {"properties": []},
    {"auto_update": 1},
    {"auto_update": True},
    {"profiles": "x"},
    {"foo": 1},
    b"",
    b"nope",
    b"[]",
    b"null",
)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_changing_an_image(agree: Compare, method: str) -> None:
    agree(_setting()[:1])
    for body in PUTS:
        agree([(method, IMAGE, body), ("GET", IMAGE)])
    agree([(method, IMAGE, {}, {"If-Match": wrong}) for wrong in ("x", '"x"', "*")])
    agree([(method, IMAGE, {"properties": {"k": "v"}}), (method, IMAGE, {"properties": None}), ("GET", IMAGE)])
    agree([(method, "/1.0/images/nope", {}), (method, f"/1.0/images/{FIRST[:12]}", {"public": True}), ("GET", IMAGE)])


def test_aliases(agree: Compare, product: str, which: str) -> None:
    agree(_setting())
    at = "/1.0/images/aliases"
    bodies: tuple[Any, ...] = (
        {"name": "x/y", "target": FIRST},
        {"name": "x/y", "target": FIRST},
        {"name": "z", "target": FIRST[:12], "description": "d <>"},
        {"name": "", "target": FIRST},
        {"name": "q"},
        {"name": "q", "target": "nope"},
        {"name": "q", "target": "%"},
        {"name": 3, "target": FIRST},
        {"name": "sp ace?#", "target": FIRST},
        b"",
        b"x",
    )
    # A number as name is refused by all, in words that change with the Go that a daemon is built with.
    alike = [body for body in bodies if which != "lxd-trixie" or not (isinstance(body, dict) and body["name"] == 3)]
    agree([("POST", at, body) for body in alike])
    names = ("", "?recursion=1", "/x%2Fy", "/x/y", "/none", "/sp%20ace%3F%23", "/z/")
    agree([("GET", at + name) for name in names])
    puts: tuple[Any, ...] = ({"target": SECOND}, {"description": "q"}, {"target": "nope"}, b"")
    agree([("PUT", f"{at}/z", body) for body in puts] + [("PUT", f"{at}/none", {"target": FIRST}), ("GET", f"{at}/z")])
    agree([("PUT", f"{at}/z", {"target": FIRST}, {"If-Match": "bad"}), ("HEAD", f"{at}/z"), ("PATCH", at)])
    if product == "incus":
        # LXD 5.0.2 blocks everything for 10 and 20 seconds here.
        agree([("PATCH", f"{at}/z", {"description": "new"}), ("GET", f"{at}/z"), ("PATCH", f"{at}/none", {})])
        renames = (("z", "zz"), ("zz", "x/y"), ("zz", "zz"), ("none", "n"))
        agree([("POST", f"{at}/{old}", {"name": new}) for old, new in renames])
    agree([("DELETE", f"{at}/x%2Fy"), ("DELETE", f"{at}/x%2Fy"), ("GET", f"{at}?recursion=1"), ("GET", IMAGE)])


RANGES = ("bytes=0-9", "bytes=10-", "bytes=-5", "bytes=0-0,5-6", "bytes=99999-", "garbage", "bytes=5-2")


def test_exports(agree: Compare) -> None:
    agree(_setting())
    agree([("GET", f"{IMAGE}/export", None, {"Range": text}) for text in RANGES])
    agree([("GET", f"/1.0/images/{name}/export") for name in (FIRST, SECOND, DOUBLE, FIRST[:12], "nope", "%25")])
    agree([("HEAD", f"{IMAGE}/export"), ("PUT", f"{IMAGE}/export"), ("GET", f"{IMAGE}/export?project=nope")])
    agree([("GET", f"{IMAGE}/export", None, {"If-Modified-Since": "Mon, 23 Nov 2099 19:54:06 GMT"})])
    agree([("POST", f"{IMAGE}/export", body) for body in ({}, {"target": "https://127.0.0.1:1"}, b"")])


def test_secrets_refreshes_and_operations(agree: Compare) -> None:
    agree(_setting())
    agree([("POST", f"{IMAGE}/secret"), ("POST", "/1.0/images/nope/secret"), ("POST", "/1.0/images/%25/secret")])
    agree([("POST", f"{IMAGE}/refresh"), ("POST", "/1.0/images/nope/refresh"), ("GET", f"{IMAGE}/secret")])
    agree([("GET", "/1.0/operations/nope"), ("GET", "/1.0/operations/nope/wait"), ("DELETE", "/1.0/operations/nope")])
    agree([("PUT", "/1.0/operations/nope"), ("GET", "/1.0/operations/nope/websocket")])


def test_a_token_runs_is_waited_for_and_cancelled(daemon: Path, imitation: Path) -> None:
    heard = []
    for place in (daemon, imitation):
        ask(place, "POST", "/1.0/images", ONE, OCTETS)
        for _ in range(1000):
            if ask(place, "GET", IMAGE).status == 200:
                break
        url = ask(place, "POST", f"{IMAGE}/secret").json["operation"]
        steps: list[Step] = [("GET", url), ("GET", f"{url}/wait?timeout=0"), ("GET", f"{url}/wait?timeout=x")]
        steps += [("DELETE", url), ("GET", url), ("GET", f"{url}/wait"), ("DELETE", url)]
        heard.append([told(place, step) for step in steps])

    assert heard[1] == heard[0]


def test_deletions(agree: Compare) -> None:
    agree(_setting())
    agree([("POST", "/1.0/images/aliases", {"name": "a", "target": FIRST})])
    agree([("DELETE", IMAGE), ("DELETE", IMAGE), ("DELETE", "/1.0/images/%25"), ("DELETE", "/1.0/images/nope")])
    agree([("GET", "/1.0/images/aliases"), ("DELETE", f"/1.0/images/{SECOND[:12]}"), ("GET", "/1.0/images")])


def test_projects_and_profiles(agree: Compare) -> None:
    at = "/1.0/projects"
    bodies: tuple[Any, ...] = (
        {"name": "web"},
        {"name": "web"},
        {"name": "bare", "config": {"features.images": "false"}},
        {},
        {"name": "a/b"},
        {"name": "*"},
        {"name": "x", "config": {"foo": "1"}},
        b"",
    )
    agree([("POST", at, body) for body in bodies])
    agree([("POST", "/1.0/images?project=web", ONE, OCTETS), ("POST", "/1.0/images", TWO, OCTETS)])
    agree([("GET", f"{at}/{name}") for name in ("web", "bare", "default", "nope")] + [("GET", at)])
    queries = ("project=web", "project=bare", "project=nope", "project=web&recursion=1")
    agree([("GET", f"/1.0/images?{query}") for query in queries])
    agree([("POST", "/1.0/images/aliases?project=web", {"name": "w/a", "target": FIRST})])
    agree([("GET", "/1.0/images/aliases?project=web"), ("GET", "/1.0/images/aliases?project=nope")])
    agree([("POST", "/1.0/images?project=nope", b"x", OCTETS), ("DELETE", f"{IMAGE}?project=nope")])
    agree([("PATCH", f"{at}/web", {"description": "e"}), ("GET", f"{at}/web"), ("DELETE", f"{at}/web")])
    agree([("DELETE", f"{at}/default"), ("DELETE", f"{at}/nope"), ("DELETE", f"{at}/bare")])
    profiles: tuple[Any, ...] = (
        {"name": "p1"},
        {"name": "p1"},
        {},
        {"name": "a/b"},
        {"name": "p", "config": {"x": "1"}},
    )
    agree([("POST", "/1.0/profiles", body) for body in profiles])
    agree([("PUT", f"/1.0/images/{SECOND}", {"profiles": ["p1", "default"]}), ("GET", f"/1.0/images/{SECOND}")])
    agree([("DELETE", "/1.0/profiles/p1"), ("GET", f"/1.0/images/{SECOND}"), ("DELETE", "/1.0/profiles/default")])
    agree([("GET", "/1.0/profiles/nope"), ("GET", "/1.0/profiles"), ("GET", "/1.0/profiles?project=nope")])
    agree([("DELETE", f"{IMAGE}?project=web"), ("DELETE", f"{at}/web")])


def test_certificates(agree: Compare, daemon: Path) -> None:
    # The imitation has no network; a test before may have let the daemon listen.
    assert ask(daemon, "PATCH", "/1.0", {"config": {"core.https_address": ""}}).status == 200
    at = "/1.0/certificates"
    bodies: tuple[Any, ...] = ({}, {"type": "client"}, {"type": "client", "certificate": "AAAA"})
    agree([("POST", at, body) for body in bodies] + [("GET", at), ("GET", f"{at}/nope"), ("DELETE", f"{at}/nope")])
    agree([("POST", at, {"type": "client", "token": True, "name": "bob"})])
